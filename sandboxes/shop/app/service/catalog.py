"""Categories, listings, product pages and reviews."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, write
from envsim.rng import draw

from .actor import Actor

PAGE_SIZE = 12
STALE_VIEWS = 8
SORTS = {
    "featured": ("Featured", "p.id"),
    "price_asc": ("Price: low to high", "p.price_cents, p.id"),
    "price_desc": ("Price: high to low", "p.price_cents DESC, p.id"),
    "rating": ("Customer rating", "rating DESC, p.rating_count DESC, p.id"),
    "name": ("Name", "p.name, p.id"),
}

CARD = (
    "SELECT p.id, p.slug, p.name, p.brand, p.category, p.price_cents, p.was_cents, p.rating_count,"
    " CASE WHEN p.rating_count THEN 1.0 * p.rating_sum / p.rating_count ELSE 0 END AS rating,"
    " (SELECT sum(stock) FROM variants v WHERE v.product_id = p.id) AS stock,"
    " EXISTS (SELECT 1 FROM variants v WHERE v.product_id = p.id AND v.extra_cents > 0) AS has_extra FROM products p"
)


@dataclass(frozen=True)
class Query:
    """What a listing shows; prices in cents, pages from 1."""

    category: str = ""
    text: str = ""
    brand: str = ""
    min_cents: int | None = None
    max_cents: int | None = None
    in_stock: bool = False
    sort: str = "featured"
    page: int = 1


@dataclass(frozen=True)
class Listing:
    """One page of products."""

    products: list[Row]
    total: int
    page: int
    pages: int


def list_categories(kit: Kit) -> list[Row]:
    """All categories in display order."""
    return fetch(kit, "SELECT slug, name, blurb FROM categories ORDER BY position")


def get_category(kit: Kit, slug: str) -> Row:
    """One category.

    Raises:
        Refusal: No such category.
    """
    found = first(kit, "SELECT slug, name, blurb FROM categories WHERE slug = ?", slug)
    if found is None:
        raise missing(f"a category called {slug!r}")
    return found


def list_brands(kit: Kit, category: str = "") -> list[str]:
    """Brands, of one category or of all, by name."""
    sql = "SELECT DISTINCT brand FROM products" + (" WHERE category = ?" if category else "") + " ORDER BY brand"
    return [r["brand"] for r in fetch(kit, sql, *([category] if category else []))]


def plain(text: str) -> str:
    """As `seed.catalog.plain`: lower case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ø", "o"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """What to look for in ``products.search``: the plain words of `text`, in the singular."""
    return [word.removesuffix("s") if len(word) > 3 else word for word in plain(text).split()[:8]]


def find_products(kit: Kit, query: Query) -> Listing:
    """One page of the products that match every condition of `query`."""
    where, args = _conditions(query)
    clause = f" WHERE {' AND '.join(where)}" if where else ""
    total = int(scalar(kit, f"SELECT count(*) FROM products p{clause}", *args))
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(query.page, 1), pages)
    query = replace(query, page=page)
    offset = (page - 1) * PAGE_SIZE
    if page > 1 and kit.bug("page-skip", f"first product of page {page} left out"):
        offset += 1
    order = SORTS.get(query.sort, SORTS["featured"])[1]
    if query.sort == "rating":
        found = _rated(kit, clause, args, offset)
    else:
        sql = f"{CARD}{clause} ORDER BY {order} LIMIT {PAGE_SIZE} OFFSET {offset}"
        found = fetch(kit, sql, *args)
    return Listing(_age(kit, found), total, page, pages)


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    args: list[Any] = []
    for column, wanted in (("category", query.category), ("brand", query.brand)):
        if wanted:
            where.append(f"p.{column} = ?")
            args.append(wanted)
    for word in words(query.text):
        where.append("instr(p.search, ?)")
        args.append(word)
    if query.min_cents is not None:
        where.append("p.price_cents >= ?")
        args.append(query.min_cents)
    if query.max_cents is not None:
        where.append("p.price_cents <= ?")
        args.append(query.max_cents)
    if query.in_stock:
        where.append("EXISTS (SELECT 1 FROM variants v WHERE v.product_id = p.id AND v.stock > 0)")
    return where, args


def _rated(kit: Kit, clause: str, args: list[Any], offset: int) -> list[Row]:
    ranked = fetch(kit, f"{CARD}{clause} ORDER BY {SORTS['rating'][1]}", *args)
    right = ranked[offset : offset + PAGE_SIZE]
    if "sort-instability" not in kit.bugs:
        return right
    # Ties on the rating come in whatever order the database happens to return them this time.
    ranked.sort(key=lambda p: (-p["rating"], draw(kit.seed, kit.ticks, p["id"])))
    unstable = ranked[offset : offset + PAGE_SIZE]
    if [p["id"] for p in unstable] != [p["id"] for p in right] and kit.bug("sort-instability"):
        return unstable
    return right


def _age(kit: Kit, products: list[Row]) -> list[Row]:
    """`products` as the listing cache has them: out of date after a change when `stale-price` fires."""
    stale: dict[str, dict[str, int]] = kit.cache.get("listing", {})
    for product in products if stale else ():
        entry = stale.get(product["slug"])
        if not entry or entry["price_cents"] == product["price_cents"]:
            continue
        if kit.bug("stale-price", product["slug"]):
            product["price_cents"] = entry["price_cents"]
            entry["views"] -= 1
            if not entry["views"]:
                del stale[product["slug"]]
    return products


def note_price_change(kit: Kit, slug: str, old_cents: int) -> None:
    """What the listing cache still holds after a price change."""
    if "stale-price" in kit.bugs:
        kit.cache.setdefault("listing", {})[slug] = {"price_cents": old_cents, "views": STALE_VIEWS}


def get_product(kit: Kit, slug: str) -> Row:
    """A product with its `variants` and `reviews`, newest first.

    Raises:
        Refusal: No such product.
    """
    product = first(
        kit, "SELECT p.*, c.name AS category_name FROM products p JOIN categories c ON c.slug = p.category"
        " WHERE p.slug = ?", slug,
    )  # fmt: skip
    if product is None:
        raise missing("this product")
    product["rating"] = product["rating_sum"] / product["rating_count"] if product["rating_count"] else 0.0
    product["variants"] = fetch(
        kit,
        "SELECT sku, label, stock, extra_cents, ? + extra_cents AS price_cents FROM variants WHERE product_id = ?"
        " ORDER BY sku",
        product["price_cents"],
        product["id"],
    )
    product["reviews"] = fetch(
        kit, "SELECT id, author, rating, title, body, created_on FROM reviews WHERE product_id = ?"
        " ORDER BY created_on DESC, id DESC", product["id"],
    )  # fmt: skip
    return product


def related_products(kit: Kit, product: Row) -> list[Row]:
    """Four products of the same kind or shelf."""
    sql = f"{CARD} WHERE p.category = ? AND p.id <> ? ORDER BY (p.id + ?) % 8, p.id LIMIT 4"
    return fetch(kit, sql, product["category"], product["id"], 8 - product["id"] % 8)


def featured(kit: Kit) -> list[Row]:
    """What the home page shows: well reviewed, one a category."""
    ids = (
        "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY category ORDER BY 1.0 * rating_sum / rating_count"
        " DESC, rating_count DESC, id) AS place FROM products WHERE rating_count > 1) WHERE place = 1"
    )
    return fetch(kit, f"{CARD} WHERE p.id IN ({ids}) ORDER BY p.id LIMIT 8")


def write_review(actor: Actor, slug: str, rating: int, title: str, body: str) -> int:
    """Publish a review; its id.

    Raises:
        Refusal: Not signed in, no such product, a bad field, or already reviewed.
    """
    kit, customer = actor.kit, actor.customer()
    product = get_product(kit, slug)
    title, body = title.strip(), body.strip()
    if not 1 <= rating <= 5:
        raise Refusal("invalid_rating", "Choose a rating from 1 to 5 stars.", 422)
    if not title or not body:
        raise Refusal("invalid_review", "A review needs a title and a text.", 422)
    if len(title) > 120 or len(body) > 2000:
        raise Refusal("invalid_review", "Keep the title under 120 and the text under 2000 characters.", 422)
    if scalar(kit, "SELECT 1 FROM reviews WHERE product_id = ? AND customer_id = ?", product["id"], customer["id"]):
        raise Refusal("already_reviewed", "You have already reviewed this product.", 409)
    given, *rest = customer["name"].split()
    author = f"{given} {rest[-1][0]}." if rest else given
    review_id = write(
        kit, "INSERT INTO reviews (product_id, customer_id, author, rating, title, body, created_on)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        product["id"], customer["id"], author, rating, title, body, kit.now().date().isoformat(),
    )  # fmt: skip
    write(kit, "UPDATE products SET rating_sum = rating_sum + ?, rating_count = rating_count + 1 WHERE id = ?",
          rating, product["id"])  # fmt: skip
    return review_id
