"""Routes and the OpenAPI documents of the tools."""

from __future__ import annotations

import json
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.operations import openapi
from envsim.guest.service import Refusal, atomic
from envsim.guest.web import Handler, Request, Response, Route, retry_header, to_json

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
        made.append(Route(path, {method: _endpoint(kit, found) for method, found in operations.items()}))
    return made


def _described(path: str, described: dict[str, Any]) -> Route:
    text = json.dumps(described, indent=1).encode()

    return Route(path, {"GET": lambda request: Response(text, media_type="application/json")})


def _endpoint(kit: Kit, operation: Operation) -> Handler:
    def endpoint(request: Request) -> Response:
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            # Also what keeps other sites' forms out: they cannot send JSON.
            return _refuse(Refusal("unsupported_media_type", "Send application/json.", 415))
        return _answer(kit, operation, request)

    return endpoint


def _answer(kit: Kit, operation: Operation, request: Request) -> Response:
    actor = load_actor(kit, request.cookies.get("sid", ""))
    sid_before = actor.sid
    try:
        args = operation.read(request.parts, request.query, request.body)
        if operation.method == "GET":
            response = to_json(operation.handler(actor, args))
        else:
            with atomic(kit):
                response = to_json(operation.handler(actor, args))
    except Refusal as error:
        response = _refuse(error)
    if actor.sid and actor.sid != sid_before:
        response.set_cookie("sid", actor.sid)
    return response


def _refuse(error: Refusal) -> Response:
    return to_json({"error": {"code": error.code, "message": error.message}}, error.status, retry_header(error))


def document(operations: list[Operation], title: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `operations`; `more` are components of its own."""
    about = "Money is in integer cents (USD)."
    components = COMPONENTS | (more or {})
    return openapi(operations, title, components, about=about, notes_beside=True, bodies_required=True)
