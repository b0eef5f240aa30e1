"""A guest's reservations: seeing, cancelling and reviewing them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from envsim.guest import zones
from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from . import pricing
from .booking import pay
from .members import Actor

STATUSES = ("requested", "confirmed", "declined", "cancelled")
STAY = (
    "SELECT r.*, l.slug, l.title, l.kind, l.policy, l.check_in_hour, l.check_out_hour, l.host_id, l.neighbourhood,"
    " p.name AS place_name, p.zone, g.name AS guest, g.email AS guest_email, g.phone AS guest_phone, h.name AS host,"
    " h.email AS host_email FROM reservations r JOIN listings l ON l.id = r.listing_id"
    " JOIN places p ON p.slug = l.place JOIN members g ON g.id = r.guest_id JOIN members h ON h.id = l.host_id"
)


def list_trips(actor: Actor) -> list[Row]:
    """The member's reservations as a guest, the latest check-in first."""
    found = fetch(
        actor.kit, f"{STAY} WHERE r.guest_id = ? ORDER BY r.check_in DESC, r.number DESC", actor.member()["id"]
    )
    return [dress(actor.kit, stay) for stay in found]


def get_trip(actor: Actor, number: int) -> Row:
    """One of the member's reservations, with ``payments`` and what can be done about it.

    Raises:
        Refusal: No such reservation of this guest.
    """
    kit = actor.kit
    stay = first(kit, f"{STAY} WHERE r.number = ? AND r.guest_id = ?", number, actor.member()["id"])
    if stay is None:
        raise missing(f"trip {number}")
    return with_money(kit, dress(kit, stay))


def dress(kit: Kit, stay: Row) -> Row:
    """`stay` with its ``phase`` and the dates as its pages show them."""
    wall = zones.to_local(stay["zone"], kit.now())
    arrival = datetime.fromisoformat(stay["check_in"]) + timedelta(hours=stay["check_in_hour"])
    leave = datetime.fromisoformat(stay["check_out"]) + timedelta(hours=stay["check_out_hour"])
    stay["phase"] = "upcoming" if wall < arrival else "current" if wall < leave else "past"
    stay["shown_in"], stay["shown_out"] = stay["check_in"], stay["check_out"]
    shifted = tuple(_shifted(kit, stay["zone"], stay[name]) for name in ("check_in", "check_out"))
    if shifted != (stay["check_in"], stay["check_out"]) and kit.bug("dst-shift", f"reservation {stay['number']}"):
        stay["shown_in"], stay["shown_out"] = shifted
    return stay


def _shifted(kit: Kit, zone: str, day: str) -> str:
    """`day` kept as the moment of its midnight and read with today's offset instead of that day's."""
    midnight = zones.to_utc(zone, datetime.fromisoformat(day))
    return (midnight + zones.offset(zone, kit.now())).date().isoformat()


def with_money(kit: Kit, stay: Row) -> Row:
    """`stay` with its ``payments`` and ``refunded_cents``, and whether it can be cancelled, refunded or reviewed."""
    stay["payments"] = fetch(kit, "SELECT * FROM payments WHERE reservation = ? ORDER BY id", stay["number"])
    stay["refunded_cents"] = sum(p["amount_cents"] for p in stay["payments"] if p["kind"] == "refund")
    stay["can_cancel"] = stay["phase"] == "upcoming" and stay["status"] in ("requested", "confirmed")
    stay["missing_cents"] = max(0, (stay["refund_due_cents"] or 0) - stay["refunded_cents"])
    stay["reviewed"] = bool(scalar(kit, "SELECT 1 FROM reviews WHERE reservation = ?", stay["number"]))
    stay["can_review"] = stay["status"] == "confirmed" and stay["phase"] == "past" and not stay["reviewed"]
    until = pricing.free_until(stay)
    stay["free_until"] = until.isoformat(timespec="minutes") if until else ""
    return stay


