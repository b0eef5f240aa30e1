"""The forum in both page drivers: alike, but for how far somebody has read, which only a script reports, and a trap.

The trap is a field for bots on the page to register, "Leave blank", which a stylesheet hides from browsers.
"""

from __future__ import annotations

import contextlib
from contextlib import closing

import pytest

from envsim.page.conformance import walk
from envsim.page.http import HttpDriver
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import find_spec

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("spirit"), pytest.mark.timeout(400)]

SPEC = find_spec("spirit")


@pytest.mark.parametrize(
    ("login", "avoid"),
    [(None, ("/user/register/",)), ("goran.garba@example.com", ("/topic/", "/comment/", "/user/logout"))],
    ids=["guest", "member"],
)
def test_both_drivers_read_every_page_alike(login: str | None, avoid: tuple[str, ...]) -> None:
    from envsim.page.chromium import ChromiumDriver

    with contextlib.ExitStack() as stack:
        drivers = []
        for driver in (HttpDriver, ChromiumDriver):
            sandbox = stack.enter_context(closing(ProcessRuntime().start(SPEC)))
            drivers.append(stack.enter_context(closing(driver(sandbox.transport()))))
            drivers[-1].open("/", sandbox.control.reset(ResetRequest(seed=5, login=login)))
        differences, opened = walk(*drivers, (page for page in SPEC.pages if page not in avoid), limit=16, avoid=avoid)
    assert not differences, "\n".join(f"{d.page} {d.action}\n{d.detail}" for d in differences[:5])
    assert len(opened) == 16
