"""What a clone is built from: database, clock, randomness, bugs, all resettable at once.

A clone keeps *every* bit of its mutable state in a `Kit`: rows in `Kit.db`, JSON values in
`Kit.cache`, time from `Kit.now`, chance from `Kit.draw`. Then reset, snapshot, restore and the
state hash are exact, and written once for all clones.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from envsim import rng
from envsim.guest.tracked import TrackedConnection, Twin
from envsim.state import StateView, canonical

Asgi = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(frozen=True)
class Clone:
    """What a clone's factory returns.

    `login` opens a session for an account (its e-mail) and returns the cookies a browser would
    then hold. It is called by the control plane only, never reachable by an agent.
    """

    asgi: Asgi
    login: Callable[[str], dict[str, str]]


class Fired(TypedDict):
    """A bug that changed behaviour: its id and what it did."""

    kind: str
    id: str
    detail: str


@dataclass(frozen=True)
class Collection:
    """One part of the state view: the rows of `sql` as objects, keyed by column `key`."""

    key: str
    sql: str


Table = tuple[list[tuple[Any, ...]], dict[str, dict[str, Any]]]
"""A collection's rows as read, and as objects by key."""


@dataclass
class Kit:
    """The mutable world of one clone.

    Args:
        seed_db: SQLite file with the data every reset starts from.
        collections: The state view, by name (see `Collection`).
        epoch: Time at reset.
        tick: How far one request moves the clock.
    """

    seed_db: Path
    collections: Mapping[str, Collection]
    epoch: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    tick: timedelta = timedelta(seconds=7)

    seed: int = 0
    generation: int = field(default=0, init=False)
    """Bumped by every reset and restore; anything derived from state must be dropped when it changes."""
    ticks: int = field(default=0, init=False)
    bugs: dict[str, float] = field(default_factory=dict, init=False)
    """Enabled bugs and the rate at which each fires."""
    counters: dict[str, int] = field(default_factory=dict, init=False)
    cache: dict[str, Any] = field(default_factory=dict, init=False)
    """JSON values that live in the app's memory, e.g. what a stale-cache bug serves. Dropped after a task's
    setup: what must last, such as sessions, belongs in `db`."""
    events: list[Fired] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._pristine = _open_memory(sqlite3.Connection, statements=0)
        source = sqlite3.connect(f"file:{self.seed_db}?mode=ro&immutable=1", uri=True)
        with contextlib.closing(source):
            source.backup(self._pristine)
        self.db = _open_memory(TrackedConnection)
        self.db.follow(Twin(self._pristine))
        self._seed_tables: dict[str, Table] = {}
        self.reset(seed=self.seed, bugs={})
        self.db.unsettled()
        self._seed_tables = self.tables()

    # -- lifecycle ---------------------------------------------------------------------------

    def reset(self, *, seed: int, bugs: Mapping[str, float], clock: datetime | None = None) -> None:
        """Return to the seeded state, leaving nothing behind.

        Args:
            seed: Drives every draw until the next reset.
            bugs: Which bugs are on, and the rate in [0, 1] at which each fires.
            clock: Overrides `epoch` until the next reset.
        """
        if self.db.in_transaction:
            self.db.rollback()
        self._pristine.backup(self.db)
        self.adopt(self._seed_tables)
        self.seed = seed
        self.bugs = dict(bugs)
        self._start = clock or self.epoch
        self.ticks = 0
        self.counters = {}
        self.cache = {}
        self.events = []
        self.generation += 1

    def begin(self, *, seed: int, bugs: Mapping[str, float]) -> None:
        """Start an episode on draw 1 and tick 0, whatever login and setup did; the database stays as they left it."""
        self.seed = seed
        self.bugs = dict(bugs)
        self.ticks = 0
        self.counters = {}
        self.cache = {}  # holds ticks and views of a time that now never was
        self.events = []

    def snapshot(self) -> dict[str, Any]:
        """Everything mutable: ``meta`` (JSON text) and, as bytes, ``db``."""
        return {"db": self.db.serialize(), "meta": self._dump_meta()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Return to what `snapshot` returned."""
        source = _open_memory(sqlite3.Connection)
        try:
            source.deserialize(snapshot["db"])
            if self.db.in_transaction:
                self.db.rollback()
            source.backup(self.db)
        finally:
            source.close()
        self.db.unsettled()
        self._load_meta(snapshot["meta"])

    def _dump_meta(self) -> str:
        meta = {
            "seed": self.seed,
            "bugs": self.bugs,
            "start": self._start.isoformat(),
            "ticks": self.ticks,
            "counters": self.counters,
            "cache": self.cache,
        }
        return json.dumps(meta)

    def _load_meta(self, text: str) -> None:
        meta = json.loads(text)
        self.seed = meta["seed"]
        self.bugs = meta["bugs"]
        self._start = datetime.fromisoformat(meta["start"])
        self.ticks = meta["ticks"]
        self.counters = meta["counters"]
        self.cache = meta["cache"]
        self.events = []
        self.generation += 1

    def close(self) -> None:
        """Close both databases; safe to call twice."""
        self.db.close()
        self._pristine.close()

    # -- what apps use -------------------------------------------------------------------------

    def now(self) -> datetime:
        """The app's time (UTC). It moves by `tick` per request and otherwise stands still."""
        return self._start + self.ticks * self.tick

    def draw(self, name: str) -> int:
        """A uniform 64-bit integer from the stream `name`."""
        self.counters[name] = count = self.counters.get(name, 0) + 1
        return rng.draw(self.seed, name, count)

    def token(self, name: str, length: int = 32) -> str:
        """A hex token from the stream `name`, at most 64 characters."""
        return hashlib.sha256(f"{name}{self.draw(name)}".encode()).hexdigest()[:length]

    def bug(self, bug_id: str, detail: str = "") -> bool:
        """Whether `bug_id` fires here and now; call it exactly where the behaviour differs.

        A rate below 1 is drawn from the episode's seed and how often this bug was asked before.
        """
        rate = self.bugs.get(bug_id, 0.0)
        if rate <= 0.0:
            return False
        if rate < 1.0 and self.draw(f"bug:{bug_id}") >= rate * 2**64:
            return False
        self.events.append({"kind": "bug", "id": bug_id, "detail": detail})
        return True

    def drain_events(self) -> list[Fired]:
        """The bugs that fired since the last call."""
        events, self.events = self.events, []
        return events

    # -- what the control plane uses -------------------------------------------------------------

    def view(self) -> StateView:
        """The state view: collection -> key -> row. Rows that did not change are the same objects as before."""
        for name in self._outdated():
            self._table(name, self.collections[name])
        return {name: self._tables[name][1] for name in self.collections}

    def tables(self) -> dict[str, Table]:
        """What `view` is made of, for `adopt`."""
        self.view()
        return dict(self._tables)

    def adopt(self, tables: Mapping[str, Table]) -> None:
        """After a return to an earlier state: these are the `tables` of then, and need not be read again."""
        self._tables = dict(tables)
        self.db.settled()

    def _outdated(self) -> list[str]:
        """Collections that may have changed since the last `view`."""
        changed = self.db.changed()
        if changed is None:
            return list(self.collections)
        read = {name: self.db.tables_of(collection.sql) for name, collection in self.collections.items()}
        return [
            name for name in read if name not in self._tables or not read[name] or not changed.isdisjoint(read[name])
        ]

    def _table(self, name: str, collection: Collection) -> None:
        columns, rows = self._query(collection.sql)
        known, table = self._tables.get(name, ([], {}))
        changed = [(old, new) for old, new in zip(known, rows, strict=False) if old != new]
        if not changed and len(rows) == len(known) and table:
            return
        at = columns.index(collection.key)
        names = columns[:at] + columns[at + 1 :]
        if len(known) == len(table) and len(rows) >= len(known) and all(old[at] == new[at] for old, new in changed):
            # Most steps change or add a few rows of many: the others keep their objects and their places.
            fresh = dict(table)
            others = [new for _, new in changed] + rows[len(known) :]
            fresh |= {str(row[at]): dict(zip(names, row[:at] + row[at + 1 :], strict=True)) for row in others}
        else:
            before = {row[at]: row for row in known}
            fresh = {
                str(row[at]): table[str(row[at])]
                if before.get(row[at]) == row
                else dict(zip(names, row[:at] + row[at + 1 :], strict=True))
                for row in rows
            }
        self._tables[name] = (rows, fresh)

    def _query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor = self.db.execute(sql)
        return [column[0] for column in cursor.description], cursor.fetchall()

    def write_mark(self) -> tuple[int, int]:
        """Changes whenever the database may have; equal marks mean an equal state view."""
        return (self.generation, self.db.total_changes)

    def state_hash(self) -> str:
        """SHA-256 (hex) over every row, the cache, clock, counters and bugs: all that a reset must undo."""
        digest = hashlib.sha256()
        for statement in self.db.iterdump():
            digest.update(statement.encode())
        digest.update(self._hash_meta())
        return digest.hexdigest()

    def _hash_meta(self) -> bytes:
        memory = [self.seed, self.bugs, self._start.isoformat(), self.ticks, self.counters, self.cache]
        return canonical(memory).encode()


Db = TypeVar("Db", bound=sqlite3.Connection)


def _open_memory(kind: type[Db], statements: int = 512) -> Db:
    # Autocommit: a clone writes BEGIN where production would; a served clone answers on another
    # thread than the one that built it, always one request at a time.
    db = sqlite3.connect(
        ":memory:", isolation_level=None, check_same_thread=False, cached_statements=statements, factory=kind
    )
    db.execute("PRAGMA foreign_keys = ON")
    return db
