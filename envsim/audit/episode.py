"""Episodes under audit: played by policies that see what an agent sees, recorded action by action, and watched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from envsim.audit.canary import Watch, plant
from envsim.env import TaskEnv
from envsim.errors import ActionError, SandboxError, UncertainError
from envsim.reward.checks import Record, Verdict
from envsim.source import TaskSource
from envsim.state import StateView
from envsim.task import Task
from envsim.task_template import TaskTemplate
from envsim.types import Action, Observation, Outcome, StateDelta
from envsim.world import World

MOST_STEPS = 2_000
"""Actions after which an episode is taken for endless: tasks allow 500 at most."""


class Player(Protocol):
    """A `Policy`, or a cheat, which may also send text that is no action at all."""

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `envsim.policy.Policy.reset`."""
        ...

    def act(self, observation: Observation) -> Action | str:
        """See `envsim.policy.Policy.act`."""
        ...


class PlantedSource:
    """Any source of tasks, with a canary in every instance (see `envsim.audit.canary`).

    An instance that is asked for by its id is kept: an audit plays each dozens of times, and some take long to draw.
    """

    def __init__(self, source: TaskSource) -> None:
        self.source = source
        self._kept: dict[str, Task] = {}

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        """See `TaskSource.choose`."""
        if wanted is None or "@" not in wanted:
            return plant(self.source.choose(seed, wanted, world))
        if wanted not in self._kept:
            self._kept[wanted] = plant(self.source.choose(seed, wanted, world))
        return self._kept[wanted]

    def judge(self, task: Task, record: Record) -> Verdict:
        """See `TaskSource.judge`."""
        return self.source.judge(task, record)


@contextlib.contextmanager
def planted(env: TaskEnv) -> Iterator[TaskEnv]:
    """`env`, whose tasks carry canaries while the context lasts."""
    source = env.source
    env.source = source if isinstance(source, PlantedSource) else PlantedSource(source)
    try:
        yield env
    finally:
        env.source = source


@dataclass(frozen=True)
class Move:
    """One step of an episode: what was sent, what was shown for it, and what it changed in the state view."""

    action: Action | str
    observation: Observation
    delta: StateDelta = ()

    @property
    def writes(self) -> bool:
        """Whether it was a call that changed the state view. What a user does when spoken to is its own."""
        return isinstance(self.action, Action) and self.action.kind == "call" and bool(self.delta)


@dataclass(frozen=True)
class Played:
    """An ended episode.

    Attributes:
        task: The instance, gold included.
        outcome: How it ended.
        first: The first observation.
        moves: All steps.
        before: State view at reset.
        after: State view at the end; `before` where the world was lost.
    """

    task: Task
    outcome: Outcome
    first: Observation
    moves: tuple[Move, ...]
    before: StateView
    after: StateView

    @property
    def observations(self) -> list[Observation]:
        """All that was shown, the first observation first."""
        return [self.first, *(move.observation for move in self.moves)]


def play(
    env: TaskEnv,
    player: Player,
    *,
    seed: int,
    task: str,
    watch: Watch | None = None,
    template: TaskTemplate | None = None,
    blind: bool = True,
) -> Played | Outcome:
    """Play one episode; the bare outcome where it could not even begin.

    Args:
        env: Reset here.
        player: Chooses the actions.
        seed: Of the episode and the player.
        task: Template or instance.
        watch: Searches every observation for canaries.
        template: Of the task, whose file's lines `watch` looks for as well.
        blind: Do not give `player` the task: only oracles may have it.
    """
    try:
        encoded, info = env.reset(seed=seed, options={"task": task})
    except (SandboxError, UncertainError) as error:
        return env.outcome or Outcome(kind="infra", reward=None, reason=str(error))
    assert env.task is not None
    watch = watch if watch is not None else Watch()
    watch.begin(env.task, template)
    watch.observe(env.observation, encoded)
    watch.info(info)
    tools = env.tools
    watch.tools(tools)
    player.reset(None if blind else env.task, seed, tools)
    first, before = env.observation, env.world.state()
    moves: list[Move] = []
    while env.outcome is None and len(moves) < MOST_STEPS:
        sent = player.act(env.observation)
        encoded, _, _, _, info = env.step(sent)
        watch.observe(env.observation, encoded)
        watch.info(info)
        delta = tuple(tuple(change) for change in info["delta"])
        moves.append(Move(_read(sent), env.observation, delta))
    outcome = env.outcome or Outcome(kind="env_bug", reward=None, reason="The episode did not end.")
    try:
        after = env.world.state()
    except (SandboxError, UncertainError):
        after = before
    return Played(env.task, outcome, first, tuple(moves), before, after)


def _read(sent: Action | str) -> Action | str:
    try:
        return Action.parse(sent)
    except ActionError:
        return sent
