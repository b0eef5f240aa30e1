"""Every form on every page, sent as it stands and with odd values: the shop refuses, it never crashes."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from envsim.rng import Rng
from envsim.sandbox.runtime import Sandbox

Session = Any
ODD = (
    "",
    " ",
    "-1",
    "0",
    "9" * 30,
    "²",
    "1.5",
    "null",
    "é\u0000x",
    "💩" * 200,
    "' OR 1=1 --",
    "<b>&",
    "2026-13-40",
    "a@b.c",
)
URLENCODED = "application/x-www-form-urlencoded"
STARTS = {
    None: ("/", "/cart", "/login", "/register", "/contact", "/search?q=oak", "/p/alba-steel-saucepan"),
    "maya.thornton@example.com": (
        "/account/addresses", "/account/addresses/1", "/account/wishlist", "/account/profile", "/account/orders/100237",
        "/account/orders/100222/return", "/p/alba-steel-saucepan", "/cart", "/checkout/address", "/checkout/shipping",
        "/checkout/payment", "/checkout/review", "/contact",
    ),
    "ruth.calloway@larkfield.example": (
        "/admin/orders", "/admin/orders/100244", "/admin/products", "/admin/products/alba-steel-saucepan",
        "/admin/coupons", "/admin/refunds", "/admin/report", "/admin/messages",
    ),
}  # fmt: skip


class Forms(HTMLParser):
    """The forms of a page: (method, action, fields with their values)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str]]] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.found.append((values.get("method", "get").upper(), values.get("action", ""), {}))
        if not self.found:
            return
        fields = self.found[-1][2]
        if tag in ("input", "textarea", "button") and values.get("name"):
            fields.setdefault(values["name"], values.get("value", ""))
        elif tag == "select":
            self._select = values.get("name", "")
        elif tag == "option" and self._select:
            fields.setdefault(self._select, values.get("value", ""))


def _forms(visitor: Session, path: str) -> list[tuple[str, str, dict[str, str]]]:
    parser = Forms()
    parser.feed(visitor.get(path))
    return parser.found


def _send(visitor: Session, path: str, method: str, action: str, fields: dict[str, str]) -> int:
    target = action or path.split("?", maxsplit=1)[0]
    text = urlencode(fields)
    if method == "GET":
        return int(visitor.send("GET", f"{target}?{text}").status)
    return int(visitor.send("POST", target, text.encode(), URLENCODED).status)


@pytest.mark.parametrize("login", STARTS, ids=["guest", "customer", "staff"])
def test_no_form_can_crash_the_shop(session: Callable[..., Session], shop: Sandbox, login: str | None) -> None:
    visitor = session(login=login)
    if login and "maya" in login:
        visitor.fill_cart()
        visitor.go_to_review()
    saved = shop.control.snapshot()
    rng = Rng("odd-forms", str(login))
    sent = 0
    for path in STARTS[login]:
        for method, action, fields in _forms(visitor, path):
            if action == "/logout":
                continue
            tries = [fields]
            tries += [{**fields, name: rng.choice(ODD)} for name in fields for _ in range(3) if name != "csrf"]
            tries += [{"csrf": fields.get("csrf", "")}]
            for attempt in tries:
                status = _send(visitor, path, method, action, attempt)
                assert status in (200, 303, 403, 404, 409, 413, 422), (path, action, attempt, status)
                sent += 1
                shop.control.restore(saved)
    assert sent > 60


def test_what_people_type_is_shown_as_text(customer: Session) -> None:
    script = "<script>alert(1)</script>"
    customer.post("/p/alba-steel-saucepan/reviews", rating=5, title=script, body='"><img src=x>')
    customer.post("/account/profile", name=script, phone='" onfocus="x')
    for path in ("/p/alba-steel-saucepan", "/account", "/account/profile", f"/search?q={script}"):
        html = customer.get(path)
        assert "<script" not in html, path
        assert "<img src=x" not in html, path
        assert not re.search(r'" onfocus="x"', html), path
