"""The clone's factory."""

from __future__ import annotations

from pathlib import Path

from envsim.guest.kit import Clone, Kit
from envsim.guest.service import scalar
from envsim.guest.web import Request, Response, Route, fixed_file, serve

from . import wire
from .api import routes as api_routes
from .pages import account, admin, checkout, signin, store, support
from .pictures import picture
from .routing import not_found_page, routes
from .service.actor import open_session

STATIC = Path(__file__).with_name("static")


def create(kit: Kit) -> Clone:
    """Build the shop on `kit`.

    The clone's `login` raises `LookupError` for an unknown account.
    """
    pages = [*store.PAGES, *checkout.PAGES, *signin.PAGES, *account.PAGES, *support.PAGES, *admin.PAGES]
    app = serve([*routes(kit, pages), *api_routes.build(kit), *_static()], not_found_page(kit))

    def login(email: str) -> dict[str, str]:
        customer_id = scalar(kit, "SELECT id FROM customers WHERE email = ?", email)
        if customer_id is None:
            raise LookupError(f"The shop has no account {email!r}.")
        return {"sid": open_session(kit, customer_id)}

    return Clone(asgi=wire.wrap(kit, app), login=login)


def _static() -> list[Route]:
    def image(request: Request) -> Response:
        svg = picture(request.parts["slug"])
        return Response(svg, media_type="image/svg+xml", headers={"cache-control": "public, max-age=86400"})

    return [
        fixed_file("/static/style.css", (STATIC / "style.css").read_bytes(), "text/css"),
        fixed_file("/img/larkfield-hero.svg", (STATIC / "hero.svg").read_bytes(), "image/svg+xml"),
        Route("/img/{slug}.svg", {"GET": image}),
        fixed_file("/favicon.ico", picture("larkfield-mark"), "image/svg+xml"),
        fixed_file("/robots.txt", b"User-agent: *\nDisallow: /admin\n", "text/plain"),
    ]
