"""A sandbox on loan: what came out of a pool, for as long as it is not given back."""

from __future__ import annotations

import threading
from collections.abc import Callable

from envsim.errors import SandboxLost
from envsim.page.transport import Request, Response, Transport, WireFault
from envsim.sandbox.around import ControlAround, SandboxAround
from envsim.sandbox.runtime import Control, Sandbox


class PooledSandbox(SandboxAround):
    """See `Sandbox`. Once closed it reaches nothing any more: the sandbox behind it is somebody else's by then.

    Args:
        sandbox: What is lent.
        give_back: Called with it when this is closed.
    """

    def __init__(self, sandbox: Sandbox, give_back: Callable[[Sandbox], None]) -> None:
        super().__init__(sandbox, _LentControl(self))
        self._give_back = give_back
        self._lock = threading.Lock()
        self._closed = False
        self._shown = False

    @property
    def live(self) -> Sandbox:
        """The sandbox behind this one, while it is lent."""
        if self._closed:
            raise SandboxLost(f"Sandbox {self.name} was given back to its pool. Claim another.")
        return self._sandbox

    def transport(self) -> Transport:
        """See `Sandbox.transport`."""
        transport = _LentTransport(self.live.transport())
        self._transports.append(transport)
        return transport

    def url(self) -> str:
        """See `Sandbox.url`."""
        with self._lock:
            url = super().url()
            self._shown = True
            return url

    def hide(self) -> None:
        """See `Sandbox.hide`."""
        with self._lock:
            super().hide()

    def restart(self) -> None:
        """See `Sandbox.restart`."""
        with self._lock:  # what is being restarted cannot be given back
            super().restart()

    def close(self) -> None:
        """Give it back; safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            super().close()
            if self._shown:
                self._sandbox.hide()  # whoever still has the URL must not meet the next borrower there
        finally:
            self._give_back(self._sandbox)


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


class _LentControl(ControlAround):
    """See `Control`."""

    def __init__(self, lent: PooledSandbox) -> None:
        self._lent = lent

    @property
    def live(self) -> Control:
        return self._lent.live.control
