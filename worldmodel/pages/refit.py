"""Queries of lists, found again with all lists that were recorded: a level is learned from a sample of answers.

An order that no attribute gives is known only as far as rows were seen beside each other, and a filter only from those
who asked for it. So which rows lists have is found once more from hundreds of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from worldmodel.pages.levels import Level, Part
from worldmodel.pages.lists import ListExample, ListRule, bind_by_key
from worldmodel.pages.names import Names
from worldmodel.pages.nodes import Node
from worldmodel.pages.queries import settle, with_conditions
from worldmodel.pages.shape import Mask

MOST = 1500
"""Answers of a kind."""
LEAST = 12
BOUND = 0.97
"""Share of the lists whose rows must be told by their keys."""


def refit(level: Level, found: Iterable[tuple[Names, Sequence[Node]]], mask: Mask) -> Level:
    """The level with queries of its lists as all these answers, their names beside them, have them."""
    if not _has_list(level):
        return level
    seen: dict[str, list[ListExample]] = {}
    for names, nodes in found:
        _collect(level, names, nodes, mask, seen)
    return _replaced(level, lambda part: _better(part, seen.get(part.memory, ())))


def _has_list(level: Level) -> bool:
    return any(part.query is not None or (part.below is not None and _has_list(part.below)) for part in level.parts)


def _collect(level: Level, names: Names, nodes: Sequence[Node], mask: Mask, seen: dict[str, list[ListExample]]) -> None:
    divided = level.shape.divide(nodes, mask)
    for number, part in enumerate(level.parts):
        if level.shape.places[number].many:
            if part.query is not None:
                seen.setdefault(part.memory, []).append(ListExample(names, list(divided.get(number, []))))
        elif number in divided and part.below is not None:
            _collect(part.below, names, divided[number][0][0].kids, mask, seen)


def _replaced(level: Level, better: Callable[[Part], Part]) -> Level:
    parts = []
    for part in level.parts:
        below = None if part.below is None else _replaced(part.below, better)
        parts.append(better(replace(part, below=below)))
    return replace(level, parts=tuple(parts))


def _better(part: Part, seen: Sequence[ListExample]) -> Part:
    """The part with a query that gives more of these lists, if there is one and rows can be told by their keys."""
    if part.query is None or len(seen) < LEAST:
        return part
    for example in seen:
        example.keys = bind_by_key(example, part.query.collection) or []
    known = [example for example in seen if example.keys or not example.instances]
    if len(known) < BOUND * len(seen):
        return part
    owned = any(one.always for one in part.query.conditions)
    ways = [part.query] if owned else [part.query, with_conditions(part.query, known)]
    ways = ways[: 1 + (ways[-1].conditions != part.query.conditions)]
    best = max((settle(rule, known) for rule in ways), key=lambda rule: rule.sure)
    return replace(part, query=_with_odd(best if best.sure >= _share(part.query, known) else part.query, known))


def _share(rule: ListRule, known: Sequence[ListExample]) -> float:
    return sum(rule.run(example.names)[0] == example.keys for example in known) / len(known)


def _with_odd(rule: ListRule, known: Sequence[ListExample]) -> ListRule:
    """The query, and which words it never answered as it was answered."""
    right: dict[str, bool] = {}
    for example in known:
        for word in rule.words(example.names):
            right[word] = right.get(word, False) or rule.run(example.names)[0] == example.keys
    return replace(rule, odd=tuple(sorted(word for word, good in right.items() if not good)))
