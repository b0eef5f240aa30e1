"""Tools for guests."""

from __future__ import annotations

from typing import Any

from envsim.guest import challenge
from envsim.guest.operations import (
    CENTS,
    DATE,
    FLAG,
    TEXT,
    WHOLE,
    Argument,
    Tool,
    component,
    listing_of,
    one_of,
    shape,
)
from envsim.guest.service import Refusal, Row

from ..service import booking, listings, messages, trips, wallet, wishlists
from ..service.members import Actor
from ..service.search import CHALLENGE, SORTS, WHY, Query, find_homes
from .schemas import fit

Args = dict[str, Any]
OK: Row = {"ok": True}
DONE = shape(ok=FLAG)


def drift(actor: Actor, row: Row) -> Row:
    """`row` as documented, or with its total in another form when `api-drift` fires."""
    if "total_cents" in row and actor.kit.bug("api-drift"):
        cents = row.pop("total_cents")
        row["total"] = {"amount": f"{cents / 100:.2f}", "currency": "USD"}
    return row


def home(row: Row) -> Row:
    """A home as the lists show it."""
    return fit(row, "Home") | {"rating": round(row["rating"], 2)}


def list_places(actor: Actor, args: Args) -> Row:
    """All places."""
    keys = ("slug", "name", "country", "zone", "homes")
    return {"places": [{key: place[key] for key in keys} for place in listings.list_places(actor.kit)]}


def search_stays(actor: Actor, args: Args) -> Row:
    """One page of homes."""
    challenge.guard(actor, CHALLENGE, WHY)
    wanted = [word for word in (args["amenities"] or "").replace(" ", "").split(",") if word]
    if unknown := [word for word in wanted if word not in listings.AMENITIES]:
        raise Refusal("invalid_argument", f"There is no amenity {unknown[0]!r}; see {', '.join(listings.AMENITIES)}.")
    found = find_homes(actor.kit, Query(
        place=args["place"] or "", text=args["text"] or "", check_in=args["check_in"] or "",
        check_out=args["check_out"] or "", guests=args["guests"] or 0, min_cents=args["min_cents"],
        max_cents=args["max_cents"], kind=args["kind"] or "", amenities=tuple(wanted), instant=bool(args["instant"]),
        sort=args["sort"] or "featured", page=args["page"] or 1,
    ))  # fmt: skip
    return {"stays": [home(row) for row in found.homes], "total": found.total, "page": found.page, "pages": found.pages}


def answer_challenge(actor: Actor, args: Args) -> Row:
    """Answer the question before a search."""
    challenge.answer(actor, args["answer"])
    return OK


def get_stay(actor: Actor, args: Args) -> Row:
    """One home."""
    found = listings.get_listing(actor.kit, args["slug"])
    out = fit({**found, "time_zone": found["zone"]}, "HomeDetail") | {"rating": round(found["rating"], 2)}
    return {**out, "reviews": [fit(review, "Review") for review in found["reviews"]]}


def get_availability(actor: Actor, args: Args) -> Row:
    """One month of a home."""
    found = listings.get_listing(actor.kit, args["slug"])
    shown = listings.shown_calendar(actor.kit, found, args["month"] or "")
    days = [day for week in shown["weeks"] for day in week if day and not day["past"]]
    return {"month": shown["month"], "nights": [
        {"date": day["date"], "available": not day["taken"], "cents": day["cents"]} for day in days
    ]}  # fmt: skip


def quote_stay(actor: Actor, args: Args) -> Row:
    """The price of a stay."""
    kit, found = actor.kit, listings.get_listing(actor.kit, args["slug"])
    arrive, leave = listings.read_dates(args["check_in"], args["check_out"])
    listings.check_stay(kit, found, arrive, leave, args["guests"])
    listings.check_length(found, (leave - arrive).days)
    return drift(actor, fit(booking.price_stay(kit, found, arrive, leave, args["guests"], args["coupon"]), "Price"))


def book_stay(actor: Actor, args: Args) -> Row:
    """Book, or ask the host."""
    kit = actor.kit
    if kit.bug("booking-503"):
        raise Refusal("unavailable", "The booking service is unavailable; the stay may or may not be booked.", 503)
    actor.member()
    arrive, leave = listings.read_dates(args["check_in"], args["check_out"])
    number = booking.book(
        actor, listings.get_listing(kit, args["slug"]), arrive, leave, args["guests"], args["card_id"],
        args["note"] or "", args["coupon"], args["request_key"] or "",
    )  # fmt: skip
    if kit.bug("pay-timeout", f"reservation {number} was made"):
        words = "The payment did not answer in time; the stay may or may not be booked."
        raise Refusal("timeout", words, 504, committed=True)
    return get_trip(actor, {"number": number})


def _trip(stay: Row) -> Row:
    return {**stay, "home": stay["slug"], "place": stay["place_name"], "check_in": stay["shown_in"],
            "check_out": stay["shown_out"]}  # fmt: skip


