"""Reservations past and to come, what was paid for them, conversations, reviews by guests, and saved homes."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, timedelta
from typing import Any

from envsim.guest.service import utc_text
from envsim.guest.zones import to_local
from envsim.rng import Rng

from ..app.service.pricing import breakdown, night_rate, nights_between, payout, refund
from .homes import TODAY, add_review
from .words import LISTS, NOTES, REVIEWS, TALKS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIRST_NUMBER = 40211

# what a member has: status, days from today to check-in (low, high)
PLANS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "guest": (
        ("confirmed", -170, -100), ("confirmed", -95, -40), ("confirmed", -30, -9), ("cancelled", -120, -20),
        ("confirmed", 3, 16), ("confirmed", 20, 60), ("confirmed", 62, 130), ("requested", 14, 90),
        ("declined", 15, 70),
    ),
    "host": (("confirmed", -140, -30), ("confirmed", 10, 100), ("requested", 20, 110)),
}  # fmt: skip

Home = dict[str, Any]


def fill(db: sqlite3.Connection) -> None:
    """Insert them all."""
    homes = [dict(row) for row in db.execute(
        "SELECT l.*, p.zone, p.tax_bps, p.tourist_cents, p.country FROM listings l JOIN places p ON p.slug = l.place"
        " ORDER BY l.id")]  # fmt: skip
    special = {(listing, night): (blocked, cents) for listing, night, blocked, cents in map(tuple, db.execute(
        "SELECT * FROM calendar"))}  # fmt: skip
    taken: set[tuple[int, str]] = {key for key, (blocked, _) in special.items() if blocked}
    planned: list[tuple[datetime, dict[str, Any]]] = []
    for member in db.execute("SELECT id, is_host FROM members ORDER BY id").fetchall():
        busy: set[str] = set()
        for turn, (status, low, high) in enumerate(PLANS["host" if member["is_host"] else "guest"]):
            rng = Rng("stays-seed", "stay", member["id"], turn)
            if status in ("declined", "cancelled") and rng.chance(0.4):
                continue
            stay = _plan(rng, homes, member["id"], status, (low, high), taken, busy)
            planned.append((stay["booked"], stay))
    for number, (_, stay) in enumerate(sorted(planned, key=lambda p: (p[0], p[1]["guest"])), start=FIRST_NUMBER):
        _insert(db, Rng("stays-seed", "reservation", number), number, stay, special)
    _insert_saved(db, len(homes))


def _plan(
    rng: Rng, homes: list[Home], guest: int, status: str, days: tuple[int, int], taken: set[tuple[int, str]],
    busy: set[str],
) -> dict[str, Any]:  # fmt: skip
    """A free home for some days on which the guest is nowhere else."""
    while True:
        home = rng.choice(homes)
        check_in = TODAY + timedelta(days=days[0] + rng.integer(days[1] - days[0] + 1))
        length = max(home["min_nights"], rng.choice((2, 2, 3, 3, 4, 5, 7, 9)))
        nights = [night.isoformat() for night in nights_between(check_in, check_in + timedelta(days=length))]
        keys = {(home["id"], night) for night in nights}
        past_and_begun = check_in <= TODAY < check_in + timedelta(days=length + 1)
        if home["host_id"] == guest or keys & taken or busy & set(nights) or past_and_begun:
            continue
        if status == "requested" and home["instant"]:
            continue
        if status in ("confirmed", "requested"):
            busy |= set(nights)
            taken |= keys
        before = (2 + rng.integer(3)) if status == "requested" else 12 + rng.integer(50)
        booked = min(datetime(check_in.year, check_in.month, check_in.day, tzinfo=UTC) - timedelta(days=before),
                     NOW - timedelta(hours=3 + rng.integer(60)))  # fmt: skip
        if status == "requested":
            booked = NOW - timedelta(hours=5 + rng.integer(30))
        booked += timedelta(minutes=rng.integer(60), seconds=rng.integer(60))
        return {"home": home, "guest": guest, "status": status, "check_in": check_in, "booked": booked,
                "check_out": check_in + timedelta(days=length), "guests": 1 + rng.integer(home["guests"])}  # fmt: skip


def _insert(
    db: sqlite3.Connection, rng: Rng, number: int, stay: dict[str, Any], special: dict[tuple[int, str], Any]
) -> None:
    home, status = stay["home"], stay["status"]
    nights = nights_between(stay["check_in"], stay["check_out"])
    dear = {night: cents for (listing, night), (_, cents) in special.items() if listing == home["id"] and cents}
    price = breakdown(home, [night_rate(home, night, dear) for night in nights], stay["guests"])
    card = db.execute("SELECT brand, last4 FROM cards WHERE member_id = ? ORDER BY id", (stay["guest"],)).fetchone()
    row = {
        "number": number, "listing_id": home["id"], "guest_id": stay["guest"], "status": status,
        "check_in": stay["check_in"].isoformat(), "check_out": stay["check_out"].isoformat(), "guests": stay["guests"],
        **{name: value for name, value in price.items() if name != "long_stay_percent"},
        "payment": f"{card['brand']} ending {card['last4']}", "note": rng.choice(NOTES),
        "booked_at": utc_text(stay["booked"]), "cancelled_at": None, "refund_due_cents": None,
    }  # fmt: skip
    if status == "cancelled":
        gone = stay["booked"] + timedelta(days=2, hours=rng.integer(20))
        facts = {**home, **row}
        row |= {"cancelled_at": utc_text(gone),
                "refund_due_cents": refund(facts, to_local(home["zone"], gone))["refund_cents"]}  # fmt: skip
    columns = ", ".join(row)
    db.execute(f"INSERT INTO reservations ({columns}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    _insert_money(db, row, home)
    if status == "confirmed":
        db.executemany(
            "INSERT INTO booked_nights VALUES (?, ?, ?)", [(number, home["id"], n.isoformat()) for n in nights]
        )
    _insert_talk(db, rng, row, home)
    if status == "confirmed" and stay["check_out"] < TODAY and rng.chance(0.55):
        _insert_own_review(db, rng, row, home)


def _insert_money(db: sqlite3.Connection, row: dict[str, Any], home: Home) -> None:
    if row["status"] not in ("confirmed", "cancelled"):
        return
    pay = "INSERT INTO payments (reservation, kind, amount_cents, method, made_at) VALUES (?, ?, ?, ?, ?)"
    db.execute(pay, (row["number"], "charge", row["total_cents"], row["payment"], row["booked_at"]))
    if row["status"] == "cancelled":
        if row["refund_due_cents"]:
            db.execute(pay, (row["number"], "refund", row["refund_due_cents"], row["payment"], row["cancelled_at"]))
        return
    due = date.fromisoformat(row["check_in"]) + timedelta(days=1)
    db.execute(
        "INSERT INTO payouts VALUES (?, ?, ?, ?, ?)",
        (row["number"], home["host_id"], payout(row), "paid" if due < TODAY else "scheduled", due.isoformat()),
    )


def _insert_talk(db: sqlite3.Connection, rng: Rng, row: dict[str, Any], home: Home) -> None:
    lines = [(row["guest_id"], row["note"])]
    if rng.chance(0.6):
        question, answer = rng.choice(TALKS)
        lines += [(row["guest_id"], question), (home["host_id"], answer)]
    key = (home["id"], row["guest_id"])
    db.execute("INSERT OR IGNORE INTO threads (listing_id, guest_id) VALUES (?, ?)", key)
    thread = db.execute("SELECT id FROM threads WHERE listing_id = ? AND guest_id = ?", key).fetchone()[0]
    moment = datetime.fromisoformat(row["booked_at"])
    for sender, body in lines:
        db.execute("INSERT INTO messages (thread_id, sender_id, body, sent_at) VALUES (?, ?, ?, ?)",
                   (thread, sender, body, utc_text(moment)))  # fmt: skip
        moment += timedelta(minutes=4 + rng.integer(50))


def _insert_own_review(db: sqlite3.Connection, rng: Rng, row: dict[str, Any], home: Home) -> None:
    names = dict(db.execute("SELECT id, name FROM members").fetchall())
    rating = rng.choice((5, 5, 5, 4, 4, 3))
    body = rng.choice(REVIEWS[rating]).format(noun=home["kind"], host=names[home["host_id"]].split()[0])
    day = min(date.fromisoformat(row["check_out"]) + timedelta(days=1 + rng.integer(6)), TODAY - timedelta(days=1))
    add_review(db, home["id"], row["number"], row["guest_id"], names[row["guest_id"]].split()[0], rating, body, day)


def _insert_saved(db: sqlite3.Connection, homes: int) -> None:
    for member in db.execute("SELECT id FROM members WHERE is_host = 0 ORDER BY id").fetchall():
        rng = Rng("stays-seed", "saved", member["id"])
        for name in rng.sample(LISTS, 1 + rng.integer(2)):
            wishlist = db.execute(
                "INSERT INTO wishlists (member_id, name) VALUES (?, ?)", (member["id"], name)
            ).lastrowid
            for listing in sorted(rng.sample(range(1, homes + 1), 2 + rng.integer(3))):
                db.execute("INSERT INTO saved VALUES (?, ?)", (wishlist, listing))
