"""Members: names, addresses, zones; which forums they joined, and who moderates."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

from envsim.guest.members import hash_password
from envsim.guest.text import plain
from envsim.rng import Rng

from .names import HANDLES, PEOPLE, ZONES
from .phrases import ABOUTS
from .texts import Forum

PASSWORD = "plaza-demo"  # noqa: S105 -- public on purpose: it protects nothing
MODERATORS = 3


def member_names() -> list[tuple[str, str]]:
    """Name and e-mail of every member; the first is who a walk signs in as."""
    found = []
    for number, full in enumerate(PEOPLE):
        first, last = plain(full).split()
        patterns = (f"{first}_{last}", f"{first}{last[0]}", f"{first[0]}_{last}", f"{last}{first[0]}")
        name = HANDLES[number // 5] if number % 5 == 4 else patterns[number % 4]
        found.append((name, f"{first}.{last}@example.com"))
    return found


def fill(db: sqlite3.Connection, forums: list[Forum]) -> None:
    """Insert everybody, forums and all that belongs to them."""
    for number, (name, email) in enumerate(member_names(), start=1):
        rng = Rng("plaza-seed", "member", name)
        joined = date(2019, 3, 1) + timedelta(days=rng.integer(2300))
        about = rng.choice(ABOUTS) if rng.chance(0.6) else ""
        db.execute(
            "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                email,
                name,
                joined.isoformat(),
                hash_password(email, PASSWORD),
                about,
                ZONES[(number - 1) % len(ZONES)],
            ),
        )
    for position, forum in enumerate(forums):
        _insert_forum(db, forum, position)
    _insert_joined(db, [forum.slug for forum in forums])


def _insert_forum(db: sqlite3.Connection, forum: Forum, position: int) -> None:
    rng = Rng("plaza-seed", "forum", forum.slug)
    created = date(2018, 1, 10) + timedelta(days=rng.integer(420))
    db.execute(
        "INSERT INTO forums VALUES (?, ?, ?, ?, ?, ?, ?)",
        (forum.slug, forum.title, forum.about, forum.parent, created.isoformat(), forum.colour, position),
    )
    db.executemany("INSERT INTO rules (forum, text) VALUES (?, ?)", [(forum.slug, rule) for rule in forum.rules])
    db.executemany("INSERT INTO flairs VALUES (?, ?)", [(forum.slug, flair) for flair in forum.flairs])
    db.executemany("INSERT INTO words VALUES (?, ?)", [(forum.slug, word) for word in sorted(set(forum.words))])
    count = len(member_names())
    # Five steps apart, so that no member moderates a whole branch and the first one moderates something.
    chosen = {1 + (position * 5 + step * 41) % count for step in range(MODERATORS)}
    db.executemany("INSERT INTO moderators VALUES (?, ?)", [(forum.slug, member) for member in sorted(chosen)])


def _insert_joined(db: sqlite3.Connection, slugs: list[str]) -> None:
    for member in range(1, len(member_names()) + 1):
        rng = Rng("plaza-seed", "joined", member)
        mine = set(rng.sample(slugs, 4 + rng.integer(5)))
        mine |= {row[0] for row in db.execute("SELECT forum FROM moderators WHERE member_id = ?", (member,))}
        db.executemany("INSERT INTO joined VALUES (?, ?)", [(member, slug) for slug in sorted(mine)])
