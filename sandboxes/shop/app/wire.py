"""The outermost layer: moves the clock once per request, and breaks responses on the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from envsim.guest.kit import Asgi, Kit

Message = MutableMapping[str, Any]

STILL = ("/static/", "/img/", "/favicon.ico", "/robots.txt", "/api/openapi.json", "/api/desk/openapi.json",
         "/api/customer.json")  # fmt: skip
"""Paths whose requests do not move the clock: a browser fetches them when it likes."""

CUT = ("/c/", "/search", "/api/products", "/api/desk/products")
"""Paths of the listings that `truncated-list` may cut short."""


def wrap(kit: Kit, app: Asgi) -> Asgi:
    """`app` behind the wire."""

    async def outermost(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        if not path.startswith(STILL):
            kit.ticks += 1
        if "truncated-list" in kit.bugs and scope["method"] == "GET" and path.startswith(CUT):
            send = _Cutter(kit, path, send)
        await app(scope, receive, send)

    return outermost


class _Cutter:
    """Sends half of a body under the content-length of all of it, then nothing more."""

    def __init__(self, kit: Kit, path: str, send: Callable[[Message], Awaitable[None]]) -> None:
        self._kit, self._path, self._send = kit, path, send
        self._cut = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._cut = self._kit.bug("truncated-list", self._path)
        elif message["type"] == "http.response.body" and self._cut:
            body = message.get("body", b"")
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await self._send(message)
