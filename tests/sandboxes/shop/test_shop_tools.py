"""The JSON tools: a valid document, every tool callable, answers as documented, refusals as errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from envsim.guest.openapi import tool_schemas
from envsim.sandbox.runtime import ResetRequest, Sandbox

Session = Any
STAFF = "ruth.calloway@larkfield.example"


@pytest.fixture
def document(customer: Session) -> dict[str, Any]:
    return json.loads(customer.get("/api/openapi.json"))  # type: ignore[no-any-return]


def _fits(document: dict[str, Any], value: object, schema: dict[str, Any], where: str = "answer") -> None:
    """Assert that `value` has the shape of `schema`, and no undocumented keys."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    types = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    types["null"] = type(None)
    assert any(isinstance(value, types[kind]) for kind in kinds), f"{where}: {value!r} is not {kinds}"  # type: ignore[arg-type]
    if isinstance(value, bool):
        assert kinds == ["boolean"], where
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= value.keys(), f"{where}: {sorted(value)}"
        for key, part in value.items():
            if key in schema.get("properties", {}):
                _fits(document, part, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list):
        for item in value:
            _fits(document, item, schema["items"], f"{where}[]")


def _result_schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    for item in document["paths"].values():
        for operation in item.values():
            if operation["operationId"] == name:
                return operation["responses"]["200"]["content"]["application/json"]["schema"]  # type: ignore[no-any-return]
    raise LookupError(name)


def test_the_document_is_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    tools = tool_schemas(document)
    assert 25 <= len(tools) <= 40
    assert all(tool["name"].islower() and tool["description"].endswith(".") for tool in tools)
    assert len({tool["name"] for tool in tools}) == len(tools)
    for path, item in document["paths"].items():
        for operation in item.values():
            declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path


def test_every_customer_tool_answers_as_documented(customer: Session, document: dict[str, Any]) -> None:
    def call(name: str, /, **arguments: object) -> dict[str, Any]:
        answer = customer.tool(name, **arguments)
        assert "error" not in answer, (name, answer)
        _fits(document, answer, _result_schema(document, name), name)
        called.add(name)
        return answer  # type: ignore[no-any-return]

    called: set[str] = set()
    assert len(call("list_categories")["categories"]) == 10
    found = call("search_products", text="lamp", category="lighting", sort="price_asc", in_stock=True, page=1)
    prices = [product["price_cents"] for product in found["products"]]
    assert prices == sorted(prices)
    assert prices
    slug = found["products"][0]["slug"]
    sku = next(v["sku"] for v in call("get_product", slug=slug)["variants"] if v["stock"] > 1)
    call("add_to_cart", sku=sku, qty=2)
    call("update_cart_line", sku=sku, qty=1)
    call("apply_coupon", code="WELCOME10")
    cart = call("get_cart")
    fields = {"name": "Maya", "street": "7 Elm Court", "city": "Ithaca", "region": "NY", "postcode": "14850"}
    address = call("save_address", **fields)["address_id"]
    assert address in {a["id"] for a in call("list_addresses")["addresses"]}
    order = call("place_order", address_id=address, shipping="pickup", payment="card", card_number="4242424242424242")
    assert order["total_cents"] == cart["subtotal_cents"] - cart["discount_cents"]
    assert call("list_orders")["orders"][0]["number"] == order["number"]
    assert call("cancel_order", number=order["number"])["status"] == "cancelled"
    assert call("get_order", number=order["number"])["refunds"][0]["amount_cents"] == order["total_cents"]
    delivered, line = _returnable(customer)
    call("request_return", number=delivered, sku=line["sku"], qty=1, reason="changed_mind")
    assert call("list_refunds")["refunds"][0]["status"] == "pending"
    call("delete_address", address_id=address)
    call("add_to_wishlist", slug=slug)
    assert slug in {p["slug"] for p in call("list_wishlist")["products"]}
    call("remove_from_wishlist", slug=slug)
    call("write_review", slug=slug, rating=5, title="Bright", body="Lights the whole table.")
    call("create_ticket", topic="order", message="Where is my parcel?", order_number=delivered)
    assert called == {tool["name"] for tool in tool_schemas(document) if not _for_staff(tool)}


