"""The desk's tools: documented, staff-only, and doing what they say to the shop that customers see."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from envsim.guest.openapi import tool_schemas
from envsim.page.transport import Request
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec

Session = Any  # of conftest.py
STAFF, MAYA, DANIEL = "ruth.calloway@larkfield.example", "maya.thornton@example.com", "daniel.okafor@example.com"
SAMPLE = {"string": "open", "integer": 1, "boolean": True}
ADDRESS = {"name": "Nora Finch", "street": "18 Harbour View", "city": "Eugene", "region": "OR", "postcode": "97401"}
CUSTOMER_TOOLS = "/api/customer.json"


def _sample(schema: dict[str, Any]) -> Any:
    return schema["enum"][0] if "enum" in schema else SAMPLE[schema["type"]]


def _arguments(tool: dict[str, Any]) -> dict[str, Any]:
    parameters = tool["parameters"]
    return {name: _sample(parameters["properties"][name]) for name in parameters["required"]}


def test_about_twenty_tools_each_with_types_and_a_description(desk: Session) -> None:
    tools = desk.client.tools()
    assert 18 <= len(tools) <= 22
    assert all(str(tool["description"]).endswith(".") for tool in tools)


def _fits(document: dict[str, Any], value: object, schema: dict[str, Any], where: str) -> None:
    """Assert that `value` has the shape of `schema`."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    kind = "null" if value is None else types[type(value)]
    assert kind in kinds or (kind == "integer" and "number" in kinds), f"{where}: {value!r} is not {kinds}"
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= value.keys(), f"{where}: {sorted(value)}"
        for key, part in value.items():
            if key in schema.get("properties", {}):
                _fits(document, part, schema["properties"][key], f"{where}.{key}")
    for number, item in enumerate(value if isinstance(value, list) else ()):
        _fits(document, item, schema["items"], f"{where}[{number}]")


def test_every_tool_answers_as_documented(sandbox: Sandbox, spec: SandboxSpec, session: Callable[..., Session]) -> None:
    desk = session(STAFF)
    transport = sandbox.transport()
    document = json.loads(transport.send(Request("GET", str(spec.tools))).body)
    transport.close()
    results = {
        operation["operationId"]: operation["responses"]["200"]["content"]["application/json"]["schema"]
        for item in document["paths"].values()
        for operation in item.values()
    }
    maya, number = desk.customer(MAYA), desk.order(customer=MAYA, status="delivered")
    line = next(iter(desk.rows("order_lines", order=number, qty=3).values()))
    about = {"number": number, "sku": line["sku"]}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("find_customer", {"email": MAYA}), ("verify_customer", {"customer_id": maya, "phone": "555-0101"}),
        ("send_code", {"customer_id": maya}), ("check_code", {"customer_id": maya, "code": "1"}),
        ("issue_coupon", {"customer_id": maya, "kind": "percent", "value": 5, "reason": "late"}),
        ("get_customer", {"customer_id": maya}), ("list_customer_orders", {"customer_id": maya}),
        ("open_return", {**about, "qty": 1, "reason": "damaged"}), ("exchange_item", {**about, "new_sku": "BE065-2"}),
        ("refund_order", {"number": number, "amount_cents": 1, "kind": "goodwill", "reason": "x",
                          "destination": "original_payment"}),
        ("get_order", {"number": number}), ("search_products", {"text": "lamp"}),
        ("create_ticket", {"customer_id": maya, "topic": "order", "message": "Where is it now?"}),
        ("add_ticket_note", {"ticket_id": 1, "note": "x"}), ("get_ticket", {"ticket_id": 1}), ("list_tickets", {}),
        ("close_ticket", {"ticket_id": 1}), ("escalate_to_human", {"reason": "other", "summary": "Please look."}),
        ("decide_return", {"return_id": 9, "decision": "approved"}),
        ("change_order_address", {"number": desk.order(customer=MAYA, status="processing"), **ADDRESS}),
        ("cancel_order", {"number": desk.order(customer=MAYA, status="processing")}),
    ]  # fmt: skip
    calls.append(("get_product", {"slug": desk("search_products", text="lamp")["products"][0]["slug"]}))
    for name, arguments in calls:
        _fits(document, desk(name, **arguments), results[name], name)
    assert {name for name, _ in calls} == results.keys()