def refund_now(kit: Kit, stay: Row) -> Row:
    """What cancelling gives back at this moment: ``refund_cents``, ``full``."""
    if stay["status"] == "requested":
        return {"refund_cents": 0, "full": True}
    right = pricing.refund(stay, zones.to_local(stay["zone"], kit.now()))
    # The deadline is a time on the wall at the home; the server's own clock shows another.
    wrong = pricing.refund(stay, kit.now().astimezone(UTC).replace(tzinfo=None))
    if wrong != right and kit.bug("deadline-utc", f"{wrong['refund_cents']} instead of {right['refund_cents']} cents"):
        return wrong
    return right


def cancel(actor: Actor, number: int) -> Row:
    """Cancel a reservation and refund what its policy gives back: ``refund_cents``, ``full``.

    Raises:
        Refusal: No such reservation, or it is too late.
    """
    kit, stay = actor.kit, get_trip(actor, number)
    if not stay["can_cancel"]:
        why = "has begun" if stay["status"] == "confirmed" else f"is {stay['status']}"
        raise Refusal("cannot_cancel", f"Trip {number} {why} and cannot be cancelled.", 409)
    terms = refund_now(kit, stay)
    charged = stay["status"] == "confirmed"
    write(kit, "UPDATE reservations SET status = 'cancelled', cancelled_at = ?, refund_due_cents = ? WHERE number = ?",
          utc_text(kit.now()), terms["refund_cents"] if charged else None, number)  # fmt: skip
    write(kit, "DELETE FROM booked_nights WHERE reservation = ?", number)
    if not charged:
        return terms
    kept = max(0, stay["total_cents"] - terms["refund_cents"] - stay["service_cents"])
    earned = pricing.share(kept, 10_000 - pricing.HOST_FEE_BPS, 10_000)
    write(kit, "UPDATE payouts SET amount_cents = ?, status = ? WHERE reservation = ?", earned,
          "scheduled" if earned else "cancelled", number)  # fmt: skip
    if terms["refund_cents"] and not kit.bug("cancel-no-refund", f"reservation {number}"):
        pay(kit, stay, "refund", terms["refund_cents"])
    return terms


def request_refund(actor: Actor, number: int) -> int:
    """Ask for a refund that is due and has not come; the cents now refunded.

    Raises:
        Refusal: None is missing.
    """
    stay = get_trip(actor, number)
    if not stay["missing_cents"]:
        raise Refusal("nothing_due", f"There is no refund outstanding for trip {number}.", 409)
    pay(actor.kit, stay, "refund", stay["missing_cents"])
    return int(stay["missing_cents"])


def write_review(actor: Actor, number: int, rating: int, body: str) -> int:
    """Publish a review of a stay that is over; its id.

    Raises:
        Refusal: Not the member's, not over, reviewed before, or a bad field.
    """
    kit, stay = actor.kit, get_trip(actor, number)
    if stay["reviewed"]:
        raise Refusal("already_reviewed", "You have already reviewed this stay.", 409)
    if not stay["can_review"]:
        raise Refusal("not_reviewable", "A stay can be reviewed once it is over.", 409)
    body = body.strip()
    if not 1 <= rating <= 5:
        raise Refusal("invalid_rating", "Choose a rating from 1 to 5 stars.")
    if not 10 <= len(body) <= 1000:
        raise Refusal("invalid_review", "Write between 10 and 1000 characters.")
    member = actor.member()
    review_id = write(
        kit, "INSERT INTO reviews (listing_id, reservation, guest_id, author, rating, body, created_on)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)", stay["listing_id"], number, member["id"], member["name"].split()[0], rating,
        body, kit.now().date().isoformat(),
    )  # fmt: skip
    write(kit, "UPDATE listings SET rating_sum = rating_sum + ?, rating_count = rating_count + 1 WHERE id = ?", rating,
          stay["listing_id"])  # fmt: skip
    return review_id
