"""The shop in both drivers: what Chromium shows on the pages for customers, the http driver shows too."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

import pytest

from envsim.page.chromium import ChromiumDriver
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.types import Action

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("oscar"), pytest.mark.timeout(300)]

CUSTOMER = "ada.merriweather@example.com"
PAGES = (
    "/catalogue/", "/catalogue/it_1/", "/catalogue/it_235/", "/catalogue/category/books_26/", "/offers/",
    "/search/?q=ink", "/basket/", "/about/", "/accounts/", "/accounts/profile/edit/", "/accounts/orders/",
    "/accounts/addresses/1/", "/accounts/notifications/inbox/", "/accounts/change-password/",
)  # fmt: skip


def shown(driver: PageDriver) -> Counter[tuple[str, str, str, str | None]]:
    return Counter((line.role, line.name, line.url, line.value) for line in driver.observe().lines)


def test_the_http_driver_shows_what_chromium_shows_and_the_menus_it_hides(shop, spec) -> None:
    # Bootstrap's styles hide menus until they are opened, and buttons that only narrow screens have.
    one = shop(spec.default_variant)
    with closing(ProcessRuntime().start(one.spec)) as two:
        request = ResetRequest(seed=5, login=CUSTOMER)
        cookies = [sandbox.control.reset(request) for sandbox in (one, two)]
        with closing(HttpDriver(one.transport())) as http, closing(ChromiumDriver(two.url())) as chromium:
            http.open(PAGES[0], cookies[0])
            chromium.open(PAGES[0], cookies[1])
            differing = {}
            for page in PAGES:
                for driver in (http, chromium):
                    assert driver.act(Action.call("goto", url=page)) == ""
                assert http.observe().title == chromium.observe().title
                if only := shown(chromium) - shown(http):
                    differing[page] = sorted(only, key=str)
                assert len(chromium.observe().lines) > 0.5 * len(http.observe().lines)
            assert differing == {}
