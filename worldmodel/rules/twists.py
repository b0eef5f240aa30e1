"""What bugs make of an answer: which of them fire, when or how often, and what then follows.

Bugs that traces tell of are grouped in *families*: two bugs of which one keeps the other from firing (an order
cannot fail to be placed and time out after it was) belong together, and one tree says which of them fires. Its tests
find the condition of those that always fire under one, and its leaves hold the rates of those that fire at random.
A family is learned from all operations that any of its bugs was ever seen at, and from those that lead to pages where
it makes no difference which operation led there: an overlay does not care where a link stood.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
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
EXPECTED = 3.0
"""Times two bugs would have fired together by chance: if they never did, one keeps the other from it. Of two that have
nothing to do with each other, as many never do with a chance of exp(-3), which is one in twenty."""
MOST = 1500
"""Requests a family is learned from."""
FEW = 12
"""Requests of each operation among them at least."""
SEVERAL = 2
"""Operations that lead to a page and had a bug there, for it to be the page's; pages of a kind, to be the kind's."""
OVERDUE = 4.0
"""Times a bug should have fired at an operation; where it never did it cannot."""
MOST_TRIED = 120
"""Requests of one operation that this is judged by."""

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
        pages: Pages and kinds of pages (`kind_of`) where they fire whatever operation led there.
        meant: (operation, what it should have led to) of answers they were recorded at.
        barred: Operations that led there often enough to have shown one, and did not.
    """

    events: Events
    places: tuple[str, ...]
    choice: Tree
    pages: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    meant: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def _counted(self) -> frozenset[str]:
        return frozenset((*self.places, *self.pages))

    def about(self, scope: Scope, visits: Mapping[str, int]) -> Scope:
        """`scope` with how often a session has been at their pages: many a bug comes with the third time, or the first.

        Args:
            scope: What is known of a request.
            visits: As `visits` gives them.
        """
        counted = self._counted
        number = sum(n for place, n in visits.items() if place in counted or kind_of(place) in counted)
        return scope.child("", {CHANCES: number})

    def reaches(self, operation: str, intended: str, place: str, *, own: bool) -> bool:
        """Whether they may fire at an operation.

        Args:
            operation: Which.
            intended: The kind of answer that should follow.
            place: The page it is of.
            own: Whether one was ever recorded at this operation.
        """
        if (operation, intended) in self.meant:
            return True
        return (own and place in self.places) or (operation not in self.barred and self.has(place))

    def has(self, place: str) -> bool:
        """Whether they fire at this page whatever led there."""
        return place in self.pages or kind_of(place) in self.pages

    def to_json(self) -> list[Any]:
        """See `from_json`."""
        return [sorted(self.events), list(self.places), self.choice.to_json(), list(self.pages), list(self.barred),
                sorted(map(list, self.meant))]  # fmt: skip

    @classmethod
    def from_json(cls, data: Any) -> Family:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            events, places, choice, pages, barred, meant = data
            texts = [tuple(map(str, part)) for part in (places, pages, barred)]
            pairs = frozenset((str(name), str(intended)) for name, intended in meant)
            return cls(frozenset(map(str, events)), texts[0], Tree.from_json(choice), texts[1], texts[2], pairs)
        except TypeError as error:
            raise ValueError(f"no family of bugs: {error}") from None


@lru_cache(maxsize=4096)
def kind_of(place: str) -> str:
    """The kind of a page: the first part of its path, and how deep it is."""
    parts = [part for part in place.partition("?")[0].split("/") if part]
    return "/" + "/".join([*parts[:1], *("*" for _ in parts[1:])])


def visits(scope: Scope) -> dict[str, int]:
    """Page -> how often this session has been there."""
    prefix = f"{SESSION}at "
    found = {name[len(prefix) :]: value for name, value in scope.items() if name.startswith(prefix)}
    return {place: count for place, count in found.items() if isinstance(count, int)}


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


@dataclass(frozen=True)
class Seen:
    """A recorded request, as bugs are judged by it.

    Attributes:
        operation: What it was.
        intended: The kind of answer that should have followed.
        place: The page of that answer.
        scope: What was known, these two included.
        events: What fired.
    """

    operation: str
    intended: str
    place: str
    scope: Scope
    events: Events


