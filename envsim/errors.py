"""Every error envsim raises on purpose. Each message ends by saying what to do next.

::

    EnvsimError                 exit code 2 at the command line, one sentence, no traceback
    +-- ContentError            an unknown or malformed app, task, bug, split or toml file
    +-- ActionError             an action that cannot be read; TaskEnv turns it into `observation.error`
    +-- TraceError              a trace that is corrupt, of another version, or not a trace
    +-- ModelError              a world model that is absent, corrupt, or trained for another app
    +-- PrerequisiteError       an engine, browser or Python extra that is missing; carries the command
    +-- SandboxError            infrastructure: the episode is truncated as `infra`, never scored 0
    |   +-- SandboxStartError   a sandbox did not become healthy within its deadline
    |   +-- SandboxTimeout      a running sandbox did not answer within its deadline
    |   +-- SandboxLost         a sandbox vanished: its process or container is gone
    +-- UncertainError          a world that knows it can no longer answer (replay, hybrid): `sim_uncertain`
    +-- JudgeError              a judge whose replies cannot be used: what it judged stays without a score
    +-- GateError               a `--require` expression that does not hold: exit code 1
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from envsim.types import Event


class EnvsimError(Exception):
    """Root of the tree; `exit_code` is what a console script returns for it."""

    exit_code = 2


class ContentError(EnvsimError):
    """Content (sandbox.toml, task.toml, names that refer to them) that cannot be used."""


class ActionError(EnvsimError):
    """An action that cannot be parsed or does not fit its schema."""


class TraceError(EnvsimError):
    """A trace file that cannot be read as one."""


class ModelError(EnvsimError):
    """A world model directory that cannot be used for what was asked of it."""


class PrerequisiteError(EnvsimError):
    """Something that must be installed or started first.

    Args:
        message: What is missing and why it is needed.
        command: The exact command that adds it.
    """

    def __init__(self, message: str, *, command: str) -> None:
        super().__init__(f"{message} Run: {command}")
        self.message = message
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is rebuilt from its text alone, which loses the command: one
        # raised in a worker process would then break the pool instead of reaching the user.
        return functools.partial(type(self), command=self.command), (self.message,)


class SandboxError(EnvsimError):
    """The infrastructure under an episode failed; the policy is not to blame."""


class SandboxStartError(SandboxError):
    """A sandbox did not become healthy within its deadline."""


class SandboxTimeout(SandboxError):  # noqa: N818 - "timeout error" says it twice
    """A running sandbox did not answer within its deadline."""


class SandboxLost(SandboxError):  # noqa: N818 - a state, as "timeout" is
    """A sandbox's process or container is gone."""


class UncertainError(EnvsimError):
    """A world that cannot stand behind its next answer says so instead of guessing.

    `events`, as `Transition.events`, tell what it did to find one.
    """

    def __init__(self, message: str = "", *, events: Sequence[Event] = ()) -> None:
        super().__init__(message)
        self.events = tuple(events)


class JudgeError(EnvsimError):
    """A judge that was asked again and still gave no usable scores."""


class GateError(EnvsimError):
    """A measured number is outside what `--require` allows."""

    exit_code = 1


def load_optional(entry: str, extra: str) -> Any:
    """What ``"module"`` or ``"module:name"`` refers to, where its module needs an extra of this distribution.

    Args:
        entry: By string, so that whoever names it does not import it.
        extra: The extra that brings what it needs.

    Raises:
        PrerequisiteError: A package it imports is not installed.
    """
    module, _, name = entry.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or module, extra) from None
    return getattr(loaded, name) if name else loaded


def missing_extra(package: str, extra: str) -> PrerequisiteError:
    """The error for an optional dependency that is not installed.

    Args:
        package: Import name of what is missing, e.g. ``"torch"``.
        extra: The extra of this distribution that brings it, e.g. ``"worldmodel"``.
    """
    return PrerequisiteError(
        f"The Python package {package!r} is not installed.", command=f"pip install 'envsim[{extra}]'"
    )
