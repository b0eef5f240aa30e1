"""A database file in whose place the app has put another, as one does that restores a backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from envsim.guest.store import SqliteStore, seeding


def numbers(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        return [number for (number,) in db.execute("SELECT number FROM numbers")]


def fill(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE numbers (number INTEGER)")
        db.execute("INSERT INTO numbers VALUES (?)", (number,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    seed = tmp_path / "seed"
    seed.mkdir()
    with seeding("sqlite:app.db", seed, 1.0):
        fill(seed / "app.db", 1)
    with closing(SqliteStore(seed, tmp_path / "data", "app.db")) as opened:
        yield opened


@pytest.mark.parametrize("gone", [False, True])
def test_a_database_that_the_app_replaced_is_the_one_that_is_read_and_put_back(
    store: SqliteStore, tmp_path: Path, gone: bool
) -> None:
    live = tmp_path / "data" / "app.db"
    clean, mark = store.digest(), store.mark()
    fill(tmp_path / "other.db", 2)
    if gone:
        live.unlink()
    (tmp_path / "other.db").replace(live)
    assert store.mark() != mark
    assert store.query("SELECT number FROM numbers")[1] == [(2,)]
    assert store.digest() != clean
    saved = store.dump()
    store.reset()
    assert (numbers(live), store.digest()) == ([1], clean)
    live.unlink()
    store.reset()
    assert (numbers(live), store.digest()) == ([1], clean)
    store.load(saved)
    assert numbers(live) == [2]
