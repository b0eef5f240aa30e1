"""The outermost layer: every request that is not for a file moves the clock."""

from __future__ import annotations

from typing import Any

from envsim.guest.kit import Asgi, Kit

FILES = ("/static/", "/photo/", "/favicon.ico", "/robots.txt", "/api/openapi.json")
"""A browser fetches these when it likes, so they take no time."""


def ticking(kit: Kit, app: Asgi) -> Asgi:
    """`app` with a clock that moves."""

    async def tick(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(FILES):
            kit.ticks += 1
        await app(scope, receive, send)

    return tick