def _for_staff(tool: dict[str, Any]) -> bool:
    return str(tool["description"]).endswith("Staff.")


def _returnable(customer: Session) -> tuple[int, dict[str, Any]]:
    for number in sorted(customer.rows("orders", customer=customer.login, status="delivered")):
        returned = {row["sku"] for row in customer.rows("returns", order=int(number)).values()}
        for line in customer.rows("order_lines", order=int(number)).values():
            if line["sku"] not in returned:
                return int(number), line
    raise LookupError("nothing to return")


def test_every_staff_tool_answers_as_documented(staff: Session, document: dict[str, Any]) -> None:
    def call(name: str, /, **arguments: object) -> dict[str, Any]:
        answer = staff.tool(name, **arguments)
        assert "error" not in answer, (name, answer)
        _fits(document, answer, _result_schema(document, name), name)
        called.add(name)
        return answer  # type: ignore[no-any-return]

    staff.sandbox.control.reset(ResetRequest(login=STAFF))
    called: set[str] = set()
    number = call("staff_list_orders", status="processing", email="wei", page=1)["orders"][0]["number"]
    call("staff_set_order_status", number=number, status="shipped")
    slug = call("staff_list_products", text="rug", category="decor", page=1)["products"][0]["slug"]
    call("staff_set_price", slug=slug, price_cents=9900)
    call("staff_set_stock", sku=next(iter(staff.rows("variants", product=slug))), stock=3)
    call("staff_create_coupon", code="MAY7", kind="percent", value=7, minimum_cents=0, expires="2026-05-31")
    call("staff_set_coupon_active", code="MAY7", active=False)
    assert {c["code"]: c["active"] for c in call("staff_list_coupons")["coupons"]}["MAY7"] is False
    refund = call("staff_list_refunds", status="pending")["refunds"][0]
    call("staff_decide_refund", refund_id=refund["id"], decision="denied")
    ticket = call("staff_list_tickets")["tickets"][0]
    call("staff_close_ticket", ticket_id=ticket["id"])
    report = call("sales_report", start="2026-01-01", end="2026-03-02")
    assert sum(row["revenue_cents"] for row in report["categories"]) > 0
    assert staff.rows("orders")[str(number)]["status"] == "shipped"
    assert staff.rows("tickets")[str(ticket["id"])]["status"] == "closed"
    assert called == {tool["name"] for tool in tool_schemas(document) if _for_staff(tool)}


def test_staff_tools_refuse_customers_and_guests(
    session: Callable[..., Session], shop: Sandbox, document: dict[str, Any]
) -> None:
    for login, code in ((None, "sign_in_required"), ("maya.thornton@example.com", "forbidden")):
        visitor = session(login=login)
        before = shop.control.state()
        for tool in filter(_for_staff, tool_schemas(document)):
            answer = visitor.tool(tool["name"], **_any_arguments(tool))
            assert answer["error"]["code"] == code, tool["name"]
        assert shop.control.state() == before


