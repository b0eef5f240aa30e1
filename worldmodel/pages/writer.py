"""Writing pages by their programs, and remembering what no program tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from envsim.types import JsonValue
from worldmodel.pages.grown import Added, means, of_thing
from worldmodel.pages.levels import BELIEVED, Level, Part, below_of, beside, called, kids_of, text_of
from worldmodel.pages.lists import AFTER, AS_KEPT, MANY, Instance, ListExample, ListRule, bind, bind_by_key
from worldmodel.pages.names import Names, row_names
from worldmodel.pages.nodes import Node
from worldmodel.pages.shape import Mask

Memory = dict[str, dict[str, list[tuple[str, list[Instance]]]]]
"""Name of a place -> what it was about -> what stood there and who saw it, the latest last, of `VOICES` groups."""
VOICES = 3


def where(names: Names) -> str:
    """The whole address of an answer: lists depend on what was asked of them, too."""
    return str(names.value("url") or "")


def remember(memory: Memory, place: str, about: str, group: str, instances: list[Instance]) -> None:
    """Take note of what stood there."""
    known = memory.setdefault(place, {}).setdefault(about, [])
    known[:] = [*[entry for entry in known if entry[0] != group][1 - VOICES :], (group, instances)]


@dataclass
class Recorder:
    """Remembers what answers show."""

    memory: Memory
    mask: Mask
    shared: Mapping[str, Level]

    def take(self, level: Level, names: Names, kids: Sequence[Node], about: str, group: str) -> None:
        """What one answer, about something, showed to `group`."""
        divided = level.shape.divide(kids, self.mask)
        for number, part in enumerate(level.parts):
            instances = divided.get(number, [])
            if not instances:
                continue
            if level.shape.places[number].many:
                self._many(part, names, instances, about, group)
                continue
            node = instances[0][0]
            if part.text is None or part.text.sure < 1.0:
                remember(self.memory, part.memory, about, group, [(Node(node.role, node.text),)])
            below = below_of(part, node, self.shared, self.mask)
            if below is not None:
                self.take(below, names, node.kids, about, group)

    def _many(self, part: Part, names: Names, instances: list[Instance], about: str, group: str) -> None:
        if not part.always and (part.query is None or part.query.sure < BELIEVED):
            remember(self.memory, part.memory, about, group, instances)
            if (whole := where(names)) != about:
                remember(self.memory, part.memory, whole, group, instances)
        if part.query is not None and part.item is not None:
            keys = _keys(part.query, ListExample(names, list(instances)))
            for key, instance in zip(keys, instances, strict=False):
                self.take(part.item, names, instance, key, group)


def _keys(query: ListRule, found: ListExample) -> list[str]:
    keys = bind_by_key(found, query.collection)
    if keys is None:
        pool = query.select(found.names)
        keys = bind(found, query.collection, pool) if len(pool) <= MANY else None
    return keys or []


@dataclass
class Writer:
    """Writes levels: what is known beside names, and how sure the least sure part was."""

    memory: Memory
    mask: Mask
    shared: Mapping[str, Level]
    without: str | None = None
    """A group whose memories do not count: in training, nobody may be told their own answer."""
    same: bool = False
    """Whether what the session saw at the address (`earlier`) was there with the same query."""
    added: Added = ()
    """Rows that the session added."""
    since: int = -1
    """Which of the session's answers `earlier` is."""
    lists: dict[tuple[str, str], tuple[list[Node], float, Mapping[str, JsonValue]]] = field(default_factory=dict)
    within: list[Level] = field(default_factory=list)
    """The levels that are being written, from the outermost."""

    def level(
        self, level: Level, names: Names, about: str, kept: Sequence[Node] = (), draft: Sequence[Node] = (),
        earlier: Sequence[Node] = (),
    ) -> tuple[list[Node], float]:  # fmt: skip
        """The nodes of a level, and the support of its least sure part.

        Args:
            level: The program.
            names: What is known.
            about: What it is about.
            kept: The same level of the page before.
            draft: The same level of another guess, for what nothing else tells.
            earlier: The same level of what the session saw at this address.
        """
        pages = tuple(level.shape.divide(page, self.mask) if page else {} for page in (kept, draft, earlier))
        out: dict[int, list[Node]] = {}
        sures: dict[int, float] = {}
        for number, part in enumerate(level.parts):
            if level.shape.places[number].many:
                _, guess, seen = (page.get(number) for page in pages)
                own = self._own_rows(part, names, about, seen)
                out[number], sures[number] = own or self._many(part, names, about, guess, seen)
        late = {n: part.text.late for n, part in enumerate(level.parts) if part.text is not None}
        for n in sorted(late, key=lambda n: (late[n] > 0, n)):
            known = names
            if late[n] == 1:
                there = {m: [(nodes[0],)] for m, nodes in out.items() if nodes and m in late and m < n}
                known = names.child(beside(there, self.mask))
            out[n], sures[n] = self._one(level.parts[n], level.shape.places[n].role, known, about, [
                page.get(n) for page in pages
            ])  # fmt: skip
        nodes = [node for number in range(len(level.parts)) for node in out.get(number, ())]
        return nodes, min(sures.values(), default=1.0)

    def _one(
        self, part: Part, role: str, names: Names, about: str, pages: Sequence[list[Instance] | None]
    ) -> tuple[list[Node], float]:
        if not part.there.decide(names)[0] or part.text is None:
            return [], part.held
        kept, guess, earlier = pages
        # What this session saw is nearer to it than what any other did.
        known = earlier or self._known(part.memory, about)
        text, sure = self._with_own(part, names, text_of(known), bool(earlier))
        if text is None:
            text, sure = part.text.render(names, text_of(known), text_of(kept))
        if text is None:
            text = text_of(guess)
            if text is None:
                return [], 0.0
            sure = 0.3
        kids: list[Node] = []
        below = below_of(part, Node(role, text), self.shared, self.mask)
        # Of two shared levels either may be within the other, but no page has one within itself.
        if below is not None and not any(one is below for one in self.within):
            self.within.append(below)
            kids, one = self.level(below, names, about, *(kids_of(page) for page in pages))
            self.within.pop()
            sure = min(sure, one)
        return [Node(role, text, tuple(kids))], min(sure, part.held)

    def _with_own(self, part: Part, names: Names, known: str | None, ours: bool) -> tuple[str | None, float]:
        """A text with what rows of the session change in the one that is known; None where none do."""
        grown = part.grown
        if grown is None or grown.text is None or known is None or not self.added:
            return None, 0.0
        keys = of_thing(self.added, self.since if ours else -1, grown.collection, grown.field, names)
        if not keys:
            return None, 0.0
        return grown.text.render(names.child(means(known, grown.collection, keys, names)), None, None)

    def _own_rows(
        self, part: Part, names: Names, about: str, earlier: list[Instance] | None
    ) -> tuple[list[Node], float] | None:
        """A list that is remembered, with rows of the session; None where it added none and did not see the list."""
        grown = part.grown
        if grown is None or grown.item is None or not self.added or not part.there.decide(names)[0]:
            return None
        keys = of_thing(self.added, self.since if earlier else -1, grown.collection, grown.field, names)
        if not keys and not earlier:
            return None
        known = earlier or self._known(part.memory, about) or []
        rows, sure = [list[Node]() for _ in keys], part.remember
        for number, key in enumerate(keys):
            rows[number], one = self.level(grown.item, row_names(names, grown.collection, key, number), key)
            sure = min(sure, one)
        before = [node for instance in known for node in instance]
        new = [node for nodes in (reversed(rows) if grown.last else rows) for node in nodes]
        return ([*before, *new] if grown.last else [*new, *before]), sure

    def _many(
        self, part: Part, names: Names, about: str, guess: list[Instance] | None, earlier: list[Instance] | None
    ) -> tuple[list[Node], float]:
        here, there = (earlier, None) if self.same else (None, earlier)
        known = here or self._known(part.memory, where(names))
        if known is None and not (part.query is not None and part.query.narrows(names)):
            # Where rows were asked for, those that were there with another query are others.
            known = there or self._known(part.memory, about)
        sure = part.query.sure if part.query is not None else 0.0
        if (
            part.query is not None
            and part.item is not None
            and part.query.applies(names)
            and (sure >= min(BELIEVED, part.remember) or known is None)
        ):
            if part.shown is not None and not part.shown.decide(names)[0]:
                return [], min(sure, part.held)
            cached = self.lists.get((part.memory, about))
            if cached is None:
                cached = self._rows(part.query, part.item, names, guess, earlier)
                self.lists[part.memory, about] = cached
            names.add(called(part.memory, cached[2]))
            return cached[0], cached[1]
        if not part.there.decide(names)[0]:
            return [], part.held
        if part.always:
            return [node for instance in part.always for node in instance], min(part.held, part.remember)
        asked_for = part.query is None or part.query.applies(names)
        if part.query is not None and asked_for:
            # How many there are is known, though their order is not.
            names.add(called(part.memory, part.query.run(names)[1]))
        if known is not None and asked_for:
            return [node for instance in known for node in instance], part.remember
        return [node for instance in guess or () for node in instance], 0.3

    def _known(self, place: str, about: str) -> list[Instance] | None:
        """What most saw there, of equals the latest: a session may have changed what it saw."""
        entries = self.memory.get(place, {}).get(about, ())
        seen = [instances for group, instances in reversed(entries) if group != self.without]
        return max(seen, key=seen.count, default=None)

    def _rows(
        self, query: ListRule, item: Level, names: Names, guess: list[Instance] | None,
        earlier: list[Instance] | None,
    ) -> tuple[list[Node], float, Mapping[str, JsonValue]]:  # fmt: skip
        keys, figures = query.run(names)
        theirs, ours = (self._bound(query, names, found) for found in (guess, earlier))
        if query.order.by in ("", AS_KEPT, AFTER) and not query.switch:
            keys = as_seen(keys, list(ours))
        out: list[Node] = []
        sure = 0.0 if query.odd and query.words(names) & set(query.odd) else query.sure
        for number, key in enumerate(keys):
            row = row_names(names, query.collection, key, number)
            nodes, one = self.level(item, row, key, (), theirs.get(key, ()), ours.get(key, ()))
            out += nodes
            sure = min(sure, one)
        return out, sure, figures

    def _bound(self, query: ListRule, names: Names, found: list[Instance] | None) -> dict[str, Instance]:
        return dict(zip(_keys(query, ListExample(names, found)), found, strict=False)) if found else {}


def as_seen(keys: Sequence[str], seen: Sequence[str]) -> list[str]:
    """The keys, those that were seen before in the order in which they were, the others in their places."""
    here = set(keys)
    again = iter([key for key in seen if key in here])
    known = set(seen)
    return [next(again) if key in known else key for key in keys]
