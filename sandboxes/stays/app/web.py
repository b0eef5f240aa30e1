"""From a table of pages to Starlette routes: one visit a request, its session, forms, refusals and answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, atomic

from .render import NOTICES, page
from .service.challenge import Challenged
from .service.members import Actor, load_actor

MAX_BODY = 1 << 16
CONSENT_AFTER = 2
_WHOLE = re.compile(r"-?[0-9]{1,12}")
_MONEY = re.compile(r"([0-9]{0,7})(?:\.([0-9]{1,2}))?")

Handler = Callable[["Visit"], Response]


@dataclass
class Visit:
    """A page request: who asks, what was sent, and what went wrong so far."""

    kit: Kit
    request: Request
    actor: Actor
    form: dict[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None
    known_sid: str = ""

    @property
    def path(self) -> str:
        """Path of the request."""
        return str(self.request.url.path)

    @property
    def query(self) -> dict[str, str]:
        """The query, the last of each name."""
        return dict(self.request.query_params)

    @property
    def error(self) -> str:
        """Why the request was refused, in words; empty otherwise."""
        return self.refusal.message if self.refusal else ""

    @property
    def csrf(self) -> str:
        """What this session's forms carry, so that no other site's can be sent in its name."""
        return hashlib.sha256(b"dovecote form " + self.actor.sid.encode()).hexdigest()[:24]

    def part(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A part of the path that is a number.

        Raises:
            Refusal: It is not.
        """
        text = self.part(name)
        if not _WHOLE.fullmatch(text):
            raise Refusal("not_found", "We could not find this page.", 404)
        return int(text)

    def sent(self, name: str, default: str = "") -> str:
        """A field of the form, else of the query."""
        return self.form.get(name) or self.request.query_params.get(name) or default

    def whole(self, name: str, default: int = 0) -> int:
        """A field as a whole number.

        Raises:
            Refusal: It is not one.
        """
        text = self.sent(name).strip()
        if text and not _WHOLE.fullmatch(text):
            raise Refusal("invalid_number", f"Enter a whole number for {name.replace('_', ' ')}.")
        return int(text) if text else default

    def cents(self, name: str) -> int | None:
        """A field in dollars as cents; None when it is empty.

        Raises:
            Refusal: It is not money.
        """
        text = self.sent(name).strip().removeprefix("$").replace(",", "")
        found = _MONEY.fullmatch(text)
        if found is None or text == ".":
            raise Refusal("invalid_amount", "Enter an amount such as 25 or 25.50.")
        dollars, cents = found[1] or "0", (found[2] or "").ljust(2, "0")
        return int(dollars) * 100 + int(cents) if text else None

    def render(self, template: str, status: int = 0, **values: Any) -> Response:
        """A page; after a refusal with its status."""
        notice = NOTICES.get(self.request.query_params.get("notice", ""), "")
        html = page(template, v=self, csrf=self.csrf, account=self.actor.account, notice=notice, **values)
        return Response(html, status or (self.refusal.status if self.refusal else 200), media_type="text/html")

    def redirect(self, path: str, notice: str = "") -> Response:
        """On to `path`, which then shows `notice`, a key of `NOTICES`."""
        mark = "&" if "?" in path else "?"
        return RedirectResponse(f"{path}{mark}{urlencode({'notice': notice})}" if notice else path, 303)

    def local(self, name: str, default: str) -> str:
        """A field that names a page of this site; `default` for any other."""
        path = self.sent(name, default)
        # Browsers drop tabs and line ends from addresses, and read a backslash as a slash.
        return path if re.fullmatch(r"/(?!/)[^\x00-\x20\x7f\\]*", path) else default


@dataclass(frozen=True)
class Page:
    """One path: what GET and POST do, for whom, and which page shows a refused form again."""

    path: str
    get: Handler | None = None
    post: Handler | None = None
    again: Handler | None = None
    role: str = ""


def build_routes(kit: Kit, pages: Iterable[Page]) -> list[Route]:
    """Their routes."""
    return [Route(p.path, _serve(kit, p), methods=[*(["GET"] if p.get else []), *(["POST"] if p.post else [])])
            for p in pages]  # fmt: skip


def _serve(kit: Kit, page_: Page) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            visit = await _open(kit, request)
        except Refusal as refusal:
            return Response(refusal.message, refusal.status, media_type="text/plain")
        try:
            response = _respond(visit, page_)
        except Refusal as refusal:
            visit.refusal = refusal
            response = _refused(visit, page_)
        if visit.actor.sid != visit.known_sid:
            response.set_cookie("sid", visit.actor.sid, path="/", httponly=True, samesite="lax")
        return response

    return serve


async def _open(kit: Kit, request: Request) -> Visit:
    known = request.cookies.get("sid", "")
    visit = Visit(kit, request, load_actor(kit, known or kit.token("visit")), known_sid=known)
    if request.method != "POST":
        return visit
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Refusal("too_large", "That is more than one form can take.", 413)
    try:
        visit.form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise Refusal("too_large", "That is more than one form can take.", 413) from None
    return visit


def _respond(visit: Visit, page_: Page) -> Response:
    if page_.role:
        visit.actor.host() if page_.role == "host" else visit.actor.member()
    if visit.request.method != "POST":
        assert page_.get is not None
        return page_.get(visit)
    if visit.form.get("csrf") != visit.csrf:
        raise Refusal("form_expired", "This form has expired. Please send it again.", 403)
    assert page_.post is not None
    with atomic(visit.kit):
        return page_.post(visit)


def _refused(visit: Visit, page_: Page) -> Response:
    refusal = visit.refusal
    assert refusal is not None
    if refusal.status == 401:
        here = visit.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
        back = here if visit.request.method == "GET" else visit.local("back", "/trips")
        return visit.redirect(f"/login?next={quote(back, safe='/')}")
    if isinstance(refusal, Challenged):
        query = f"?{visit.request.url.query}" if visit.request.url.query else ""
        return visit.render("challenge.html", question=refusal.question, next=visit.local("next", visit.path + query))
    response = None
    if visit.request.method == "POST" and page_.again and refusal.status not in (403, 404):
        try:
            response = page_.again(visit)
        except Refusal:
            response = None
    # A redirect would lose what there is to say.
    if response is None or response.status_code < 400:
        response = visit.render("error.html")
    if refusal.retry_after:
        response.headers["retry-after"] = str(refusal.retry_after)
    return response


def unknown(kit: Kit) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What answers for paths and methods that do not exist."""

    async def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        if request.url.path.startswith("/api/"):
            message = f"There is no {request.method} {request.url.path}."
            return JSONResponse({"error": {"code": "not_found", "message": message}}, status)
        actor = load_actor(kit, request.cookies.get("sid", ""))
        words = "We could not find this page." if status == 404 else "This page cannot be used that way."
        return Visit(kit, request, actor, refusal=Refusal("not_found", words, status)).render("error.html")

    return answer


def wants_consent(visit: Visit) -> bool:
    """Whether the consent overlay covers this page: from a session's second look at the site until it is answered."""
    kit = visit.kit
    if "cookie-consent" not in kit.bugs:
        return False
    seen: dict[str, int] = kit.cache.setdefault("consent", {})
    looks = seen.get(visit.actor.sid, 0)
    if looks < 0:
        return False
    seen[visit.actor.sid] = looks + 1
    return looks + 1 >= CONSENT_AFTER and kit.bug("cookie-consent")
