"""The site's seed database: the same bytes every time."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from . import people, threads, work
from .texts import read_forums

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def build(path: Path) -> None:
    """Write the seed database to `path`, replacing what is there."""
    forums = read_forums()
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.executescript(f"PRAGMA page_size = 4096; {SCHEMA}")
        db.execute("BEGIN")
        for part in (people, threads, work):
            part.fill(db, forums)
        for statement in ("COMMIT", "ANALYZE", "VACUUM"):
            db.execute(statement)
        path.write_bytes(db.serialize())
