"""The clone's factory."""

from __future__ import annotations

from pathlib import Path

from envsim.guest import signin
from envsim.guest.kit import Clone, Kit
from envsim.guest.members import load_actor, log_in
from envsim.guest.pages import page_routes, unknown_page
from envsim.guest.web import Request, Response, Route, fixed_file, serve, ticking, tool_routes

from .api import COMPONENTS, TOOLS
from .pages import account, book, explore, host, inbox, trips
from .pictures import MARK, picture
from .service.members import Actor
from .web import Visit

STATIC = Path(__file__).with_name("static")
STILL = ("/static/", "/photo/", "/favicon.ico", "/robots.txt", "/api/openapi.json")


def create(kit: Kit) -> Clone:
    """The booking site on `kit`. Its `login` raises `LookupError` for an unknown account."""
    pages = [page for module in (explore, book, trips, inbox, account, signin, host) for page in module.PAGES]

    def caller(request: Request) -> Actor:
        return load_actor(Actor, kit, request.cookies.get("sid", ""))

    tools = tool_routes(kit, TOOLS, caller, "/api/openapi.json", "Dovecote", COMPONENTS)
    app = serve([*page_routes(kit, Visit, pages), *tools, *_files(kit)], unknown_page(kit, Visit))
    return Clone(asgi=ticking(kit, app, STILL), login=lambda email: log_in(kit, email))


def _files(kit: Kit) -> list[Route]:
    scenes = {
        slug: (kind, scene)
        for slug, kind, scene in kit.db.execute(
            "SELECT l.slug, l.kind, p.scene FROM listings l JOIN places p ON p.slug = l.place UNION ALL"
            " SELECT slug, 'place', scene FROM places"
        )
    }

    def photo(request: Request) -> Response:
        slug, number = request.parts["slug"], int(request.parts["number"])
        svg = picture(slug, number, *scenes.get(slug, ("house", "hills")))
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "public, max-age=86400"})

    return [
        fixed_file("/static/style.css", (STATIC / "style.css").read_bytes(), "text/css"),
        fixed_file("/static/hero.svg", (STATIC / "hero.svg").read_bytes(), "image/svg+xml"),
        fixed_file("/favicon.ico", MARK, "image/svg+xml"),
        fixed_file("/robots.txt", b"User-agent: *\nDisallow: /host\n", "text/plain"),
        Route("/photo/{slug}/{number:int}.svg", {"GET": photo}),
    ]
