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
from pathlib import Path

from envsim.page.loopback import MAX_BODY, LoopbackHandler, LoopbackServer
from envsim.page.transport import HOST, Header, Request, Response, Transport, WireFault
from envsim.sandbox.faults import FaultProfile
from envsim.sandbox.faults_wire import FaultTransport

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
        self._server = _Server(_Handler)
        self._server.front = self
        self.url = self._server.url
        self._server.start("faults")

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
        self._server.stop()
        self._transport.close()


def _swapped(headers: Sequence[Header], names: Sequence[str], old: str, new: str) -> tuple[Header, ...]:
    return tuple((k, new + v[len(old) :] if k in names and v.startswith(old) else v) for k, v in headers)


class _Server(LoopbackServer):
    front: FaultServer


class _Handler(LoopbackHandler):
    server: _Server

    def forward(self) -> None:
        length = self.headers.get("content-length", "0")
        if not self.path.startswith("/") or not length.isdigit() or int(length) > MAX_BODY:
            self.send(Response(400, (("content-type", "text/plain"),), b"not a request for this app"))
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        headers = tuple((k.lower(), v) for k, v in self.headers.items() if k.lower() not in _HOP)
        try:
            response = self.server.front.answer(Request(self.command, self.path, headers, body))
        except WireFault as fault:
            self._break(fault)
        else:
            self.send(replace(response, headers=tuple((k, v) for k, v in response.headers if k not in _HOP)))

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


def read_fault_log(folder: Path) -> str:
    """What faults a kept sandbox has met so far, as JSON lines; "" without any."""
    try:
        return (folder / LOG).read_text(encoding="utf-8")
    except OSError:
        return ""
