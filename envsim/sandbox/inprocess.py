"""A clone in the caller's own process: no socket, no container, a step costs a function call.

The fastest runtime and the least isolated: the clone's code runs with the caller's rights, so it
is for clones you trust. `process` and `docker` put a boundary in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any, cast

from envsim.errors import ContentError, EnvsimError, SandboxError, SandboxLost, SandboxStartError
from envsim.guest.exchange import drive
from envsim.guest.guest import Guest
from envsim.guest.serve import one_at_a_time
from envsim.page.transport import AsgiTransport, Request, Response, WireFault
from envsim.sandbox.forward import Forwarder
from envsim.sandbox.runtime import Changes, ResetRequest
from envsim.sandbox.seed import guest_spec, seed_database
from envsim.sandbox.served import new_name
from envsim.sandbox.spec import SandboxSpec
from envsim.state import StateView

POLL_S = 0.0005


class InProcessTransport:
    """An `AsgiTransport` that takes turns with everyone else who uses the same clone."""

    def __init__(self, guest: Guest, lock: threading.Lock, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = AsgiTransport(guest.asgi, loop)
        self._loop = loop
        self._lock = lock

    def send(self, request: Request) -> Response:
        """See `Transport.send`."""
        with self._lock:
            if self._loop.is_closed():
                raise WireFault("reset")  # as over a socket whose app is gone
            return self._transport.send(request)

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()


class InProcessControl:
    """See `Control`. Calls the guest directly, so it cannot time out, and is lost only once its loop is closed."""

    def __init__(self, name: str, guest: Guest, lock: threading.Lock, loop: asyncio.AbstractEventLoop) -> None:
        self._name = name
        self._guest = guest
        self._lock = lock
        self._loop = loop

    def health(self) -> dict[str, Any]:
        """See `Control.health`."""
        with self._turn() as guest:
            return guest.health()

    def reset(self, request: ResetRequest) -> dict[str, str]:
        """See `Control.reset`."""
        with self._turn() as guest:
            return drive(
                self._loop,
                guest.reset(
                    seed=request.seed,
                    bugs=request.bugs or {},
                    clock=request.clock,
                    login=request.login,
                    setup=cast("Any", request.setup),
                ),
            )

    def sign_in(self, account: str) -> dict[str, str]:
        """See `Control.sign_in`."""
        with self._turn() as guest:
            return guest.sign_in(account)

    def state(self) -> StateView:
        """See `Control.state`."""
        with self._turn() as guest:
            return guest.state()

    def seed_view(self) -> StateView:
        """See `Control.seed_view`."""
        with self._turn() as guest:
            return guest.seed_view()

    def changes(self) -> Changes:
        """See `Control.changes`."""
        with self._turn() as guest:
            delta, events = guest.changes()
        return {"delta": delta, "events": cast("list[dict[str, str]]", events)}

    def hash(self) -> str:
        """See `Control.hash`."""
        with self._turn() as guest:
            return guest.hash()

    def snapshot(self) -> str:
        """See `Control.snapshot`."""
        with self._turn() as guest:
            return guest.snapshot()

    def restore(self, snapshot_id: str) -> None:
        """See `Control.restore`."""
        with self._turn() as guest:
            guest.restore(snapshot_id)

    def export(self) -> bytes:
        """See `Control.export`."""
        with self._turn() as guest:
            return guest.export()

    def load(self, data: bytes) -> None:
        """See `Control.load`."""
        with self._turn() as guest:
            guest.load(data)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Guest]:
        with self._lock:
            if self._loop.is_closed():
                raise SandboxLost(f"Sandbox {self._name} is closed. Start another.")
            yield self._guest


class InProcessSandbox:
    """See `Sandbox`."""

    runtime = "inprocess"

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.name = new_name(spec.name)
        try:
            self._guest = Guest(guest_spec(spec), spec.root, seed_database(spec))
        except EnvsimError:
            raise
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise SandboxStartError(f"The {spec.name} app crashed as it started ({what}). Correct it.") from error
        self._lock = threading.Lock()
        # One for all who take turns: a loop costs three file descriptors, and there may be hundreds of sandboxes.
        self._loop = asyncio.new_event_loop()
        self.control = InProcessControl(self.name, self._guest, self._lock, self._loop)
        self._forwarder: Forwarder | None = None

    def transport(self) -> InProcessTransport:
        """See `Sandbox.transport`."""
        return InProcessTransport(self._guest, self._lock, self._loop)

    def url(self) -> str:
        """See `Sandbox.url`."""
        if self._forwarder is None:
            self._forwarder = Forwarder(one_at_a_time(self._guest.asgi, _Turn(self._lock)))
        return self._forwarder.url

    def hide(self) -> None:
        """See `Sandbox.hide`."""
        forwarder, self._forwarder = self._forwarder, None
        if forwarder is not None:
            forwarder.close()

    def restart(self) -> None:
        """See `Sandbox.restart`.

        Raises:
            SandboxError: Always: what runs in this process cannot be ended but with it.
        """
        raise SandboxError(f"Sandbox {self.name} runs in this process and cannot be restarted. Start another.")

    def close(self) -> None:
        """See `Sandbox.close`."""
        self.hide()
        with self._lock:
            self._loop.close()
        self._guest.close()


class _Turn:
    """`lock`, for the event loop of the forwarder's thread."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        # Not on a thread: one that still waits when its loop ends would take the lock and never give it back.
        while not self._lock.acquire(blocking=False):
            await asyncio.sleep(POLL_S)

    async def __aexit__(self, *exc_info: object) -> None:
        self._lock.release()


class InProcessRuntime:
    """See `Runtime`."""

    def start(self, spec: SandboxSpec) -> InProcessSandbox:
        """See `Runtime.start`.

        Raises:
            ContentError: The app cannot share a process with its user.
        """
        if spec.own_process:
            raise ContentError(
                f"{spec.ref} brings packages, a clock and chance of its own and cannot run in your process. "
                "Use the process or the docker runtime."
            )
        return InProcessSandbox(spec)
