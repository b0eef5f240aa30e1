"""How a request reaches an app: in this process, through a unix socket, or over loopback TCP."""

from __future__ import annotations

import asyncio
import http.client
import http.cookies
import select
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from envsim.guest.exchange import HOST as GUEST_HOST
from envsim.guest.exchange import drive, http_scope
from envsim.guest.kit import Asgi
from envsim.page.sockets import MAX_ANSWER, Address, DeadlineConnection, TcpAddress, TooLong, as_address, read_answer

Header = tuple[str, str]
HOST = GUEST_HOST
"""The host every app believes it is served on, so that pages are the same through any transport."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `target` is path and query, already percent-encoded."""

    method: str
    target: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, headers in order and lower-cased."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def set_cookies(self) -> list[http.cookies.Morsel[str]]:
        """The cookies this response sets; malformed ones are dropped, as browsers do."""
        morsels: list[http.cookies.Morsel[str]] = []
        for key, value in self.headers:
            if key == "set-cookie":
                jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
                try:
                    jar.load(value)
                except http.cookies.CookieError:
                    continue
                morsels.extend(jar.values())
        return morsels


class WireFault(Exception):  # noqa: N818  (a fact about the page, not an error of ours)
    """The *app* broke the exchange, as production might: a page-level fact, not infrastructure.

    Attributes:
        kind: ``reset`` (connection closed before an answer), ``timeout`` (no answer in time) or
            ``truncated`` (the body ended early, or was cut at `envsim.page.sockets.MAX_ANSWER` bytes).
    """

    def __init__(self, kind: Literal["reset", "timeout", "truncated"]) -> None:
        super().__init__(kind)
        self.kind = kind


class Transport(Protocol):
    """Sends one request at a time to one app."""

    def send(self, request: Request) -> Response:
        """Exchange one request for its response; redirects are not followed.

        Raises:
            WireFault: The app broke the exchange.
        """
        ...

    def close(self) -> None:
        """Release connections; safe to call twice."""
        ...


@dataclass
class _Exchange:
    body: bytes
    status: int = 0
    headers: list[Header] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    sent: bool = False
    complete: bool = False

    async def receive(self) -> MutableMapping[str, Any]:
        if self.sent:
            return {"type": "http.disconnect"}
        self.sent = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self.chunks.append(message.get("body", b""))
            self.complete = not message.get("more_body", False)


class AsgiTransport:
    """Calls an ASGI app in this process: no socket, no thread.

    Args:
        app: The app.
        loop: Event loop to run it on, not used by anyone else meanwhile; None for one of its own.
    """

    def __init__(self, app: Asgi, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._app = app
        self._owns_loop = loop is None
        self._loop = loop or asyncio.new_event_loop()

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        exchange = _Exchange(request.body)
        scope = http_scope(request.method, request.target, request.headers, request.body)
        try:
            drive(self._loop, self._call(scope, exchange))
        except ConnectionResetError:
            # How a clone written for us drops the connection on purpose.
            raise WireFault("truncated" if exchange.status else "reset") from None
        if not exchange.status:
            raise WireFault("reset")
        response = Response(exchange.status, tuple(exchange.headers), b"".join(exchange.chunks))
        declared = response.header("content-length")
        short = declared is not None and request.method != "HEAD" and len(response.body) < int(declared)
        if short or not exchange.complete or len(response.body) > MAX_ANSWER:
            raise WireFault("truncated")
        return response

    async def _call(self, scope: MutableMapping[str, Any], exchange: _Exchange) -> None:
        await self._app(scope, exchange.receive, exchange.send)

    def close(self) -> None:
        """See `Transport.close`."""
        if self._owns_loop:
            self._loop.close()


class SocketTransport:
    """Speaks HTTP/1.1 to a unix socket, another address or a base URL. Sends the very headers `AsgiTransport` does.

    Args:
        socket: Path of the app's unix socket, or where else it listens; None to use `base_url` over TCP.
        base_url: Where the app is reached over TCP, as ``http://host:port``; ignored with `socket`.
        timeout_s: Longest an exchange may take, from connecting to the last byte of the body.
    """

    def __init__(self, *, socket: Path | Address | None = None, base_url: str = "", timeout_s: float = 10.0) -> None:
        split = urlsplit(base_url)
        address = as_address(socket) if socket else TcpAddress(split.hostname or "127.0.0.1", split.port or 80)
        self._connection = DeadlineConnection(address.connect, timeout_s)

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        if self._is_stale():
            self._connection.close()
        try:
            return self._exchange(request)
        except BaseException as error:
            # What is left of this exchange must not be read as the answer to the next.
            self._connection.close()
            if isinstance(error, TimeoutError):
                raise WireFault("timeout") from None
            if isinstance(error, http.client.IncompleteRead | TooLong):
                raise WireFault("truncated") from None
            if isinstance(error, OSError | http.client.HTTPException):
                raise WireFault("reset") from None
            raise

    def _exchange(self, request: Request) -> Response:
        self._connection.begin()
        self._connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for key, value in http_scope(request.method, request.target, request.headers, request.body)["headers"]:
            self._connection.putheader(key, value)
        self._connection.endheaders(request.body or None)
        reply = self._connection.getresponse()
        body = read_answer(reply)
        return Response(reply.status, tuple((key.lower(), value) for key, value in reply.getheaders()), body)

    def _is_stale(self) -> bool:
        """Whether the app closed the connection since the last exchange: then there is something to read, its end."""
        if self._connection.sock is None:
            return False
        poll = select.poll()
        poll.register(self._connection.sock, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """See `Transport.close`."""
        self._connection.close()