def learn_family(
    events: Events, by_operation: Mapping[str, Sequence[tuple[str, Events]]], see: Callable[[str, int], Seen],
    known: Known,
) -> Family:  # fmt: skip
    """When which of `events` fire.

    Where they fired at several operations that lead to one kind of page, what leads there is of no matter, and they may
    fire at others that lead there, too; unless those were met so often that they would have.

    Args:
        events: The bugs.
        by_operation: Operation -> (page, what fired) of its requests, in an order of chance.
        see: A request by operation and number.
        known: Names of things: no test asks for one of them.
    """
    own = {name: found for name, found in by_operation.items() if any(fired & events for _, fired in found)}
    hit = {(name, page) for name, found in own.items() for page, fired in found if fired & events}
    pages = _pages(hit)
    fired = [see(name, at) for name, found in own.items() for at, (_, some) in enumerate(found) if some & events]
    family = Family(
        events, tuple(sorted({page for _, page in hit})), Tree(), tuple(sorted(pages)),
        meant=frozenset((seen.operation, seen.intended) for seen in fired),
    )  # fmt: skip
    others = {
        name: there for name, found in sorted(by_operation.items())
        if name not in own and (there := [at for at, (page, _) in enumerate(found) if family.has(page)])
    }  # fmt: skip
    family = _grown(family, own, others, by_operation, see, known)
    barred = _barred(family, others, see)
    if not barred:
        return family
    for name in barred:
        for page in {wide for at in others[name] for wide in _names(by_operation[name][at][0])} & pages.keys():
            pages[page] -= 1
    family = replace(family, pages=tuple(sorted(page for page, left in pages.items() if left > 0)), barred=barred)
    also = [name for name, there in others.items()
            if name not in barred and any(family.has(by_operation[name][at][0]) for at in there)]  # fmt: skip
    return _grown(family, own, also, by_operation, see, known)


def _names(page: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((page, kind_of(page))))


def _pages(hit: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Pages that several operations led to when a bug fired, and kinds of which several were, with how many did."""
    leading: dict[str, set[str]] = defaultdict(set)
    of_kind: dict[str, set[str]] = defaultdict(set)
    for name, page in hit:
        for wide in _names(page):
            leading[wide].add(name)
            of_kind[wide].add(page)
    return {
        wide: len(names)
        for wide, names in leading.items()
        if len(names) >= SEVERAL and (wide in of_kind[wide] or len(of_kind[wide]) >= SEVERAL)
    }


def _grown(
    family: Family, own: Iterable[str], others: Iterable[str],
    by_operation: Mapping[str, Sequence[tuple[str, Events]]], see: Callable[[str, int], Seen], known: Known,
) -> Family:  # fmt: skip
    """`family` with its tree, learned from some requests of operations that it was recorded at, and of others."""
    chosen = []
    for names, most, mine in ((sorted(own), MOST, True), (sorted(others), MOST // 2, False)):
        counts = {name: len(by_operation[name]) for name in names}
        share = most / max(1, sum(counts.values()))
        # All where there are few, so that no operation goes unheard.
        numbers = {name: min(count, max(FEW, round(count * share))) for name, count in counts.items()}
        tried = [see(name, at) for name, number in numbers.items() for at in range(number)]
        chosen += [s for s in tried if family.reaches(s.operation, s.intended, s.place, own=mine)]
    pairs = [(family.about(s.scope, visits(s.scope)), joined(s.events & family.events)) for s in chosen]
    return replace(family, choice=grow(pairs, known, doubt=DOUBT))


def _barred(
    family: Family, others: Mapping[str, Sequence[int]], see: Callable[[str, int], Seen]
) -> tuple[str, ...]:  # fmt: skip
    """Operations at which `family` should have fired by now."""
    out = []
    for name, there in others.items():
        tried = [see(name, at) for at in there[:MOST_TRIED]]
        shares = [dict(family.choice.shares(family.about(s.scope, visits(s.scope)))) for s in tried]
        odds = sum(1.0 - share.get("", 0.0) for share in shares)
        if odds * len(there) >= OVERDUE * len(tried):
            out.append(name)
    return tuple(out)
