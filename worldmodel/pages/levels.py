"""Programs of one level of a page: for each place whether it is there, what it says, and what is below it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from envsim.types import JsonValue
from worldmodel.pages.choices import Choice, Test, grow
from worldmodel.pages.lists import Instance, ListExample, ListRule
from worldmodel.pages.names import Names, figures_of, label, printed, row_names, row_sums, totals
from worldmodel.pages.nodes import Node
from worldmodel.pages.queries import learn_list
from worldmodel.pages.shape import Mask, Shape, learn_shape, symbol
from worldmodel.pages.texts import HOLDS, TextExample, TextRule, learn_text

MOST_ROWS = 150
"""Instances that a list's own level is learned from."""
BELIEVED = 0.85
"""A list's query is run if it was right so often; else its block is remembered."""
POORLY = 0.6
LEAST_LISTS = 4
MAX_DEPTH = 12
OWN = "*"
"""Stands for the name of an element: its symbol."""
_THING = "*"
MORE = 0.02
"""What figures of the page must add to what names alone explain."""
_NUMBERS = re.compile(r"[0-9]")


@dataclass(frozen=True)
class Part:
    """What is known of one place.

    Attributes:
        there: Whether it is there (1) or not (0).
        held: Share of the examples in which that was told from others.
        text: What it says.
        below: What is below it.
        shared: The name of a level that pages of several kinds have below such an element, instead of `below`; `OWN`
            where that is the element's own.
        query: Which rows a list has; None where it is remembered as a whole.
        item: One row of it.
        shown: Whether a list that has rows is there (1) or not (0); without a way, it is.
        memory: The name of what is remembered of it.
        remember: Share of examples that memory gets right.
        always: A list that is the same everywhere.
        grown: What rows of the session's own add to what is remembered.
    """

    there: Choice
    held: float = 1.0
    text: TextRule | None = None
    below: Level | None = None
    shared: str = ""
    query: ListRule | None = None
    item: Level | None = None
    shown: Choice | None = None
    memory: str = ""
    remember: float = 0.0
    always: tuple[Instance, ...] = ()
    grown: Grown | None = None


@dataclass(frozen=True)
class Grown:
    """What a session's rows about a thing make of what is remembered of it (see `worldmodel.pages.grown`).

    Attributes:
        collection: Where the rows are.
        field: The field that names the thing.
        text: A text with them.
        item: One row in a list.
        last: Whether they come after what was there.
    """

    collection: str
    field: str
    text: TextRule | None = None
    item: Level | None = None
    last: bool = False


@dataclass(frozen=True)
class Level:
    """The parts of a level, one for each place of its shape."""

    shape: Shape
    parts: tuple[Part, ...] = ()


def below_of(part: Part, node: Node, shared: Mapping[str, Level], mask: Mask) -> Level | None:
    """The level below a single element."""
    return part.below or shared.get(symbol(node, mask) if part.shared == OWN else part.shared)


def is_late(level: Level, shared: Mapping[str, Level]) -> bool:
    """Whether anything in it needs figures of the whole page."""
    todo: list[Level | None] = [level]
    known: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in known:  # of two shared levels either may be within the other
            continue
        known.add(id(one))
        for part in one.parts:
            if part.text is not None and part.text.late > 1:
                return True
            others = shared.values() if part.shared == OWN else (shared.get(part.shared),)
            todo += [part.below, part.item, *others]
    return False


@dataclass
class Example:
    """The children of an element in one answer."""

    names: Names
    kids: tuple[Node, ...]
    about: str
    kept: tuple[Node, ...] = ()
    """What is there on the page before."""
    figures: dict[str, JsonValue] = field(default_factory=dict)
    """Those anywhere on the page."""
    divided: dict[int, list[Instance]] = field(default_factory=dict)
    before: dict[int, list[Instance]] = field(default_factory=dict)