def list_trips(actor: Actor, args: Args) -> Row:
    """All trips."""
    return {"trips": [drift(actor, fit(_trip(stay), "Trip")) for stay in trips.list_trips(actor)]}


def get_trip(actor: Actor, args: Args) -> Row:
    """One trip."""
    stay = _trip(trips.get_trip(actor, args["number"]))
    out = drift(actor, fit(stay, "TripDetail"))
    return {**out, "payments": [fit(payment, "Payment") for payment in stay["payments"]]}


def preview_cancellation(actor: Actor, args: Args) -> Row:
    """What cancelling gives back."""
    stay = trips.get_trip(actor, args["number"])
    if not stay["can_cancel"]:
        raise Refusal("cannot_cancel", f"Trip {stay['number']} can no longer be cancelled.", 409)
    return {"number": stay["number"], **trips.refund_now(actor.kit, stay)}


def cancel_trip(actor: Actor, args: Args) -> Row:
    """Cancel."""
    trips.cancel(actor, args["number"])
    return get_trip(actor, args)


def request_refund(actor: Actor, args: Args) -> Row:
    """Ask for a missing refund."""
    return {"refunded_cents": trips.request_refund(actor, args["number"])}


def write_review(actor: Actor, args: Args) -> Row:
    """Review a stay."""
    return {"review_id": trips.write_review(actor, args["number"], args["rating"], args["body"])}


def list_threads(actor: Actor, args: Args) -> Row:
    """All conversations."""
    return {"threads": [fit({**t, "home": t["slug"]}, "Thread") for t in messages.list_threads(actor)]}


def get_thread(actor: Actor, args: Args) -> Row:
    """One conversation."""
    thread = messages.get_thread(actor, args["thread_id"])
    out = fit({**thread, "home": thread["slug"]}, "Thread")
    return {**out, "messages": [fit(message, "Message") for message in thread["messages"]]}


def send_message(actor: Actor, args: Args) -> Row:
    """Write to the other side."""
    messages.send(actor, args["thread_id"], args["body"])
    return OK


def contact_host(actor: Actor, args: Args) -> Row:
    """Ask a host something."""
    return {"thread_id": messages.contact(actor, args["slug"], args["body"])}


def list_wishlists(actor: Actor, args: Args) -> Row:
    """All lists with their homes."""
    found = [wishlists.get_wishlist(actor, row["id"]) for row in wishlists.list_wishlists(actor)]
    return {"wishlists": [{**row, "homes": [each["slug"] for each in row["homes"]]} for row in found]}


def save_stay(actor: Actor, args: Args) -> Row:
    """Put a home on a list."""
    return {"wishlist_id": wishlists.save(actor, args["slug"], args["wishlist_id"])}


def unsave_stay(actor: Actor, args: Args) -> Row:
    """Take a home off a list."""
    wishlists.remove(actor, args["slug"], args["wishlist_id"])
    return OK


def list_cards(actor: Actor, args: Args) -> Row:
    """All cards."""
    return {"cards": [fit(card, "Card") for card in wallet.list_cards(actor)]}


def add_card(actor: Actor, args: Args) -> Row:
    """Keep a card."""
    return {"card_id": wallet.add_card(actor, args["number"], args["expires"], bool(args["is_default"]))}


def path(schema: Any, note: str = "") -> Argument:
    """A part of the path."""
    return Argument("path", schema, note)


def query(schema: Any, note: str = "") -> Argument:
    """What may be asked for."""
    return Argument("query", schema, note, optional=True)


def body(schema: Any, note: str = "", *, optional: bool = False) -> Argument:
    """What is sent."""
    return Argument("body", schema, note, optional)


SLUG = {"slug": path(TEXT, "The home, as search_stays names it.")}
NUMBER = {"number": path(WHOLE, "Number of the reservation.")}
THREAD = {"thread_id": path(WHOLE, "One of list_threads.")}
GUESTS = {"type": "integer", "minimum": 1, "maximum": 16}
PAGE = query({"type": "integer", "minimum": 1}, "Page, from 1.")
TERMS = shape(number=WHOLE, refund_cents=CENTS, full=FLAG)
NIGHT = shape(date=TEXT, available=FLAG, cents=CENTS)

