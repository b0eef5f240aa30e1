"""A browser holds so many sessions and no more: the next one waits for a place."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from envsim.errors import PrerequisiteError
from envsim.guest.kit import Asgi
from envsim.page import browser
from envsim.page.chromium import ChromiumDriver
from envsim.page.transport import AsgiTransport
from envsim.types import Action


def test_how_many_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(browser.CONTEXTS_ENV, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert browser.max_contexts() == 12
    monkeypatch.setenv(browser.CONTEXTS_ENV, "0")
    assert browser.max_contexts() == 1
    monkeypatch.setenv(browser.CONTEXTS_ENV, "many")
    with pytest.raises(PrerequisiteError, match="ENVSIM_CHROMIUM_CONTEXTS=many is not a number"):
        browser.max_contexts()


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's browser with a single place."""
    shared = browser.shared()
    monkeypatch.setattr(shared, "limit", 1)
    monkeypatch.setattr(shared, "places", threading.BoundedSemaphore(1))


@pytest.mark.browser
@pytest.mark.xdist_group("chromium")
def test_who_finds_no_place_waits_for_one(
    site: Asgi, one_place: browser.Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(ChromiumDriver(AsgiTransport(site))) as second:
        with closing(ChromiumDriver(AsgiTransport(site))) as first:
            first.open("/", {})
            first.open("/fields", {})  # the place is its own until it closes
            token = first.save()
            monkeypatch.setattr(browser, "PLACE_S", 0.05)
            with pytest.raises(PrerequisiteError, match=r"has 1 browser sessions open"):
                second.open("/", {})
            monkeypatch.setattr(browser, "PLACE_S", 30.0)
            waiting = threading.Thread(target=second.load, args=(token,))
            waiting.start()
            waiting.join(0.05)
            assert waiting.is_alive()
            assert first.act(Action.call("noop")) == ""
        waiting.join(30)
        assert not waiting.is_alive()
        assert "Fields" in [line.name for line in second.observe().lines]
    first.close()  # twice is once
    with closing(ChromiumDriver(AsgiTransport(site))) as third:
        third.open("/", {})
        assert third.observe().lines
