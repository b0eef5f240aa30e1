"""What a call changes that its own result does not show, found from what later reads show.

A refund goes to a gift card; the answer shows the order alone, and the card's balance is seen only when the user is
looked up again. Between two looks at a row, what changed is put down to the one call in between that named the row,
and explained from what was known at that call.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envsim.state import canonical
from worldmodel.results.calls import is_error, label_of, value_of
from worldmodel.results.evaluate import evaluate
from worldmodel.results.explain import explain
from worldmodel.results.implied import Rows, rows_of
from worldmodel.results.terms import Read, Term, Unknown, cost, from_json, to_json
from worldmodel.results.view import Place, View
from worldmodel.session import Sample

UNCHANGED = 0.6
"""A field that an answer so often shows as it was believed to be is looked at, not changed."""
CHANCE = 0.1
"""Share of looks at a row that find it changed by a call nobody could know to concern it."""
SHARE = 0.85
LEAST = 3
"""Changes that an effect must have been seen to make."""
MOST = 80

Kind = tuple[str, str]
"""(tool, label of the answer)."""
Change = tuple[tuple[str, ...], Any]


@dataclass(frozen=True)
class Effect:
    """One field that a kind of call changes.

    Attributes:
        name: Of the object, in the view of the call.
        field: Of the object.
        term: Its new value.
    """

    name: str
    field: str
    term: Term

    def to_json(self) -> list[Any]:
        """See `effect_from_json`."""
        return [self.name, self.field, to_json(self.term)]


def effect_from_json(data: Any) -> Effect:
    """What `Effect.to_json` wrote.

    Raises:
        ValueError: It is not.
    """
    try:
        name, field, term = data
    except TypeError as error:
        raise ValueError(f"no effect: {error}") from None
    return Effect(str(name), str(field), from_json(term))


def after(view: View, value: Any) -> View:
    """The view of a call once its answer is known."""
    found = value if isinstance(value, dict) else {}
    return view.with_names({f"result.{name}": each for name, each in found.items()})


def carry_out(effects: Sequence[Effect], view: View, rows: Rows) -> None:
    """Believe what a call changed."""
    made: list[tuple[Place, str, Any]] = []
    for effect in effects:
        place = view.places.get(effect.name)
        if place is not None and effect.field in (view.get(effect.name) or ()):
            try:
                made.append((place, effect.field, evaluate(effect.term, view)))
            except Unknown:
                continue
    for place, field, value in made:
        rows.put(place, field, value)


# -- learning ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One recorded call of a session.

    Attributes:
        kind: Of the call and its answer.
        view: Of it, its answer known.
        failed: Whether it was refused.
        shown: Rows before and after: ``(collection, key) -> (as believed, as shown)``.
    """

    kind: Kind
    view: View
    failed: bool
    shown: Mapping[tuple[str, str], tuple[Any, Any]]


def call_of(sample: Sample, tool: str, view: View, rows: Rows) -> Call:
    """A recorded call, `rows` being what was believed before it."""
    key, target = sample.situation.request.key, sample.target
    shown = {(c, k): (rows.row(c, k), row) for c, k, row in rows_of(key, target)}
    return Call((tool, label_of(key, target)), after(view, value_of(target)), is_error(target), shown)


def learn_effects(sessions: Sequence[Sequence[Call]]) -> dict[Kind, tuple[Effect, ...]]:
    """What each kind of call changes unseen."""
    looks = _looks(sessions)
    found = [spell for session in sessions for spell in _spells(session, looks)]
    seen: dict[Kind, list[Seen]] = defaultdict(list)
    innocent = _innocent(found)
    for spell in found:
        suspects = [call for call in spell.suspects if (call.kind, spell.where[0]) not in innocent]
        if len(suspects) == 1:
            seen[suspects[0].kind].append((suspects[0].view, (*spell.where, ()), spell.before, spell.now))
    learned = {kind: _learn(items) for kind, items in sorted(seen.items())}
    return {kind: effects for kind, effects in learned.items() if effects}


Seen = tuple[View, Place, Any, Any]
"""A call's view, and the place of a row, as believed and as it turned out."""


