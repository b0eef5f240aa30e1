"""How Roundup is put together and signed in to. Roundup itself is as its package has it."""

from __future__ import annotations

import base64
import secrets
import sys
from pathlib import Path

import roundup.instance
from roundup.cgi.wsgi_handler import RequestDispatcher

from envsim.guest.hosted import HostedApp

NAME = "Heron issues"
COOKIE = "roundup_session_Heronissues"
TEMPLATE = Path(sys.prefix) / "share" / "roundup" / "templates" / "classic"
"""The tracker that comes with the package: schema, detectors and pages are those of the installed version."""


def create(data: Path) -> HostedApp:
    """The tracker in `data`."""
    dispatcher = RequestDispatcher(str(data))
    tracker = dispatcher.tracker

    def serve(environ, start_response):
        # A setting, and one address: pages, redirects and the check of a form's origin follow the one in use.
        tracker.config["TRACKER_WEB"] = f"http://{environ['HTTP_HOST']}/"
        return dispatcher(environ, start_response)

    return HostedApp(serve, lambda account: sign_in(tracker, account))


def sign_in(tracker: roundup.instance.Tracker, account: str) -> dict[str, str]:
    """Cookies of a new session of the user with this name or address; as `roundup.cgi.client.Session` makes one."""
    db = tracker.open("admin")
    try:
        found = [
            user for user in db.user.list() if account in (db.user.get(user, "username"), db.user.get(user, "address"))
        ]
        if not found:
            raise LookupError(account)
        sessions = db.getSessionManager()
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        sessions.set(key, user=db.user.get(found[0], "username"))
        sessions.updateTimestamp(key)
        sessions.commit()
        return {COOKIE: key}
    finally:
        db.close()
