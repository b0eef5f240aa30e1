"""The two little languages of content files: JMESPath queries and ``{placeholder}`` text.

Neither can run code. A query sees the JSON it is given; a placeholder names a path into JSON
objects and lists, never an attribute of a Python object.

Source: JMESPath specification (jmespath.org), with the arithmetic and lookups below added.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import jmespath
import jmespath.exceptions
import jmespath.functions
import jmespath.visitor

from envsim.errors import ContentError

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w-]*(?:\.[\w-]+)*)(?::([a-z]+))?\}|[{}]")
MAX_PATTERN_CHARS = 200
"""Longest regular expression of `matches`."""
MAX_MATCHED_CHARS = 1000
"""Longest text it is tried on."""
MAX_REPEATS = 2
"""Most repeats in it: each multiplies the time by the length of the text, and one in another is exponential."""
_REPEAT = re.compile(r"[*+?]|\{\d*,")
_NESTED_REPEAT = re.compile(r"[*+?{|][^()]*\)+(?:[*+]|\{\d*,)")
_FAILURES = (
    jmespath.exceptions.JMESPathError, re.error, ArithmeticError, ValueError, TypeError, LookupError, RecursionError
)  # fmt: skip
"""What data that a query's author did not think of makes of it."""
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


# -- queries -------------------------------------------------------------------------------------

_NUMBER: jmespath.functions._Signature = {"types": ["number"]}
_STRING: jmespath.functions._Signature = {"types": ["string"]}
_ANY: jmespath.functions._Signature = {"types": []}


class _Functions(jmespath.functions.Functions):
    """What JMESPath lacks for judging business facts."""

    @jmespath.functions.signature(_NUMBER, _NUMBER)
    def _func_add(self, a: float, b: float) -> float:
        return a + b

    @jmespath.functions.signature(_NUMBER, _NUMBER)
    def _func_sub(self, a: float, b: float) -> float:
        return a - b

    @jmespath.functions.signature(_NUMBER, _NUMBER)
    def _func_mul(self, a: float, b: float) -> float:
        return a * b

    @jmespath.functions.signature(_NUMBER, _NUMBER)
    def _func_div(self, a: float, b: float) -> float | None:
        return a / b if b else None

    @jmespath.functions.signature(_NUMBER)
    def _func_round(self, a: float) -> int:
        return int(Decimal(str(a)).quantize(Decimal(1), ROUND_HALF_UP))

    @jmespath.functions.signature(_STRING)
    def _func_lower(self, text: str) -> str:
        return text.lower()

    @jmespath.functions.signature(_STRING, _NUMBER, _NUMBER)
    def _func_slice(self, text: str, start: float, end: float) -> str:
        return text[int(start) : int(end)]

    @jmespath.functions.signature(_STRING, _STRING)
    def _func_matches(self, text: str, pattern: str) -> bool:
        """``matches(name, '[ -~]+')``: whether all of the text fits the regular expression."""
        if len(pattern) > MAX_PATTERN_CHARS or len(text) > MAX_MATCHED_CHARS:
            raise ValueError(f"matches() takes {MAX_MATCHED_CHARS} characters and a pattern of {MAX_PATTERN_CHARS}")
        if len(_REPEAT.findall(pattern)) > MAX_REPEATS:
            raise ValueError(f"the pattern {pattern!r} has more than {MAX_REPEATS} of * + ? and {{m,n}}")
        if _NESTED_REPEAT.search(pattern):
            raise ValueError(f"the pattern {pattern!r} repeats a group that repeats or has alternatives")
        return re.fullmatch(pattern, text) is not None

    @jmespath.functions.signature(_NUMBER)
    def _func_money(self, cents: float) -> str:
        """``money(`123450`)``: "$1,234.50", as in placeholders."""
        return _money(cents)

    @jmespath.functions.signature({"types": ["object", "null"]}, {"types": ["string", "number"]})
    def _func_lookup(self, table: dict[str, Any] | None, key: str | float) -> Any:
        """``lookup(products, row.product_id)``: the row with that key, or null."""
        key = str(key)
        row = (table or {}).get(key)
        return {**row, "key": key} if isinstance(row, dict) else row

    @jmespath.functions.signature({"types": ["object", "array", "null"]})
    def _func_rows(self, table: Any) -> list[Any]:
        """``rows(orders)``: the rows of a collection, each with its `key`, in key order."""
        return rows(table)

    @jmespath.functions.signature({"types": ["object", "array", "null"]}, _STRING, _ANY)
    def _func_select(self, table: Any, field: str, value: Any) -> list[Any]:
        """``select(variants, 'product_id', product.key)``: the rows whose `field` equals `value`."""
        if isinstance(table, list):
            return [row for row in table if isinstance(row, dict) and _same_id(row.get(field), value)]
        # Chosen before they are copied and sorted: a collection may have thousands, of which a few are wanted.
        found = {
            key: row
            for key, row in (table or {}).items()
            if isinstance(row, dict) and _same_id(key if field == "key" else row.get(field), value)
        }
        return rows(found)


def _same_id(a: Any, b: Any) -> bool:
    # A key is text while the column that refers to it is often a number; both name one row.
    return a is not None and b is not None and str(a) == str(b)


def rows(table: Any) -> list[Any]:
    """The rows of a state view collection, each with its key as ``key``, in key order.

    A list is returned as it is; anything else has no rows.
    """
    if isinstance(table, list):
        return table
    if not isinstance(table, Mapping):
        return []
    return [
        {**table[key], "key": key} if isinstance(table[key], Mapping) else table[key]
        for key in sorted(table, key=_natural)
    ]


