"""Who a tau2 task's user is, as a goal for the seeded user.

tau2 describes its users in prose, for a language model to play. A seeded user needs structure, so the goal is put
together from three places: the prose (who the user is, what it knows and does not know), the gold actions (what an
agent must be told to make them, and no ids that the prose does not give the user), and the domain's database (how a
person names a card or an article). The whole prose goes along as `UserGoal.scenario`, for users that read it.

What gets lost on the seeded user: conditions ("if the agent says that ..., then ..."), moods and manners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from envsim.goal import Fact, FactType, Item, UserGoal
from envsim.integrations.tau2.data import GoldAction, Instructions, TauTask, database
from envsim.integrations.tau2.phone import ABILITIES, fix_item
from envsim.types import JsonValue

WRITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "book_reservation": ("book a flight from {origin} to {destination}", ("booked", "booking")),
    "cancel_reservation": ("cancel my reservation{ reservation_id}", ("cancelled", "canceled", "cancellation")),
    "update_reservation_flights": (
        "change the flights of my reservation{ reservation_id}",
        ("changed", "updated", "modified", "upgraded", "moved"),
    ),
    "update_reservation_baggages": ("add checked bags to my reservation{ reservation_id}", ("bags", "baggage")),
    "update_reservation_passengers": ("change the passengers of my reservation{ reservation_id}", ("passenger",)),
    "cancel_pending_order": ("cancel my order{ order_number}", ("cancelled", "canceled", "cancellation")),
    "return_delivered_order_items": ("return the {items} of my order{ order_number}", ("return", "returned")),
    "exchange_delivered_order_items": ("exchange the {items} of my order{ order_number}", ("exchange", "exchanged")),
    "modify_pending_order_items": ("change the {items} in my order{ order_number}", ("modified", "changed", "updated")),
    "modify_pending_order_address": ("change the address of my order{ order_number}", ("address",)),
    "modify_pending_order_payment": ("change how I pay for my order{ order_number}", ("payment",)),
    "modify_user_address": ("change the address in my account", ("address",)),
}
"""What a gold action that writes is in the user's words, and the words that report it done. A ``{ name}`` is left
out where the user does not know it. Actions that are the agent's own idea (a certificate, a transfer) are no wishes."""

_ASKS: dict[str, tuple[FactType, tuple[str, ...]]] = {
    "name": ("name", ("full name", "first and last name", "your name")),
    "user_id": ("text", ("user id", "account id", "username", "customer id")),
    "email": ("text", ("email", "email address")),
    "zip": ("text", ("zip code", "postal code")),
    "phone": ("text", ("phone number", "number", "line")),
    "location": ("text", ("where are you", "location", "located", "abroad", "travelling", "traveling")),
    "refuel": ("text", ("how much data", "refuel", "add data", "gigabytes", "gb")),
    "reservation_id": ("text", ("reservation number", "confirmation number", "booking reference", "reservation")),
    "order_number": ("text", ("order number", "order id", "which order")),
    "origin": ("text", ("departure airport", "fly from", "departing from", "departure city")),
    "destination": ("text", ("arrival airport", "fly to", "flying to", "destination city")),
    "flight_type": ("text", ("one way or round trip", "round trip", "type of trip")),
    "cabin": ("text", ("cabin class", "class", "economy or business")),
    "travel_dates": ("text", ("dates", "travel date", "departure date", "which day", "what day")),
    "flight_numbers": ("text", ("which flight", "flight number", "which flights")),
    "checked_bags": ("number", ("how many bags", "bags", "baggage", "luggage")),
    "insurance": ("boolean", ("travel insurance",)),
    "passengers": ("text", ("passenger details", "passenger names", "who is travelling", "date of birth")),
    "payment_method": ("text", ("how would you like to pay", "payment", "refunded to", "refund method", "card")),
    "reason": ("text", ("reason for", "why")),
    "items": ("text", ("which item", "which items", "which product", "item id", "item ids")),
    "new_items": ("text", ("new item", "which variant", "which option", "specifications", "replacement")),
    "new_address": ("text", ("new address", "address")),
}
"""Facts: how they are compared, and the words by which an agent asks for them."""

_PATTERNS = {
    "name": r"(?:[Yy]ou are|[Yy]ou're|[Yy]our? name is|called) (?:an? [\w ]*called )?([A-Z][a-z]+(?: [A-Z][a-z]+)?)",
    "user_id": r"\b([a-z]+_[a-z]+_\d{4})\b",
    "email": r"\b([\w.+-]+@[\w-]+\.[\w.-]*\w)",
    "zip": r"(?<![\d-])(\d{5})\b",
    "phone": r"\b(\d{3}-\d{3}-\d{4})\b",
    "location": r"currently (abroad in \w+|at home in [\w ]+)",
}
_UNKNOWN = {
    "airline": ("email", "reservation_id", "passengers", "cabin", "flight_numbers"),
    "retail": ("email", "user_id", "order_number"),
}
"""What an agent may ask for and a user does not know unless its goal says so."""
_KNOWN_BY_HEART = frozenset({"reservation_id", "order_number", "flight_numbers"})
"""Ids: told only where the prose has them."""

