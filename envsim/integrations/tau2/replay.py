"""The gold solutions of tau2-bench, replayed in a `Tau2World`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from envsim.integrations.tau2.data import TauTask, find_task, tasks
from envsim.integrations.tau2.reward import judge
from envsim.integrations.tau2.source import make_task
from envsim.integrations.tau2.world import Call, Tau2World
from envsim.types import Action


class GoldReplay(NamedTuple):
    """One task, done as its author did it."""

    domain: str
    task: str
    """tau2's id."""
    reward: float
    reason: str
    """The first component that failed; empty when all hold."""
    null_reward: float
    """The reward of doing and saying nothing."""
    calls: tuple[Call, ...]
    said: tuple[str, ...]
    results: tuple[str, ...]
    """What each call returned; a refusal starts with ``"Error: "``."""

    @property
    def refused(self) -> tuple[str, ...]:
        """Gold calls that a tool refuses: some of tau2's do, and its evaluator passes over them too."""
        pairs = zip(self.calls, self.results, strict=True)
        return tuple(f"{call.name}: {result}" for call, result in pairs if result.startswith("Error: "))


def gold_calls(task: TauTask) -> tuple[Call, ...]:
    """The calls of the gold solution, of both sides."""
    actions = (task.evaluation_criteria and task.evaluation_criteria.actions) or ()
    return tuple(Call(each.requestor, each.name, each.arguments) for each in actions)


def gold_said(task: TauTask) -> tuple[str, ...]:
    """What the agent must tell the user."""
    return tuple((task.evaluation_criteria and task.evaluation_criteria.communicate_info) or ())


def replay(world: Tau2World, tau_id: str, seed: int = 0) -> GoldReplay:
    """Replay one task; `world` is left as after its last call.

    Raises:
        ContentError: No such task.
    """
    tau = find_task(world.domain, tau_id)
    world.reset(make_task(world.domain, tau.id), seed)
    null_reward = judge(tau, world, ()).reward
    calls, said = gold_calls(tau), gold_said(tau)
    results = []
    for call in calls:
        step = world.step if call.side == "assistant" else world.user_step
        seen = step(Action(kind="call", name=call.name, arguments=call.arguments)).observation
        results.append(f"Error: {seen.error}" if seen.error else seen.result)
    verdict = judge(tau, world, said)
    return GoldReplay(world.domain, tau.id, verdict.reward, verdict.reason, null_reward, calls, said, tuple(results))


def iter_gold(domain: str, ids: Iterable[str] | None = None) -> Iterator[GoldReplay]:
    """Replay tasks one after another: all of `domain`, or those with these ids."""
    world = Tau2World(domain)
    for tau_id in tasks(domain) if ids is None else ids:
        yield replay(world, tau_id)


def replay_gold(domain: str, ids: Iterable[str] | None = None) -> list[GoldReplay]:
    """As `iter_gold`, at once: 0.2 s for airline, 0.7 s for retail, half a minute for telecom.

    Raises:
        ContentError: No such domain or task.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """
    return list(iter_gold(domain, ids))
