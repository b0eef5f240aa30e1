"""Every page of the shop, in both drivers, for each kind of person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from envsim.content import find_app
from envsim.page.chromium import ChromiumDriver
from envsim.page.conformance import walk
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec, load_spec

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

STAFF = "ruth.calloway@larkfield.example"
CATALOGUE = ("/p/", "/c/", "/search")


@pytest.fixture(scope="module")
def spec() -> SandboxSpec:
    return load_spec(find_app("shop") / "sandbox.toml")


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