_NUMBERS = ("second_", "third_", "fourth_", "fifth_", "sixth_", "seventh_", "eighth_", "ninth_", "tenth_")
"""In words, because a user says them: "I do not know the second order number"."""

_PERSON = (
    (r"\b[Yy]ou(?:'re| are)\b", "I am"), (r"\b[Yy]ou were\b", "I was"), (r"\b[Yy]our\b", "my"),
    (r"\b[Yy]ourself\b", "myself"), (r"\b[Yy]ours\b", "mine"),
    (r"\b(for|to|with|of|from|by|give|tell|told|offer|let|charge|send|help)\s+you\b(?! (?:want|need|are|have|can))",
     r"\1 me"),
    (r"\b[Yy]ou\b", "I"),
)  # fmt: skip
_WISH = re.compile(r"^(?:You|I) (?:want|need|would like|wish|'d like)(?: help)? to (.+)", re.DOTALL)
_QUESTION = re.compile(r"[^.\n]*\b(?:know|tell you|how much|sum|total)\b[^.\n]*")
_ASKED = re.compile(r"\b(?:ask|know)(?: the agent| customer service)?(?: for)?(?: to (?:tell you|confirm))? (.+)")
_ANSWER_WORDS = ("total", "cost", "price", "amount", "balance", "refund", "sum", "savings", "number of", "tracking")
_MAX_WANT = 240


def user_goal(domain: str, task: TauTask) -> UserGoal:
    """The goal of a task's user; of telecom's with everything a phone can do as abilities.

    Raises:
        PrerequisiteError: The extra ``tau2`` is not installed.
    """
    told = task.user_scenario.instructions
    prose = told if isinstance(told, Instructions) else Instructions(reason_for_call=told)
    scenario = "\n".join(each for each in (task.user_scenario.persona, *_paragraphs(prose)) if each)
    facts = {name: _fact(name, value) for name, value in _identity(prose).items()}
    if domain == "telecom":
        if "refuel 2.0 GB" in prose.task_instructions:
            facts["refuel"] = _fact("refuel", "2.0 GB")
        item = fix_item(task.id, first_person(_first_sentence(prose.reason_for_call))).model_copy(
            update={"needs": tuple(facts)}
        )
        login = str(facts["phone"].value) if "phone" in facts else "user"
        return UserGoal(scenario=scenario, facts=facts, items=(item,), abilities=ABILITIES, login=login)
    items = list(_wishes(domain, task, prose, scenario, facts))
    unknown = {name: _ASKS[name][1] for name in _UNKNOWN[domain] if name not in facts}
    if answer := _answer(task, prose):
        unknown["answer"] = _ANSWER_WORDS
        items.append(answer)
    if not items:
        items.append(Item(id="request", want=_want(prose.reason_for_call)))
    return UserGoal(scenario=scenario, facts=facts, unknown=unknown, items=tuple(items))


def first_person(text: str) -> str:
    """Instructions to the user in the user's own words: ``your order`` -> ``my order``."""
    for pattern, replacement in _PERSON:
        text = re.sub(pattern, replacement, text)
    return re.sub(r"\s+", " ", text).strip()


def _paragraphs(prose: Instructions) -> Iterator[str | None]:
    yield prose.reason_for_call
    yield prose.known_info
    yield prose.unknown_info
    yield prose.task_instructions


def _identity(prose: Instructions) -> dict[str, str]:
    text = prose.known_info or ""
    found = {name: match[1] for name, pattern in _PATTERNS.items() if (match := re.search(pattern, text))}
    if "name" not in found and "user_id" in found:  # "You are mei_kovacs_8020 in zipcode 28236."
        found["name"] = " ".join(part.capitalize() for part in found["user_id"].split("_")[:2])
    return found


def _fact(name: str, value: JsonValue) -> Fact:
    kind, ask = _ASKS[name]
    return Fact(value=value, type=kind, ask=ask, identity=name in ("user_id", "email", "zip", "phone"))


# Wishes.


def _wishes(domain: str, task: TauTask, prose: Instructions, scenario: str, facts: dict[str, Fact]) -> Iterator[Item]:
    """One item for each gold action that writes; adds to `facts` what an agent must be told to make it."""
    seen: set[str] = set()
    for action in (task.evaluation_criteria and task.evaluation_criteria.actions) or ():
        if action.name not in WRITES:
            continue
        values = {
            name: value
            for name, value in _arguments(domain, action).items()
            if name not in _KNOWN_BY_HEART or str(value).casefold() in scenario.casefold()
        }
        want, done = WRITES[action.name]
        want = _filled(want, values)
        names = tuple(dict.fromkeys(_add(facts, name, value) for name, value in values.items()))
        if want in seen:
            continue
        seen.add(want)
        tells = tuple(name for name in names if str(facts[name].value).casefold() in want.casefold())
        needs = tuple(name for name in names if name not in tells)
        yield Item(id=f"wish_{len(seen)}", want=want, tells=tells, needs=needs, done_words=done)


