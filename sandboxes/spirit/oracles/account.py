"""Bugs around accounts."""

from __future__ import annotations

import re

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .visits import MEMBER, NAME, Member


def reset_complete(sandbox: Sandbox) -> None:
    """Ask for a new password, follow the link in the mail, set one, and look at the page that says so."""
    guest = Member(sandbox, None)
    guest.submit("/user/password-reset/", email=MEMBER)
    mails = guest.rows("outbox", sent_to=MEMBER)
    link = re.search(r"https?://[^/]+(/user/reset/\S+)", max(mails.items())[1]["body"]) if mails else None
    if link is None:
        raise ValueError("no mail with a link was sent")
    page = dict(guest.send("GET", link[1]).headers).get("location", link[1])
    done = guest.submit(page, new_password1="quiet-harbour-17", new_password2="quiet-harbour-17")
    target = dict(done.headers).get("location", "")
    if done.status != 302 or not target:
        raise ValueError(f"the new password was not taken (status {done.status})")
    status = guest.send("GET", target).status
    if status >= 500:
        raise OracleFailure(f"{target} answered {status} instead of saying that the password was changed")


def foreign_next(sandbox: Sandbox) -> None:
    """Like a comment through a link that names another site as the way back."""
    member = Member(sandbox)
    comment = min(key for key, row in member.rows("comments", likes_count=0, action=0).items() if row["author"] != NAME)
    reply = member.submit(f"/comment/like/{comment}/create/", next="https://mendwick.example.net/login")
    if reply.status != 302 or not member.rows("likes", comment=int(comment), user=NAME):
        raise ValueError(f"the like was not taken (status {reply.status})")
    target = dict(reply.headers).get("location", "")
    if not target.startswith("/") or target.startswith("//"):
        raise OracleFailure(f"the like led to {target}, away from the forum")


def empty_next(sandbox: Sandbox) -> None:
    """Report a comment with a form that names no way back."""
    member = Member(sandbox)
    comment = min(key for key, row in member.rows("comments", action=0).items() if row["author"] != NAME)
    reply = member.submit(f"/comment/flag/{comment}/create/", reason=0, body="", next="")
    if not member.rows("flags", comment=int(comment), user=NAME):
        raise ValueError(f"the report was not taken (status {reply.status})")
    if reply.status >= 500:
        raise OracleFailure(f"the report was kept, but the answer was {reply.status}")
