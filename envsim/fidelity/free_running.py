"""Free-running fidelity: how long a world stays right when nobody corrects it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from envsim.errors import SandboxError, UncertainError
from envsim.fidelity.intervals import Estimate, mean
from envsim.task import Task
from envsim.trace import Trace
from envsim.world import World


@dataclass(frozen=True)
class Session:
    """One recorded session replayed into a world.

    Attributes:
        session: Name of the trace.
        agreed: Steps that matched before the first that did not.
        length: Steps of the recording.
        reason: What differed first: ``"page"``, ``"state"``, ``"no answer"``, or "" for nothing.
    """

    session: str
    agreed: int
    length: int
    reason: str


@dataclass(frozen=True)
class FreeRunning:
    """Recorded action sequences replayed without correction.

    Attributes:
        median_steps: Median steps to the first divergence. A session without one counts with its
            full length, so the figure is a lower bound.
        whole: Share of sessions with no divergence at all.
        survival: Share of sessions still right after k steps, for k = 0, 1, ..., among those that long.
        sessions: One entry per recording.
    """

    median_steps: float
    whole: Estimate
    survival: tuple[float, ...]
    sessions: tuple[Session, ...]


def replay(world: World, recordings: Iterable[tuple[Task, Trace]]) -> FreeRunning:
    """Replay the actions of each trace in `world`, from its task's start, until it differs.

    Pages are compared as text, tool results likewise, state deltas exactly.
    """
    sessions = [_replay_one(world, task, trace) for task, trace in recordings]
    return summarise(sessions)


def summarise(sessions: list[Session]) -> FreeRunning:
    """The figures over replayed sessions."""
    survival: list[float] = []
    longest = max((s.length for s in sessions), default=0)
    for k in range(longest + 1):
        alive = [s.agreed >= k for s in sessions if s.length >= k]
        survival.append(sum(alive) / len(alive))
    return FreeRunning(
        median_steps=float(median([s.agreed for s in sessions])) if sessions else float("nan"),
        whole=mean([float(s.agreed == s.length) for s in sessions]),
        survival=tuple(survival),
        sessions=tuple(sessions),
    )


def _replay_one(world: World, task: Task, trace: Trace) -> Session:
    steps = [step for step in trace.steps[1:] if step.action is not None and step.action.kind == "call"]
    name, length = trace.header.session, len(steps)
    agreed = 0
    try:
        world.reset(task, trace.header.seed)
        for step in steps:
            assert step.action is not None
            got = world.step(step.action)
            seen, real = got.observation, step.observation
            if (seen.url, seen.page, seen.result) != (real.url, real.page, real.result):
                return Session(name, agreed, length, "page")
            if got.delta != step.delta:
                return Session(name, agreed, length, "state")
            agreed += 1
    except (SandboxError, UncertainError):
        return Session(name, agreed, length, "no answer")
    return Session(name, agreed, length, "")
