"""The shop's seed database: the same bytes every time."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from . import catalog, people

SCHEMA = Path(__file__).with_name("schema.sql")


def build(path: Path) -> None:
    """Write the seed database to `path`, replacing what is there."""
    path.unlink(missing_ok=True)
    db = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.closing(db):
        db.execute("PRAGMA page_size = 4096")
        db.executescript(SCHEMA.read_text(encoding="utf-8"))
        db.execute("BEGIN")
        catalog.fill(db)
        people.fill(db)
        db.execute("COMMIT")
        db.execute("ANALYZE")
        db.execute("VACUUM")
        path.write_bytes(db.serialize())
