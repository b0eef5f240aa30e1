"""A browser without a browser: server-rendered pages over a transport, in about a millisecond a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from envsim.errors import ActionError, UncertainError
from envsim.page import controls, fetched, forms
from envsim.page.cookies import Cookie, CookieJar
from envsim.page.dom import Document, Element, parse
from envsim.page.driver import BaseDriver
from envsim.page.forms import Submission
from envsim.page.names import is_focusable, is_link, is_open
from envsim.page.snapshot import Page, refreshed, snapshot
from envsim.page.transport import Request, Transport, WireFault
from envsim.page.urls import ORIGIN, inside, resolve, without_fragment

BLANK = "about:blank"
Edits = dict[int, dict[str, str]]
"""Live state of a document: position of the element in document order -> its `live` entries."""


@dataclass(frozen=True)
class Entry:
    """One place in a tab's history. `source` is kept for what cannot be asked for again."""

    url: str
    source: str | None = None
    referrer: str = BLANK
    edits: Edits = field(default_factory=dict)


@dataclass
class Tab:
    """One tab: its history and the document on screen."""

    history: list[Entry] = field(default_factory=lambda: [Entry(BLANK)])
    at: int = 0
    source: str = ""
    document: Document = field(default_factory=lambda: parse(""))
    page: Page | None = None
    stale: bool = False
    """Whether states of controls changed since `page`."""
    opener: str = BLANK

    @property
    def url(self) -> str:
        """Where this tab is, with its fragment."""
        return self.history[self.at].url


