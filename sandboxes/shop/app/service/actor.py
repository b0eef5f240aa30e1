"""Who is asking: a guest or an account, through one session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, first, scalar, write


@dataclass
class Actor:
    """One session. A guest has no `account`; `sid` is the session cookie, never shown to anyone else."""

    kit: Kit
    sid: str
    account: Row | None = None
    cart_key: str | None = None

    @property
    def is_staff(self) -> bool:
        """Whether back-office operations are allowed."""
        return bool(self.account and self.account["staff"])

    def customer(self) -> Row:
        """The signed-in account.

        Raises:
            Refusal: A guest.
        """
        if self.account is None:
            raise Refusal("sign_in_required", "Please sign in first.", 401)
        return self.account

    def staff(self) -> Row:
        """The signed-in member of staff.

        Raises:
            Refusal: Anyone else.
        """
        account = self.customer()
        if not account["staff"]:
            raise Refusal("forbidden", "This area is for staff only.", 403)
        return account


def load_actor(kit: Kit, sid: str) -> Actor:
    """The session of a cookie; an unknown one is a guest's first visit."""
    session = first(kit, "SELECT customer_id, cart_key FROM sessions WHERE token = ?", sid)
    if session is None:
        return Actor(kit, sid)
    account = None
    if session["customer_id"] is not None:
        account = first(kit, "SELECT * FROM customers WHERE id = ?", session["customer_id"])
    return Actor(kit, sid, account, account["email"] if account else session["cart_key"])


def hash_password(email: str, password: str) -> str:
    """As `seed.people.hash_password`."""
    return hashlib.sha256(f"{email}:{password}".encode()).hexdigest()


def open_session(kit: Kit, customer_id: int | None, cart_key: str | None = None) -> str:
    """A new session; its cookie value."""
    sid = kit.token("session")
    write(kit, "INSERT INTO sessions VALUES (?, ?, ?)", sid, customer_id, cart_key)
    return sid


def sign_in(actor: Actor, email: str, password: str) -> str:
    """Check credentials, merge the guest's cart; the cookie value of the new session.

    Raises:
        Refusal: Wrong e-mail or password.
    """
    kit = actor.kit
    email = email.strip().lower()
    account = first(kit, "SELECT id, password FROM customers WHERE email = ?", email)
    if account is None or account["password"] != hash_password(email, password):
        raise Refusal("bad_credentials", "That e-mail and password do not match an account.", 422)
    _adopt_cart(actor, account["id"], email)
    sign_out(actor)
    return open_session(kit, account["id"])


def _adopt_cart(actor: Actor, customer_id: int, email: str) -> None:
    kit, guest = actor.kit, actor.cart_key
    if actor.account is not None or guest is None:
        return
    write(kit, "INSERT OR IGNORE INTO carts (key, customer_id) VALUES (?, ?)", email, customer_id)
    write(
        kit,
        "INSERT INTO cart_lines SELECT ?, sku, qty FROM cart_lines WHERE cart_key = ? ORDER BY rowid"
        " ON CONFLICT (cart_key, sku) DO UPDATE SET qty = max(qty, excluded.qty)",
        email,
        guest,
    )
    write(kit, "UPDATE carts SET coupon = coalesce(coupon, (SELECT coupon FROM carts WHERE key = ?)) WHERE key = ?",
          guest, email)  # fmt: skip
    write(kit, "DELETE FROM carts WHERE key = ?", guest)


def sign_out(actor: Actor) -> None:
    """End the session."""
    write(actor.kit, "DELETE FROM sessions WHERE token = ?", actor.sid)


def register(actor: Actor, name: str, email: str, password: str) -> str:
    """Create an account and sign in; the cookie value of the new session.

    Raises:
        Refusal: A field is missing or the e-mail is taken.
    """
    kit = actor.kit
    name, email = name.strip(), email.strip().lower()
    if not name:
        raise Refusal("invalid_name", "Enter your full name.", 422)
    check_email(email)
    if len(password) < 8:
        raise Refusal("weak_password", "Choose a password of at least 8 characters.", 422)
    if scalar(kit, "SELECT 1 FROM customers WHERE email = ?", email):
        raise Refusal("email_taken", "There is already an account with this e-mail.", 422)
    write(kit, "INSERT INTO customers (email, name, password) VALUES (?, ?, ?)", email, name,
          hash_password(email, password))  # fmt: skip
    return sign_in(actor, email, password)


def update_profile(actor: Actor, name: str, phone: str, newsletter: bool) -> None:
    """Change name, phone and newsletter choice.

    Raises:
        Refusal: The name is empty.
    """
    customer = actor.customer()
    if not name.strip():
        raise Refusal("invalid_name", "Enter your full name.", 422)
    write(actor.kit, "UPDATE customers SET name = ?, phone = ?, newsletter = ? WHERE id = ?",
          name.strip(), phone.strip(), int(newsletter), customer["id"])  # fmt: skip


def check_email(email: str) -> None:
    user, at, host = email.partition("@")
    if not (user and at and "." in host) or " " in email:
        raise Refusal("invalid_email", "Enter an e-mail address such as name@example.com.", 422)
