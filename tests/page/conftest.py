"""A small site with every kind of page, control and fault the drivers must agree on."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from envsim.guest.kit import Asgi
from envsim.page.driver import PageDriver
from envsim.page.http import HttpDriver
from envsim.page.transport import AsgiTransport

SITE = Path(__file__).parent / "site"
PAGES = {
    "/" if file.stem == "home" else "/" + file.stem.replace("_", "/"): file.read_text(encoding="utf-8")
    for file in SITE.glob("*.html")
}


async def _page(request: Request) -> Response:
    found = PAGES.get(request.url.path)
    if found is None:
        return HTMLResponse("<title>Missing</title><h1>Not found</h1><a href='/'>Home</a>", 404)
    return HTMLResponse(f"<!doctype html><html lang=en>{found}")


async def _echo(request: Request) -> Response:
    form = await request.form()
    pairs = [f"{key}={value if isinstance(value, str) else 'file'}" for key, value in form.multi_items()]
    rows = "".join(f"<li>{html.escape(json.dumps(pair), quote=False)}</li>" for pair in [request.url.query, *pairs])
    return HTMLResponse(f"<title>Echo</title><ul>{rows}</ul><a href='/fields'>Again</a>")


async def _search(request: Request) -> Response:
    shown = html.escape(json.dumps(request.query_params.multi_items()), quote=False)
    return HTMLResponse(f"<title>Search</title><p>{request.method} {shown}</p>")


async def _counted(request: Request) -> Response:
    count = int(request.cookies.get("count", "0")) + (request.method == "POST")
    page = HTMLResponse(
        f"<title>Count</title><p>count {count}, from {request.headers.get('referer', '-')}</p>"
        "<form method=post><button>Add</button></form><a href=/forget>Forget</a><a href=/counted#x>Same</a>"
    )
    if request.method == "POST":
        page = RedirectResponse("/counted", 303)
        page.set_cookie("count", str(count), max_age=3600, secure=True, samesite="none")
    return page


async def _forget(request: Request) -> Response:
    answer = RedirectResponse("/counted")
    answer.delete_cookie("count")
    return answer


async def _fault(request: Request) -> Response:
    kind = request.path_params["kind"]
    if kind == "reset":
        raise ConnectionResetError
    if kind == "short":
        response = HTMLResponse("<p>half")
        response.headers["content-length"] = "999"
        return response
    return Response("", int(kind))


def build_site() -> Asgi:
    """The site, fresh; it keeps no state of its own."""
    csv = {"content-disposition": 'attachment; filename="report.csv"'}

    latin = "<title>Caf\xe9</title><p>\xe9"

    async def again(request: Request) -> Response:
        step = int(request.query_params.get("n", "0"))
        return RedirectResponse(f"/loop?n={step + 1}")

    async def keep(request: Request) -> Response:
        return RedirectResponse("/echo", 307)

    routes = [
        Route("/echo", _echo, methods=["POST"]),
        Route("/keep", keep, methods=["POST"]),
        Route("/search", _search),
        Route("/counted", _counted, methods=["GET", "POST"]),
        Route("/forget", _forget),
        Route("/loop", again),
        Route("/away", lambda _: RedirectResponse("https://elsewhere.example/")),
        Route("/redirect", lambda _: RedirectResponse("/lists#x", 302)),
        Route("/text", lambda _: PlainTextResponse("plain <b>text</b>\nsecond")),
        Route("/json", lambda _: JSONResponse({"a": [1, "<b>"]})),
        Route("/report.csv", lambda _: Response("a,b\n1,2\n", headers=csv, media_type="text/csv")),
        Route("/empty", lambda _: Response(status_code=204)),
        Route("/latin", lambda _: Response(latin.encode("latin-1"), media_type="text/html; charset=iso-8859-1")),
        Route("/error", lambda _: HTMLResponse("<title>Oops</title><h1>Server error</h1>", 500)),
        Route("/fault/{kind}", _fault),
        Route("/{path:path}", _page),
    ]  # fmt: skip
    return Starlette(routes=routes)


def _chromium() -> PageDriver:
    # Loaded by browser tests alone: Playwright is an extra.
    from envsim.page.chromium import ChromiumDriver

    return ChromiumDriver(AsgiTransport(build_site()))


@pytest.fixture
def http_driver() -> Iterator[HttpDriver]:
    """The http driver on a fresh site."""
    with closing(HttpDriver(AsgiTransport(build_site()))) as driver:
        yield driver


@pytest.fixture
def chromium_driver() -> Iterator[PageDriver]:
    """The chromium driver on a fresh site."""
    with closing(_chromium()) as driver:
        yield driver


@pytest.fixture(params=["http", pytest.param("chromium", marks=pytest.mark.browser)])
def driver_pair(request: pytest.FixtureRequest, http_driver: HttpDriver) -> Iterator[tuple[PageDriver, PageDriver]]:
    """The http driver beside another of its kind (it repeats itself) or beside a browser, each on its own site."""
    other = _chromium() if request.param == "chromium" else HttpDriver(AsgiTransport(build_site()))
    with closing(other):
        yield http_driver, other


@pytest.fixture
def site() -> Asgi:
    """The site itself, which keeps nothing between requests: its drivers may share it."""
    return build_site()
