"""Every page answers as it should to guest, customer and staff, and its HTML is what people and agents need."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec

Session = Any
VOID = {"meta", "link", "input", "img", "br"}
ROLES = {"guest": None, "customer": "maya.thornton@example.com", "staff": "ruth.calloway@larkfield.example"}

# path -> status for guest, customer, staff; 303 is always the way to the login page
ROUTES = {
    "/": (200, 200, 200),
    "/c/cookware": (200, 200, 200),
    "/c/cookware?sort=price_desc&brand=Norrvik&min=20&max=80&in_stock=1&page=1": (200, 200, 200),
    "/c/cookware?page=99": (200, 200, 200),
    "/c/nowhere": (404, 404, 404),
    "/search?q=linen": (200, 200, 200),
    "/search?q=brulot": (200, 200, 200),
    "/search": (200, 200, 200),
    "/p/alba-steel-saucepan": (200, 200, 200),
    "/p/nothing": (404, 404, 404),
    "/cart": (200, 200, 200),
    "/checkout": (303, 409, 409),
    "/checkout/address": (303, 409, 409),
    "/login": (200, 200, 200),
    "/register": (200, 200, 200),
    "/help": (200, 200, 200),
    "/help/returns": (200, 200, 200),
    "/help/nothing": (404, 404, 404),
    "/contact": (200, 200, 200),
    "/account": (303, 200, 200),
    "/account/orders": (303, 200, 200),
    "/account/refunds": (303, 200, 200),
    "/account/addresses": (303, 200, 200),
    "/account/wishlist": (303, 200, 200),
    "/account/profile": (303, 200, 200),
    "/account/orders/100244": (303, 404, 200),
    "/account/orders/x": (303, 404, 404),
    "/admin": (303, 403, 200),
    "/admin/orders": (303, 403, 200),
    "/admin/orders?status=shipped&email=maya": (303, 403, 200),
    "/admin/orders/100244": (303, 403, 200),
    "/admin/products": (303, 403, 200),
    "/admin/products?q=lamp&category=lighting": (303, 403, 200),
    "/admin/products/alba-steel-saucepan": (303, 403, 200),
    "/admin/coupons": (303, 403, 200),
    "/admin/refunds": (303, 403, 200),
    "/admin/report": (303, 403, 200),
    "/admin/report.csv": (303, 403, 200),
    "/admin/report?from=2026-03-01&to=2026-02-01": (303, 403, 422),
    "/admin/messages": (303, 403, 200),
    "/nowhere": (404, 404, 404),
    "/static/style.css": (200, 200, 200),
    "/img/alba-steel-saucepan.svg": (200, 200, 200),
    "/favicon.ico": (200, 200, 200),
    "/robots.txt": (200, 200, 200),
}


@pytest.mark.parametrize("role", ROLES)
def test_every_route_answers_each_role(session: Callable[..., Session], role: str) -> None:
    visitor = session(login=ROLES[role])
    column = list(ROLES).index(role)
    for path, statuses in ROUTES.items():
        response = visitor.send("GET", path)
        assert response.status == statuses[column], path
        if response.status == 303:
            assert response.header("location").startswith("/login?next=")


def _walk(visitor: Session, starts: list[str]) -> dict[str, str]:
    """HTML of every kind of page reachable by links, by path."""
    pages: dict[str, str] = {}
    kinds: dict[str, int] = {}
    queue = [path for path in starts if not path.startswith("/checkout")]
    while queue:
        path = queue.pop(0)
        kind = re.sub(r"/(p|c|products|orders|addresses)/[^/?]+", r"/\1/*", path.split("?")[0])
        if path in pages or kinds.get(kind, 0) >= 2:
            continue
        response = visitor.send("GET", path)
        assert response.status in (200, 303, 403), path
        if "text/html" not in (response.header("content-type") or ""):
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        pages[path] = response.body.decode()
        queue += [h.replace("&amp;", "&") for h in re.findall(r'<a [^>]*href="(/[^"]*)"', pages[path])]
    return pages


class Checker(HTMLParser):
    """Tags balance, ids are unique, and every control, form, image and table can be named."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.labelled: set[str] = set()
        self.unnamed: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "label" and "for" in values:
            self.labelled.add(values["for"] or "")
        landmark = tag in ("form", "table", "nav", "aside", "section", "dialog") and values.get("class") != "hero"
        if landmark and "aria-label" not in values:
            self.unnamed.append(f"{tag} {values}")
        if tag == "img" and "alt" not in values:
            self.unnamed.append(f"img {values}")
        control = tag in ("input", "select", "textarea") and values.get("type") != "hidden"
        named = "label" in self.open or "aria-label" in values or values.get("id") in self.labelled
        if control and not named:
            self.unnamed.append(f"{tag} {values}")
        if tag == "script":
            self.unnamed.append("a script")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.mark.parametrize("role", ROLES)
