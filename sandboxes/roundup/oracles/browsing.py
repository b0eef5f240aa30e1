"""A person at the tracker, as the oracles and tests need them."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import urlencode

from envsim.page.transport import Request, Response
from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import FORM, Visitor

DEVELOPER = "ingrid@heron.example"
REPORTER = "rfairley@heron.example"

_NONCE = re.compile(r'name="@csrf"[^>]*?value="([^"]+)"|value="([^"]+)"[^>]*?name="@csrf"')
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


class Session(Visitor):
    """One signed-in account, right after a reset of `sandbox`; None for a guest."""

    def __init__(self, sandbox: Sandbox, login: str | None = DEVELOPER) -> None:
        super().__init__(sandbox, sandbox.control.reset(ResetRequest(login=login)), login)

    @classmethod
    def beside(cls, other: Visitor, login: str) -> Visitor:
        """Somebody else at the same tracker, without a reset."""
        return Visitor(other.sandbox, other.sandbox.control.sign_in(login), login)

    def title(self, target: str) -> str:
        """What the window of a page is called."""
        found = _TITLE.search(self.get(target))
        if found is None:
            raise OracleFailure(f"{target} is no page")
        return " ".join(html.unescape(found[1]).split())

    def submit(self, page: str, target: str = "/", /, **fields: object) -> Response:
        """Send the fields of a form on `page`, with the nonce that it carries. ``at_x`` stands for ``@x``."""
        nonce = _NONCE.search(self.get(page))
        if nonce is None:
            raise ValueError(f"{page} has no form that could be sent")
        sent = {re.sub("^at_", "@", name): value for name, value in fields.items()}
        sent["@csrf"] = nonce[1] or nonce[2]
        return self.send("POST", target, urlencode(sent, doseq=True).encode(), FORM)

    def rest(self, method: str, path: str, value: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an exchange with the REST interface, as a script on the tracker's own pages has it."""
        sent = {"x-requested-with": "rest", "accept": "application/json", **headers}
        if self.cookies:
            sent["cookie"] = "; ".join(map("=".join, self.cookies.items()))
        if value is not None:
            sent["content-type"] = "application/json"
        transport = self.sandbox.transport()
        body = b"" if value is None else json.dumps(value).encode()
        reply = transport.send(Request(method, f"/rest/data/{path}", tuple(sent.items()), body))
        transport.close()
        try:
            return reply.status, json.loads(reply.body)
        except ValueError:
            return reply.status, reply.body.decode("utf-8", "replace")
