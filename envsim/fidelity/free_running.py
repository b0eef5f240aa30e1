"""Free-running fidelity: how long a world stays right when nobody corrects it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from envsim.errors import SandboxError, UncertainError
from envsim.fidelity.intervals import EMPTY, Estimate, share
from envsim.fidelity.survival import Lifetime, kaplan_meier, median_steps, reached
from envsim.task import Task
from envsim.trace import Step, Trace
from envsim.types import Transition
from envsim.world import World


@dataclass(frozen=True)
class Session:
    """One recorded session replayed into a world.

    Attributes:
        session: Name of the trace.
        agreed: Steps that matched before the first that did not.
        length: Steps of the recording.
        reason: What differed first: ``"page"``, ``"state"``, ``"no answer"``, or "" for nothing.
        chance: At that step a bug with a rate below 1 fired in one of the two worlds: a difference that a perfect
            world shows, too.
    """

    session: str
    agreed: int
    length: int
    reason: str
    chance: bool = False

    @property
    def lifetime(self) -> Lifetime:
        """How long it held, for survival."""
        return Lifetime(self.agreed, bool(self.reason))


@dataclass(frozen=True)
class FreeRunning:
    """Recorded action sequences replayed without correction.

    Attributes:
        median_steps: Median steps before the first divergence; a lower bound where more than half of the sessions hold
            to their end.
        whole: Share of sessions with no divergence at all.
        survival: P(still right after k steps) for k = 0, 1, ..., by Kaplan and Meier.
        sessions: One entry per recording.
        median: The median with its bootstrap interval over sessions.
        certain: The survival curve with sessions followed only until chance made a difference (`Session.chance`).
        certain_median: Its median.
    """

    median_steps: float
    whole: Estimate
    survival: tuple[float, ...]
    sessions: tuple[Session, ...]
    median: Estimate = EMPTY
    certain: tuple[float, ...] = ()
    certain_median: Estimate = EMPTY

    @property
    def open_ended(self) -> bool:
        """More than half of the sessions hold as long as they were followed: the median is a lower bound."""
        return bool(self.sessions) and not reached(self.survival)


def replay(world: World, recordings: Iterable[tuple[Task, Trace]]) -> FreeRunning:
    """Replay the actions of each trace in `world`, from its task's start, until it differs.

    Pages are compared as text, tool results likewise, state deltas exactly.
    """
    return summarise([replay_one(world, task, trace) for task, trace in recordings])


def summarise(sessions: Sequence[Session], *, seed: int = 0) -> FreeRunning:
    """The figures over replayed sessions."""
    lives = [session.lifetime for session in sessions]
    certain = [Lifetime(session.agreed, bool(session.reason) and not session.chance) for session in sessions]
    median = median_steps(lives, seed=seed)
    return FreeRunning(
        median_steps=median.value,
        whole=share([float(not s.reason) for s in sessions], [1] * len(sessions), seed=seed),
        survival=kaplan_meier(lives),
        sessions=tuple(sessions),
        median=median,
        certain=kaplan_meier(certain),
        certain_median=median_steps(certain, seed=seed),
    )


def replay_one(world: World, task: Task, trace: Trace) -> Session:
    """Replay one recording until it differs."""
    steps = [step for step in trace.steps[1:] if step.action is not None and step.action.kind == "call"]
    name, length = trace.header.session, len(steps)
    by_chance = {bug for bug, odds in trace.header.bugs.items() if odds < 1.0}
    agreed = 0
    try:
        world.reset(task, trace.header.seed)
        for step in steps:
            assert step.action is not None
            got = world.step(step.action)
            if differs := _difference(got, step):
                chance = any(event.id in by_chance for event in (*got.events, *step.events))
                return Session(name, agreed, length, differs, chance)
            agreed += 1
    except (SandboxError, UncertainError):
        return Session(name, agreed, length, "no answer")
    return Session(name, agreed, length, "")


def _difference(got: Transition, real: Step) -> str:
    seen, recorded = got.observation, real.observation
    if (seen.url, seen.page, seen.result) != (recorded.url, recorded.page, recorded.result):
        return "page"
    return "state" if got.delta != real.delta else ""
