"""From a table of pages to routes: one visit a request, with its session, form, transaction, refusal and answer.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote, urlencode

from envsim.guest.challenge import Challenged
from envsim.guest.kit import Kit
from envsim.guest.members import Actor
from envsim.guest.service import Refusal, atomic
from envsim.guest.web import Request, Response, Route, redirect, retry_header, to_json

CONSENT_AFTER = 2
_WHOLE = re.compile(r"-?[0-9]{1,12}")

A = TypeVar("A", bound=Actor)


@dataclass
class Visit(Generic[A]):
    """A page request: who asks, what was sent, and what went wrong so far.

    A site derives its own: it says who asks (`load`), who may (`admit`) and how pages are printed (`print_page`).
    """

    kit: Kit
    request: Request
    actor: A
    form: dict[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None
    known_sid: str = ""

    site: ClassVar[str]
    """Lower-case name; goes into the token of every form."""
    front: ClassVar[str] = "/"
    """Where signing in leads when nothing says where to."""

    @classmethod
    def load(cls, kit: Kit, sid: str) -> A:
        """Who asks with this session."""
        raise NotImplementedError

    def admit(self, role: str) -> None:
        """Let those with `role` in, a word of the site's; `Refusal` for all others."""
        raise NotImplementedError

    def print_page(self, template: str, notice: str, values: dict[str, Any]) -> str:
        """The HTML of a template; `notice` is a word of the site's for what was done, or empty."""
        raise NotImplementedError

    def form_is_good(self) -> bool:
        """Whether the sent form is one of this session's."""
        return self.form.get("csrf") == self.csrf

    def check_name(self, name: str) -> None:
        """Whether a new account may have this name; `Refusal` where a site wants more than a name."""

    @property
    def path(self) -> str:
        """Path of the request."""
        return self.request.path

    @property
    def query(self) -> dict[str, str]:
        """The query, the last of each name."""
        return self.request.query

    @property
    def error(self) -> str:
        """Why the request was refused, in words; empty otherwise."""
        return self.refusal.message if self.refusal else ""

    @property
    def csrf(self) -> str:
        """What this session's forms carry, so that no other site's can be sent in its name."""
        return hashlib.sha256(f"{self.site} form {self.actor.sid}".encode()).hexdigest()[:24]

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.parts[name]

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
        return self.form.get(name) or self.query.get(name) or default

    def whole(self, name: str, default: int = 0) -> int:
        """A field as a whole number.

        Raises:
            Refusal: It is not one.
        """
        text = self.sent(name).strip()
        if text and not _WHOLE.fullmatch(text):
            raise Refusal("invalid_number", f"Enter a whole number for {name.replace('_', ' ')}.")
        return int(text) if text else default

    def render(self, template: str, status: int = 0, **values: Any) -> Response:
        """A page; after a refusal with its status."""
        html = self.print_page(template, self.query.get("notice", ""), values)
        return Response(html, status or (self.refusal.status if self.refusal else 200))

    def redirect(self, path: str, notice: str = "") -> Response:
        """On to `path`, which then shows `notice`."""
        path, _, anchor = path.partition("#")
        mark = "&" if "?" in path else "?"
        anchor = f"#{anchor}" if anchor else ""
        return redirect((f"{path}{mark}{urlencode({'notice': notice})}" if notice else path) + anchor)

    def local(self, name: str, default: str) -> str:
        """A field that names a page of this site; `default` for any other."""
        path = self.sent(name, default)
        # Browsers drop tabs and line ends from addresses, and read a backslash as a slash.
        return path if re.fullmatch(r"/(?!/)[^\x00-\x20\x7f\\]*", path) else default

    def wants_consent(self, bug: str) -> bool:
        """Whether the overlay `bug` covers this page: from a session's second look at the site until it is answered."""
        if bug not in self.kit.bugs:
            return False
        seen: dict[str, int] = self.kit.cache.setdefault("consent", {})
        looks = seen.get(self.actor.sid, 0)
        if looks < 0:
            return False
        seen[self.actor.sid] = looks + 1
        return looks + 1 >= CONSENT_AFTER and self.kit.bug(bug)

    def consent(self) -> None:
        """The overlay was answered."""
        self.kit.cache.setdefault("consent", {})[self.actor.sid] = -1


