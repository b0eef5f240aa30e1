"""Oracles of the bugs that booking and cancelling have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .browsing import GUEST, SECOND, Session


def _expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


def twice_booked(sandbox: Sandbox) -> None:
    """The same booking confirmed twice is made once."""
    session = Session(sandbox)
    before, stay = len(session.mine()), session.stay()
    session.go_to_review(stay)
    key = session.hidden(f"/book/{stay['slug']}/review")["key"]
    for _ in range(2):
        session.post(f"/book/{stay['slug']}/confirm", key=key)
    made = len(session.mine()) - before
    _expect(made == 1, f"{made} reservations from one booking")


def double_booking(sandbox: Sandbox) -> None:
    """Two guests cannot have the same night."""
    session = Session(sandbox)
    stay = session.stay()
    session.tool("book_stay", **stay, card_id=session.card())
    other = session.second(SECOND)
    card = int(min(other.rows("cards", member=SECOND)))
    other.tool("book_stay", **stay, card_id=card)
    booked = session.rows("reservations", home=stay["slug"], status="confirmed", check_in=stay["check_in"])
    _expect(len(booked) == 1, f"{len(booked)} guests have the same nights")


def cancel_no_refund(sandbox: Sandbox) -> None:
    """A cancelled trip is refunded."""
    session = Session(sandbox)
    stay = session.stay(policy="flexible")
    number = session.tool("book_stay", **stay, card_id=session.card())["number"]
    session.post(f"/trips/{number}/cancel")
    total = session.mine()[str(number)]["total_cents"]
    paid = [r["amount_cents"] for r in session.rows("payments", reservation=number, kind="refund").values()]
    _expect(paid == [total], f"refunds of {paid} cents for a trip of {total}")


def tax_rounding(sandbox: Sandbox) -> None:
    """Taxes are a share of the whole stay, rounded once."""
    session = Session(sandbox)
    stay = session.stay(place="santa-fe")
    slug = min(s for s, h in session.rows("homes", place="santa-fe").items() if h["nightly_cents"] // 100 % 25)
    check_in, check_out = session.free(slug, 5)
    price = session.tool("quote_stay", **stay | {"slug": slug, "check_in": check_in, "check_out": check_out})
    place, nights = session.rows("places")["santa-fe"], 5
    base = price["nights_cents"] - price["long_stay_cents"] + price["cleaning_cents"]
    right = (2 * base * place["tax_bps"] + 10_000) // 20_000 + nights * place["tourist_cents"]
    _expect(price["tax_cents"] == right, f"taxes of {price['tax_cents']} cents instead of {right}")


def deadline_utc(sandbox: Sandbox) -> None:
    """An hour before the deadline on the wall at the home, cancelling is still free."""
    session = Session(sandbox, clock="2026-03-02T12:00:00+00:00")
    slug = session.home(place="portland", policy="flexible", instant=1)
    check_in, check_out = session.free(slug, 3, "2026-03-04")
    hour = session.rows("homes")[slug]["check_in_hour"]
    # Pacific time is seven or eight hours behind: an hour before the deadline there, UTC is long past that hour.
    wall = datetime.fromisoformat(f"{check_in}T00:00:00") + timedelta(hours=hour - 24 - 1)
    ahead = 7 if wall >= datetime(2026, 3, 8, 2) else 8
    session = Session(sandbox, clock=(wall + timedelta(hours=ahead)).replace(tzinfo=UTC).isoformat())
    trip = session.tool(
        "book_stay", slug=slug, check_in=check_in, check_out=check_out, guests=1, card_id=session.card()
    )
    terms = session.tool("preview_cancellation", number=trip["number"])
    _expect(terms["full"], f"{terms['refund_cents']} cents back, although the deadline has not passed there")


def booking_expiry(sandbox: Sandbox) -> None:
    """Choosing a card leads to the review."""
    session = Session(sandbox)
    location = session.go_to_review(session.stay()).header("location") or ""
    _expect(location.endswith("/review"), f"the payment step led to {location!r}")


def booking_503(sandbox: Sandbox) -> None:
    """Confirming books and says so."""
    _expect_booked(sandbox)


def pay_timeout(sandbox: Sandbox) -> None:
    """Confirming books and says so."""
    _expect_booked(sandbox)


def _expect_booked(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    before, stay = len(session.mine()), session.stay()
    session.go_to_review(stay)
    status = session.confirm(stay).status
    made = len(session.mine()) - before
    _expect(status == 303 and made == 1, f"status {status}, {made} reservations made")


def dead_reserve(sandbox: Sandbox) -> None:
    """Fewer nights than the host takes cannot be booked."""
    session = Session(sandbox, GUEST)
    slug = min(s for s, home in session.rows("homes", instant=1).items() if home["min_nights"] > 1)
    check_in, check_out = session.free(slug, 1)
    reply = session.post(f"/stay/{slug}/reserve", check_in=check_in, check_out=check_out, guests=1)
    _expect(reply.status == 409, f"one night where more are asked for: status {reply.status}")
