"""An oracle with slips: near-successful sessions, the data a world model learns most from."""

from __future__ import annotations

from typing import Any

from envsim.policy.oracle import OraclePolicy
from envsim.policy.random import RandomPolicy
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, Observation

_TYPED = ("fill", "select_option")
"""What a page forgets when it is left."""


class NoisyPolicy:
    """Before each step of the oracle, with probability `epsilon`, one random action instead.

    Where a slip led to another page it goes back and fills in again what was lost, then goes on
    as a person would. A slip that changed something is not undone: such an episode may fail.

    Args:
        epsilon: Probability of a slip, in [0, 1].
    """

    def __init__(self, epsilon: float = 0.15) -> None:
        self._epsilon = epsilon
        self._oracle = OraclePolicy()
        self._random = RandomPolicy()
        self._rng = Rng("policy", "noisy", 0)
        self._home = ""
        self._typed: list[Action] = []
        self._repair: list[Action] = []
        self._slipped = False
        self._last: Observation | None = None

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        self._oracle.reset(task, seed, tools)
        self._random.reset(task, seed, tools)
        self._rng = Rng("policy", "noisy", seed)
        self._home, self._typed, self._repair = "", [], []
        self._slipped, self._last = False, None

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        if self._slipped:
            self._slipped = False
            self._repair = self._way_back(observation)
        if self._repair:
            return self._repair.pop(0)
        if observation.url != self._home:
            self._home, self._typed = observation.url, []
        if self._rng.chance(self._epsilon):
            self._slipped, self._last = True, observation
            return self._random.explore(observation)
        # After a slip of a tool call, the oracle must still see the result of its own last call.
        seen, self._last = (self._last if self._last is not None and not observation.page else observation), None
        action = self._oracle.act(seen)
        if action.name in _TYPED:
            self._typed.append(action)
        return action

    def _way_back(self, observation: Observation) -> list[Action]:
        before = self._last
        if before is None or not observation.page or observation.page == before.page:
            return []
        return [Action.call("goto", url=before.url), *self._typed]
