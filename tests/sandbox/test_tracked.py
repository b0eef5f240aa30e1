"""State views that read again only what changed are the views that read everything."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.guest.kit import Collection, Kit, Table

SCHEMA = """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE books (
  id INTEGER PRIMARY KEY, title TEXT, author_id INTEGER REFERENCES authors(id) ON DELETE CASCADE ON UPDATE CASCADE
);
CREATE TABLE tally (what TEXT PRIMARY KEY, number INTEGER);
CREATE TABLE apart (id INTEGER PRIMARY KEY, note TEXT);
CREATE VIEW shelf AS SELECT b.id, b.title, a.name FROM books b JOIN authors a ON a.id = b.author_id;
CREATE TRIGGER counted AFTER INSERT ON apart BEGIN UPDATE tally SET number = number + 1 WHERE what = 'apart'; END;
INSERT INTO authors VALUES (1, 'Ann'), (2, 'Bo'), (3, 'Cy');
INSERT INTO books VALUES (1, 'One', 1), (2, 'Two', 2), (3, 'Three', 2);
INSERT INTO tally VALUES ('apart', 0);
"""
Saved = tuple[dict[str, Any], dict[str, Table]]
COLLECTIONS = {
    "authors": Collection("id", "SELECT id, name FROM authors"),
    "books": Collection("id", "SELECT id, title, author_id FROM books"),
    "shelf": Collection("id", "SELECT id, title, name FROM shelf"),
    "tally": Collection("what", "SELECT what, number FROM tally"),
    "apart": Collection("id", "SELECT id, note FROM apart"),
    "size": Collection("one", "SELECT 1 AS one, (SELECT count(*) FROM books) AS books"),
}
STATEMENTS = (
    "INSERT INTO apart (note) VALUES ('x')",  # a trigger writes to tally
    "INSERT INTO books (title, author_id) VALUES ('New', 1)",
    "DELETE FROM authors WHERE id = 2",  # takes its books along
    "UPDATE authors SET id = id + 10 WHERE id = 1",  # and changes those of this one
    "REPLACE INTO authors VALUES (7, 'Cy')",  # deletes the other Cy
    "UPDATE books SET title = title || '!' WHERE id = 1 RETURNING id",
    "DELETE FROM tally WHERE what = 'nothing'",
    "BEGIN", "COMMIT", "ROLLBACK",
    "INSERT INTO authors VALUES (1, 'Ann'), (9, 'Di')",  # mostly refused
    "CREATE TRIGGER later AFTER INSERT ON books BEGIN INSERT INTO apart (note) VALUES ('later'); END",
    "DROP VIEW shelf",
    "CREATE VIEW shelf AS SELECT id, note AS title, note AS name FROM apart",
    "SELECT count(*) FROM books",
)  # fmt: skip


def seeded(path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
    return path


@pytest.fixture(scope="module")
def seed_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeded(tmp_path_factory.mktemp("tracked") / "seed.db")


@pytest.fixture
def kit(seed_db: Path) -> Iterator[Kit]:
    made = Kit(seed_db, COLLECTIONS)
    yield made
    made.close()


def whole(kit: Kit) -> dict[str, Any]:
    """The view as a plain reading of every collection."""
    view = {}
    for name, collection in kit.collections.items():
        cursor = sqlite3.Connection.execute(kit.db, collection.sql)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        view[name] = {str(row.pop(collection.key)): row for row in rows}
    return view


STEPS = st.lists(
    st.one_of(
        st.sampled_from(STATEMENTS),
        st.sampled_from(("view", "reset", "snapshot", "restore", "restore with tables", "cursor", "many", "script")),
    ),
    max_size=14,
)


@given(steps=STEPS)
def test_a_view_is_what_reading_everything_gives(seed_db: Path, steps: list[str]) -> None:
    kit = Kit(seed_db, COLLECTIONS)
    saved = (kit.snapshot(), kit.tables())
    try:
        for step in steps:
            with contextlib.suppress(sqlite3.Error):
                saved = take(kit, step, saved)
            with contextlib.suppress(sqlite3.OperationalError):  # while there is no view `shelf`
                expected = whole(kit)
                assert kit.view() == expected
    finally:
        kit.close()


def take(kit: Kit, step: str, saved: Saved) -> Saved:
    if step == "view":
        kit.view()
    elif step == "reset":
        kit.reset(seed=1, bugs={})
    elif step == "snapshot":
        return kit.snapshot(), kit.tables()
    elif step.startswith("restore"):
        kit.restore(saved[0])
        if step == "restore with tables":
            kit.adopt(saved[1])
    elif step == "cursor":
        kit.db.cursor().execute("UPDATE books SET title = title || '?'")
    elif step == "many":
        kit.db.executemany("INSERT INTO apart (note) VALUES (?)", [("a",), ("b",)])
    elif step == "script":
        kit.db.executescript("INSERT INTO authors (name) VALUES (hex(randomblob(4)));")
    else:
        kit.db.execute(step).fetchall()
    return saved


def test_only_what_a_statement_touches_is_read_again(kit: Kit) -> None:
    before = kit.view()
    read: list[str] = []
    kit.db.set_trace_callback(read.append)
    kit.db.execute("INSERT INTO apart (note) VALUES ('x')")
    after = kit.view()
    assert {name for name in COLLECTIONS if after[name] is not before[name]} == {"apart", "tally"}
    assert len([sql for sql in read if sql in {c.sql for c in COLLECTIONS.values()}]) == 2
    read.clear()
    kit.db.execute("DELETE FROM authors WHERE id = 2")
    kit.view()
    assert {sql for sql in read if sql.startswith("SELECT")} == {
        COLLECTIONS[name].sql for name in ("authors", "books", "shelf", "size")
    }


def test_after_a_reset_nothing_is_read(kit: Kit) -> None:
    seed_view = kit.view()
    kit.db.execute("DELETE FROM authors")
    kit.view()
    kit.reset(seed=0, bugs={})
    read: list[str] = []
    kit.db.set_trace_callback(read.append)
    assert kit.view() == seed_view
    assert read == []


def test_a_statement_compiled_by_a_cursor_counts_as_a_change_of_everything(kit: Kit) -> None:
    sql = "UPDATE books SET title = 'x'"
    kit.db.cursor().execute(sql)
    kit.view()
    kit.db.execute("UPDATE books SET title = 'y'")
    kit.view()
    kit.db.execute(sql)  # from the cache of statements: nobody is told what it writes
    assert {row["title"] for row in kit.view()["books"].values()} == {"x"}


def test_more_statements_than_are_remembered(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envsim.guest.tracked.MAX_STATEMENTS", 3)
    for number in range(12):
        kit.db.execute(f"UPDATE books SET title = 't{number % 5}'")
        assert {row["title"] for row in kit.view()["books"].values()} == {f"t{number % 5}"}


def test_a_view_in_the_middle_of_what_is_rolled_back(kit: Kit) -> None:
    before = kit.view()
    kit.db.execute("BEGIN")
    kit.db.execute("UPDATE books SET title = 'x'")
    assert kit.view()["books"] != before["books"]
    kit.db.execute("ROLLBACK")
    assert kit.view() == before == whole(kit)


def test_a_restored_database_with_another_schema_is_read_whole(kit: Kit) -> None:
    kit.db.execute("CREATE TRIGGER late AFTER INSERT ON books BEGIN INSERT INTO apart (note) VALUES ('late'); END")
    saved = kit.snapshot()
    kit.reset(seed=0, bugs={})
    kit.restore(saved)
    kit.view()
    kit.db.execute("INSERT INTO books (title, author_id) VALUES ('New', 1)")
    assert [row["note"] for row in kit.view()["apart"].values()] == ["late"]
