"""The seed database: the same bytes every time, and enough in it."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envsim.content import load_entry

SHOP = Path(__file__).resolve().parents[3] / "sandboxes" / "shop"
BUILD = """
import sys
from pathlib import Path
from envsim.content import load_entry
load_entry(Path(sys.argv[1]), "seed:build")(Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seed") / "shop.db"
    load_entry(SHOP, "seed:build")(path)  # type: ignore[operator]
    return path


@pytest.fixture(scope="module")
def db(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        yield connection


def test_seed_is_the_same_in_another_process(database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    subprocess.run(
        [sys.executable, "-c", BUILD, str(SHOP), str(other)], check=True, env={"PYTHONHASHSEED": "7", "PATH": ""}
    )
    assert other.read_bytes() == database.read_bytes()


def test_seed_replaces_what_was_there(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.write_bytes(b"not a database")
    load_entry(SHOP, "seed:build")(path)  # type: ignore[operator]
    assert path.read_bytes() == database.read_bytes()


@pytest.mark.parametrize(
    ("sql", "least"),
    [
        ("SELECT count(*) FROM products", 300),
        ("SELECT count(DISTINCT slug) FROM products", 300),
        ("SELECT count(DISTINCT name) FROM products", 300),
        ("SELECT count(*) FROM categories", 10),
        ("SELECT count(*) FROM variants", 600),
        ("SELECT count(*) FROM variants WHERE stock = 0", 20),
        ("SELECT count(*) FROM reviews", 300),
        ("SELECT count(*) FROM customers WHERE NOT staff", 8),
        ("SELECT count(*) FROM customers WHERE staff", 2),
        ("SELECT count(DISTINCT status) FROM orders", 4),
        ("SELECT count(*) FROM refunds WHERE status = 'pending'", 2),
        ("SELECT count(*) FROM coupons WHERE kind = 'fixed'", 1),
        ("SELECT count(*) FROM coupons WHERE expires < '2026-03-02'", 1),
        ("SELECT count(*) FROM coupons WHERE NOT active", 1),
        ("SELECT count(*) FROM coupons WHERE minimum_cents > 0", 1),
        ("SELECT min(n) FROM (SELECT count(*) n FROM orders GROUP BY customer_id)", 3),
        ("SELECT min(n) FROM (SELECT count(w.product_id) n FROM customers c LEFT JOIN wishlist w"
         " ON w.customer_id = c.id WHERE NOT staff GROUP BY c.id)", 2),
    ],
)  # fmt: skip
def test_seed_holds_enough(db: sqlite3.Connection, sql: str, least: int) -> None:
    assert db.execute(sql).fetchone()[0] >= least


def test_order_totals_add_up(db: sqlite3.Connection) -> None:
    wrong = db.execute(
        "SELECT number FROM orders o WHERE total_cents <> subtotal_cents - discount_cents + shipping_cents"
        " OR subtotal_cents <> (SELECT sum(qty * unit_cents) FROM order_lines l WHERE l.order_number = o.number)"
    ).fetchall()
    assert wrong == []


def test_ratings_are_those_of_the_reviews(db: sqlite3.Connection) -> None:
    wrong = db.execute(
        "SELECT slug FROM products p WHERE rating_count <> (SELECT count(*) FROM reviews r WHERE r.product_id = p.id)"
        " OR rating_sum <> (SELECT coalesce(sum(rating), 0) FROM reviews r WHERE r.product_id = p.id)"
    ).fetchall()
    assert wrong == []


def test_no_order_lies_in_the_future(db: sqlite3.Connection) -> None:
    assert db.execute("SELECT max(placed_at) FROM orders").fetchone()[0] < "2026-03-02T09:00:00Z"
