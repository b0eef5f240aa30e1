"""The seed database: two accounts, three notes."""

import contextlib
import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE account (email TEXT PRIMARY KEY);
CREATE TABLE session (token TEXT PRIMARY KEY, email TEXT NOT NULL);
CREATE TABLE note (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL);
INSERT INTO account VALUES ('ann@example.test'), ('bob@example.test');
INSERT INTO note VALUES (1, 'ann@example.test', 'Buy milk', '2026-03-01T10:00:00+00:00'),
                        (2, 'ann@example.test', 'Café at "nine"', '2026-03-01T11:00:00+00:00'),
                        (3, 'bob@example.test', 'Water the plants', '2026-03-01T12:00:00+00:00');
"""


def build(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA)