def test_html_is_well_formed_and_everything_has_a_name(
    session: Callable[..., Session], spec: SandboxSpec, role: str
) -> None:
    pages = _walk(session(login=ROLES[role]), list(spec.pages))
    assert len(pages) > 15
    for path, html in pages.items():
        checker = Checker()
        checker.feed(html)
        checker.close()
        assert checker.open == [], path
        assert checker.unnamed == [], path
        assert len(checker.ids) == len(set(checker.ids)), path
        assert {"header", "main", "footer", "nav", "h1"} <= set(checker.tags), path
        assert checker.tags.count("h1") == 1, path
        posts = len(re.findall(r'<form[^>]*method="post"', html))
        assert html.count('name="csrf"') == posts, path


def test_pages_are_lean(guest: Session) -> None:
    for path in ("/", "/c/cookware", "/search?q=linen", "/p/alba-steel-saucepan"):
        assert len(guest.lines(path)) <= 90, path
    cards = [line for line in guest.lines("/c/cookware") if line.url.startswith("/p/")]
    assert len(cards) == 12


def test_get_never_writes(shop: Sandbox, session: Callable[..., Session], spec: SandboxSpec) -> None:
    for login in ROLES.values():
        visitor = session(login=login)
        shop.control.changes()
        before = shop.control.state()
        _walk(visitor, list(spec.pages))
        assert shop.control.state() == before
        assert shop.control.changes() == {"delta": [], "events": []}


def test_the_same_requests_give_the_same_bytes(session: Callable[..., Session]) -> None:
    def read() -> list[bytes]:
        visitor = session(login=None)
        visitor.post("/cart/add", sku="CO001-1", qty=1)
        return [visitor.send("GET", path).body for path in ("/", "/cart", "/c/decor?sort=rating", "/login")]

    assert read() == read()


def test_static_files_do_not_move_the_clock(shop: Sandbox, customer: Session) -> None:
    for _ in range(100):
        customer.get("/img/alba-steel-saucepan.svg")
        customer.get("/static/style.css")
        customer.get("/api/openapi.json")
    customer.fill_cart()
    customer.go_to_review()
    customer.place()
    placed = customer.rows("orders")[str(customer.newest_order())]["placed_at"]
    assert "2026-03-02T09:00:00Z" < placed < "2026-03-02T09:05:00Z"


def test_cookies_are_http_only_and_for_all_paths(guest: Session) -> None:
    header = guest.send("GET", "/").header("set-cookie")
    assert header is not None
    assert header.startswith("sid=")
    assert "HttpOnly" in header
    assert "Path=/" in header


@pytest.mark.parametrize(
    "target",
    ["/c/cookware?min=abc", "/c/cookware?page=²", "/c/cookware?min=²", "/search?q=%ff%00", "/p/%F0%9F%92%A9",
     "/account/orders/²", "/admin/orders?page=x", "/search?q=" + "a " * 400, "/login?next=//evil.example"],
)  # fmt: skip
def test_odd_requests_never_crash(staff: Session, target: str) -> None:
    assert staff.send("GET", target).status < 500


def test_nobody_is_sent_to_another_site(guest: Session) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
        reply = guest.post("/login", email="maya.thornton@example.com", password="larkfield-demo", next=target)
        assert reply.header("location") == "/account?notice=signed-in"
        guest.post("/logout")
