"""A SQLite connection that knows which tables may have changed, so that a state view reads only those again.

SQLite itself tells, while it compiles a statement, which tables it reads and writes, triggers and foreign-key
actions included (`sqlite3.Connection.set_authorizer`, https://sqlite.org/c3ref/set_authorizer.html). Whatever else
changes the database, such as a cursor of its own, shows in `total_changes` and counts as a change of all tables.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import sqlite3
from typing import Any

MAX_STATEMENTS = 4096
"""Statements remembered; more are those of an app that writes values into its SQL, and are learned again."""

_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_SCHEMA = frozenset({"sqlite_master", "sqlite_temp_master"})


class TrackedConnection(sqlite3.Connection):
    """See the module. `execute` is what tells tables apart; everything else works and is noticed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._written: dict[str, set[str]] = {}
        self._read: dict[str, frozenset[str]] = {}
        self._writing: set[str] = set()
        self._reading: set[str] = set()
        self._dirty: set[str] = set()
        self._all_dirty = True
        self._altered = False
        """Whether the schema ever changed: then a view may read other tables than it did."""
        self._accounted = 0
        self.set_authorizer(self._note)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        written = self._written.get(sql)
        if written is None:
            if len(self._written) >= MAX_STATEMENTS:
                self._written.clear()
            written = self._written[sql] = set()
        # SQLite compiles again after a change of the schema: what it then tells is of this statement, too.
        self._writing = written
        before = self.total_changes
        if before != self._accounted:
            self._all_dirty = True
        cursor = super().execute(sql, parameters)
        after = self.total_changes
        if after != before:
            self._dirty |= written
            # A statement that was compiled elsewhere told nobody what it writes.
            self._all_dirty = self._all_dirty or not written
        if written and not written.isdisjoint(_SCHEMA):
            self._altered = self._all_dirty = True
        self._accounted = after
        return cursor

    def changed(self) -> set[str] | None:
        """Tables that may have changed since the last call of this or of `settled`; None: any of them."""
        dirty = None if self._all_dirty or self.total_changes != self._accounted else self._dirty
        self.settled()
        return dirty

    def settled(self) -> None:
        """Forget what changed so far."""
        self._dirty = set()
        self._all_dirty = False
        self._accounted = self.total_changes

    def unsettled(self) -> None:
        """Take every table as changed: the database was replaced as a whole."""
        self._all_dirty = True

    def tables_of(self, query: str) -> frozenset[str]:
        """Tables and views that a query reads; none for one that reads nothing, or cannot be explained."""
        found = self._read.get(query)
        if found is None or self._altered:
            self._reading = set()
            self._writing = set()
            super().execute(f"EXPLAIN {query}").close()
            found = self._read[query] = frozenset(self._reading)
        return found

    def _note(self, action: int, first: str | None, second: str | None, schema: str | None, inner: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            self._reading.add(first or "")
        elif action in _WRITES:
            self._writing.add(first or "")
        return sqlite3.SQLITE_OK