V = TypeVar("V", bound="Visit[Any]")
Handler = Callable[[V], Response]


@dataclass(frozen=True)
class Page(Generic[V]):
    """One path: what GET and POST do, for whom, and which page shows a refused form again."""

    path: str
    get: Handler[V] | None = None
    post: Handler[V] | None = None
    again: Handler[V] | None = None
    role: str = ""


def page_routes(kit: Kit, kind: type[V], pages: Iterable[Page[V]]) -> list[Route]:
    """Their routes; every form that writes does so in a transaction of its own."""
    return [Route(page.path, _methods(kit, kind, page)) for page in pages]


def _methods(kit: Kit, kind: type[V], page: Page[V]) -> dict[str, Callable[[Request], Response]]:
    def answer(request: Request) -> Response:
        known = request.cookies.get("sid", "")
        visit = kind(kit, request, kind.load(kit, known or kit.token("visit")), known_sid=known)
        try:
            if request.method == "POST":
                visit.form = request.read_form()
            response = _respond(visit, page)
        except Refusal as refusal:
            visit.refusal = refusal
            response = _refused(visit, page)
        if visit.actor.sid != visit.known_sid:
            response.set_cookie("sid", visit.actor.sid)
        return response

    return {**({"GET": answer} if page.get else {}), **({"POST": answer} if page.post else {})}


def _respond(visit: V, page: Page[V]) -> Response:
    if page.role:
        visit.admit(page.role)
    if visit.request.method != "POST" or page.post is None:
        if page.get is None:
            raise Refusal("not_found", "We could not find this page.", 404)
        return page.get(visit)
    if not visit.form_is_good():
        raise Refusal("form_expired", "This form has expired. Please send it again.", 403)
    with atomic(visit.kit):
        return page.post(visit)


def _refused(visit: V, page: Page[V]) -> Response:
    refusal = visit.refusal
    if refusal is None:
        raise TypeError("there was no refusal")
    posted = visit.request.method == "POST"
    if refusal.status == 401:
        back = visit.local("back", visit.front) if posted else visit.request.target
        return visit.redirect(f"/login?next={quote(back, safe='/')}")
    if isinstance(refusal, Challenged):
        next_ = visit.local("back", visit.path) if posted else visit.request.target
        return visit.render("challenge.html", question=refusal.question, next=visit.local("next", next_))
    response = None
    if posted and page.again and (refusal.status not in (403, 404) or refusal.code == "form_rotated"):
        try:
            response = page.again(visit)
        except Refusal:
            response = None
    # A redirect would lose what there is to say.
    if response is None or response.status < 400:
        response = visit.render("error.html")
    response.headers.update(retry_header(refusal))
    return response


def unknown_page(kit: Kit, kind: type[Visit[Any]]) -> Callable[[Request, int], Response]:
    """What answers for paths and methods that do not exist (404, 405), and bodies that are too long (413)."""
    pages = {
        404: ("not_found", "We could not find this page."),
        405: ("not_found", "This page cannot be used that way."),
        413: ("too_large", "That is more than one form can take."),
    }

    def answer(request: Request, status: int) -> Response:
        code, words = pages[status]
        if request.path.startswith("/api/"):
            message = "The body is too large." if status == 413 else f"There is no {request.method} {request.path}."
            return to_json({"error": {"code": code, "message": message}}, status)
        refusal = Refusal(code, words, status)
        return kind(kit, request, kind.load(kit, request.cookies.get("sid", "")), refusal=refusal).render("error.html")

    return answer
