"""One oracle per bug of sandbox.toml: raises `OracleFailure` when it meets the bug, returns otherwise."""

from __future__ import annotations

from envsim.page.transport import WireFault
from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .browsing import STAFF, Session
from .desk import accent_search, code_late, coupon_503, note_lost, redirect_unsaved, refund_timeout

__all__ = ["accent_search", "code_late", "coupon_503", "note_lost", "redirect_unsaved", "refund_timeout"]

SHELF = "/c/cookware"


def _expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


def _listed(session: Session, query: str = "") -> list[str]:
    """Slugs on all pages of a category, in order."""
    slugs: list[str] = []
    for page in (1, 2, 3):
        lines = session.lines(f"{SHELF}?page={page}{query}")
        slugs += [line.url.removeprefix("/p/") for line in lines if line.url.startswith("/p/")]
    return slugs


def _stock(session: Session, sku: str) -> int:
    return int(session.rows("variants")[sku]["stock"])


# -- app ---------------------------------------------------------------------------------------------


def stale_price(sandbox: Sandbox) -> None:
    """The listing shows a new price at once."""
    session = Session(sandbox, STAFF)
    slug = _listed(session)[0]
    session.post(f"/admin/products/{slug}/price", price="12.34")
    lines = session.lines(SHELF)
    at = next(i for i, line in enumerate(lines) if line.url == f"/p/{slug}")
    _expect("$12.34" in lines[at + 1].name, f"the listing says {lines[at + 1].name!r}, the price is $12.34")


def coupon_rounding(sandbox: Sandbox) -> None:
    """Ten percent off is ten percent of the subtotal, rounded once."""
    session = Session(sandbox)
    session.fill_cart(qty=3)
    cart = session.tool("apply_coupon", code="WELCOME10")
    right = (cart["subtotal_cents"] * 10 + 50) // 100
    _expect(cart["discount_cents"] == right, f"discount of {cart['discount_cents']} cents instead of {right}")


def double_submit(sandbox: Sandbox) -> None:
    """The same order sent twice is placed once."""
    session = Session(sandbox)
    before = len(session.rows("orders"))
    session.fill_cart()
    session.go_to_review()
    key = session.order_key()
    for _ in range(2):
        session.post("/checkout/place", order_key=key)
    placed = len(session.rows("orders")) - before
    _expect(placed == 1, f"{placed} orders from one checkout")


def page_skip(sandbox: Sandbox) -> None:
    """The pages of a category show every product."""
    session = Session(sandbox)
    missing = session.rows("products", category="cookware").keys() - set(_listed(session))
    _expect(not missing, f"on no page: {', '.join(sorted(missing))}")


def sort_instability(sandbox: Sandbox) -> None:
    """Sorted by rating, a category reads the same twice."""
    session = Session(sandbox)
    first, second = _listed(session, "&sort=rating"), _listed(session, "&sort=rating")
    _expect(first == second, "the order of equal ratings changed between two readings")
    _expect(len(set(first)) == len(first), "a product came twice")


def cancel_keeps_stock(sandbox: Sandbox) -> None:
    """Cancelling gives the stock back."""
    session = Session(sandbox)
    sku = session.fill_cart()
    before = _stock(session, sku)
    session.go_to_review()
    session.place()
    session.post(f"/account/orders/{session.newest_order()}/cancel")
    _expect(_stock(session, sku) == before, f"stock of {_stock(session, sku)} after cancelling, {before} before")


def oversell(sandbox: Sandbox) -> None:
    """No more can be ordered than there is."""
    session = Session(sandbox)
    sku = next(sku for sku, row in sorted(session.rows("variants").items()) if 1 <= row["stock"] <= 3)
    for qty in (_stock(session, sku), 1):
        session.post("/cart/add", sku=sku, qty=qty)
    session.go_to_review()
    session.place()
    _expect(_stock(session, sku) >= 0, f"stock of {_stock(session, sku)} after the order")


def wishlist_lost(sandbox: Sandbox) -> None:
    """Both of two additions in a row stay."""
    session = Session(sandbox)
    held = {row["product"] for row in session.rows("wishlist", customer=session.login).values()}
    wanted = [slug for slug in _listed(session) if slug not in held][:2]
    for slug in wanted:
        session.post(f"/p/{slug}/wishlist")
    now = {row["product"] for row in session.rows("wishlist", customer=session.login).values()}
    _expect(now == held | set(wanted), f"missing from the wishlist: {', '.join(sorted(set(wanted) - now))}")


def order_date(sandbox: Sandbox) -> None:
    """An order placed at three in the morning carries that day's date."""
    session = Session(sandbox, clock="2026-03-02T03:00:00+00:00")
    session.fill_cart()
    session.go_to_review()
    session.place()
    page = session.get(f"/account/orders/{session.newest_order()}")
    _expect("Placed on 2 Mar 2026" in page, "the order does not say 2 Mar 2026")


