"""The data folder: a database with two accounts and two entries, and a folder of receipts."""

import contextlib
import sqlite3
import time
from pathlib import Path

SCHEMA = """
CREATE TABLE account (email TEXT PRIMARY KEY);
CREATE TABLE session (token TEXT PRIMARY KEY, email TEXT NOT NULL);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, text TEXT NOT NULL, amount TEXT NOT NULL, receipt TEXT,
    created_at REAL NOT NULL);
INSERT INTO account VALUES ('ann@example.test'), ('bob@example.test');
"""


def build(data: Path) -> None:
    (data / "receipts" / "old").mkdir(parents=True)
    (data / "receipts" / "rent.txt").write_text("Rent, March", encoding="utf-8")
    (data / "receipts" / "old" / "fees.txt").write_text("Fees", encoding="utf-8")
    (data / "empty").mkdir()
    with contextlib.closing(sqlite3.connect(data / "ledger.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
        rows = [("ann@example.test", "Rent", "1250.5", "rent.txt"), ("bob@example.test", "Café", "7.25", None)]
        for row in rows:
            sql = "INSERT INTO entry (owner, text, amount, receipt, created_at) VALUES (?, ?, ?, ?, ?)"
            db.execute(sql, [*row, time.time()])
        db.commit()
