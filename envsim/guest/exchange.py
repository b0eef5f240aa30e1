"""Calling an ASGI app from within its own process, and keeping its crashes to one response.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from envsim.guest.kit import Asgi

HOST = "app.test"
"""The host every app believes it is served on."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

T = TypeVar("T")

log = logging.getLogger("envsim.guest")


def drive(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end on `loop`, also when called from within another running loop (a notebook, a server)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return loop.run_until_complete(work)
    # A thread can run one loop at a time, and this one's is taken.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(loop.run_until_complete, work).result()


def http_scope(method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, Any]:
    """The ASGI scope of a request, as a server on `HOST` would give it."""
    split = urlsplit(target)
    sent = [(b"host", HOST.encode())]
    sent += [(key.lower().encode("latin-1"), value.encode("latin-1")) for key, value in headers]
    if body or method not in ("GET", "HEAD"):
        sent.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(split.path),
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "root_path": "",
        "headers": sent,
        "server": (HOST, 80),
        "client": ("127.0.0.1", 1),
    }


async def call(
    app: Asgi, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
) -> tuple[int, bytes]:
    """Status and body of one request. `target` is path and query, percent-encoded.

    Raises:
        ConnectionResetError: The app dropped the connection.
    """
    scope = http_scope(method, target, headers, body)
    incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    status, chunks = 0, []

    async def receive() -> Message:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(chunks)


def contained(app: Asgi) -> Asgi:
    """`app`, with any crash answered as the plain 500 that a production server would send.

    The same bytes in every runtime; a ConnectionResetError still passes, as that is how a clone
    drops a connection on purpose.
    """

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        started = complete = False

        async def watch(message: Message) -> None:
            nonlocal started, complete
            started = started or message["type"] == "http.response.start"
            await send(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await app(scope, receive, watch)
        except ConnectionResetError:
            raise
        except Exception:
            log.exception("the app crashed on %s %s", scope.get("method"), scope.get("path"))
            if complete:
                return  # a framework's own error page went out before it raised again
            if started:
                raise ConnectionResetError from None  # a server would cut the body short too
            body = b"Internal Server Error"
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return serve
