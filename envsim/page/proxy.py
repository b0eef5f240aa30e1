"""All that a browser of ours can reach: one app, through an HTTP proxy on a loopback port.

Each browser context gets a proxy of its own, so an agent's browser sees the app under the one
host that every app believes in, and nothing else exists for it: no internet, no other sandbox,
no control plane. Wire faults, downloads and cookies are given the form that every driver shows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from envsim.page import fetched
from envsim.page.cookies import parse_cookie
from envsim.page.loopback import MAX_BODY, LoopbackHandler, LoopbackServer
from envsim.page.transport import HOST, Header, Request, Response, Transport, WireFault
from envsim.page.urls import inside, resolve

_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "host", "content-length", "content-encoding", "alt-svc", "strict-transport-security",
     "upgrade-insecure-requests", "accept-encoding", "priority"}
)  # fmt: skip
_ASK_AGAIN: Header = ("cache-control", "no-store")
"""Going back asks the app again, in every driver."""
_KEPT_FOR_PAGES = ("referer", "origin", "content-type", "cookie")


class AppProxy:
    """Forwards one browser context to one app until closed.

    Args:
        transport: How requests reach the app; used by one request at a time, closed with the proxy.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._redirects = 0
        self.requests = 0
        self.repeat = 1
        """How often the next page request is sent: 2 stands for a double click."""
        self.notices: list[str] = []
        self.sources: dict[str, str] = {}
        """Target -> HTML of the last page served for it."""
        self.posted: set[str] = set()
        """Targets of `sources` that answered a form which was posted."""
        self.replay: dict[str, str] | None = None
        """While set, pages are answered from here and the app is not asked."""
        self._server = _Server(_Handler)
        self._server.proxy = self
        self.url = self._server.url
        self._server.start("page proxy")

    def close(self) -> None:
        """Stop serving; safe to call twice."""
        self._server.stop()
        self._transport.close()

    def answer(self, request: Request, *, page: bool) -> Response:
        """The response the browser gets.

        Raises:
            WireFault: For what is not a page; a page shows the fault instead.
        """
        with self._lock:
            if not page:
                self.requests += 1
                return _for_browser(request.target, self._transport.send(request))
            if self.replay is not None:
                again = _html(self.replay.get(request.target, ""))
                return again if request.target in self.posted else replace(again, headers=(*again.headers, _ASK_AGAIN))
            try:
                repeat, self.repeat = self.repeat, 1
                for _ in range(repeat):
                    self.requests += 1
                    response = self._transport.send(request)
            except WireFault as fault:
                return self._show(request, fetched.fault_page(fault.kind))
            return self._page(request, response)

    def _page(self, request: Request, response: Response) -> Response:
        location = response.header("location")
        if response.status in fetched.REDIRECTS and location is not None:
            self._redirects += 1
            if self._redirects > fetched.MAX_REDIRECTS:
                return self._show(request, fetched.fault_page("redirects"))
            if not inside(resolve(location, request.target)):
                return self._show(request, fetched.fault_page("outside"), response)
            return _for_browser(request.target, response)
        shown = fetched.interpret(request.target, response)
        if isinstance(shown, fetched.Document):
            return self._show(request, shown.source, response)
        self._redirects = 0
        if shown is not None:
            self.notices.append(shown.notice)
        return Response(204, tuple(_cookies(request.target, response)))

    def _show(self, request: Request, source: str, response: Response | None = None) -> Response:
        self._redirects = 0
        self.sources[request.target] = source
        (self.posted.discard if request.method == "GET" else self.posted.add)(request.target)
        page = _html(source)
        headers = [*_cookies(request.target, response)] if response is not None else []
        kept = response.headers if response is not None else ()
        headers += [(k, v) for k, v in kept if k in ("content-security-policy", "referrer-policy")]
        if request.method == "GET":
            headers.append(_ASK_AGAIN)
        return Response(200, (*page.headers, *headers), page.body)


def _html(source: str) -> Response:
    return Response(200, (("content-type", "text/html; charset=utf-8"),), source.encode("utf-8", "replace"))


def _for_browser(target: str, response: Response) -> Response:
    kept = [(k, v) for k, v in response.headers if k not in _HOP and k != "set-cookie"]
    return Response(response.status, (*kept, *_cookies(target, response)), response.body)


def _cookies(target: str, response: Response) -> Iterator[Header]:
    for name, value in response.headers:
        if name == "set-cookie":
            cookie = parse_cookie(value, target, response.header("date"))
            if cookie is not None:
                yield name, cookie.header()


class _Server(LoopbackServer):
    proxy: AppProxy


class _Handler(LoopbackHandler):
    server: _Server

    def _refuse(self) -> None:
        self.send(Response(403, (("content-type", "text/plain"),), b"outside the app"))
        self.close_connection = True

    def forward(self) -> None:
        parts = urlsplit(self.path)
        length = self.headers.get("content-length", "0")
        if parts.scheme != "http" or parts.netloc not in (HOST, f"{HOST}:80") or not length.isdigit():
            self._refuse()
            return
        if int(length) > MAX_BODY:
            self._refuse()
            return
        body = self.rfile.read(int(length))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query or self.path.endswith("?") else "")
        page = self.headers.get("upgrade-insecure-requests") == "1"
        request = Request(self.command, target, self._headers(page), body)
        try:
            self.send(self.server.proxy.answer(request, page=page))
        except WireFault:
            self.close_connection = True

    def _headers(self, page: bool) -> tuple[Header, ...]:
        sent = [(k.lower(), v) for k, v in self.headers.items()]
        if page:
            return (*fetched.NAVIGATION_HEADERS, *((k, v) for k, v in sent if k in _KEPT_FOR_PAGES))
        # Chromium says what it asks for to secure hosts only; what stands behind must know it for no page here, too.
        told = () if any(k == "sec-fetch-dest" for k, _ in sent) else (("sec-fetch-dest", "empty"),)
        return (*((k, v) for k, v in sent if k not in _HOP), *told)
