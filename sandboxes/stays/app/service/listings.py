"""Homes: the facts of one, its calendar, and what a stay there would cost."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from envsim.guest import zones
from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing

from . import pricing

AMENITIES = {
    "wifi": "Wifi", "kitchen": "Kitchen", "washer": "Washing machine", "parking": "Free parking",
    "pets": "Pets allowed", "workspace": "Desk for work",
    "air-conditioning": "Air conditioning", "heating": "Heating", "garden": "Garden",
    "balcony": "Balcony", "fireplace": "Fireplace", "hot-tub": "Hot tub", "pool": "Pool", "crib": "Crib",
    "step-free": "Step-free entrance", "bicycles": "Bicycles", "breakfast": "Breakfast", "dishwasher": "Dishwasher",
}  # fmt: skip
KINDS = {
    "apartment": "Apartment", "loft": "Loft", "studio": "Studio", "townhouse": "Townhouse", "house": "House",
    "villa": "Villa", "cottage": "Cottage", "cabin": "Cabin", "guesthouse": "Guesthouse", "houseboat": "Houseboat",
}  # fmt: skip
MAX_NIGHTS = 90
AHEAD_DAYS = 365
FRESH_TICKS = 10

CARD = (
    "SELECT l.id, l.slug, l.title, l.kind, l.room, l.neighbourhood, l.place, p.name AS place_name, p.country, l.guests,"
    " l.bedrooms, l.beds, l.baths, l.nightly_cents, l.instant, l.policy, l.rating_count,"
    " CASE WHEN l.rating_count THEN 1.0 * l.rating_sum / l.rating_count ELSE 0 END AS rating"
    " FROM listings l JOIN places p ON p.slug = l.place"
)


def list_places(kit: Kit) -> list[Row]:
    """All places in display order, with the number of homes."""
    return fetch(
        kit,
        "SELECT p.*, (SELECT count(*) FROM listings l WHERE l.place = p.slug) AS homes FROM places p ORDER BY position",
    )


def get_listing(kit: Kit, slug: str) -> Row:
    """A home with what its place adds, its host, amenities and reviews (newest first).

    Raises:
        Refusal: No such home.
    """
    found = first(
        kit,
        "SELECT l.*, p.name AS place_name, p.region, p.country, p.zone, p.scene, p.tax_bps, p.tourist_cents,"
        " m.name AS host, m.about AS host_about, m.joined_on AS host_since, m.email AS host_email,"
        " CASE WHEN l.rating_count THEN 1.0 * l.rating_sum / l.rating_count ELSE 0 END AS rating"
        " FROM listings l JOIN places p ON p.slug = l.place JOIN members m ON m.id = l.host_id WHERE l.slug = ?",
        slug,
    )
    if found is None:
        raise missing("this home")
    found["amenities"] = [
        row["amenity"]
        for row in fetch(kit, "SELECT amenity FROM amenities WHERE listing_id = ? ORDER BY 1", found["id"])
    ]
    found["reviews"] = fetch(
        kit, "SELECT id, author, rating, body, created_on, reply FROM reviews WHERE listing_id = ?"
        " ORDER BY created_on DESC, id DESC", found["id"],
    )  # fmt: skip
    return found


# -- calendar ----------------------------------------------------------------------------------------


def special_rates(kit: Kit, listing_id: int) -> dict[str, int]:
    """Night -> the rate its host set for that date alone."""
    found = fetch(kit, "SELECT night, cents FROM calendar WHERE listing_id = ? AND cents IS NOT NULL", listing_id)
    return {row["night"]: row["cents"] for row in found}


def taken_nights(kit: Kit, listing_id: int, start: date, end: date) -> dict[str, str]:
    """Night -> ``"booked"`` or ``"blocked"``, from `start` to before `end`."""
    found = fetch(
        kit,
        "SELECT night, 'booked' AS why FROM booked_nights WHERE listing_id = ?1 AND night >= ?2 AND night < ?3"
        " UNION ALL SELECT night, 'blocked' FROM calendar WHERE listing_id = ?1 AND blocked AND night >= ?2"
        " AND night < ?3 ORDER BY 1, 2 DESC",
        listing_id,
        start.isoformat(),
        end.isoformat(),
    )
    return {row["night"]: row["why"] for row in found}


def shown_calendar(kit: Kit, listing: Row, month: str) -> Row:
    """One month as its page shows it: ``title``, ``weeks`` of days (None outside), ``previous`` and ``next`` month.

    Raises:
        Refusal: `month` is no month such as ``2026-04``.
    """
    today = zones.today(listing["zone"], kit.now())
    try:
        opening = date.fromisoformat(f"{month}-01") if month else today.replace(day=1)
    except ValueError:
        raise Refusal("invalid_month", "Choose a month such as 2026-04.") from None
    if not 2020 <= opening.year <= 2030:
        raise Refusal("invalid_month", "Choose a month such as 2026-04.")
    after = (opening + timedelta(days=32)).replace(day=1)
    taken = taken_nights(kit, listing["id"], opening, after)
    stale = kit.cache.get("stale", {}).get(listing["slug"])
    hidden = [night for night in (stale or {}).get("nights", ()) if taken.get(night) == "blocked"]
    if hidden and kit.bug("stale-calendar", f"nights of {listing['slug']}"):
        age_stale(kit, listing["slug"])
        taken = {night: why for night, why in taken.items() if night not in hidden}
    rates = special_rates(kit, listing["id"])
    days: list[Row | None] = [None] * opening.weekday()
    for day in pricing.nights_between(opening, after):
        days.append({
            "day": day.day, "date": day.isoformat(), "taken": taken.get(day.isoformat(), ""), "past": day < today,
            "cents": pricing.night_rate(listing, day, rates),
        })  # fmt: skip
    days += [None] * (-len(days) % 7)
    return {
        "title": f"{opening:%B %Y}", "month": f"{opening:%Y-%m}",
        "weeks": [days[n : n + 7] for n in range(0, len(days), 7)],
        "previous": f"{opening - timedelta(days=1):%Y-%m}" if opening > today else "", "next": f"{after:%Y-%m}",
    }  # fmt: skip


def age_stale(kit: Kit, slug: str) -> None:
    """Count one more look at what the cache holds of a home."""
    stale: dict[str, dict[str, Any]] = kit.cache["stale"]
    stale[slug]["views"] -= 1
    if stale[slug]["views"] <= 0:
        del stale[slug]


# -- asking for a stay -------------------------------------------------------------------------------


def read_dates(check_in: str, check_out: str) -> tuple[date, date]:
    """Both dates of a stay.

    Raises:
        Refusal: Not dates, in the wrong order, or too far apart.
    """
    try:
        first_day, last_day = date.fromisoformat(check_in.strip()), date.fromisoformat(check_out.strip())
    except ValueError:
        raise Refusal("invalid_dates", "Enter check-in and check-out as YYYY-MM-DD.") from None
    if not first_day < last_day:
        raise Refusal("invalid_dates", "Check-out must be after check-in.")
    if (last_day - first_day).days > MAX_NIGHTS:
        raise Refusal("too_long", f"A stay can be at most {MAX_NIGHTS} nights.")
    return first_day, last_day


def check_stay(kit: Kit, listing: Row, check_in: date, check_out: date, guests: int) -> None:
    """Whether these dates can be had by so many guests; how long they stay is for `check_length`.

    Raises:
        Refusal: In the past, too far ahead, too many guests, or a night is taken.
    """
    today = zones.today(listing["zone"], kit.now())
    if check_in < today:
        raise Refusal("in_the_past", f"It is already {today.isoformat()} in {listing['place_name']}.")
    if check_out > today + timedelta(days=AHEAD_DAYS):
        raise Refusal("too_far_ahead", "Stays can be booked up to a year ahead.")
    if not 1 <= guests <= listing["guests"]:
        raise Refusal("too_many_guests", f"This home sleeps 1 to {listing['guests']} guests.")
    check_free(kit, listing, check_in, check_out)


def check_length(listing: Row, nights: int) -> None:
    """Whether the host takes guests for so few nights.

    Raises:
        Refusal: Not for so few.
    """
    if nights < listing["min_nights"]:
        raise Refusal("too_short", f"The host asks for at least {listing['min_nights']} nights.", 409)


def check_free(kit: Kit, listing: Row, check_in: date, check_out: date) -> None:
    """Whether no night between these dates is taken.

    Raises:
        Refusal: One is.
    """
    taken = set(taken_nights(kit, listing["id"], check_in, check_out))
    if not taken:
        return
    # A check that reads a calendar from before the bookings of the last few requests.
    recent = kit.cache.get("fresh", {}).get(str(listing["id"]), [])
    unseen = {night for tick, night in recent if kit.ticks - tick <= FRESH_TICKS}
    if taken <= unseen and kit.bug("double-booking", f"{listing['slug']}: {', '.join(sorted(taken))}"):
        return
    raise Refusal("not_available", f"This home is not available on {min(taken)}. Please choose other dates.", 409)


def note_booked(kit: Kit, listing_id: int, nights: list[str]) -> None:
    """What the calendar that `double-booking` reads does not show yet."""
    if "double-booking" in kit.bugs:
        kit.cache.setdefault("fresh", {}).setdefault(str(listing_id), []).extend([kit.ticks, night] for night in nights)


def quote(kit: Kit, listing: Row, check_in: date, check_out: date, guests: int, coupon: Row | None = None) -> Row:
    """The price of a stay, see `pricing.breakdown`; `coupon` has been checked."""
    rates = special_rates(kit, listing["id"])
    nightly = [pricing.night_rate(listing, night, rates) for night in pricing.nights_between(check_in, check_out)]
    price = pricing.breakdown(listing, nightly, guests, coupon)
    wrong = pricing.tax_by_night(listing, nightly, guests)
    if wrong != price["tax_cents"] and kit.bug("tax-rounding", f"{wrong} instead of {price['tax_cents']} cents"):
        price["total_cents"] += wrong - price["tax_cents"]
        price["tax_cents"] = wrong
    price["rates"] = [{"cents": cents, "nights": nightly.count(cents)} for cents in sorted(set(nightly))]
    return price
