"""Who is asking: a guest or an account, through one session."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from envsim.guest.kit import Kit

from . import db
from .db import Row, ShopError


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
            ShopError: A guest.
        """
        if self.account is None:
            raise ShopError("sign_in_required", "Please sign in first.", 401)
        return self.account

    def staff(self) -> Row:
        """The signed-in member of staff.

        Raises:
            ShopError: Anyone else.
        """
        account = self.customer()
        if not account["staff"]:
            raise ShopError("forbidden", "This area is for staff only.", 403)
        return account


def load_actor(kit: Kit, sid: str) -> Actor:
    """The session of a cookie; an unknown one is a guest's first visit."""
    session = db.row(kit, "SELECT customer_id, cart_key FROM sessions WHERE token = ?", sid)
    if session is None:
        return Actor(kit, sid)
    account = None
    if session["customer_id"] is not None:
        account = db.row(kit, "SELECT * FROM customers WHERE id = ?", session["customer_id"])
    return Actor(kit, sid, account, account["email"] if account else session["cart_key"])


def hash_password(email: str, password: str) -> str:
    """As `seed.people.hash_password`."""
    return hashlib.sha256(f"{email}:{password}".encode()).hexdigest()


def open_session(kit: Kit, customer_id: int | None, cart_key: str | None = None) -> str:
    """A new session; its cookie value."""
    sid = kit.token("session")
    db.run(kit, "INSERT INTO sessions VALUES (?, ?, ?)", sid, customer_id, cart_key)
    return sid


def sign_in(actor: Actor, email: str, password: str) -> str:
    """Check credentials, merge the guest's cart; the cookie value of the new session.

    Raises:
        ShopError: Wrong e-mail or password.
    """
    kit = actor.kit
    email = email.strip().lower()
    account = db.row(kit, "SELECT id, password FROM customers WHERE email = ?", email)
    if account is None or account["password"] != hash_password(email, password):
        raise ShopError("bad_credentials", "That e-mail and password do not match an account.", 422)
    _adopt_cart(actor, account["id"], email)
    sign_out(actor)
    return open_session(kit, account["id"])


def _adopt_cart(actor: Actor, customer_id: int, email: str) -> None:
    kit, guest = actor.kit, actor.cart_key
    if actor.account is not None or guest is None:
        return
    db.run(kit, "INSERT OR IGNORE INTO carts (key, customer_id) VALUES (?, ?)", email, customer_id)
    db.run(
        kit,
        "INSERT INTO cart_lines SELECT ?, sku, qty FROM cart_lines WHERE cart_key = ? ORDER BY rowid"
        " ON CONFLICT (cart_key, sku) DO UPDATE SET qty = max(qty, excluded.qty)",
        email,
        guest,
    )
    db.run(kit, "UPDATE carts SET coupon = coalesce(coupon, (SELECT coupon FROM carts WHERE key = ?)) WHERE key = ?",
           guest, email)  # fmt: skip
    db.run(kit, "DELETE FROM carts WHERE key = ?", guest)


def sign_out(actor: Actor) -> None:
    """End the session."""
    db.run(actor.kit, "DELETE FROM sessions WHERE token = ?", actor.sid)


def register(actor: Actor, name: str, email: str, password: str) -> str:
    """Create an account and sign in; the cookie value of the new session.

    Raises:
        ShopError: A field is missing or the e-mail is taken.
    """
    kit = actor.kit
    name, email = name.strip(), email.strip().lower()
    if not name:
        raise ShopError("invalid_name", "Enter your full name.", 422)
    check_email(email)
    if len(password) < 8:
        raise ShopError("weak_password", "Choose a password of at least 8 characters.", 422)
    if db.value(kit, "SELECT 1 FROM customers WHERE email = ?", email):
        raise ShopError("email_taken", "There is already an account with this e-mail.", 422)
    db.run(kit, "INSERT INTO customers (email, name, password) VALUES (?, ?, ?)", email, name,
           hash_password(email, password))  # fmt: skip
    return sign_in(actor, email, password)


def update_profile(actor: Actor, name: str, phone: str, newsletter: bool) -> None:
    """Change name, phone and newsletter choice.

    Raises:
        ShopError: The name is empty.
    """
    customer = actor.customer()
    if not name.strip():
        raise ShopError("invalid_name", "Enter your full name.", 422)
    db.run(actor.kit, "UPDATE customers SET name = ?, phone = ?, newsletter = ? WHERE id = ?",
           name.strip(), phone.strip(), int(newsletter), customer["id"])  # fmt: skip


def check_email(email: str) -> None:
    user, at, host = email.partition("@")
    if not (user and at and "." in host) or " " in email:
        raise ShopError("invalid_email", "Enter an e-mail address such as name@example.com.", 422)
