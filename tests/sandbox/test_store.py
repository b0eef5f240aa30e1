"""The data folder and database of a hosted app: whatever was done to them, a reset undoes it and a dump holds it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.guest import store as stores
from envsim.guest.folder import Folder
from envsim.guest.store import SqliteStore

MOMENT = 1_772_442_000.0
PATHS = st.sampled_from(["a", "sub/b", "kept", "sub", "b", "sub/kept", "sub/kept/a", "b/a"])
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["write", "same-size", "delete", "mkdir", "link", "pipe", "touch"]),
        PATHS,
        st.binary(max_size=4),
    ),
    max_size=12,
)


def listing(root: Path) -> dict[str, object]:
    """All that an app could tell of a folder: kinds, contents, targets, times."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name, moment = path.relative_to(root).as_posix(), path.lstat().st_mtime_ns
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder", moment)
        else:
            found[name] = ("file", path.read_bytes() if path.is_file() else None, moment)
    return found


def seed_folder(root: Path) -> Path:
    seed = root / "seed"
    (seed / "sub" / "kept").mkdir(parents=True)
    (seed / "a").write_bytes(b"one")
    (seed / "sub" / "b").write_bytes(b"two")
    (seed / "kept").symlink_to("a")
    for path in [*seed.rglob("*"), seed]:
        os.utime(path, (MOMENT, MOMENT), follow_symlinks=False)
    return seed


def commit(data: Path, deed: str, path: str, content: bytes) -> None:
    """Do it if it can be done; what an app may not do is no matter here."""
    target = data / path
    if deed in ("write", "same-size") and target.is_fifo():
        return  # would wait for a reader
    with contextlib.suppress(OSError):
        if deed == "write":
            target.write_bytes(content)
        elif deed == "same-size":
            target.write_bytes(bytes(reversed(target.read_bytes())))
            os.utime(target, (MOMENT, MOMENT))  # so that size and time tell nothing
        elif deed == "delete":
            shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
        elif deed == "mkdir":
            target.mkdir()
        elif deed == "link":
            target.symlink_to("/nowhere")
        elif deed == "pipe":
            os.mkfifo(target)
        else:
            os.utime(target, (1.0, 1.0), follow_symlinks=False)


def digest(folder: Folder) -> str:
    made = hashlib.sha256()
    folder.add_to(made)
    return made.hexdigest()


@settings(max_examples=60)
@given(first=DEEDS, second=DEEDS)
def test_a_reset_undoes_and_a_dump_holds_whatever_was_done(first: list, second: list) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        seed, data = seed_folder(Path(scratch)), Path(scratch) / "data"
        folder = Folder(seed, data)
        folder.reset()
        clean, pure = listing(data), digest(folder)
        assert clean == listing(seed)
        for deed in first:
            commit(data, *deed)
        folder.settle(MOMENT + 7)
        parts, dirty, middle = folder.dump(), listing(data), digest(folder)
        for deed in second:
            commit(data, *deed)
        folder.load(parts)
        pipes = {name for name, found in dirty.items() if found[:2] == ("file", None)}
        assert listing(data) == {name: found for name, found in dirty.items() if name not in pipes}
        assert pipes or digest(folder) == middle
        folder.reset()
        assert listing(data) == clean
        assert digest(folder) == pure
        assert listing(seed) == clean


@pytest.fixture
def store(tmp_path: Path):
    seed = tmp_path / "seed"
    seed.mkdir()
    with contextlib.closing(sqlite3.connect(seed / "app.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    with stores.seeding("sqlite:app.db", seed, MOMENT):
        pass
    made = SqliteStore(seed, tmp_path / "data", "app.db")
    yield made
    made.close()


def rows(store: SqliteStore) -> list:
    return store.query("SELECT a FROM t ORDER BY a")[1]


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_is_written_over_in_place_while_the_app_has_it_open(
    store: SqliteStore, tmp_path: Path, journal: str
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "app.db", isolation_level=None)) as app:
        app.execute(f"PRAGMA journal_mode = {journal}")
        clean, before = store.digest(), store.mark()
        app.execute("INSERT INTO t VALUES (2)")
        assert store.mark() != before
        assert rows(store) == [(1,), (2,)]
        parts = store.dump()
        app.execute("DROP TABLE t")
        store.load(parts)
        assert app.execute("SELECT count(*) FROM t").fetchone() == (2,)
        store.reset()
        assert app.execute("SELECT a FROM t").fetchall() == [(1,)]
        assert store.digest() == clean
    assert parts["db"][18:20] == b"\x01\x01"


def test_a_lock_that_is_never_released_ends_a_reset(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "BUSY_S", 0.05)
    store._live.execute("PRAGMA busy_timeout = 10")
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "app.db", isolation_level=None)) as app:
        app.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError, match="locked between requests"):
            store.reset()
    store.reset()
    assert rows(store) == [(1,)]


def test_a_seed_without_its_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"wrote no app\.db"), stores.seeding("sqlite:app.db", tmp_path, MOMENT):
        pass
    (tmp_path / "app.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ContentError, match="cannot be read"), stores.seeding("sqlite:app.db", tmp_path, MOMENT):
        pass
