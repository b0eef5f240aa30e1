"""What a stay costs, what the host gets of it, and what a cancellation gives back. Pure arithmetic, in cents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from envsim.guest import zones
from envsim.guest.service import Row

SERVICE_BPS = 1400
HOST_FEE_BPS = 300
WEEK, MONTH = 7, 28
POLICIES = {
    "flexible": "Free cancellation until 24 hours before check-in. After that the first night and the service fee are"
    " kept.",
    "moderate": "Free cancellation until 5 days before check-in. After that half of the nights is refunded, and the"
    " service fee is kept.",
    "strict": "Free cancellation within 48 hours of booking, if check-in is at least 14 days away. Until 7 days before"
    " check-in half of the nights is refunded, after that none.",
}


def share(amount: int, part: int, whole: int) -> int:
    """`amount` times part/whole, rounded half up to a cent."""
    return (2 * amount * part + whole) // (2 * whole)


def nights_between(check_in: date, check_out: date) -> list[date]:
    """The nights of a stay: each by the day it begins on."""
    return [check_in + timedelta(days=n) for n in range((check_out - check_in).days)]


def night_rate(listing: Mapping[str, Any], night: date, special: Mapping[str, int]) -> int:
    """The rate of one night: the host's own for that date, that of a weekend (Friday, Saturday), or the usual."""
    if night.isoformat() in special:
        return special[night.isoformat()]
    return int(listing["weekend_cents"] if night.weekday() in (4, 5) else listing["nightly_cents"])


def long_stay_percent(listing: Mapping[str, Any], nights: int) -> int:
    """The discount for a stay of this length."""
    if nights >= MONTH:
        return int(listing["monthly_percent"])
    return int(listing["weekly_percent"]) if nights >= WEEK else 0


def breakdown(
    listing: Mapping[str, Any], rates: list[int], guests: int, coupon: Mapping[str, Any] | None = None
) -> Row:
    """The price of a stay by its parts.

    Args:
        listing: With its own rates and fees and its place's ``tax_bps`` (1/100 percent) and ``tourist_cents`` (per
            guest and night).
        rates: The rate of each night.
        guests: How many sleep there.
        coupon: A row of ``coupons`` that may be used.
    """
    nights = sum(rates)
    percent = long_stay_percent(listing, len(rates))
    long_stay = share(nights, percent, 100)
    lodging = nights - long_stay
    off = 0
    if coupon is not None:
        off = share(lodging, coupon["value"], 100) if coupon["kind"] == "percent" else min(coupon["value"], lodging)
    service = share(lodging, SERVICE_BPS, 10_000)
    tax = share(lodging + listing["cleaning_cents"], listing["tax_bps"], 10_000)
    tax += guests * len(rates) * listing["tourist_cents"]
    return {
        "nights": len(rates),
        "nights_cents": nights,
        "long_stay_percent": percent,
        "long_stay_cents": long_stay,
        "coupon": coupon["code"] if coupon is not None else None,
        "coupon_cents": off,
        "cleaning_cents": listing["cleaning_cents"],
        "service_cents": service,
        "tax_cents": tax,
        "total_cents": lodging - off + listing["cleaning_cents"] + service + tax,
    }


def tax_by_night(listing: Mapping[str, Any], rates: list[int], guests: int) -> int:
    """The tax as it comes out when every night is taxed and rounded up by itself."""
    percent = long_stay_percent(listing, len(rates))
    parts = [rate - share(rate, percent, 100) for rate in rates] + [listing["cleaning_cents"]]
    tax = sum(-(-part * listing["tax_bps"] // 10_000) for part in parts)
    return int(tax + guests * len(rates) * listing["tourist_cents"])


def payout(stay: Mapping[str, Any]) -> int:
    """What the host of a stay is paid: the lodging and the cleaning fee, less the host fee."""
    earned = stay["nights_cents"] - stay["long_stay_cents"] + stay["cleaning_cents"]
    return int(earned - share(earned, HOST_FEE_BPS, 10_000))


def free_until(stay: Mapping[str, Any]) -> datetime | None:
    """The wall clock (naive) at the home until which cancelling costs nothing; None where no such time is left.

    `stay` is a reservation with its listing's ``policy``, ``check_in_hour`` and ``zone``.
    """
    arrival = datetime.fromisoformat(stay["check_in"]) + timedelta(hours=stay["check_in_hour"])
    if stay["policy"] == "flexible":
        return arrival - timedelta(days=1)
    if stay["policy"] == "moderate":
        return arrival - timedelta(days=5)
    booked = zones.to_local(stay["zone"], datetime.fromisoformat(stay["booked_at"]))
    return booked + timedelta(hours=48) if arrival - booked >= timedelta(days=14) else None


def refund(stay: Mapping[str, Any], wall: datetime) -> Row:
    """What cancelling `stay` gives back when the wall clock there shows `wall` (naive): ``refund_cents``, ``full``."""
    until = free_until(stay)
    if until is not None and wall <= until:
        return {"refund_cents": stay["total_cents"], "full": True}
    arrival = datetime.fromisoformat(stay["check_in"]) + timedelta(hours=stay["check_in_hour"])
    part, whole = 1, 2
    if stay["policy"] == "flexible":
        part, whole = stay["nights"] - 1, stay["nights"]
    elif stay["policy"] == "strict" and wall > arrival - timedelta(days=7):
        part = 0
    rest = stay["total_cents"] - stay["service_cents"] - stay["cleaning_cents"]
    return {"refund_cents": share(rest, part, whole) + stay["cleaning_cents"], "full": False}
