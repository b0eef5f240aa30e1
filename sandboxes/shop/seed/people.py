"""Customers, staff, addresses, coupons, order history, wishlists, returns and tickets."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta

from envsim.rng import Rng

from .phrases import COUPONS, PEOPLE, PLACES, RETURN_REASONS, REVIEWS, STREETS

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
FIRST_ORDER = 100201
PASSWORD = "larkfield-demo"  # noqa: S105  (public on purpose: it protects nothing)
SHIPPING = {"standard": 495, "express": 1295, "pickup": 0}
FREE_FROM = 7500


def hash_password(email: str, password: str) -> str:
    """A salted hash; cheap, because it guards made-up data."""
    return hashlib.sha256(f"{email}:{password}".encode()).hexdigest()


def fill(db: sqlite3.Connection) -> None:
    """Insert everything that belongs to people."""
    for customer_id, (name, email, phone, staff) in enumerate(PEOPLE, start=1):
        rng = Rng("shop-seed", "person", email)
        db.execute(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (customer_id, email, name, phone, hash_password(email, PASSWORD), int(staff), int(rng.chance(0.5))),
        )
        if not staff:
            _insert_addresses(db, rng, customer_id, name)
            for product_id in sorted(rng.sample(range(1, 321), 2 + rng.integer(4))):
                db.execute("INSERT INTO wishlist VALUES (?, ?)", (customer_id, product_id))
    db.executemany("INSERT INTO coupons VALUES (?, ?, ?, ?, ?, ?, ?)", COUPONS)
    _insert_orders(db)
    _insert_own_reviews(db)
    _insert_tickets(db)
    _insert_shipments(db)


def _insert_addresses(db: sqlite3.Connection, rng: Rng, customer_id: int, name: str) -> None:
    for turn in range(1 + rng.integer(2)):
        city, region, postcode = rng.choice(PLACES)
        street = f"{1 + rng.integer(180)} {rng.choice(STREETS)}"
        db.execute(
            "INSERT INTO addresses (customer_id, name, street, city, region, postcode, is_default)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (customer_id, name, street, city, region, postcode, int(turn == 0)),
        )


def _insert_orders(db: sqlite3.Connection) -> None:
    planned: list[tuple[datetime, int]] = []
    for customer_id, (_, email, _, staff) in enumerate(PEOPLE, start=1):
        rng = Rng("shop-seed", "orders", email)
        # One order of each age, so that every customer has something to cancel, track and return.
        ages = [(1, 3), (5, 9), (14, 40), (50, 170), (60, 190)][: 3 + rng.integer(3)]
        for low, high in [] if staff else ages:
            minutes = rng.integer(24 * 60)
            placed = NOW - timedelta(days=low + rng.integer(high - low)) + timedelta(minutes=minutes - 12 * 60)
            planned.append((placed, customer_id))
    for number, (placed, customer_id) in enumerate(sorted(planned), start=FIRST_ORDER):
        _insert_order(db, Rng("shop-seed", "order", number), number, customer_id, placed)


def _insert_order(db: sqlite3.Connection, rng: Rng, number: int, customer_id: int, placed: datetime) -> None:
    skus = db.execute(
        "SELECT v.sku, p.name, v.label, p.price_cents + v.extra_cents FROM variants v"
        " JOIN products p ON p.id = v.product_id ORDER BY v.sku"
    ).fetchall()
    lines = [(*rng.choice(skus), rng.choice((1, 1, 1, 2, 3))) for _ in range(1 + rng.integer(3))]
    lines = list({line[0]: line for line in lines}.values())
    subtotal = sum(price * qty for _, _, _, price, qty in lines)
    coupon = "WELCOME10" if rng.chance(0.2) else None
    discount = (subtotal * 10 + 50) // 100 if coupon else 0
    shipping = rng.choice(("standard", "standard", "express", "pickup"))
    fee = 0 if shipping == "standard" and subtotal - discount >= FREE_FROM else SHIPPING[shipping]
    street, city, region, postcode, name = db.execute(
        "SELECT street, city, region, postcode, name FROM addresses WHERE customer_id = ? ORDER BY id", (customer_id,)
    ).fetchone()
    status = _status(rng, NOW - placed)
    db.execute(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            number, customer_id, status, subtotal, discount, fee, subtotal - discount + fee, coupon, shipping,
            rng.choice(("card ending 4242", "card ending 1881", "invoice")),
            f"{name}, {street}, {city}, {region} {postcode}", placed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
    )  # fmt: skip
    for sku, product, label, price, qty in lines:
        db.execute(
            "INSERT INTO order_lines (order_number, sku, name, label, qty, unit_cents) VALUES (?, ?, ?, ?, ?, ?)",
            (number, sku, product, label, qty, price),
        )
    if status == "delivered" and rng.chance(0.35):
        _insert_return(db, rng, number, placed, lines[0])


def _status(rng: Rng, age: timedelta) -> str:
    if age < timedelta(days=4):
        return "processing"
    if age < timedelta(days=10):
        return "shipped"
    return "cancelled" if rng.chance(0.1) else "delivered"


def _insert_return(
    db: sqlite3.Connection, rng: Rng, number: int, placed: datetime, line: tuple[str, str, str, int, int]
) -> None:
    sku, _, _, price, _ = line
    when = (placed + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    decision = rng.choice(("approved", "denied", None, None))
    cursor = db.execute(
        "INSERT INTO returns (order_number, sku, qty, reason, comment, status, created_at)"
        " VALUES (?, ?, 1, ?, '', ?, ?)",
        (number, sku, rng.choice(RETURN_REASONS), decision or "requested", when),
    )
    db.execute(
        "INSERT INTO refunds (order_number, return_id, amount_cents, status, created_at) VALUES (?, ?, ?, ?, ?)",
        (number, cursor.lastrowid, price, decision or "pending", when),
    )


def _insert_own_reviews(db: sqlite3.Connection) -> None:
    bought = db.execute(
        "SELECT DISTINCT o.customer_id, c.name, v.product_id, p.name, max(o.placed_at)"
        " FROM orders o JOIN order_lines l ON l.order_number = o.number JOIN variants v ON v.sku = l.sku"
        " JOIN products p ON p.id = v.product_id JOIN customers c ON c.id = o.customer_id"
        " WHERE o.status = 'delivered' GROUP BY o.customer_id, v.product_id ORDER BY o.customer_id, v.product_id"
    ).fetchall()
    for customer_id, author, product_id, product, placed in bought:
        rng = Rng("shop-seed", "review", customer_id, product_id)
        if not rng.chance(0.4):
            continue
        rating = rng.choice((5, 5, 4, 4, 3))
        title, body = rng.choice(REVIEWS[rating])
        first, last = author.split()
        when = (datetime.fromisoformat(placed) + timedelta(days=6)).date().isoformat()
        db.execute(
            "INSERT INTO reviews (product_id, customer_id, author, rating, title, body, created_on)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (product_id, customer_id, f"{first} {last[0]}.", rating, title,
             body.format(noun=product.split()[-1].lower()), when),
        )  # fmt: skip
        db.execute(
            "UPDATE products SET rating_sum = rating_sum + ?, rating_count = rating_count + 1 WHERE id = ?",
            (rating, product_id),
        )


def _insert_tickets(db: sqlite3.Connection) -> None:
    tickets = (
        (2, "order", "Could the parcel be left with my neighbour at number 12, please?", "2026-02-24T10:12:00Z"),
        (5, "product", "Is the replacement spring for the secateurs sold on its own?", "2026-02-26T15:40:00Z"),
        (9, "other", "Do you sell gift wrapping in the Portland store?", "2026-02-28T08:05:00Z"),
    )
    for customer_id, topic, message, when in tickets:
        db.execute(
            "INSERT INTO tickets (customer_id, email, topic, message, status, created_at)"
            " SELECT id, email, ?, ?, 'open', ? FROM customers WHERE id = ?",
            (topic, message, when, customer_id),
        )


def _insert_shipments(db: sqlite3.Connection) -> None:
    # No draws: a draw here would be one more for whoever compares seeds. Returns were asked for on day nine.
    sql = "SELECT number, status, placed_at FROM orders WHERE status IN ('shipped', 'delivered') ORDER BY number"
    for number, status, placed_at in db.execute(sql).fetchall():
        placed = datetime.fromisoformat(placed_at).date()
        delivered = placed + timedelta(days=6 + number % 3) if status == "delivered" else None
        db.execute(
            "INSERT INTO shipments VALUES (?, ?, ?)",
            (number, (placed + timedelta(days=4)).isoformat(), delivered.isoformat() if delivered else None),
        )
