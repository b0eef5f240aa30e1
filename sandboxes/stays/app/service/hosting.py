"""A host's side: homes, rates, the calendar, requests, reservations, payouts and replies to reviews."""

from __future__ import annotations

from datetime import date, timedelta

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, write

from . import listings, pricing
from .booking import confirm
from .members import Actor
from .trips import STAY, dress, with_money

PAGE_SIZE = 15
EDIT_TICKS = 3
STALE_VIEWS = 6
MAX_CENTS = 500_000


def list_homes(actor: Actor) -> list[Row]:
    """The host's homes with what is to come."""
    coming = (
        "SELECT count(*) FROM reservations r WHERE r.listing_id = c.id AND r.status = 'confirmed' AND r.check_in >= ?"
    )
    return fetch(
        actor.kit,
        f"SELECT c.*, l2.weekend_cents, l2.cleaning_cents, ({coming}) AS upcoming"
        f" FROM ({listings.CARD} WHERE l.host_id = ?) c JOIN listings l2 ON l2.id = c.id ORDER BY c.id",
        actor.kit.now().date().isoformat(),
        actor.host()["id"],
    )


def own_home(actor: Actor, slug: str) -> Row:
    """One of the host's homes, see `listings.get_listing`.

    Raises:
        Refusal: Not theirs.
    """
    host = actor.host()
    found = listings.get_listing(actor.kit, slug)
    if found["host_id"] != host["id"]:
        raise missing("this home among yours")
    return found


def set_rates(actor: Actor, slug: str, nightly: int, weekend: int, cleaning: int) -> None:
    """Change the rates (cents) of a home.

    Raises:
        Refusal: Not theirs, or not rates.
    """
    kit, home = actor.kit, own_home(actor, slug)
    if not (1000 <= nightly <= MAX_CENTS and 1000 <= weekend <= MAX_CENTS):
        raise Refusal("invalid_rate", "Enter a rate between $10.00 and $5,000.00 a night.")
    if not 0 <= cleaning <= MAX_CENTS // 5:
        raise Refusal("invalid_fee", "Enter a cleaning fee between $0.00 and $1,000.00.")
    if nightly != home["nightly_cents"]:
        _note_stale(kit, slug, home["nightly_cents"], [])
    write(kit, "UPDATE listings SET nightly_cents = ?, weekend_cents = ?, cleaning_cents = ? WHERE id = ?", nightly,
          weekend, cleaning, home["id"])  # fmt: skip


def _note_stale(kit: Kit, slug: str, cents: int | None, nights: list[str]) -> None:
    """What the results and calendars in the cache still show of a home."""
    if "stale-calendar" not in kit.bugs:
        return
    kept = kit.cache.setdefault("stale", {}).get(slug, {"cents": None, "nights": []})
    kit.cache["stale"][slug] = {
        "views": STALE_VIEWS, "cents": kept["cents"] if cents is None else cents,
        "nights": [*kept["nights"], *nights],
    }  # fmt: skip


def edit_calendar(
    actor: Actor, slug: str, start: str, end: str, *, blocked: bool | None = None, cents: int | None = None
) -> int:
    """Block or open nights, or set their rate; how many nights.

    Args:
        actor: The host.
        slug: Their home.
        start: First night.
        end: Last night.
        blocked: Whether the nights are kept from guests; None leaves that alone.
        cents: Their rate; 0 is the usual one again, None leaves it alone.

    Raises:
        Refusal: Not theirs, not dates, a rate that is none, or a night that is booked.
    """
    kit, home = actor.kit, own_home(actor, slug)
    first_night, after = listings.read_dates(start, _day_after(end))
    nights = [night.isoformat() for night in pricing.nights_between(first_night, after)]
    if cents is not None and cents and not 1000 <= cents <= MAX_CENTS:
        raise Refusal("invalid_rate", "Enter a rate between $10.00 and $5,000.00 a night.")
    if blocked:
        taken = listings.taken_nights(kit, home["id"], first_night, after)
        if booked := [night for night, why in taken.items() if why == "booked"]:
            raise Refusal("booked", f"{booked[0]} is booked. Cancel the reservation first.", 409)
    before = {row["night"]: row for row in fetch(kit, "SELECT night, blocked, cents FROM calendar WHERE listing_id = ?",
                                                 home["id"])}  # fmt: skip
    _lose_last_edit(kit, home["id"], before, nights)
    for night in nights:
        row = before.get(night, {"blocked": 0, "cents": None})
        _put(kit, home["id"], night, row["blocked"] if blocked is None else int(blocked),
             row["cents"] if cents is None else cents or None)  # fmt: skip
    if blocked:
        _note_stale(kit, slug, None, nights)
    return len(nights)


