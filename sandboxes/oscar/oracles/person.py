"""A person at the shop, as oracles and tests need them: a browser without scripts, and what the server last said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from envsim.page.http import HttpDriver
from envsim.page.lines import Line
from envsim.page.transport import Request, Response
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.types import Action

CUSTOMER = "ada.merriweather@example.com"
OTHER = "bram.okafor@example.com"
MANAGER = "winifred.ashby@example.com"


class _Wire:
    """A transport that remembers the last answer and leaves no connection open."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.response: Response | None = None

    def send(self, request: Request) -> Response:
        with closing(self._sandbox.transport()) as transport:
            self.response = transport.send(request)
        return self.response

    def close(self) -> None:
        pass


class Person:
    """Somebody with a browser of their own.

    Args:
        sandbox: Where the shop runs.
        cookies: What their browser holds.
    """

    def __init__(self, sandbox: Sandbox, cookies: Mapping[str, str]) -> None:
        self.sandbox = sandbox
        self._wire = _Wire(sandbox)
        self._browser = HttpDriver(self._wire)
        self._browser.open("about:blank", cookies)

    # -- what they do ------------------------------------------------------------------------------

    def go(self, target: str) -> int:
        """Open a page; its status."""
        return self._act("goto", url=target)

    def click(self, role: str, name: str, nth: int = 0) -> int:
        """Click an element (see `find`); the status of what answers."""
        return self._act("click", bid=self.find(role, name, nth).ref)

    def fill(self, role: str, name: str, value: object, nth: int = 0) -> None:
        """Type into a field."""
        self._act("fill", bid=self.find(role, name, nth).ref, value=str(value))

    def choose(self, role: str, name: str, option: str, nth: int = 0) -> None:
        """Choose an option by its label."""
        self._act("select_option", bid=self.find(role, name, nth).ref, options=option)

    def _act(self, action: str, **arguments: str) -> int:
        error = self._browser.act(Action.call(action, **arguments))
        if error and "download" not in error.lower():
            raise LookupError(error)
        return self.status

    def buy(self, product: int) -> None:
        """Put a product in the basket and proceed to the checkout."""
        self.go(f"/catalogue/it_{product}/")
        self.click("button", "Add to basket")
        self.go("/basket/")
        self.click("link", "Proceed to checkout")

    def write_address(self) -> None:
        """Fill in where to ship to, and go on."""
        for name, value in (("First name", "Marta"), ("Last name", "Quill"), ("First line of address", "1 Tannery Row"),
                            ("City", "Kendal"), ("Post/Zip-code", "LA9 4BH")):  # fmt: skip
            self.fill("textbox", name, value)
        self.choose("combobox", "Country", "United Kingdom")
        self.click("button", "Continue")

    def place_order(self) -> None:
        """From what follows the address to the confirmation."""
        if "payment-details" in self.url:
            self.click("link", "Continue")
        self.click("button", "Place order")

    # -- what they see ------------------------------------------------------------------------------

    @property
    def status(self) -> int:
        """Of the last answer."""
        return self._wire.response.status if self._wire.response is not None else 0

    @property
    def body(self) -> str:
        """Of the last answer: what lies in a download, or the source of the page."""
        return self._wire.response.body.decode() if self._wire.response is not None else ""

    @property
    def url(self) -> str:
        """Where they are."""
        return self._browser.observe().url

    @property
    def lines(self) -> tuple[Line, ...]:
        """The elements of the page."""
        return self._browser.observe().lines

    @property
    def text(self) -> str:
        """All names on the page, one a line."""
        return "\n".join(line.name for line in self.lines if line.name)

    def find(self, role: str, name: str, nth: int = 0) -> Line:
        """The `nth` element of a role with this name, or else with one that holds it.

        Raises:
            LookupError: There are fewer.
        """
        having = [line for line in self.lines if line.role == role]
        found = [line for line in having if line.name == name] or [line for line in having if name in line.name]
        if len(found) <= nth:
            raise LookupError(f"no {role} {name!r} at {self.url} (status {self.status})")
        return found[nth]

    def pounds(self, label: str) -> int:
        """The amount beside a label, in pence."""
        text = self.text
        match = re.search(rf"{label}\s*(-?)£([\d,]+)\.(\d\d)", text)
        if match is None:
            raise LookupError(f"no amount beside {label!r} at {self.url}")
        return int(match[2].replace(",", "")) * 100 + int(match[3])

    # -- what the control plane knows -----------------------------------------------------------------

    def rows(self, collection: str, **having: object) -> dict[str, dict[str, Any]]:
        """Rows of the state view with these values."""
        table = self.sandbox.control.state()[collection]
        return {key: row for key, row in table.items() if having.items() <= row.items()}

    def product(self, title: str) -> int:
        """The number of a product."""
        return int(next(iter(self.rows("products", title=title))))

    def stocked(self, kind: str, least: int = 2, most: int = 999) -> int:
        """The number of a product of a kind that is in the shop and in stock."""
        shown = {
            key
            for key, row in self.rows("products", is_public=1, structure="standalone").items()
            if row["class"] == kind
        }
        free = {str(row["product"]): (row["in_stock"] or 0) - row["allocated"] for row in self.rows("stock").values()}
        return int(next(key for key in sorted(shown, key=int) if least <= free[key] <= most))

    def beside(self, login: str) -> Person:
        """Somebody else at the same shop, now."""
        return Person(self.sandbox, self.sandbox.control.sign_in(login))


def arrive(sandbox: Sandbox, login: str | None = None) -> Person:
    """The first person after a reset of `sandbox`."""
    return Person(sandbox, sandbox.control.reset(ResetRequest(login=login)))
