"""The clone's factory."""

from __future__ import annotations

from pathlib import Path

from envsim.guest import signin
from envsim.guest.kit import Clone, Kit
from envsim.guest.members import load_actor, log_in
from envsim.guest.pages import page_routes, unknown_page
from envsim.guest.web import Request, fixed_file, serve, ticking, tool_routes, truncating

from .api import ABOUT, COMPONENTS, TOOLS
from .pages import browse, mine, mod, thread, write
from .service.people import Actor
from .web import Visit

STATIC = Path(__file__).with_name("static")
STILL = ("/static/", "/favicon.ico", "/robots.txt", "/api/openapi.json")
THREADS = ("/p/", "/api/posts/")
"""Paths of what `cut-thread` may cut short."""


def create(kit: Kit) -> Clone:
    """The discussion site on `kit`. Its `login` raises `LookupError` for an unknown account."""
    pages = [page for module in (browse, thread, write, mine, mod) for page in module.PAGES]

    def caller(request: Request) -> Actor:
        return load_actor(Actor, kit, request.cookies.get("sid", ""))

    files = [
        fixed_file("/static/style.css", (STATIC / "style.css").read_bytes(), "text/css"),
        fixed_file("/favicon.ico", (STATIC / "mark.svg").read_bytes(), "image/svg+xml"),
        fixed_file("/robots.txt", b"User-agent: *\nDisallow: /api\n", "text/plain"),
    ]
    tools = tool_routes(kit, TOOLS, caller, "/api/openapi.json", "Plaza", COMPONENTS, ABOUT)
    app = serve([*page_routes(kit, Visit, [*pages, *signin.PAGES]), *tools, *files], unknown_page(kit, Visit))
    return Clone(
        asgi=ticking(kit, truncating(kit, app, "cut-thread", THREADS), STILL), login=lambda email: log_in(kit, email)
    )
