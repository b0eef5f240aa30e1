"""The JSON tools: a valid document, every tool used and answering as documented, refusals in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.guest.openapi import tool_schemas
from envsim.sandbox.oracle import HeldSandbox
from envsim.sandbox.runtime import Sandbox
from tests.sandboxes.sites import Caller

Session = Any
Open = Callable[..., Session]
HOST = "tomas.ferreira@example.com"


@pytest.fixture
def document(guest: Session) -> dict[str, Any]:
    return json.loads(guest.get("/api/openapi.json"))  # type: ignore[no-any-return]


def hosts(tool: dict[str, Any]) -> bool:
    return str(tool["description"]).endswith("Host.")


def test_the_document_describes_typed_tools(document: dict[str, Any]) -> None:
    tools = tool_schemas(document)
    assert document["openapi"].startswith("3.1")
    assert 25 <= len(tools) <= 35
    assert len({tool["name"] for tool in tools}) == len(tools)
    assert all(tool["description"].endswith(".") for tool in tools)
    assert all("type" in schema for tool in tools for schema in tool["parameters"]["properties"].values())
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert {f"{{{name}}}" for name in named} == {part for part in path.split("/") if part.startswith("{")}


def test_every_guest_tool_answers_as_documented(guest: Session, document: dict[str, Any]) -> None:
    call = Caller(guest, document)
    assert len(call("list_places")["places"]) == 15
    dates = {"check_in": "2026-09-07", "check_out": "2026-09-14", "guests": 2}
    wishes = {"min_cents": 1000, "max_cents": 90_000, "instant": True, "amenities": "wifi, kitchen"}
    found = call("search_stays", place="kyoto", text="Kyoto", sort="price_asc", page=1, **dates, **wishes)
    rates = [home["nightly_cents"] for home in found["stays"]]
    assert rates == sorted(rates)
    slug = found["stays"][0]["slug"]
    assert {"wifi", "kitchen"} <= set(call("get_stay", slug=slug)["amenities"])
    assert all(night["available"] for night in call("get_availability", slug=slug, month="2026-09")["nights"])
    price = call("quote_stay", slug=slug, **dates, coupon="HELLO10")
    card = call("add_card", number="4000 0566 5566 5556", expires="12/28", is_default=True)["card_id"]
    assert call("list_cards")["cards"][0]["id"] == card
    trip = call("book_stay", slug=slug, **dates, coupon="HELLO10", card_id=card, note="Hello!", request_key="k1")
    assert trip["total_cents"] == price["total_cents"]
    assert call("book_stay", slug=slug, **dates, card_id=card, request_key="k1")["number"] == trip["number"]
    assert trip["number"] in [row["number"] for row in call("list_trips")["trips"]]
    assert call("preview_cancellation", number=trip["number"])["full"]
    done = call("cancel_trip", number=trip["number"])
    assert [payment["kind"] for payment in done["payments"]] == ["charge", "refund"]
    assert call("get_trip", number=trip["number"])["refunded_cents"] == trip["total_cents"]
    thread = call("contact_host", slug=slug, body="Sorry, next year!")["thread_id"]
    call("send_message", thread_id=thread, body="We will be back.")
    assert [m["body"] for m in call("get_thread", thread_id=thread)["messages"]][-1] == "We will be back."
    assert call("list_threads")["threads"][0]["id"] == thread
    saved = call("save_stay", slug=slug)["wishlist_id"]
    assert slug in next(w["homes"] for w in call("list_wishlists")["wishlists"] if w["id"] == saved)
    call("unsave_stay", wishlist_id=saved, slug=slug)
    call("answer_challenge", answer="nothing was asked")
    known = {row["reservation"] for row in guest.rows("reviews").values()}
    over = next(n for n, row in guest.rows("reservations", status="confirmed").items()
                if row["check_out"] < "2026-03-01" and int(n) not in known)  # fmt: skip
    call.visitor = guest.second(guest.rows("reservations")[over]["guest"])
    call("write_review", number=int(over), rating=5, body="Every bit as quiet as described.")
    assert call.called == {tool["name"] for tool in tool_schemas(document) if not hosts(tool)} - {"request_refund"}


def test_a_missing_refund_can_be_asked_for(stays: Sandbox, document: dict[str, Any]) -> None:
    guest = load_entry(stays.spec.root, "oracles.browsing:Session")(HeldSandbox(stays, {"cancel-no-refund": 1.0}))  # type: ignore[operator]
    call = Caller(guest, document)
    trip = call("book_stay", **guest.stay(policy="flexible"), card_id=guest.card())
    assert call("cancel_trip", number=trip["number"])["refunded_cents"] == 0
    assert call("request_refund", number=trip["number"]) == {"refunded_cents": trip["total_cents"]}
    assert call("get_trip", number=trip["number"])["refunded_cents"] == trip["total_cents"]


def test_every_host_tool_answers_as_documented(session: Open, host: Session, document: dict[str, Any]) -> None:
    host = session(next(r["host"] for r in host.rows("reservations", status="requested").values()))
    call = Caller(host, document)
    slug = call("host_list_homes")["homes"][0]["slug"]
    call("host_set_rates", slug=slug, nightly_cents=15_100)
    assert host.rows("homes")[slug]["nightly_cents"] == 15_100
    assert call("host_block_nights", slug=slug, start="2026-10-05", end="2026-10-07", blocked=True) == {"nights": 3}
    assert call("host_set_night_rate", slug=slug, start="2026-12-31", end="2026-12-31", cents=40_000) == {"nights": 1}
    waiting = call("host_list_reservations", status="requested", page=1)["reservations"]
    assert call("host_get_reservation", number=waiting[0]["number"])["payout_cents"] == 0
    call("host_decide_request", number=waiting[0]["number"], decision="accepted")
    assert call("host_get_reservation", number=waiting[0]["number"])["payout_cents"] > 0
    assert waiting[0]["number"] in [row["reservation"] for row in call("host_list_payouts")["payouts"]]
    mine = host.rows("homes", host=host.login)
    review = next(int(key) for key, row in host.rows("reviews").items() if row["home"] in mine and not row["reply"])
    call("host_reply_to_review", review_id=review, text="Come again!")
    assert call.called == {tool["name"] for tool in tool_schemas(document) if hosts(tool)}


def test_host_tools_refuse_guests_and_strangers(session: Open, stays: Sandbox, document: dict[str, Any]) -> None:
    samples = {"string": "2026-10-05", "integer": 1, "boolean": True}
    for login, code in ((None, "sign_in_required"), ("maya.okonkwo@example.com", "forbidden")):
        visitor = session(login)
        before = stays.control.state()
        for tool in filter(hosts, tool_schemas(document)):
            known = tool["parameters"]["properties"]
            needed = {n: known[n].get("enum", [samples[known[n]["type"]]])[0] for n in tool["parameters"]["required"]}
            assert visitor.tool(tool["name"], **needed)["error"]["code"] == code, tool["name"]
        assert stays.control.state() == before


BAD = [
    ("POST", "/api/trips", b"{", 400, "bad_json"),
    ("POST", "/api/trips", b"[" * 4000, 400, "bad_json"),
    ("POST", "/api/trips", b'"text"', 400, "bad_json"),
    ("POST", "/api/trips", b"{}", 422, "invalid_argument"),
    ("POST", "/api/cards", b'{"number": 4, "expires": "12/28"}', 422, "invalid_argument"),
    ("POST", "/api/cards", b'{"number": "4", "expires": "12/28", "is_default": 1}', 422, "invalid_argument"),
    ("POST", "/api/cards", b'{"number": "4", "expires": "12/28", "cvc": "1"}', 422, "invalid_argument"),
    ("POST", "/api/cards", b'{"number": "\\ud800", "expires": "12/28"}', 422, "invalid_argument"),
    ("POST", "/api/cards", b" " * 70_000, 413, "too_large"),
    ("GET", "/api/stays?guests=two", b"", 422, "invalid_argument"),
    ("GET", "/api/stays?guests=17", b"", 422, "invalid_argument"),
    ("GET", "/api/stays?sort=best", b"", 422, "invalid_argument"),
    ("GET", "/api/stays?colour=red", b"", 422, "invalid_argument"),
    ("GET", "/api/stays?amenities=sauna", b"", 422, "invalid_argument"),
    ("GET", "/api/stays?check_in=2026-05-01", b"", 422, "invalid_dates"),
    ("GET", "/api/stays/nowhere", b"", 404, "not_found"),
    ("GET", "/api/stays/nowhere/calendar?month=2026-99", b"", 404, "not_found"),
    ("GET", "/api/trips/-", b"", 422, "invalid_argument"),
    ("GET", "/api/trips/%C2%B2", b"", 422, "invalid_argument"),
    ("GET", "/api/trips/1", b"", 404, "not_found"),
    ("GET", "/api/nothing", b"", 404, "not_found"),
    ("DELETE", "/api/trips", b"", 405, "not_found"),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "code"), BAD)
def test_bad_requests_are_refused_in_words_and_change_nothing(
    guest: Session, stays: Sandbox, method: str, target: str, body: bytes, status: int, code: str
) -> None:
    before = stays.control.state()
    reply = guest.send(method, target, body, "application/json" if body else "")
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (status, code)
    assert error["message"][-1] == "."
    assert stays.control.state() == before


def test_other_sites_cannot_send_tools_anything(guest: Session) -> None:
    assert guest.send("POST", "/api/cards", b'{"number": "4", "expires": "12/28"}', "text/plain").status == 415


def test_pages_and_tools_do_the_same(session: Open, stays: Sandbox) -> None:
    def by_pages() -> None:
        visitor = session()
        stay = visitor.stay()
        visitor.go_to_review(stay)
        visitor.confirm(stay)

    def by_tools() -> None:
        visitor = session()
        visitor.tool("book_stay", **visitor.stay(), card_id=visitor.card())

    views = []
    for way in (by_pages, by_tools):
        way()
        view = json.loads(json.dumps(stays.control.state()))
        for row in view["reservations"].values():
            del row["booked_at"]
        views.append(view)
    assert views[0] == views[1]
