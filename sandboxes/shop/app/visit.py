"""One page request: who asks, what they sent, and how to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, fetch
from envsim.guest.web import Request, Response, redirect

from .render import NOTICES, page
from .service import cart
from .service.actor import Actor, load_actor

MODAL_AFTER = 3

Handler = Callable[["Visit"], Response]


@dataclass
class Visit:
    """A request with its session. Built by `open_visit`, answered by a handler."""

    kit: Kit
    request: Request
    actor: Actor
    query: dict[str, str]
    form: dict[str, str]
    error: str = ""
    status: int = 200
    sid_before: str = ""

    @property
    def path(self) -> str:
        """Path of the request."""
        return self.request.path

    @property
    def target(self) -> str:
        """Path and query of the request."""
        return self.request.target

    @property
    def csrf(self) -> str:
        """The token that this session's forms carry."""
        return hashlib.sha256(f"larkfield-form:{self.actor.sid}".encode()).hexdigest()[:24]

    def number(self, name: str) -> int:
        """A path parameter as an integer.

        Raises:
            Refusal: It is not one.
        """
        text = self.request.parts[name]
        if not _is_number(text):
            raise Refusal("not_found", "We could not find this page.", 404)
        return int(text)

    def integer(self, name: str, default: int = 0) -> int:
        """A form or query value as an integer; `default` when it is absent.

        Raises:
            Refusal: It is not one.
        """
        text = (self.form.get(name) or self.query.get(name) or "").strip()
        if not text:
            return default
        if not _is_number(text.removeprefix("-")):
            raise Refusal("invalid_number", f"Enter a whole number for {name.replace('_', ' ')}.", 422)
        return int(text)

    def cents(self, name: str) -> int | None:
        """A form or query value in dollars as cents; None when it is absent.

        Raises:
            Refusal: It is not an amount of money.
        """
        text = (self.form.get(name) or self.query.get(name) or "").strip().lstrip("$").replace(",", "")
        if not text:
            return None
        dollars, _, cents = text.partition(".")
        if not _is_number(dollars or "0", 9) or not _is_number(cents or "0", 2):
            raise Refusal("invalid_amount", "Enter an amount such as 25 or 25.50.", 422)
        return int(dollars or "0") * 100 + int(cents.ljust(2, "0") or "0")

    def render(self, template: str, status: int = 0, **values: Any) -> Response:
        """A page; `status` defaults to that of the visit, which a refusal has set."""
        account = self.actor.account
        html = page(
            template,
            v=self,
            csrf=self.csrf,
            account=account,
            categories=fetch(self.kit, "SELECT slug, name FROM categories ORDER BY position"),
            cart_count=cart.count_items(self.actor),
            notice=NOTICES.get(self.query.get("notice", ""), ""),
            **values,
        )
        return Response(html, status or self.status, media_type="text/html")

    def redirect(self, path: str, notice: str = "") -> Response:
        """Post/redirect/get: on to `path`, which then shows `notice` (a key of `NOTICES`)."""
        if notice:
            path += ("&" if "?" in path else "?") + urlencode({"notice": notice})
        return redirect(path)

    def local(self, name: str, default: str) -> str:
        """A form or query value that names a page of this shop, so that nobody is sent elsewhere."""
        path = self.form.get(name) or self.query.get(name) or default
        return path if path.startswith("/") and not path.startswith(("//", "/\\")) else default


def open_visit(kit: Kit, request: Request) -> Visit:
    """Read the session, query and form of a request.

    Raises:
        Refusal: The form has more fields than a form may.
    """
    sid_before = request.cookies.get("sid", "")
    sid = sid_before or kit.token("visit")
    form = request.read_form() if request.method == "POST" else {}
    return Visit(kit, request, load_actor(kit, sid), request.query, form, sid_before=sid_before)


def _is_number(text: str, digits: int = 12) -> bool:
    # isdecimal() alone also takes digits of other scripts; isdigit() even takes superscripts, which int() refuses.
    return text.isascii() and text.isdecimal() and len(text) <= digits


def show_modal(visit: Visit) -> bool:
    """Whether the newsletter overlay covers this page: from a session's third look at the shop until it is answered."""
    kit = visit.kit
    if "newsletter-modal" not in kit.bugs:
        return False
    key = f"modal:{visit.actor.sid}"
    views = kit.cache.get(key, 0)
    if views < 0:
        return False
    kit.cache[key] = views + 1
    return views + 1 >= MODAL_AFTER and kit.bug("newsletter-modal")


def login_path(visit: Visit) -> str:
    """Where a guest is sent who needs an account."""
    target = visit.target if visit.request.method == "GET" else "/account"
    return f"/login?next={quote(target, safe='/')}"
