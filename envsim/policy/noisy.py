"""An oracle with slips: near-successful sessions, the data a world model learns most from."""

from __future__ import annotations

from typing import Any

from envsim.page.lines import parse_lines
from envsim.policy.oracle import OraclePolicy
from envsim.policy.random import RandomPolicy
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, Message, Observation

_TYPED = ("fill", "select_option")
"""What a page forgets when it is left."""


class NoisyPolicy:
    """Before each step of the oracle, with probability `epsilon`, one random action instead.

    Where a slip led to another page it goes back, clears what covers the page, fills in again what
    was lost, and goes on, as a person would. A slip that changed something is not undone: such an
    episode may fail.

    Args:
        epsilon: Probability of a slip, in [0, 1].
    """

    def __init__(self, epsilon: float = 0.15) -> None:
        self._epsilon = epsilon
        self._oracle = OraclePolicy()
        self._random = RandomPolicy()
        self._begin(0)

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        self._oracle.reset(task, seed, tools)
        self._random.reset(task, seed, tools)
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        self._rng = Rng("policy", "noisy", seed)
        self._url = ""
        self._typed: list[Action] = []
        self._repairs: list[Action] = []
        self._before: Observation | None = None
        """What the last slip interrupted, until the oracle acts again."""
        self._missed: list[Message] = []
        """What was said since then."""
        self._slipped = False

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        if self._slipped:
            self._slipped = False
            self._missed += observation.messages
            self._repairs = self._way_back(observation)
        if self._before is not None and (clearing := _clear(observation)) is not None:
            return clearing
        if self._repairs:
            return self._repairs.pop(0)
        if observation.url != self._url:
            self._url, self._typed = observation.url, []
        if self._rng.chance(self._epsilon):
            # After several slips in a row, the oracle goes on from before the first.
            self._before, self._slipped = self._before or observation, True
            return self._random.explore(observation)
        # A slip of a tool call must not hide the result of the oracle's own last call.
        seen = observation
        if self._before is not None:
            seen = observation if observation.page else self._before
            # ... nor any slip what the user said meanwhile.
            seen = seen.model_copy(update={"messages": (*self._before.messages, *self._missed)})
        self._before, self._missed = None, []
        action = self._oracle.act(seen)
        if action.name in _TYPED:
            self._typed.append(action)
        return action

    def _way_back(self, observation: Observation) -> list[Action]:
        before = self._before
        if before is None or not observation.page or observation.page == before.page:
            return []
        return [Action.call("goto", url=before.url), *self._typed]


def _clear(observation: Observation) -> Action | None:
    """How to get rid of a dialog that covers the page, or of a page that did not load."""
    lines = parse_lines(observation.page) if observation.page else []
    if not lines:
        return None
    if lines[0].role == "dialog":
        # What declines comes last, by convention.
        buttons = [line for line in lines if line.role == "button"]
        return Action.call("click", bid=buttons[-1].ref) if buttons else None
    return None if any(line.ref for line in lines) else Action.call("goto", url=observation.url)
