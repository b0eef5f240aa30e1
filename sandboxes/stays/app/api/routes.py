"""Routes of the tools, and their OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from envsim.guest.kit import Kit
from envsim.guest.operations import Tool, openapi
from envsim.guest.service import Refusal, atomic

from ..service.members import Actor, load_actor
from . import guest_tools, host_tools
from .schemas import COMPONENTS

TOOLS = [*guest_tools.TOOLS, *host_tools.TOOLS]
MAX_BODY = 1 << 16


def build(kit: Kit) -> list[Route]:
    """The document's route and one for every path of a tool."""
    text = json.dumps(openapi(TOOLS, "Dovecote", COMPONENTS), indent=1).encode()

    async def document(request: Request) -> Response:
        return Response(text, media_type="application/json")

    at: dict[str, dict[str, Tool[Actor]]] = {}
    for tool in TOOLS:
        at.setdefault(tool.path, {})[tool.method] = tool
    tools = [Route(path, _endpoint(kit, methods), methods=[*methods]) for path, methods in at.items()]
    return [Route("/api/openapi.json", document), *tools]


def _endpoint(kit: Kit, methods: dict[str, Tool[Actor]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            body = await _body(request)
            tool = methods.get(request.method) or methods["GET"]  # Starlette answers HEAD where there is a GET
            arguments = tool.read(request.path_params, request.query_params, body)
            actor = load_actor(kit, request.cookies.get("sid", ""))
            if tool.method == "GET":
                return JSONResponse(tool.handler(actor, arguments))
            with atomic(kit):
                return JSONResponse(tool.handler(actor, arguments))
        except Refusal as refusal:
            error = {"error": {"code": refusal.code, "message": refusal.message}}
            headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
            return JSONResponse(error, refusal.status, headers)

    return answer


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refusal("too_large", "The body is too large.", 413)
    if body and not request.headers.get("content-type", "").startswith("application/json"):
        # No other site's form can send JSON.
        raise Refusal("unsupported_media_type", "Send application/json.", 415)
    return body
