"""Signing in to an app that is not ours: a client that keeps cookies and sends forms, as a browser would.

Standard library only, but for where the app listens: this package also runs inside images.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from envsim.guest.exchange import HOST
from envsim.guest.relay import Address

TIMEOUT_S = 10.0
MAX_REDIRECTS = 10


class Visit:
    """What a `login` entry works with: a client of the app that keeps cookies, as a browser would."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self.cookies: dict[str, str] = {}
        self.path = "/"

    def get(self, path: str) -> str:
        """The text of the page at `path`, relative to the one before; redirects are followed.

        Raises:
            ValueError: It answers with an error.
        """
        return self._send("GET", path, None)

    def post(self, path: str, fields: Mapping[str, str]) -> str:
        """Send a form; the text of the page it leads to.

        Raises:
            ValueError: It answers with an error.
        """
        return self._send("POST", path, urlencode(fields))

    def _send(self, method: str, path: str, form: str | None) -> str:
        for _ in range(MAX_REDIRECTS):
            self.path = urljoin(self.path, path)
            status, where, text = self._exchange(method, form)
            if status not in (301, 302, 303, 307, 308):
                break
            split = urlsplit(where)
            path = split.path + (f"?{split.query}" if split.query else "")
            if status in (301, 302, 303):
                method, form = "GET", None
        if status >= 400:
            raise ValueError(f"{method} {self.path} answered {status}")
        return text

    def _exchange(self, method: str, form: str | None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(HOST, timeout=TIMEOUT_S)
        connection.sock = self._dial()
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"http://{HOST}{self.path}"}
        try:
            connection.request(method, self.path, form, {name: value for name, value in headers.items() if value})
            reply = connection.getresponse()
            for value in reply.headers.get_all("set-cookie") or ():
                for name, morsel in SimpleCookie(value).items():
                    self._keep(name, morsel.value, gone=morsel["max-age"] == "0")
            return reply.status, reply.headers.get("location", ""), reply.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def _keep(self, name: str, value: str, *, gone: bool) -> None:
        if gone:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def _dial(self) -> socket.socket:
        if isinstance(self._address, int):
            return socket.create_connection(("127.0.0.1", self._address), TIMEOUT_S)
        dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        dialled.settimeout(TIMEOUT_S)
        dialled.connect(str(self._address))
        return dialled