def _day_after(text: str) -> str:
    try:
        return (date.fromisoformat(text.strip()) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise Refusal("invalid_dates", "Enter the first and the last night as YYYY-MM-DD.") from None


def _put(kit: Kit, listing_id: int, night: str, blocked: int, cents: int | None) -> None:
    if not blocked and cents is None:
        write(kit, "DELETE FROM calendar WHERE listing_id = ? AND night = ?", listing_id, night)
    else:
        write(kit, "INSERT OR REPLACE INTO calendar VALUES (?, ?, ?, ?)", listing_id, night, blocked, cents)


def _lose_last_edit(kit: Kit, listing_id: int, before: dict[str, Row], nights: list[str]) -> None:
    """The calendar is saved whole: an edit made on a copy from before the last one undoes that one."""
    if "calendar-overwrite" not in kit.bugs:
        return
    edits = kit.cache.setdefault("edits", {})
    last = edits.get(str(listing_id))
    if last and kit.ticks - last["tick"] <= EDIT_TICKS and kit.bug("calendar-overwrite", ", ".join(last["nights"])):
        for night, (blocked, cents) in last["nights"].items():
            _put(kit, listing_id, night, blocked, cents)
            before[night] = {"night": night, "blocked": blocked, "cents": cents}
    edits[str(listing_id)] = {
        "tick": kit.ticks,
        "nights": {n: [before[n]["blocked"], before[n]["cents"]] if n in before else [0, None] for n in nights},
    }


# -- reservations ------------------------------------------------------------------------------------


def list_reservations(actor: Actor, status: str = "", page: int = 1) -> tuple[list[Row], int]:
    """Reservations of the host's homes, the latest check-in first: one page of them, and the number of pages."""
    kit, host = actor.kit, actor.host()["id"]
    clause, args = "WHERE l.host_id = ?", [host]
    if status:
        clause += " AND r.status = ?"
        args.append(status)
    total = int(
        scalar(kit, f"SELECT count(*) FROM reservations r JOIN listings l ON l.id = r.listing_id {clause}", *args)
    )
    pages = max(1, -(-total // PAGE_SIZE))
    start = (min(max(page, 1), pages) - 1) * PAGE_SIZE
    found = fetch(kit, f"{STAY} {clause} ORDER BY r.status <> 'requested', r.check_in DESC, r.number DESC"
                  f" LIMIT {PAGE_SIZE} OFFSET {start}", *args)  # fmt: skip
    return [dress(kit, stay) for stay in found], pages


def get_reservation(actor: Actor, number: int) -> Row:
    """A reservation of one of the host's homes.

    Raises:
        Refusal: No such reservation, or another host's.
    """
    kit, host = actor.kit, actor.host()
    stay = first(kit, f"{STAY} WHERE r.number = ?", number)
    if stay is None:
        raise missing(f"reservation {number}")
    if stay["host_id"] != host["id"] and not kit.bug("host-peek", f"reservation {number} shown to {host['email']}"):
        raise missing(f"reservation {number}")
    stay["payout"] = first(kit, "SELECT amount_cents, status, due_on FROM payouts WHERE reservation = ?", number)
    return with_money(kit, dress(kit, stay))


def decide(actor: Actor, number: int, decision: str) -> None:
    """Accept or decline a request.

    Raises:
        Refusal: Another host's, decided before, not a decision, or a night has been booked meanwhile.
    """
    kit, host = actor.kit, actor.host()
    stay = get_reservation(actor, number)
    if stay["host_id"] != host["id"]:
        raise missing(f"reservation {number}")  # whatever is shown, nobody decides for another
    if decision not in ("accepted", "declined"):
        raise Refusal("invalid_decision", "Choose accepted or declined.")
    if stay["status"] != "requested":
        raise Refusal("already_decided", f"Reservation {number} is already {stay['status']}.", 409)
    if decision == "declined":
        write(kit, "UPDATE reservations SET status = 'declined' WHERE number = ?", number)
        return
    home = listings.get_listing(kit, stay["slug"])
    listings.check_free(kit, home, date.fromisoformat(stay["check_in"]), date.fromisoformat(stay["check_out"]))
    write(kit, "UPDATE reservations SET status = 'confirmed' WHERE number = ?", number)
    confirm(kit, stay)


def list_payouts(actor: Actor) -> list[Row]:
    """What the host was and will be paid, the latest first."""
    return fetch(
        actor.kit,
        "SELECT o.reservation, o.amount_cents, o.status, o.due_on, l.title, l.slug FROM payouts o JOIN reservations r"
        " ON r.number = o.reservation JOIN listings l ON l.id = r.listing_id WHERE o.host_id = ?"
        " ORDER BY o.due_on DESC, o.reservation DESC",
        actor.host()["id"],
    )


def reply_to_review(actor: Actor, review_id: int, text: str) -> None:
    """Answer a review of one of the host's homes, once.

    Raises:
        Refusal: No such review, answered before, or an empty or long text.
    """
    host, text = actor.host(), text.strip()
    found = first(actor.kit, "SELECT v.reply FROM reviews v JOIN listings l ON l.id = v.listing_id WHERE v.id = ? AND"
                  " l.host_id = ?", review_id, host["id"])  # fmt: skip
    if found is None:
        raise missing("this review")
    if found["reply"]:
        raise Refusal("already_replied", "You have already answered this review.", 409)
    if not text or len(text) > 500:
        raise Refusal("invalid_reply", "Write an answer of at most 500 characters.")
    write(actor.kit, "UPDATE reviews SET reply = ? WHERE id = ?", text, review_id)


def overview(actor: Actor) -> Row:
    """What waits for the host today."""
    host, today = actor.host()["id"], actor.kit.now().date().isoformat()
    stays = "SELECT count(*) FROM reservations r JOIN listings l ON l.id = r.listing_id WHERE l.host_id = ?1"
    money = "SELECT coalesce(sum(amount_cents), 0) FROM payouts WHERE host_id = ?1"
    found = first(
        actor.kit,
        f"SELECT ({stays} AND r.status = 'requested') AS requests,"
        f" ({stays} AND r.status = 'confirmed' AND r.check_in BETWEEN ?2 AND date(?2, '+14 day')) AS arrivals,"
        f" ({money} AND status = 'scheduled') AS scheduled_cents,"
        " (SELECT count(*) FROM listings WHERE host_id = ?1) AS homes",
        host,
        today,
    )
    return found or {}