@dataclass(frozen=True)
class Spell:
    """What happened between two looks at a row."""

    where: tuple[str, str]
    suspects: tuple[Call, ...]
    before: Any
    now: Any


def _innocent(spells: Sequence[Spell]) -> set[tuple[Kind, str]]:
    """Kinds of calls that alone hardly ever changed a row of a collection."""
    innocent: set[tuple[Kind, str]] = set()
    while True:
        alone: Counter[tuple[Kind, str]] = Counter()
        changed: Counter[tuple[Kind, str]] = Counter()
        for spell in spells:
            kinds = {(call.kind, spell.where[0]) for call in spell.suspects} - innocent
            if len(kinds) == 1:
                (kind,) = kinds
                alone[kind] += 1
                changed[kind] += canonical(spell.before) != canonical(spell.now)
        more = {kind for kind, count in alone.items() if count >= LEAST and changed[kind] <= CHANCE * count}
        if not more:
            return innocent
        innocent |= more


Looks = Mapping[tuple[Kind, str], frozenset[str]]
"""By kind of answer and collection, the fields of its rows that it shows as they were."""


def _looks(sessions: Sequence[Sequence[Call]]) -> Looks:
    same: dict[tuple[Kind, str], Counter[str]] = defaultdict(Counter)
    total: dict[tuple[Kind, str], Counter[str]] = defaultdict(Counter)
    for call in (call for session in sessions for call in session):
        for (collection, _), (old, row) in call.shown.items():
            both = old.keys() & row.keys() if old is not None else ()
            total[call.kind, collection].update(both)
            same[call.kind, collection].update(name for name in both if canonical(old[name]) == canonical(row[name]))
    return {
        where: frozenset(name for name, count in counts.items() if same[where][name] >= UNCHANGED * count)
        for where, counts in total.items()
    }


def _spells(session: Sequence[Call], looks: Looks) -> Iterator[Spell]:
    suspects: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in session:
        for where, (old, row) in call.shown.items():
            fields = looks.get((call.kind, where[0]), frozenset()) & row.keys()
            if old is not None and suspects[where] and fields:
                before, now = ({name: each[name] for name in fields if name in old} for each in (old, row))
                yield Spell(where, tuple(suspects[where]), before, now)
            if old is None or row.keys() >= old.keys():
                suspects[where] = []
        if not call.failed:
            for where in {place[:2] for place in call.view.places.values()} - call.shown.keys():
                suspects[where].append(call)


def _learn(items: Sequence[Seen]) -> tuple[Effect, ...]:
    changes: dict[tuple[str, str], int] = Counter()
    for view, place, before, now in items:
        spots = {(path[:-1], path[-1]) for path, _ in _differences(before, now)}
        for name, (collection, key, path) in view.places.items():
            if (collection, key) == place[:2]:
                for inside, field in spots:
                    if inside == path:
                        changes[name, field] += 1
    out: list[Effect] = []
    explained: set[int] = set()
    for (name, field), count in sorted(changes.items(), key=lambda e: (-e[1], cost(Read(e[0][0])), e[0])):
        examples, numbers = _examples(items, name, field)
        fresh = [i for i in numbers if i not in explained]
        if count < LEAST or len(fresh) < LEAST:
            continue
        term, share = explain(examples[:MOST])
        if share >= SHARE:
            out.append(Effect(name, field, term))
            explained |= set(numbers)
    return tuple(out)


def _examples(items: Sequence[Seen], name: str, field: str) -> tuple[list[tuple[View, Any]], list[int]]:
    """(view, value of the field afterwards), and the numbers of those items where it changed."""
    examples, changed = [], []
    for number, (view, place, before, now) in enumerate(items):
        where = view.places.get(name)
        if where is None or where[:2] != place[:2]:
            continue
        old, new = _at(before, where[2]), _at(now, where[2])
        if isinstance(old, dict) and isinstance(new, dict) and field in old and field in new:
            examples.append((view, new[field]))
            if canonical(old[field]) != canonical(new[field]):
                changed.append(number)
    return examples, changed


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """(path, new value) of what differs; lists are compared whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old:
            if name in new:
                yield from _differences(old[name], new[name], (*path, name))
    elif path and canonical(old) != canonical(new):
        yield path, new
