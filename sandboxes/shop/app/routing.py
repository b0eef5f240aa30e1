"""From a table of pages to routes: sessions, CSRF, transactions and errors in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from envsim.guest import web
from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, atomic
from envsim.guest.web import Request, Response, Route

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
        Route(p.path, {m: _endpoint(kit, p) for m, handler in (("GET", p.get), ("POST", p.post)) if handler})
        for p in pages
    ]


def _endpoint(kit: Kit, page: Page) -> web.Handler:
    def endpoint(request: Request) -> Response:
        try:
            visit = open_visit(kit, request)
        except Refusal as error:
            return Response(error.message, error.status, "text/plain")
        response = _answer(visit, page)
        if visit.actor.sid != visit.sid_before:
            response.set_cookie("sid", visit.actor.sid)
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
    if response is None or response.status < 400:  # also a redirect, which would lose the message
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


def not_found_page(kit: Kit) -> Callable[[Request, int], Response]:
    """What answers unknown paths and methods, and bodies that are too long."""

    def answer(request: Request, status: int) -> Response:
        tool = request.path.startswith("/api/")
        if status == 413:
            text = "The body is too large." if tool else "That is more than we can take in one form."
            error = {"error": {"code": "too_large", "message": text}}
            return web.to_json(error, 413) if tool else Response(text, 413, "text/plain")
        if tool:
            body = {"code": "not_found", "message": f"There is no {request.method} {request.path}."}
            return web.to_json({"error": body}, status)
        try:
            visit = open_visit(kit, request)
        except Refusal as refusal:
            return Response(refusal.message, refusal.status, "text/plain")
        visit.status = status
        visit.error = "We could not find this page." if status == 404 else "This page cannot be used that way."
        return visit.render("error.html", code="not_found")

    return answer
