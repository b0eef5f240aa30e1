"""Connections to an app that may be hostile: no link is followed, no answer takes or holds without end."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.guest.exchange import HOST

MAX_ANSWER = 16 * 1024 * 1024
"""Longest response body read, in bytes; as long as the longest request body a guest takes."""
CHUNK = 65_536


class TooLong(http.client.HTTPException):
    """The body of an answer is longer than it may be."""


class DeadlineSocket(socket.socket):
    """A socket with one deadline for all it sends and receives, where a timeout would start over at every byte.

    Attributes:
        deadline: `time.monotonic` at which `sendall` and `recv_into`, which `http.client` uses, raise TimeoutError;
            without one the usual timeout applies.
    """

    deadline = float("inf")

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `socket.socket.recv_into`."""
        self._hurry()
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As `socket.socket.sendall`."""
        self._hurry()
        super().sendall(data, flags)

    def _hurry(self) -> None:
        if self.deadline < float("inf"):
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the exchange took too long")
            self.settimeout(left)


def connect_unix(path: Path, timeout_s: float | None) -> DeadlineSocket:
    """Connect to the unix socket at `path`, and to nothing that a link there may lead to.

    The folder of a sandbox's sockets is open to the sandbox. Were a link in it followed, an app could
    put the host's own services, such as the Docker engine, in the place of its socket.

    Args:
        path: The socket. Its folder's path is trusted, its own name is not.
        timeout_s: Longest wait, in seconds; None for no limit.

    Raises:
        OSError: Nothing listens there, or it is not a socket.
    """
    connection = DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        if sys.platform == "linux":
            # What was looked at and what is connected to must be one thing, so it is held on to meanwhile.
            handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _check_socket(path, os.fstat(handle))
                connection.connect(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)
        else:
            _check_socket(path, path.lstat())
            connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _check_socket(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISSOCK(status.st_mode):
        raise ConnectionRefusedError(f"{path} is not a socket")


def connect_tcp(host: str, port: int, timeout_s: float | None) -> DeadlineSocket:
    """Connect to `host`.

    Raises:
        OSError: Nothing listens there.
    """
    plain = socket.create_connection((host, port), timeout_s)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected = DeadlineSocket(fileno=plain.detach())
    connected.settimeout(timeout_s)  # it does not take over the other's
    return connected


class Address:
    """Somewhere that takes connections."""

    def connect(self, timeout_s: float | None) -> DeadlineSocket:
        """Open a connection, for which `timeout_s` is the longest wait in seconds; None for no limit.

        Raises:
            OSError: Nobody is there.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class UnixAddress(Address):
    """See `connect_unix`."""

    path: Path

    def connect(self, timeout_s: float | None) -> DeadlineSocket:
        """See `Address.connect`."""
        return connect_unix(self.path, timeout_s)


@dataclass(frozen=True)
class TcpAddress(Address):
    """See `connect_tcp`."""

    host: str
    port: int

    def connect(self, timeout_s: float | None) -> DeadlineSocket:
        """See `Address.connect`."""
        return connect_tcp(self.host, self.port, timeout_s)


def as_address(where: Path | Address) -> Address:
    """`where`, a path being that of a unix socket."""
    return UnixAddress(where) if isinstance(where, Path) else where


class DeadlineConnection(http.client.HTTPConnection):
    """HTTP/1.1 over sockets that `dial` connects. Call `begin` before every exchange.

    Args:
        dial: Connects within as many seconds as it is given.
        timeout_s: Longest an exchange may take, connecting included.
    """

    def __init__(self, dial: Callable[[float], DeadlineSocket], timeout_s: float) -> None:
        super().__init__(HOST)
        self._dial = dial
        self._timeout_s = timeout_s
        self._deadline = 0.0

    def begin(self) -> None:
        """Start the time of an exchange."""
        self._deadline = time.monotonic() + self._timeout_s
        if isinstance(self.sock, DeadlineSocket):
            self.sock.deadline = self._deadline

    def connect(self) -> None:
        """Connect; called by `http.client` when there is a request to send."""
        connected = self._dial(max(0.001, self._deadline - time.monotonic()))
        connected.deadline = self._deadline
        self.sock = connected


def read_answer(reply: http.client.HTTPResponse, limit: int = MAX_ANSWER) -> bytes:
    """The body of `reply`.

    Raises:
        TooLong: It is longer than `limit` bytes.
        IncompleteRead: It ends before its declared length.
        HTTPException: It is malformed.
        TimeoutError: The deadline of its connection passed.
        OSError: The connection broke.
    """
    body = bytearray()
    try:
        # In pieces: a read of the declared length would set that much memory aside, whatever then arrives.
        while piece := reply.read(CHUNK):
            body += piece
            if len(body) > limit:
                raise TooLong(f"more than {limit} bytes")
        if reply.length:
            raise http.client.IncompleteRead(bytes(body), reply.length)
    except BaseException as error:
        # An answer without a length owns its connection: nobody else would close it.
        reply.close()
        if isinstance(error, ValueError):  # a chunk of negative length
            raise http.client.HTTPException(str(error)) from None
        raise
    return bytes(body)
