"""All rules of one app: for each operation which branch follows, and what that does to the state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from envsim.rng import Rng
from envsim.state import StateView
from envsim.types import StateDelta
from worldmodel.document import read_delta
from worldmodel.rules.branches import Tree, branch, grow, operation
from worldmodel.rules.effects import Effects, learn
from worldmodel.rules.expressions import Unknown
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope, open_scope
from worldmodel.session import Sample, Situation

MOST = 60
"""Examples an operation's rules are learned from."""
MOST_CHOICES = 300
"""Examples its choice of branch is learned from."""


@dataclass(frozen=True)
class Outcome:
    """What the rules say of a request.

    Attributes:
        branch: The kind of answer.
        delta: What it does to the state; None where no rule tells.
        sure: How far to believe it, in [0, 1].
    """

    branch: str
    delta: StateDelta | None
    sure: float


@dataclass(frozen=True)
class Program:
    """What is known of one operation."""

    choice: Tree
    effects: dict[str, Effects]


@dataclass(frozen=True)
class Programs:
    """See the module."""

    relations: Relations
    known: Known
    programs: dict[str, Program] = field(default_factory=dict)

    @classmethod
    def learn(cls, view: StateView, found: Iterable[tuple[Sample, StateView]], seed: int = 0) -> Programs:
        """From recorded requests, each with the state before it. `view` is what sessions begin with."""
        found = [(sample, state) for sample, state in found if sample.index > 0]
        deltas = [read_delta(sample.target) for sample, _ in found]
        rows = [change[1] for delta in deltas for change in delta if len(change) == 2]
        out = cls(Relations.learn(view, deltas), Known.learn(view, rows))
        by_operation: dict[str, list[tuple[Sample, StateView]]] = defaultdict(list)
        for sample, state in found:
            by_operation[operation(sample.situation.request, out.known)].append((sample, state))
        for name, samples in sorted(by_operation.items()):
            out.programs[name] = out._learn(samples, Rng(seed, "rules", name))
        return out

    def _learn(self, found: Sequence[tuple[Sample, StateView]], rng: Rng) -> Program:
        # What bugs did is for the outcome to say; rules are of the app as it is meant.
        plain = [item for item in found if not any(line.startswith("@event ") for line in item[0].target)]
        found = plain if len(plain) > len(found) // 4 else found
        chosen = [found[i] for i in sorted(rng.sample(range(len(found)), MOST_CHOICES))]
        seen = [(self.scope(s.situation, state), branch(s.target, self.known, s.situation.request), s) for s, state in chosen]
        by_branch: dict[str, list[tuple[Scope, StateDelta]]] = defaultdict(list)
        for scope, label, sample in seen:
            by_branch[label].append((scope, read_delta(sample.target)))
        effects = {label: learn(examples[:MOST]) for label, examples in by_branch.items()}
        return Program(grow([(scope, label) for scope, label, _ in seen], self.known), effects)

    def scope(self, situation: Situation, state: StateView) -> Scope:
        """What is known before the answer."""
        return open_scope(situation.request, situation.login, situation.current, state, self.relations, self.known)

    def outcome(self, situation: Situation, state: StateView) -> Outcome | None:
        """What follows a request; None for an operation that was never recorded."""
        program = self.programs.get(operation(situation.request, self.known))
        if program is None:
            return None
        scope = self.scope(situation, state)
        label, sure = program.choice.decide(scope)
        effects = program.effects.get(label, Effects(()))
        try:
            return Outcome(label, effects.delta(scope), sure * effects.sure)
        except Unknown:
            return Outcome(label, None, 0.0)

    def to_json(self) -> dict[str, Any]:
        """The programs; relations and names are found again in the dataset."""
        return {
            name: {"choice": program.choice.to_json(),
                   "effects": {label: effects.to_json() for label, effects in program.effects.items()}}
            for name, program in self.programs.items()
        }  # fmt: skip
