"""From dates to a reservation: what was chosen so far, coupons, and booking itself."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, scalar, utc_text, write

from . import listings, messages, pricing
from .members import Actor
from .wallet import get_card

MAX_NOTE = 500


def check_coupon(kit: Kit, code: str, lodging_cents: int) -> Row:
    """The coupon `code`, if it can be used now on nights for `lodging_cents`.

    Raises:
        Refusal: Unknown, disabled, expired, or the stay costs too little.
    """
    code = code.strip().upper()
    found = first(kit, "SELECT * FROM coupons WHERE code = ?", code)
    if found is None or not found["active"]:
        raise Refusal("unknown_coupon", f"The coupon code {code[:40]} is not valid.")
    if found["expires"] < kit.now().date().isoformat():
        raise Refusal("expired_coupon", f"The coupon {code} expired on {found['expires']}.")
    if lodging_cents < found["minimum_cents"]:
        least = f"${found['minimum_cents'] / 100:,.2f}"
        raise Refusal("below_minimum", f"The coupon {code} needs nights for at least {least}.")
    return found


def price_stay(kit: Kit, listing: Row, check_in: date, check_out: date, guests: int, code: str | None = None) -> Row:
    """The price of a stay with the coupon `code`.

    Raises:
        Refusal: The coupon cannot be used.
    """
    if not code:
        return listings.quote(kit, listing, check_in, check_out, guests)
    rates = listings.special_rates(kit, listing["id"])
    nights = [pricing.night_rate(listing, night, rates) for night in pricing.nights_between(check_in, check_out)]
    plain = pricing.breakdown(listing, nights, guests)
    coupon = check_coupon(kit, code, plain["nights_cents"] - plain["long_stay_cents"])
    return listings.quote(kit, listing, check_in, check_out, guests, coupon)


# -- the draft ---------------------------------------------------------------------------------------


def start_draft(actor: Actor, slug: str, check_in: str, check_out: str, guests: int) -> None:
    """Remember which stay a member is about to book.

    Raises:
        Refusal: It cannot be had.
    """
    kit, member = actor.kit, actor.member()
    listing = listings.get_listing(kit, slug)
    arrive, leave = listings.read_dates(check_in, check_out)
    _check(kit, member, listing, arrive, leave, guests)
    write(
        kit,
        "INSERT INTO drafts (member_id, listing_id, check_in, check_out, guests) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO"
        " UPDATE SET check_in = excluded.check_in, check_out = excluded.check_out, guests = excluded.guests,"
        " coupon = NULL, note = '', card_id = NULL",
        member["id"], listing["id"], arrive.isoformat(), leave.isoformat(), guests,
    )  # fmt: skip


def get_draft(actor: Actor, slug: str) -> Row:
    """What was chosen for a stay so far: the draft with its ``listing``, ``price`` and ``card`` (None before).

    ``notice`` says why its coupon no longer counts.

    Raises:
        Refusal: Nothing was chosen yet.
    """
    kit, member = actor.kit, actor.member()
    listing = listings.get_listing(kit, slug)
    draft = first(kit, "SELECT * FROM drafts WHERE member_id = ? AND listing_id = ?", member["id"], listing["id"])
    if draft is None or not draft["check_in"]:
        raise Refusal("no_draft", "Choose your dates first.", 409)
    arrive, leave = date.fromisoformat(draft["check_in"]), date.fromisoformat(draft["check_out"])
    draft["notice"] = ""
    try:
        draft["price"] = price_stay(kit, listing, arrive, leave, draft["guests"], draft["coupon"])
    except Refusal as refusal:
        draft["notice"] = refusal.message
        draft["price"] = price_stay(kit, listing, arrive, leave, draft["guests"])
    card = first(kit, "SELECT * FROM cards WHERE id = ? AND member_id = ?", draft["card_id"], member["id"])
    return {**draft, "listing": listing, "card": card, "key": draft_key(actor, draft)}


def change_draft(actor: Actor, slug: str, **chosen: Any) -> None:
    """Choose ``note``, ``coupon`` or ``card_id``.

    Raises:
        Refusal: It cannot be chosen.
    """
    draft = get_draft(actor, slug)
    if len(chosen.get("note", "")) > MAX_NOTE:
        raise Refusal("too_long", f"Keep the message to the host under {MAX_NOTE} characters.")
    if chosen.get("coupon"):
        price = draft["price"]
        found = check_coupon(actor.kit, chosen["coupon"], price["nights_cents"] - price["long_stay_cents"])
        chosen["coupon"] = found["code"]
    if "card_id" in chosen:
        get_card(actor, chosen["card_id"])
    for column in ("note", "coupon", "card_id"):
        if column in chosen:
            write(actor.kit, f"UPDATE drafts SET {column} = ? WHERE member_id = ? AND listing_id = ?", chosen[column],
                  draft["member_id"], draft["listing_id"])  # fmt: skip


def draft_key(actor: Actor, draft: Row) -> str:
    """Names this booking: the same until it is made, so that a repeat is recognised."""
    text = f"book:{draft['member_id']}:{draft['listing_id']}:{draft['turn']}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def book_draft(actor: Actor, slug: str, key: str) -> int:
    """Book what was chosen; the number of the reservation.

    Raises:
        Refusal: A step is missing, or see `book`.
    """
    earlier = _earlier(actor, key)
    if earlier is not None:
        return _again(actor.kit, earlier)
    draft = get_draft(actor, slug)
    if draft["card"] is None:
        raise Refusal("no_card", "Choose how you want to pay.", 409)
    arrive, leave = date.fromisoformat(draft["check_in"]), date.fromisoformat(draft["check_out"])
    number = book(actor, draft["listing"], arrive, leave, draft["guests"], draft["card_id"], draft["note"],
                  draft["coupon"] if not draft["notice"] else None, key)  # fmt: skip
    write(actor.kit, "UPDATE drafts SET check_in = '', coupon = NULL, note = '', card_id = NULL, turn = turn + 1"
          " WHERE member_id = ? AND listing_id = ?", draft["member_id"], draft["listing_id"])  # fmt: skip
    return number


# -- booking -----------------------------------------------------------------------------------------


def _earlier(actor: Actor, key: str) -> Row | None:
    return first(actor.kit, "SELECT * FROM reservations WHERE guest_id = ? AND request_key = ? ORDER BY number LIMIT 1",
                 actor.member()["id"], key) if key else None  # fmt: skip


def _again(kit: Kit, earlier: Row) -> int:
    """What a repeated request gets: the reservation it made before, or with `twice-booked` another."""
    if not kit.bug("twice-booked", f"reservation {earlier['number']} made again"):
        return int(earlier["number"])
    copied = {**earlier, "number": _next_number(kit), "booked_at": utc_text(kit.now()), "cancelled_at": None,
              "refund_due_cents": None}  # fmt: skip
    instant = scalar(kit, "SELECT instant FROM listings WHERE id = ?", earlier["listing_id"])
    return _insert(kit, copied | {"status": "confirmed" if instant else "requested"})


def _check(kit: Kit, member: Row, listing: Row, arrive: date, leave: date, guests: int) -> None:
    if listing["host_id"] == member["id"]:
        raise Refusal("own_home", "You cannot book your own home.", 409)
    listings.check_stay(kit, listing, arrive, leave, guests)
    nights = (leave - arrive).days
    if nights >= listing["min_nights"] or not kit.bug("dead-reserve", f"{nights} nights at {listing['slug']}"):
        listings.check_length(listing, nights)


def book(
    actor: Actor, listing: Row, arrive: date, leave: date, guests: int, card_id: int, note: str, code: str | None,
    key: str,
) -> int:  # fmt: skip
    """Reserve a stay, or ask the host for it where they want to be asked; the number of the reservation.

    A repeated `key` returns what it made before.

    Raises:
        Refusal: It cannot be had, paid or discounted as asked.
    """
    kit, member = actor.kit, actor.member()
    earlier = _earlier(actor, key)
    if earlier is not None:
        return _again(kit, earlier)
    card = get_card(actor, card_id)
    if len(note) > MAX_NOTE:
        raise Refusal("too_long", f"Keep the message to the host under {MAX_NOTE} characters.")
    _check(kit, member, listing, arrive, leave, guests)
    price = price_stay(kit, listing, arrive, leave, guests, code)
    number = _insert(kit, {
        "number": _next_number(kit), "listing_id": listing["id"], "guest_id": member["id"],
        "status": "confirmed" if listing["instant"] else "requested", "check_in": arrive.isoformat(),
        "check_out": leave.isoformat(), "guests": guests,
        **{name: price[name] for name in ("nights", "nights_cents", "long_stay_cents", "coupon", "coupon_cents",
                                          "cleaning_cents", "service_cents", "tax_cents", "total_cents")},
        "payment": f"{card['brand']} ending {card['last4']}", "note": note.strip(), "booked_at": utc_text(kit.now()),
        "cancelled_at": None, "refund_due_cents": None, "request_key": key or None,
    })  # fmt: skip
    if note.strip():
        messages.post(kit, messages.open_thread(kit, listing["id"], member["id"]), member["id"], note.strip())
    return number


def _next_number(kit: Kit) -> int:
    return 1 + int(scalar(kit, "SELECT max(number) FROM reservations"))


def _insert(kit: Kit, row: Row) -> int:
    write(kit, f"INSERT INTO reservations ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
    if row["status"] == "confirmed":
        confirm(kit, row)
    return int(row["number"])


def confirm(kit: Kit, stay: Row) -> None:
    """Take the nights of a reservation off the calendar, charge it, and schedule the payout."""
    arrive, leave = date.fromisoformat(stay["check_in"]), date.fromisoformat(stay["check_out"])
    nights = [night.isoformat() for night in pricing.nights_between(arrive, leave)]
    for night in nights:
        write(kit, "INSERT INTO booked_nights VALUES (?, ?, ?)", stay["number"], stay["listing_id"], night)
    listings.note_booked(kit, stay["listing_id"], nights)
    pay(kit, stay, "charge", stay["total_cents"])
    host = fetch(kit, "SELECT host_id FROM listings WHERE id = ?", stay["listing_id"])[0]["host_id"]
    due = (arrive + timedelta(days=1)).isoformat()
    write(kit, "INSERT INTO payouts VALUES (?, ?, ?, 'scheduled', ?)", stay["number"], host, pricing.payout(stay), due)


def pay(kit: Kit, stay: Row, kind: str, cents: int) -> None:
    """Record a ``"charge"`` or ``"refund"``."""
    write(kit, "INSERT INTO payments (reservation, kind, amount_cents, method, made_at) VALUES (?, ?, ?, ?, ?)",
          stay["number"], kind, cents, stay["payment"], utc_text(kit.now()))  # fmt: skip
