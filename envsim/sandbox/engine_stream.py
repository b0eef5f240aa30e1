"""A connection through the engine's own API: to a program in a container, from wherever the engine can be reached.

What a program's stdin and stdout carry comes in frames of eight bytes' header (stream, three zeros, length), see
"Stream format" of ``POST /containers/{id}/attach`` in Docker's API reference.
"""

from __future__ import annotations

import contextlib
import importlib
import select
import socket
import struct
import threading
from typing import Any

from envsim.page.sockets import DeadlineSocket

CHUNK = 65_536
STDOUT = 1
HEADER = struct.Struct(">BxxxL")
STUCK_S = 60.0
"""How long the engine may not take what is sent, in seconds, before the connection is given up."""


def open_stream(client: Any, container_id: str, command: list[str]) -> DeadlineSocket:
    """A socket to the stdin and from the stdout of `command`, run in the container. It starts meanwhile.

    Where it cannot be started the socket is closed from its other end, as by a server that hangs up.

    Args:
        client: A docker client; used on a thread of its own until the connection ends.
        container_id: A container that runs.
        command: The program and its arguments.
    """
    near, far = socket.socketpair()
    threading.Thread(target=_carry, args=(client, container_id, command, far), daemon=True).start()
    return DeadlineSocket(fileno=near.detach())


def _carry(client: Any, container_id: str, command: list[str], far: socket.socket) -> None:
    errors, requests = importlib.import_module("docker.errors"), importlib.import_module("requests")
    ends: list[Any] = [far]
    try:
        started = client.api.exec_create(container_id, command, stdin=True, stderr=False)
        stream = client.api.exec_start(started["Id"], socket=True)
        raw = getattr(stream, "_sock", stream)  # over TCP and unix sockets it is wrapped, over TLS and SSH it is not
        ends += [stream, raw]  # both: while either is open, so is the connection
        raw.settimeout(STUCK_S)
        _exchange(far, raw)
    except (errors.DockerException, requests.RequestException, OSError):
        pass  # who waits at the other end sees that it is closed, and asks what became of the sandbox
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                end.close()


def _exchange(far: socket.socket, raw: Any) -> None:
    """Carry bytes both ways until either side has ended."""
    poll = select.poll()
    poll.register(far, select.POLLIN)
    poll.register(raw, select.POLLIN)
    ours, frames = far.fileno(), Frames()
    while True:
        # TLS may have read ahead what the file descriptor no longer shows.
        pending = getattr(raw, "pending", int)()
        ready = {handle for handle, _ in poll.poll(0 if pending else None)}
        if ours in ready:
            if not (data := far.recv(CHUNK)):
                return
            raw.sendall(data)
        if pending or ready - {ours}:
            if not (data := raw.recv(CHUNK)):
                return
            if out := frames.feed(data):
                far.sendall(out)


class Frames:
    """Takes frames apart, wherever they were cut on the way."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._left = 0
        self._kind = 0

    def feed(self, data: bytes) -> bytes:
        """What `data` adds to the program's stdout."""
        self._waiting += data
        out = bytearray()
        while self._waiting:
            if not self._left:
                if len(self._waiting) < HEADER.size:
                    break
                self._kind, self._left = HEADER.unpack_from(self._waiting)
                del self._waiting[: HEADER.size]
                continue
            piece = self._waiting[: self._left]
            del self._waiting[: len(piece)]
            self._left -= len(piece)
            if self._kind == STDOUT:
                out += piece
        return bytes(out)
