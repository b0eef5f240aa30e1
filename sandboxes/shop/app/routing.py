"""From a table of pages to Starlette routes: sessions, CSRF, transactions and errors in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, atomic

from .visit import Handler, Visit, login_path, open_visit


@dataclass(frozen=True)
class Page:
    """One path. `post` runs in a transaction; when the shop refuses it, `back` shows the form again."""

    path: str
    get: Handler | None = None
    post: Handler | None = None
    back: Handler | None = None
    role: str = "guest"


def routes(kit: Kit, pages: list[Page]) -> list[Route]:
    """The routes of `pages`."""
    return [
        Route(p.path, _endpoint(kit, p), methods=[m for m, h in (("GET", p.get), ("POST", p.post)) if h]) for p in pages
    ]


def _endpoint(kit: Kit, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            visit = await open_visit(kit, request)
        except Refusal as error:
            return Response(error.message, error.status, media_type="text/plain")
        response = _answer(visit, page)
        if visit.actor.sid != visit.sid_before:
            response.set_cookie("sid", visit.actor.sid, path="/", httponly=True, samesite="lax")
        return response

    return endpoint


def _answer(visit: Visit, page: Page) -> Response:
    back = page.back if visit.request.method == "POST" else None
    try:
        _check_role(visit, page.role)
        if visit.request.method == "POST":
            assert page.post is not None
            _check_csrf(visit)
            with atomic(visit.kit):
                return page.post(visit)
        assert page.get is not None
        return page.get(visit)
    except Refusal as error:
        return _refuse(visit, error, back)


def _refuse(visit: Visit, error: Refusal, back: Handler | None) -> Response:
    if error.status == 401:
        return visit.redirect(login_path(visit))
    visit.error, visit.status = error.message, error.status
    response = None
    if back is not None and (error.status not in (404, 403) or error.code == "form_expired"):
        try:
            response = back(visit)
        except Refusal:
            response = None
    if response is None or response.status_code < 400:  # also a redirect, which would lose the message
        response = visit.render("error.html", code=error.code)
    if error.retry_after:
        response.headers["retry-after"] = str(error.retry_after)
    return response


def _check_role(visit: Visit, role: str) -> None:
    if role == "customer":
        visit.actor.customer()
    elif role == "staff":
        visit.actor.staff()


def _check_csrf(visit: Visit) -> None:
    if visit.form.get("csrf") != visit.csrf or visit.kit.bug("csrf-rotation", visit.path):
        raise Refusal("form_expired", "This form has expired. Please send it again.", 403)


def not_found_page(kit: Kit) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The handler for unknown paths and methods."""

    async def handle(request: Request, error: Exception) -> Response:
        if request.url.path.startswith("/api/"):
            status = getattr(error, "status_code", 404)
            body = {"code": "not_found", "message": f"There is no {request.method} {request.url.path}."}
            return JSONResponse({"error": body}, status)
        try:
            visit = await open_visit(kit, request)
        except Refusal as refusal:
            return Response(refusal.message, refusal.status, media_type="text/plain")
        visit.status = getattr(error, "status_code", 404)
        visit.error = "We could not find this page." if visit.status == 404 else "This page cannot be used that way."
        return visit.render("error.html", code="not_found")

    return handle
