"""The clone's factory."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from envsim.guest.kit import Clone, Kit
from envsim.guest.service import scalar

from . import wire
from .api import routes as api_routes
from .pages import account, admin, checkout, signin, store, support
from .pictures import picture
from .routing import not_found_page, routes
from .service.actor import open_session

STATIC = Path(__file__).with_name("static")
CACHED = {"cache-control": "public, max-age=86400"}


def create(kit: Kit) -> Clone:
    """Build the shop on `kit`.

    The clone's `login` raises `LookupError` for an unknown account.
    """
    pages = [*store.PAGES, *checkout.PAGES, *signin.PAGES, *account.PAGES, *support.PAGES, *admin.PAGES]
    missing = not_found_page(kit)
    app = Starlette(
        routes=[*routes(kit, pages), *api_routes.build(kit), *_static()],
        exception_handlers={404: missing, 405: missing},
    )
    app.router.redirect_slashes = False

    def login(email: str) -> dict[str, str]:
        customer_id = scalar(kit, "SELECT id FROM customers WHERE email = ?", email)
        if customer_id is None:
            raise LookupError(f"The shop has no account {email!r}.")
        return {"sid": open_session(kit, customer_id)}

    return Clone(asgi=wire.wrap(kit, app), login=login)


def _static() -> list[Route]:
    style = (STATIC / "style.css").read_bytes()
    hero = (STATIC / "hero.svg").read_bytes()

    async def stylesheet(request: Request) -> Response:
        return Response(style, media_type="text/css", headers=CACHED)

    async def image(request: Request) -> Response:
        return Response(picture(request.path_params["slug"]), media_type="image/svg+xml", headers=CACHED)

    async def banner(request: Request) -> Response:
        return Response(hero, media_type="image/svg+xml", headers=CACHED)

    async def robots(request: Request) -> Response:
        return Response("User-agent: *\nDisallow: /admin\n", media_type="text/plain")

    async def icon(request: Request) -> Response:
        return Response(picture("larkfield-mark"), media_type="image/svg+xml", headers=CACHED)

    return [
        Route("/static/style.css", stylesheet),
        Route("/img/larkfield-hero.svg", banner),
        Route("/img/{slug}.svg", image),
        Route("/favicon.ico", icon),
        Route("/robots.txt", robots),
    ]
