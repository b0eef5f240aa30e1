"""What bugs make of an answer: which of them fire, when or how often, and what then follows.

Bugs that traces tell of are grouped in *families*: two bugs of which one keeps the other from firing (an order
cannot fail to be placed and time out after it was) belong together, and one tree says which of them fires. Its tests
find the condition of those that always fire under one, and its leaves hold the rates of those that fire at random.
A family is learned from all operations that any of its bugs was ever seen at; an overlay does not care which page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from worldmodel.rules.effects import Effects
from worldmodel.rules.history import SESSION
from worldmodel.rules.known import Known
from worldmodel.rules.scope import Scope
from worldmodel.rules.trees import Tree, grow

JOIN = "+"
"""Between the ids of events that happened together; "" for none."""
CHANCES = "session chances"
DOUBT = 3.0
"""What is random is most of what bugs do: a condition must tell more than in `trees`."""
EXPECTED = 1.0
"""Times two bugs would have fired together by chance: if they never did, one keeps the other from it."""
MOST = 1500
"""Requests a family is learned from."""

Events = frozenset[str]


def joined(events: Iterable[str]) -> str:
    """Ids of events as one label."""
    return JOIN.join(sorted(events))


def parted(label: str) -> tuple[str, ...]:
    """The inverse of `joined`."""
    return tuple(label.split(JOIN)) if label else ()


@dataclass(frozen=True)
class Twist:
    """What one combination of bugs makes of the answers of one operation.

    Attributes:
        answers: Intended branch -> the branch that followed instead.
        otherwise: For other branches: what was announced, where the page stayed the intended one; else a branch.
        kept: Whether the page stayed the intended one.
        effects: What it does to the state; None: what was intended.
        count: How often it was recorded.
    """

    answers: tuple[tuple[str, str], ...]
    otherwise: str
    kept: bool
    effects: Effects | None
    count: int

    def branch(self, intended: str) -> str:
        """The branch that follows where `intended` should."""
        for meant, actual in self.answers:
            if meant == intended:
                return actual
        return f"{intended.partition(' ')[0]} {self.otherwise}".strip() if self.kept else self.otherwise

    @classmethod
    def learn(cls, seen: Sequence[tuple[str, str]], effects: Effects | None) -> Twist:
        """From (intended branch, branch that followed)."""
        by_intended: dict[str, Counter[str]] = defaultdict(Counter)
        for intended, actual in seen:
            by_intended[intended][actual] += 1
        answers = tuple((meant, _most(found)) for meant, found in sorted(by_intended.items()))
        kept = all(meant.partition(" ")[0] == actual.partition(" ")[0] for meant, actual in seen)
        after = Counter(actual.partition(" ")[2] if kept else actual for _, actual in seen)
        return cls(answers, _most(after), kept, effects, len(seen))

    def to_json(self) -> list[Any]:
        """See `from_json`."""
        effects = self.effects.to_json() if self.effects is not None else None
        return [[list(pair) for pair in self.answers], self.otherwise, self.kept, effects, self.count]

    @classmethod
    def from_json(cls, data: Any) -> Twist:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            answers, otherwise, kept, effects, count = data
            read = Effects.from_json(effects) if effects is not None else None
            pairs = tuple((str(meant), str(actual)) for meant, actual in answers)
            return cls(pairs, str(otherwise), bool(kept), read, int(count))
        except TypeError as error:
            raise ValueError(f"no twist: {error}") from None


def _most(counts: Counter[str]) -> str:
    return max(counts, key=lambda text: (counts[text], text))


@dataclass(frozen=True)
class Family:
    """Bugs of which one tree tells which fire.

    Attributes:
        events: Their ids.
        places: Pages that one of them was recorded at.
        choice: Labels are `joined` ids.
    """

    events: Events
    places: tuple[str, ...]
    choice: Tree

    def chances(self, scope: Scope) -> int:
        """How often a session has been at one of these pages: many a bug comes with the third time, or the first."""
        return chances(self.places, scope)

    def to_json(self) -> list[Any]:
        """See `from_json`."""
        return [sorted(self.events), list(self.places), self.choice.to_json()]

    @classmethod
    def from_json(cls, data: Any) -> Family:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            events, places, choice = data
            return cls(frozenset(map(str, events)), tuple(map(str, places)), Tree.from_json(choice))
        except TypeError as error:
            raise ValueError(f"no family of bugs: {error}") from None


def families(found: Sequence[tuple[str, Events]]) -> list[Events]:
    """Which bugs belong together, from (operation, events) of recorded requests."""
    at: dict[str, set[str]] = defaultdict(set)
    for name, events in found:
        for event in events:
            at[event].add(name)
    together = Counter(pair for _, events in found for pair in combinations(sorted(events), 2))
    parent = {event: event for event in at}
    for one, other in combinations(sorted(at), 2):
        if not together[one, other] and _expected(found, one, other, at[one] & at[other]) >= EXPECTED:
            first, second = _root(parent, one), _root(parent, other)
            parent[second] = first
    groups: dict[str, set[str]] = defaultdict(set)
    for event in sorted(at):
        groups[_root(parent, event)].add(event)
    return [frozenset(group) for _, group in sorted(groups.items())]


def _expected(found: Sequence[tuple[str, Events]], one: str, other: str, shared: set[str]) -> float:
    if not shared:
        return 0.0
    here = [events for name, events in found if name in shared]
    return sum(one in events for events in here) * sum(other in events for events in here) / len(here)


def _root(parent: Mapping[str, str], event: str) -> str:
    while parent[event] != event:
        event = parent[event]
    return event


def chances(places: Iterable[str], scope: Scope) -> int:
    """See `Family.chances`."""
    counts = (scope.value(f"{SESSION}at {place}") for place in places)
    return sum(count for count in counts if isinstance(count, int))


def learn_family(events: Events, places: Sequence[str], seen: Sequence[tuple[Scope, Events]], known: Known) -> Family:
    """When which of `events` fire, from what was known and what fired at requests they could fire at."""
    pairs = [(scope.child("", {CHANCES: chances(places, scope)}), joined(fired & events)) for scope, fired in seen]
    return Family(events, tuple(places), grow(pairs, known, doubt=DOUBT))
