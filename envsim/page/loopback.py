"""A small HTTP server on a loopback port, for what stands between an app and a browser or client of somebody's own."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from envsim.page.transport import Response

MAX_BODY = 16 * 1024 * 1024
"""Longest request body that is forwarded, in bytes."""


class LoopbackServer(ThreadingHTTPServer):
    """Listens on a free port from when it is made, and answers from `start` to `stop`.

    Args:
        handler: What answers requests.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def start(self, name: str) -> None:
        """Begin to answer, on a thread of that name."""
        self._thread.name = name
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port; safe to call twice."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to report."""


class LoopbackHandler(BaseHTTPRequestHandler):
    """Hands every request, whatever its method, to `forward`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def forward(self) -> None:
        """Answer one request, with `send` or by breaking the connection."""
        raise NotImplementedError

    def send(self, response: Response) -> None:
        """Write a whole response; its length is written here."""
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        bodiless = response.status in (204, 304)
        if not bodiless:
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(response.body)

    def _any_method(self) -> None:
        self.forward()

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any_method  # noqa: N815
