"""What a process and a container have in common: sockets in a private folder, a lease, a forwarder."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from envsim.errors import SandboxLost, SandboxStartError
from envsim.guest.supervisor import CONTROL_SOCKET
from envsim.page.sockets import Address
from envsim.page.transport import SocketTransport
from envsim.sandbox import registry
from envsim.sandbox.client import Lease, SocketControl
from envsim.sandbox.faults import FaultProfile
from envsim.sandbox.faults_serve import FaultServer
from envsim.sandbox.forward import Forwarder
from envsim.sandbox.owner import Owner
from envsim.sandbox.registry import Record
from envsim.sandbox.spec import SandboxSpec

MAX_SOCKET_PATH = 100
"""A unix socket's path has room for 107 bytes on Linux and 103 on macOS."""

_PLAIN = str.maketrans("@+", "--")
_numbers = itertools.count(1)
_open: weakref.WeakSet[ServedSandbox] = weakref.WeakSet()


def new_name(app: str) -> str:
    """A name no other sandbox on this machine has: app, pid, a count and chance, e.g. ``shop-1f3c-1-9a0e``.

    Containers that share an engine or a cache folder may well have the same pids.
    """
    return f"{app.translate(_PLAIN)}-{os.getpid():x}-{next(_numbers):x}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn a failure to write, as on a disk that is full, into a SandboxStartError that begins with `what`."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        reason = f"{error.strerror or error}{where}"
        raise SandboxStartError(f"{what}: {reason}. Free some space, or set TMPDIR and ENVSIM_CACHE.") from error


def reserve(app: str, runtime: str, sockets: str = ".") -> Record:
    """Name a new sandbox, put it on record, and make its private folder.

    In this order, so that a program killed at any moment leaves nothing that a sweep does not find.

    Args:
        app: What it will be a clone of, with its variant: ``oscar@3.2``.
        runtime: ``"process"`` or ``"docker"``.
        sockets: Where in its folder its sockets will be.

    Raises:
        SandboxStartError: The folder cannot be made.
    """
    with disk_errors(f"A sandbox of {app} has nowhere to be"):
        folder, owner = _free_path(), Owner.current()
    record = Record(
        name=new_name(app),
        app=app,
        runtime=runtime,
        control=str(folder / sockets / CONTROL_SOCKET),
        folder=str(folder),
        owner_pid=owner.pid,
        owner_start=owner.start,
    )
    with disk_errors(f"Sandbox {record.name} cannot be put on record"):
        registry.write(record)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        registry.remove(record.name)
        raise SandboxStartError(f"{folder} cannot be made: {error.strerror}. Set TMPDIR to a folder you own.") from None
    return record


def _free_path() -> Path:
    """A path nobody uses, short enough for a unix socket below it."""
    name = f"envsim-{secrets.token_hex(8)}"
    path = Path(tempfile.gettempdir()) / name
    fits = len(str(path)) + len("/io/control.sock") <= MAX_SOCKET_PATH
    return path if fits else Path("/tmp") / name  # noqa: S108 -- the name cannot be guessed, and mkdir refuses what is there


def probe_arguments(hosts: list[str], paths: list[str], abstract: str) -> list[str]:
    """Arguments of ``envsim.guest.probe``."""
    return [*(f"--host={host}" for host in hosts), *(f"--path={path}" for path in paths), f"--abstract={abstract}"]


class ServedSandbox:
    """See `Sandbox`. A subclass says how it ends and what its log is.

    Args:
        spec: What it is a clone of.
        record: How it is found, already in the registry.
        app: Where its app listens.
        lease: What keeps it up.
        control: Its control plane.
    """

    def __init__(self, spec: SandboxSpec, record: Record, app: Address, lease: Lease, control: SocketControl) -> None:
        self.spec = spec
        self.record = record
        self.control = control
        self._app = app
        self._lease = lease
        self._forwarder: Forwarder | FaultServer | None = None
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
        transport = SocketTransport(socket=self._app)
        self._transports.add(transport)
        return transport

    def url(self) -> str:
        """See `Sandbox.url`."""
        if self._forwarder is None:
            self._forwarder = Forwarder(self._app)
            self.record = replace(self.record, url=self._forwarder.url)
            registry.write(self.record)
        return self._forwarder.url

    def hide(self) -> None:
        """See `Sandbox.hide`."""
        forwarder, self._forwarder = self._forwarder, None
        if forwarder is not None:
            forwarder.close()
            self.record = replace(self.record, url="")
            registry.write(self.record)

    def put_behind(self, faults: FaultProfile, seed: int) -> None:
        """Let `url` lead through faults instead of to the app itself; before the first use of `url`."""
        self._forwarder = FaultServer(self.transport(), faults, seed, Path(self.record.folder))
        self.record = replace(self.record, url=self._forwarder.url)

    def log(self) -> str:
        """What it has logged so far."""
        raise NotImplementedError

    def restart(self) -> None:
        """See `Sandbox.restart`."""
        with self._closing:
            if self._closed:
                raise SandboxLost(f"Sandbox {self.name} is closed. Start another.")
            self._lease.release()
            for transport in list(self._transports):
                transport.close()
            self.control.reconnect()
            with disk_errors(f"Sandbox {self.name} cannot be restarted"):
                self._lease = self._again()

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
        try:
            self._end()
        finally:
            registry.forget(self.record)

    def _end(self) -> None:
        raise NotImplementedError

    def _again(self) -> Lease:
        """End and start what runs it; a lease on it once it is healthy."""
        raise NotImplementedError


@atexit.register
def close_all() -> None:
    """Close every sandbox this process still has open; a forked child leaves its parent's alone."""
    for sandbox in list(_open):
        if sandbox.record.owner_pid != os.getpid():
            continue
        with contextlib.suppress(Exception):
            sandbox.close()