TOOLS: list[Tool[Actor]] = [
    Tool("list_places", "GET", "/api/places", "List the places there are homes in.", list_places,
         result=shape(places=listing_of(shape(slug=TEXT, name=TEXT, country=TEXT, zone=TEXT, homes=WHOLE)))),
    Tool("search_stays", "GET", "/api/stays", "Search homes, twelve a page. With dates only those free on every night;"
         " prices are the usual rate of a night.", search_stays,
         {"place": query(TEXT, "Slug of a place."), "text": query(TEXT, "Words in title, place or neighbourhood."),
          "check_in": query(DATE), "check_out": query(DATE), "guests": query(GUESTS),
          "min_cents": query(CENTS, "Lowest usual rate of a night."), "max_cents": query(CENTS, "Highest rate."),
          "kind": query(one_of(listings.KINDS)), "amenities": query(TEXT, "Amenities that must all be there, with"
          f" commas between: {', '.join(listings.AMENITIES)}."), "instant": query(FLAG, "Only with instant booking."),
          "sort": query(one_of(SORTS)), "page": PAGE},
         shape(stays=listing_of(component("Home")), total=WHOLE, page=WHOLE, pages=WHOLE)),
    Tool("answer_challenge", "POST", "/api/challenge", "Answer the question that a search was refused with.",
         answer_challenge, {"answer": body(TEXT)}, DONE),
    Tool("get_stay", "GET", "/api/stays/{slug}", "Get a home with its rates, rules, amenities and reviews.", get_stay,
         SLUG, component("HomeDetail")),
    Tool("get_availability", "GET", "/api/stays/{slug}/calendar", "Get a month of a home: which nights can be had, at"
         " which rate.", get_availability, {**SLUG, "month": query(TEXT, "YYYY-MM; without, this month.")},
         shape(month=TEXT, nights=listing_of(NIGHT))),
    Tool("quote_stay", "GET", "/api/stays/{slug}/price", "Get the price of a stay by its parts.", quote_stay,
         {**SLUG, "check_in": Argument("query", DATE), "check_out": Argument("query", DATE),
          "guests": Argument("query", GUESTS), "coupon": query(TEXT, "A coupon code.")}, component("Price")),
    Tool("book_stay", "POST", "/api/trips", "Book a home with instant booking, or ask its host for it.", book_stay,
         {"slug": body(TEXT), "check_in": body(DATE), "check_out": body(DATE), "guests": body(GUESTS),
          "card_id": body(WHOLE, "One of list_cards."), "coupon": body(TEXT, "A coupon code.", optional=True),
          "note": body(TEXT, "A message to the host.", optional=True),
          "request_key": body(TEXT, "Any text; repeating it returns the stay booked before.", optional=True)},
         component("TripDetail")),
    Tool("list_trips", "GET", "/api/trips", "List the guest's reservations, the latest check-in first.", list_trips,
         result=shape(trips=listing_of(component("Trip")))),
    Tool("get_trip", "GET", "/api/trips/{number}", "Get a reservation with its price and payments.", get_trip, NUMBER,
         component("TripDetail")),
    Tool("preview_cancellation", "GET", "/api/trips/{number}/cancellation", "Get what cancelling now would give back.",
         preview_cancellation, NUMBER, TERMS),
    Tool("cancel_trip", "POST", "/api/trips/{number}/cancel", "Cancel a reservation before check-in.", cancel_trip,
         NUMBER, component("TripDetail")),
    Tool("request_refund", "POST", "/api/trips/{number}/refund", "Ask for a refund that is due and has not come.",
         request_refund, NUMBER, shape(refunded_cents=CENTS)),
    Tool("write_review", "POST", "/api/trips/{number}/review", "Review a stay that is over, once.", write_review,
         {**NUMBER, "rating": body({"type": "integer", "minimum": 1, "maximum": 5}), "body": body(TEXT)},
         shape(review_id=WHOLE)),
    Tool("list_threads", "GET", "/api/messages", "List the conversations, the latest first.", list_threads,
         result=shape(threads=listing_of(component("Thread")))),
    Tool("get_thread", "GET", "/api/messages/{thread_id}", "Get a conversation with its messages.", get_thread, THREAD,
         shape(id=WHOLE, home=TEXT, title=TEXT, other=TEXT, messages=listing_of(component("Message")))),
    Tool("send_message", "POST", "/api/messages/{thread_id}", "Write to the other side of a conversation.",
         send_message, {**THREAD, "body": body(TEXT)}, DONE),
    Tool("contact_host", "POST", "/api/stays/{slug}/contact", "Ask the host of a home something.", contact_host,
         {**SLUG, "body": body(TEXT)}, shape(thread_id=WHOLE)),
    Tool("list_wishlists", "GET", "/api/wishlists", "List the saved homes by list.", list_wishlists,
         result=shape(wishlists=listing_of(shape(id=WHOLE, name=TEXT, homes=listing_of(TEXT))))),
    Tool("save_stay", "PUT", "/api/saved/{slug}", "Put a home on a list; without wishlist_id on the first.", save_stay,
         {**SLUG, "wishlist_id": body(WHOLE, optional=True)}, shape(wishlist_id=WHOLE)),
    Tool("unsave_stay", "DELETE", "/api/wishlists/{wishlist_id}/{slug}", "Take a home off a list.", unsave_stay,
         {"wishlist_id": path(WHOLE), **SLUG}, DONE),
    Tool("list_cards", "GET", "/api/cards", "List the payment methods.", list_cards,
         result=shape(cards=listing_of(component("Card")))),
    Tool("add_card", "POST", "/api/cards", "Add a payment method.", add_card,
         {"number": body(TEXT), "expires": body(TEXT, "MM/YY."), "is_default": body(FLAG, optional=True)},
         shape(card_id=WHOLE)),
]  # fmt: skip
