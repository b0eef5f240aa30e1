"""A tiny browser for the oracles: cookies, forms with their CSRF token, tools, and what a page says."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any
from urllib.parse import urlencode

from envsim.guest.openapi import build_call
from envsim.page.lines import Line
from envsim.page.snapshot import snapshot
from envsim.page.transport import Request, Response
from envsim.sandbox.runtime import ResetRequest, Sandbox

CUSTOMER = "maya.thornton@example.com"
STAFF = "ruth.calloway@larkfield.example"
_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')
_ORDER_KEY = re.compile(r'name="order_key" value="([0-9a-f]+)"')


class Session:
    """One signed-in account, or a guest, right after a reset of `sandbox`.

    Args:
        sandbox: Where the shop runs; it is reset.
        login: Account to sign in; None for a guest.
        clock: Start of the shop's time; None for the usual one.
    """

    def __init__(self, sandbox: Sandbox, login: str | None = CUSTOMER, clock: str | None = None) -> None:
        self.sandbox = sandbox
        self.login = login
        self.cookies = dict(sandbox.control.reset(ResetRequest(login=login, clock=clock)))
        self._documents: dict[str, dict[str, Any]] = {}

    def send(self, method: str, target: str, body: bytes = b"", kind: str = "") -> Response:
        """One request with this session's cookies; redirects are not followed."""
        headers = [("cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items()))] if self.cookies else []
        if kind:
            headers.append(("content-type", kind))
        # A connection a request: nothing is left open, however an oracle ends.
        with contextlib.closing(self.sandbox.transport()) as transport:
            response = transport.send(Request(method, target, tuple(headers), body))
        for morsel in response.set_cookies():
            self.cookies[morsel.key] = morsel.value
        return response

    def get(self, target: str) -> str:
        """The HTML of a page."""
        return self.send("GET", target).body.decode()

    def lines(self, target: str) -> tuple[Line, ...]:
        """The elements of a page."""
        return snapshot(self.get(target), target).lines

    def post(self, target: str, **fields: object) -> Response:
        """Send a form with the token that this session's forms carry."""
        token = _TOKEN.search(self.get("/contact"))
        if token is None:
            raise ValueError("the contact form carries no token")
        form = {"csrf": token[1], **{name: str(value) for name, value in fields.items()}}
        return self.send("POST", target, urlencode(form).encode(), "application/x-www-form-urlencoded")

    def tool(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of a tool of the shop."""
        return self.tool_of("/api/openapi.json", name, **arguments)

    def desk(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of a tool of the support desk."""
        return self.tool_of("/api/desk/openapi.json", name, **arguments)

    def tool_of(self, document: str, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of a tool that the OpenAPI document at this path describes."""
        if document not in self._documents:
            self._documents[document] = json.loads(self.get(document))
        method, target, _, body = build_call(self._documents[document], name, arguments)
        answer = json.loads(self.send(method, target, body, "application/json" if body else "").body)
        if not isinstance(answer, dict):
            raise ValueError(f"{name} answered with {type(answer).__name__}, not with an object")
        return answer

    def rows(self, collection: str, **having: object) -> dict[str, dict[str, Any]]:
        """Rows of the state view whose columns have these values."""
        found = self.sandbox.control.state()[collection]
        return {key: row for key, row in found.items() if all(row[name] == value for name, value in having.items())}

    def sku(self, least: int = 5) -> str:
        """An article without surcharge, at least so many in stock, and a price that ends in 5 cents."""
        prices = {slug: row["price_cents"] for slug, row in self.rows("products").items()}
        for sku, row in sorted(self.rows("variants", extra_cents=0).items()):
            if row["stock"] >= least and prices[row["product"]] % 10:
                return sku
        raise LookupError("no such article in the seed data")

    def fill_cart(self, qty: int = 2) -> str:
        """Put an article into the cart; its SKU."""
        sku = self.sku()
        self.post("/cart/add", sku=sku, qty=qty)
        return sku

    def go_to_review(self) -> Response:
        """From a filled cart through address, shipping and payment; the answer to the payment step."""
        address = min(self.rows("addresses", customer=self.login))
        self.post("/checkout/address", address=address)
        self.post("/checkout/shipping", shipping="standard")
        return self.post("/checkout/payment", payment="invoice")

    def order_key(self) -> str:
        """The key of the place-order form."""
        found = _ORDER_KEY.search(self.get("/checkout/review"))
        if found is None:
            raise ValueError("the review page carries no order key")
        return found[1]

    def place(self) -> Response:
        """Send the place-order form once."""
        return self.post("/checkout/place", order_key=self.order_key())

    def newest_order(self) -> int:
        """The number of this account's newest order."""
        return max(int(number) for number in self.rows("orders", customer=self.login))
