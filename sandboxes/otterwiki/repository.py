"""The wiki's git repository: how it is made byte for byte the same, and what the state view shows of it.

Page text lies in files, and the state view is SQL. So after every request that may have changed a file, what
the wiki then serves (its working tree) and the commits since are copied into three tables beside the wiki's
own, in the same database. The wiki knows nothing of them. They are part of the state like everything else
there: reset, snapshot and export need not treat them apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS sandbox_pages (path TEXT PRIMARY KEY, title TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS sandbox_attachments (
    path TEXT PRIMARY KEY, page TEXT, name TEXT, bytes INTEGER, sha256 TEXT
);
CREATE TABLE IF NOT EXISTS sandbox_commits (
    number INTEGER PRIMARY KEY, revision TEXT, author TEXT, email TEXT, message TEXT, at TEXT, files TEXT
);
"""

ENVIRONMENT = {
    # No configuration but the repository's own, and nobody's name of this machine in a commit.
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_COMMITTER_NAME": "Weir Meadow",
    "GIT_COMMITTER_EMAIL": "wiki@weirmeadow.example",
    # Looking must not write: git would refresh its index with the times and inodes of this machine.
    "GIT_OPTIONAL_LOCKS": "0",
    "TZ": "UTC",
}


def tree(repository: Path) -> dict[str, bytes]:
    """Every file of the working tree, path -> content."""
    return {path.relative_to(repository).as_posix(): path.read_bytes() for path in _files(repository)}


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            if entry.name != ".git":
                yield from _files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def publish(database: Path, files: Mapping[str, bytes], commits: list[tuple[str, str, str, str, str, str]]) -> None:
    """Bring the three tables up to date.

    Args:
        database: The wiki's.
        files: What `tree` gave.
        commits: Those not in the table yet, oldest first: revision, author, e-mail, message, time, files.
    """
    pages = [
        (path.removesuffix(".md"), *_titled(content.decode("utf-8", "replace")))
        for path, content in files.items()
        if path.endswith(".md")
    ]
    attachments = [
        (path, *os.path.split(path), len(content), hashlib.sha256(content).hexdigest())
        for path, content in files.items()
        if not path.endswith(".md")
    ]
    with contextlib.closing(sqlite3.connect(database, timeout=5.0)) as db, db:
        _replace(db, "sandbox_pages", pages)
        _replace(db, "sandbox_attachments", attachments)
        names = "revision, author, email, message, at, files"
        db.executemany(f"INSERT INTO sandbox_commits ({names}) VALUES (?, ?, ?, ?, ?, ?)", commits)


def last_commit(database: Path) -> str:
    """The newest commit the tables know; empty without."""
    with contextlib.closing(sqlite3.connect(database, timeout=5.0)) as db:
        row = db.execute("SELECT revision FROM sandbox_commits ORDER BY number DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def _titled(text: str) -> tuple[str, str]:
    heading = next((line for line in text.splitlines() if line.startswith("# ")), "")
    return heading.removeprefix("# ").strip(), text


def _replace(db: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    """Write what differs: a page that stayed as it was keeps its row."""
    known = {row[0]: row for row in db.execute(f"SELECT * FROM {table}")}
    fresh = {row[0]: row for row in rows}
    db.executemany(f"DELETE FROM {table} WHERE path = ?", [(path,) for path in known.keys() - fresh.keys()])
    changed = [row for path, row in sorted(fresh.items()) if known.get(path) != row]
    if changed:
        marks = ", ".join("?" * len(changed[0]))
        db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", changed)
