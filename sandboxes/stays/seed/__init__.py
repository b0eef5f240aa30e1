"""The site's seed database: the same bytes every time."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from . import homes, people, stays

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


def build(path: Path) -> None:
    """Write the seed database to `path`, replacing what is there."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.executescript(f"PRAGMA page_size = 4096; {SCHEMA}")
        db.execute("BEGIN")
        for part in (people, homes, stays):
            part.fill(db)
        for statement in ("COMMIT", "ANALYZE", "VACUUM"):
            db.execute(statement)
        path.write_bytes(db.serialize())
