"""One tab of a Chromium, and what a whole session is saved as."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envsim.errors import SandboxTimeout

ACTION_MS = 2_000
"""Longest wait for an element to become clickable."""
LOAD_MS = 15_000
"""Longest wait for a page to load."""


@dataclass(frozen=True)
class SavedTab:
    """One tab as saved: where its history leads, what it shows, what was typed."""

    urls: tuple[str, ...]
    at: int
    source: str
    edits: tuple[Any, ...]


@dataclass(frozen=True)
class Session:
    """A saved browsing session."""

    tabs: tuple[SavedTab, ...]
    active: int
    cookies: tuple[dict[str, Any], ...]
    sources: dict[str, str] = field(repr=False)


class Tab:
    """One Playwright page, and whether it is on its way elsewhere."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.loading = False
        page.set_default_timeout(ACTION_MS)
        page.set_default_navigation_timeout(LOAD_MS)
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("Page.enable")
        self.frame = self.cdp.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.cdp.on("Page.frameRequestedNavigation", self._requested)
        self.cdp.on("Page.frameStoppedLoading", self._stopped)
        self.cdp.on("Page.navigatedWithinDocument", self._stopped)

    def _requested(self, event: Mapping[str, Any]) -> None:
        if event["frameId"] == self.frame and event.get("disposition", "currentTab") == "currentTab":
            self.loading = True

    def _stopped(self, event: Mapping[str, Any]) -> None:
        if event["frameId"] == self.frame:
            self.loading = False

    def settle(self) -> None:
        """Wait until nothing that was set off is still loading."""
        deadline = time.monotonic() + LOAD_MS / 1000
        while True:
            # A navigation set off by what came before is reported before this timer is.
            with contextlib.suppress(Exception):
                self.page.evaluate("() => new Promise(done => setTimeout(done))")
            if not self.loading:
                return
            while self.loading:
                if time.monotonic() > deadline:
                    raise SandboxTimeout(f"The page did not load within {LOAD_MS // 1000} s.")
                self.page.wait_for_timeout(1)

    def history(self) -> tuple[list[str], int]:
        """URLs of the entries, and which one is shown."""
        found = self.cdp.send("Page.getNavigationHistory")
        return [entry["url"] for entry in found["entries"]], found["currentIndex"]


def is_playwright(error: Exception) -> bool:
    """Whether Playwright raised it."""
    # By name: the driver itself imports nothing of an optional extra.
    return type(error).__module__.startswith("playwright")


def is_fatal(error: Exception) -> bool:
    """Whether the page or browser is gone for good."""
    return type(error).__name__ == "TargetClosedError" or "crashed" in str(error)


def first_line(error: Exception) -> str:
    """The gist of an error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
