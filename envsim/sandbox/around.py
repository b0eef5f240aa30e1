"""Sandboxes that stand before another one: on loan, or with their bugs held fixed. What they do not say, it does."""

from __future__ import annotations

from typing import Any

from envsim.page.transport import Transport
from envsim.sandbox.runtime import Changes, Control, ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.state import StateView


class ControlAround:
    """See `Control`. Every call goes to `live`, which whoever derives from this may refuse.

    Args:
        control: Of the sandbox behind.
    """

    def __init__(self, control: Control) -> None:
        self._control = control

    @property
    def live(self) -> Control:
        """The control plane behind this one."""
        return self._control

    def health(self) -> dict[str, Any]:
        """See `Control.health`."""
        return self.live.health()

    def reset(self, request: ResetRequest) -> dict[str, str]:
        """See `Control.reset`."""
        return self.live.reset(request)

    def sign_in(self, account: str) -> dict[str, str]:
        """See `Control.sign_in`."""
        return self.live.sign_in(account)

    def state(self) -> StateView:
        """See `Control.state`."""
        return self.live.state()

    def seed_view(self) -> StateView:
        """See `Control.seed_view`."""
        return self.live.seed_view()

    def changes(self) -> Changes:
        """See `Control.changes`."""
        return self.live.changes()

    def hash(self) -> str:
        """See `Control.hash`."""
        return self.live.hash()

    def snapshot(self) -> str:
        """See `Control.snapshot`."""
        return self.live.snapshot()

    def restore(self, snapshot_id: str) -> None:
        """See `Control.restore`."""
        self.live.restore(snapshot_id)

    def export(self) -> bytes:
        """See `Control.export`."""
        return self.live.export()

    def load(self, data: bytes) -> None:
        """See `Control.load`."""
        self.live.load(data)


class SandboxAround:
    """See `Sandbox`. Closing it closes the transports it gave out; what becomes of the one behind, others say.

    Args:
        sandbox: The one behind.
        control: What stands before its control plane.
    """

    def __init__(self, sandbox: Sandbox, control: Control) -> None:
        self._sandbox = sandbox
        self.control = control
        self._transports: list[Transport] = []

    @property
    def live(self) -> Sandbox:
        """The sandbox behind this one."""
        return self._sandbox

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
        self._transports.append(self.live.transport())
        return self._transports[-1]

    def url(self) -> str:
        """See `Sandbox.url`."""
        return self.live.url()

    def hide(self) -> None:
        """See `Sandbox.hide`."""
        self.live.hide()

    def restart(self) -> None:
        """See `Sandbox.restart`."""
        self.live.restart()

    def close(self) -> None:
        """Close the transports; safe to call twice."""
        for transport in self._transports:
            transport.close()
