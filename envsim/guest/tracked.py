"""A SQLite connection that knows which tables may have changed, so that a state view reads only those again.

SQLite itself tells, while it compiles a statement, which tables it reads and writes, triggers and foreign-key
actions included (`sqlite3.Connection.set_authorizer`, https://sqlite.org/c3ref/set_authorizer.html). It is asked on
a twin, a connection with the same schema: an authorizer on the connection itself would be called again for every
column of every statement after each reset, which takes longer than compiling. Whatever else changes the database,
such as a cursor of its own, shows in `total_changes` and counts as a change of all tables.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import sqlite3
from typing import Any

MAX_STATEMENTS = 4096
"""Statements remembered; more are those of an app that writes values into its SQL, and are learned again."""

_WRITES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_SCHEMA = frozenset({"sqlite_master", "sqlite_temp_master"})
_NOTHING: frozenset[str] = frozenset()


class Twin:
    """Tells what statements touch, by compiling them on another connection.

    Args:
        db: One that never changes its schema and, with ``cached_statements=0``, compiles a statement every time.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._written: set[str] = set()
        self._read: set[str] = set()
        db.set_authorizer(self._note)

    def touched(self, sql: str, parameters: Any = ()) -> tuple[frozenset[str], frozenset[str]] | None:
        """Tables and views that a statement reads and those that it writes; None for one that cannot be compiled."""
        self._read, self._written = set(), set()
        try:
            self.db.execute(f"EXPLAIN {sql}", parameters).close()
        except (sqlite3.Error, sqlite3.Warning):
            return None
        return frozenset(self._read), frozenset(self._written)

    def _note(self, action: int, first: str | None, second: str | None, schema: str | None, inner: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            self._read.add(first or "")
        elif action in _WRITES:
            self._written.add(first or "")
        elif action == sqlite3.SQLITE_ATTACH:
            self._written |= _SCHEMA
        return sqlite3.SQLITE_OK


class TrackedConnection(sqlite3.Connection):
    """See the module. `execute` is what tells tables apart; everything else works and is noticed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._twin: Twin | None = None
        self._written: dict[str, frozenset[str]] = {}
        self._read: dict[str, frozenset[str]] = {}
        self._dirty: set[str] = set()
        self._all_dirty = True
        self._altered = False
        """Whether the schema may differ from the twin's: then nothing is known of any statement."""
        self._accounted = 0

    def follow(self, twin: Twin) -> None:
        """Ask `twin`, which has this one's schema, what statements touch; until then every change is one of all."""
        self._twin = twin

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        written = self._written.get(sql)
        if written is _NOTHING or self._twin is None:
            return super().execute(sql, parameters)
        before = self.total_changes
        if before != self._accounted:
            self._all_dirty = True
        cursor = super().execute(sql, parameters)
        if written is None:
            written = self._learn(self._twin, sql, parameters)
        after = self.total_changes
        if after != before:
            self._dirty |= written
        self._accounted = after
        return cursor

    def changed(self) -> set[str] | None:
        """Tables that may have changed since the last call of this or of `settled`; None: any of them."""
        unknown = self._all_dirty or self._altered or self.total_changes != self._accounted
        dirty = None if unknown else self._dirty
        self.settled()
        return dirty

    def settled(self) -> None:
        """Forget what changed so far."""
        self._dirty = set()
        # What is seen in the middle of a transaction may be rolled back, which counts as no change.
        self._all_dirty = self.in_transaction
        self._accounted = self.total_changes

    def unsettled(self) -> None:
        """Take every table as changed: the database was replaced as a whole."""
        self._all_dirty = True
        self._altered = self._altered or self._twin is None or _schema(self) != _schema(self._twin.db)

    def tables_of(self, query: str) -> frozenset[str]:
        """Tables and views that a query reads; none for one that reads nothing, or cannot be explained."""
        found = self._read.get(query)
        if found is None:
            touched = self._twin.touched(query) if self._twin else None
            found = self._read[query] = touched[0] if touched else _NOTHING
        return found

    def _learn(self, twin: Twin, sql: str, parameters: Any) -> frozenset[str]:
        if len(self._written) >= MAX_STATEMENTS:
            self._written.clear()
        touched = twin.touched(sql, parameters)
        written = touched[1] if touched else _SCHEMA
        if not written.isdisjoint(_SCHEMA):
            self._altered = True
        self._written[sql] = written = written or _NOTHING
        return written


def _schema(db: sqlite3.Connection) -> list[Any]:
    return db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