def mojibake(sandbox: Sandbox) -> None:
    """An accented name is stored as it was sent."""
    session = Session(sandbox)
    session.post(
        "/account/addresses",
        name="Zoë Thornton",
        street="1 Rue des Érables",
        city="Ithaca",
        region="NY",
        postcode="14850",
    )
    names = {row["name"] for row in session.rows("addresses", customer=session.login).values()}
    _expect("Zoë Thornton" in names, f"stored names: {', '.join(sorted(names))}")


def checkout_expiry(sandbox: Sandbox) -> None:
    """The payment step leads to the review."""
    session = Session(sandbox)
    session.fill_cart()
    location = session.go_to_review().header("location") or ""
    _expect(location == "/checkout/review", f"payment led to {location!r}")


def csrf_rotation(sandbox: Sandbox) -> None:
    """A form just loaded can be sent."""
    session = Session(sandbox)
    status = session.post("/contact", email="maya@example.com", topic="other", message="Do you ship to Canada?").status
    _expect(status == 303, f"a fresh form was refused with status {status}")


def order_leak(sandbox: Sandbox) -> None:
    """Another customer's order is not shown."""
    session = Session(sandbox)
    number = next(number for number, row in sorted(session.rows("orders").items()) if row["customer"] != session.login)
    status = session.send("GET", f"/account/orders/{number}").status
    _expect(status == 404, f"order {number} of another customer answered with status {status}")


# -- wire --------------------------------------------------------------------------------------------


def api_drift(sandbox: Sandbox) -> None:
    """Totals are integers called total_cents, as documented."""
    session = Session(sandbox)
    session.fill_cart()
    cart = session.tool("get_cart")
    _expect(isinstance(cart.get("total_cents"), int), f"the cart has the keys {', '.join(sorted(cart))}")


def search_limit(sandbox: Sandbox) -> None:
    """Four searches in a row are answered."""
    session = Session(sandbox)
    statuses = [session.send("GET", f"/search?q={word}").status for word in ("linen", "oak", "steel", "wool")]
    _expect(set(statuses) == {200}, f"statuses {statuses}")


def checkout_503(sandbox: Sandbox) -> None:
    """Placing an order places it and says so."""
    _expect_placed(sandbox)


def place_timeout(sandbox: Sandbox) -> None:
    """Placing an order places it and says so."""
    _expect_placed(sandbox)


def _expect_placed(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    before = len(session.rows("orders"))
    session.fill_cart()
    session.go_to_review()
    status = session.place().status
    placed = len(session.rows("orders")) - before
    _expect(status == 303 and placed == 1, f"status {status}, {placed} orders placed")


def truncated_list(sandbox: Sandbox) -> None:
    """A listing arrives whole."""
    session = Session(sandbox)
    try:
        session.get(SHELF)
    except WireFault as fault:
        raise OracleFailure(f"the listing was {fault.kind}") from fault


# -- ui ----------------------------------------------------------------------------------------------


def newsletter_modal(sandbox: Sandbox) -> None:
    """Nothing covers the shop."""
    session = Session(sandbox)
    for _ in range(4):
        roles = {line.role for line in session.lines("/")}
        _expect("dialog" not in roles, "a dialog covers the page")


def lying_toast(sandbox: Sandbox) -> None:
    """An address that is reported as saved is saved."""
    session = Session(sandbox)
    address_id, row = min(session.rows("addresses", customer=session.login).items())
    fields = {name: row[name] for name in ("name", "city", "region", "postcode")}
    reply = session.post(f"/account/addresses/{address_id}", street="12 Birch Close", **fields)
    street = session.rows("addresses")[address_id]["street"]
    said = "address-saved" in (reply.header("location") or "")
    _expect(said and street == "12 Birch Close", f"reported as saved: {said}; the street is {street!r}")


def layout_variant(sandbox: Sandbox) -> None:
    """Product pages have their usual buttons in their usual order."""
    session = Session(sandbox)
    lines = session.lines(f"/p/{_listed(session)[0]}")
    buttons = [line.name for line in lines if line.role == "button" and line.name not in ("Search", "Post review")]
    _expect(buttons == ["Add to cart", "Add to wishlist"], f"buttons: {', '.join(buttons)}")


def dead_cancel(sandbox: Sandbox) -> None:
    """A shipped order cannot be cancelled."""
    session = Session(sandbox)
    number = min(session.rows("orders", customer=session.login, status="shipped"))
    session.post(f"/account/orders/{number}/cancel")
    status = session.rows("orders")[number]["status"]
    _expect(status == "shipped", f"the shipped order {number} is now {status}")


def slow_reviews(sandbox: Sandbox) -> None:
    """A product page shows its reviews."""
    session = Session(sandbox)
    slug = min(row["product"] for row in session.rows("reviews").values())
    page = session.get(f"/p/{slug}")
    _expect("still loading" not in page and 'class="review"' in page, "the reviews are missing")
