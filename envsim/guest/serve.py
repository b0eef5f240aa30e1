"""Serving an ASGI app over HTTP so that every runtime gives the same bytes.

Needs uvicorn and nothing else: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from envsim.guest.exchange import Message, Receive, Send
from envsim.guest.kit import Asgi

KEEP_ALIVE_S = 30 * 24 * 3600
"""A connection closed while idle could not be told from a sandbox that died."""
MAX_BODY = 16 * 1024 * 1024
"""Longest request body taken, in bytes; more is answered with status 413."""


class DroppingProtocol(H11Protocol):
    """HTTP/1.1, with a ConnectionResetError of the app closing the connection as it means to.

    uvicorn would answer a 500 instead. What was sent before is delivered, so a body cut short
    arrives as one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app = self.app

        async def drop(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except ConnectionResetError:
                self.transport.close()
                # uvicorn learns of it one turn later; until then it would still answer for the app.
                while not self.cycle.disconnected and not self.cycle.response_complete:
                    await asyncio.sleep(0)

        self.app = drop


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: two servers share one process, and only its owner decides when to stop."""
        yield


def make_server(app: Asgi, *, socket: str | None = None, log_level: str = "warning") -> Server:
    """A server for `app` on a unix `socket`, or on sockets given to ``serve``."""
    config = uvicorn.Config(
        app=app,
        uds=socket,
        http=DroppingProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level=log_level,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    return Server(config)


def one_at_a_time(app: Asgi, turn: AbstractAsyncContextManager[Any]) -> Asgi:
    """`app`, running only while it holds `turn`, e.g. an `asyncio.Lock`.

    The request is read before and the response written after, so that a client that is slow, or never
    reads, holds up nobody.
    """

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        answer: list[Message] = []
        dropped = False

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        async def keep(message: Message) -> None:
            answer.append(message)

        async with turn:
            try:
                await app(scope, replay, keep)
            except ConnectionResetError:
                dropped = True
        for message in answer:
            await send(message)
        if dropped:
            raise ConnectionResetError

    return serve


async def read_body(receive: Receive, limit: int = MAX_BODY) -> bytes | None:
    """The whole request body; None if it is longer than `limit` bytes."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)
