"""Recording a session in a real browser: what a person, or a script, does there, as steps of a trace.

Actions are the primitives agents have (see `envsim.page.primitives`), with refs of the page they were made on; pages
are the lines the drivers print. The browser is one of its own and reaches whatever it is sent to, unlike the
drivers', which reach one app and nothing else.

What happens is told by the page itself (`envsim.page.record_script`); what the browser does by itself, opening an
address or going back, by the way a page arrives. A step is handed on as soon as the page after its action is known:
when the next action begins, or when the page has been at rest for a moment.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from envsim.errors import ContentError
from envsim.page import probe
from envsim.page.chromium_tab import first_line
from envsim.page.dom import parse
from envsim.page.har import Exchange, localised
from envsim.page.lines import format_lines, without_focus
from envsim.page.record_browser import launch
from envsim.page.record_network import NetworkWatch, origin_of
from envsim.page.record_script import BINDING, SCRIPT
from envsim.page.snapshot import Page, snapshot
from envsim.page.urls import resolve
from envsim.trace import Step
from envsim.types import Action, Observation

REST_S = 0.4
"""How long nothing happens before a page counts as what followed from an action."""
PUMP_MS = 50


class Sink(Protocol):
    """Where a recording goes, step by step."""

    def step(self, step: Step) -> None:
        """Keep one step."""
        ...

    def exchange(self, exchange: Exchange) -> None:
        """Keep what was exchanged with the app."""
        ...

    def secret(self, value: str, field: str) -> None:
        """Note that `value` was typed into a password field of this name, before anything is kept that holds it."""
        ...


@dataclass
class _Tab:
    """One open page: where its history leads, and whether the page itself asked for what comes next."""

    page: Any
    urls: list[str]
    at: int = -1
    asked: bool = False
    left: str = ""
    """The page as it was when it was left, as HTML."""
    left_from: str = ""
    latest: str = ""


class Recording:
    """A browser whose user is watched. Use as a context manager, from one thread.

    Attributes:
        page: Playwright's page, for scripts; people use the window.
        lost: What could not be recorded, as `envsim.ingest.records.Losses` counts it.

    Args:
        url: Where it begins; its host is the app, and only what is exchanged with it is kept.
        sink: Where it goes.
        headless: No window: a script uses `page`.

    Raises:
        ContentError: `url` is no http address, or nothing answers there.
        PrerequisiteError: No Chromium, no Playwright, or no screen for a window.
    """

    def __init__(self, url: str, sink: Sink, *, headless: bool = False) -> None:
        self.origin = origin_of(url)
        self.lost: Counter[str] = Counter()
        self._sink = sink
        self._written = 0
        self._last = Observation()
        self._pending: Step | None = None
        self._answered = False
        """Whether a page has arrived since the pending step began."""
        self._since = 0.0
        self._tabs: list[_Tab] = []
        self._active = 0
        self._playwright, self._browser = launch(headless)
        self._context: Any = None
        try:
            self._context = self._browser.new_context(
                viewport={"width": 1280, "height": 720} if headless else None, no_viewport=not headless or None
            )
            self._network = NetworkWatch(self._context, self.origin, sink.exchange, lambda: self._index, self.lost)
            self._context.expose_binding(BINDING, self._told)
            self._context.add_init_script(SCRIPT)
            self._context.on("page", self._opened)
            if not headless:
                # Without a listener Playwright answers dialogs itself; a person should.
                self._context.on("dialog", lambda dialog: None)
            self.page = self._context.new_page()
            self._go(url)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.finish()

    @property
    def open(self) -> bool:
        """Whether there is still a page to use."""
        return bool(self._tabs) and self._browser.is_connected()

    def pump(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Record until `stop` says so or the last page is closed."""
        while self.open and not stop():
            with contextlib.suppress(Exception):
                self._tabs[min(self._active, len(self._tabs) - 1)].page.wait_for_timeout(PUMP_MS)
            self.rest()

    def rest(self) -> None:
        """Hand on the step whose page has come to rest, if there is one."""
        if time.monotonic() - self._since <= REST_S:
            return
        if self._pending is None:
            self._network.flush()  # what a page at rest asks for by itself
        elif seen := self._look():
            self._complete(seen)

    def finish(self) -> None:
        """Hand on what is known of the last step and close the browser; safe to call twice."""
        if self._context is not None:
            with contextlib.suppress(Exception):
                # What was typed last is told when the page is left.
                self._tabs[self._active].page.evaluate("() => document.activeElement?.blur()")
            self._network.settle()
            if self._pending is not None:
                latest = self._tabs[self._active].latest if self._tabs else ""
                self._complete(self._look() or self._observe(latest, self._last.url))
            self._network.flush()
        self.close()

    def close(self) -> None:
        """Close the browser and hand on nothing more; safe to call twice."""
        context, self._context = self._context, None
        if context is None and self._playwright is None:
            return
        for ending in (getattr(context, "close", None), self._browser.close, self._playwright.stop):
            with contextlib.suppress(Exception):
                if ending is not None:
                    ending()
        self._playwright = None

    # -- tabs and navigation ----------------------------------------------------------------------------

    @property
    def _index(self) -> int:
        """Of the step that what happens now belongs to."""
        return self._written if self._pending is not None else max(self._written - 1, 0)

    def _go(self, url: str) -> None:
        self._begin(None)
        try:
            self.page.goto(url, wait_until="load")
            # The page tells that it has arrived once its load handlers have run.
            self.page.wait_for_timeout(PUMP_MS)
        except Exception as error:
            raise ContentError(
                f"{url} cannot be opened: {first_line(error)}. Check the address, and that the app is up."
            ) from None

    def _opened(self, page: Any) -> None:
        tab = _Tab(page, [])
        self._tabs.append(tab)
        if len(self._tabs) > 1:
            with contextlib.suppress(Exception):
                if page.opener() is None:
                    self._begin(Action.call("new_tab"))
            self._active = len(self._tabs) - 1
        page.on("close", lambda _: self._closed(tab))
        try:
            self._watch(tab)
        except Exception:
            # Told by a page that was closed meanwhile, as the first one is where nothing answers.
            if self._context is not None and not page.is_closed():
                raise

    def _watch(self, tab: _Tab) -> None:
        session = self._context.new_cdp_session(tab.page)
        session.send("Page.enable")
        # Going back asks the app again, as it does in every driver: what is recorded is what the app answered.
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on("Page.frameRequestedNavigation", lambda event: setattr(tab, "asked", True))

    def _closed(self, tab: _Tab) -> None:
        if tab not in self._tabs:
            return
        at = self._tabs.index(tab)
        if at == self._active and self._pending is not None:
            self._complete(self._observe(tab.left or tab.latest, tab.left_from))
        self._tabs.remove(tab)
        if self._tabs and self._context is not None:
            self._focus(at if at == self._active else self._active)
            self._begin(Action.call("tab_close"), tab.left or tab.latest, tab.left_from)
        self._active = min(self._active, max(len(self._tabs) - 1, 0))

    def _focus(self, at: int) -> None:
        if at != self._active:
            self._begin(Action.call("tab_focus", index=at))
            self._active = at

    def _arrived(self, tab: _Tab, url: str, how: str) -> None:
        """A page is there: what followed from the last action, or an action of the browser's own."""
        asked, tab.asked = tab.asked, False
        where = self._where(url)
        if not tab.urls:
            tab.urls, tab.at = [where], 0
            if len(self._tabs) > 1 and not asked and self._pending is None:
                self._browsed(Action.call("goto", url=where), tab)
            self._answered = True
            return
        back = how == "back_forward"
        # A script that goes back says nothing of it beforehand, but follows from what was just done.
        asked = self._pending is not None and not self._answered and not asked if back else asked
        if back and tab.at > 0 and tab.urls[tab.at - 1] == where:
            tab.at, action = tab.at - 1, Action.call("go_back")
        elif back and tab.urls[tab.at + 1 : tab.at + 2] == [where]:
            tab.at, action = tab.at + 1, Action.call("go_forward")
        else:
            if how != "reload" or tab.urls[tab.at] != where:
                tab.urls[tab.at + 1 :] = [where]
                tab.at += 1
            action = Action.call("goto", url=where)
        if not asked:
            self._browsed(action, tab)
        self._answered = True

    def _browsed(self, action: Action, tab: _Tab) -> None:
        """The browser itself went somewhere: an action that shows only now, after its page was asked for."""
        self._network.holds = True
        self._begin(action, tab.left, tab.left_from)
        self._network.navigated(self._written)
        self._network.holds = False

    # -- what the page tells ------------------------------------------------------------------------------

    def _told(self, source: Any, message: dict[str, Any]) -> None:
        kind, page = message["kind"], source["page"]
        tab = next((tab for tab in self._tabs if tab.page is page), None)
        if kind == "framed":
            self.lost["actions inside frames"] += 1
        elif tab is None or not str(message.get("url", "")).startswith("http"):
            return
        elif kind == "leaving":
            tab.left, tab.left_from = message["html"], self._where(message["url"])
        elif kind == "arrived":
            self._arrived(tab, message["url"], message["how"])
            self._since = time.monotonic()
        elif kind == "loaded":
            tab.latest = tab.left = message["html"]
            tab.left_from, self._since = self._where(message["url"]), time.monotonic()
        else:
            self._focus(self._tabs.index(tab))
            self._acted(kind, message, tab)

    def _acted(self, kind: str, message: dict[str, Any], tab: _Tab) -> None:
        where = self._where(message["url"])
        if message.get("secret"):
            self._sink.secret(message["value"], message["field"])
        page = self._page(message["html"], where)
        index = {element.live.get("index", ""): ref for ref, element in page.elements.items()}
        ref = next((index[str(at)] for at in message["path"] if str(at) in index), "")
        action = _action(kind, ref, message)
        # A script may set a field without going there first: then the page before is the one last known.
        before = tab.latest if message["late"] and "after" in message and tab.latest else message["html"]
        self._begin(action, before, where)
        if action is None and self._pending is not None:
            raw = f'{kind} "{message["named"]}"' if message["named"] else kind
            self._pending = self._pending.model_copy(update={"raw": raw})
            self.lost["actions on what no ref names"] += 1
        if "after" in message:
            tab.latest = message["after"]
            self._complete(self._observe(tab.latest, where))

    # -- steps ----------------------------------------------------------------------------------------------

    def _begin(self, action: Action | None, before: str = "", url: str = "") -> None:
        """An action begins: what was seen before it is what followed from the last."""
        if before:
            seen = self._observe(before, url or self._last.url)
            if self._pending is not None:
                self._complete(seen)
            elif _shows(seen) != _shows(self._last):
                # The page changed by itself after it had come to rest.
                self._pending = Step(index=self._written, action=Action.call("noop"), observation=seen)
                self._complete(seen)
        elif self._pending is not None:
            self._complete(self._look() or self._last)
        self._pending = Step(index=self._written, action=action, observation=Observation())
        self._since = time.monotonic()
        self._answered = False

    def _complete(self, seen: Observation) -> None:
        step, self._pending = self._pending, None
        if step is not None:
            self._sink.step(step.model_copy(update={"observation": seen}))
            self._written += 1
            self._last = seen
            self._network.flush()

    def _look(self) -> Observation | None:
        """The active page as it is; None where it cannot be asked."""
        try:
            page = self._tabs[self._active].page
            found = page.evaluate(f"() => ({probe.SNAPSHOT})().html")
            return self._observe(found, self._where(page.url))
        except Exception:
            return None

    def _observe(self, html: str, url: str) -> Observation:
        page = self._page(html, url)
        return Observation(url=page.url, title=page.title, page=format_lines(page.lines))

    def _page(self, html: str, url: str) -> Page:
        return snapshot(parse(localised(html, self.origin), live=True), url)

    def _where(self, url: str) -> str:
        """An address as the app's pages write it: without the host if it is the app's."""
        inside = url.startswith(self.origin) and url[len(self.origin) :][:1] in ("", "/", "?", "#")
        return resolve(url[len(self.origin) :] or "/") if inside else url


def _shows(seen: Observation) -> tuple[str, str]:
    return seen.url, without_focus(seen.page)


def _action(kind: str, ref: str, message: dict[str, Any]) -> Action | None:
    if not ref:
        return None
    if kind == "fill":
        return Action.call("fill", bid=ref, value=message["value"])
    if kind == "select":
        chosen = message["options"]
        options = chosen if message["many"] or not chosen else chosen[0]
        return Action.call("select_option", bid=ref, options=options)
    if kind == "press":
        return Action.call("press", bid=ref, key_comb=message["key"])
    if kind == "click":
        more = {"button": "middle"} if message["button"] == "middle" else {}
        more |= {"modifiers": message["modifiers"]} if message["modifiers"] else {}
        return Action.call("click", bid=ref, **more)
    return None
