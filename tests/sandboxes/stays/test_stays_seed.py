"""The seed database: the same bytes everywhere, plausible, and consistent in itself."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from envsim.content import load_entry

STAYS = Path(__file__).resolve().parents[3] / "sandboxes" / "stays"
NOW = "2026-03-02T09:00:00Z"


def entry(name: str) -> Any:
    return load_entry(STAYS, name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stays") / "seed.db"
    path.write_bytes(b"what was there before")
    entry("seed:build")(path)
    return path


@pytest.fixture(scope="module")
def db(built: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(built)) as connection:
        yield connection


def test_another_process_builds_the_same_bytes(built: Path, tmp_path: Path) -> None:
    code = "import sys, pathlib; from envsim.content import load_entry as e; a, b = map(pathlib.Path, sys.argv[1:])\n"
    code += "e(a, 'seed:build')(b)"
    other = tmp_path / "other.db"
    subprocess.run([sys.executable, "-c", code, STAYS, other], check=True, env={"PYTHONHASHSEED": "11", "PATH": ""})
    assert other.read_bytes() == built.read_bytes()


@pytest.mark.parametrize(
    ("sql", "least"),
    [
        ("SELECT count(DISTINCT title) FROM listings", 200),
        ("SELECT count(*) FROM places", 12),
        ("SELECT min(n) FROM (SELECT count(*) n FROM listings GROUP BY place)", 12),
        ("SELECT count(*) FROM members", 40),
        ("SELECT count(*) FROM members WHERE is_host", 20),
        ("SELECT min(n) FROM (SELECT count(l.id) n FROM members m LEFT JOIN listings l ON l.host_id = m.id"
         " WHERE is_host GROUP BY m.id)", 3),
        ("SELECT count(*) FROM reservations WHERE status = 'confirmed' AND check_out < '2026-03-02'", 60),
        ("SELECT count(*) FROM reservations WHERE status = 'confirmed' AND check_in > '2026-03-02'", 60),
        ("SELECT count(*) FROM reservations WHERE status = 'requested'", 20),
        ("SELECT count(DISTINCT policy) FROM reservations JOIN listings ON id = listing_id", 3),
        ("SELECT count(*) FROM reviews", 300),
        ("SELECT count(*) FROM messages", 300),
        ("SELECT count(DISTINCT kind) FROM listings", 8),
        ("SELECT count(*) FROM coupons WHERE expires < '2026-03-02' OR NOT active", 2),
        ("SELECT min(n) FROM (SELECT count(*) n FROM reservations r JOIN members m ON m.id = r.guest_id"
         " WHERE NOT is_host GROUP BY m.id)", 6),
    ],
)  # fmt: skip
def test_there_is_enough(db: sqlite3.Connection, sql: str, least: int) -> None:
    assert db.execute(sql).fetchone()[0] >= least


@pytest.mark.parametrize(
    "wrong",
    [
        # two in one bed
        "SELECT listing_id, night FROM booked_nights GROUP BY 1, 2 HAVING count(*) > 1",
        # a booked night that its host keeps
        "SELECT b.night FROM booked_nights b JOIN calendar c USING (listing_id, night) WHERE c.blocked",
        # a reservation whose nights are not on the calendar, or one that is off and whose nights are
        "SELECT number FROM reservations r WHERE (SELECT count(*) FROM booked_nights b WHERE b.reservation = r.number)"
        " <> (CASE status WHEN 'confirmed' THEN nights ELSE 0 END)",
        # money that does not add up
        "SELECT number FROM reservations WHERE total_cents <> nights_cents - long_stay_cents - coupon_cents"
        " + cleaning_cents + service_cents + tax_cents OR nights_cents <= 0",
        # a confirmed stay that was not charged in full
        "SELECT number FROM reservations r WHERE status = 'confirmed' AND total_cents <> (SELECT sum(amount_cents)"
        " FROM payments WHERE reservation = number AND kind = 'charge')",
        # a refund that was due and not paid
        "SELECT number FROM reservations r WHERE refund_due_cents <> (SELECT coalesce(sum(amount_cents), 0)"
        " FROM payments WHERE reservation = number AND kind = 'refund')",
        # nobody stays at home, and nobody is too many
        "SELECT number FROM reservations r JOIN listings l ON l.id = listing_id WHERE host_id = guest_id"
        " OR r.guests > l.guests OR r.nights < l.min_nights",
        # a request where none is needed, and the future written already
        "SELECT number FROM reservations JOIN listings ON id = listing_id WHERE status = 'requested' AND instant",
        f"SELECT number FROM reservations WHERE booked_at >= '{NOW}' OR booked_at >= check_in",
        f"SELECT id FROM messages WHERE sent_at >= '{NOW}'",
        "SELECT id FROM reviews v JOIN reservations r ON r.number = v.reservation WHERE v.created_on < r.check_out",
        # ratings are those of the reviews
        "SELECT slug FROM listings l WHERE (rating_count, rating_sum) <> (SELECT count(*), coalesce(sum(rating), 0)"
        " FROM reviews v WHERE v.listing_id = l.id)",
        "SELECT slug FROM listings WHERE weekend_cents < nightly_cents OR nightly_cents % 100",
    ],
)  # fmt: skip
def test_nothing_contradicts_itself(db: sqlite3.Connection, wrong: str) -> None:
    assert db.execute(wrong).fetchall() == []


def test_no_filler_text(db: sqlite3.Connection) -> None:
    texts = [row[0] for row in db.execute("SELECT description FROM listings UNION ALL SELECT body FROM reviews")]
    assert not any(word in text.lower() for text in texts for word in ("lorem", "ipsum", "{", "todo", "none"))