@pytest.mark.parametrize("login", [None, MAYA])
def test_nobody_but_staff_can_use_any_of_them(session: Callable[..., Session], login: str | None) -> None:
    visitor = session(login)
    before = visitor.sandbox.control.state()
    for tool in visitor.client.tools():
        refused = visitor.refused(str(tool["name"]), **_arguments(tool))
        assert refused == ((403, "forbidden") if login else (401, "sign_in_required")), tool["name"]
    assert visitor.sandbox.control.state() == before


def test_the_customers_document_holds_no_tool_of_staff(session: Callable[..., Session]) -> None:
    maya = session(MAYA, CUSTOMER_TOOLS)
    names = {str(tool["name"]) for tool in maya.client.tools()}
    assert {"read_mail", "confirm_return", "list_orders", "save_address"} <= names
    assert not {name for name in names if name.startswith("staff_") or name in ("refund_order", "get_customer")}


def test_the_shops_own_document_is_as_it_was(sandbox: Sandbox) -> None:
    transport = sandbox.transport()
    document = json.loads(transport.send(Request("GET", "/api/openapi.json")).body)
    transport.close()
    names = {tool["name"] for tool in tool_schemas(document)}
    assert "read_mail" not in names
    assert not any(path.startswith("/api/desk") for path in document["paths"])


def test_fetching_a_document_takes_no_time(
    sandbox: Sandbox, spec: SandboxSpec, session: Callable[..., Session]
) -> None:
    session(STAFF)
    before = sandbox.control.hash()
    transport = sandbox.transport()
    for path in (spec.tools, spec.user_tools):
        assert transport.send(Request("GET", str(path))).status == 200
    transport.close()
    assert sandbox.control.hash() == before


@pytest.mark.parametrize(
    "by",
    [
        {"email": "MAYA.thornton@example.com "}, {"name": "maya THORN"}, {"order_number": 100206},
        {"name": "Thornton", "email": MAYA},
    ],
)  # fmt: skip
def test_a_customer_is_found(desk: Session, by: dict[str, Any]) -> None:
    assert [row["email"] for row in desk("find_customer", **by)["customers"]] == [MAYA]


def test_what_does_not_fit_together_finds_nobody_and_staff_are_no_customers(desk: Session) -> None:
    assert desk("find_customer", name="Maya", email=DANIEL)["customers"] == []
    assert desk("find_customer", order_number=999)["customers"] == []
    assert desk("find_customer", email=STAFF)["customers"] == []
    assert desk.refused("find_customer", postcode="97205") == (422, "nothing_to_find")
    assert desk.refused("get_customer", customer_id=11) == (404, "not_found")


def test_two_facts_verify_a_name_does_not(desk: Session) -> None:
    maya = desk.customer(MAYA)
    postcode = next(iter(desk.rows("addresses", customer=MAYA).values()))["postcode"]
    assert desk("verify_customer", customer_id=maya, name="Maya Thornton", email=MAYA)["verified"] is False
    answer = desk("verify_customer", customer_id=maya, email=MAYA, postcode="00000")
    assert answer == {"verified": False, "matched": ["email"], "not_matched": ["postcode"]}
    assert desk("get_customer", customer_id=maya)["verified"] is False
    assert desk("verify_customer", customer_id=maya, phone="555 0101", postcode=postcode)["verified"] is True
    assert desk("get_customer", customer_id=maya)["verified"] is True
    assert [row["passed"] for row in desk.rows("verifications", customer=MAYA).values()] == [0, 0, 1]


