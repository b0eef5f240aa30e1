"""What a comparison of a clone is made of: a recorded session, how the clone runs, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from envsim.page.har import Exchange
from envsim.task import Start
from envsim.trace import Step, Trace

SHIFT = timedelta(days=33, hours=1, minutes=1, seconds=1)
"""How far the second replay's clock is moved: what shows a time differs in every part of it but the year."""


@dataclass(frozen=True)
class Session:
    """One recorded session and how a clone is brought to where it starts."""

    trace: Trace
    network: tuple[Exchange, ...]
    start: Start
    exact: bool
    """Recorded from a clone under a known seed and clock: then nothing is volatile."""

    @property
    def name(self) -> str:
        """Of the trace."""
        return self.trace.header.session

    @property
    def pages(self) -> bool:
        """Whether pages were shown; else it is of tools, or of whoever speaks to the app directly."""
        if self.trace.header.interface == "tools":
            return False
        return not self.network or any(one.is_document for one in self.network)

    def sent(self, step: int) -> list[Exchange]:
        """What was exchanged at a step for pages, or for what stands in their place."""
        return [one for one in self.network if one.step == step and (one.is_document or not self.pages)]


@dataclass(frozen=True)
class Config:
    """How the clone runs: which bugs are on, the seed of its draws, whether its clock is moved, another variant."""

    bugs: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    shifted: bool = False
    variant: str | None = None
    """None for the one that is compared."""

    def toggled(self, bug: str) -> Config:
        """The same with `bug` off where it was sure to fire, and firing whenever it can where it was not."""
        bugs = dict(self.bugs)
        if bugs.get(bug) == 1.0:
            del bugs[bug]
        else:
            bugs[bug] = 1.0
        return replace(self, bugs=tuple(sorted(bugs.items())))

    def without(self, bug: str) -> Config:
        """The same with `bug` off."""
        return replace(self, bugs=tuple(item for item in self.bugs if item[0] != bug))


@dataclass
class Replay:
    """What a clone answered to a session.

    Attributes:
        steps: As recorded ones, with the same indices.
        network: What was exchanged, with steps.
        notes: Step -> what could not be done there: ``"no such element"``.
        asked: Steps at which the clone was asked something.
    """

    steps: list[Step] = field(default_factory=list)
    network: list[Exchange] = field(default_factory=list)
    notes: dict[int, str] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def fired(self, step: int) -> tuple[str, ...]:
        """Ids of the bugs that fired at a step."""
        return tuple(event.id for event in self.steps[step].events if event.kind == "bug")
