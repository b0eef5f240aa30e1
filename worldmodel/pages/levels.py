"""Programs of one level of a page: for each place whether it is there, what it says, and what is below it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from envsim.types import JsonValue
from worldmodel.pages.choices import Choice, grow
from worldmodel.pages.lists import MANY, Instance, ListExample, ListRule, bind, bind_by_key
from worldmodel.pages.names import Names, figures_of, label, printed, row_names, totals
from worldmodel.pages.nodes import Node
from worldmodel.pages.queries import learn_list
from worldmodel.pages.shape import Mask, Shape, learn_shape
from worldmodel.pages.texts import HOLDS, TextExample, TextRule, learn_text

MOST_ROWS = 150
"""Instances that a list's own level is learned from."""
BELIEVED = 0.85
"""A list's query is run if it was right so often; else its block is remembered."""
MAX_DEPTH = 12
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
        query: Which rows a list has; None where it is remembered as a whole.
        item: One row of it.
        memory: The name of what is remembered of it.
        remember: Share of examples that memory gets right.
        always: A list that is the same everywhere.
    """

    there: Choice
    held: float = 1.0
    text: TextRule | None = None
    below: Level | None = None
    query: ListRule | None = None
    item: Level | None = None
    memory: str = ""
    remember: float = 0.0
    always: tuple[Instance, ...] = ()


@dataclass(frozen=True)
class Level:
    """The parts of a level, one for each place of its shape."""

    shape: Shape
    parts: tuple[Part, ...] = ()


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


def learn_level(examples: Sequence[Example], mask: Mask, place: str, depth: int = 0) -> Level:
    """The program of a level from examples of it."""
    shape = learn_shape([example.kids for example in examples], mask)
    for example in examples:
        example.divided = shape.divide(example.kids, mask)
        example.before = shape.divide(example.kept, mask) if example.kept else {}
    parts: list[Part] = [Part(Choice())] * len(shape.places)
    # Lists first: texts beside them may say how long they are.
    numbers = sorted(range(len(shape.places)), key=lambda n: (not shape.places[n].many, n))
    for number in numbers:
        here = f"{place}/{number}"
        if shape.places[number].many:
            parts[number] = _learn_many(number, examples, mask, here, depth)
        else:
            before = frozenset(n for n in range(number) if not shape.places[n].many)
            parts[number] = _learn_one(number, examples, mask, here, depth, before)
    return Level(shape, tuple(parts))


def _learn_one(
    number: int, examples: Sequence[Example], mask: Mask, place: str, depth: int, above: frozenset[int]
) -> Part:
    there, told = grow([(example.names, int(number in example.divided)) for example in examples])
    held = sum(way == (number in e.divided) for way, e in zip(told, examples, strict=True)) / len(examples)
    found = [(example, example.divided[number][0][0]) for example in examples if number in example.divided]
    text = _learn_late(number, found, mask, above)
    below = None
    if depth < MAX_DEPTH and any(node.kids for _, node in found):
        nested = [Example(e.names, node.kids, e.about, _kids_of(e.before.get(number)), e.figures) for e, node in found]
        below = learn_level(nested, mask, place, depth + 1)
    return Part(there, held, text, below, memory=place)


def _learn_late(number: int, found: Sequence[tuple[Example, Node]], mask: Mask, above: frozenset[int]) -> TextRule:
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
            seen.append(TextExample(names, node.text, example.about, _text_of(example.before.get(number))))
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


def _text_of(instances: Sequence[Instance] | None) -> str | None:
    return instances[0][0].text if instances else None


def _kids_of(instances: Sequence[Instance] | None) -> tuple[Node, ...]:
    return instances[0][0].kids if instances else ()


def _learn_many(number: int, examples: Sequence[Example], mask: Mask, place: str, depth: int) -> Part:
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
    rows: list[Example] = []
    for example, found in zip(examples, lists, strict=True):
        example.names.add(_called(place, query.run(example.names)[1]))
        for at, (key, instance) in enumerate(zip(found.keys, found.instances, strict=False)):
            row = row_names(example.names, query.collection, key, at)
            row.add({made: row.value(made) for made in figures_of(row.own)})
            rows.append(Example(row, instance, key))
    step = max(1, len(rows) // MOST_ROWS)
    name = f"{query.collection} {min((mask(i[0].text) for f in lists for i in f.instances), default='')}"
    item = learn_level(rows[::step], mask, name, depth + 1) if rows and depth < MAX_DEPTH else None
    return Part(there, held, query=query, item=item, memory=place, remember=remember)


def _called(place: str, figures: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {f"list {place}.{name}": value for name, value in figures.items()}


# -- remembering ---------------------------------------------------------------------------------------

Memory = dict[str, dict[str, list[tuple[str, list[Instance]]]]]
"""Name of a place -> what it was about -> what stood there and who saw it, the latest last, of two groups at most."""


def remember(memory: Memory, place: str, about: str, group: str, instances: list[Instance]) -> None:
    """Take note of what stood there."""
    known = memory.setdefault(place, {}).setdefault(about, [])
    known[:] = [*[entry for entry in known if entry[0] != group][-1:], (group, instances)]


def recall(
    level: Level, names: Names, kids: Sequence[Node], about: str, group: str, mask: Mask, memory: Memory
) -> None:
    """Remember what an answer shows to `group`."""
    divided = level.shape.divide(kids, mask)
    for number, part in enumerate(level.parts):
        instances = divided.get(number, [])
        if not level.shape.places[number].many:
            if instances:
                node = instances[0][0]
                if part.text is None or part.text.sure < 1.0:
                    remember(memory, part.memory, about, group, [(Node(node.role, node.text),)])
                if part.below is not None:
                    recall(part.below, names, node.kids, about, group, mask, memory)
            continue
        if instances and not part.always and (part.query is None or part.query.sure < BELIEVED):
            remember(memory, part.memory, about, group, list(instances))
        if part.query is not None and part.item is not None:
            found = ListExample(names, list(instances))
            keys = _keys(part.query, found)
            for key, instance in zip(keys, instances, strict=False):
                recall(part.item, names, instance, key, group, mask, memory)


def _keys(query: ListRule, found: ListExample) -> list[str]:
    keys = bind_by_key(found, query.collection)
    if keys is None:
        pool = query.select(found.names)
        keys = bind(found, query.collection, pool) if len(pool) <= MANY else None
    return keys or []


# -- writing -------------------------------------------------------------------------------------------


@dataclass
class Writer:
    """Writes levels: what is known beside names, and how sure the least sure part was."""

    memory: Memory
    mask: Mask
    without: str | None = None
    """A group whose memories do not count: in training, nobody may be told their own answer."""
    lists: dict[tuple[str, str], tuple[list[Node], float, Mapping[str, JsonValue]]] = field(default_factory=dict)

    def level(
        self, level: Level, names: Names, about: str, kept: Sequence[Node], draft: Sequence[Node]
    ) -> tuple[list[Node], float]:
        """The nodes of a level, and the support of its least sure part.

        Args:
            level: The program.
            names: What is known.
            about: What it is about.
            kept: The same level of the page before.
            draft: The same level of another guess, for what nothing else tells.
        """
        before = level.shape.divide(kept, self.mask) if kept else {}
        guess = level.shape.divide(draft, self.mask) if draft else {}
        out: dict[int, list[Node]] = {}
        sures: dict[int, float] = {}
        for number, part in enumerate(level.parts):
            if level.shape.places[number].many:
                out[number], sures[number] = self._many(part, names, about, guess.get(number))
        late = {n: part.text.late for n, part in enumerate(level.parts) if part.text is not None}
        for n in sorted(late, key=lambda n: (late[n] > 0, n)):
            known = names
            if late[n] == 1:
                there = {m: [(nodes[0],)] for m, nodes in out.items() if nodes and m in late and m < n}
                known = names.child(beside(there, self.mask))
            out[n], sures[n] = self._one(level.parts[n], level, n, known, about, before, guess)
        nodes = [node for number in range(len(level.parts)) for node in out.get(number, ())]
        return nodes, min(sures.values(), default=1.0)

    def _one(
        self, part: Part, level: Level, number: int, names: Names, about: str,
        before: Mapping[int, list[Instance]], guess: Mapping[int, list[Instance]],
    ) -> tuple[list[Node], float]:  # fmt: skip
        if not part.there.decide(names)[0] or part.text is None:
            return [], part.held
        known = self._known(part.memory, about)
        text, sure = part.text.render(names, _text_of(known), _text_of(before.get(number)))
        if text is None:
            text = _text_of(guess.get(number))
            if text is None:
                return [], 0.0
            sure = 0.3
        kids: list[Node] = []
        if part.below is not None:
            kept, draft = _kids_of(before.get(number)), _kids_of(guess.get(number))
            kids, one = self.level(part.below, names, about, kept, draft)
            sure = min(sure, one)
        return [Node(level.shape.places[number].role, text, tuple(kids))], min(sure, part.held)

    def _many(self, part: Part, names: Names, about: str, guess: list[Instance] | None) -> tuple[list[Node], float]:
        known = self._known(part.memory, about)
        sure = part.query.sure if part.query is not None else 0.0
        if (
            part.query is not None
            and part.item is not None
            and part.query.applies(names)
            and (sure >= min(BELIEVED, part.remember) or known is None)
        ):
            cached = self.lists.get((part.memory, about))
            if cached is None:
                cached = self.lists[part.memory, about] = self._rows(part.query, part.item, names, guess)
            names.add(_called(part.memory, cached[2]))
            return cached[0], cached[1]
        if not part.there.decide(names)[0]:
            return [], part.held
        if part.always:
            return [node for instance in part.always for node in instance], min(part.held, part.remember)
        asked_for = part.query is None or part.query.applies(names)
        if known is not None and asked_for:
            return [node for instance in known for node in instance], part.remember
        return [node for instance in guess or () for node in instance], 0.3

    def _known(self, place: str, about: str) -> list[Instance] | None:
        entries = self.memory.get(place, {}).get(about, ())
        return next((instances for group, instances in reversed(entries) if group != self.without), None)

    def _rows(
        self, query: ListRule, item: Level, names: Names, guess: list[Instance] | None
    ) -> tuple[list[Node], float, Mapping[str, JsonValue]]:
        keys, figures = query.run(names)
        found = ListExample(names, list(guess or []))
        theirs = dict(zip(_keys(query, found), found.instances, strict=False)) if guess else {}
        out: list[Node] = []
        sure = query.sure
        for number, key in enumerate(keys):
            row = row_names(names, query.collection, key, number)
            nodes, one = self.level(item, row, key, (), theirs.get(key, ()))
            out += nodes
            sure = min(sure, one)
        return out, sure, figures
