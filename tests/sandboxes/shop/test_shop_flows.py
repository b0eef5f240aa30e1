"""What customers do through pages: buy, return, review, and all that the shop must refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from envsim.sandbox.runtime import ResetRequest, Sandbox

Session = Any
ADDRESS = {"name": "Maya Thornton", "street": "7 Elm Court", "city": "Ithaca", "region": "NY", "postcode": "14850"}


def _names(visitor: Session, target: str) -> list[str]:
    return [line.name for line in visitor.lines(target)]


def test_a_guest_fills_a_cart_signs_in_and_buys(session: Callable[..., Session]) -> None:
    guest = session(login=None)
    sku = guest.sku()
    before = guest.rows("variants")[sku]["stock"]
    guest.post("/cart/add", sku=sku, qty=2)
    assert guest.rows("cart_lines") == {f"guest-1 {sku}": {"cart": "guest-1", "sku": sku, "qty": 2}}
    guest.post("/cart/coupon", code="welcome10")
    assert guest.send("GET", "/checkout").header("location") == "/login?next=/checkout"

    guest.login = "maya.thornton@example.com"
    reply = guest.post("/login", email=guest.login, password="larkfield-demo", next="/checkout")
    assert reply.header("location") == "/checkout?notice=signed-in"
    assert guest.rows("carts") == {
        guest.login: {"coupon": "WELCOME10", "address_id": None, "shipping": None, "payment": None}
    }
    guest.post("/checkout/address", address="new", **ADDRESS)
    guest.post("/checkout/shipping", shipping="express")
    assert guest.post("/checkout/payment", payment="card", card_number="4242 4242 4242 4242").status == 303
    review = "\n".join(_names(guest, "/checkout/review"))
    assert "card ending 4242" in review
    assert "4242 4242" not in review
    location = guest.place().header("location")

    number = str(guest.newest_order())
    assert location == f"/checkout/done/{number}"
    assert f"Order {number}" in "\n".join(_names(guest, location))
    order = guest.rows("orders")[number]
    unit = guest.rows("order_lines")[f"{number} {sku}"]["unit_cents"]
    assert order["subtotal_cents"] == 2 * unit
    assert order["discount_cents"] == (2 * unit * 10 + 50) // 100
    assert order["total_cents"] == order["subtotal_cents"] - order["discount_cents"] + 1295
    assert (order["status"], order["coupon"], order["shipping"]) == ("processing", "WELCOME10", "express")
    assert order["ship_to"] == "Maya Thornton, 7 Elm Court, Ithaca, NY 14850"
    assert guest.rows("variants")[sku]["stock"] == before - 2
    assert guest.rows("cart_lines") == {}


def test_two_guests_have_two_carts(guest: Session) -> None:
    first = dict(guest.cookies)
    guest.post("/cart/add", sku="CO001-1", qty=1)
    first = dict(guest.cookies)
    guest.cookies.clear()
    guest.get("/")
    guest.post("/cart/add", sku="CO001-1", qty=1)
    assert {row["cart"] for row in guest.rows("cart_lines").values()} == {"guest-1", "guest-2"}
    # The first signs in, its cart goes; a third guest must not take over the second's.
    guest.cookies = first
    guest.post("/login", email="maya.thornton@example.com", password="larkfield-demo")
    guest.cookies = {}
    guest.get("/")
    assert guest.post("/cart/add", sku="CO001-1", qty=1).status == 303
    assert {row["cart"] for row in guest.rows("cart_lines").values()} == {
        "maya.thornton@example.com", "guest-2", "guest-3"
    }  # fmt: skip


def test_checkout_steps_cannot_be_skipped(customer: Session) -> None:
    customer.fill_cart()
    assert customer.send("GET", "/checkout/review").header("location") == "/checkout/address"
    assert customer.post("/checkout/shipping", shipping="teleport").status == 422
    assert customer.post("/checkout/payment", payment="card", card_number="12").status == 422
    assert customer.post("/checkout/place", order_key="x").status == 422
    assert customer.rows("orders", customer=customer.login) == {
        key: row for key, row in customer.sandbox.control.seed_view()["orders"].items()
        if row["customer"] == customer.login
    }  # fmt: skip


def test_quantities_are_held_to_the_stock(customer: Session) -> None:
    sku, row = next((s, r) for s, r in sorted(customer.rows("variants").items()) if 1 <= r["stock"] <= 3)
    assert customer.post("/cart/add", sku=sku, qty=row["stock"]).status == 303
    assert customer.post("/cart/add", sku=sku, qty=1).status == 409
    assert customer.post("/cart/update", sku=sku, qty=row["stock"] + 1).status == 409
    assert customer.post("/cart/update", sku=sku, qty=-1).status == 422
    assert customer.post("/cart/update", sku=sku, qty="many").status == 422
    assert customer.rows("cart_lines")[f"{customer.login} {sku}"]["qty"] == row["stock"]
    customer.post("/cart/update", sku=sku, qty=0)
    assert customer.rows("cart_lines") == {}
    sold_out = next(iter(customer.rows("variants", stock=0)))
    assert customer.post("/cart/add", sku=sold_out, qty=1).status == 409


def test_a_refused_form_says_why_and_keeps_what_was_typed(customer: Session) -> None:
    customer.fill_cart()
    reply = customer.post("/cart/coupon", code="NONSENSE")
    html = reply.body.decode()
    assert reply.status == 422
    assert '<p class="note bad" role="alert">The coupon code NONSENSE is not valid.</p>' in html
    assert 'value="NONSENSE"' in html


@pytest.mark.parametrize(
    ("code", "reason"),
    [("WINTER25", "expired"), ("FRIENDS30", "not valid"), ("GARDEN20", "at least $120.00"), ("", "Enter a coupon")],
)
def test_coupons_that_do_not_apply(customer: Session, code: str, reason: str) -> None:
    prices = {slug: row["price_cents"] for slug, row in customer.rows("products").items()}
    offered = {sku: row for sku, row in customer.rows("variants", extra_cents=0).items() if row["stock"]}
    sku = min(offered, key=lambda sku: prices[offered[sku]["product"]])  # far below any minimum
    customer.post("/cart/add", sku=sku, qty=1)
    reply = customer.post("/cart/coupon", code=code)
    assert reply.status == 422
    assert reason in reply.body.decode()
    assert customer.rows("carts")[customer.login]["coupon"] is None


def test_cancel_gives_stock_and_money_back(customer: Session) -> None:
    number = min(customer.rows("orders", customer=customer.login, status="processing"))
    lines = [row for row in customer.rows("order_lines").values() if row["order"] == int(number)]
    before = {line["sku"]: customer.rows("variants")[line["sku"]]["stock"] for line in lines}
    assert customer.post(f"/account/orders/{number}/cancel").status == 303
    order = customer.rows("orders")[number]
    assert order["status"] == "cancelled"
    for line in lines:
        assert customer.rows("variants")[line["sku"]]["stock"] == before[line["sku"]] + line["qty"]
    refunds = customer.rows("refunds", order=int(number))
    assert [(r["amount_cents"], r["status"]) for r in refunds.values()] == [(order["total_cents"], "approved")]
    assert customer.post(f"/account/orders/{number}/cancel").status == 409


def test_return_waits_for_staff_who_decide_once(session: Callable[..., Session]) -> None:
    customer = session()
    number = next(
        n for n in sorted(customer.rows("orders", customer=customer.login, status="delivered"))
        if 'name="sku"' in customer.get(f"/account/orders/{n}/return")
    )  # fmt: skip
    taken = {row["sku"] for row in customer.rows("returns").values() if row["order"] == int(number)}
    line = next(
        row for row in customer.rows("order_lines").values() if row["order"] == int(number) and row["sku"] not in taken
    )
    target = f"/account/orders/{number}/return"
    assert customer.post(target, sku=line["sku"], qty=99, reason="damaged").status == 422
    assert customer.post(target, sku=line["sku"], qty=1, reason="bored").status == 422
    assert customer.post(target, sku=line["sku"], qty=1, reason="damaged").status == 303
    refund_id, refund = max(customer.rows("refunds").items(), key=lambda item: int(item[0]))
    assert refund["status"] == "pending"
    assert 0 < refund["amount_cents"] <= line["unit_cents"]

    customer.post("/logout")
    customer.post("/login", email="ruth.calloway@larkfield.example", password="larkfield-demo")
    assert customer.post(f"/admin/refunds/{refund_id}", decision="approved").status == 303
    assert customer.rows("refunds")[refund_id]["status"] == "approved"
    assert customer.rows("returns")[str(refund["return"])]["status"] == "approved"
    assert customer.post(f"/admin/refunds/{refund_id}", decision="denied").status == 409


def test_addresses_can_be_added_changed_and_deleted(customer: Session) -> None:
    assert customer.post("/account/addresses", **ADDRESS | {"city": " "}).status == 422
    customer.post("/account/addresses", **ADDRESS, is_default=1)
    added = max(customer.rows("addresses", customer=customer.login), key=int)
    mine = customer.rows("addresses", customer=customer.login)
    assert [key for key, row in mine.items() if row["is_default"]] == [added]
    customer.post(f"/account/addresses/{added}", **ADDRESS | {"street": "9 Rue des Érables"})
    assert customer.rows("addresses")[added]["street"] == "9 Rue des Érables"
    customer.post(f"/account/addresses/{added}/delete")
    mine = customer.rows("addresses", customer=customer.login)
    assert added not in mine
    assert sum(row["is_default"] for row in mine.values()) == 1


def test_review_wishlist_profile_and_contact(customer: Session) -> None:
    slug = next(iter(customer.rows("products", category="garden")))
    assert customer.post(f"/p/{slug}/reviews", rating=4, title="Sturdy", body="Holds a lot of soil.").status == 303
    assert customer.post(f"/p/{slug}/reviews", rating=4, title="Again", body="Once more.").status == 409
    assert "Sturdy" in _names(customer, f"/p/{slug}")
    customer.post(f"/p/{slug}/wishlist")
    assert f"{customer.login} {slug}" in customer.rows("wishlist")
    customer.post("/account/wishlist/remove", slug=slug)
    assert f"{customer.login} {slug}" not in customer.rows("wishlist")
    customer.post("/account/profile", name="Maya T.", phone="555-0000", newsletter=1)
    assert customer.rows("customers")[customer.login] == {
        "name": "Maya T.", "phone": "555-0000", "staff": 0, "newsletter": 1
    }  # fmt: skip
    message = "The lid of my casserole is chipped."
    assert customer.post("/contact", email=customer.login, topic="order", message="short").status == 422
    assert customer.post("/contact", email=customer.login, topic="order", message=message).status == 303
    assert [row["message"] for row in customer.rows("tickets", email=customer.login).values()] == [message]


def test_register_then_sign_in_again(guest: Session) -> None:
    form = {"name": "Ada Nwosu", "email": "ada@example.com", "password": "a long one", "password_again": "a long one"}
    assert guest.post("/register", **form | {"password_again": "another"}).status == 422
    assert guest.post("/register", **form | {"email": "maya.thornton@example.com"}).status == 422
    assert guest.post("/register", **form).header("location") == "/account?notice=registered"
    guest.post("/logout")
    assert guest.send("GET", "/account").status == 303
    assert guest.post("/login", email="ada@example.com", password="wrong").status == 422
    assert guest.post("/login", email="Ada@Example.com", password="a long one").status == 303
    assert "Hello Ada Nwosu" in _names(guest, "/account")


def test_staff_run_the_shop(staff: Session) -> None:
    slug, product = next(iter(staff.rows("products", category="lighting").items()))
    staff.post(f"/admin/products/{slug}/price", price="$1,049.5")
    assert staff.rows("products")[slug]["price_cents"] == 104950
    assert staff.post(f"/admin/products/{slug}/price", price="free").status == 422
    sku = next(iter(staff.rows("variants", product=slug)))
    staff.post(f"/admin/products/{slug}/stock", sku=sku, stock=77)
    assert staff.rows("variants")[sku]["stock"] == 77
    coupon = {"code": "june5", "kind": "fixed", "value": "5", "minimum": "20", "expires": "2026-06-30"}
    assert staff.post("/admin/coupons", **coupon).status == 303
    assert staff.rows("coupons")["JUNE5"] == {
        "kind": "fixed", "value": 500, "minimum_cents": 2000, "expires": "2026-06-30", "active": 1
    }  # fmt: skip
    assert staff.post("/admin/coupons", **coupon).status == 409
    assert staff.post("/admin/coupons", **coupon | {"code": "B", "expires": "June"}).status == 422
    staff.post("/admin/coupons/JUNE5", active=0)
    assert staff.rows("coupons")["JUNE5"]["active"] == 0
    number = min(staff.rows("orders", status="processing"))
    assert staff.post(f"/admin/orders/{number}", status="delivered").status == 409
    staff.post(f"/admin/orders/{number}", status="shipped")
    assert staff.rows("orders")[number]["status"] == "shipped"
    assert product["price_cents"] != 104950


def test_the_report_and_its_csv_agree_with_the_orders(staff: Session) -> None:
    period = "from=2025-01-01&to=2026-03-02"
    counted = {n for n, row in staff.rows("orders").items() if row["status"] != "cancelled"}
    revenue = sum(
        row["qty"] * row["unit_cents"] for row in staff.rows("order_lines").values() if str(row["order"]) in counted
    )
    lines = staff.get(f"/admin/report.csv?{period}").splitlines()
    assert lines[0] == "category,orders,pieces,revenue"
    assert sum(round(float(line.split(",")[3]) * 100) for line in lines[1:]) == revenue
    assert any(f"{len(counted)} orders" in name for name in _names(staff, f"/admin/report?{period}"))


def test_customers_cannot_reach_what_is_not_theirs(customer: Session, shop: Sandbox) -> None:
    other = next(n for n, row in sorted(customer.rows("orders").items()) if row["customer"] != customer.login)
    foreign = next(a for a, row in sorted(customer.rows("addresses").items()) if row["customer"] != customer.login)
    before = shop.control.state()
    assert customer.send("GET", f"/account/orders/{other}").status == 404
    assert customer.send("GET", f"/account/addresses/{foreign}").status == 404
    attempts: dict[str, dict[str, object]] = {
        f"/account/orders/{other}/cancel": {},
        f"/account/orders/{other}/return": {"sku": "x", "qty": 1, "reason": "damaged"},
        f"/account/addresses/{foreign}": {**ADDRESS},
        f"/account/addresses/{foreign}/delete": {},
    }
    for target, fields in attempts.items():
        assert customer.post(target, **fields).status == 404, target
    for target in ("/admin/coupons", f"/admin/orders/{other}", "/admin/refunds/1", "/admin/coupons/WELCOME10"):
        assert customer.post(target, status="cancelled", decision="approved", active=0).status == 403, target
    assert shop.control.state() == before


@pytest.mark.parametrize("token", [None, "", "0" * 24])
def test_forms_without_the_right_token_are_refused(customer: Session, shop: Sandbox, token: str | None) -> None:
    before = shop.control.state()
    body = b"sku=CO001-1&qty=1" + (f"&csrf={token}".encode() if token is not None else b"")
    reply = customer.send("POST", "/cart/add", body, "application/x-www-form-urlencoded")
    assert reply.status == 403
    assert "This form has expired" in reply.body.decode()
    assert shop.control.state() == before


def test_oversized_forms_are_refused(customer: Session) -> None:
    kind = "application/x-www-form-urlencoded"
    assert customer.send("POST", "/contact", b"a" * 70_000, kind).status == 413
    assert customer.send("POST", "/contact", b"&".join(b"a=1" for _ in range(300)), kind).status == 413


def test_reset_leaves_nothing_behind(session: Callable[..., Session], shop: Sandbox) -> None:
    shop.control.reset(ResetRequest(seed=3))
    clean = shop.control.hash()
    for _ in range(3):
        visitor = session()
        visitor.fill_cart()
        visitor.go_to_review()
        visitor.place()
        visitor.post("/account/addresses", **ADDRESS)
        assert shop.control.hash() != clean
        shop.control.reset(ResetRequest(seed=3))
        assert shop.control.hash() == clean
        assert shop.control.state() == shop.control.seed_view()


def test_a_snapshot_in_the_checkout_can_be_played_twice(customer: Session, shop: Sandbox) -> None:
    customer.fill_cart()
    customer.go_to_review()
    saved = shop.control.snapshot()
    outcomes = []
    for _ in range(2):
        customer.place()
        outcomes.append((shop.control.hash(), customer.get("/account/orders")))
        shop.control.restore(saved)
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("text", "least"), [("Brulot", 10), ("BRÛLOT", 10), ("mugs", 4), ("ash bench", 1), ("xyzzy", 0)]
)
def test_search_ignores_case_accents_and_plurals(guest: Session, text: str, least: int) -> None:
    found = [line.url for line in guest.lines(f"/search?q={quote(text)}") if line.url.startswith("/p/")]
    assert len(found) >= least
    assert bool(found) == bool(least)
