"""Calls of an app's own operations, as its OpenAPI document declares them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from envsim.errors import SandboxError, UncertainError
from envsim.guest.openapi import build_call, tool_schemas
from envsim.page.transport import Request, Response, Transport, WireFault
from envsim.state import canonical
from envsim.types import JsonValue

_MAX_ERROR_TEXT = 500


@dataclass(frozen=True)
class Reply:
    """What came back: `result` is JSON text; `error` says why no call was made at all."""

    result: str = ""
    error: str = ""


class ToolClient:
    """One session with the tools of one app.

    Attributes:
        cookies: The session's cookies, sent with every call and kept up to date.
    """

    def __init__(self, transport: Transport, document_path: str) -> None:
        self._transport = transport
        self._path = document_path
        self._document: dict[str, Any] | None = None
        self.cookies: dict[str, str] = {}

    def tools(self) -> list[dict[str, JsonValue]]:
        """Function schemas of all operations: ``{"name", "description", "parameters"}``."""
        return tool_schemas(self._load())

    def call(self, name: str, arguments: Mapping[str, JsonValue]) -> Reply:
        """Call one operation.

        A JSON body comes back as the app sent it, so that its schema drift is the agent's to see.
        From status 400 on, and for bodies that are no JSON, the result is an object with
        ``status``, ``retry_after`` where sent, and the body's fields or text. A broken exchange
        has status 0 and the error code ``reset``, ``timeout`` or ``truncated``.
        """
        try:
            method, target, headers, body = build_call(self._load(), name, dict(arguments))
        except ValueError as error:
            return Reply(error=str(error))
        cookie = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        all_headers = (*headers, ("accept", "application/json"), *([("cookie", cookie)] if cookie else []))
        try:
            response = self._transport.send(Request(method, target, tuple(all_headers), body))
        except WireFault as fault:
            return Reply(canonical({"status": 0, "error": {"code": fault.kind, "message": "no complete answer"}}))
        for morsel in response.set_cookies():
            if morsel["max-age"] == "0" or not morsel.value:
                self.cookies.pop(morsel.key, None)
            else:
                self.cookies[morsel.key] = morsel.value
        return Reply(_result(response))

    def save(self) -> object:
        """The session, for `load`: cookies, and the document, so that a fork does not ask for it again."""
        return dict(self.cookies), self._document

    def load(self, token: object) -> None:
        """Take over a saved session.

        Raises:
            UncertainError: Not a session of a tool client.
        """
        match token:
            case (dict() as cookies, dict() | None as document):
                self.cookies, self._document = dict(cookies), document
            case _:
                raise UncertainError("This is no session of a tool client. Save one with save().")

    def close(self) -> None:
        """Release the connection."""
        self._transport.close()

    def _load(self) -> dict[str, Any]:
        if self._document is None:
            try:
                response = self._transport.send(Request("GET", self._path))
                self._document = json.loads(response.body)
            except (WireFault, ValueError):
                raise SandboxError(
                    f"The app serves no OpenAPI document at {self._path}. Check 'tools' in its sandbox.toml."
                ) from None
        return self._document


def _result(response: Response) -> str:
    text = response.body.decode("utf-8", "replace")
    try:
        body = json.loads(text) if text else None
    except ValueError:
        body = None
        plain = True
    else:
        plain = False
    if response.status < 400 and not plain:
        return text
    out: dict[str, Any] = {"status": response.status}
    if (wait := response.header("retry-after")) is not None:
        out["retry_after"] = wait
    if isinstance(body, dict):
        out |= body
    elif plain:
        out["text"] = text[:_MAX_ERROR_TEXT]
    elif body is not None:
        out["body"] = body
    return canonical(out)
