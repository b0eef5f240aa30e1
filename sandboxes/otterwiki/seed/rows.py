"""The wiki's rows: members, preferences, the table of contents of every page, and what the state view shows."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

from otterwiki.auth import SimpleAuth
from otterwiki.server import Preferences, app, db, update_app_config

from ..repository import TABLES
from ..site import OUTBOX, Site
from ..wiki import DATABASE
from .pages import NOW, OPENED


def fill(data: Path, members: list[tuple[str, str, str]], preferences: dict[str, str]) -> None:
    """Create everything in the database."""
    with app.app_context():
        for at, (name, email, password_hash) in enumerate(members):
            seen = NOW - timedelta(hours=5 + 31 * at)
            db.session.add(
                SimpleAuth.User(
                    name=name, email=email, password_hash=password_hash, first_seen=OPENED + timedelta(days=at),
                    last_seen=seen, is_approved=True, is_admin=at == 0, email_confirmed=True, allow_read=True,
                    allow_write=True, allow_upload=True,
                )
            )  # fmt: skip
        for name, value in preferences.items():
            db.session.add(Preferences(name=name, value=value))
        db.session.commit()
    update_app_config()
    # Once through the list of all pages: it keeps the headings of each, as on a wiki in use.
    status = app.test_client().get("/-/index").status_code
    if status != 200:
        raise ValueError(f"the list of pages answered {status}")
    with sqlite3.connect(data / DATABASE) as connection:
        connection.executescript(f"{TABLES}{OUTBOX};")
    site = Site(data)
    site.publish()
    site.release()
