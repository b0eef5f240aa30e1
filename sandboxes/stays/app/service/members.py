"""Who is asking, through one session; signing in and out; the profile."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

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

    def host(self) -> Row:
        """The signed-in member, who rents out a home.

        Raises:
            Refusal: Anybody else.
        """
        account = self.member()
        if not account["is_host"]:
            raise Refusal("forbidden", "This area is for hosts.", 403)
        return account


def load_actor(kit: Kit, sid: str) -> Actor:
    """The session behind a cookie; an unknown one is nobody's."""
    found = first(
        kit, "SELECT m.*, s.expired FROM sessions s JOIN members m ON m.id = s.member_id WHERE s.token = ?", sid
    )
    if found is None:
        return Actor(kit, sid)
    return Actor(kit, sid, expired=found) if found.pop("expired") else Actor(kit, sid, found)


def hash_password(email: str, password: str) -> str:
    """Salted by the e-mail; cheap, because it guards made-up data."""
    return hashlib.sha256(f"{email}:{password}".encode()).hexdigest()


def open_session(kit: Kit, member_id: int) -> str:
    """A new session; its cookie value."""
    token = kit.token("session")
    write(kit, "INSERT INTO sessions (token, member_id) VALUES (?, ?)", token, member_id)
    return token


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


def update_profile(actor: Actor, name: str, phone: str, about: str) -> None:
    """Change what others see of a member.

    Raises:
        Refusal: The name is empty, or a text is too long.
    """
    member = actor.member()
    if not name.strip() or len(name) > 80:
        raise Refusal("invalid_name", "Enter your name.")
    if len(phone) > 40 or len(about) > 300:
        raise Refusal("too_long", "Keep the phone number under 40 and the text under 300 characters.")
    write(actor.kit, "UPDATE members SET name = ?, phone = ?, about = ? WHERE id = ?", name.strip(), phone.strip(),
          about.strip(), member["id"])  # fmt: skip
