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
    def learn(cls, view: StateView, found: Iterable[Sample], seed: int = 0) -> Programs:
        """From recorded requests. `view` is what sessions begin with."""
        found = [sample for sample in found if sample.index > 0]
        out = cls.empty(view, found)
        by_operation: dict[str, list[Sample]] = defaultdict(list)
        for sample in found:
            by_operation[operation(sample.situation.request, out.known)].append(sample)
        for name, samples in sorted(by_operation.items()):
            out.programs[name] = out._learn(samples, Rng(seed, "rules", name))
        return out

    @classmethod
    def empty(cls, view: StateView, found: Iterable[Sample]) -> Programs:
        """What relations and names these requests show, without any rules."""
        deltas = [read_delta(sample.target) for sample in found if sample.index > 0]
        rows = [change[1] for delta in deltas for change in delta if len(change) == 2]
        return cls(Relations.learn(view, deltas), Known.learn(view, rows))

    def _learn(self, found: Sequence[Sample], rng: Rng) -> Program:
        # What bugs did is for the outcome to say; rules are of the app as it is meant.
        plain = [sample for sample in found if not any(line.startswith("@event ") for line in sample.target)]
        found = plain if len(plain) > len(found) // 4 else found
        chosen = [found[i] for i in sorted(rng.sample(range(len(found)), MOST_CHOICES))]
        seen = [(self.scope(s.situation), self.branch(s), s) for s in chosen]
        by_branch: dict[str, list[tuple[Scope, StateDelta]]] = defaultdict(list)
        for scope, label, sample in seen:
            by_branch[label].append((scope, read_delta(sample.target)))
        effects = {label: learn(examples[:MOST]) for label, examples in by_branch.items()}
        return Program(grow([(scope, label) for scope, label, _ in seen], self.known), effects)

    def scope(self, situation: Situation) -> Scope:
        """What is known before the answer."""
        shown = situation.current
        return open_scope(situation.request, situation.login, shown, situation.state, self.relations, self.known)

    def branch(self, sample: Sample) -> str:
        """What kind of answer a recorded request got."""
        return branch(sample.target, self.known, sample.situation.request)

    def outcome(self, situation: Situation) -> Outcome | None:
        """What follows a request; None for an operation that was never recorded."""
        program = self.programs.get(operation(situation.request, self.known))
        if program is None:
            return None
        scope = self.scope(situation)
        label, sure = program.choice.decide(scope)
        effects = program.effects.get(label, Effects(()))
        try:
            return Outcome(label, effects.delta(scope), sure * effects.sure)
        except Unknown:
            return Outcome(label, None, 0.0)

    def read(self, data: Any) -> None:
        """Take over what `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            for name, entry in data.items():
                effects = {str(label): Effects.from_json(rules) for label, rules in entry["effects"].items()}
                self.programs[str(name)] = Program(Tree.from_json(entry["choice"]), effects)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no programs: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The programs; relations and names are found again in the dataset (`empty`)."""
        return {
            name: {"choice": program.choice.to_json(),
                   "effects": {label: effects.to_json() for label, effects in program.effects.items()}}
            for name, program in self.programs.items()
        }  # fmt: skip
