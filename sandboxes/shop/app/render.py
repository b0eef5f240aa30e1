"""Templates, compiled once, and what they need to print money, dates and stars."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from envsim.guest.text import RowsFirst

from .service.accounts import TOPICS
from .service.cart import SHIPPING
from .service.catalog import SORTS
from .service.orders import PAYMENTS, REASONS, STATUSES

NOTICES = {
    "added": "Added to your cart.",
    "cart-updated": "Your cart has been updated.",
    "removed": "Removed from your cart.",
    "coupon-applied": "The coupon has been applied.",
    "coupon-removed": "The coupon has been removed.",
    "wishlist-added": "Saved to your wishlist.",
    "wishlist-removed": "Removed from your wishlist.",
    "review-posted": "Thank you. Your review has been published.",
    "signed-in": "Welcome back.",
    "signed-out": "You are signed out.",
    "registered": "Welcome to Larkfield. Your account is ready.",
    "address-saved": "Address saved.",
    "address-deleted": "Address deleted.",
    "profile-saved": "Profile saved.",
    "order-cancelled": "The order has been cancelled and will be refunded.",
    "return-requested": "Your return has been requested. We will decide about the refund shortly.",
    "checkout-expired": "Your checkout session expired. Please choose again.",
    "message-sent": "Thank you. We have received your message.",
    "subscribed": "Thank you for subscribing.",
    "status-saved": "Order status saved.",
    "price-saved": "Price saved.",
    "stock-saved": "Stock saved.",
    "coupon-created": "Coupon created.",
    "coupon-saved": "Coupon saved.",
    "refund-decided": "Refund decided.",
    "ticket-closed": "Message closed.",
}


def money(cents: int) -> str:
    """``-123456`` as ``-$1,234.56``."""
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.2f}"


def day(text: str) -> str:
    """An ISO date or time as ``2 Mar 2026``."""
    moment = datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    return f"{moment.day} {moment:%b %Y}"


class _Environment(RowsFirst, Environment):
    """Rows are dictionaries."""


def _environment() -> Environment:
    environment = _Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(money=money, day=day)
    environment.globals.update(
        shipping_methods=SHIPPING, payments=PAYMENTS, reasons=REASONS, statuses=STATUSES, topics=TOPICS, sorts=SORTS
    )
    return environment


# Compiled templates are code, not state: they are the same for every clone in this process.
_TEMPLATES = _environment()


def page(template: str, **values: Any) -> str:
    """The HTML of one template."""
    return _TEMPLATES.get_template(template).render(values)
