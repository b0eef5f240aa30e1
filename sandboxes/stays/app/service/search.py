"""Finding homes: by place, words, dates, guests, price, kind and amenities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.service import Row, fetch, scalar
from envsim.guest.text import plain
from envsim.rng import draw

from .listings import CARD, age_stale, read_dates

PAGE_SIZE = 12
CHALLENGE = "search-challenge"
WHY = "We are seeing a lot of searches from your connection."
SORTS = {
    "featured": ("Recommended", "l.id % 7, l.id"),
    "price_asc": ("Price: low to high", "l.nightly_cents, l.id"),
    "price_desc": ("Price: high to low", "l.nightly_cents DESC, l.id"),
    "rating": ("Guest rating", "rating DESC, l.rating_count DESC, l.id"),
}


@dataclass(frozen=True)
class Query:
    """What is looked for. Prices in cents a night; pages from 1; dates only together."""

    place: str = ""
    text: str = ""
    check_in: str = ""
    check_out: str = ""
    guests: int = 0
    min_cents: int | None = None
    max_cents: int | None = None
    kind: str = ""
    amenities: tuple[str, ...] = ()
    instant: bool = False
    sort: str = "featured"
    page: int = 1


@dataclass(frozen=True)
class Found:
    """One page of homes."""

    homes: list[Row]
    total: int
    page: int
    pages: int


def find_homes(kit: Kit, query: Query) -> Found:
    """One page of the homes that fit `query` entirely.

    Raises:
        Refusal: Dates that are none.
    """
    where, args = _conditions(query)
    clause = f" WHERE {' AND '.join(where)}" if where else ""
    total = int(scalar(kit, f"SELECT count(*) FROM listings l{clause}", *args))
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(query.page, 1), pages)
    start = (page - 1) * PAGE_SIZE
    if page > 1 and kit.bug("search-repeat", f"page {page} begins with the last home of page {page - 1}"):
        start -= page - 1  # every page before it counted one home too few
    order = SORTS.get(query.sort, SORTS["featured"])[1]
    ranked = fetch(kit, f"{CARD}{clause} ORDER BY {order}", *args)
    homes = ranked[start : start + PAGE_SIZE]
    if query.sort == "rating" and "rating-ties" in kit.bugs:
        # Equal ratings come in whatever order the database returns them this time.
        ranked.sort(key=lambda home: (-home["rating"], draw(kit.seed, kit.ticks, home["id"])))
        loose = ranked[start : start + PAGE_SIZE]
        if loose != homes and kit.bug("rating-ties"):
            homes = loose
    return Found([_aged(kit, home) for home in homes], total, page, pages)


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    args: list[Any] = []

    def need(condition: str, *values: Any) -> None:
        where.append(condition)
        args.extend(values)

    if query.place:
        need("l.place = ?", query.place)
    for word in plain(query.text).split()[:8]:
        need("instr(l.search, ?)", word)
    if query.guests > 0:
        need("l.guests >= ?", query.guests)
    if query.min_cents is not None:
        need("l.nightly_cents >= ?", query.min_cents)
    if query.max_cents is not None:
        need("l.nightly_cents <= ?", query.max_cents)
    if query.kind:
        need("l.kind = ?", query.kind)
    if query.instant:
        need("l.instant = 1")
    for amenity in query.amenities[:20]:
        need("EXISTS (SELECT 1 FROM amenities a WHERE a.listing_id = l.id AND a.amenity = ?)", amenity)
    if query.check_in or query.check_out:
        check_in, check_out = read_dates(query.check_in, query.check_out)
        _free(need, check_in, check_out)
    return where, args


def _free(need: Any, check_in: date, check_out: date) -> None:
    for table, more in (("booked_nights", ""), ("calendar", " AND t.blocked")):
        need(
            f"NOT EXISTS (SELECT 1 FROM {table} t WHERE t.listing_id = l.id AND t.night >= ? AND t.night < ?{more})",
            check_in.isoformat(), check_out.isoformat(),
        )  # fmt: skip
    need("l.min_nights <= ?", (check_out - check_in).days)


def _aged(kit: Kit, home: Row) -> Row:
    """`home` as the result cache has it: with the rate from before the last change when `stale-calendar` fires."""
    stale = kit.cache.get("stale", {}).get(home["slug"])
    if stale and stale["cents"] not in (None, home["nightly_cents"]) and kit.bug("stale-calendar", home["slug"]):
        age_stale(kit, home["slug"])
        return {**home, "nightly_cents": stale["cents"]}
    return home


def featured(kit: Kit) -> list[Row]:
    """What the home page shows: the best liked home of each of eight places."""
    ids = (
        "SELECT id FROM (SELECT id, place, row_number() OVER (PARTITION BY place ORDER BY"
        " 1.0 * rating_sum / rating_count DESC, rating_count DESC, id) AS rank FROM listings WHERE rating_count > 1)"
        " WHERE rank = 1"
    )
    return fetch(kit, f"{CARD} WHERE l.id IN ({ids}) ORDER BY p.position LIMIT 8")
