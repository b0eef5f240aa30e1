"""The outermost layer: moves the clock once per request, and breaks responses on the wire."""

from __future__ import annotations

from envsim.guest.kit import Asgi, Kit
from envsim.guest.web import ticking, truncating

STILL = ("/static/", "/img/", "/favicon.ico", "/robots.txt", "/api/openapi.json", "/api/desk/openapi.json",
         "/api/customer.json")  # fmt: skip
"""Paths whose requests do not move the clock: a browser fetches them when it likes."""

CUT = ("/c/", "/search", "/api/products", "/api/desk/products")
"""Paths of the listings that `truncated-list` may cut short."""


def wrap(kit: Kit, app: Asgi) -> Asgi:
    """`app` behind the wire."""
    return ticking(kit, truncating(kit, app, "truncated-list", CUT), STILL)
