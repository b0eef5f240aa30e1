"""The protocol of policies, and the two that need nothing: null and scripted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from envsim.task import Task
from envsim.types import Action, Observation


@runtime_checkable
class Policy(Protocol):
    """Picks actions. One object plays one episode at a time."""

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """Begin an episode.

        Args:
            task: The instance, gold data included. For oracles only: a policy under test is given
                nothing it may not see, and must not look here.
            seed: Of every draw the policy makes.
            tools: What can be called, as OpenAI function schemas.
        """
        ...

    def act(self, observation: Observation) -> Action:
        """The next action, given what the last one led to."""
        ...


class NullPolicy:
    """Answers at once, with nothing: a task it solves is no task."""

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        del observation
        return Action.answer()


class ScriptedPolicy:
    """Plays a fixed list of actions, then answers.

    Args:
        script: Actions in any form `Action.parse` reads.

    Raises:
        ActionError: One of them cannot be read.
    """

    def __init__(self, script: Iterable[Action | str | dict[str, Any]]) -> None:
        self._script = [Action.parse(item) for item in script]
        self._position = 0

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        del task, seed, tools
        self._position = 0

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        del observation
        self._position += 1
        return self._script[self._position - 1] if self._position <= len(self._script) else Action.answer()
