"""A loopback port behind which an app meets faults: what ``sandbox up --faults`` gives in place of the plain relay.

For agents that bring a browser or client of their own. Delays are real here, since nobody simulates their time.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from envsim.page.transport import HOST, Header, Request, Response, Transport, WireFault
from envsim.sandbox.faults import FaultProfile
from envsim.sandbox.faults_wire import FaultTransport

MAX_BODY = 16 * 1024 * 1024
"""Longest request body that is forwarded, in bytes."""
LOG = "faults.jsonl"
"""What was done, one JSON object a line: ground truth, in the sandbox's private folder on the host."""

_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host",
     "content-length", "accept-encoding"}
)  # fmt: skip
_HALF = b"<!doctype html><html><body><p>"


class FaultServer:
    """Serves one app through a fault transport until closed.

    Args:
        transport: How requests reach the app; used by one request at a time, closed with the server.
        profile: Which faults, how often; its delays take their time.
        seed: Of the schedule.
        folder: Where `LOG` is kept.
    """

    def __init__(self, transport: Transport, profile: FaultProfile, seed: int, folder: Path) -> None:
        self._transport = FaultTransport(transport, replace(profile, real_latency=True))
        self._transport.begin(seed)
        self._lock = threading.Lock()
        self._log = folder / LOG
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.front = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="faults", daemon=True)
        self._thread.start()

    def answer(self, request: Request) -> Response:
        """The response to `request`, as from the app's own host.

        Raises:
            WireFault: The exchange broke, by a fault or by the app.
        """
        inner = replace(request, headers=_swapped(request.headers, ("origin", "referer"), self.url, f"http://{HOST}"))
        with self._lock:
            try:
                response = self._transport.send(inner)
            finally:
                with self._log.open("a", encoding="utf-8") as log:
                    for event in self._transport.drain():
                        line = {"request": f"{request.method} {request.target}", **event.model_dump()}
                        log.write(json.dumps(line, ensure_ascii=False) + "\n")
        return replace(response, headers=_swapped(response.headers, ("location",), f"http://{HOST}", self.url))

    def close(self) -> None:
        """Stop serving; safe to call twice."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._transport.close()


def _swapped(headers: Sequence[Header], names: Sequence[str], old: str, new: str) -> tuple[Header, ...]:
    return tuple((k, new + v[len(old) :] if k in names and v.startswith(old) else v) for k, v in headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    front: FaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _forward(self) -> None:
        length = self.headers.get("content-length", "0")
        if not self.path.startswith("/") or not length.isdigit() or int(length) > MAX_BODY:
            self._send(Response(400, (("content-type", "text/plain"),), b"not a request for this app"))
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        headers = tuple((k.lower(), v) for k, v in self.headers.items() if k.lower() not in _HOP)
        try:
            response = self.server.front.answer(Request(self.command, self.path, headers, body))
        except WireFault as fault:
            self._break(fault)
        else:
            self._send(response)

    def _break(self, fault: WireFault) -> None:
        self.close_connection = True
        if fault.kind == "truncated":
            self.send_response_only(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(_HALF) * 10))
            self.end_headers()
            self.wfile.write(_HALF)
        elif fault.kind == "reset":
            # Lingering for no time makes the close a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        for name, value in response.headers:
            if name not in _HOP:
                self.send_header(name, value)
        bodiless = response.status in (204, 304)
        if not bodiless:
            self.send_header("content-length", str(len(response.body)))
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_POST = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _forward  # noqa: N815


def read_fault_log(folder: Path) -> str:
    """What faults a kept sandbox has met so far, as JSON lines; "" without any."""
    try:
        return (folder / LOG).read_text(encoding="utf-8")
    except OSError:
        return ""
