"""A member at the wiki, as the oracles need one. Newer versions have a token in every form, older ones none."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from envsim.page.transport import Response
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.visitor import FORM, Visitor

ADMINISTRATOR = "beatrix.arnold@example.com"
MEMBER = "tomas.hruby@example.com"
PASSWORD = "weir-meadow-demo"  # noqa: S105 -- published in the README
BOUNDARY = "envsim-upload-boundary"


class Member(Visitor):
    """One person right after a reset of `sandbox`; None: a guest."""

    def __init__(self, sandbox: Sandbox, login: str | None = MEMBER, *, reset: bool = True) -> None:
        cookies = sandbox.control.reset(ResetRequest(login=login)) if reset else {}
        super().__init__(sandbox, cookies, login)

    def submit(self, page: str, target: str = "", **fields: object) -> Response:
        """Open `page` and send its form, with the token in it if there is one, to `target` or to the page itself."""
        body = urlencode({**self._token(page), **fields}, doseq=True)
        return self.send("POST", target or page, body.encode(), FORM)

    def save(self, path: str, content: str, message: str = "") -> Response:
        """Write a page."""
        place = "/" + quote(path)
        reply = self.submit(f"{place}/edit", f"{place}/save", content=content, commit=message)
        if reply.status != 302:
            raise ValueError(f"{place} could not be saved (status {reply.status})")
        return reply

    def upload(self, page: str, name: str, content: bytes) -> Response:
        """Attach a file to a page."""
        parts = [
            f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}' for key, value in self._token(page).items()
        ]
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
        body = b"".join(f"--{BOUNDARY}\r\n{part}\r\n".encode() for part in parts)
        body += f"--{BOUNDARY}\r\n{head}".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        return self.send("POST", page, body, f"multipart/form-data; boundary={BOUNDARY}")

    def _token(self, page: str) -> dict[str, str]:
        found = self.hidden(page)
        return {"csrf_token": found["csrf_token"]} if "csrf_token" in found else {}
