"""What an environment keeps of a running episode, and which failures end one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from envsim.errors import SandboxError, UncertainError
from envsim.reward.checks import Record
from envsim.state import StateView
from envsim.types import JsonValue, OutcomeKind, Transition


@dataclass
class Heard:
    """What a running episode has gathered for its judgement."""

    before: StateView = field(default_factory=dict)
    answered: bool = False
    answer: JsonValue = None
    infeasible: bool = False
    said: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    tampered: str = ""

    def copy(self) -> Heard:
        """An independent copy."""
        return replace(self, said=list(self.said), urls=list(self.urls), seen=list(self.seen))

    def record(self, after: StateView) -> Record:
        """What checks look at, given the state view at the end."""
        said, urls, seen = tuple(self.said), tuple(self.urls), tuple(self.seen)
        return Record(self.before, after, self.answered, self.answer, self.infeasible, said, urls, seen)


def check_fault(transition: Transition) -> None:
    """Raise for a user that broke a rule of its own: that is never the agent's doing."""
    if transition.user is not None and transition.user.fault:
        raise UncertainError(f"The simulated user made a mistake: {transition.user.fault}")


def kind_of(error: SandboxError | UncertainError) -> OutcomeKind:
    """Whose failure ended an episode."""
    return "infra" if isinstance(error, SandboxError) else "sim_uncertain"
