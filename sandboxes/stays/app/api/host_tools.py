"""Tools for hosts."""

from __future__ import annotations

from typing import Any

from envsim.guest.operations import CENTS, DATE, FLAG, TEXT, WHOLE, Tool, component, listing_of, one_of, shape
from envsim.guest.service import Row

from ..service import hosting
from ..service.members import Actor
from .guest_tools import DONE, NUMBER, OK, PAGE, SLUG, body, drift, home, query
from .schemas import STATUS, fit

Args = dict[str, Any]


def list_homes(actor: Actor, args: Args) -> Row:
    """The host's homes."""
    return {"homes": [home(row) for row in hosting.list_homes(actor)]}


def set_rates(actor: Actor, args: Args) -> Row:
    """Change rates; what is left out stays."""
    found = hosting.own_home(actor, args["slug"])
    given = [found[name] if args[name] is None else args[name]
             for name in ("nightly_cents", "weekend_cents", "cleaning_cents")]  # fmt: skip
    hosting.set_rates(actor, args["slug"], *given)
    return OK


def block_nights(actor: Actor, args: Args) -> Row:
    """Block or open nights."""
    return {"nights": hosting.edit_calendar(actor, args["slug"], args["start"], args["end"], blocked=args["blocked"])}


def set_night_rate(actor: Actor, args: Args) -> Row:
    """The rate of some nights."""
    return {"nights": hosting.edit_calendar(actor, args["slug"], args["start"], args["end"], cents=args["cents"])}


def _reservation(actor: Actor, stay: Row, name: str) -> Row:
    facts = {**stay, "home": stay["slug"], "place": stay["place_name"], "check_in": stay["shown_in"],
             "check_out": stay["shown_out"]}  # fmt: skip
    return drift(actor, fit(facts, name))


def list_reservations(actor: Actor, args: Args) -> Row:
    """Reservations of the host's homes."""
    found, pages = hosting.list_reservations(actor, args["status"] or "", args["page"] or 1)
    return {"reservations": [_reservation(actor, stay, "Reservation") for stay in found], "pages": pages}


def get_reservation(actor: Actor, args: Args) -> Row:
    """One reservation."""
    stay = hosting.get_reservation(actor, args["number"])
    paid = stay["payout"]["amount_cents"] if stay["payout"] else 0
    return _reservation(actor, stay | {"payout_cents": paid}, "ReservationDetail")


def decide_request(actor: Actor, args: Args) -> Row:
    """Accept or decline."""
    hosting.decide(actor, args["number"], args["decision"])
    return OK


def list_payouts(actor: Actor, args: Args) -> Row:
    """Money paid and to come."""
    return {"payouts": [fit(row, "Payout") for row in hosting.list_payouts(actor)]}


def reply_to_review(actor: Actor, args: Args) -> Row:
    """Answer a review."""
    hosting.reply_to_review(actor, args["review_id"], args["text"])
    return OK


RANGE = {"start": body(DATE, "First night, YYYY-MM-DD."), "end": body(DATE, "Last night, YYYY-MM-DD.")}
COUNT = shape(nights=WHOLE)

TOOLS: list[Tool[Actor]] = [
    Tool("host_list_homes", "GET", "/api/host/homes", "List the host's homes. Host.", list_homes,
         result=shape(homes=listing_of(component("Home")))),
    Tool("host_set_rates", "PUT", "/api/host/homes/{slug}/rates", "Change the rates of a home; what is left out stays."
         " Host.", set_rates,
         {**SLUG, "nightly_cents": body(CENTS, optional=True), "weekend_cents": body(CENTS, optional=True),
          "cleaning_cents": body(CENTS, optional=True)}, DONE),
    Tool("host_block_nights", "PUT", "/api/host/homes/{slug}/blocked", "Block nights of a home, or open them again."
         " Host.", block_nights, {**SLUG, **RANGE, "blocked": body(FLAG)}, COUNT),
    Tool("host_set_night_rate", "PUT", "/api/host/homes/{slug}/night-rate", "Set the rate of some nights; 0 is the"
         " usual rate again. Host.", set_night_rate, {**SLUG, **RANGE, "cents": body(CENTS)}, COUNT),
    Tool("host_list_reservations", "GET", "/api/host/reservations", "List reservations of the host's homes, requests"
         " first. Host.", list_reservations, {"status": query(STATUS), "page": PAGE},
         shape(reservations=listing_of(component("Reservation")), pages=WHOLE)),
    Tool("host_get_reservation", "GET", "/api/host/reservations/{number}", "Get a reservation of one of the host's"
         " homes. Host.", get_reservation, NUMBER, component("ReservationDetail")),
    Tool("host_decide_request", "PUT", "/api/host/reservations/{number}", "Accept or decline a request. Host.",
         decide_request, {**NUMBER, "decision": body(one_of(("accepted", "declined")))}, DONE),
    Tool("host_list_payouts", "GET", "/api/host/payouts", "List payouts, the latest first. Host.", list_payouts,
         result=shape(payouts=listing_of(component("Payout")))),
    Tool("host_reply_to_review", "POST", "/api/host/reviews/{review_id}", "Answer a review once. Host.",
         reply_to_review, {"review_id": NUMBER["number"], "text": body(TEXT)}, DONE),
]  # fmt: skip
