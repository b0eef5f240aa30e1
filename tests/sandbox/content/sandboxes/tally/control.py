"""Its seed, built in its data folder, and how to sign in."""

import sqlite3


def build(data):
    (data / "notes").mkdir()
    (data / "notes" / "first.txt").write_text("first", encoding="utf-8")
    db = sqlite3.connect(data / "tally.db")
    db.executescript(
        """CREATE TABLE account (name TEXT PRIMARY KEY); INSERT INTO account VALUES ('ann'), ('bob');
        CREATE TABLE session (token TEXT PRIMARY KEY, name TEXT);
        CREATE TABLE vote (name TEXT PRIMARY KEY, votes INTEGER NOT NULL);
        INSERT INTO vote VALUES ('tea', 3), ('coffee', 2)"""
    )
    db.commit()
    db.close()


def login(visit, account):
    try:
        visit.post("/login", {"name": account})
    except ValueError:
        raise LookupError(account) from None
