"""Requests, responses and routes of a clone: as little of the web as server-rendered sites and JSON tools need.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote

from envsim.guest.kit import Asgi, Kit
from envsim.guest.operations import ABOUT, Schema, Tool, openapi
from envsim.guest.service import Refusal, atomic

MAX_BODY = 1 << 16
"""Bytes that the body of one request may have."""

MAX_FIELDS = 100
"""Fields that one form or query may have."""

_PART = re.compile(r"\{(\w+)(:int)?\}")


@dataclass(frozen=True)
class Request:
    """One request. Names of headers are in lower case; `parts` are the named parts of the path."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes = b""
    parts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The query as sent; nothing of one that has more than `MAX_FIELDS`."""
        return _pairs(self.query_string) or []

    @cached_property
    def query(self) -> dict[str, str]:
        """The query, the last of each name."""
        return dict(self.query_pairs)

    @cached_property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Cookies by name; none where the header cannot be read."""
        return dict(_cookies(self.headers.get("cookie", "")))

    def read_form(self) -> dict[str, str]:
        """The fields of a sent form, the last of each name.

        Raises:
            Refusal: There are more than `MAX_FIELDS`.
        """
        pairs = _pairs(self.body.decode("utf-8", "replace"))
        if pairs is None:
            raise Refusal("too_large", "That is more than one form can take.", 413)
        return dict(pairs)


@lru_cache(maxsize=256)
def _cookies(text: str) -> Mapping[str, str]:
    # A session sends the same header with every request, and reading it takes longer than answering some of them.
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}


def _pairs(text: str) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None


@dataclass
class Response:
    """One answer; text is sent as UTF-8."""

    body: str | bytes = b""
    status: int = 200
    media_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)

    def set_cookie(self, name: str, value: str) -> None:
        """A cookie for all of the site, out of reach of scripts and other sites' forms."""
        self.headers["set-cookie"] = f"{name}={value}; HttpOnly; Path=/; SameSite=lax"

    async def send(self, send: Callable[[MutableMapping[str, Any]], Awaitable[None]], *, bare: bool = False) -> None:
        """Answer with it; `bare` without its body, as HEAD is."""
        content = self.body.encode() if isinstance(self.body, str) else self.body
        kind = f"{self.media_type}; charset=utf-8" if self.media_type.startswith("text/") else self.media_type
        sent = {"content-length": str(len(content)), "content-type": kind, **self.headers}
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if bare else content})


def to_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, "application/json", dict(headers or {}))


def redirect(path: str) -> Response:
    """On to another page, to be read with GET."""
    return Response(status=303, media_type="text/plain", headers={"location": quote(path, safe=":/%#?=@[]!$&'()*+,;")})


Handler = Callable[[Request], Response]


@dataclass(frozen=True)
class Route:
    """A path such as ``/f/{name}`` or ``/p/{id:int}``, and what answers its methods; HEAD is answered as GET."""

    path: str
    methods: Mapping[str, Handler]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path of this route looks like."""
        literal = [re.escape(text) for text in _PART.sub("\0", self.path).split("\0")]
        named = [f"(?P<{name}>{'[0-9]{1,12}' if whole else '[^/]+'})" for name, whole in _PART.findall(self.path)]
        return re.compile("".join(a + b for a, b in zip(literal, [*named, ""], strict=True)))


def serve(routes: Iterable[Route], unused: Callable[[Request, int], Response]) -> Asgi:
    """The app of these routes; `unused` answers with 404, 405 or 413 what none of them takes."""
    fixed: dict[str, Route] = {}
    named: list[Route] = []
    for route in routes:
        if "{" in route.path:
            named.append(route)
        else:
            fixed[route.path] = route

    def find(path: str) -> tuple[Route | None, dict[str, str]]:
        if path in fixed:
            return fixed[path], {}
        for route in named:
            if found := route.pattern.fullmatch(path):
                return route, found.groupdict()
        return None, {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        route, parts = find(scope["path"])
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
        body, short = await _read(receive)
        query = scope["query_string"].decode("latin-1")
        request = Request(scope["method"], scope["path"], query, headers, body, parts)
        bare = request.method == "HEAD"
        handler = route.methods.get("GET" if bare else request.method) if route else None
        if handler is None or not short:
            response = unused(request, 413 if not short else 405 if route else 404)
        else:
            response = handler(request)
        await response.send(send, bare=bare)

    return app


async def _read(receive: Any) -> tuple[bytes, bool]:
    """The body, and whether it is short enough; of one that is not, no more than that is kept."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body), True
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return b"", False
        if not message.get("more_body"):
            return bytes(body), True


