"""All rules of one app: for each operation what may follow, how likely, and what that does to the state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from envsim.rng import Rng
from envsim.state import StateView
from envsim.types import JsonValue, StateDelta
from worldmodel.document import Lines, read_delta
from worldmodel.rules.branches import absolute, asked, branch, closed_to_guests, operation, relative
from worldmodel.rules.bugs import Bugs, Possible
from worldmodel.rules.clock import Clock, fit
from worldmodel.rules.controls import FEW, anywhere, labels, pooled
from worldmodel.rules.effects import Effects, explains, learn, same, variants
from worldmodel.rules.expressions import Unknown
from worldmodel.rules.history import history, place
from worldmodel.rules.known import Known
from worldmodel.rules.relations import Relations
from worldmodel.rules.rounding import rounded_apart
from worldmodel.rules.scope import Scope, open_scope
from worldmodel.rules.trees import Tree, grow
from worldmodel.rules.twists import Events, Seen, Twist, families, joined, learn_family
from worldmodel.session import Sample, Situation

MOST = 60
"""Examples an operation's rules are learned from."""
MOST_CHOICES = 300
"""Examples its choice of branch is learned from."""
SOME = 0.2
"""Share of its examples that a set of rules must explain; else it says nothing, and a neighbour's delta is better."""
ENOUGH = 8
"""Requests at which no bug fired that tell well enough what is meant."""
AS_MEANT = 0.9
"""Share of a bug's deltas that must be the intended ones: it is only seen in the answer."""
_VARIANT = "\n"
_EVENT = "@event "


@dataclass(frozen=True)
class Outcome:
    """One thing that may follow a request.

    Attributes:
        branch: The kind of answer.
        delta: What it does to the state; None where no rule tells.
        sure: How far to believe it, in [0, 1].
        p: Its probability; those of all outcomes of a request sum to 1.
        events: Ids of the bugs that fire, such as ``"bug:slow-reviews"``, where traces told of bugs.
    """

    branch: str
    delta: StateDelta | None
    sure: float
    p: float = 1.0
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """What is known of one operation.

    Attributes:
        choice: The branch that is meant to follow; labels may tell variants of one branch apart.
        effects: Label -> what it does to the state; none where no rules explain it.
        twists: `joined` events -> what they make of it; only what was recorded.
    """

    choice: Tree
    effects: dict[str, Effects]
    twists: dict[str, Twist] = field(default_factory=dict)


