"""Finding rows of believed states by what they hold, without reading every row for every request.

States share the tables that no step changed, so what was found of a table holds for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from envsim.state import StateView
from envsim.types import JsonValue

MOST = 512
"""Tables that are remembered, and states."""
MOST_TEXTS = 4096
"""Texts of which it is remembered what they name in one state."""

Table = dict[str, Any]
Tally = Counter[tuple[str, type[str] | type[int], str | int]]


class StateIndex:
    """What was found of the tables of some states. Whoever asks often keeps one."""

    def __init__(self) -> None:
        self._tables: _Recent[Table, _Found] = _Recent(lambda table: _Found())
        self._states: _Recent[StateView, dict[Any, Any]] = _Recent(lambda state: {})

    def of(self, state: StateView) -> dict[Any, Any]:
        """Where to keep what was found of a whole state."""
        found = self._states.of(state)
        if len(found) >= MOST_TEXTS:
            found.clear()  # texts come from whoever acts, without end
        return found

    def words(self, table: Table) -> Mapping[str, list[str]]:
        """Text -> keys of the rows that hold it as their key or as a field."""
        found = self._tables.of(table)
        if found.words is None:
            found.words = {}
            for key, row in table.items():
                texts = {v for v in row.values() if isinstance(v, str)} if isinstance(row, dict) else set()
                for text in {key, *texts}:
                    found.words.setdefault(text, []).append(key)
        return found.words

    def named(self, state: StateView, text: str) -> Sequence[tuple[str, list[str]]]:
        """(collection, keys of its rows that hold the text), for all that have some."""
        known = self.of(state)
        found: list[tuple[str, list[str]]] | None = known.get((text,))
        if found is None:
            tables = ((name, table) for name, table in state.items() if isinstance(table, dict))
            found = [(name, keys) for name, table in tables if (keys := self.words(table).get(text))]
            known[text,] = found
        return found

    def keys(self, table: Table, field: str) -> Mapping[str, str]:
        """Text in `field` -> key of the last row that has it there."""
        found = self._tables.of(table)
        if field not in found.fields:
            rows = ((key, row.get(field)) for key, row in table.items() if isinstance(row, dict))
            found.fields[field] = {value: key for key, value in rows if isinstance(value, str)}
        return found.fields[field]

    def held(self, table: Table) -> Mapping[str, Mapping[str, str]]:
        """Text of a value -> field -> key of the first row that has it there."""
        found = self._tables.of(table)
        if found.held is None:
            found.held = {}
            for key, row in table.items():
                for field, value in row.items() if isinstance(row, dict) else ():
                    if isinstance(value, str | int):
                        found.held.setdefault(str(value), {}).setdefault(field, key)
        return found.held

    def counted(self, table: Table, rows: int) -> Sequence[tuple[str, str | int]]:
        """(field, value) of what just so many rows have there."""
        found = self._tables.of(table)
        if found.counted is None:
            found.counted = {}
            for (field, _, value), count in self.tally(table).items():
                found.counted.setdefault(count, []).append((field, value))
        return found.counted.get(rows, ())

    def having(self, table: Table, field: str) -> Mapping[tuple[type, JsonValue], Sequence[str]]:
        """(type, plain value) in `field` -> keys of the rows that have it there."""
        found = self._tables.of(table)
        if field not in found.having:
            known = found.having[field] = {}
            for key, row in table.items():
                if isinstance(row, dict) and field in row and not isinstance(row[field], list | dict):
                    known.setdefault((type(row[field]), row[field]), []).append(key)
        return found.having[field]

    def texts(self, table: Table) -> dict[str, str]:
        """Where to keep how rows of it read."""
        return self._tables.of(table).texts

    def kept(self, table: Table) -> dict[str, Any]:
        """Where to keep what else was found of it."""
        return self._tables.of(table).kept

    def tally(self, table: Table) -> Tally:
        """(field, type, value) -> rows that have it."""
        found = self._tables.of(table)
        if found.tally is None:
            rows = [row for row in table.values() if isinstance(row, dict)]
            found.tally = Counter((n, type(v), v) for row in rows for n, v in row.items() if isinstance(v, str | int))
        return found.tally


K = TypeVar("K")
V = TypeVar("V")


class _Recent(Generic[K, V]):
    """Something for each of the objects that were asked about lately; by identity, as none of them is ever edited."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        # The object is kept with what was found of it, so that no other one can come to have its id.
        self._new: dict[int, tuple[K, V]] = {}
        self._old: dict[int, tuple[K, V]] = {}

    def of(self, key: K) -> V:
        known = self._new.get(id(key))
        if known is None:
            known = self._old.get(id(key)) or (key, self._make(key))
            if len(self._new) >= MOST // 2:
                self._old, self._new = self._new, {}
            self._new[id(key)] = known
        return known[1]


class _Found:
    """Of one table."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] | None = None
        self.fields: dict[str, dict[str, str]] = {}
        self.tally: Tally | None = None
        self.held: dict[str, dict[str, str]] | None = None
        self.counted: dict[int, list[tuple[str, str | int]]] | None = None
        self.texts: dict[str, str] = {}
        self.kept: dict[str, Any] = {}
        self.having: dict[str, dict[tuple[type, JsonValue], list[str]]] = {}
