"""Texts, and what is there at all, learned again from recorded answers that came out wrong.

A level is learned from a sample of answers. What all of these had in common is no rule: lists that were three pages
long, amounts on either side of a limit. So its texts are tried on hundreds of further answers, and learned again from
some of those that they got wrong and as many that they got right, as in synthesis guided by counterexamples
(Solar-Lezama 2006). What then gets more of all answers right is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from worldmodel.pages.choices import grow
from worldmodel.pages.levels import Example, Level, Part, beside, called, kids_of, learn_late, text_of
from worldmodel.pages.names import sums
from worldmodel.pages.nodes import Node, walk
from worldmodel.pages.shape import Mask, symbol
from worldmodel.pages.texts import TextExample, TextRule, remembered

MOST = 400
"""Answers of a kind that texts are tried on."""
PER_KIND = 60
"""Answers of a kind that shared levels are tried on."""
LEAST_WRONG = 3
WRONG = 0.002
"""Share of wrong ones up to which a text stays as it is."""
EITHER = 70
"""Wrong ones, and right ones, that a text is learned again from."""
LEFT = 0.75
"""Share of the wrong ones that may stay wrong, for what was learned again to be taken."""
LEAST_MENDED = 2
SAMPLE = 100
"""Answers that a level was learned from at first."""

Told = Sequence[bool]
Found = Sequence[tuple[Example, Node]]


def again(level: Level, examples: Sequence[Example], mask: Mask) -> Level:
    """The level, with texts that get more of these answers right where there are any.

    Args:
        level: The program.
        examples: The same level in recorded answers.
        mask: Tells wording from what it speaks of.
    """
    for example in examples:
        example.divided = level.shape.divide(example.kids, mask)
        example.before = level.shape.divide(example.kept, mask) if example.kept else {}
    single = [number for number in range(len(level.parts)) if not level.shape.places[number].many]
    for part in level.parts:
        if part.query is not None:
            for example in examples:
                if part.query.applies(example.names):
                    example.names.add(called(part.memory, part.query.run(example.names)[1]))
    parts = list(level.parts)
    for number in single:
        parts[number] = _part(parts[number], number, examples, mask, frozenset(n for n in single if n < number))
    return replace(level, parts=tuple(parts))


def shared_again(shared: Mapping[str, Level], examples: Iterable[Example], mask: Mask) -> dict[str, Level]:
    """The levels that several kinds of pages share, by their element's symbol, tried on these pages in the same way."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        before = {symbol(node, mask): node for node in walk(example.kept)}
        for node in walk(example.kids):
            if (name := symbol(node, mask)) in shared:
                kept = before[name].kids if name in before else ()
                found.setdefault(name, []).append(
                    Example(example.names, node.kids, example.about, kept, example.figures)
                )
    return {name: again(level, found.get(name, ()), mask) for name, level in shared.items()}


def _part(part: Part, number: int, examples: Sequence[Example], mask: Mask, above: frozenset[int]) -> Part:
    """A single element."""
    part = _there(part, number, examples)
    found = [(example, example.divided[number][0][0]) for example in examples if number in example.divided]
    if part.text is not None and found:
        part = replace(part, text=_text(part.text, number, found, mask, above))
    if part.below is not None:
        nested = [Example(e.names, node.kids, e.about, kids_of(e.before.get(number)), e.figures) for e, node in found]
        part = replace(part, below=again(part.below, nested, mask))
    return part


def _there(part: Part, number: int, examples: Sequence[Example]) -> Part:
    seen = [(example, number in example.divided) for example in examples]
    told = [bool(part.there.decide(example.names)[0]) == there for example, there in seen]
    if not _often_wrong(told):
        return part
    chosen = _some([(str(there), example.about) for example, there in seen], told)
    sample = [seen[at] for at in chosen]
    _with_sums([example for example, _ in sample])
    choice, ways = grow([(example.names, int(there)) for example, there in sample])
    sure = sum(way == there for way, (_, there) in zip(ways, sample, strict=True)) / len(sample)
    better = [bool(choice.decide(example.names)[0]) == there for example, there in seen]
    held = _share(better, chosen, sure)
    return replace(part, there=choice, held=held) if _is_better(held, told) else part


def _text(rule: TextRule, number: int, found: Found, mask: Mask, above: frozenset[int]) -> TextRule:
    told = [_tells(rule, number, one, mask, above) for one in found]
    remember = remembered([TextExample(e.names, node.text, e.about) for e, node in found])
    # What hundreds of answers say of it is nearer to the truth than what a sample said.
    rule = replace(rule, sure=_known_share(told, rule.sure), remember=remember)
    if not _often_wrong(told):
        return rule
    chosen = _some([(node.text, example.about) for example, node in found], told)
    sample = [found[at] for at in chosen]
    _with_sums([example for example, _ in sample])
    new = learn_late(number, sample, mask, above)
    better = [_tells(new, number, one, mask, above) for one in found]
    sure = _share(better, chosen, new.sure)
    return replace(new, sure=sure, remember=remember) if _is_better(sure, told) else rule


def _tells(rule: TextRule, number: int, one: tuple[Example, Node], mask: Mask, above: frozenset[int]) -> bool:
    example, node = one
    names = example.names
    if rule.late == 1:
        names = names.child(beside({n: i for n, i in example.divided.items() if n in above}, mask))
    elif rule.late == 2:
        names = names.child(example.figures)
    return rule.render(names, None, text_of(example.before.get(number)))[0] == node.text


def _often_wrong(told: Told) -> bool:
    return told.count(False) >= max(LEAST_WRONG, WRONG * len(told))


def _is_better(share: float, told: Told) -> bool:
    """Whether this share of right ones leaves much fewer wrong."""
    wrong = told.count(False)
    left = (1.0 - share) * len(told)
    return left <= min(LEFT * wrong, wrong - LEAST_MENDED)


def _known_share(told: Told, sure: float) -> float:
    """Share of right ones among those it was not learned from, as far as there are any; those may all be right."""
    others = len(told) - SAMPLE
    return max(0, sum(told) - SAMPLE) / others if others >= SAMPLE else sure


def _share(better: Told, chosen: Sequence[int], sure: float) -> float:
    """Share of all answers that come out right; of those it was learned from, as many as from others alone (`sure`)."""
    known = set(chosen)
    return (sum(right for at, right in enumerate(better) if at not in known) + sure * len(known)) / len(better)


def _some(kinds: Sequence[tuple[str, str]], told: Told) -> list[int]:
    """Places of wrong ones and of right ones: what they say in turn, and of those that say it what they are about."""
    out: list[int] = []
    for right in (False, True):
        turn = Counter[tuple[str, str]]()
        ranked = []
        for at, kind in enumerate(kinds):
            if told[at] == right:
                turn[kind] += 1
                ranked.append((turn[kind], at))
        heard = Counter[str]()
        said = []
        for _, at in sorted(ranked):
            heard[kinds[at][0]] += 1
            said.append((heard[kinds[at][0]], at))
        out += [at for _, at in sorted(said)[:EITHER]]
    return sorted(out)


def _with_sums(examples: Sequence[Example]) -> None:
    """Every example knows the sums of any."""
    made = dict.fromkeys(name for one in examples for name, _ in one.names.items() if name.startswith("sum "))
    made |= dict.fromkeys(sums(one.names for one in examples))
    for one in examples:
        one.names.add({name: one.names.value(name) for name in made})
