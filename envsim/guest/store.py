"""Where an app that is not ours keeps its state: a database and files, all below one data folder.

A `Store` puts all of it back at once, from a seed that was built when the sandbox was. Standard
library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from envsim.errors import ContentError
from envsim.guest.folder import Folder, age
from envsim.guest.postgres import PostgresStore, seed_postgres

BUSY_S = 2.0
"""How long a reset waits for an app that holds its database locked."""

Rows = list[tuple[Any, ...]]


class Store(Protocol):
    """The mutable state of one app. Never called while the app answers a request."""

    def reset(self) -> None:
        """Return to the seed."""
        ...

    def dump(self) -> dict[str, bytes]:
        """All of it, by parts that `load` knows: self-contained beside the seed."""
        ...

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Take over what `dump` returned."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) over every row and every file's name and content."""
        ...

    def query(self, sql: str) -> tuple[list[str], Rows]:
        """Columns and rows of a SELECT."""
        ...

    def mark(self) -> int:
        """Changes whenever committed rows may have; equal marks mean equal answers to `query`."""
        ...

    def settle(self, moment: float) -> None:
        """Give what was written since the last call the app's own time, as files carry the machine's."""
        ...

    def close(self) -> None:
        """Release it; safe to call twice."""
        ...


def open_store(database: str, seed: Path, data: Path, environment: Mapping[str, str] | None = None) -> Store:
    """The store of an app that declares `database`, at its seed.

    Args:
        database: As in sandbox.toml, e.g. ``"sqlite:app.db"``.
        seed: What `seeding` left.
        data: Where the app works; created if missing, and emptied.
        environment: Variables of a database server, where there is one.

    Raises:
        ContentError: A kind of database nobody here knows.
    """
    kind, _, name = database.partition(":")
    if kind == "sqlite":
        return SqliteStore(seed, data, name)
    if kind == "postgres":
        return PostgresStore(seed, data, environment)
    if kind == "files":
        return FileStore(seed, data)
    raise ContentError(f"There is no store for database {database!r}. Use sqlite:PATH, postgres or files.")


@contextlib.contextmanager
def seeding(
    database: str, seed: Path, moment: float, environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Around a seed entry that fills `seed`: what it wrote is then in the form a store starts from.

    No open journals, no times of the build.

    Yields:
        Variables by which the entry, and what it starts, find a database server.

    Raises:
        ContentError: The database is not there or is none.
    """
    kind, _, name = database.partition(":")
    if kind == "postgres":
        with seed_postgres(seed, environment) as variables:
            yield variables
    else:
        yield {}
        if kind == "sqlite":
            _finish_sqlite(seed, name)
    age(seed, moment)


def _finish_sqlite(seed: Path, name: str) -> None:
    path = seed / name
    if not path.is_file():
        raise ContentError(f"The seed entry wrote no {name}. Write it, or correct `database` in sandbox.toml.")
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
    except sqlite3.Error as error:
        raise ContentError(f"{name} cannot be read as an SQLite database: {error}. Correct the seed entry.") from None


class FileStore:
    """See `Store`. Files and no database: there is no SQL, so no state view."""

    def __init__(self, seed: Path, data: Path) -> None:
        self._folder = Folder(seed, data)
        self.reset()

    def reset(self) -> None:
        """See `Store.reset`."""
        self._folder.reset()

    def dump(self) -> dict[str, bytes]:
        """See `Store.dump`."""
        return self._folder.dump()

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Store.load`."""
        self._folder.load(parts)

    def digest(self) -> str:
        """See `Store.digest`."""
        digest = hashlib.sha256()
        self._folder.add_to(digest)
        return digest.hexdigest()

    def query(self, sql: str) -> tuple[list[str], Rows]:
        """See `Store.query`.

        Raises:
            ContentError: Always.
        """
        raise ContentError("An app with files alone has no SQL to read a state view with. Remove [state] from it.")

    def mark(self) -> int:
        """See `Store.mark`."""
        return 0

    def settle(self, moment: float) -> None:
        """See `Store.settle`."""
        self._folder.settle(moment)

    def close(self) -> None:
        """See `Store.close`."""


class SqliteStore:
    """See `Store`. The database is one file that the app opens as it likes; a reset writes over it in place."""

    def __init__(self, seed: Path, data: Path, database: str) -> None:
        self._folder = Folder(seed, data, [f"{database}{suffix}" for suffix in ("", "-journal", "-wal", "-shm")])
        self._pristine = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with contextlib.closing(sqlite3.connect(f"file:{seed / database}?mode=ro&immutable=1", uri=True)) as source:
            source.backup(self._pristine)
        self._path = data / database
        self._opened = 0
        self._folder.reset()
        self._open()
        self.reset()

    def reset(self) -> None:
        """See `Store.reset`."""
        self._folder.reset()
        _copy(self._pristine, self._current())

    def dump(self) -> dict[str, bytes]:
        """See `Store.dump`. ``db`` is an SQLite file; of the files, only what differs from the seed."""
        image = bytearray(self._current().serialize())
        # The journal's mode is the live file's affair; an image in memory that asks for a WAL cannot be opened.
        image[18:20] = b"\x01\x01"
        return {"db": bytes(image), **self._folder.dump()}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Store.load`."""
        self._folder.load(parts)
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as source:
            source.deserialize(parts["db"])
            _copy(source, self._current())

    def digest(self) -> str:
        """See `Store.digest`."""
        digest = hashlib.sha256()
        for statement in self._current().iterdump():
            digest.update(statement.encode("utf-8", "surrogatepass"))
        self._folder.add_to(digest)
        return digest.hexdigest()

    def query(self, sql: str) -> tuple[list[str], Rows]:
        """See `Store.query`."""
        cursor = self._current().execute(sql)
        return [column[0] for column in cursor.description], cursor.fetchall()

    def mark(self) -> int:
        """See `Store.mark`. SQLite counts the commits of everybody but this connection."""
        version: int = self._current().execute("PRAGMA data_version").fetchone()[0]
        return self._opened << 32 | version

    def settle(self, moment: float) -> None:
        """See `Store.settle`."""
        self._folder.settle(moment)

    def close(self) -> None:
        """See `Store.close`."""
        self._live.close()
        self._pristine.close()

    def _open(self) -> None:
        self._path.touch()
        self._live = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        # The seed outlives a crash of the machine; the live file need not.
        self._live.execute("PRAGMA synchronous = OFF")
        self._file = self._path.stat().st_ino
        self._opened += 1

    def _current(self) -> sqlite3.Connection:
        """The connection to what the app has: it may put another file in the place of this one, as a restore does."""
        try:
            there = self._path.stat().st_ino
        except FileNotFoundError:
            there = 0
        if there != self._file:
            self._live.close()
            self._open()
        return self._live


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Write all of `source` over `target`, in which nobody may be writing."""
    source.backup(target, progress=_patience(), sleep=0.02)


def _patience() -> Callable[[int, int, int], None]:
    end = time.monotonic() + BUSY_S

    def check(status: int, remaining: int, total: int) -> None:
        # Left alone, `backup` tries again for ever.
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > end:
            raise TimeoutError("the app holds its database locked between requests; let `release` close connections")

    return check
