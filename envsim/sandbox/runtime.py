"""The protocol every sandbox runtime implements: in-process, process, Docker.

A `Sandbox` is one running clone. Agents reach it through `transport` (or, for people and
browsers, `url`); only we reach it through `control`. `envsim.testing.check_sandbox` is the
conformance kit.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, cast

from envsim.errors import ContentError
from envsim.page.transport import Transport
from envsim.sandbox.spec import SandboxSpec
from envsim.state import StateView


class SetupCall(TypedDict):
    """One call of the app's own tools at reset: operation id and its arguments."""

    tool: str
    arguments: dict[str, Any]


class Changes(TypedDict):
    """What happened since the last reset, restore or call of `Control.changes`."""

    delta: list[list[Any]]
    events: list[dict[str, str]]


@dataclass(frozen=True)
class ResetRequest:
    """How a sandbox is to start.

    Attributes:
        seed: Drives every draw of the episode.
        bugs: Bug id -> rate, as `SandboxSpec.select_bugs` returns it.
        clock: ISO 8601 time that replaces the spec's start; None keeps it.
        login: Account (e-mail) to sign in; None for a guest.
        setup: Tool calls made as `login` before the episode, with all bugs off. They leave no
            trace in the delta, clock or draw counters: the state after them is the start state.
    """

    seed: int = 0
    bugs: Mapping[str, float] | None = None
    clock: str | None = None
    login: str | None = None
    setup: Sequence[SetupCall] = ()


class Control(Protocol):
    """The control plane of one sandbox: never on a path an agent can reach.

    Every method raises `SandboxTimeout` or `SandboxLost` when the sandbox does not answer.
    """

    def health(self) -> dict[str, Any]:
        """``{"app": name, "generation": int, "pid": int}``."""
        ...

    def reset(self, request: ResetRequest) -> dict[str, str]:
        """Return to the seeded state; the cookies of the signed-in session, empty for a guest.

        Raises:
            ContentError: An unknown account, tool or argument in the request.
        """
        ...

    def sign_in(self, account: str) -> dict[str, str]:
        """Cookies of one more session, for whoever else acts in the episode; call it right after `reset`.

        Raises:
            ContentError: An unknown account.
        """
        ...

    def state(self) -> StateView:
        """The current state view."""
        ...

    def seed_view(self) -> StateView:
        """The state view of the seed database."""
        ...

    def changes(self) -> Changes:
        """State delta and events since they were last asked for."""
        ...

    def hash(self) -> str:
        """SHA-256 over everything a reset must undo."""
        ...

    def snapshot(self) -> str:
        """Keep the current state; an id for `restore`. Kept until the next reset."""
        ...

    def restore(self, snapshot_id: str) -> None:
        """Return to a snapshot taken since the last reset.

        Raises:
            ContentError: No such snapshot.
        """
        ...

    def export(self) -> bytes:
        """The whole mutable state (database, files, clock, draws, counters, cache) as self-contained bytes.

        Any sandbox of the same spec can `load` them, in any runtime, now or later. What `changes` has not
        yet reported is not among them.
        """
        ...

    def load(self, data: bytes) -> None:
        """Take over a state that was exported; it counts as a reset: snapshots taken before are forgotten.

        Raises:
            ContentError: Damaged, cut short, or of another spec; the sandbox is left as it was.
        """
        ...


class Sandbox(Protocol):
    """One running clone."""

    @property
    def name(self) -> str:
        """Unique on this machine, e.g. ``shop-3f2a``."""
        ...

    @property
    def spec(self) -> SandboxSpec:
        """What it is a clone of."""
        ...

    @property
    def runtime(self) -> str:
        """``"inprocess"``, ``"process"`` or ``"docker"``."""
        ...

    @property
    def control(self) -> Control:
        """Its control plane."""
        ...

    def transport(self) -> Transport:
        """A new connection for an agent; close it when done."""
        ...

    def url(self) -> str:
        """A loopback URL a browser can open, forwarded to the app on first use."""
        ...

    def hide(self) -> None:
        """Let the loopback URL lead nowhere any more; `url` then gives another."""
        ...

    def restart(self) -> None:
        """End the app, however it hangs, and start it again in its place: name, sockets and `url` stay.

        Its state is that of a new sandbox. Transports go on with their next request.

        Raises:
            SandboxError: It cannot be restarted, or does not come up within the deadline; close it then.
        """
        ...

    def close(self) -> None:
        """Stop it and remove all it left; safe to call twice."""
        ...


class Runtime(Protocol):
    """Starts sandboxes."""

    def start(self, spec: SandboxSpec) -> Sandbox:
        """Start one clone and wait until it is healthy.

        Raises:
            SandboxStartError: Not healthy within the deadline; carries the end of its log.
            PrerequisiteError: An engine or package is missing.
        """
        ...


_RUNTIMES = {
    "inprocess": "envsim.sandbox.inprocess:InProcessRuntime",
    "process": "envsim.sandbox.process:ProcessRuntime",
    "docker": "envsim.sandbox.docker:DockerRuntime",
}


def get_runtime(name: str, spec: SandboxSpec | None = None) -> Runtime:
    """The runtime called `name`: ``"inprocess"``, ``"process"``, ``"docker"`` or, where `spec` is known, ``"auto"``.

    ``"auto"`` is in-process for whatever can share a process with its user, docker for a command in a system of its
    own, and process for the rest.

    Raises:
        ContentError: There is none of that name.
        PrerequisiteError: Its engine or Python package is missing.
    """
    if name == "auto" and spec is not None:
        hosted = spec.origin.hosted
        command = hosted is not None and hosted.kind == "command"
        name = "docker" if command else "process" if spec.own_process else "inprocess"
    if name not in _RUNTIMES:
        raise ContentError(f"There is no runtime {name!r}. Choose one of: {', '.join(_RUNTIMES)}.")
    # By string: each runtime imports this module, and only the one asked for should load.
    module, _, attribute = _RUNTIMES[name].partition(":")
    return cast("Callable[[], Runtime]", getattr(importlib.import_module(module), attribute))()
