"""Who is asking a clone with members and sessions: signing in and out, going on, and registering.

It wants a table ``members(id, email, name, joined_on, password, ...)`` and a table ``sessions(token,
member_id, expired)``. Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, first, scalar, write


@dataclass
class Actor:
    """One session: of a member, of nobody, or of a member whose session ran out (`expired`)."""

    kit: Kit
    sid: str
    account: Row | None = None
    expired: Row | None = None

    def member(self) -> Row:
        """The signed-in member.

        Raises:
            Refusal: Nobody is signed in.
        """
        if self.account is None:
            raise Refusal("sign_in_required", "Please sign in first.", 401)
        return self.account


A = TypeVar("A", bound=Actor)


def load_actor(kind: type[A], kit: Kit, sid: str) -> A:
    """The session behind a cookie; an unknown one is nobody's."""
    found = first(
        kit, "SELECT m.*, s.expired FROM sessions s JOIN members m ON m.id = s.member_id WHERE s.token = ?", sid
    )
    if found is None:
        return kind(kit, sid)
    return kind(kit, sid, expired=found) if found.pop("expired") else kind(kit, sid, found)


def hash_password(email: str, password: str) -> str:
    """Salted by the e-mail; cheap, because it guards made-up data."""
    return hashlib.sha256(f"{email}:{password}".encode()).hexdigest()


def open_session(kit: Kit, member_id: int) -> str:
    """A new session; its cookie value."""
    token = kit.token("session")
    write(kit, "INSERT INTO sessions (token, member_id) VALUES (?, ?)", token, member_id)
    return token


def log_in(kit: Kit, email: str) -> dict[str, str]:
    """The cookies of a new session, as a `Clone`'s ``login`` returns them.

    Raises:
        LookupError: There is no such account.
    """
    member = scalar(kit, "SELECT id FROM members WHERE email = ?", email)
    if member is None:
        raise LookupError(f"There is no account {email!r}.")
    return {"sid": open_session(kit, member)}


def sign_in(actor: Actor, email: str, password: str) -> str:
    """Check the password; the cookie value of the new session.

    Raises:
        Refusal: Wrong e-mail or password.
    """
    email = email.strip().lower()
    found = first(actor.kit, "SELECT id, password FROM members WHERE email = ?", email)
    if found is None or found["password"] != hash_password(email, password):
        raise Refusal("bad_credentials", "That e-mail and password do not match an account.")
    sign_out(actor)
    return open_session(actor.kit, found["id"])


def sign_out(actor: Actor) -> None:
    """End the session."""
    write(actor.kit, "DELETE FROM sessions WHERE token = ?", actor.sid)


def expire(actor: Actor) -> Refusal:
    """End the session in the middle of something, as servers do; what to raise. It can be resumed."""
    write(actor.kit, "UPDATE sessions SET expired = 1 WHERE token = ?", actor.sid)
    return Refusal("session_expired", "Your session has ended. Please sign in again.", 401, committed=True)


def resume(actor: Actor) -> None:
    """Go on with a session that ran out: this browser is still known.

    Raises:
        Refusal: There is none.
    """
    if actor.expired is None:
        raise Refusal("nothing_to_resume", "There is no session to continue. Please sign in.")
    write(actor.kit, "UPDATE sessions SET expired = 0 WHERE token = ?", actor.sid)


def register(actor: Actor, name: str, email: str, password: str) -> str:
    """Create an account and sign in; the cookie value of the new session.

    Raises:
        Refusal: A field is missing or the e-mail is taken.
    """
    kit, name, email = actor.kit, name.strip(), email.strip().lower()
    user, _, domain = email.partition("@")
    if not name or len(name) > 80:
        raise Refusal("invalid_name", "Enter your name.")
    if not user or "." not in domain or " " in email or len(email) > 120:
        raise Refusal("invalid_email", "Enter an e-mail address such as name@example.com.")
    if len(password) < 8:
        raise Refusal("weak_password", "Choose a password of at least 8 characters.")
    if scalar(kit, "SELECT 1 FROM members WHERE email = ?", email):
        raise Refusal("email_taken", "There is already an account with this e-mail.")
    write(
        kit, "INSERT INTO members (email, name, joined_on, password) VALUES (?, ?, ?, ?)", email, name,
        kit.now().date().isoformat(), hash_password(email, password),
    )  # fmt: skip
    return sign_in(actor, email, password)
