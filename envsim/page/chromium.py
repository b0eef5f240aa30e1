"""A real browser, printing the same lines as the http driver for the same page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from envsim.errors import ActionError, SandboxLost, SandboxTimeout, UncertainError
from envsim.page import browser as browsers
from envsim.page import chromium_tab as tabs
from envsim.page import controls, fetched, forms, probe
from envsim.page.chromium_tab import ACTION_MS, BLANK, Session, Tab, first_line, is_fatal, is_playwright
from envsim.page.dom import Document, Element, parse
from envsim.page.driver import BaseDriver
from envsim.page.proxy import AppProxy
from envsim.page.snapshot import Page, snapshot
from envsim.page.transport import SocketTransport, Transport
from envsim.page.urls import ORIGIN, inside, resolve, without_fragment
from envsim.types import Action

MAX_WAIT_MS = 1_000
"""Longest that `noop` waits."""


class ChromiumDriver(BaseDriver):
    """Implements `PageDriver` with Playwright over a Chromium found on this machine.

    The browser reaches the app and nothing else (see `AppProxy`). Scripts run, styles apply. All drivers of a process
    share one browser; one too many waits for another to close, see `browser.Place`.

    Args:
        app: Base URL of the app (``http://127.0.0.1:PORT``), or a transport that reaches it.

    Raises:
        PrerequisiteError: No Chromium, or no Playwright.
    """

    def __init__(self, app: str | Transport) -> None:
        super().__init__()
        self._browser = browsers.shared()
        self._proxy = AppProxy(SocketTransport(base_url=app) if isinstance(app, str) else app)
        self._context: Any = None
        self._place = browsers.Place(self._browser)
        self._open_tabs: list[Tab] = []
        self._active = 0
        self._seen: Page | None = None
        self._parsed = parse("")
        self._nodes: Any = None
        self._edited = False

    # -- PageDriver: each hands its work to the browser's thread ----------------------------------

    @property
    def requests(self) -> int:
        """See `PageDriver.requests`. Counts what styles, images and scripts ask for too."""
        return self._proxy.requests

    def open(self, target: str, cookies: Mapping[str, str]) -> None:
        """See `PageDriver.open`."""
        self._place.take()
        self._call(lambda browser: self._start(browser, resolve(target), cookies))

    def act(self, action: Action) -> str:
        """See `PageDriver.act`."""
        return str(self._call(lambda _: self._carry_out(action)))

    def observe(self) -> Page:
        """See `PageDriver.observe`."""
        seen = self._seen
        return seen if seen is not None else self._call(lambda _: self._look())

    def save(self) -> object:
        """See `PageDriver.save`."""
        return self._call(lambda _: self._save())

    def load(self, token: object) -> None:
        """See `PageDriver.load`. What scripts changed on a page beyond its form fields is not restored.

        Raises:
            UncertainError: Not a token of this kind of driver.
        """
        if not isinstance(token, Session):
            raise UncertainError("This is not a session saved by the chromium driver. Save one with save().")
        self._place.take()
        self._call(lambda browser: self._load(browser, token))

    def screenshot(self) -> bytes | None:
        """See `PageDriver.screenshot`: the viewport, 1280 x 720 pixels."""
        return bytes(self._call(lambda _: self._page_now.screenshot(animations="disabled", caret="hide")))

    def close(self) -> None:
        """See `PageDriver.close`."""
        context, self._context = self._context, None
        self._open_tabs, self._seen, self._nodes = [], None, None
        if context is not None and self._browser.alive:
            with contextlib.suppress(Exception):
                self._browser.call(lambda _: context.close())
        self._place.give_back()
        self._proxy.close()

    def _call(self, work: Any) -> Any:
        try:
            return self._browser.call(work)
        except (ActionError, SandboxLost, SandboxTimeout, UncertainError):
            raise
        except Exception as error:
            if is_playwright(error):
                raise SandboxLost(f"Chromium failed: {first_line(error)}. Reset the environment.") from error
            raise

    # -- on the browser's thread --------------------------------------------------------------------

    @property
    def _page_now(self) -> Any:
        return self._open_tabs[self._active].page

    @property
    def _tab(self) -> Tab:
        return self._open_tabs[self._active]

    def _start(self, browser: Any, target: str, cookies: Mapping[str, str]) -> None:
        self._fresh(browser)
        if cookies:
            self._context.add_cookies([{"name": k, "value": v, "url": ORIGIN + "/"} for k, v in cookies.items()])
        self._go(target)
        self._tab.cdp.send("Page.resetNavigationHistory")

    def _fresh(self, browser: Any) -> None:
        """A session without cookies, storage or history."""
        self._seen, self._nodes = None, None
        self._proxy.sources.clear()
        self._proxy.posted.clear()
        self._proxy.notices.clear()
        if self._context is None:
            self._context = browser.new_context(proxy={"server": self._proxy.url}, **tabs.CONTEXT)
            self._context.on("dialog", lambda dialog: dialog.dismiss())
        old = self._context.pages
        if self._open_tabs:
            self._context.clear_cookies()
            self._open_tabs[0].cdp.send("Storage.clearDataForOrigin", {"origin": ORIGIN, "storageTypes": "all"})
        self._open_tabs = [Tab(self._context.new_page())]
        self._active = 0
        for page in old:
            page.close()

    def _go(self, url: str) -> str:
        try:
            self._page_now.goto(ORIGIN + url if url.startswith("/") else url, wait_until="load")
        except Exception as error:
            if "net::ERR_ABORTED" not in str(error):
                raise
        self._tab.settle()
        return self._notice()

    def _notice(self) -> str:
        notices, self._proxy.notices = self._proxy.notices, []
        return notices[-1] if notices else ""

    def _carry_out(self, action: Action) -> str:
        if not self._open_tabs:
            raise UncertainError("The driver has no page yet. Call open() first.")
        try:
            notice = super().act(action)
            self._edited = action.name in tabs.EDITING
            return notice
        except Exception as error:
            if not is_playwright(error) or is_fatal(error):
                raise
            # The page was in the way, e.g. it replaced the element meanwhile: the agent may try again.
            return f"{action.name}() could not be carried out: {first_line(error)}"
        finally:
            self._seen = None
            self._proxy.repeat = 1

    def _look(self) -> Page:
        for attempt in range(3):
            try:
                if attempt or self._tab.loading:
                    self._tab.settle()
                seen = self._read()
                if attempt == 2 or not self._tab.loading:
                    return seen
            except (SandboxTimeout, UncertainError):
                raise
            except Exception:
                # The page went elsewhere while it was read.
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def _read(self) -> Page:
        url = self._page_now.url
        if not inside(resolve(url)):
            self._tab.settle()
            url = self._page_now.url
        if url == BLANK:
            self._parsed, self._nodes = parse(""), None
            self._seen = Page(url=BLANK)
            return self._seen
        if url.startswith("chrome-error:"):
            urls, at = self._tab.history()
            url = resolve(urls[at])
            self._parsed, self._nodes = parse(fetched.fault_page("reset" if inside(url) else "outside")), None
        else:
            handle = self._page_now.evaluate_handle(probe.PROBE)
            source, edits = handle.evaluate(probe.READ)
            self._parsed, self._nodes = parse(source, live=True), handle
            if self._edited:
                self._edited = False
                self._tab.keep_edits(edits)
        self._seen = snapshot(self._parsed, resolve(url))
        return self._seen

    def _document(self) -> Document:
        return self._parsed

    def _node(self, element: Element) -> Any:
        handle = self._nodes.evaluate_handle(probe.NODE, tabs.index_of(element)) if self._nodes else None
        node = handle.as_element() if handle is not None else None
        if node is None:
            raise ActionError(tabs.GONE)
        return node

    def _try(self, what: str, work: Any) -> None:
        try:
            work()
        except Exception as error:
            if type(error).__name__ != "TimeoutError":
                raise
            raise ActionError(f"The element could not be {what}: something covers it, or it is not visible.") from None

    def _click(self, element: Element, *, new_tab: bool, double: bool) -> str:
        if new_tab:
            self._node(element)
            return self._background(element)
        attrs = element.attrs
        navigates = "href" in attrs or forms.submitter_of(element)
        form = controls.form_of(element, self._parsed) if navigates and "href" not in attrs else None
        target = attrs.get("formtarget") or (
            form.attrs.get("target", "") if form is not None else attrs.get("target", "")
        )
        if double and navigates:
            # The second click of a double click sends the same request again, before the first is answered.
            self._proxy.repeat = 2
        box = attrs.get("type", "").lower() in ("checkbox", "radio")
        self._press_mouse(element, times=2 if double and not navigates else 1, box=box)
        if navigates and target.lower() == "_blank":
            self._adopt()
        self._tab.settle()
        self._proxy.repeat = 1
        return self._notice()

    def _press_mouse(self, element: Element, *, times: int, box: bool) -> None:
        found = self._nodes.evaluate(probe.PLACE, tabs.index_of(element)) if self._nodes else None
        if found is None:
            raise ActionError(tabs.GONE)
        if found[0] is not None:
            self._page_now.mouse.click(*found[0], click_count=times)
            return
        node = self._node(element)
        if box and node.is_visible():
            # A box that is drawn by its label lies under it: clicking the label does the same.
            for _ in range(times):
                node.evaluate("node => { node.focus(); node.click(); }")
        else:
            # Playwright waits, in case whatever covers it goes away.
            self._try("clicked", lambda: node.click(click_count=times, no_wait_after=True))

    def _background(self, element: Element) -> str:
        before = self._active
        self._open_tab()
        notice = self._go(self._href(element))
        if notice:
            self._close_tab()
        self._active = before
        return notice

    def _adopt(self) -> None:
        """Switch to the tab that a click has just opened."""
        known = {tab.page for tab in self._open_tabs}
        deadline = time.monotonic() + ACTION_MS / 1000
        while time.monotonic() < deadline:
            new = [page for page in self._context.pages if page not in known]
            if new:
                self._open_tabs.append(Tab(new[0]))
                self._active = len(self._open_tabs) - 1
                with contextlib.suppress(Exception):
                    new[0].wait_for_load_state("load")
                if new[0].url == BLANK and self._proxy.notices:
                    self._close_tab()
                return
            if self._proxy.notices:
                return
            self._page_now.wait_for_timeout(2)

    def _fill(self, element: Element, value: str) -> None:
        node = self._node(element)
        self._try("filled", lambda: node.fill(value))

    def _select(self, element: Element, options: list[Element]) -> None:
        node = self._node(element)
        node.focus()
        chosen = [self._node(option) for option in options]
        self._try("used", lambda: node.select_option(element=chosen))
        self._tab.settle()

    def _focus(self, element: Element | None) -> None:
        if element is None:
            self._page_now.evaluate("() => document.activeElement?.blur()")
        else:
            self._node(element).focus()

    def _hover(self, element: Element) -> None:
        self._try("hovered over", self._node(element).hover)

    def _submit_implicitly(self, field: Element) -> str:
        form = controls.form_of(field, self._parsed)
        button = forms.default_button(form, self._parsed) if form is not None else None
        attrs = button.attrs if button is not None else {}
        target = attrs.get("formtarget") or (form.attrs.get("target", "") if form is not None else "")
        self._node(field).press("Enter", no_wait_after=True)
        if target.lower() == "_blank":
            self._adopt()
        self._tab.settle()
        return self._notice()

    def _goto(self, url: str) -> str:
        return self._go(url)

    def _travel(self, by: int) -> str:
        urls, at = self._tab.history()
        if not 0 <= at + by < len(urls):
            raise ActionError(f"There is no page to go {'back' if by < 0 else 'forward'} to.")
        with contextlib.suppress(Exception):
            (self._page_now.go_back if by < 0 else self._page_now.go_forward)(wait_until="load")
        self._tab.settle()
        return self._notice()

    def _wait(self, wait_ms: float) -> None:
        self._page_now.wait_for_timeout(min(wait_ms, MAX_WAIT_MS))
        self._tab.settle()

    # -- tabs ---------------------------------------------------------------------------------------

    def _tabs(self) -> tuple[int, int]:
        return len(self._open_tabs), self._active

    def _open_tab(self) -> None:
        self._open_tabs.append(Tab(self._context.new_page()))
        self._active = len(self._open_tabs) - 1

    def _close_tab(self) -> None:
        tab = self._open_tabs.pop(self._active)
        if not self._open_tabs:
            self._open_tab()
        tab.page.close()
        self._active = min(self._active, len(self._open_tabs) - 1)

    def _focus_tab(self, index: int) -> None:
        self._active = index

    # -- fork -----------------------------------------------------------------------------------------

    def _save(self) -> Session:
        saved = tuple(tab.save(self._source_of) for tab in self._open_tabs)
        cookies = tuple(self._context.cookies())
        local = self._tab.stored("localStorage")
        proxy = self._proxy
        return Session(saved, self._active, cookies, dict(proxy.sources), frozenset(proxy.posted), local)

    def _source_of(self, url: str) -> str | None:
        return self._proxy.sources.get(_target(url)) if url != BLANK else ""

    def _load(self, browser: Any, token: Session) -> None:
        self._fresh(browser)
        self._context.add_cookies([{k: v for k, v in c.items() if k != "partitionKey"} for c in token.cookies])
        try:
            for at, saved in enumerate(token.tabs):
                if at:
                    self._open_tab()
                self._proxy.replay, self._proxy.posted = dict(token.sources), set(token.posted)
                if token.storage or saved.storage:
                    self._page_now.goto(ORIGIN + tabs.EMPTY, wait_until="load")
                    self._tab.store(token.storage, saved.storage)
                self._tab.load(saved, self._proxy.replay, _target)
                # The pages' scripts have just written there once more.
                self._tab.store(token.storage, saved.storage)
        finally:
            self._proxy.replay = None
        self._proxy.sources.update(token.sources)
        self._active = token.active


def _target(url: str) -> str:
    return without_fragment(resolve(url))
