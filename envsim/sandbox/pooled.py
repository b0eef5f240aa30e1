"""A sandbox on loan: what came out of a pool, for as long as it is not given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from envsim.errors import SandboxLost
from envsim.page.transport import Request, Response, Transport, WireFault
from envsim.sandbox.runtime import Changes, Control, ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.state import StateView


class PooledSandbox:
    """See `Sandbox`. Once closed it reaches nothing any more: the sandbox behind it is somebody else's by then.

    Args:
        sandbox: What is lent.
        give_back: Called with it when this is closed.
    """

    def __init__(self, sandbox: Sandbox, give_back: Callable[[Sandbox], None]) -> None:
        self._sandbox = sandbox
        self._give_back = give_back
        self._lock = threading.Lock()
        self._closed = False
        self._control = _LentControl(sandbox)
        self.control: Control = self._control
        self._transports: list[_LentTransport] = []
        self._shown = False

    @property
    def name(self) -> str:
        """See `Sandbox.name`."""
        return self._sandbox.name

    @property
    def spec(self) -> SandboxSpec:
        """See `Sandbox.spec`."""
        return self._sandbox.spec

    @property
    def runtime(self) -> str:
        """See `Sandbox.runtime`."""
        return self._sandbox.runtime

    def transport(self) -> Transport:
        """See `Sandbox.transport`."""
        transport = _LentTransport(self._sandbox.transport())
        self._transports.append(transport)
        return transport

    def url(self) -> str:
        """See `Sandbox.url`."""
        with self._lock:
            self._live()
            self._shown = True
            return self._sandbox.url()

    def hide(self) -> None:
        """See `Sandbox.hide`."""
        with self._lock:
            self._live()
            self._sandbox.hide()

    def restart(self) -> None:
        """See `Sandbox.restart`."""
        with self._lock:  # what is being restarted cannot be given back
            self._live()
            self._sandbox.restart()

    def close(self) -> None:
        """Give it back; safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._control.closed = True
        try:
            for transport in self._transports:
                transport.close()
            if self._shown:
                self._sandbox.hide()  # whoever still has the URL must not meet the next borrower there
        finally:
            self._give_back(self._sandbox)

    def _live(self) -> None:
        if self._closed:
            raise SandboxLost(f"Sandbox {self.name} was given back to its pool. Claim another.")


class _LentTransport:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._closed = False

    def send(self, request: Request) -> Response:
        if self._closed:
            raise WireFault("reset")  # as over a socket whose app is gone
        return self._transport.send(request)

    def close(self) -> None:
        self._closed = True
        self._transport.close()


class _LentControl:
    """See `Control`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.closed = False

    def _live(self) -> Control:
        if self.closed:
            raise SandboxLost(f"Sandbox {self._sandbox.name} was given back to its pool. Claim another.")
        return self._sandbox.control

    def health(self) -> dict[str, Any]:
        return self._live().health()

    def reset(self, request: ResetRequest) -> dict[str, str]:
        return self._live().reset(request)

    def sign_in(self, account: str) -> dict[str, str]:
        return self._live().sign_in(account)

    def state(self) -> StateView:
        return self._live().state()

    def seed_view(self) -> StateView:
        return self._live().seed_view()

    def changes(self) -> Changes:
        return self._live().changes()

    def hash(self) -> str:
        return self._live().hash()

    def snapshot(self) -> str:
        return self._live().snapshot()

    def restore(self, snapshot_id: str) -> None:
        self._live().restore(snapshot_id)

    def export(self) -> bytes:
        return self._live().export()

    def load(self, data: bytes) -> None:
        self._live().load(data)
