"""Levels that several kinds of pages have below the same element: learned once, from more examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import zip_longest

from worldmodel.pages.levels import Example, Level, learn_level
from worldmodel.pages.nodes import SEP, URL, below, walk
from worldmodel.pages.shape import Mask, symbol

LEAST_KINDS = 3
MOST_SHARED = 100
"""Examples of a shared level."""
MOST_CONTRASTS = 150
_FRAME = ("banner", "contentinfo")
_OWN = " login"
_THING = "*"


def learn_shared(
    examples: Mapping[str, Sequence[Example]], mask: Mask, held: Mapping[str, AbstractSet[int]] | None = None
) -> tuple[dict[str, Level], dict[str, Level]]:
    """By the element's symbol, the levels below elements that pages of several kinds have.

    What speaks of a thing, or is there twice on a page, belongs to a row: only beside its list is it explained.

    Args:
        examples: By kind of page.
        mask: Tells wording from what it speaks of.
        held: By kind of page, places of the examples on which programs will be tried.

    Returns:
        The levels, learned from all examples; and learned without those that are held back, which are the same ones
        where none of these is among what a level was learned from.
    """
    found: dict[str, dict[str, list[Example]]] = defaultdict(dict)
    back: set[int] = set()
    rows: set[str] = set()
    for kind, members in sorted(examples.items()):
        for at, example in enumerate(members):
            apart = at in (held or {}).get(kind, ())
            before = {symbol(node, mask): node for node in walk(example.kept)}
            often = Counter(symbol(node, mask) for node in walk(example.kids))
            for node in walk(example.kids):
                if below(node) and node.role != URL and (node.text.split(SEP)[0] or node.role in _FRAME):
                    name = symbol(node, mask)
                    rows |= {name} if often[name] > 1 or _THING in name else set()
                    kept = before[name].kids if name in before else ()
                    nested = Example(example.names, node.kids, example.about, kept, example.figures)
                    found[name].setdefault(kind, []).append(nested)
                    back |= {id(nested)} if apart else set()
    names = {name for name in found if name not in rows and len(found[name]) >= LEAST_KINDS}
    names = {name for name in names if _alike(found[name], mask)}
    every, tried = {}, {}
    for name in sorted(names):
        chosen = _spread(_in_turn(found[name].values()), mask)[:MOST_SHARED] + _contrasts(found[name])
        chosen = list({id(one): one for one in chosen}.values())
        _with_figures(chosen)
        # On names of their own: what is found about lists on the way is noted among them.
        rest = [replace(one, names=one.names.child({})) for one in chosen if id(one) not in back]
        place, others = f"shared {name}", frozenset(names - {name})
        every[name] = learn_level(chosen, mask, place, others, 1)
        tried[name] = every[name] if len(rest) == len(chosen) else learn_level(rest, mask, place, others, 1)
    return every, tried


def _with_figures(chosen: Sequence[Example]) -> None:
    """Every example knows the figures of the account that any of them has: each kind of page has some of its own."""
    made = sorted({name for one in chosen for name in one.names.own if name.startswith("sum ") and _OWN in name})
    for one in chosen:
        one.names.add({name: one.names.value(name) for name in made})


def _in_turn(groups: Iterable[Sequence[Example]]) -> list[Example]:
    """One of each group, then the next of each."""
    return [one for some in zip_longest(*groups) for one in some if one is not None]


def _spread(found: Iterable[Example], mask: Mask) -> list[Example]:
    """Those built otherwise in turn, of each the different contents first: what is seldom there is seen as often."""
    built: dict[tuple[str, ...], dict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for one in found:
        built[tuple(symbol(node, mask) for node in one.kids)][repr(one.kids)].append(one)
    return _in_turn([_in_turn(list(contents.values())) for contents in built.values()])


def _contrasts(kinds: Mapping[str, Sequence[Example]]) -> list[Example]:
    """Two of every kind of page for every set of things asked: a search box shows what was searched for there alone."""
    groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for kind, members in sorted(kinds.items()):
        for one in members:
            asked = sorted(name for name, value in one.names.items() if name.startswith("query.") and value)
            groups[kind, *asked].append(one)
    return _in_turn([members[:2] for members in groups.values()])[:MOST_CONTRASTS]


def _alike(kinds: Mapping[str, Sequence[Example]], mask: Mask) -> bool:
    """Whether what is below is much the same in all of them."""
    sets = [{symbol(kid, mask) for one in members for kid in one.kids} for members in kinds.values()]
    usual = Counter(name for one in sets for name in one)
    common = {name for name, count in usual.items() if 2 * count > len(sets)}
    return sum(2 * len(one & common) >= len(common) > 0 for one in sets) >= 0.8 * len(sets)