def learn_level(
    examples: Sequence[Example], mask: Mask, place: str, shared: frozenset[str] = frozenset(), depth: int = 0
) -> Level:
    """The program of a level from examples of it.

    Args:
        examples: What was there in several answers.
        mask: Tells wording from what it speaks of.
        place: A name for the level.
        shared: Elements, by `worldmodel.pages.shape.symbol`, whose levels are learned elsewhere.
        depth: Levels above it.
    """
    shape = learn_shape([example.kids for example in examples], mask)
    for example in examples:
        example.divided = shape.divide(example.kids, mask)
        example.before = shape.divide(example.kept, mask) if example.kept else {}
    parts: list[Part] = [Part(Choice())] * len(shape.places)
    # Lists first: texts beside them may say how long they are.
    numbers = sorted(range(len(shape.places)), key=lambda n: (not shape.places[n].many, n))
    for number in numbers:
        here = f"{place}/{_called(shape, number)}"
        if shape.places[number].many:
            parts[number] = _learn_many(number, examples, mask, here, shared, depth)
        else:
            before = frozenset(n for n in range(number) if not shape.places[n].many)
            parts[number] = _learn_one(number, examples, mask, here, shared, depth, before)
    shape, parts = _lists_of_one(shape, parts, examples, mask, place, shared, depth)
    return Level(shape, tuple(parts))


def _called(shape: Shape, number: int) -> str:
    """A name for a place that it has on other kinds of pages too, and beside other places: by its wording, if that is
    always the same, else by its role. What was seen there is remembered by it.
    """
    names = [one.role if _THING in one.name or one.name == one.role else label(one.name) for one in shape.places]
    return f"{names[number]} {names[:number].count(names[number])}"


def _lists_of_one(
    shape: Shape, parts: list[Part], examples: Sequence[Example], mask: Mask, place: str, shared: frozenset[str],
    depth: int,
) -> tuple[Shape, list[Part]]:  # fmt: skip
    """Elements that nothing explains, but as the only row of a list, are lists: nobody had two of them yet."""
    for number, part in enumerate(parts):
        rule = part.text
        if rule is None or rule.sure >= POORLY or rule.remember >= POORLY or depth >= MAX_DEPTH:
            continue
        lists = [ListExample(example.names, list(example.divided.get(number, []))) for example in examples]
        if sum(bool(one.instances) for one in lists) < LEAST_LISTS:
            continue
        changed = _learn_many(number, examples, mask, f"{place}/{_called(shape, number)}", shared, depth)
        if changed.query is None or changed.query.sure < BELIEVED or changed.item is None:
            continue
        if min((one.text.sure for one in changed.item.parts if one.text is not None), default=0.0) > rule.sure:
            shape, parts[number] = shape.with_list(number), changed
    return shape, parts


def _learn_one(
    number: int, examples: Sequence[Example], mask: Mask, place: str, shared: frozenset[str], depth: int,
    above: frozenset[int],
) -> Part:  # fmt: skip
    there, told = grow([(example.names, int(number in example.divided)) for example in examples])
    held = sum(way == (number in e.divided) for way, e in zip(told, examples, strict=True)) / len(examples)
    found = [(example, example.divided[number][0][0]) for example in examples if number in example.divided]
    text = learn_late(number, found, mask, above)
    there, held = _where_shown(number, examples, text, there, held)
    names = {symbol(node, mask) for _, node in found}
    if names and names <= shared:
        return Part(there, held, text, shared=names.pop() if len(names) == 1 else OWN, memory=place)
    below = None
    if depth < MAX_DEPTH and any(node.kids for _, node in found):
        nested = [Example(e.names, node.kids, e.about, kids_of(e.before.get(number)), e.figures) for e, node in found]
        below = learn_level(nested, mask, place, shared, depth + 1)
    return Part(there, held, text, below, memory=place)


def _where_shown(
    number: int, examples: Sequence[Example], text: TextRule, there: Choice, held: float
) -> tuple[Choice, float]:
    """What is nothing but a value is there where there is one, if that tells the examples apart as well as anything."""
    if len(text.ways) == 1 and text.ways[0].wording == ("", "") and any(number not in e.divided for e in examples):
        choice = Choice((), Test(text.ways[0].holes[0][0], "empty"), Choice(((0, 1),)), Choice(((1, 1),)))
        right = sum(choice.decide(e.names)[0] == (number in e.divided) for e in examples) / len(examples)
        if right >= held:
            return choice, right
    return there, held


