"""Templates, compiled once, and how they print money, dates, hours and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from envsim.guest.text import RowsFirst, day, initials, moment, plural, weekday

from .pictures import CAPTIONS
from .service.listings import AMENITIES, KINDS
from .service.pricing import POLICIES
from .service.search import SORTS
from .service.trips import STATUSES

NOTICES = {
    "signed-in": "Welcome back.",
    "signed-out": "You are signed out.",
    "registered": "Welcome to Dovecote. Your account is ready.",
    "resumed": "Welcome back. You can go on where you were.",
    "profile-saved": "Profile saved.",
    "card-added": "Card added.",
    "card-default": "This card is now your default.",
    "card-deleted": "Card removed.",
    "coupon-applied": "The coupon has been applied.",
    "coupon-removed": "The coupon has been removed.",
    "cancelled": "The trip has been cancelled.",
    "refund-requested": "The refund is on its way to your card.",
    "review-posted": "Thank you. Your review has been published.",
    "message-sent": "Message sent.",
    "saved": "Saved to your list.",
    "unsaved": "Removed from the list.",
    "list-created": "List created.",
    "list-deleted": "List deleted.",
    "rates-saved": "Rates saved.",
    "nights-blocked": "The nights are blocked.",
    "nights-opened": "The nights are open again.",
    "nights-priced": "The rate of these nights is saved.",
    "accepted": "Reservation accepted.",
    "declined": "Request declined.",
    "replied": "Your answer has been published.",
    "thanks": "Thank you. You can go on.",
}


def money(cents: int) -> str:
    """``-123456`` as ``-$1,234.56``."""
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.2f}"


def whole(cents: int) -> str:
    """``12500`` as ``$125``; cents only where there are some."""
    return f"${cents // 100:,}" if cents % 100 == 0 else money(cents)


class _Environment(RowsFirst, Environment):
    """Rows are dictionaries."""


def _compile() -> Environment:
    found = _Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False, cache_size=-1,
    )  # fmt: skip
    for function in (money, whole, day, weekday, moment, initials, plural):
        found.filters[function.__name__] = function
    found.globals.update(
        amenities=AMENITIES, captions=CAPTIONS, kinds=KINDS, policies=POLICIES, sorts=SORTS, statuses=STATUSES
    )
    return found


# Code, not state: the same for every clone in this process.
_TEMPLATES = _compile()


def page(template: str, **values: Any) -> str:
    """The HTML of one template."""
    return _TEMPLATES.get_template(template).render(values)