def fixed_file(path: str, content: bytes, kind: str) -> Route:
    """A file that is the same for every clone."""
    response = Response(content, media_type=kind, headers={"cache-control": "public, max-age=86400"})
    return Route(path, {"GET": lambda request: response})


def ticking(kit: Kit, app: Asgi, still: tuple[str, ...]) -> Asgi:
    """`app` with a clock that every request moves, but those for paths that begin with one of `still`.

    A browser fetches files when it likes, so they take no time.
    """

    async def tick(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(still):
            kit.ticks += 1
        await app(scope, receive, send)

    return tick


def truncating(kit: Kit, app: Asgi, bug: str, chosen: tuple[str, ...]) -> Asgi:
    """`app` whose answers to reading paths that begin with one of `chosen` break off half-way where `bug` fires."""

    async def cut(scope: Any, receive: Any, send: Any) -> None:
        if (
            scope["type"] == "http"
            and bug in kit.bugs
            and scope["method"] == "GET"
            and scope["path"].startswith(chosen)
        ):
            send = _Cutter(kit, bug, scope["path"], send)
        await app(scope, receive, send)

    return cut


class _Cutter:
    """Sends half of a body under the content-length of all of it, then nothing more."""

    def __init__(self, kit: Kit, bug: str, path: str, send: Callable[[Any], Awaitable[None]]) -> None:
        self._kit, self._bug, self._path, self._send = kit, bug, path, send
        self._cut = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            self._cut = self._kit.bug(self._bug, self._path)
        elif message["type"] == "http.response.body" and self._cut:
            body = message.get("body", b"")
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await self._send(message)


# -- tools -------------------------------------------------------------------------------------------


def tool_routes(
    kit: Kit, tools: Iterable[Tool[Any]], caller: Callable[[Request], Any], document: str, title: str,
    components: Mapping[str, Schema], about: str = ABOUT,
) -> list[Route]:  # fmt: skip
    """A route for every path of `tools`, and one for the document that describes them.

    Args:
        kit: Where they run; each writing one in a transaction of its own.
        tools: The tools, in the document's order.
        caller: Who asks, from a request; what handlers get first.
        document: Path of the document.
        title: The site's name.
        components: See `operations.openapi`.
        about: Likewise.
    """
    listed = list(tools)
    text = json.dumps(openapi(listed, title, components, about=about), indent=1, ensure_ascii=False)
    at: dict[str, dict[str, Handler]] = {}
    for tool in listed:
        at.setdefault(tool.path, {})[tool.method] = _tool_handler(kit, tool, caller)
    own = Route(document, {"GET": lambda request: Response(text, media_type="application/json")})
    return [own, *(Route(path, methods) for path, methods in at.items())]


def _tool_handler(kit: Kit, tool: Tool[Any], caller: Callable[[Request], Any]) -> Handler:
    def answer(request: Request) -> Response:
        try:
            if request.body and not request.headers.get("content-type", "").startswith("application/json"):
                # No other site's form can send JSON.
                raise Refusal("unsupported_media_type", "Send application/json.", 415)
            arguments = tool.read(request.parts, request.query, request.body)
            if tool.method == "GET":
                return to_json(tool.handler(caller(request), arguments))
            with atomic(kit):
                return to_json(tool.handler(caller(request), arguments))
        except Refusal as refusal:
            error = {"error": {"code": refusal.code, "message": refusal.message}}
            return to_json(error, refusal.status, retry_header(refusal))

    return answer


def retry_header(refusal: Refusal) -> dict[str, str]:
    """When to try again, as a header, where trying again would help."""
    return {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
