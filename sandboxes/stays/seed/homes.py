"""Places, homes, their amenities, their hosts' calendars and what earlier guests wrote."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

from envsim.guest.text import plain, slugify
from envsim.rng import Rng

from ..app.service.listings import AMENITIES
from ..app.service.pricing import POLICIES
from .places import PLACES, Place
from .words import ADJECTIVES, HOSTS, KINDS, OPENINGS, REVIEWERS, REVIEWS, RULES, SENTENCES

TODAY = date(2026, 3, 2)
TOTAL = 200


def fill(db: sqlite3.Connection) -> None:
    """Insert them all."""
    hosts: dict[str, list[int]] = {}
    for number, (_, city, _) in enumerate(HOSTS, start=1):
        hosts.setdefault(city, []).append(number)
    listing_id, titles = 0, set[str]()
    for position, place in enumerate(PLACES):
        db.execute(
            "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*place[:6], place.blurb, place.tax_bps, place.tourist_cents, position),
        )
        local = [n for city, found in hosts.items() if city == place.name or city in place.areas for n in found]
        for turn in range(TOTAL // len(PLACES) + (position < TOTAL % len(PLACES))):
            listing_id += 1
            rng = Rng("stays-seed", "listing", listing_id)
            title, kind = _title(rng, place, turn, titles)
            titles.add(title)
            _insert(db, rng, listing_id, place, title, kind, local[turn % len(local)])
            _customise(db, rng, listing_id)


def _title(rng: Rng, place: Place, turn: int, taken: set[str]) -> tuple[str, str]:
    kind = place.kinds[turn % len(place.kinds)]
    while True:
        noun = rng.choice(KINDS[kind][0])
        title = f"{rng.choice(ADJECTIVES)} {noun} {rng.choice(place.near)}"
        if title not in taken:
            return title, kind


def _insert(
    db: sqlite3.Connection, rng: Rng, listing_id: int, place: Place, title: str, kind: str, host_id: int
) -> None:
    nouns, (low, high), (least, most) = KINDS[kind]
    noun = next(word for word in sorted(nouns, key=len, reverse=True) if word in title)
    guests = least + rng.integer(most - least + 1)
    nightly = (low + (high - low) * rng.integer(101) // 100) * place.rate // 100 * 100
    weekend = nightly * rng.choice((100, 110, 115, 120, 125)) // 100 // 100 * 100
    cleaning = rng.choice((0, 2500, 3500, 4500, 6000)) if guests < 6 else rng.choice((6000, 8500, 11000))
    bedrooms = 0 if kind == "studio" else max(1, (guests + 1) // 2)
    area = rng.choice(place.areas)
    description = " ".join([rng.choice(OPENINGS).format(noun=noun), *rng.sample(SENTENCES, 3)])
    room = "private room" if kind in ("house", "townhouse", "guesthouse") and rng.chance(0.3) else "entire home"
    search = plain(f"{title} {place.name} {area} {place.region} {place.country} {kind}")
    values = (
        listing_id, slugify(title), host_id, place.slug, title, kind, room, area, description, guests, bedrooms,
        max(1, guests - rng.integer(2)), rng.choice(("1", "1", "1.5", "2")), nightly, weekend, cleaning,
        rng.choice((0, 5, 8, 10)), rng.choice((15, 20, 25)), rng.choice(list(POLICIES)), int(rng.chance(0.6)),
        rng.choice((1, 1, 2, 2, 3)), rng.choice((14, 15, 16)), rng.choice((10, 11)), rng.choice(RULES), search,
    )  # fmt: skip
    db.execute(f"INSERT INTO listings VALUES ({', '.join('?' * len(values))}, 0, 0)", values)
    kept = {"wifi", "kitchen", "heating", *rng.sample(list(AMENITIES), 3 + rng.integer(5))}
    if place.slug == "copenhagen":
        kept.add("bicycles")
    db.executemany("INSERT INTO amenities VALUES (?, ?)", [(listing_id, name) for name in sorted(kept)])
    for author in rng.sample(REVIEWERS, rng.choice((0, 1, 2, 3, 4, 5))):
        rating = rng.choice((5, 5, 5, 5, 4, 4, 4, 3, 3, 2, 1))
        text = rng.choice(REVIEWS[rating]).format(noun=noun, host=HOSTS[host_id - 1][0].split()[0])
        day = TODAY - timedelta(days=200 + rng.integer(500))
        add_review(db, listing_id, None, None, author, rating, text, day)


def add_review(
    db: sqlite3.Connection, listing_id: int, reservation: int | None, guest_id: int | None, author: str, rating: int,
    body: str, day: date,
) -> None:  # fmt: skip
    """Insert a review and count it."""
    db.execute(
        "INSERT INTO reviews (listing_id, reservation, guest_id, author, rating, body, created_on)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (listing_id, reservation, guest_id, author, rating, body, day.isoformat()),
    )
    db.execute("UPDATE listings SET rating_sum = rating_sum + ?, rating_count = rating_count + 1 WHERE id = ?",
               (rating, listing_id))  # fmt: skip


def _customise(db: sqlite3.Connection, rng: Rng, listing_id: int) -> None:
    """What the host did to the calendar: a few nights kept for themselves, and a dearer week."""
    nightly = db.execute("SELECT nightly_cents FROM listings WHERE id = ?", (listing_id,)).fetchone()[0]
    rows: dict[str, tuple[int, int | None]] = {}
    if rng.chance(0.5):
        start = TODAY + timedelta(days=20 + rng.integer(120))
        for n in range(2 + rng.integer(5)):
            rows[(start + timedelta(days=n)).isoformat()] = (1, None)
    if rng.chance(0.3):
        start = TODAY + timedelta(days=30 + rng.integer(150))
        cents = nightly * (125 + rng.integer(30)) // 100 // 100 * 100
        for n in range(7):
            rows.setdefault((start + timedelta(days=n)).isoformat(), (0, cents))
    db.executemany(
        "INSERT INTO calendar VALUES (?, ?, ?, ?)",
        [(listing_id, night, blocked, cents) for night, (blocked, cents) in sorted(rows.items())],
    )