def _natural(key: str) -> tuple[int, str]:
    # "9" before "10": keys are mostly row numbers.
    return (len(key), key) if key.isascii() and key.isdigit() else (1 << 30, key)


_OPTIONS = jmespath.visitor.Options(custom_functions=_Functions())


@lru_cache(maxsize=2048)
def compile_query(text: str) -> Any:
    """A compiled JMESPath expression.

    Raises:
        ContentError: `text` is not JMESPath.
    """
    try:
        return jmespath.compile(text)
    except jmespath.exceptions.JMESPathError as error:
        raise ContentError(f"{text!r} is not a JMESPath expression: {_one_line(error)}. Correct it.") from None


def query(text: str, scope: Mapping[str, Any]) -> Any:
    """What the JMESPath expression `text` finds in `scope`.

    Raises:
        ContentError: Not JMESPath, or a function met a value it has no result for.
    """
    compiled = compile_query(text)
    try:
        return compiled.search(scope, options=_OPTIONS)
    except ContentError as error:
        raise ContentError(f"The query {text!r} failed: {error}") from None
    except _FAILURES as error:
        raise ContentError(f"The query {text!r} failed: {_one_line(error)}. Correct it.") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


# -- placeholders --------------------------------------------------------------------------------


def _money(value: Any) -> str:
    cents = _cents(value)
    return f"{'-' if cents < 0 else ''}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def _amount(value: Any) -> str:
    cents = _cents(value)
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _cents(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value % 1:
        raise ContentError(f"{value!r} is not a whole number of cents. Give `money` and `amount` integer cents.")
    return int(value)


def _longdate(value: Any) -> str:
    year, month, day = str(value)[:10].split("-")
    return f"{_MONTHS[int(month) - 1]} {int(day)}, {year}"


def _join(value: Any) -> str:
    items = [str(item) for item in value]
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


FORMATS: dict[str, Callable[[Any], str]] = {
    "money": _money,
    "amount": _amount,
    "date": lambda value: str(value)[:10],
    "longdate": _longdate,
    "lower": lambda value: str(value).lower(),
    "upper": lambda value: str(value).upper(),
    "title": lambda value: str(value)[:1].upper() + str(value)[1:],
    "url": lambda value: quote(str(value), safe=""),
    "and": _join,
}
"""Format specs: ``{x:money}`` cents -> $1,234.50; ``amount`` cents -> 1234.50; ``date`` ISO day;
``longdate`` March 2, 2026; ``lower``, ``upper``, ``title``; ``url`` percent-encoded; ``and`` a, b and c."""


def placeholders(text: str) -> Iterator[tuple[str, str]]:
    """Each ``(path, format spec)`` in `text`.

    Raises:
        ContentError: A brace that is neither doubled nor part of a placeholder, or an unknown spec.
    """
    for match in _PLACEHOLDER.finditer(text):
        if match[0] in ("{", "}"):
            raise ContentError(
                f"{text!r} has a stray {match[0]!r}. Write {{name.field}} or {{name.field:spec}}, or double the brace."
            )
        if match[1] is None:
            continue
        if match[2] and match[2] not in FORMATS:
            raise ContentError(f"{text!r}: unknown format {match[2]!r}. Known formats: {', '.join(FORMATS)}.")
        yield match[1], match[2] or ""


def render(text: str, scope: Mapping[str, Any], escape: Callable[[str], str] = str) -> str:
    """`text` with every ``{path}`` or ``{path:spec}`` filled in from `scope`; ``{{`` is a brace.

    Args:
        text: The template.
        scope: Nested JSON; a path's parts are object keys or list positions.
        escape: Applied to each inserted value.

    Raises:
        ContentError: A path that leads nowhere, or a malformed placeholder.
    """
    for _ in placeholders(text):
        pass

    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        value = _follow(match[1], scope, text)
        try:
            shown = FORMATS[match[2]](value) if match[2] else _plain(value, text)
        except (ValueError, TypeError, IndexError, ArithmeticError):
            raise ContentError(f"{text!r}: {value!r} cannot be shown as {match[2]!r}. Use another format.") from None
        return escape(shown)

    return _PLACEHOLDER.sub(fill, text)


def resolve(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with the placeholders of every string in it filled in.

    A string that is one placeholder without a spec becomes the value itself, type and all:
    ``"{quantity}"`` -> 2.

    Raises:
        ContentError: As `render`.
    """
    if isinstance(value, str):
        match = _PLACEHOLDER.fullmatch(value)
        if match is not None and match[1] is not None and not match[2]:
            return _follow(match[1], scope, value)
        return render(value, scope)
    if isinstance(value, Mapping):
        return {key: resolve(item, scope) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, scope) for item in value]
    return value


def _follow(path: str, scope: Mapping[str, Any], text: str) -> Any:
    node: Any = scope
    for part in path.split("."):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list | tuple) and _is_position(part) and int(part) < len(node):
            node = node[int(part)]
        else:
            has = ", ".join(_names(node)) or "no fields"
            raise ContentError(f"{text!r}: there is no {part!r} in {{{path}}}; there is: {has}. Correct the name.")
    return node


def _is_position(part: str) -> bool:
    # isdigit() alone takes superscripts too, which int() refuses, as it does very long numbers.
    return part.isascii() and part.isdigit() and len(part) < 10


def _plain(value: Any, text: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        raise ContentError(f"{text!r}: {value!r} has no plain text. Name one of its fields, or give a format.")
    return str(value)


def _names(node: Any) -> Iterable[str]:
    return (str(key) for key in list(node)[:20]) if isinstance(node, Mapping) else ()
