"""Every page of the shop, in both drivers, for each kind of person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from envsim.page.chromium import ChromiumDriver
from envsim.page.conformance import Difference, compare, perform, walk
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import ResetRequest, SetupCall
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.types import Action

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

STAFF = "ruth.calloway@larkfield.example"
CATALOGUE = ("/p/", "/c/", "/search")


@pytest.fixture(scope="module")
def spec() -> SandboxSpec:
    return find_spec("shop")


@contextmanager
def opened(spec: SandboxSpec, kind: str, request: ResetRequest) -> Iterator[PageDriver]:
    with closing(InProcessRuntime().start(spec)) as sandbox:
        transport = sandbox.transport()
        driver = HttpDriver(transport) if kind == "http" else ChromiumDriver(transport)
        with closing(driver):
            driver.open("/", sandbox.control.reset(request))
            yield driver


@pytest.mark.parametrize(
    ("login", "bugs", "avoid", "least"),
    [
        (None, "none", ("/admin/",), 330),
        ("maya.thornton@example.com", "none", CATALOGUE, 20),
        (STAFF, "none", (*CATALOGUE, "/admin/products/"), 20),
        (None, "production", ("/admin/",), 20),
    ],
    ids=["guest", "customer", "staff", "guest-bugs"],
)
def test_the_shop_reads_the_same(
    spec: SandboxSpec, login: str | None, bugs: str, avoid: tuple[str, ...], least: int
) -> None:
    request = ResetRequest(seed=3, bugs=spec.select_bugs(bugs), login=login)
    with opened(spec, "http", request) as first, opened(spec, "chromium", request) as second:
        differences, pages = walk(first, second, spec.pages, limit=1_000, avoid=avoid)
        assert not differences, "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in differences[:10])
        assert len(pages) >= least


class Pair:
    """Two drivers led through the same steps; every difference on the way is kept."""

    def __init__(self, first: PageDriver, second: PageDriver) -> None:
        self.first, self.second = first, second
        self.differences: list[Difference] = compare(first, second, "/", "open")
        self.seen: list[str] = []

    def do(self, action: Action) -> None:
        where = self.first.observe().url
        self.differences += perform(self.first, self.second, action, where)
        self.seen.append(self.first.observe().url.partition("?")[0])

    def goto(self, url: str) -> None:
        self.do(Action.call("goto", url=url))

    def click(self, name: str) -> None:
        self.do(Action.call("click", bid=self.ref(name)))

    def fill(self, name: str, value: str) -> None:
        self.do(Action.call("fill", bid=self.ref(name), value=value))

    def ref(self, name: str) -> str:
        lines = self.first.observe().lines
        return next(line.ref for line in lines if line.ref and line.name.startswith(name))

    def check(self) -> None:
        assert not self.differences, "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in self.differences[:5])


def check_out(pair: Pair) -> None:
    """From the cart to the order, with a mistake in every form that allows one."""
    pair.goto("/cart")
    pair.goto("/checkout")
    pair.click("Use a new address")
    pair.fill("Full name", "Maya Thornton")
    pair.click("Ship to the new address")  # the browser asks for what is missing
    for label, value in [("Street", "1 Elm St"), ("City", "Bend"), ("State", "OR"), ("ZIP", "nonsense")]:
        pair.fill(label, value)
    pair.click("Ship to the new address")  # the shop may refuse it
    pair.goto("/checkout/address")
    pair.click("Ship to this address")
    pair.click("Express")
    pair.click("Back to address")
    pair.click("Ship to this address")
    pair.click("Continue to payment")
    pair.click("Continue to review")  # a card without a number
    pair.click("Pay by invoice")
    pair.click("Continue to review")
    pair.click("Change payment")
    pair.goto("/checkout/review")
    pair.click("Place order")


@pytest.mark.parametrize(
    ("bug", "status", "last"),
    [("none", "Thank you", "/checkout/done/"), ("checkout-503", "Service unavailable", "/checkout/place"),
     ("place-timeout", "The server did not answer in time", "/checkout/place")],
)  # fmt: skip
def test_the_checkout_reads_the_same(spec: SandboxSpec, bug: str, status: str, last: str) -> None:
    bugs = {} if bug == "none" else {bug: 1.0}
    line: SetupCall = {"tool": "add_to_cart", "arguments": {"sku": "LI121-1", "qty": 2}}
    request = ResetRequest(seed=3, bugs=bugs, login=spec.login, setup=[line])
    with opened(spec, "http", request) as first, opened(spec, "chromium", request) as second:
        pair = Pair(first, second)
        check_out(pair)
        assert {f"/checkout/{step}" for step in ("address", "shipping", "payment", "review")} <= set(pair.seen)
        assert pair.seen[-1].startswith(last)
        assert any(line.name.startswith(status) for line in first.observe().lines)
        if bugs:
            pair.click("Try again")
            pair.do(Action.call("go_back"))
        pair.goto("/account/orders")
        pair.goto("/cart")
        pair.check()


def test_the_back_offices_products_read_the_same(spec: SandboxSpec) -> None:
    request = ResetRequest(seed=3, login=STAFF)
    with opened(spec, "http", request) as first, opened(spec, "chromium", request) as second:
        pair = Pair(first, second)
        pair.goto("/admin/products")
        links = [line.url for line in first.observe().lines if line.url.startswith("/admin/products/")]
        assert len(links) >= 3
        for url in (links[0], links[len(links) // 2], links[-1]):
            pair.goto(url)
            pair.fill("Price", "nonsense")
            pair.do(Action.call("press", bid=pair.ref("Price"), key_comb="Enter"))
            pair.goto(url)
            pair.fill("Price", "12.50")
            pair.do(Action.call("press", bid=pair.ref("Price"), key_comb="Enter"))
        pair.check()
