"""The host's side."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row
from envsim.guest.web import Response

from ..service import hosting, listings
from ..web import Page, Visit


def overview(v: Visit) -> Response:
    """What waits today."""
    waiting, _ = hosting.list_reservations(v.actor, "requested")
    return v.render("host/overview.html", counts=hosting.overview(v.actor), waiting=waiting[:5])


def homes(v: Visit) -> Response:
    """The host's homes."""
    return v.render("host/homes.html", homes=hosting.list_homes(v.actor))


def home(v: Visit) -> Response:
    """Rates of a home, and what guests wrote."""
    return v.render("host/home.html", listing=hosting.own_home(v.actor, v.part("slug")))


def set_rates(v: Visit) -> Response:
    """Change the rates."""
    slug = v.part("slug")
    hosting.set_rates(v.actor, slug, v.cents("nightly") or 0, v.cents("weekend") or 0, v.cents("cleaning") or 0)
    return v.redirect(f"/host/homes/{slug}", "rates-saved")


def reply(v: Visit) -> Response:
    """Answer a review."""
    hosting.reply_to_review(v.actor, v.whole("review"), v.form.get("text", ""))
    return v.redirect(f"/host/homes/{v.part('slug')}", "replied")


def calendar(v: Visit) -> Response:
    """A month of a home's calendar, and how to change it."""
    listing = hosting.own_home(v.actor, v.part("slug"))
    return v.render("host/calendar.html", listing=listing, calendar=_month(v, listing))


def _month(v: Visit, listing: Row) -> Row:
    try:
        return listings.shown_calendar(v.kit, listing, v.sent("month"))
    except Refusal:
        if v.refusal is None:
            raise
        return listings.shown_calendar(v.kit, listing, "")


def change(v: Visit) -> Response:
    """Block or open nights, or set their rate."""
    slug, action = v.part("slug"), v.form.get("action", "")
    start, end = v.form.get("start", ""), v.form.get("end", "")
    if action in ("block", "open"):
        hosting.edit_calendar(v.actor, slug, start, end, blocked=action == "block")
    elif action == "rate":
        cents = v.cents("rate")
        if cents is None:
            raise Refusal("invalid_rate", "Enter a rate, or 0 for the usual one.")
        hosting.edit_calendar(v.actor, slug, start, end, cents=cents)
    else:
        raise Refusal("invalid_action", "Choose what to do with the nights.")
    notice = {"block": "nights-blocked", "open": "nights-opened", "rate": "nights-priced"}[action]
    return v.redirect(f"/host/homes/{slug}/calendar?month={start.strip()[:7]}", notice)


def reservations(v: Visit) -> Response:
    """Reservations of all the host's homes."""
    status = v.query.get("status", "")
    found, pages = hosting.list_reservations(v.actor, status, v.whole("page", 1))
    return v.render(
        "host/reservations.html", stays=found, pages=pages, shown=status, page=min(max(1, v.whole("page", 1)), pages)
    )


def reservation(v: Visit) -> Response:
    """One reservation."""
    stay = hosting.get_reservation(v.actor, v.number("number"))
    return v.render("host/reservation.html", stay=stay, own=stay["host_id"] == v.actor.member()["id"])


def decide(v: Visit) -> Response:
    """Accept or decline a request."""
    decision = v.form.get("decision", "")
    hosting.decide(v.actor, v.number("number"), decision)
    return v.redirect(f"/host/reservations/{v.number('number')}", decision)


def payouts(v: Visit) -> Response:
    """Money paid and to come."""
    return v.render("host/payouts.html", payouts=hosting.list_payouts(v.actor))


PAGES = [
    Page("/host", get=overview, role="host"),
    Page("/host/homes", get=homes, role="host"),
    Page("/host/homes/{slug}", get=home, post=set_rates, again=home, role="host"),
    Page("/host/homes/{slug}/reply", post=reply, again=home, role="host"),
    Page("/host/homes/{slug}/calendar", get=calendar, post=change, again=calendar, role="host"),
    Page("/host/reservations", get=reservations, role="host"),
    Page("/host/reservations/{number}", get=reservation, post=decide, again=reservation, role="host"),
    Page("/host/payouts", get=payouts, role="host"),
]