def test_an_account_is_locked_after_five_failed_checks(desk: Session) -> None:
    maya = desk.customer(MAYA)
    for _ in range(5):
        assert not desk("verify_customer", customer_id=maya, phone="555-9999", postcode="00000")["verified"]
    assert desk.refused("verify_customer", customer_id=maya, email=MAYA, phone="555-0101") == (409, "locked")
    assert desk.refused("send_code", customer_id=maya) == (409, "locked")
    assert desk("verify_customer", customer_id=desk.customer(DANIEL), email=DANIEL, phone="555-0102")["verified"]


def test_the_code_that_arrives_is_the_one_that_counts_and_counts_once(session: Callable[..., Session]) -> None:
    desk = session(STAFF)
    maya, daniel = session(MAYA, CUSTOMER_TOOLS), session(DANIEL, CUSTOMER_TOOLS)
    customer = desk.customer(MAYA)
    assert desk.refused("check_code", customer_id=customer, code="123456") == (409, "no_code")
    assert desk("send_code", customer_id=customer) == {"sent_to": "m***@example.com"}
    (first,) = maya("read_mail", kind="code")["messages"]
    assert first["code"] in first["body"]
    assert daniel("read_mail", kind="code")["messages"] == []
    desk("send_code", customer_id=customer)
    second, _ = maya("read_mail", kind="code")["messages"]
    assert desk("check_code", customer_id=customer, code=first["code"])["verified"] is False
    assert (
        desk("check_code", customer_id=customer, code=f" {second['code'][:3]} {second['code'][3:]}")["verified"] is True
    )
    assert desk.refused("check_code", customer_id=customer, code=second["code"]) == (409, "no_code")


def test_the_inbox_holds_the_confirmations_of_orders(session: Callable[..., Session]) -> None:
    maya = session(MAYA, CUSTOMER_TOOLS)
    mail = maya("read_mail", kind="order")["messages"]
    assert [m["order_number"] for m in mail] == [o["number"] for o in maya("list_orders")["orders"]]
    total = maya.rows("orders")[str(mail[0]["order_number"])]["total_cents"]
    assert f"${total / 100:,.2f}" in mail[0]["body"]


def test_cancelling_gives_stock_and_money_back_once(desk: Session) -> None:
    number = desk.order(status="processing")
    lines = desk.rows("order_lines", order=number).values()
    stock = {line["sku"]: desk.rows("variants")[line["sku"]]["stock"] for line in lines}
    order = desk("cancel_order", number=number)
    assert order["status"] == "cancelled"
    assert order["refundable_cents"] == 0
    assert order["refunds"][0]["kind"] == "cancellation"
    for line in lines:
        assert desk.rows("variants")[line["sku"]]["stock"] == stock[line["sku"]] + line["qty"]
    assert desk.refused("cancel_order", number=number) == (409, "cannot_cancel")
    assert desk.refused("cancel_order", number=desk.order(status="shipped")) == (409, "cannot_cancel")


def test_an_order_is_redirected_before_it_leaves(desk: Session) -> None:
    number = desk.order(status="processing")
    desk("change_order_address", number=number, **ADDRESS)
    assert desk("get_order", number=number)["ship_to"] == "Nora Finch, 18 Harbour View, Eugene, OR 97401"
    assert desk.refused("change_order_address", number=number, **{**ADDRESS, "city": " "}) == (422, "invalid_address")
    shipped = desk.order(status="shipped")
    assert desk.refused("change_order_address", number=shipped, **ADDRESS) == (409, "cannot_change")


