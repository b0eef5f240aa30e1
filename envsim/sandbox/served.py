"""What a process and a container have in common: sockets in a private folder, a lease, a forwarder."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import weakref
from dataclasses import replace
from pathlib import Path

from envsim.guest.supervisor import APP_SOCKET
from envsim.page.transport import SocketTransport
from envsim.sandbox import registry
from envsim.sandbox.client import Lease, SocketControl
from envsim.sandbox.forward import Forwarder
from envsim.sandbox.registry import Record
from envsim.sandbox.spec import SandboxSpec

MAX_SOCKET_PATH = 100
"""A unix socket's path has room for 107 bytes on Linux and 103 on macOS."""

_numbers = itertools.count(1)
_open: weakref.WeakSet[ServedSandbox] = weakref.WeakSet()


def new_name(app: str) -> str:
    """A name no other sandbox on this machine has: app, pid and a count, e.g. ``shop-1f3c-1``."""
    return f"{app}-{os.getpid():x}-{next(_numbers):x}"


def private_folder() -> Path:
    """A new folder only its owner can enter, with a path short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="envsim-"))
    if len(str(folder)) + len("/io/control.sock") <= MAX_SOCKET_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="envsim-", dir="/tmp"))


def probe_arguments(hosts: list[str], paths: list[str]) -> list[str]:
    """Arguments of ``envsim.guest.probe``."""
    return [*(f"--host={host}" for host in hosts), *(f"--path={path}" for path in paths)]


class ServedSandbox:
    """See `Sandbox`. A subclass says how it ends and what its log is.

    Args:
        spec: What it is a clone of.
        record: How it is found, already in the registry.
        io: Folder of its sockets.
        lease: What keeps it up.
        control: Its control plane.
    """

    def __init__(self, spec: SandboxSpec, record: Record, io: Path, lease: Lease, control: SocketControl) -> None:
        self.spec = spec
        self.record = record
        self.control = control
        self._io = io
        self._lease = lease
        self._forwarder: Forwarder | None = None
        self._transports: weakref.WeakSet[SocketTransport] = weakref.WeakSet()
        self._closing = threading.Lock()
        self._closed = False
        _open.add(self)

    @property
    def name(self) -> str:
        """See `Sandbox.name`."""
        return self.record.name

    @property
    def runtime(self) -> str:
        """See `Sandbox.runtime`."""
        return self.record.runtime

    def transport(self) -> SocketTransport:
        """See `Sandbox.transport`."""
        transport = SocketTransport(socket=self._io / APP_SOCKET)
        self._transports.add(transport)
        return transport

    def url(self) -> str:
        """See `Sandbox.url`."""
        if self._forwarder is None:
            self._forwarder = Forwarder(self._io / APP_SOCKET)
            self.record = replace(self.record, url=self._forwarder.url)
            registry.write(self.record)
        return self._forwarder.url

    def log(self) -> str:
        """What it has logged so far."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Sandbox.close`."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        _open.discard(self)
        if self._forwarder is not None:
            self._forwarder.close()
        for transport in list(self._transports):
            transport.close()
        self.control.close()
        self._lease.release()
        self._end()
        shutil.rmtree(self.record.folder, ignore_errors=True)
        registry.remove(self.record.name)

    def _end(self) -> None:
        raise NotImplementedError


@atexit.register
def close_all() -> None:
    """Close every sandbox this process still has open; a forked child leaves its parent's alone."""
    for sandbox in list(_open):
        if sandbox.record.owner_pid != os.getpid():
            continue
        with contextlib.suppress(Exception):
            sandbox.close()
