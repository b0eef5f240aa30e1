"""Rows that results imply: what a tool interface without a state view still shows of its database.

Every object in a result that has an id is a row; the latest one seen in a session is believed. A row that
this session has not seen is believed to be as training sessions first saw it.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from worldmodel.document import Lines
from worldmodel.results.calls import arguments_of, is_error, is_map, mentions, value_of
from worldmodel.results.told import Fact, Told
from worldmodel.session import Sample

MAX_DEPTH = 4
_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+Z?")
Row = tuple[str, str, Any]
"""(collection, key, row)."""
Table = Mapping[str, Mapping[str, Any]]
"""Collection -> key -> row."""


def collection_of(name: str) -> str:
    """What an id's name says it is an id of: ``order_id`` -> ``order``; "" for what is no id."""
    if name == "id":
        return "id"
    return name[:-3] if name.endswith("_id") else ""


@functools.lru_cache(maxsize=65536)
def rows_of(key: str, target: Lines) -> tuple[Row, ...]:
    """The rows that one answer shows."""
    if is_error(target):
        return ()
    value, asked = value_of(target), arguments_of(key)
    out: list[Row] = []
    if isinstance(value, dict) and not is_map(value) and (found := _root_key(value, asked)):
        out.append((*found, value))
    out += _nested(value, MAX_DEPTH)
    return tuple(out)


def _root_key(value: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """The key of a whole result: its own first id, else one of its that was asked for, else the only one asked for."""
    if own := _own_key(value):
        return own
    ids = {name: each for name, each in asked.items() if collection_of(name) and isinstance(each, str)}
    for name, each in value.items():
        if collection_of(name) and each in ids.values():
            return collection_of(name), str(each)
    if len(ids) == 1 and len(asked) == 1:
        ((name, each),) = ids.items()
        return collection_of(name), each
    return None


def _own_key(value: Mapping[str, Any]) -> tuple[str, str] | None:
    first = next(iter(value), "")
    collection, key = collection_of(first), value.get(first)
    return (collection, str(key)) if collection and isinstance(key, str | int) and len(value) > 1 else None


def _nested(value: Any, depth: int) -> Iterator[Row]:
    if depth == 0 or not isinstance(value, dict | list):
        return
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict) and not is_map(child) and (own := _own_key(child)):
            yield (*own, child)
        yield from _nested(child, depth - 1)


def group_of(sample: Sample) -> str:
    """What a sample may not be answered from when it is learned: all sessions of its task template."""
    return sample.group.partition("@")[0]


class Believed:
    """The rows that a session begins with, as training sessions showed them.

    Args:
        samples: Recorded calls; of each session the first look at a row counts, of sessions the latest.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, Any]]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        self.told = Told()
        stamps: dict[str, str] = {}
        seen: set[tuple[str, str, str]] = set()
        for sample in samples:
            self.told.take(sample.situation.request.key, sample.target, group_of(sample))
            stamps[group_of(sample)] = max(stamps.get(group_of(sample), ""), _latest(sample.target))
            for collection, key, row in rows_of(sample.situation.request.key, sample.target):
                if (sample.session, collection, key) not in seen:
                    seen.add((sample.session, collection, key))
                    if (collection, key) not in self._rows:
                        self._names[key].append(collection)
                    self._rows[collection, key].append((group_of(sample), row))
        # Of two groups, as one may be left out.
        self._stamps = sorted(((stamp, group) for group, stamp in stamps.items()), reverse=True)[:2]

    def latest(self, without: str | None = None) -> str:
        """The latest moment that an answer was stamped with, "" where none was."""
        return next((stamp for stamp, group in self._stamps if group != without), "")

    def named(self, key: str) -> list[str]:
        """The collections that have a row with this key."""
        return self._names.get(key, [])

    def row(self, collection: str, key: str, without: str | None = None) -> Any:
        """A row as first seen, None if it never was; `without` leaves out what a group of sessions saw."""
        found: Any = None
        for group, row in reversed(self._rows.get((collection, key), ())):
            # Of a whole row and an excerpt, the whole.
            if group != without and (found is None or len(row) > len(found)):
                found = row
        return found


class Rows:
    """All rows believed at a moment of a session. Starts with none seen; `take` goes on.

    Args:
        start: What is believed of rows that the session has not seen.
        without: A group of training sessions that may not be used.
        state: The state view, where there is one.
    """

    def __init__(self, start: Believed, without: str | None = None, state: Mapping[str, Any] | None = None) -> None:
        self._start, self._without = start, without
        self._state = state or {}
        self._here: dict[tuple[str, str], Any] = {}
        self._told = Told()
        self.now = start.latest(without)
        """The latest moment that a row was stamped with: it has passed. "" where none was."""
        self.mentioned: dict[str, str] = {}
        """Texts that the session's results held, and the field that they first stood under."""

    def take(self, key: str, target: Lines) -> None:
        """Take in an answer."""
        for collection, row_key, row in rows_of(key, target):
            old = self.row(collection, row_key)
            # An excerpt does not forget the rest.
            self._here[collection, row_key] = row if old is None or row.keys() >= old.keys() else {**old, **row}
        self._told.take(key, target)
        self.now = max(self.now, _latest(target))
        self.mentioned = {**dict(_mentioned(key, target)), **self.mentioned}

    def row(self, collection: str, key: str) -> Any:
        """A row, None where nothing is known of it."""
        found = self._here.get((collection, key))
        return found if found is not None else self._start.row(collection, key, self._without)

    def told(self, wanted: Mapping[str, Any]) -> Fact | None:
        """What a result listed of the thing with these fields, None where none did."""
        return self._told.find(wanted) or self._start.told.find(wanted, self._without)

    def put(self, place: tuple[str, str, tuple[str, ...]], field: str, value: Any) -> None:
        """Believe another value of a field of an object inside a row."""
        collection, key, path = place
        row = self.row(collection, key)
        if row is not None:
            self._here[collection, key] = _put(row, (*path, field), value)

    def named(self, key: str) -> list[tuple[str, Any]]:
        """(collection, row) of all rows with this key; of a state view, those of its collections."""
        known = sorted({*self._start.named(key), *(name for name, each in self._here if each == key)})
        out = [(name, row) for name in known if (row := self.row(name, key)) is not None]
        tables = ((name, table) for name, table in self._state.items() if isinstance(table, dict))
        return out + [(f"state {name}", table[key]) for name, table in tables if isinstance(table.get(key), dict)]


def _put(value: Any, path: tuple[str, ...], new: Any) -> Any:
    """A copy of nested objects with another value at `path`; the same where the path leads nowhere."""
    if not path:
        return new
    if not isinstance(value, dict):
        return value
    return {**value, path[0]: _put(value.get(path[0]), path[1:], new)}


@functools.lru_cache(maxsize=65536)
def _mentioned(key: str, target: Lines) -> tuple[tuple[str, str], ...]:
    return () if is_error(target) else tuple(dict(reversed(list(mentions(value_of(target))))).items())


@functools.lru_cache(maxsize=65536)
def _latest(target: Lines) -> str:
    """The latest moment of what has happened: ``created_at`` tells that, ``expires_at`` what will be."""
    if is_error(target):
        return ""
    found = mentions(value_of(target))
    return max((text for text, field in found if _has_been(field) and _STAMP.fullmatch(text)), default="")


def _has_been(field: str) -> bool:
    """Whether a field of this name tells what has been: a verb in the present (`starts_at`) tells what will be."""
    verb = field.removesuffix("_at")
    return verb != field and not verb.endswith("s") and verb.rpartition("_")[2] not in ("due", "scheduled")