class HttpDriver(BaseDriver):
    """Implements `PageDriver` over any transport: cookies, redirects, history, forms, tabs.

    Scripts do not run and styles do not apply: it is for apps that work without them.

    Args:
        transport: How requests reach the app; closed with the driver.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport
        self.requests = 0
        self._jar = CookieJar()
        self._open_tabs = [Tab()]
        self._active = 0

    # -- PageDriver -----------------------------------------------------------------------------

    def open(self, target: str, cookies: Mapping[str, str]) -> None:
        """See `PageDriver.open`."""
        self._jar = CookieJar()
        for name, value in cookies.items():
            self._jar.put(Cookie(name, value, "/"))
        self._open_tabs = [Tab(history=[])]
        self._active = 0
        self._navigate(Submission("GET", resolve(target)))
        if not self._tab.history:
            self._tab.history.append(Entry(BLANK))

    def observe(self) -> Page:
        """See `PageDriver.observe`."""
        tab = self._tab
        if tab.page is None:
            tab.page = snapshot(tab.document, tab.url) if tab.url != BLANK else Page(url=BLANK)
        elif tab.stale:
            tab.page = refreshed(tab.page, tab.document)
        tab.stale = False
        return tab.page

    def save(self) -> object:
        """See `PageDriver.save`."""
        tabs = [
            Tab(list(tab.history), tab.at, tab.source, _reparse(tab.source, _edits(tab.document)))
            for tab in self._open_tabs
        ]
        return (tabs, self._active, self._jar.copy())

    def load(self, token: object) -> None:
        """See `PageDriver.load`.

        Raises:
            UncertainError: Not a token of this kind of driver.
        """
        if not isinstance(token, tuple) or len(token) != 3 or not isinstance(token[2], CookieJar):
            raise UncertainError("This is not a session saved by the http driver. Save one with save().")
        tabs, self._active, jar = token
        self._open_tabs = [
            Tab(list(tab.history), tab.at, tab.source, _reparse(tab.source, _edits(tab.document))) for tab in tabs
        ]
        self._jar = jar.copy()

    def screenshot(self) -> bytes | None:
        """There is nothing to paint with."""
        return None

    def close(self) -> None:
        """See `PageDriver.close`."""
        self._transport.close()

    # -- requests ---------------------------------------------------------------------------------

    @property
    def _tab(self) -> Tab:
        return self._open_tabs[self._active]

    def _document(self) -> Document:
        return self._tab.document

    def _navigate(self, sent: Submission, *, repeat: int = 1, linked: bool = True) -> str:
        """Ask for a page and show it as a new entry of history; a notice where nothing is shown."""
        tab = self._tab
        referrer = tab.opener if not tab.history else tab.url if linked else BLANK
        url, shown, method = self._exchange(sent, referrer=referrer, repeat=repeat)
        if shown is None:
            return ""
        if isinstance(shown, fetched.Download):
            return shown.notice
        if tab.history:
            self._keep_edits()
            # A link to the page itself takes its place in history; a form, as Chromium has it, does not.
            same = not sent.form and sent.target == tab.url
            tab.at = tab.at if same else tab.at + 1
        tab.history[tab.at :] = [Entry(url, None if method == "GET" else shown.source, referrer)]
        self._show(shown.source)
        return ""

    def _exchange(
        self, sent: Submission, *, referrer: str = BLANK, repeat: int = 1
    ) -> tuple[str, fetched.Document | fetched.Download | None, str]:
        """Follow redirects to a final url, what it shows, and the method that got it."""
        method, url, body = sent.method, sent.target, sent.body
        for hop in range(fetched.MAX_REDIRECTS + 1):
            target = without_fragment(url)
            headers = list(fetched.NAVIGATION_HEADERS)
            if inside(referrer):
                headers.append(("referer", ORIGIN + without_fragment(referrer)))
            if method == "POST":
                headers += [("origin", ORIGIN), ("content-type", sent.content_type)]
            if cookie := self._jar.header(target):
                headers.append(("cookie", cookie))
            try:
                # A browser gives up the first request of a double click without reading its answer.
                for _ in range(repeat if hop == 0 else 1):
                    self.requests += 1
                    response = self._transport.send(Request(method, target, tuple(headers), body))
            except WireFault as fault:
                return url, fetched.Document(fetched.fault_page(fault.kind)), method
            self._jar.receive(target, response)
            location = response.header("location")
            if response.status not in fetched.REDIRECTS or location is None:
                return url, fetched.interpret(target, response), method
            following = resolve(location, target)
            if "#" not in following and "#" in url:
                following += "#" + url.partition("#")[2]
            if not inside(following):
                return url, fetched.Document(fetched.fault_page("outside")), method
            if hop == fetched.MAX_REDIRECTS:
                break
            if response.status == 303 or (method == "POST" and response.status in (301, 302)):
                method, body = "GET", b""
            url = following
        return url, fetched.Document(fetched.fault_page("redirects")), method

    def _show(self, source: str, edits: Edits | None = None) -> None:
        tab = self._tab
        tab.source = source
        tab.document = _reparse(source, edits or {})
        tab.page = None
        for element in tab.document.elements:
            if "autofocus" in element.attrs and not controls.is_disabled(element):
                element.set_live("focused", "")
                break

    def _keep_edits(self) -> None:
        """Remember what was typed, for when the agent comes back; secrets are forgotten, as in browsers."""
        tab = self._tab
        edits: Edits = {}
        for at, element in enumerate(tab.document.elements):
            if not element.live:
                continue
            live = {key: value for key, value in element.live.items() if key != "focused"}
            if live and _is_kept(element, tab.document):
                edits[at] = live
        tab.history[tab.at] = replace(tab.history[tab.at], edits=edits)

    # -- operations -------------------------------------------------------------------------------

    def _click(self, element: Element, *, new_tab: bool, double: bool) -> str:
        if not new_tab:
            self._focus(element)
        document = self._document()
        if is_link(element):
            url = self._href(element)
            if new_tab:
                return self._in_new_tab(Submission("GET", url), activate=False)
            if element.attrs.get("target", "").lower() == "_blank":
                return self._in_new_tab(Submission("GET", url), activate=True)
            return self._follow(url, repeat=2 if double else 1)
        if forms.submitter_of(element):
            form = controls.form_of(element, document)
            return self._send(form, element, repeat=2 if double else 1) if form is not None else ""
        for _ in range(2 if double else 1):
            self._toggle(element)
        return ""

    def _toggle(self, element: Element) -> None:
        document = self._document()
        kind = controls.input_type(element) if element.tag == "input" else ""
        if kind == "checkbox":
            controls.set_checked(element, not controls.is_checked(element), document)
        elif kind == "radio":
            controls.set_checked(element, True, document)
        elif element.tag == "summary" and element.parent is not None and element.parent.tag == "details":
            details = element.parent
            details.set_live("open", "0" if is_open(details) else "1")
            self._tab.page = None
        elif element.attrs.get("type", "").lower() == "reset":
            form = controls.form_of(element, document)
            for member in forms.members(form, document) if form is not None else ():
                for part in member.elements():
                    part.live = {k: v for k, v in part.live.items() if k == "focused"}
        self._tab.stale = True

    def _follow(self, url: str, *, repeat: int = 1, linked: bool = True) -> str:
        """A link: a fragment of the same page asks for nothing."""
        tab = self._tab
        if "#" in url and without_fragment(url) == without_fragment(tab.url):
            if url != tab.url or not linked:
                tab.history[tab.at + 1 :] = [replace(tab.history[tab.at], url=url)]
                tab.at += 1
            target = tab.document.by_id(unquote(url.partition("#")[2]))
            if target is not None:
                self._focus(target if is_focusable(target) else None)
            tab.page = None
            return ""
        return self._navigate(Submission("GET", url), repeat=repeat, linked=linked)

    def _send(self, form: Element, submitter: Element | None, repeat: int = 1) -> str:
        document = self._document()
        sent = forms.submit(form, submitter, document, self._base())
        if sent.method == "DIALOG":
            dialog = form.closest("dialog")
            if dialog is not None:
                dialog.set_live("open", "0")
                self._tab.page = None
            return ""
        if sent.new_tab:
            return self._in_new_tab(sent, activate=True)
        return self._navigate(sent, repeat=repeat)

    def _submit_implicitly(self, field: Element) -> str:
        document = self._document()
        form = controls.form_of(field, document)
        return self._send(form, forms.default_button(form, document)) if form is not None else ""

    def _fill(self, element: Element, value: str) -> None:
        self._focus(element)
        controls.set_value(element, value)
        self._tab.stale = True

    def _select(self, element: Element, options: list[Element]) -> None:
        self._focus(element)
        controls.choose(element, options)
        self._tab.stale = True

    def _focus(self, element: Element | None) -> None:
        for other in self._document().elements:
            if "focused" in other.live:
                other.set_live("focused", None)
        if element is not None and is_focusable(element):
            element.set_live("focused", "")
        self._tab.stale = True

    def _hover(self, element: Element) -> None:
        pass

    def _wait(self, wait_ms: float) -> None:
        pass

    def _goto(self, url: str) -> str:
        return self._follow(url, linked=False)

    def _travel(self, by: int) -> str:
        tab = self._tab
        if not 0 <= tab.at + by < len(tab.history):
            raise ActionError(f"There is no page to go {'back' if by < 0 else 'forward'} to.")
        self._keep_edits()
        before, entry = tab.history[tab.at], tab.history[tab.at + by]
        tab.at += by
        if without_fragment(before.url) == without_fragment(entry.url) and "#" in before.url + entry.url:
            tab.page = None
        elif entry.source is not None or entry.url == BLANK:
            self._show(entry.source or "", entry.edits)
        else:
            url, shown, _ = self._exchange(Submission("GET", entry.url), referrer=entry.referrer)
            if isinstance(shown, fetched.Document):
                tab.history[tab.at] = replace(entry, url=url)
                self._show(shown.source, entry.edits)
            else:
                tab.at -= by
                return shown.notice if shown is not None else ""
        return ""

    # -- tabs ---------------------------------------------------------------------------------------

    def _tabs(self) -> tuple[int, int]:
        return len(self._open_tabs), self._active

    def _in_new_tab(self, sent: Submission, *, activate: bool) -> str:
        before = self._active
        opener = self._tab.url
        self._open_tabs.append(Tab(history=[]))
        self._active = len(self._open_tabs) - 1
        self._tab.opener = opener
        notice = self._navigate(sent)
        if not self._tab.history:
            # Nothing to show, e.g. a download: browsers close such a tab at once.
            self._open_tabs.pop()
            self._active = before
        elif not activate:
            self._active = before
        return notice

    def _open_tab(self) -> None:
        self._open_tabs.append(Tab())
        self._active = len(self._open_tabs) - 1

    def _close_tab(self) -> None:
        del self._open_tabs[self._active]
        if not self._open_tabs:
            self._open_tabs.append(Tab())
        self._active = min(self._active, len(self._open_tabs) - 1)

    def _focus_tab(self, index: int) -> None:
        self._active = index


def _is_kept(element: Element, document: Document) -> bool:
    if element.tag == "input" and controls.input_type(element) == "password":
        return False
    owner = element.closest("select") if element.tag == "option" else element
    form = controls.form_of(owner, document) if owner is not None else None
    return all(e is None or e.attrs.get("autocomplete", "").lower() != "off" for e in (owner, form))


def _edits(document: Document) -> Edits:
    return {at: dict(e.live) for at, e in enumerate(document.elements) if e.live}


def _reparse(source: str, edits: Edits) -> Document:
    """A fresh document with `edits` where its elements still are what they were."""
    document = parse(source)
    if edits:
        elements = document.elements
        for at, live in edits.items():
            if at < len(elements):
                elements[at].live = dict(live)
    return document
