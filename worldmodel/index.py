"""Finding rows of believed states by what they hold, without reading every row for every request.

States share the tables that no step changed, so what was found of a table holds for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

MOST = 512
"""Tables that are remembered."""

Table = dict[str, Any]
Tally = Counter[tuple[str, type[str] | type[int], str | int]]


class StateIndex:
    """What was found of the tables of some states. Whoever asks often keeps one."""

    def __init__(self) -> None:
        self._tables: dict[int, _Found] = {}

    def words(self, table: Table) -> Mapping[str, list[str]]:
        """Text -> keys of the rows that hold it as their key or as a field."""
        found = self._of(table)
        if found.words is None:
            found.words = {}
            for key, row in table.items():
                texts = {v for v in row.values() if isinstance(v, str)} if isinstance(row, dict) else set()
                for text in {key, *texts}:
                    found.words.setdefault(text, []).append(key)
        return found.words

    def keys(self, table: Table, field: str) -> Mapping[str, str]:
        """Text in `field` -> key of the last row that has it there."""
        found = self._of(table)
        if field not in found.fields:
            rows = ((key, row.get(field)) for key, row in table.items() if isinstance(row, dict))
            found.fields[field] = {value: key for key, value in rows if isinstance(value, str)}
        return found.fields[field]

    def tally(self, table: Table) -> Tally:
        """(field, type, value) -> rows that have it."""
        found = self._of(table)
        if found.tally is None:
            rows = [row for row in table.values() if isinstance(row, dict)]
            found.tally = Counter((n, type(v), v) for row in rows for n, v in row.items() if isinstance(v, str | int))
        return found.tally

    def _of(self, table: Table) -> _Found:
        # The table is kept with what was found of it, so that no other one can come to have its id.
        known = self._tables.get(id(table))
        if known is None:
            if len(self._tables) >= MOST:
                self._tables.clear()
            known = self._tables[id(table)] = _Found(table)
        return known


class _Found:
    """Of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.words: dict[str, list[str]] | None = None
        self.fields: dict[str, dict[str, str]] = {}
        self.tally: Tally | None = None
