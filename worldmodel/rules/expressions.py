"""Expressions: how one value follows from what is known. Data, never code: kept as JSON, evaluated by `evaluate`.

Small enough to be found by enumeration and read by a person::

    Read("field.Quantity", "whole number")
    Find("variants", (("product", Read("url.1")), ("label", Read("field.Option", "before a bracket"))))
    Combine("-", Read("row.stock"), Read("each.qty"))
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from envsim.state import canonical
from envsim.types import JsonValue
from worldmodel.rules.readings import READERS
from worldmodel.rules.scope import Scope
from worldmodel.rules.times import FORMS, write_time

ALPHABETS = {
    "hexadecimal": "0123456789abcdef",
    "lower case": "0123456789abcdefghijklmnopqrstuvwxyz",
    "upper case": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "any case": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
}
_MIN_OPAQUE = 8
_MAX_OPAQUE = 64
_MOST_DIGITS = 1000
"""Of a text that is read as a number: whoever acts types as many as they like."""
MOST_OFFSET = 366 * 86400
"""Seconds between a request and a time it writes."""


class Unknown(Exception):  # noqa: N818 -- an outcome, not an error
    """An expression has no value here: a name is missing, or does not read as asked."""


@dataclass(frozen=True)
class Const:
    """The same everywhere; `value` is text, number, truth value or null."""

    value: JsonValue


@dataclass(frozen=True)
class Read:
    """A named value of the scope, read in one of the ways of `READERS`."""

    name: str
    way: str = "as is"


@dataclass(frozen=True)
class Find:
    """The key of the only row of a collection whose fields have these values."""

    collection: str
    where: tuple[tuple[str, Read], ...]


@dataclass(frozen=True)
class Fresh:
    """The key of a new row: one more than the greatest of those that begin with `prefix`."""

    collection: str
    prefix: str = ""


@dataclass(frozen=True)
class Clock:
    """The app's time when the request arrives and `offset` seconds, written in one of `FORMS`."""

    offset: int
    form: str


@dataclass(frozen=True)
class Opaque:
    """What only the app's own dice know, such as a token: `count` characters of an alphabet of `ALPHABETS`.

    Its value is a placeholder, another one for each row and the same for the same state. No answer that holds one is
    ever sure.
    """

    alphabet: str
    count: int


@dataclass(frozen=True)
class Number:
    """A key as the number it is."""

    of: Expression


