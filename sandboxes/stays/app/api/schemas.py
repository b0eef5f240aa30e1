"""The shapes the tools answer with."""

from __future__ import annotations

from envsim.guest.operations import CENTS, FLAG, NUMBER, TEXT, WHOLE, Schema, component, listing_of, shape
from envsim.guest.service import Row

from ..service.trips import STATUSES

NULLABLE: Schema = {"type": ["string", "null"]}
STATUS: Schema = {"type": "string", "enum": list(STATUSES)}

COMPONENTS: dict[str, Schema] = {
    "Error": shape(error=shape(code=TEXT, message=TEXT)),
    "Home": shape(slug=TEXT, title=TEXT, kind=TEXT, room=TEXT, place=TEXT, neighbourhood=TEXT, guests=WHOLE,
                  bedrooms=WHOLE, beds=WHOLE, nightly_cents=CENTS, instant=FLAG, policy=TEXT, rating=NUMBER,
                  rating_count=WHOLE),
    "Review": shape(id=WHOLE, author=TEXT, rating=WHOLE, body=TEXT, created_on=TEXT, reply=TEXT),
    "Price": shape(nights=WHOLE, nights_cents=CENTS, long_stay_cents=CENTS, coupon=NULLABLE, coupon_cents=CENTS,
                   cleaning_cents=CENTS, service_cents=CENTS, tax_cents=CENTS, total_cents=CENTS),
    "Trip": shape(number=WHOLE, status=STATUS, home=TEXT, title=TEXT, place=TEXT, check_in=TEXT, check_out=TEXT,
                  guests=WHOLE, total_cents=CENTS),
    "Payment": shape(kind=TEXT, amount_cents=CENTS, method=TEXT, made_at=TEXT),
    "Thread": shape(id=WHOLE, home=TEXT, title=TEXT, other=TEXT),
    "Message": shape(id=WHOLE, sender=TEXT, body=TEXT, sent_at=TEXT),
    "Card": shape(id=WHOLE, brand=TEXT, last4=TEXT, expires=TEXT, is_default=FLAG),
    "Payout": shape(reservation=WHOLE, title=TEXT, amount_cents=CENTS, status=TEXT, due_on=TEXT),
}  # fmt: skip


def with_all(name: str, **more: Schema) -> Schema:
    """A component with more properties."""
    known = COMPONENTS[name]["properties"]
    return shape(**known, **more)


COMPONENTS["HomeDetail"] = with_all(
    "Home", description=TEXT, host=TEXT, host_email=TEXT, amenities=listing_of(TEXT), baths=TEXT, weekend_cents=CENTS,
    cleaning_cents=CENTS, weekly_percent=WHOLE, monthly_percent=WHOLE, min_nights=WHOLE, check_in_hour=WHOLE,
    check_out_hour=WHOLE, time_zone=TEXT, rules=TEXT, reviews=listing_of(component("Review")),
)  # fmt: skip
COMPONENTS["TripDetail"] = with_all(
    "Trip", host=TEXT, policy=TEXT, phase=TEXT, nights=WHOLE, nights_cents=CENTS, long_stay_cents=CENTS,
    coupon=NULLABLE, coupon_cents=CENTS, cleaning_cents=CENTS, service_cents=CENTS, tax_cents=CENTS, payment=TEXT,
    note=TEXT, free_until=TEXT, refund_due_cents={"type": ["integer", "null"]}, refunded_cents=CENTS,
    can_cancel=FLAG, can_review=FLAG, payments=listing_of(component("Payment")),
)  # fmt: skip
COMPONENTS["Reservation"] = with_all("Trip", guest=TEXT)
COMPONENTS["ReservationDetail"] = with_all(
    "Trip", guest=TEXT, guest_email=TEXT, guest_phone=TEXT, note=TEXT, nights=WHOLE, booked_at=TEXT, payout_cents=CENTS
)


def fit(row: Row, name: str) -> Row:
    """What `row` has of a component, with 0 and 1 as booleans where its schema says so."""
    known = COMPONENTS[name]["properties"]
    return {key: bool(row[key]) if known[key] is FLAG else row[key] for key in known if key in row}
