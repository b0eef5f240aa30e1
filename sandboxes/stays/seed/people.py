"""Members, their cards, and the coupons there are."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

from envsim.guest.members import hash_password
from envsim.guest.text import plain
from envsim.rng import Rng

from .words import COUPONS, GUESTS, HOSTS

PASSWORD = "dovecote-demo"  # noqa: S105 -- public on purpose: it protects nothing
BRANDS = ("Visa", "Mastercard", "Amex")


def email_of(name: str) -> str:
    """Their address: plain first and last name."""
    words = plain(name).replace("'", "").split()
    return f"{words[0]}.{words[-1]}@example.com"


def fill(db: sqlite3.Connection) -> None:
    """Insert everybody: hosts first, then guests."""
    for number, (name, city, about) in enumerate((*HOSTS, *GUESTS), start=1):
        rng = Rng("stays-seed", "member", name)
        email, joined = email_of(name), date(2019, 1, 7) + timedelta(days=rng.integer(2200))
        phone = f"+1 555 01{number:02d}"
        db.execute(
            "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (number, email, name, phone, about, city, joined.isoformat(), hash_password(email, PASSWORD),
             int(number <= len(HOSTS))),
        )  # fmt: skip
        for turn in range(1 + rng.integer(2)):
            db.execute(
                "INSERT INTO cards (member_id, brand, last4, expires, is_default) VALUES (?, ?, ?, ?, ?)",
                (number, BRANDS[(rng.integer(2) + turn) % 3], f"{1000 + rng.integer(9000)}",
                 f"{1 + rng.integer(12):02d}/{27 + rng.integer(3)}", int(turn == 0)),
            )  # fmt: skip
    db.executemany("INSERT INTO coupons VALUES (?, ?, ?, ?, ?, ?, ?)", COUPONS)