def test_a_return_goes_from_label_to_decision(session: Callable[..., Session]) -> None:
    desk = session(STAFF)
    number = desk.order(customer=MAYA, status="delivered")
    line = next(iter(desk.rows("order_lines", order=number, qty=3).values()))
    opened = desk("open_return", number=number, sku=line["sku"], qty=1, reason="changed_mind")
    maya, daniel = session(MAYA, CUSTOMER_TOOLS), session(DANIEL, CUSTOMER_TOOLS)
    (mail,) = maya("read_mail", kind="label")["messages"]
    assert mail["code"] == opened["label"]
    assert daniel.refused("confirm_return", label=opened["label"]) == (404, "not_found")
    assert maya("confirm_return", label=f" {opened['label'].lower()}")["return_id"] == opened["return_id"]
    assert maya.refused("confirm_return", label=opened["label"]) == (409, "already_confirmed")
    assert desk.rows("return_labels")[str(opened["return_id"])]["status"] == "confirmed"
    desk("decide_return", return_id=opened["return_id"], decision="approved")
    refund = next(iter(desk.rows("refunds", **{"return": opened["return_id"]}).values()))
    assert (refund["amount_cents"], refund["status"]) == (line["unit_cents"], "approved")
    assert desk.refused("decide_return", return_id=opened["return_id"], decision="denied") == (409, "already_decided")
    too_many = {"number": number, "sku": line["sku"], "qty": 3, "reason": "changed_mind"}
    assert desk.refused("open_return", **too_many) == (422, "invalid_quantity")


def test_no_more_can_be_refunded_than_was_paid(desk: Session) -> None:
    number = desk.order(customer=MAYA, status="shipped")
    total = desk("get_order", number=number)["refundable_cents"]
    money = {"number": number, "kind": "goodwill", "destination": "original_payment", "reason": "late"}
    desk("refund_order", amount_cents=total - 1, **money)
    assert desk("get_order", number=number)["refundable_cents"] == 1
    assert desk.refused("refund_order", amount_cents=2, **money) == (422, "invalid_amount")
    desk("refund_order", amount_cents=1, **money)
    assert sum(row["amount_cents"] for row in desk.rows("refund_details", order=number).values()) == total


def _option(desk: Session, extra: int) -> tuple[int, dict[str, Any], str, int]:
    """A delivered order, a line of one piece, another option of its product in stock, and what that costs more."""
    delivered, products = desk.rows("orders", status="delivered"), desk.rows("products")
    for line in desk.rows("order_lines", qty=1).values():
        mine = desk.rows("variants")[line["sku"]]
        for sku, other in desk.rows("variants", product=mine["product"]).items():
            step = (other["extra_cents"] - mine["extra_cents"]) * extra
            if str(line["order"]) in delivered and step > 0 and other["stock"]:
                price = products[mine["product"]]["price_cents"] + other["extra_cents"]
                return line["order"], line, sku, price - line["unit_cents"]
    raise LookupError("no such line")


@pytest.mark.parametrize("direction", [1, -1])
def test_an_exchange_takes_stock_and_settles_the_difference(desk: Session, direction: int) -> None:
    number, line, sku, difference = _option(desk, direction)
    stock = desk.rows("variants")[sku]["stock"]
    refunds = len(desk.rows("refunds"))
    answer = desk("exchange_item", number=number, sku=line["sku"], new_sku=sku, qty=1)
    assert answer["difference_cents"] == difference
    assert desk.rows("variants")[sku]["stock"] == stock - 1
    added = len(desk.rows("refunds")) - refunds
    assert added == (1 if difference < 0 else 0)
    (exchange,) = desk("get_order", number=number)["exchanges"]
    assert (exchange["sku"], exchange["new_sku"]) == (line["sku"], sku)


def test_what_was_exchanged_cannot_come_back_and_what_is_not_there_cannot_go_out(desk: Session) -> None:
    number, line, sku, _ = _option(desk, 1)
    gone = next(sku for sku, row in sorted(desk.rows("variants").items()) if row["stock"] == 0)
    exchange = {"number": number, "sku": line["sku"], "qty": 1}
    assert desk.refused("exchange_item", new_sku=gone, **exchange) == (409, "out_of_stock")
    assert desk.refused("exchange_item", new_sku=line["sku"], **exchange) == (422, "same_article")
    desk("exchange_item", new_sku=sku, **exchange)
    assert desk.refused("exchange_item", new_sku=sku, **exchange) == (409, "not_exchangeable")
    assert desk.refused("open_return", reason="damaged", **exchange) == (409, "not_returnable")