@dataclass(frozen=True)
class Programs:
    """See the module."""

    relations: Relations
    known: Known
    programs: dict[str, Program] = field(default_factory=dict)
    bugs: Bugs = field(default_factory=Bugs)
    clock: list[Clock] = field(default_factory=list)
    """The app's clock, if it is known."""
    closed: dict[str, str] = field(default_factory=dict)
    """Operation that nobody tried without signing in -> what follows then (`closed_to_guests`)."""

    @classmethod
    def learn(cls, view: StateView, found: Iterable[Sample], seed: int = 0) -> Programs:
        """From recorded requests. `view` is what sessions begin with."""
        found = [sample for sample in found if sample.index > 0]
        out = cls.empty(view, found)
        clock = fit((sample.situation, read_delta(sample.target)) for sample in found)
        out.clock.extend([clock] if clock is not None else [])
        by_operation: dict[str, list[Sample]] = defaultdict(list)
        for sample in found:
            by_operation[operation(sample.situation.request, out.known)].append(sample)
        scopes: dict[int, Scope] = {}
        for name, samples in sorted(by_operation.items()):
            # In an order of chance, so that the first so many are a fair choice.
            by_operation[name] = Rng(seed, "rules", name).shuffled(samples)
            out.programs[name] = out._learn(_meant(by_operation[name]), scopes)
        out._pool(by_operation, scopes, seed)
        out._learn_bugs(by_operation, scopes)
        out.closed.update(closed_to_guests(by_operation, out._label))
        return out

    @classmethod
    def empty(cls, view: StateView, found: Iterable[Sample]) -> Programs:
        """What relations and names these requests show, without any rules."""
        found = [sample for sample in found if sample.index > 0]
        deltas = [read_delta(sample.target) for sample in found]
        rows = [change[1] for delta in deltas for change in delta if len(change) == 2]
        return cls(Relations.learn(view, deltas), Known.learn(view, rows, labels(found)))

    def _learn(self, found: Sequence[Sample], scopes: dict[int, Scope]) -> Program:
        chosen = found[:MOST_CHOICES]
        seen = [(self._scope(s, scopes), self._label(s), read_delta(s.target)) for s in chosen]
        by_branch: dict[str, list[int]] = defaultdict(list)
        for at, (_, label, _) in enumerate(seen):
            by_branch[label].append(at)
        labels = [label for _, label, _ in seen]
        effects: dict[str, Effects] = {}
        for label, members in by_branch.items():
            learned = variants([(seen[at][0], seen[at][2]) for at in members[:MOST]])
            for number, (rules, of) in enumerate(learned):
                right = sum(explains(rules, seen[members[i]][0], seen[members[i]][2]) for i in of)
                if right >= SOME * len(of):
                    effects[label + _VARIANT * number] = rules
            if len(learned) > 1:
                first, second = learned[0][0], learned[1][0]
                for at in members:
                    scope, _, delta = seen[at]
                    if explains(second, scope, delta) and not explains(first, scope, delta):
                        labels[at] = label + _VARIANT
        return Program(grow([(seen[at][0], label) for at, label in enumerate(labels)], self.known), effects)

    def _pool(self, by_operation: Mapping[str, Sequence[Sample]], scopes: dict[int, Scope], seed: int) -> None:
        """What controls do wherever they stand: for other pages, and for those on which they were hardly pressed."""
        for where, names in pooled(by_operation).items():
            every = [sample for name in names for sample in _meant(by_operation[name])]
            found = self.programs[where] = self._learn(Rng(seed, "rules", where).shuffled(every), scopes)
            for name in names:
                own = by_operation[name][:MOST]
                theirs, ours = (sum(self._gives(p, s, scopes) for s in own) for p in (found, self.programs[name]))
                if theirs > ours or (theirs == ours and len(own) < FEW):
                    self.programs[name] = Program(found.choice, found.effects)

    def _gives(self, program: Program, sample: Sample, scopes: dict[int, Scope]) -> bool:
        """Whether a program says what followed a request."""
        scope, delta = self._scope(sample, scopes), read_delta(sample.target)
        label, _ = program.choice.decide(scope)
        known = explains(program.effects[label], scope, delta) if label in program.effects else not delta
        return known and label.partition(_VARIANT)[0] == self._label(sample)

    def _program(self, name: str) -> Program | None:
        """Of an operation; of one never recorded, that of the same control where it was."""
        found = self.programs.get(name)
        if found is None and (where := anywhere(name)):
            found = self.programs.get(where)
            return found or next((one for other, one in self.programs.items() if anywhere(other) == where), None)
        return found

    def _learn_bugs(self, by_operation: Mapping[str, Sequence[Sample]], scopes: dict[int, Scope]) -> None:
        """Which bugs fire when, and what they do, at every operation where one was recorded and at all together."""
        fired = {name: [(place(sample.target, self.known), events_of(sample.target)) for sample in found]
                 for name, found in by_operation.items()}  # fmt: skip
        buggy = sorted(name for name, found in fired.items() if any(events for _, events in found))
        seen: dict[int, Seen] = {}

        def see(name: str, at: int) -> Seen:
            sample = by_operation[name][at]
            if id(sample) not in seen:
                about = self._about(name, self._scope(sample, scopes), rounded=True)
                intended = str(about.value("intended"))
                page = _page(intended, asked(sample.situation.request, self.known))
                seen[id(sample)] = Seen(name, intended, page, about, fired[name][at][1])
            return seen[id(sample)]

        for events in families([(name, one) for name in buggy for _, one in fired[name]]):
            self.bugs.families.append(learn_family(events, fired, see, self.known))
        anywhere: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for name in buggy:
            together: dict[str, list[Sample]] = defaultdict(list)
            for sample, (_, events) in zip(by_operation[name], fired[name], strict=True):
                if events:
                    together[joined(events)].append(sample)
            for label, found in sorted(together.items()):
                twist, pairs = self._twist(name, found, scopes)
                self.programs[name].twists[label] = twist
                anywhere[label] += pairs if twist.effects is None else []
        self.bugs.twists.update({label: Twist.learn(pairs, None) for label, pairs in anywhere.items() if pairs})

    def _twist(
        self, name: str, found: Sequence[Sample], scopes: dict[int, Scope]
    ) -> tuple[Twist, list[tuple[str, str]]]:
        """What bugs made of an operation's answers, and the pairs (meant, what followed) it is learned from."""
        program = self.programs[name]
        seen: list[tuple[str, str]] = []
        examples: list[tuple[Scope, StateDelta]] = []
        as_meant = 0
        for sample in found[:MOST]:
            scope, delta = self._scope(sample, scopes), read_delta(sample.target)
            label, _ = program.choice.decide(scope)
            seen.append((label.partition(_VARIANT)[0], self._label(sample)))
            examples.append((scope, delta))
            as_meant += label in program.effects and explains(program.effects[label], scope, delta)
        meant = as_meant >= AS_MEANT * len(examples)
        return Twist.learn(seen, None if meant else learn(examples)), seen

    def _scope(self, sample: Sample, scopes: dict[int, Scope]) -> Scope:
        """`scope` of a recorded request, made once."""
        found = scopes.get(id(sample))
        if found is None:
            found = scopes[id(sample)] = self.scope(sample.situation)
        return found

    def _about(self, name: str, scope: Scope, label: str | None = None, *, rounded: bool) -> Scope:
        """The scope that bugs are judged by: also which operation it is, and what should follow.

        With `rounded`, also whether shares of what is added up part when they are rounded piece by piece.
        """
        program = self._program(name)
        assert program is not None, name
        label = program.choice.decide(scope)[0] if label is None else label
        known: dict[str, JsonValue] = {"operation": name, "intended": label.partition(_VARIANT)[0]}
        return scope.child("", {**known, **(rounded_apart(scope, _intended(program, label, scope)) if rounded else {})})

    def scope(self, situation: Situation) -> Scope:
        """What is known before the answer."""
        return open_scope(
            situation.request, situation.login, situation.current, situation.state, self.relations, self.known,
            history(situation.request.key, situation.past, self.known),
            self.clock[0].now(situation) if self.clock else None,
        )  # fmt: skip

    def branch(self, sample: Sample) -> str:
        """What kind of answer a recorded request got."""
        return branch(sample.target, self.known, sample.situation.request)

    def _label(self, sample: Sample) -> str:
        """`branch`, with what was asked for left open."""
        return relative(self.branch(sample), asked(sample.situation.request, self.known))

    def outcome(self, situation: Situation) -> Outcome | None:
        """What most probably follows a request; None for an operation that was never recorded."""
        return next(iter(self.outcomes(situation)), None)

    def outcomes(self, situation: Situation) -> tuple[Outcome, ...]:
        """All that may follow a request, most probable first; () for an operation that was never recorded.

        Probabilities are shares of what followed in recorded situations that the tests found do not tell from this
        one, smoothed as by Jeffreys; what was never recorded for the operation is never among them.
        """
        name = operation(situation.request, self.known)
        program = self._program(name)
        if program is None:
            return ()
        scope = self.scope(situation)
        labels = program.choice.shares(scope)
        _, support = program.choice.decide(scope)
        if not situation.login and name in self.closed:
            labels = [(self.closed[name], 1.0)]
        found: list[Outcome] = []
        address = asked(situation.request, self.known)
        for twists, events, p in self._bugs(name, program, scope, labels[0][0], address):
            if not events:
                found += [_outcome(program, label, scope, p * share, support) for label, share in labels]
            else:
                found.append(_twisted(program, twists, events, labels[0][0], scope, p, support))
        return _merged([replace(outcome, branch=absolute(outcome.branch, address)) for outcome in found])

    def _bugs(self, name: str, program: Program, scope: Scope, label: str, address: str) -> list[Possible]:
        """What bugs can do here."""
        intended = label.partition(_VARIANT)[0]
        page = _page(intended, address)
        able = self.bugs.able(name, program.twists, intended, page)
        return self.bugs.possible(
            able, program.twists, page, lambda rounded: self._about(name, scope, label, rounded=rounded)
        )

    def read(self, data: Any) -> None:
        """Take over what `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            for name, entry in data["operations"].items():
                effects = {str(label): Effects.from_json(rules) for label, rules in entry["effects"].items()}
                twists = {str(label): Twist.from_json(twist) for label, twist in entry["twists"].items()}
                self.programs[str(name)] = Program(Tree.from_json(entry["choice"]), effects, twists)
            self.bugs.read(data["bugs"])
            self.clock.extend(Clock.from_json(clock) for clock in data["clock"])
            self.closed.update({str(name): str(label) for name, label in data.get("closed", {}).items()})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no programs: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The programs; relations and names are found again in the dataset (`empty`)."""
        operations = {
            name: {"choice": program.choice.to_json(),
                   "effects": {label: effects.to_json() for label, effects in program.effects.items()},
                   "twists": {label: twist.to_json() for label, twist in program.twists.items()}}
            for name, program in self.programs.items()
        }  # fmt: skip
        return {
            "operations": operations,
            "bugs": self.bugs.to_json(),
            "clock": [clock.to_json() for clock in self.clock],
            "closed": dict(sorted(self.closed.items())),
        }


