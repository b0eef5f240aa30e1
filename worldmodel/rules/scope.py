"""What is known before an answer, by name: the request, who is signed in, the page, and the rows that these name.

::

    url.1                               a segment of the address the request goes to, or was made on
    query.sort  field.Quantity          what was asked for; a field by its label, field.Option#0 its parts
    choice.0  button  group             ticked choices and what was pressed, choice.0#1 their parts
    button.named  group.0               a row's key that its words hold; the names of things in it
    beside /p/*                         what the links name in the block that a pressed control stands in (`beside`)
    argument.sku                        of a tool call
    login                               the account in use
    url.1.mine votes post               key of the row that joins it with a thing (`joins`)
    page row "Subtotal | ..."           the amount or number in the one line of the page that reads so
    url.1>products.price_cents          a field of the row whose key a value is (`Relations.attributes`)
    login<cart_lines.cart               how many rows of a collection refer to it by a field
    typed                               all that was typed, as one text
    made.orders                         key of the row that the session added last to a collection
    clock.date                          the day it is, where the app's clock is known
    session ...                         what the session did before (`worldmodel.rules.history`)
"""

from __future__ import annotations

import copy
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from envsim.state import StateView
from envsim.types import JsonValue
from worldmodel.document import Lines
from worldmodel.requests import Request, split_url
from worldmodel.rules.beside import beside
from worldmodel.rules.joins import joined_values
from worldmodel.rules.known import Known
from worldmodel.rules.readings import readings
from worldmodel.rules.relations import Relations

_ON = re.compile(r' on "([^"]*)"$')
QUOTED = r'"(?:[^"\\]|\\.)*"'
_FIELD = re.compile(rf"({QUOTED}) = (.*)", re.DOTALL)
_CHOICE = re.compile(rf"({QUOTED}) checked")
_ARGUMENT = re.compile(r"([^ =]+) = (.*)", re.DOTALL)
_FIGURE = re.compile(r"\$[0-9][0-9,]*\.[0-9]{2}|\b[0-9]+\b")
_STATES = re.compile(r" \{[^{}\"]*\}$")
_WORD = re.compile(r"[\w@.-]+")
_MAX_NAME = 70
UNREAD = ("session ", "typed", "operation", "intended")
"""Names that only tests ask for."""
_COUNT = 2
"""Digits of a number that may be a quantity."""
_MAX_TEXT = 400
"""Longer texts are nothing that a row would be keyed by."""