def _filled(want: str, values: Mapping[str, JsonValue]) -> str:
    return re.sub(r"\{( ?)(\w+)\}", lambda slot: f"{slot[1]}{values[slot[2]]}" if slot[2] in values else "", want)


def _add(facts: dict[str, Fact], name: str, value: JsonValue) -> str:
    """The name under which `facts` has the value: a ``second_`` one where it has another value already."""
    for number in ("", *_NUMBERS):
        free = f"{number}{name}"
        if free not in facts:
            facts[free] = _fact(name, value)
        if facts[free].value == value:
            return free
    return free


def _arguments(domain: str, action: GoldAction) -> dict[str, JsonValue]:
    """What a person would say for the arguments of a gold action."""
    given = action.arguments
    found: dict[str, JsonValue] = {}
    for ours, theirs in (("order_number", "order_id"), ("checked_bags", "total_baggages")):
        if theirs in given:
            found[ours] = given[theirs]
    for name in ("reservation_id", "origin", "destination", "reason"):
        if name in given:
            found[name] = given[name]
    for name in ("cabin", "flight_type"):
        if name in given:
            found[name] = str(given[name]).replace("_", " ")
    if "insurance" in given:
        found["insurance"] = given["insurance"] == "yes"
    if flights := given.get("flights"):
        found["travel_dates"] = _listed(dict.fromkeys(each["date"] for each in flights))
        found["flight_numbers"] = _listed(each["flight_number"] for each in flights)
    if passengers := given.get("passengers"):
        found["passengers"] = _listed(f"{p['first_name']} {p['last_name']}, born {p['dob']}" for p in passengers)
    if "address1" in given:
        parts = ("address1", "address2", "city", "state", "zip", "country")
        found["new_address"] = ", ".join(str(given[part]) for part in parts if given.get(part))
    methods = [each["payment_id"] for each in given.get("payment_methods") or ()]
    methods += [given[name] for name in ("payment_id", "payment_method_id") if name in given]
    if methods:
        found["payment_method"] = _listed(_payment(domain, each) for each in methods)
    if "item_ids" in given:
        found["items"] = _listed(_article(each)[0] for each in given["item_ids"])
    if "new_item_ids" in given:
        found["new_items"] = _listed(f"{name} ({options})" for name, options in map(_article, given["new_item_ids"]))
    return found


def _listed(parts: Any) -> str:
    *most, last = [str(part) for part in parts]
    return f"{', '.join(most)} and {last}" if most else last


def _payment(domain: str, method: str) -> str:
    """How a person names a way to pay: ``the visa card ending in 7334``, ``the gift card``."""
    for user in database(domain, "db")["users"].values():
        if found := user["payment_methods"].get(method):
            if found["source"] == "credit_card":
                return f"the {found['brand']} card ending in {found['last_four']}"
            return f"the {found['source'].replace('_', ' ')}"
    return method.rstrip("0123456789").strip("_").replace("_", " ")


def _article(item_id: str) -> tuple[str, str]:
    """An article of the shop's: its name, and its options as a person would list them."""
    products: Mapping[str, Any] = database("retail", "db")["products"]
    for product in products.values():
        if found := product["variants"].get(item_id):
            return product["name"], ", ".join(f"{name}: {value}" for name, value in found["options"].items())
    return "article", item_id


def _answer(task: TauTask, prose: Instructions) -> Item | None:
    """What the user wants to be told, where the task is judged on that."""
    if task.evaluation_criteria is None or not task.evaluation_criteria.communicate_info:
        return None
    for text in (prose.reason_for_call, prose.task_instructions):
        if (found := _QUESTION.search(text)) and (asked := _ASKED.search(found[0])):
            return Item(id="answer", want=f"know {_cut(first_person(asked[1]))}", learns=("answer",))
    return Item(id="answer", want="know what it comes to", learns=("answer",))


def _want(text: str) -> str:
    """A sentence of the prose so that it follows "I want to"."""
    sentence = _first_sentence(text)
    wish = _WISH.match(sentence)
    spoken = _cut(first_person(wish[1] if wish else sentence))
    return spoken if wish else f"get this sorted out: {spoken}"


def _cut(text: str) -> str:
    text = text.strip().rstrip(".")
    return text if len(text) <= _MAX_WANT else text[:_MAX_WANT].rsplit(" ", 1)[0]


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]