def _meant(found: Sequence[Sample]) -> Sequence[Sample]:
    """Those at which no bug fired, if there are enough: what bugs did is for their families to say."""
    plain = [sample for sample in found if not events_of(sample.target)]
    return plain if len(plain) >= min(ENOUGH, len(found) // 4 + 1) else found


def _page(label: str, address: str) -> str:
    """The page of a kind of answer."""
    return absolute(label, address).partition(" ")[0].partition("?")[0]


def events_of(target: Lines) -> Events:
    """Ids of the ground-truth events that a recorded answer tells of."""
    return frozenset(line[len(_EVENT) :].strip('"') for line in target if line.startswith(_EVENT))


def draw(outcomes: Sequence[Outcome], point: float | None) -> Outcome | None:
    """The outcome at `point` in [0, 1) of the distribution; the most probable for None."""
    if point is None or not outcomes:
        return outcomes[0] if outcomes else None
    left = point * sum(outcome.p for outcome in outcomes)
    for outcome in outcomes:
        left -= outcome.p
        if left < 0:
            return outcome
    return outcomes[-1]


def _outcome(program: Program, label: str, scope: Scope, p: float, support: float) -> Outcome:
    name = label.partition(_VARIANT)[0]
    effects = program.effects.get(label)
    if effects is None:
        return Outcome(name, None, 0.0, p)
    try:
        return Outcome(name, effects.delta(scope), min(p, support) * effects.sure, p)
    except Unknown:
        return Outcome(name, None, 0.0, p)


def _intended(program: Program, label: str, scope: Scope) -> StateDelta:
    """What should happen to the state; nothing where no rule tells."""
    effects = program.effects.get(label)
    try:
        return effects.delta(scope) if effects is not None and effects.rules else ()
    except Unknown:
        return ()


def _twisted(
    program: Program, twists: Sequence[Twist], events: tuple[str, ...], label: str, scope: Scope, p: float,
    support: float,
) -> Outcome:  # fmt: skip
    out = replace(_outcome(program, label, scope, p, support), events=events)
    for twist in twists:
        out = replace(out, branch=twist.branch(out.branch))
        if twist.effects is not None:
            try:
                out = replace(out, delta=twist.effects.delta(scope), sure=min(p, support) * twist.effects.sure)
            except Unknown:
                out = replace(out, delta=None, sure=0.0)
    return out


def _merged(found: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Equal outcomes as one; most probable first."""
    out: list[Outcome] = []
    for outcome in found:
        at = next((i for i, other in enumerate(out) if _alike(other, outcome)), None)
        if at is None:
            out.append(outcome)
        else:
            out[at] = replace(out[at], p=out[at].p + outcome.p, sure=min(1.0, out[at].sure + outcome.sure))
    return tuple(sorted(out, key=lambda outcome: (-outcome.p, outcome.branch, outcome.events)))


def _alike(one: Outcome, other: Outcome) -> bool:
    if (one.branch, one.events) != (other.branch, other.events) or (one.delta is None) != (other.delta is None):
        return False
    return one.delta is None or other.delta is None or same(one.delta, other.delta)
