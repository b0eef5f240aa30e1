"""How far a conversation has come, seen from the user's side: what was told, asked, learned and begun.

The same account is kept when traces are mined and when a mined user speaks, so a `Situation` means the
same in both.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from envsim.goal import Item, UserGoal
from envsim.user.words import values


class Situation(NamedTuple):
    """What a user's next turn depends on. Counts are of the item it is about now."""

    turn: int
    """Turns the user has spoken."""
    tells: int
    """Facts that go with the wish and are not told yet."""
    needs: int
    """Facts the agent will need and has not been told."""
    asks: int
    """What the user wants to know and has not been told."""
    items: int
    """Wishes not voiced yet, of the whole goal."""
    named: int
    """1 once the agent has named an offer for the item."""
    answers: int
    """Facts just asked for that the user has and has not told."""
    lacks: int
    """Facts just asked for that it does not have, or has told."""
    shared: int
    """Facts not told yet whose value one told for another item has ("the same day as the train")."""

    second: int
    """Second choices it could announce: their first values are told."""


SCALES = (4.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""A difference this large in a count is half way to a wholly different situation; some or none is the other half."""


class Progress:
    """The account of one conversation.

    Attributes:
        values: Facts of the goal with their present values; a change of mind replaces one.
        changes: Second values not yet announced.
        told: Facts told.
        asked: Facts asked for.
        learned: Facts the agent has told.
        opened: Items begun, in order; the last is the one being talked about.
        names: What the agent offered, by item.
        wanted: Kinds of facts the agent has asked for.
        booked: Items the agent said it had done.
    """

    def __init__(self, goal: UserGoal) -> None:
        self.goal = goal
        self.items: dict[str, Item] = {item.id: item for item in goal.items}
        self.values: dict[str, str] = {name: str(fact.value) for name, fact in goal.facts.items()}
        self.changes: dict[str, str] = {change.fact: str(change.value) for change in goal.changes}
        self.told: set[str] = set()
        self.asked: set[str] = set()
        self.learned: set[str] = set()
        self.opened: list[str] = []
        self.names: dict[str, str] = {}
        self.wanted: set[str] = set()
        self.booked: set[str] = set()
        self.turn = 0

    def hear(self, labels: Iterable[str], names: Iterable[str] = ()) -> None:
        """Take in what the agent did, as labels without items (see `label`), and the names it used."""
        labels = tuple(labels)
        if not self.opened:
            return
        now = self.opened[-1]
        self.wanted |= {text.partition(":")[2] for text in labels if text.startswith("request:")}
        told = {text.partition(":")[2] for text in labels if text.partition(":")[0] in _TELLING}
        if {"book", "offerbooked", "claim"} & set(labels):
            told.add("reference")
            self.booked.add(now)
        self.learned |= {name for name in self.items[now].learns if slot(name) in told}
        for name in names:
            self.names[now] = name

    def say(self, acts: Iterable[str], announced: Iterable[str] = ()) -> None:
        """Take in a turn of the user's; `announced` are facts it now gave a second value."""
        for act in acts:
            kind, _, name = act.partition(":")
            if kind in ("inform", "dontcare"):
                self.told.add(name)
            elif kind == "request":
                self.asked.add(name)
        for item in self.about(acts):
            if item in self.opened:
                self.opened.remove(item)
            self.opened.append(item)
        for name in announced:
            if name in self.changes:
                self.values[name] = self.changes.pop(name)
        self.turn += 1

    def about(self, acts: Iterable[str]) -> list[str]:
        """The items that acts are about, in the order of the goal; those of no item are left out."""
        found = {self.item_of(act.partition(":")[2]) for act in acts}
        return [item for item in self.items if item in found]

    def item_of(self, name: str) -> str | None:
        """The item a fact belongs to: by the goal, else by the fact's prefix."""
        if name in self.items:
            return name
        for item in self.goal.items:
            if name in item.tells or name in item.needs or name in item.learns:
                return item.id
        prefix = name.partition("_")[0]
        return prefix if prefix in self.items else None

    def situation(self, heard: Iterable[str] = ()) -> Situation:
        """Where the user stands before its next turn, after the agent did `heard` (labels)."""
        unopened = len(self.items) - len(self.opened)
        if not self.opened:
            return Situation(self.turn, 0, 0, 0, unopened, 0, 0, 0, 0, 0)
        item = self.items[self.opened[-1]]
        begun = [self.items[name] for name in self.opened]
        asked = {text.partition(":")[2] for text in heard if text.startswith(("request:", "select:"))}
        untold = (set(item.tells) | set(item.needs)) - self.told
        answers = len(asked & {slot(name) for name in untold})
        return Situation(
            turn=self.turn,
            tells=len(set(item.tells) - self.told),
            needs=sum(len(set(each.needs) - self.told) for each in begun),
            asks=sum(len(set(each.learns) - self.learned - self.asked) for each in begun),
            items=unopened,
            named=int(item.id in self.names),
            answers=answers,
            lacks=len(asked) - answers,
            shared=sum(bool(self.twins(name)) for name in untold),
            second=len(self.changes.keys() & self.told),
        )

    def settled(self) -> bool:
        """Whether every wish was voiced, and is done: booked, or everything an agent needs for it was told."""
        return not self.unsettled(self.told)

    def unsettled(self, told: set[str], opens: Iterable[str] = ()) -> list[str]:
        """Items still being worked on once the facts `told` are told and `opens` are begun."""
        begun = {*self.opened, *opens}
        return [
            item.id
            for item in self.items.values()
            if item.id not in begun or not (item.id in self.booked or set(item.needs) & self.goal.facts.keys() <= told)
        ]

    def beginning(self, items: Iterable[str]) -> Progress:
        """A copy in which `items` are begun."""
        other = copy.deepcopy(self)
        other.opened += [item for item in items if item not in other.opened]
        return other

    def may_tell(self, name: str) -> bool:
        """Whether the goal lets the user tell a fact now: at once, when asked, or when verified as well."""
        fact = self.goal.facts.get(name)
        if fact is None or fact.reveal == "open" or name in self.told:
            return True
        identity = {key for key, other in self.goal.facts.items() if other.identity}
        verified = fact.reveal == "asked" or (bool(identity) and identity <= self.told)
        return verified and slot(name) in self.wanted

    def rank(self, opens: Iterable[str]) -> int:
        """How many unvoiced wishes that come earlier in the goal are passed over by beginning `opens`."""
        waiting = [item for item in self.items if item not in self.opened]
        return max((waiting.index(item) for item in opens if item in waiting), default=0)

    def odd(self, acts: Iterable[str]) -> int:
        """How many requests among `acts` are for what the goal does not ask to find out."""
        wanted = {name for item in self.items.values() for name in item.learns}
        return sum(act.startswith("request:") and act[8:] not in wanted for act in acts)

    def twins(self, name: str) -> list[str]:
        """Told facts of other items of the same kind and value as a fact of the goal."""
        return [
            other
            for other in sorted(self.told)
            if other != name and slot(other) == slot(name) and self.values.get(other) == self.values.get(name, "")
        ]

    def value(self, name: str, announced: Iterable[str] = ()) -> str | None:
        """What the user would say for a fact: of its goal, else a name the agent used; None: it has nothing."""
        if name in announced:
            return self.changes.get(name)
        if name in self.values:
            return self.values[name]
        return named(name, self.names, self.opened)


def named(fact: str, names: Mapping[str, str], opened: Iterable[str]) -> str | None:
    """The offer that a fact without a value may stand for: an item's own name, or where a journey starts or ends."""
    item, _, kind = fact.partition("_")
    if kind == "name":
        return names.get(item)
    places = [names[place] for place in opened if place in names and place != item]
    if kind == "departure" and places:
        return places[0]
    return places[-1] if kind == "destination" and len(places) > 1 else None


def names_in(text: str) -> list[str]:
    """What an agent may have offered, in the order named: runs of capitalised words, quoted or not."""
    return [name for kind, name in values(text) if kind in ("name", "quoted")]


def slot(name: str) -> str:
    """A fact's name without its item: ``restaurant_phone`` -> ``phone``."""
    return name.partition("_")[2] or name


def label(act: str) -> str:
    """An agent's act without its item: ``request:hotel_area`` -> ``request:area``, ``book:hotel`` -> ``book``."""
    kind, _, name = act.partition(":")
    if kind in ("book", "claim", "offerbook", "offerbooked", "want"):
        return kind
    return f"{kind}:{slot(name)}" if "_" in name else kind


_TELLING = ("inform", "recommend", "book", "offerbooked")
