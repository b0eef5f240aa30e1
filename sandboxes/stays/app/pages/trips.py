"""A guest's trips."""

from __future__ import annotations

from envsim.guest.web import Response

from ..service import trips
from ..web import Page, Visit


def index(v: Visit) -> Response:
    """All trips, what is to come first."""
    found = trips.list_trips(v.actor)
    waiting = [t for t in found if t["phase"] != "past" and t["status"] in ("confirmed", "requested")]
    return v.render("trips/index.html", waiting=waiting[::-1], past=[t for t in found if t not in waiting])


def show(v: Visit) -> Response:
    """One trip."""
    return v.render("trips/trip.html", stay=trips.get_trip(v.actor, v.number("number")))


def show_cancel(v: Visit) -> Response:
    """What cancelling would give back."""
    stay = trips.get_trip(v.actor, v.number("number"))
    terms = trips.refund_now(v.kit, stay) if stay["can_cancel"] else None
    return v.render("trips/cancel.html", stay=stay, terms=terms)


def cancel(v: Visit) -> Response:
    """Cancel."""
    trips.cancel(v.actor, v.number("number"))
    return v.redirect(f"/trips/{v.number('number')}", "cancelled")


def request_refund(v: Visit) -> Response:
    """Ask for a refund that has not come."""
    trips.request_refund(v.actor, v.number("number"))
    return v.redirect(f"/trips/{v.number('number')}", "refund-requested")


def show_review(v: Visit) -> Response:
    """The review form."""
    return v.render("trips/review.html", stay=trips.get_trip(v.actor, v.number("number")))


def review(v: Visit) -> Response:
    """Publish a review."""
    trips.write_review(v.actor, v.number("number"), v.whole("rating"), v.form.get("body", ""))
    return v.redirect(f"/trips/{v.number('number')}", "review-posted")


PAGES = [
    Page("/trips", get=index, role="member"),
    Page("/trips/{number}", get=show, role="member"),
    Page("/trips/{number}/cancel", get=show_cancel, post=cancel, again=show_cancel, role="member"),
    Page("/trips/{number}/refund", post=request_refund, again=show, role="member"),
    Page("/trips/{number}/review", get=show_review, post=review, again=show_review, role="member"),
]
