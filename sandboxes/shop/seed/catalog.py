"""Categories, products, variants and reviews."""

from __future__ import annotations

import sqlite3
import unicodedata
from datetime import date, timedelta

from envsim.rng import Rng

from .phrases import CARE, OPENINGS, REVIEWERS, REVIEWS
from .words import AXES, BRANDS, CATEGORIES, COLOURS, LINES, Type, load_types

PER_TYPE = 4
TODAY = date(2026, 3, 2)


def plain(text: str) -> str:
    """`text` lower-cased and without accents, as search compares it."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ø", "o"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def slugify(text: str) -> str:
    """`text` as a path segment."""
    words = "".join(char if char.isalnum() else " " for char in plain(text).replace("'", "")).split()
    return "-".join(words)


def fill(db: sqlite3.Connection) -> None:
    """Insert the whole catalogue."""
    product_id = 0
    types = load_types()
    for position, (category, (name, blurb)) in enumerate(CATEGORIES.items()):
        db.execute("INSERT INTO categories VALUES (?, ?, ?, ?)", (category, name, blurb, position))
        rng = Rng("shop-seed", category)
        lines = rng.shuffled(LINES)
        for turn in range(PER_TYPE):
            for kind in types[category]:
                product_id += 1
                line = lines[product_id % len(lines)]
                _insert_product(db, Rng("shop-seed", "product", product_id), product_id, category, line, kind, turn)


def _insert_product(
    db: sqlite3.Connection, rng: Rng, product_id: int, category: str, line: str, kind: Type, turn: int
) -> None:
    material = kind.materials[(turn + product_id) % len(kind.materials)]
    name = f"{line} {material} {kind.noun}"
    brand = rng.choice(BRANDS[category])
    price = _price(rng, kind)
    was = (price * rng.choice((115, 120, 125, 140)) // 100 + 49) // 50 * 50 if rng.chance(0.2) else None
    noun = kind.noun.lower()
    opening = rng.choice(OPENINGS).format(noun=noun, material=material.lower(), brand=brand, line=line)
    description = " ".join([opening, kind.detail, *rng.sample(CARE, 2)])
    search = plain(f"{name} {brand} {CATEGORIES[category][0]}")
    db.execute(
        "INSERT INTO products (id, slug, name, brand, category, price_cents, was_cents, description, search)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (product_id, slugify(name), name, brand, category, price, was, description, search),
    )
    # Bigger costs more, another colour does not.
    step = 0 if kind.axis in ("colour", "one") else price * (15 + rng.integer(15)) // 5000 * 50
    for number, label in enumerate(_labels(rng, kind.axis), start=1):
        sku = f"{category[:2].upper()}{product_id:03d}-{number}"
        extra = step * (number - 1)
        db.execute("INSERT INTO variants VALUES (?, ?, ?, ?, ?)", (sku, product_id, label, extra, _stock(rng)))
    _insert_reviews(db, rng, product_id, noun)


def _price(rng: Rng, kind: Type) -> int:
    dollars = kind.low + rng.integer(kind.high - kind.low + 1)
    return dollars * 100 + rng.choice((0, 0, 50, 90, 95))


def _labels(rng: Rng, axis: str) -> list[str]:
    if axis == "colour":
        return rng.sample(COLOURS, 2 + rng.integer(3))
    options = AXES[axis]
    count = min(len(options), 2 + rng.integer(2))
    start = rng.integer(len(options) - count + 1)
    return list(options[start : start + count])


def _stock(rng: Rng) -> int:
    kind = rng.uniform()
    if kind < 0.08:
        return 0
    return 1 + rng.integer(3) if kind < 0.2 else 4 + rng.integer(37)


def _insert_reviews(db: sqlite3.Connection, rng: Rng, product_id: int, noun: str) -> None:
    count = rng.choice((0, 1, 1, 2, 2, 3, 4))
    authors = rng.sample(REVIEWERS, count)
    total = 0
    for author in authors:
        rating = rng.choice((5, 5, 5, 4, 4, 4, 3, 3, 2, 1))
        total += rating
        title, body = rng.choice(REVIEWS[rating])
        day = TODAY - timedelta(days=3 + rng.integer(400))
        db.execute(
            "INSERT INTO reviews (product_id, author, rating, title, body, created_on) VALUES (?, ?, ?, ?, ?, ?)",
            (product_id, author, rating, title, body.format(noun=noun), day.isoformat()),
        )
    db.execute("UPDATE products SET rating_sum = ?, rating_count = ? WHERE id = ?", (total, count, product_id))