def test_a_coupon_reaches_the_customer_and_works(session: Callable[..., Session]) -> None:
    desk = session(STAFF)
    maya = desk.customer(MAYA)
    code = desk("issue_coupon", customer_id=maya, kind="percent", value=10, reason="late parcel")["code"]
    assert desk("get_customer", customer_id=maya)["coupons"][0]["code"] == code
    inbox, cart = session(MAYA, CUSTOMER_TOOLS), session(MAYA, "/api/openapi.json")
    assert inbox("read_mail", kind="coupon")["messages"][0]["code"] == code
    sku = next(sku for sku, row in sorted(desk.rows("variants").items()) if row["stock"] > 2)
    cart("add_to_cart", sku=sku)
    assert cart("apply_coupon", code=code)["discount_cents"] > 0
    assert desk.refused("issue_coupon", customer_id=maya, kind="percent", value=51, reason="x") == (
        422,
        "invalid_value",
    )
    theirs = {"order_number": desk.order(customer=DANIEL), "reason": "x"}
    assert desk.refused("issue_coupon", customer_id=maya, kind="fixed", value=500, **theirs) == (404, "not_found")


def test_a_ticket_is_opened_annotated_and_closed(desk: Session) -> None:
    maya = desk.customer(MAYA)
    ticket = desk("create_ticket", customer_id=maya, topic="order", message="Where is my parcel?")["ticket_id"]
    assert desk("get_customer", customer_id=maya)["open_tickets"] == [ticket]
    desk("add_ticket_note", ticket_id=ticket, note="Asked the carrier.")
    desk("close_ticket", ticket_id=ticket, note="It was delivered.")
    closed = desk("get_ticket", ticket_id=ticket)
    assert [note["note"] for note in closed["notes"]] == ["Asked the carrier.", "It was delivered."]
    assert (closed["status"], closed["notes"][0]["author"]) == ("closed", STAFF)
    assert desk.refused("close_ticket", ticket_id=ticket) == (409, "already_closed")
    assert [t["id"] for t in desk("list_tickets", customer_id=maya)["tickets"]] == [ticket]
    assert desk("list_tickets", customer_id=maya, status="open")["tickets"] == []


def test_an_escalation_is_kept(desk: Session) -> None:
    answer = desk(
        "escalate_to_human", reason="identity", summary="Three failed checks.", customer_id=desk.customer(MAYA)
    )
    assert desk.rows("escalations")[str(answer["escalation_id"])]["customer"] == MAYA
    assert desk.refused("escalate_to_human", reason="other", summary="hm") == (422, "invalid_summary")


def test_products_and_stock_are_those_of_the_shop(desk: Session) -> None:
    found = desk("search_products", text="lamp", in_stock=True)["products"][0]
    product = desk("get_product", slug=found["slug"])
    for variant in product["variants"]:
        assert variant["stock"] == desk.rows("variants")[variant["sku"]]["stock"]


def test_marking_an_order_writes_its_days(session: Callable[..., Session]) -> None:
    desk, shop = session(STAFF), session(STAFF, "/api/openapi.json")
    number = desk.order(status="processing")
    assert desk("get_order", number=number)["shipped_on"] is None
    for status in ("shipped", "delivered"):
        shop("staff_set_order_status", number=number, status=status)
    order = desk("get_order", number=number)
    assert order["shipped_on"] == order["delivered_on"] == "2026-03-02"


def test_seeded_days_fit_the_orders(desk: Session) -> None:
    orders, sent = desk.rows("orders"), desk.rows("shipments")
    assert {number for number, row in orders.items() if row["status"] in ("shipped", "delivered")} == set(sent)
    for number, row in sent.items():
        placed, shipped = date.fromisoformat(orders[number]["placed_at"][:10]), date.fromisoformat(row["shipped_on"])
        assert (shipped - placed).days == 4
        assert (row["delivered_on"] is None) == (orders[number]["status"] == "shipped")
        if row["delivered_on"]:
            delivered = date.fromisoformat(row["delivered_on"])
            assert shipped < delivered <= date(2026, 3, 2)
            assert 6 <= (delivered - placed).days <= 8
