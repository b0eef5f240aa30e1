"""Booking in three steps: the trip, the payment, a last look; then the confirmation."""

from __future__ import annotations

from envsim.guest.service import Refusal, write
from envsim.guest.web import Response

from ..service import booking, trips, wallet
from ..web import Page, Visit

STEPS = (("trip", "Your trip"), ("payment", "Payment"), ("review", "Review"))
UNSURE = ("unavailable", "timeout")


def _show(v: Visit, step: str) -> Response:
    slug = v.part("slug")
    try:
        draft = booking.get_draft(v.actor, slug)
    except Refusal as refusal:
        if refusal.code == "no_draft":
            return v.redirect(f"/stay/{slug}")
        raise
    if step == "review" and draft["card"] is None:
        return v.redirect(f"/book/{slug}/payment")
    return v.render(
        f"book/{step}.html", draft=draft, listing=draft["listing"], price=draft["price"], step=step, steps=STEPS,
        cards=wallet.list_cards(v.actor),
    )  # fmt: skip


def trip(v: Visit) -> Response:
    """Dates, coupon and a note to the host."""
    return _show(v, "trip")


def payment(v: Visit) -> Response:
    """The card to pay with."""
    return _show(v, "payment")


def review(v: Visit) -> Response:
    """Everything once more."""
    return _show(v, "review")


def choose_note(v: Visit) -> Response:
    """Keep the note."""
    slug = v.part("slug")
    booking.change_draft(v.actor, slug, note=v.form.get("note", ""))
    return v.redirect(f"/book/{slug}/payment")


def choose_coupon(v: Visit) -> Response:
    """Use a coupon, or no longer."""
    slug, code = v.part("slug"), v.form.get("code", "").strip()
    if v.form.get("remove"):
        booking.change_draft(v.actor, slug, coupon=None)
        return v.redirect(f"/book/{slug}", "coupon-removed")
    if not code:
        raise Refusal("unknown_coupon", "Enter a coupon code.")
    booking.change_draft(v.actor, slug, coupon=code)
    return v.redirect(f"/book/{slug}", "coupon-applied")


def choose_card(v: Visit) -> Response:
    """Pay with a saved card, or a new one."""
    slug = v.part("slug")
    if v.kit.bug("booking-expiry"):
        write(v.kit, "UPDATE sessions SET expired = 1 WHERE token = ?", v.actor.sid)
        return v.redirect(f"/login?next=/book/{slug}/payment")
    if v.form.get("card") == "new":
        card = wallet.add_card(v.actor, v.form.get("number", ""), v.form.get("expires", ""))
    else:
        card = v.whole("card")
    booking.change_draft(v.actor, slug, card_id=card)
    return v.redirect(f"/book/{slug}/review")


def confirm(v: Visit) -> Response:
    """Book."""
    if v.kit.bug("booking-503"):
        raise Refusal("unavailable", "The booking service is unavailable. Your stay may or may not be booked.", 503)
    number = booking.book_draft(v.actor, v.part("slug"), v.form.get("key", ""))
    if v.kit.bug("pay-timeout", f"reservation {number} was made"):
        raise Refusal(
            "timeout", "The payment did not answer in time. Your stay may or may not be booked.", 504, committed=True
        )
    return v.redirect(f"/trips/{number}/booked")


def _after(v: Visit) -> Response:
    """What a failed confirmation shows."""
    if v.refusal is not None and v.refusal.code in UNSURE:
        return v.render("book/unsure.html", key=v.form.get("key", ""), slug=v.part("slug"))
    return _show(v, "review")


def booked(v: Visit) -> Response:
    """The confirmation."""
    return v.render("book/done.html", stay=trips.get_trip(v.actor, v.number("number")))


PAGES = [
    Page("/book/{slug}", get=trip, post=choose_note, again=trip, role="member"),
    Page("/book/{slug}/coupon", post=choose_coupon, again=trip, role="member"),
    Page("/book/{slug}/payment", get=payment, post=choose_card, again=payment, role="member"),
    Page("/book/{slug}/review", get=review, role="member"),
    Page("/book/{slug}/confirm", post=confirm, again=_after, role="member"),
    Page("/trips/{number}/booked", get=booked, role="member"),
]
