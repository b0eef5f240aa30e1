"""People at the shop, as the oracles and tests need them: a visitor who can shop and work at the support desk."""

from __future__ import annotations

from typing import Any

from envsim.page.transport import Response
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import Visitor

CUSTOMER = "maya.thornton@example.com"
STAFF = "ruth.calloway@larkfield.example"


class Session(Visitor):
    """One signed-in account, or a guest, right after a reset of `sandbox`.

    Args:
        sandbox: Where the shop runs; it is reset.
        login: Account to sign in; None for a guest.
        clock: Start of the shop's time; None for the usual one.
    """

    def __init__(self, sandbox: Sandbox, login: str | None = CUSTOMER, clock: str | None = None) -> None:
        cookies = sandbox.control.reset(ResetRequest(login=login, clock=clock))
        super().__init__(sandbox, cookies, login, form_page="/contact")

    def desk(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of a tool of the support desk."""
        return self.tool_of("/api/desk/openapi.json", name, **arguments)

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
        return self.hidden("/checkout/review")["order_key"]

    def place(self) -> Response:
        """Send the place-order form once."""
        return self.post("/checkout/place", order_key=self.order_key())

    def newest_order(self) -> int:
        """The number of this account's newest order."""
        return max(int(number) for number in self.rows("orders", customer=self.login))