@dataclass(frozen=True)
class Text:
    """Parts between literals: ``literals[0] parts[0] literals[1] ...``."""

    literals: tuple[str, ...]
    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Combine:
    """Two whole numbers added, subtracted or multiplied."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Switch:
    """Another expression for each value that `on` may take; null where there is no such name."""

    on: Read
    cases: tuple[tuple[JsonValue, Expression], ...]
    otherwise: Expression | None = None


Expression: TypeAlias = Const | Read | Find | Fresh | Clock | Opaque | Number | Text | Combine | Switch
_SIGNS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def evaluate(expression: Expression, scope: Scope) -> JsonValue:
    """Its value.

    Raises:
        Unknown: It has none here.
    """
    match expression:
        case Const(value):
            return value
        case Read(name, way):
            return _read(name, way, scope)
        case Find(collection, where):
            return _find(collection, [(field, evaluate(read, scope)) for field, read in where], scope)
        case Fresh(collection, prefix):
            return scope.fresh(collection, prefix)
        case Clock(offset, form):
            if scope.clock is None:
                raise Unknown
            return write_time(scope.clock + offset, form)
        case Opaque(alphabet, count):
            return _placeholder(alphabet, count, scope)
        case Number(of):
            return _number(evaluate(of, scope))
        case Text(literals, parts):
            pieces = [text_of(evaluate(part, scope)) for part in parts]
            return literals[0] + "".join(piece + after for piece, after in zip(pieces, literals[1:], strict=True))
        case Combine(sign, left, right):
            a, b = evaluate(left, scope), evaluate(right, scope)
            if type(a) is int and type(b) is int:
                return int(_SIGNS[sign](a, b))
            raise Unknown
        case Switch(on, cases, otherwise):
            value = scope.value(on.name)
            for case, then in cases:
                if case == value:
                    return evaluate(then, scope)
            if otherwise is None:
                raise Unknown
            return evaluate(otherwise, scope)


def _placeholder(alphabet: str, count: int, scope: Scope) -> str:
    rows = {name: len(table) for name, table in scope.state.items() if isinstance(table, dict)}
    letters = ALPHABETS[alphabet]
    seed = f"{canonical(rows)} {scope.making_number} "
    digest = b"".join(hashlib.sha256(f"{seed}{part}".encode()).digest() for part in range(count // 32 + 1))
    return "".join(letters[byte % len(letters)] for byte in digest[:count])


def opaque(value: str) -> Opaque | None:
    """How a text looks that may have been drawn by chance: long enough, of letters and digits in no order."""
    if not _MIN_OPAQUE <= len(value) <= _MAX_OPAQUE or value.isalpha() or value.isdecimal():
        return None
    name = next((name for name, letters in ALPHABETS.items() if set(value) <= set(letters)), None)
    return Opaque(name, len(value)) if name is not None else None


def has_opaque(expression: Expression) -> bool:
    """Whether a placeholder is part of it."""
    match expression:
        case Opaque():
            return True
        case Text(_, parts):
            return any(map(has_opaque, parts))
        case Switch(_, cases, otherwise):
            return any(has_opaque(then) for _, then in cases) or (otherwise is not None and has_opaque(otherwise))
    return False


def _read(name: str, way: str, scope: Scope) -> JsonValue:
    value = scope.value(name)
    read = READERS[way](value)
    if read is None and not (way == "as is" and scope.knows(name)):
        raise Unknown(name)
    return read


def _find(collection: str, wanted: list[tuple[str, JsonValue]], scope: Scope) -> str:
    keys = scope.rows(collection, *wanted[0])
    for field, value in wanted[1:]:
        also = set(scope.rows(collection, field, value))
        keys = [key for key in keys if key in also]
    if len(keys) != 1:
        raise Unknown(collection)
    return keys[0]


def _number(value: JsonValue) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) < _MOST_DIGITS:
        return int(value)
    raise Unknown


def text_of(value: JsonValue) -> str:
    """A value as part of a text.

    Raises:
        Unknown: Only texts and numbers can be.
    """
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    raise Unknown


@lru_cache(maxsize=65536)
def cost(expression: Expression) -> float:
    """How far-fetched it is: of several that explain the same, the cheapest is believed."""
    match expression:
        case Const(value):
            # A long text that is always the same is more of a coincidence than a short one; so is a number but 0 and 1.
            if type(value) is int and value not in (0, 1):
                return 0.9 + 0.3 * len(str(value))
            return 0.9 + 0.15 * (len(value) if isinstance(value, str) else 0)
        case Read(name, way):
            far = 0.2 * name.count(">") + 0.1 * name.count(".") + 0.5 * name.startswith("page ")
            # What the session added last is often, and not always, what a request is about.
            far += 0.3 * name.startswith("made.")
            return 1.0 + far + 0.3 * (way != "as is")
        case Find(_, where):
            return 2.0 + sum(cost(read) for _, read in where)
        case Fresh(_, prefix):
            return 1.0 + 0.02 * len(prefix)
        case Clock():
            return 1.2
        case Opaque():
            return 20.0
        case Number(of):
            return 0.2 + cost(of)
        case Text(literals, parts):
            return 1.0 + sum(map(cost, parts)) + 0.02 * sum(map(len, literals))
        case Combine("+" | "-", Read(name, "as is"), Const(1)) if name.startswith(("row.", "each.")):
            return 1.4 + 0.1 * name.count(">")  # counting up or down
        case Combine(_, left, right):
            return 3.0 + cost(left) + cost(right)
        case Switch(on, cases, otherwise):
            every = [then for _, then in cases] + ([otherwise] if otherwise is not None else [])
            return 3.0 + cost(on) + sum(map(cost, every)) / 2


# -- as JSON -------------------------------------------------------------------------------------------


def to_json(expression: Expression) -> list[Any]:
    """A list that `from_json` reads back."""
    match expression:
        case Const(value):
            return ["const", value]
        case Read(name, way):
            return ["read", name, way]
        case Find(collection, where):
            return ["find", collection, [[field, to_json(read)] for field, read in where]]
        case Fresh(collection, prefix):
            return ["fresh", collection, *([prefix] if prefix else [])]
        case Clock(offset, form):
            return ["clock", offset, form]
        case Opaque(alphabet, count):
            return ["opaque", alphabet, count]
        case Number(of):
            return ["number", to_json(of)]
        case Text(literals, parts):
            return ["text", list(literals), [to_json(part) for part in parts]]
        case Combine(sign, left, right):
            return ["combine", sign, to_json(left), to_json(right)]
        case Switch(on, cases, otherwise):
            then = [[value, to_json(then)] for value, then in cases]
            return ["switch", to_json(on), then, otherwise and to_json(otherwise)]


def from_json(data: Any) -> Expression:
    """See `to_json`.

    Raises:
        ValueError: It is none; a model file may be damaged or made up.
    """
    try:
        return _from_json(data)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"no expression: {str(data)[:80]} ({error})") from None


def _from_json(data: Any) -> Expression:
    match data:
        case ["const", None | bool() | int() | str() as value]:
            return Const(value)
        case ["read", str(name), str(way)] if way in READERS:
            return Read(name, way)
        case ["find", str(collection), [_, *_] as where]:
            return Find(collection, tuple((str(field), _as_read(read)) for field, read in where))
        case ["fresh", str(collection)]:
            return Fresh(collection)
        case ["fresh", str(collection), str(prefix)]:
            return Fresh(collection, prefix)
        case ["clock", int(offset), str(form)] if form in FORMS and abs(offset) <= MOST_OFFSET:
            return Clock(offset, form)
        case ["opaque", str(alphabet), int(count)] if alphabet in ALPHABETS and 0 < count <= _MAX_OPAQUE:
            return Opaque(alphabet, count)
        case ["number", of]:
            return Number(_from_json(of))
        case ["text", list(literals), list(parts)] if len(literals) == len(parts) + 1:
            return Text(tuple(map(str, literals)), tuple(map(_from_json, parts)))
        case ["combine", str(sign), left, right] if sign in _SIGNS:
            return Combine(sign, _from_json(left), _from_json(right))
        case ["switch", on, list(cases), otherwise]:
            then = tuple((value, _from_json(then)) for value, then in cases)
            return Switch(_as_read(on), then, None if otherwise is None else _from_json(otherwise))
    raise TypeError("unknown form")


def _as_read(data: Any) -> Read:
    found = _from_json(data)
    if not isinstance(found, Read):
        raise TypeError("only a name can stand here")
    return found
