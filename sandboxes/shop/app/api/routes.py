"""Routes and the OpenAPI documents of the tools."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from envsim.guest.kit import Kit
from envsim.guest.operations import openapi
from envsim.guest.service import Refusal, atomic

from ..service.actor import load_actor
from .customer_tools import OPERATIONS as CUSTOMER
from .desk_tools import DESK_COMPONENTS
from .desk_tools import OPERATIONS as DESK
from .operation import Operation
from .schemas import COMPONENTS
from .staff_tools import OPERATIONS as STAFF
from .user_tools import OPERATIONS as USER
from .user_tools import OWN as USER_ONLY

OPERATIONS: list[Operation] = [*CUSTOMER, *STAFF]
MAX_BODY = 64 * 1024


def build(kit: Kit) -> list[Route]:
    """One route per path and the documents themselves: the shop's, the support desk's, its customers'."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in (*OPERATIONS, *DESK, *USER_ONLY):
        by_path.setdefault(operation.path, {})[operation.method] = operation
    made = [
        _described("/api/openapi.json", document(OPERATIONS, "Larkfield shop")),
        _described("/api/desk/openapi.json", document(DESK, "Larkfield support desk", DESK_COMPONENTS)),
        _described("/api/customer.json", document(USER, "Larkfield customer")),
    ]
    for path, operations in by_path.items():
        made.append(Route(path, _endpoint(kit, operations), methods=list(operations)))
    return made


def _described(path: str, described: dict[str, Any]) -> Route:
    text = json.dumps(described, indent=1).encode()

    async def describe(request: Request) -> Response:
        return Response(text, media_type="application/json")

    return Route(path, describe)


def _endpoint(kit: Kit, operations: dict[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > MAX_BODY:
                return _refuse(Refusal("too_large", "The body is too large.", 413))
        operation = operations["GET" if request.method == "HEAD" else request.method]
        if raw and not request.headers.get("content-type", "").startswith("application/json"):
            # Also what keeps other sites' forms out: they cannot send JSON.
            return _refuse(Refusal("unsupported_media_type", "Send application/json.", 415))
        return _answer(kit, operation, request, raw)

    return endpoint


def _answer(kit: Kit, operation: Operation, request: Request, raw: bytes) -> Response:
    actor = load_actor(kit, request.cookies.get("sid", ""))
    sid_before = actor.sid
    response: Response
    try:
        args = operation.read(request.path_params, request.query_params, raw)
        if operation.method == "GET":
            response = JSONResponse(operation.handler(actor, args))
        else:
            with atomic(kit):
                response = JSONResponse(operation.handler(actor, args))
    except Refusal as error:
        response = _refuse(error)
    if actor.sid and actor.sid != sid_before:
        response.set_cookie("sid", actor.sid, path="/", httponly=True, samesite="lax")
    return response


def _refuse(error: Refusal) -> Response:
    headers = {"retry-after": str(error.retry_after)} if error.retry_after else None
    return JSONResponse({"error": {"code": error.code, "message": error.message}}, error.status, headers)


def document(operations: list[Operation], title: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `operations`; `more` are components of its own."""
    about = "Money is in integer cents (USD)."
    components = COMPONENTS | (more or {})
    return openapi(operations, title, components, about=about, notes_beside=True, bodies_required=True)
