"""The shop on the morning of 2 March 2026: the same rows, whichever version of Oscar holds them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from ..site import settings


def build(data: Path) -> None:
    """Write the database and the pictures to the folder `data`."""
    (data / "media").mkdir(parents=True, exist_ok=True)
    settings.use(data)
    # Oscar's models can only be imported once Django is configured.
    from . import calendar, catalogue, marketing, orders, people, pictures  # noqa: PLC0415
    from .tables import create  # noqa: PLC0415

    with calendar.standing(calendar.OPENED):
        create()
        pictures.fill(data / "media")
        for part in (people, catalogue, marketing, orders):
            part.fill()
    _compact(data / "shop.db")


def _compact(path: Path) -> None:
    from django.db import connection  # noqa: PLC0415

    connection.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ANALYZE")
        db.execute("VACUUM")
