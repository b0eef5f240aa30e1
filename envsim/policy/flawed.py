"""Oracles with one fault each, and the ladder of policies that worlds are compared on.

Whether a world ranks policies as the real one does can only be told from policies that differ in quality and in *how*
they fail. Each of these knows the solution and spoils it in one way of real agents: it gives up, leaves something out,
takes the wrong element, or types the wrong thing. None repairs anything, unlike `NoisyPolicy`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from envsim.page.lines import Line, parse_lines, split_options
from envsim.policy.oracle import OraclePolicy
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, JsonValue, Observation

LADDER = (
    "oracle", "noisy:0.1", "noisy:0.5", "hasty:0.03", "careless:0.15", "clumsy:0.1", "forgetful:0.15", "hasty:0.2",
    "explorer", "random", "null",
)  # fmt: skip
"""Policies of distinct quality, from one that nearly always succeeds to one that never does."""


class FlawedPolicy(ABC):
    """The oracle, but with probability `rate` per step it goes wrong in its own way.

    Args:
        rate: In [0, 1].
    """

    name: str

    def __init__(self, rate: float = 0.1) -> None:
        self._rate = rate
        self._oracle = OraclePolicy()
        self._rng = Rng("policy", self.name, 0)

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        self._oracle.reset(task, seed, tools)
        self._rng = Rng("policy", self.name, seed)

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        action = self._oracle.act(observation)
        return action if action.kind != "call" or not self._rng.chance(self._rate) else self._slip(action, observation)

    @abstractmethod
    def _slip(self, action: Action, observation: Observation) -> Action:
        """What it does instead of `action`."""


class HastyPolicy(FlawedPolicy):
    """Believes that it is done, and answers."""

    name = "hasty"

    def _slip(self, action: Action, observation: Observation) -> Action:
        del action, observation
        return Action.answer()


class ForgetfulPolicy(FlawedPolicy):
    """Leaves a step out and goes on with the next."""

    name = "forgetful"

    def _slip(self, action: Action, observation: Observation) -> Action:
        del action
        return self._oracle.act(observation)


class ClumsyPolicy(FlawedPolicy):
    """Its locator is broken: it acts on the next element of the same role. A tool it calls without an argument."""

    name = "clumsy"

    def _slip(self, action: Action, observation: Observation) -> Action:
        lines = parse_lines(observation.page) if observation.page else []
        meant = _line(lines, action)
        if meant is None:
            names = list(action.arguments)[1:] if not observation.page else list(action.arguments)
            return Action.call(action.name, **{name: action.arguments[name] for name in names})
        alike = [line for line in lines if line.ref and line.role == meant.role]
        other = alike[(alike.index(meant) + 1) % len(alike)]
        return Action.call(action.name, **{**action.arguments, "bid": other.ref})


class CarelessPolicy(FlawedPolicy):
    """Types or chooses something else than it should."""

    name = "careless"

    def _slip(self, action: Action, observation: Observation) -> Action:
        arguments = dict(action.arguments)
        if not observation.page:
            changed = {name: self._other(value) for name, value in arguments.items()}
            name = next((name for name in arguments if changed[name] != arguments[name]), None)
            return action if name is None else Action.call(action.name, **{**arguments, name: changed[name]})
        if action.name == "fill":
            arguments["value"] = self._other(arguments["value"])
        elif action.name == "select_option":
            line = _line(parse_lines(observation.page), action)
            others = [] if line is None else split_options(line.states.get("options", ""))
            others = [option for option in others if option != arguments["options"]]
            if others:
                arguments["options"] = self._rng.choice(others)
        return Action.call(action.name, **arguments)

    def _other(self, value: JsonValue) -> JsonValue:
        """A number one higher, a text with its last letter or digit another."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value + 1
        if not isinstance(value, str) or not value:
            return value
        last = value[-1]
        return value[:-1] + (str((int(last) + 1) % 10) if last.isascii() and last.isdigit() else last + "e")


def _line(lines: list[Line], action: Action) -> Line | None:
    return next((line for line in lines if line.ref and line.ref == action.arguments.get("bid")), None)
