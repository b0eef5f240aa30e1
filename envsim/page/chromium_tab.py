"""One tab of a Chromium, and what a whole session is saved as."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from envsim.errors import SandboxTimeout
from envsim.page import probe
from envsim.page.dom import Element
from envsim.page.fetched import USER_AGENT

BLANK = "about:blank"
ACTION_MS = 2_000
"""Longest wait for an element to become clickable."""
LOAD_MS = 15_000
"""Longest wait for a page to load."""
LEAVING_MS = 25
"""How long a page that is being left is waited in, before it is asked every millisecond whether it still is."""


EMPTY = "/.empty"
"""A page of the app's origin that no app has: where a saved session's storage is filled before any script runs."""
EDITING = frozenset({"click", "dblclick", "fill", "clear", "select_option", "press"})
"""Primitives that may change a form."""
GONE = "The element is no longer on the page; look again."
CONTEXT: Mapping[str, Any] = {
    "viewport": {"width": 1280, "height": 720},
    "locale": "en-US",
    "timezone_id": "UTC",
    "reduced_motion": "reduce",
    "service_workers": "block",
    "user_agent": USER_AGENT,
    "accept_downloads": False,
}
"""What every browsing session is like."""


@dataclass(frozen=True)
class SavedTab:
    """One tab as saved: where its history leads, what it shows, what was typed here and on the pages before.

    `past` holds what was typed by place in the history; `storage` is the tab's ``sessionStorage``.
    """

    urls: tuple[str, ...]
    at: int
    source: str
    edits: tuple[Any, ...]
    past: dict[int, list[Any]]
    storage: dict[str, str]


@dataclass(frozen=True)
class Session:
    """A saved browsing session; `storage` is its ``localStorage``."""

    tabs: tuple[SavedTab, ...]
    active: int
    cookies: tuple[dict[str, Any], ...]
    sources: dict[str, str] = field(repr=False)
    posted: frozenset[str] = frozenset()
    storage: dict[str, str] = field(default_factory=dict, repr=False)


class Tab:
    """One Playwright page, and whether it is on its way elsewhere."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.loading = False
        self.edits: dict[int, list[Any]] = {}
        """What was typed, by the browser's id of the entry in the history."""
        self._entry: int | None = None
        """That id of the page now shown; None where it is to be asked for."""
        page.set_default_timeout(ACTION_MS)
        page.set_default_navigation_timeout(LOAD_MS)
        self.cdp = page.context.new_cdp_session(page)
        self.cdp.send("Page.enable")
        self.frame = self.cdp.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self.cdp.on("Page.frameRequestedNavigation", self._requested)
        self.cdp.on("Page.frameStoppedLoading", self._stopped)
        self.cdp.on("Page.navigatedWithinDocument", self._stopped)
        self.cdp.on("Page.navigatedWithinDocument", self._moved)
        self.cdp.on("Page.frameNavigated", self._moved)

    def _requested(self, event: Mapping[str, Any]) -> None:
        if event["frameId"] == self.frame and event.get("disposition", "currentTab") == "currentTab":
            self.loading = True

    def _stopped(self, event: Mapping[str, Any]) -> None:
        if event["frameId"] == self.frame:
            self.loading = False

    def _moved(self, event: Mapping[str, Any]) -> None:
        self._entry = None

    def settle(self) -> None:
        """Wait until nothing that was set off is still loading."""
        deadline = time.monotonic() + LOAD_MS / 1000
        while True:
            # A navigation set off by what came before is reported before this timer is.
            with contextlib.suppress(Exception):
                self.page.evaluate(probe.TURN)
            if not self.loading:
                return
            # Asking takes time off the browser. Waiting in the page ends when that page does, or has loaded.
            patience = LEAVING_MS
            while self.loading:
                if time.monotonic() > deadline:
                    raise SandboxTimeout(f"The page did not load within {LOAD_MS // 1000} s.")
                with contextlib.suppress(Exception):
                    self.page.evaluate(probe.LOADED, patience)
                patience = 1

    def history(self) -> tuple[list[str], int]:
        """URLs of the entries, and which one is shown."""
        entries, at = self._entries()
        return [entry["url"] for entry in entries], at

    def _entries(self) -> tuple[list[dict[str, Any]], int]:
        found = self.cdp.send("Page.getNavigationHistory")
        return found["entries"], found["currentIndex"]

    def keep_edits(self, edits: list[Any]) -> None:
        """Note what is typed on this page: the browser brings it back on the way back, but tells nobody."""
        if not edits and not self.edits:
            return
        # A page that just went elsewhere has nothing to keep; that the action worked is not to be doubted for it.
        with contextlib.suppress(Exception):
            if self._entry is None:
                entries, at = self._entries()
                self._entry = entries[at]["id"]
            self.edits[self._entry] = edits

    def save(self, source_of: Callable[[str], str | None]) -> SavedTab:
        """All of it; `source_of` gives the HTML behind a URL, None for one that a script made up."""
        entries, at = self._entries()
        past = {i: self.edits[entry["id"]] for i, entry in enumerate(entries) if i != at and entry["id"] in self.edits}
        urls = tuple(entry["url"] for entry in entries)
        edits = tuple(self.page.evaluate(probe.SAVE))
        # A URL made up by `history.pushState` is of the document that was there.
        source = next((found for url in urls[at::-1] if (found := source_of(url)) is not None), "")
        return SavedTab(urls, at, source, edits, past, self.stored("sessionStorage"))

    def load(self, saved: SavedTab, sources: dict[str, str], target: Callable[[str], str]) -> None:
        """Walk the saved history again.

        Args:
            saved: What to return to.
            sources: Target -> HTML, from which pages are answered meanwhile.
            target: The target of a URL.
        """
        for at, url in enumerate(saved.urls):
            if url != BLANK:
                if at:
                    sources.setdefault(target(url), sources.get(target(saved.urls[at - 1]), ""))
                self.page.goto(url, wait_until="load")
            if at == 0:
                self.cdp.send("Page.resetNavigationHistory")
            if at in saved.past:
                self.page.evaluate(probe.RESTORE, [list(edit) for edit in saved.past[at]])
        sources[target(saved.urls[saved.at])] = saved.source
        for _ in range(len(saved.urls) - 1 - saved.at):
            self.page.go_back(wait_until="load")
        self.page.evaluate(probe.RESTORE, [list(edit) for edit in saved.edits])
        entries, _ = self._entries()
        edited = {**saved.past, saved.at: [list(edit) for edit in saved.edits]}
        # A page that followed itself in the history takes its own place when it is opened by its address.
        self.edits = {entries[at]["id"]: edits for at, edits in edited.items() if at < len(entries)}

    def stored(self, storage: str) -> dict[str, str]:
        """What the page's scripts have put into ``localStorage`` or ``sessionStorage``; nothing on a page of no app."""
        return dict(self.page.evaluate(probe.STORED, storage))

    def store(self, local: Mapping[str, str], session: Mapping[str, str]) -> None:
        """Fill both storages, and drop what was in them; does nothing on a page of no app."""
        for name, values in (("localStorage", local), ("sessionStorage", session)):
            self.page.evaluate(probe.STORE, [name, dict(values)])


def index_of(element: Element) -> int:
    """Where `probe.PROBE` found `element`; -1 for one that it did not mark."""
    return int(element.live.get("index", "-1"))


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
