"""The clone's factory."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from envsim.guest.kit import Clone, Kit
from envsim.guest.service import scalar

from .api import routes as api
from .pages import account, book, explore, host, inbox, signin, trips
from .pictures import MARK, picture
from .service.members import open_session
from .web import build_routes, unknown
from .wire import ticking

STATIC = Path(__file__).with_name("static")


def create(kit: Kit) -> Clone:
    """The booking site on `kit`. Its `login` raises `LookupError` for an unknown account."""
    pages = [page for module in (explore, book, trips, inbox, account, signin, host) for page in module.PAGES]
    missing = unknown(kit)
    app = Starlette(
        routes=[*build_routes(kit, pages), *api.build(kit), *_files(kit)],
        exception_handlers={404: missing, 405: missing},
    )
    app.router.redirect_slashes = False

    def login(email: str) -> dict[str, str]:
        member = scalar(kit, "SELECT id FROM members WHERE email = ?", email)
        if member is None:
            raise LookupError(f"Dovecote has no account {email!r}.")
        return {"sid": open_session(kit, member)}

    return Clone(asgi=ticking(kit, app), login=login)


def _files(kit: Kit) -> list[Route]:
    def fixed(path: str, content: bytes, kind: str) -> Route:
        async def serve(request: Request) -> Response:
            return Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})

        return Route(path, serve)

    scenes = {
        slug: (kind, scene)
        for slug, kind, scene in kit.db.execute(
            "SELECT l.slug, l.kind, p.scene FROM listings l JOIN places p ON p.slug = l.place UNION ALL"
            " SELECT slug, 'place', scene FROM places"
        )
    }

    async def photo(request: Request) -> Response:
        slug, number = request.path_params["slug"], request.path_params["number"]
        svg = picture(slug, number, *scenes.get(slug, ("house", "hills")))
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "public, max-age=86400"})

    return [
        fixed("/static/style.css", (STATIC / "style.css").read_bytes(), "text/css"),
        fixed("/static/hero.svg", (STATIC / "hero.svg").read_bytes(), "image/svg+xml"),
        fixed("/favicon.ico", MARK, "image/svg+xml"),
        fixed("/robots.txt", b"User-agent: *\nDisallow: /host\n", "text/plain"),
        Route("/photo/{slug}/{number:int}.svg", photo),
    ]