def learn_late(number: int, found: Sequence[tuple[Example, Node]], mask: Mask, above: frozenset[int]) -> TextRule:
    """The rule of a text, from figures beside it or on the page if nothing else tells."""
    best: TextRule | None = None
    for late in range(3):
        seen = []
        for example, node in found:
            names = example.names
            if late == 1:
                figures = beside({n: i for n, i in example.divided.items() if n in above}, mask)
                names = names.child(totals(figures, names))
            elif late == 2:
                own = f"line {label(mask(node.text))} "
                names = names.child({name: v for name, v in example.figures.items() if not name.startswith(own)})
            seen.append(TextExample(names, node.text, example.about, text_of(example.before.get(number))))
        rule = replace(learn_text(seen), late=late)
        if best is None or rule.sure > best.sure + MORE:
            best = rule
        if best.sure >= HOLDS or not any(_NUMBERS.search(node.text) for _, node in found):
            break
    assert best is not None
    return best


def beside(divided: Mapping[int, Sequence[Instance]], mask: Mask) -> dict[str, JsonValue]:
    """The figures of the single elements of a level."""
    return printed(((mask(i[0][0].text), i[0][0].text) for i in divided.values() if len(i) == 1), "near")


def everywhere(nodes: Sequence[Node], mask: Mask) -> dict[str, JsonValue]:
    """The figures of a page."""
    todo, out = list(nodes), []
    while todo:
        node = todo.pop()
        todo += node.kids
        out.append((mask(node.text), node.text))
    return printed(out, "line")


def text_of(instances: Sequence[Instance] | None) -> str | None:
    """The text of a single element."""
    return instances[0][0].text if instances else None


def kids_of(instances: Sequence[Instance] | None) -> tuple[Node, ...]:
    """What is below a single element."""
    return instances[0][0].kids if instances else ()


def _learn_many(
    number: int, examples: Sequence[Example], mask: Mask, place: str, shared: frozenset[str], depth: int
) -> Part:
    there, told = grow([(example.names, int(number in example.divided)) for example in examples])
    held = sum(way == (number in e.divided) for way, e in zip(told, examples, strict=True)) / len(examples)
    blocks: dict[str, Counter[tuple[Instance, ...]]] = defaultdict(Counter)
    every: Counter[tuple[Instance, ...]] = Counter()
    for example in examples:
        if number in example.divided:
            block = tuple(example.divided[number])
            blocks[example.about][block] += 1
            every[block] += 1
    seen = sum(counts.total() for counts in blocks.values() if counts.total() > 1)
    right = sum(max(counts.values()) for counts in blocks.values() if counts.total() > 1)
    remember = (right + 1) / (seen + 2)
    if not every:
        return Part(there, held, memory=place)
    always, often = every.most_common(1)[0]
    if often >= HOLDS * every.total() and every.total() > 1:
        return Part(there, held, memory=place, remember=often / every.total(), always=always)
    lists = [ListExample(example.names, list(example.divided.get(number, []))) for example in examples]
    query = learn_list(lists)
    if query is None:
        return Part(there, held, memory=place, remember=remember)
    shown = _shown(query, examples, number)
    rows: list[Example] = []
    for example, found in zip(examples, lists, strict=True):
        example.names.add(called(place, query.run(example.names)[1]))
        for at, (key, instance) in enumerate(zip(found.keys, found.instances, strict=False)):
            row = row_names(example.names, query.collection, key, at)
            row.add({made: row.value(made) for made in (*figures_of(row.own), *row_sums(row, query.collection, key))})
            rows.append(Example(row, instance, key))
    step = max(1, len(rows) // MOST_ROWS)
    name = f"{query.collection} {min((mask(i[0].text) for f in lists for i in f.instances), default='')}"
    item = learn_level(rows[::step], mask, name, shared, depth + 1) if rows and depth < MAX_DEPTH else None
    return Part(there, held, query=query, item=item, memory=place, remember=remember, shown=shown)


def _shown(query: ListRule, examples: Sequence[Example], number: int) -> Choice | None:
    """Whether a list is there where it has rows: a summary of the cart is beside the order, not beside the cart."""
    seen = [(e.names, int(number in e.divided)) for e in examples if query.applies(e.names) and query.run(e.names)[0]]
    return grow(seen)[0] if any(not way for _, way in seen) else None


def called(place: str, figures: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Figures about a list by name."""
    return {f"list {place}.{name}": value for name, value in figures.items()}
