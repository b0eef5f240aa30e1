"""One person at a clone, as its oracles and tests need them: cookies, pages, forms, tools and state rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from envsim.guest.openapi import build_call
from envsim.page.lines import Line
from envsim.page.snapshot import snapshot
from envsim.page.transport import Request, Response
from envsim.sandbox.runtime import Sandbox

FORM = "application/x-www-form-urlencoded"
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Visitor:
    """A person with cookies of their own.

    Args:
        sandbox: Where the clone runs.
        cookies: What their browser holds.
        login: The account they are signed in to; None for a guest.
        form_page: A page any guest may open whose forms carry the session's token, as ``csrf``.
    """

    def __init__(
        self, sandbox: Sandbox, cookies: Mapping[str, str], login: str | None = None, form_page: str = "/login"
    ) -> None:
        self.sandbox, self.login = sandbox, login
        self.cookies = dict(cookies)
        self._form_page = form_page
        self._documents: dict[str, dict[str, Any]] = {}

    def send(self, method: str, target: str, body: bytes = b"", kind: str = "") -> Response:
        """One request; redirects are not followed, and no connection is left open."""
        headers: list[tuple[str, str]] = [("content-type", kind)] if kind else []
        if self.cookies:
            headers.append(("cookie", "; ".join(map("=".join, self.cookies.items()))))
        with closing(self.sandbox.transport()) as transport:
            reply = transport.send(Request(method, target, tuple(headers), body))
        self.cookies.update((morsel.key, morsel.value) for morsel in reply.set_cookies())
        return reply

    def get(self, target: str) -> str:
        """The HTML of a page, whatever its status."""
        return self.send("GET", target).body.decode()

    def lines(self, target: str) -> tuple[Line, ...]:
        """The elements of a page."""
        return snapshot(self.get(target), target).lines

    def hidden(self, target: str) -> dict[str, str]:
        """The hidden fields of a page's forms, the last of each name."""
        return dict(_HIDDEN.findall(self.get(target)))

    def post(self, target: str, **fields: object) -> Response:
        """Send a form, with the token that this session's forms carry."""
        fields = {"csrf": self.hidden(self._form_page).get("csrf", ""), **fields}
        return self.send("POST", target, urlencode(fields).encode(), FORM)

    def tool(self, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of one of the app's tools, a refusal included; raises as `tool_of` does."""
        return self.tool_of(self.sandbox.spec.tools or "", name, **arguments)

    def tool_of(self, document: str, name: str, /, **arguments: object) -> dict[str, Any]:
        """The JSON answer of a tool that the OpenAPI document at this path describes, a refusal included.

        Raises:
            ValueError: No such tool or arguments, or an answer that is no object.
        """
        if document not in self._documents:
            self._documents[document] = json.loads(self.get(document))
        method, target, _, body = build_call(self._documents[document], name, arguments)
        answer = json.loads(self.send(method, target, body, "application/json" if body else "").body)
        if not isinstance(answer, dict):
            raise ValueError(f"{name} answered with a {type(answer).__name__}")
        return answer

    def rows(self, collection: str, **having: object) -> dict[str, dict[str, Any]]:
        """Rows of the state view with these values."""
        table = self.sandbox.control.state()[collection]
        return {key: row for key, row in table.items() if having.items() <= row.items()}