class Scope:
    """Names and their values before one answer, over one state.

    Args:
        values: What is known, by name.
        state: The believed state view.
        relations: How its collections belong together.
        clock: Seconds since 1970 in the app, where its clock is known (`worldmodel.rules.clock`).
    """

    def __init__(
        self, values: Mapping[str, JsonValue], state: StateView, relations: Relations, clock: float | None = None
    ) -> None:
        self.state = state
        self.relations = relations
        self.clock = clock
        self._values: dict[str, JsonValue] = dict(values)
        for name, value in values.items():
            if isinstance(value, str) and len(value) <= _MAX_TEXT and not name.startswith("page "):
                self._values |= _follow(name, value, state, relations)
        self._own = self._values
        self._below: Scope | None = None
        self._index: dict[tuple[bool, JsonValue], list[tuple[str, str]]] | None = None
        self._rows: dict[tuple[str, str, type, JsonValue], list[str]] = {}
        self._making = ("", 0)
        self._last: tuple[tuple[str, str, int], str] | None = None

    def child(self, prefix: str, values: Mapping[str, JsonValue]) -> Scope:
        """The same with more names, each behind `prefix`."""
        other = copy.copy(self)
        other._own = {prefix + name: value for name, value in values.items()}
        other._values = {**self._values, **other._own}
        other._index, other._below = None, self
        return other

    @property
    def making_number(self) -> int:
        """Which of several new rows is made, from 0."""
        return self._making[1]

    def making(self, collection: str, number: int) -> Scope:
        """The same while row `number` (from 0) of several new ones of a collection is made."""
        other = copy.copy(self)
        other._making = (collection, number)
        return other

    def knows(self, name: str) -> bool:
        """Whether there is such a name."""
        return name in self._values

    def value(self, name: str) -> JsonValue:
        """The value of a name; None if there is none."""
        return self._values.get(name)

    def items(self) -> Iterator[tuple[str, JsonValue]]:
        """All names and values."""
        return iter(self._values.items())

    def readable(self) -> Iterator[tuple[str, JsonValue]]:
        """Those that an expression may read: counts agree with quantities by chance."""
        return ((name, value) for name, value in self._values.items() if _is_readable(name))

    def named(self, value: JsonValue) -> list[tuple[str, str]]:
        """(name, way of reading it) for all that read as `value`."""
        own = self._readings().get((isinstance(value, int), value), [])
        return [*own, *self._below.named(value)] if self._below is not None else own

    def texts(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Every text that can be read, and where from."""
        yield from ((str(value), where) for (_, value), where in self._readings().items() if value is not None)
        if self._below is not None:
            yield from self._below.texts()

    def _readings(self) -> dict[tuple[bool, JsonValue], list[tuple[str, str]]]:
        if self._index is None:
            self._index = defaultdict(list)
            for name, known in self._own.items():
                if not _is_readable(name):
                    continue
                if known is None:
                    self._index[False, None].append((name, "as is"))
                for way, read in readings(known):
                    if isinstance(read, str | int):
                        self._index[isinstance(read, int), read].append((name, way))
        return self._index

    def rows(self, collection: str, field: str, value: JsonValue) -> list[str]:
        """Keys of the rows whose `field` is `value`; none for a list or an object, which no row is found by."""
        if isinstance(value, list | dict):
            return []
        wanted = (collection, field, type(value), value)
        if wanted not in self._rows:
            table = self.state.get(collection)
            known = self.relations.index.having(table, field) if isinstance(table, dict) else {}
            self._rows[wanted] = list(known.get((type(value), value), ()))
        return self._rows[wanted]

    def fresh(self, collection: str, prefix: str = "") -> str:
        """The next free key of a collection that counts its rows, behind `prefix` and as wide as the last one."""
        table = self.state.get(collection)
        wanted = (collection, prefix, id(table))
        if self._last is None or self._last[0] != wanted:
            keys = [key[len(prefix) :] for key in (table if isinstance(table, dict) else ()) if key.startswith(prefix)]
            self._last = (wanted, max((key for key in keys if key.isdecimal() and key.isascii()), key=int, default=""))
        last = self._last[1]
        collection_made, number = self._making
        return prefix + str(int(last or 0) + 1 + (number if collection_made == collection else 0)).zfill(
            len(last) if last.startswith("0") else 0
        )


def _is_readable(name: str) -> bool:
    return not name.startswith(UNREAD) and ("<" not in name or name.startswith("page "))


def _follow(name: str, value: str, state: StateView, relations: Relations) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    if value.isdigit() and len(value) <= _COUNT and name.startswith(("field.", "choice.")):
        return found  # how many, not which
    # People type codes as they like; apps take them for what they mean.
    meant = value.strip().upper() if name.startswith(("field.", "argument.", "query.")) else value
    also = relations.called(state, meant) if meant != value else ()
    for collection, key in (*relations.called(state, value), *also):
        attributes = relations.attributes(state, collection, key)
        found |= {f"{name}>{collection}.{attribute}": known for attribute, known in attributes.items()}
        if key == value:
            found |= {f"{name}<{path}": count for path, count in relations.counts(state, collection, key)}
    return found


def open_scope(
    request: Request, login: str, page: Lines, state: StateView, relations: Relations, known: Known,
    session: Mapping[str, JsonValue] | None = None, clock: float | None = None,
) -> Scope:  # fmt: skip
    """The scope of a request made on `page`; `session` are names of what went before it."""
    values = {
        **asked(request, state, known), **beside(request, page, known), **_shown(page, known), **(session or {}),
    }  # fmt: skip
    if login:
        values["login"] = login
    joined = joined_values(values, state, relations)
    if clock is not None:
        values["clock.date"] = datetime.fromtimestamp(clock, UTC).date().isoformat()
    return Scope({**values, **joined}, state, relations, clock)


def asked(request: Request, state: StateView, known: Known) -> dict[str, JsonValue]:
    """What a request says, by name."""
    head, *rest = request.lines
    values: dict[str, JsonValue] = {}
    on = _ON.search(head)
    if head.startswith("get "):
        values |= address(unquoted(head[4:]))
    elif on:
        values |= address(on[1])
    if head.startswith("click ") and (pressed := re.search(QUOTED, head)):
        values |= _words("button", unquoted(pressed[0]), state, known)
    for line in rest:
        if line.startswith("in "):
            values |= _words("group", unquoted(line[3:]), state, known)
        elif field := _FIELD.fullmatch(line):
            label = unquoted(field[1])
            values |= _parts(f"field.{label}", _value(field[2]))
            # The field for the number of one article is, of another, a field of the same kind.
            if (masked := known.mask(label)) != label:
                values |= _parts(f"field.{masked}", _value(field[2]))
        elif choice := _CHOICE.fullmatch(line):
            number = sum(name.startswith("choice.") and "#" not in name for name in values)
            values |= _parts(f"choice.{number}", unquoted(choice[1]))
        elif argument := _ARGUMENT.fullmatch(line):
            values[f"argument.{argument[1]}"] = _value(argument[2])
    typed = [str(value) for name, value in values.items() if name.startswith(("field.", "argument."))]
    return {**values, "typed": "\n".join(typed)} if typed else values


def address(url: str) -> dict[str, JsonValue]:
    """Segments and query of a URL, by name."""
    path, query = split_url(url)
    segments = [part for part in path.split("/") if part]
    values: dict[str, JsonValue] = {f"url.{number}": part for number, part in enumerate(segments)}
    return values | {f"query.{key}": value for key, value in parse_qsl(query, keep_blank_values=True)}


def _parts(name: str, value: JsonValue) -> dict[str, JsonValue]:
    """A value, and what its commas separate."""
    values = {name: value}
    parts = value.split(", ") if isinstance(value, str) else []
    if 1 < len(parts) < 8:
        values |= {f"{name}#{number}": part for number, part in enumerate(parts)}
    return values


def _words(name: str, text: str, state: StateView, known: Known) -> dict[str, JsonValue]:
    """A label, and what it names: keys of rows that are there now, and names of things known of old."""
    tables = [table for table in state.values() if isinstance(table, dict)]
    named = [word for word in _WORD.findall(text) if any(word in table for table in tables)]
    things = known.cut(text)[1]
    parts = {f"{name}#{number}": part for number, part in enumerate(text.split(", ")) if number}
    return {name: text, **parts, **({f"{name}.named": named[0]} if named else {}),
            **{f"{name}.{number}": thing for number, thing in enumerate(things)}}  # fmt: skip


def _shown(page: Lines, known: Known) -> dict[str, JsonValue]:
    """The figures on a page, by the line they stand in; not those that several lines could mean."""
    values: dict[str, JsonValue] = {}
    unclear = set()
    for line in page:
        for name, figure in _figures(line, known):
            if values.setdefault(name, figure) != figure:
                unclear.add(name)
    return {name: value for name, value in values.items() if name not in unclear}


@lru_cache(maxsize=16384)
def _figures(line: str, known: Known) -> tuple[tuple[str, str], ...]:
    """The figures of one line, by name."""
    figures = _FIGURE.findall(_STATES.sub("", line))
    wording = known.mask(_STATES.sub("", line).strip())[:_MAX_NAME] if figures else ""
    return tuple((f"page {wording} {number}", figure) for number, figure in enumerate(figures))


def unquoted(quoted: str) -> str:
    """The text of a JSON string; what is none, as it stands."""
    value = _value(quoted)
    return value if isinstance(value, str) else quoted


def _value(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value