def _any_arguments(tool: dict[str, Any]) -> dict[str, Any]:
    samples = {"string": "x", "integer": 1, "boolean": True}
    properties = tool["parameters"]["properties"]
    return {
        name: properties[name].get("enum", [samples[properties[name]["type"]]])[0]
        for name in tool["parameters"]["required"]
    }


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("POST", "/api/cart/lines", b"{", 400, "bad_json"),
        ("POST", "/api/cart/lines", b"[]", 400, "bad_json"),
        ("POST", "/api/cart/lines", b"[" * 5000, 400, "bad_json"),
        ("POST", "/api/cart/lines", b"{}", 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": 1}', 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": "CO001-1", "qty": true}', 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": "CO001-1", "qty": 21}', 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": "CO001-1", "gift": 1}', 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": "\\ud800"}', 422, "invalid_argument"),
        ("POST", "/api/cart/lines", b'{"sku": "nothing"}', 404, "not_found"),
        ("POST", "/api/cart/lines", b" " * 70_000, 413, "too_large"),
        ("GET", "/api/products?page=x", b"", 422, "invalid_argument"),
        ("GET", "/api/products?colour=red", b"", 422, "invalid_argument"),
        ("GET", "/api/orders/99999999999999999999", b"", 422, "invalid_argument"),
        ("GET", "/api/orders/1", b"", 404, "not_found"),
        ("GET", "/api/nothing", b"", 404, "not_found"),
        ("DELETE", "/api/cart", b"", 405, "not_found"),
        ("POST", "/api/orders", b'{"address_id": 1, "shipping": "pickup", "payment": "invoice"}', 409, "empty_cart"),
    ],
)
def test_bad_requests_are_refused_in_words(
    customer: Session, shop: Sandbox, method: str, target: str, body: bytes, status: int, code: str
) -> None:
    before = shop.control.state()
    reply = customer.send(method, target, body, "application/json" if body else "")
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (status, code)
    assert error["message"].endswith(".")
    assert shop.control.state() == before


def test_tools_take_json_only(customer: Session) -> None:
    reply = customer.send("POST", "/api/cart/lines", b'{"sku": "CO001-1"}', "text/plain")
    assert reply.status == 415


def test_a_guest_gets_a_session_with_the_first_write(guest: Session) -> None:
    guest.tool("add_to_cart", sku=guest.sku(), qty=1)
    assert guest.cookies.keys() == {"sid"}
    assert len(guest.tool("get_cart")["lines"]) == 1
    assert guest.tool("place_order", address_id=1, shipping="pickup", payment="invoice")["error"]["code"] == (
        "sign_in_required"
    )


def test_pages_and_tools_have_the_same_effect(session: Callable[..., Session], shop: Sandbox) -> None:
    def by_pages() -> None:
        visitor = session()
        visitor.fill_cart()
        visitor.go_to_review()
        visitor.place()

    def by_tools() -> None:
        visitor = session()
        visitor.tool("add_to_cart", sku=visitor.sku(), qty=2)
        address = int(min(visitor.rows("addresses", customer=visitor.login)))
        visitor.tool("place_order", address_id=address, shipping="standard", payment="invoice")

    views = []
    for buy in (by_pages, by_tools):
        buy()
        view = json.loads(json.dumps(shop.control.state()))
        for order in view["orders"].values():
            order.pop("placed_at")
        views.append(view)
    assert views[0] == views[1]


def test_a_request_key_makes_an_order_once(customer: Session) -> None:
    customer.tool("add_to_cart", sku=customer.sku(), qty=1)
    order = {"address_id": 1, "shipping": "pickup", "payment": "invoice", "request_key": "abc"}
    first = customer.tool("place_order", **order)
    customer.tool("add_to_cart", sku=customer.sku(), qty=1)
    assert customer.tool("place_order", **order)["number"] == first["number"]
    assert customer.tool("place_order", **order | {"request_key": "abd"})["number"] == first["number"] + 1


@pytest.mark.parametrize(
    "target", ["/api/orders/--5", "/api/orders/-", "/api/products?page=--1", "/api/products?page=²"]
)
def test_what_only_looks_like_a_number_is_refused(customer: Session, target: str) -> None:
    response = customer.send("GET", quote(target, safe="/?="))
    assert response.status == 422
    assert json.loads(response.body)["error"]["code"] == "invalid_argument"


@pytest.mark.parametrize("path", ["/account/orders/--5", "/checkout/done/--5", "/search?q=tea&page=--1"])
def test_pages_are_not_broken_by_it(customer: Session, path: str) -> None:
    assert customer.send("GET", path).status < 500
