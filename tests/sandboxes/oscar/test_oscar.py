"""The shop on django-oscar: its seed, what people can do there without scripts, and that a reset forgets it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import closing

import pytest

from envsim.content import load_entry
from envsim.errors import ContentError
from envsim.page.transport import Request
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.testing import check_sandbox

pytestmark = [pytest.mark.xdist_group("oscar"), pytest.mark.timeout(300)]

CUSTOMER, MANAGER, CLERK = "ada.merriweather@example.com", "winifred.ashby@example.com", "gregor.brandt@example.com"


# -- the seed ------------------------------------------------------------------------------------------


def test_the_seed_is_a_shop_people_use(customer) -> None:
    view = customer.sandbox.control.seed_view()
    least = {
        "products": 320, "stock": 290, "users": 66, "addresses": 120, "orders": 150, "order_lines": 350, "reviews": 200,
        "offers": 12, "vouchers": 18, "wishlists": 30, "alerts": 14, "notifications": 60,
    }  # fmt: skip
    assert {name: len(view[name]) for name in least if len(view[name]) < least[name]} == {}
    kinds = Counter(row["structure"] for row in view["products"].values())
    assert kinds["child"] > 100
    assert kinds["parent"] > 20
    titles = [row["title"] for row in view["products"].values()]
    assert len(set(titles)) == len(titles)
    words = " ".join(row["description"] for row in view["products"].values())
    assert "lorem" not in words.lower()
    assert not re.search(r"[{}]|\b(\w+) \1\b", words), "a sentence was not filled in"
    assert {row["status"] for row in view["orders"].values()} == {
        "Pending", "Being processed", "Shipped", "Returned", "Cancelled",
    }  # fmt: skip
    assert view["mails"] == {}


def test_what_was_ordered_adds_up(customer) -> None:
    view = customer.sandbox.control.seed_view()
    lines: Counter[str] = Counter()
    for row in view["order_lines"].values():
        lines[row["order"]] += row["line_pence"]
    # A voucher's discount is shared among the lines, each share rounded.
    off = {n: row["total_pence"] - lines[n] for n, row in view["orders"].items()}
    assert {n: pence for n, pence in off.items() if abs(pence) > 3} == {}
    held: Counter[int] = Counter()
    for row in view["order_lines"].values():
        if row["status"] in ("Pending", "Being processed"):
            held[row["product"]] += row["quantity"]
    tracked = {row["product"]: row["allocated"] for row in view["stock"].values() if row["in_stock"] is not None}
    assert {product: count for product, count in held.items() if product in tracked} == {
        product: count for product, count in tracked.items() if count
    }


def test_every_picture_of_the_catalogue_is_there(customer) -> None:
    customer.go("/catalogue/")
    paths = set(re.findall(r'src="(/media/[^"]+)"', customer.body))
    assert len(paths) > 5
    with closing(customer.sandbox.transport()) as wire:
        replies = {path: wire.send(Request("GET", path)) for path in (*paths, "/media/missing.svg")}
    assert {reply.status for reply in replies.values()} == {200}
    assert all(reply.body.startswith(b"<svg") for reply in replies.values())


def test_styles_are_served_for_a_browser_to_keep_and_nothing_dated(customer) -> None:
    customer.go("/catalogue/")
    style = re.search(r'href="(/static/[^"]+\.css)"', customer.body)
    assert style
    with closing(customer.sandbox.transport()) as wire:
        reply = wire.send(Request("GET", style[1]))
    assert reply.status == 200
    assert "immutable" in (reply.header("cache-control") or "")
    assert reply.header("last-modified") is None


# -- customers -----------------------------------------------------------------------------------------


def test_somebody_signs_in_by_hand_and_out_again(arrive) -> None:
    person = arrive()
    person.go("/accounts/login/")
    person.fill("textbox", "Email address", CUSTOMER)
    person.fill("textbox", "Password", "wrong")
    person.click("button", "Log In")
    assert "Please enter a correct" in person.text
    person.fill("textbox", "Password", "twine-demo")
    person.click("button", "Log In")
    assert person.go("/accounts/orders/") == 200
    assert person.url == "/accounts/orders/"
    person.click("link", "Logout")
    person.go("/accounts/orders/")
    assert "login" in person.url


def test_start_pages_open_for_those_they_are_for(manager, spec: SandboxSpec) -> None:
    customer = manager.beside(CUSTOMER)
    for page in spec.pages:
        assert manager.go(page) == 200, page
        assert customer.go(page) == (403 if page.startswith("/dashboard") else 200), page


def test_an_order_is_placed_confirmed_and_mailed(customer) -> None:
    product = customer.stocked("Book", least=3)
    stock = next(iter(customer.rows("stock", product=product).values()))
    customer.buy(product)
    customer.click("button", "Ship to")
    assert "invoice" in customer.text
    customer.place_order()
    number = re.search(r"Order (\d+): confirmation", customer.text)
    assert number
    order = customer.rows("orders")[number[1]]
    assert order["user"] == CUSTOMER
    assert order["total_pence"] == stock["price_pence"]
    assert order["status"] == "Pending"
    assert order["date_placed"].startswith("2026-03-02 09:")
    (mail,) = customer.rows("mails", recipient=CUSTOMER).values()
    assert mail["subject"] == f"Confirmation of order {number[1]}"
    now = next(iter(customer.rows("stock", product=product).values()))
    assert now["allocated"] == stock["allocated"] + 1


def test_a_voucher_is_taken_in_the_basket(arrive) -> None:
    visitor = arrive()
    used = {row["user"] for row in visitor.rows("orders", vouchers="WELCOME10").values()}
    person = visitor.beside(min({row["user"] for row in visitor.rows("addresses").values()} - used))
    person.buy(person.stocked("Book"))
    person.go("/basket/")
    full = person.pounds(r"Basket total[ |]*")
    for code, answer in (
        ("NONSENSE", "No voucher found with code 'NONSENSE'"),
        ("AUTUMN15", "The 'AUTUMN15' voucher has expired"),
        ("SOCKS5", "Your basket does not qualify for a voucher discount"),
    ):
        person.fill("textbox", "Code", code)
        person.click("button", "Add voucher")
        assert answer in person.text
        assert person.pounds(r"Order total[ |]*") == full
    person.fill("textbox", "Code", "WELCOME10")
    person.click("button", "Add voucher")
    assert person.pounds(r"Order total[ |]*") == pytest.approx(full * 0.9, abs=1)


def test_results_are_found_narrowed_and_sorted(arrive) -> None:
    person = arrive()
    person.go("/search/?q=ink+-relief&sort_by=price-asc")
    titles = [
        line.name for line in person.lines if line.role == "link" and re.fullmatch(r"/catalogue/[\w-]+_\d+/", line.url)
    ]
    assert "Walnut Ink" in titles
    assert not any("Relief" in title for title in titles)
    assert "Iron Gall Ink" not in titles  # hidden
    prices = [int(float(text) * 100) for text in re.findall(r"^£([\d.]+)$", person.text, re.M)]
    assert prices == sorted(prices)
    person.go("/catalogue/?selected_facets=product_class%3ABook")
    assert re.search(r"28 results", person.text.replace("\n", " "))
    person.go("/catalogue/category/yarn-wool_1/")
    shown = [row for row in person.rows("products", is_public=1).values() if row["structure"] != "child"]
    here = [row for row in shown if re.search(r"Wool|Cotton & linen|Sock yarn|Mohair|Needles", row["categories"])]
    assert re.search(rf"\b{len(here)} results", person.text.replace("\n", " "))


# -- staff ---------------------------------------------------------------------------------------------


def test_an_order_is_worked_through_in_the_dashboard(manager) -> None:
    number = min(manager.rows("orders", status="Pending"))
    manager.go(f"/dashboard/orders/{number}/")
    manager.choose("combobox", "New order status", "Being processed")
    manager.click("button", "Change status")
    assert manager.rows("orders")[number]["status"] == "Being processed"
    assert {row["status"] for row in manager.rows("order_lines", order=number).values()} == {"Being processed"}


def test_a_partners_clerk_sees_the_partners_orders_alone(arrive) -> None:
    clerk = arrive(CLERK)
    assert clerk.go("/dashboard/orders/") == 200
    assert clerk.go("/dashboard/users/") == 403


# -- determinism ----------------------------------------------------------------------------------------


def test_a_reset_forgets_what_happened_and_the_same_seed_is_the_same_again(customer) -> None:
    control = customer.sandbox.control
    clean, dirty, pages = set(), set(), set()
    for _ in range(4):
        cookies = control.reset(ResetRequest(seed=11, login=CUSTOMER))
        clean.add(control.hash())
        again = type(customer)(customer.sandbox, cookies)
        again.buy(again.stocked("Kit"))
        fork = control.snapshot()
        again.click("button", "Ship to")
        again.place_order()
        pages.add(again.body)
        dirty.add(control.hash())
        control.restore(fork)
    assert (len(clean), len(dirty), len(pages)) == (1, 1, 1)


def buy_a_book(sandbox: Sandbox, cookies: Mapping[str, str]) -> None:
    person = load_entry(sandbox.spec.root, "oracles.person:Person")(sandbox, cookies)  # type: ignore[operator]
    person.buy(person.stocked("Book"))


def test_it_keeps_the_contract(spec: SandboxSpec) -> None:
    check_sandbox(ProcessRuntime().start(spec), buy_a_book)


def test_the_readme_names_every_bug(spec: SandboxSpec) -> None:
    lines = (spec.root / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if " -> " in line]
    assert rows == [
        [f"`{b.id}`", b.bug_class, f"{b.variants.buggy} -> {b.variants.fixed}", b.symptom]
        for b in spec.bugs if b.variants is not None
    ]  # fmt: skip


def test_an_unknown_account_is_refused(customer) -> None:
    with pytest.raises(ContentError, match="no account"):
        customer.sandbox.control.reset(ResetRequest(login="nobody@example.com"))
