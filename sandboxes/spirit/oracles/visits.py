"""A member at the forum, as the oracles need one: Django's forms carry a token of their own."""

from __future__ import annotations

from urllib.parse import urlencode

from envsim.page.transport import Response
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import FORM, Visitor

MEMBER = "goran.garba@example.com"
NAME = "goran.garba"
MODERATOR = "bram.hoekstra@example.com"
ADMINISTRATOR = "ada.abel@example.com"
PASSWORD = "mendwick-demo"  # noqa: S105 -- published in the README


class Member(Visitor):
    """One person right after a reset of `sandbox`; None: a guest."""

    def __init__(self, sandbox: Sandbox, login: str | None = MEMBER) -> None:
        super().__init__(sandbox, sandbox.control.reset(ResetRequest(login=login)), login)

    def submit(self, page: str, target: str = "", **fields: object) -> Response:
        """Open `page` and send its form with the token in it, to `target` or to the page itself."""
        found = self.hidden(page)
        if "csrfmiddlewaretoken" not in found:
            raise ValueError(f"{page} has no form to send")
        body = urlencode({"csrfmiddlewaretoken": found["csrfmiddlewaretoken"], **fields}, doseq=True)
        return self.send("POST", target or page, body.encode(), FORM)
