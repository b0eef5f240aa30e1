"""Conformance kit for worlds, and a world in memory for tests that are about something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envsim.errors import SandboxLost
from envsim.policy import get_policy
from envsim.state import StateView, apply, canonical, diff
from envsim.task import Task
from envsim.types import Action, JsonValue, Observation, Transition
from envsim.world import ForkableWorld, World

IMPOSSIBLE = (
    Action.call("no_such_operation"),
    Action.call("click", bid="no-such-ref"),
    Action.call("click"),
    Action.call("fill", bid=7, value=None),
    Action.call("goto", url="file:///etc/passwd"),
)
"""Actions no world may carry out, and none may raise on."""


class NonConformance(AssertionError):  # noqa: N818
    """What a world does otherwise than `envsim.world.World` says."""


def check_world(
    make: Callable[[], World], tasks: Sequence[Task], *, seeds: Sequence[int] = (0, 1), steps: int = 8
) -> None:
    """Hold a world against the protocol; returns if it conforms.

    Args:
        make: Opens a fresh world; called several times.
        tasks: Instances to run it on, at least one.
        seeds: Episode seeds.
        steps: Actions per episode, chosen by the random policy.

    Raises:
        NonConformance: The first thing that does not hold, in one sentence.
    """
    _demand(len(tasks) > 0, "give at least one task")
    first, second = make(), make()
    try:
        _demand(isinstance(first, World), f"{type(first).__name__} lacks a method of World")
        for task in tasks:
            for seed in seeds:
                _check_episode(first, second, task, seed, steps)
        _check_fork(first, tasks[0], seeds[0], steps)
        if isinstance(first, ForkableWorld):
            _check_spawn(first, tasks[0], seeds[0], steps)
        _check_impossible(first, tasks[0], seeds[0])
    finally:
        for world in (first, second):
            world.close()
            world.close()


def _check_episode(one: World, other: World, task: Task, seed: int, steps: int) -> None:
    label = f"task {task.id}, seed {seed}"
    start, twin = one.reset(task, seed), other.reset(task, seed)
    _demand(start == twin, f"{label}: two resets differ")
    _demand(start.observation.goal == "", f"{label}: the goal is the environment's to fill in")
    policy = get_policy("random")
    policy.reset(task, seed, one.tools())
    view, seen = one.state(), start.observation
    initial = canonical(view)
    for index in range(steps):
        action = policy.act(seen)
        if action.kind != "call":
            continue
        ours, theirs = one.step(action), other.step(action)
        _demand(ours == theirs, f"{label}: step {index}, {action.to_call()}: two runs differ")
        view = apply(view, ours.delta)
        changes = diff(view, one.state())
        _demand(not changes, f"{label}: step {index}, {action.to_call()}: the delta misses {changes[:3]}")
        seen = ours.observation
    again = one.reset(task, seed)
    _demand(again == start, f"{label}: a reset after {steps} steps differs from the first")
    _demand(canonical(one.state()) == initial, f"{label}: the state view after a second reset differs")


def _check_fork(world: World, task: Task, seed: int, steps: int) -> None:
    start = world.reset(task, seed)
    policy = get_policy("random")
    policy.reset(task, seed, world.tools())
    token = world.snapshot()
    before = canonical(world.state())
    runs: list[list[Transition]] = []
    actions: list[Action] = []
    for _ in range(2):
        world.restore(token)
        _demand(canonical(world.state()) == before, "restore() does not bring the state view back")
        seen, run = start.observation, []
        for index in range(steps):
            if len(actions) <= index:
                actions.append(_a_call(policy, seen))
            run.append(world.step(actions[index]))
            seen = run[-1].observation
        runs.append(run)
    _demand(runs[0] == runs[1], "two continuations from one snapshot differ")


def _check_spawn(world: ForkableWorld, task: Task, seed: int, steps: int) -> None:
    """Two forks from the middle of an episode: one goes the way the original then goes, the other another way."""
    seen = world.reset(task, seed).observation
    policy = get_policy("random")
    policy.reset(task, seed, world.tools())
    for _ in range(steps // 2):
        seen = world.step(_a_call(policy, seen)).observation
    token, middle = world.export(), canonical(world.state())
    twins = world.spawn(2)
    try:
        for twin in twins:
            assert isinstance(twin, ForkableWorld)
            twin.load(token)
            _demand(canonical(twin.state()) == middle, "load() does not bring the exported state view")
        same, other = twins
        for _ in range(steps):
            ahead = _a_call(policy, seen)
            theirs = same.step(ahead)
            other.step(_a_call(policy, seen))
            ours = world.step(ahead)
            _demand(ours == theirs, f"{ahead.to_call()}: a fork and its original differ")
            seen = ours.observation
        _demand(canonical(same.state()) == canonical(world.state()), "a fork and its original end in different states")
    finally:
        for twin in twins:
            twin.close()


def _check_impossible(world: World, task: Task, seed: int) -> None:
    world.reset(task, seed)
    for action in IMPOSSIBLE:
        before = canonical(world.state())
        answer = world.step(action)
        _demand(bool(answer.observation.error), f"{action.to_call()} sets no error")
        _demand(canonical(world.state()) == before, f"{action.to_call()} changed the state")


def _a_call(policy: Any, seen: Observation) -> Action:
    for _ in range(50):
        action: Action = policy.act(seen)
        if action.kind == "call":
            return action
    raise NonConformance("the random policy finds nothing to call")


def _demand(holds: bool, sentence: str) -> None:
    if not holds:
        raise NonConformance(sentence)


@dataclass
class FakeWorld:
    """A world in memory: a shelf of named items, with tools to put, take and look.

    Args:
        fail_at: Step (from 1) at which the infrastructure fails, as a lost sandbox would.
        shelf: What is on it at reset.
    """

    fail_at: int | None = None
    shelf: Mapping[str, JsonValue] = field(default_factory=lambda: {"mug": 2})
    kind: str = field(default="fake", init=False)
    bugs: Mapping[str, float] = field(default_factory=dict, init=False)
    closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._view: StateView = self.seed_view()
        self._steps = 0

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `World.tools`."""
        name: dict[str, Any] = {"type": "string"}
        count: dict[str, Any] = {"type": "integer", "minimum": 0}
        return [
            _tool("put", "Set how many of an item there are.", {"name": name, "count": count}),
            _tool("take", "Remove an item.", {"name": name}),
            _tool("look", "List the items.", {}),
        ]

    def seed_view(self) -> StateView:
        """See `World.seed_view`."""
        return {"items": {name: {"count": count} for name, count in self.shelf.items()}}

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`."""
        self._view, self._steps, self.closed = self.seed_view(), 0, False
        return Transition(observation=self._look())

    def step(self, action: Action) -> Transition:
        """See `World.step`."""
        self._steps += 1
        if self._steps == self.fail_at:
            raise SandboxLost("The fake sandbox is gone. Reset to get another.")
        delta: list[list[Any]]
        match action.name, action.arguments:
            case "put", {"name": str(name), "count": int(count)}:
                delta = diff(self._view, apply(self._view, [[f"items/{name}", {"count": count}]]))
            case "take", {"name": str(name)} if name in self._view["items"]:
                delta = [[f"items/{name}"]]
            case "look", _:
                delta = []
            case _:
                return Transition(observation=Observation(error=f"Cannot {action.to_call()}."))
        self._view = apply(self._view, delta)
        return Transition(observation=self._look(), delta=tuple(tuple(change) for change in delta))

    def state(self) -> StateView:
        """See `World.state`."""
        return self._view

    def snapshot(self) -> object:
        """See `World.snapshot`."""
        return (self._view, self._steps)

    def restore(self, token: object) -> None:
        """See `World.restore`."""
        self._view, self._steps = token  # type: ignore[misc]

    def spawn(self, count: int) -> list[FakeWorld]:
        """See `ForkableWorld.spawn`."""
        return [FakeWorld(self.fail_at, self.shelf) for _ in range(count)]

    def export(self) -> object:
        """See `ForkableWorld.export`."""
        return self.snapshot()

    def load(self, token: object) -> None:
        """See `ForkableWorld.load`."""
        self.restore(token)

    def close(self) -> None:
        """See `World.close`."""
        self.closed = True

    def _look(self) -> Observation:
        return Observation(result=canonical(self._view["items"]))


def _tool(name: str, description: str, properties: dict[str, Any]) -> dict[str, JsonValue]:
    parameters: dict[str, JsonValue] = {"type": "object", "properties": properties, "required": [*properties]}
    return {"name": name, "description": description, "parameters": parameters}
