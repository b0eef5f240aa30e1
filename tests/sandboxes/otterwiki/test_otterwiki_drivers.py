"""The wiki in both page drivers: its stylesheet folds menus away, so a browser shows a part of what the other does."""

from __future__ import annotations

from contextlib import closing

import pytest

from envsim.page.http import HttpDriver
from envsim.page.lines import Line
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.types import Action

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("otterwiki"), pytest.mark.timeout(400)]

SCRIPTED = {"/-/syntax", "/Plants/Leek/edit"}
"""Pages to which scripts add lines: formulas, and the editor."""


def facts(lines: tuple[Line, ...]) -> set[tuple[str, str, str]]:
    return {(line.role, line.name, line.url) for line in lines if line.name != "No file chosen"}


def test_a_browser_shows_nothing_that_the_http_driver_does_not(current: Sandbox, spec: SandboxSpec) -> None:
    from envsim.page.chromium import ChromiumDriver

    cookies = current.control.reset(ResetRequest(seed=5, login=spec.login))
    missing, common = {}, 0
    with closing(HttpDriver(current.transport())) as http, closing(ChromiumDriver(current.transport())) as browser:
        http.open("/", cookies)
        browser.open("/", cookies)
        for page in spec.pages:
            seen = []
            for driver in (http, browser):
                assert driver.act(Action.call("goto", url=page)) == ""
                seen.append(facts(driver.observe().lines))
            common += len(seen[0] & seen[1])
            if page not in SCRIPTED and seen[1] - seen[0]:
                missing[page] = seen[1] - seen[0]
    assert not missing
    assert common > 30 * len(spec.pages)
