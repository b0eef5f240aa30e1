"""The places of a level of a page: which elements of different answers stand for the same thing, and what repeats.

Elements with the same wording are at the same place. Those with rare wording (free texts, names nobody knew) are
told by their role. Places that never occur together and have the same neighbours are one place with several texts.
What occurs more than once is a list: a run of elements, divided where the role of its first comes again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, pairwise

from worldmodel.pages.nodes import OPTION, SEP, Node, below

RARE = 0.04
OFTEN = 0.3
FEW = 10
"""Examples below which no wording is rare."""
CELLS = 3
"""Cells of a row that make it more than a name and a value."""
VARIED = 4
"""Wordings of one place, from which on a new one in its role is taken to be there too."""
MOST_STEMS = 4
LEAST_STEMS = 3
"""Examples of each of several lists in one role."""
START = "^"
_THING = "*"
_STEM = re.compile(r"[^\W\d_]{3,}(?: [^\W\d_]+)* (?=\*)")

Mask = Callable[[str], str]
Symbols = Sequence[str]


@dataclass(frozen=True)
class Place:
    """One place: a single element, or a list (`many`) that begins with elements of `role`."""

    role: str
    many: bool = False
    after: str = START
    """For a list: the place before it, by name."""
    name: str = ""
    stem: str = ""
    """For one of several lists in the same role, one after the other: what its rows begin with."""


@dataclass(frozen=True)
class Shape:
    """The places of one level, in their order."""

    places: tuple[Place, ...] = ()
    singles: dict[str, int] = field(default_factory=dict)
    """Symbol -> place of a single element."""
    repeated: tuple[str, ...] = ()
    """Symbols of elements of lists."""

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.repeated)

    @cached_property
    def _roles(self) -> frozenset[str]:
        return frozenset(_role(symbol) for symbol in self.repeated)

    def divide(self, kids: Sequence[Node], mask: Mask) -> dict[int, list[tuple[Node, ...]]]:
        """Place -> its instances: one of one node for a single element."""
        out: dict[int, list[tuple[Node, ...]]] = {}
        before, run, last = START, -1, -1
        for kid in kids:
            name = symbol(kid, mask)
            single = self._single(name, kid, out, last)
            if name in self._listed or (single is None and kid.role in self._roles):
                if run >= 0 and kid.role == self.places[run].role and not kid.text.startswith(self.places[run].stem):
                    run = -1
                run = self._list(before, kid) if run < 0 else run
                if run >= 0:
                    instances = out.setdefault(run, [])
                    if not instances or kid.role == self.places[run].role:
                        instances.append((kid,))
                    else:
                        instances[-1] = (*instances[-1], kid)
                    continue
            run = -1
            if single is not None:
                out[single] = [(kid,)]
                last = single
                before = self.places[single].name
        return out

    @cached_property
    def _open(self) -> tuple[int, ...]:
        """Places with so many wordings that there are others."""
        count = Counter(self.singles.values())
        return tuple(sorted(place for place, n in count.items() if n >= VARIED))

    def with_list(self, number: int) -> Shape:
        """The same, a single element being a list of which nobody had two."""
        names = [name for name, place in self.singles.items() if place == number]
        places = list(self.places)
        places[number] = Place(places[number].role, True, START, places[number].name)
        rest = {name: place for name, place in self.singles.items() if place != number}
        return Shape(tuple(places), rest, tuple(sorted({*self.repeated, *names})))

    def _single(self, name: str, kid: Node, taken: dict[int, list[tuple[Node, ...]]], last: int) -> int | None:
        found = self.singles.get(name)
        if found is None and name not in self._listed:
            fitting = (n for n in self._open if n > last and self.places[n].role == kid.role and n not in taken)
            found = self.singles.get(kid.role, next(fitting, None))
        return found if found is not None and found not in taken else None

    def _list(self, before: str, kid: Node) -> int:
        fitting = [
            n for n, place in enumerate(self.places)
            if place.many and place.role == kid.role and kid.text.startswith(place.stem)
        ]  # fmt: skip
        return next((n for n in fitting if self.places[n].after == before), fitting[0] if fitting else -1)


def symbol(node: Node, mask: Mask) -> str:
    """What tells elements at different places apart."""
    return OPTION if node.role == OPTION else f"{node.role}\n{mask(node.text)}"


def learn_shape(examples: Sequence[Sequence[Node]], mask: Mask) -> Shape:
    """The places of a level."""
    rows = [[symbol(kid, mask) for kid in kids] for kids in examples]
    repeated = {name for row in rows for name, n in Counter(row).items() if n > 1}
    repeated |= _same_built(examples, rows)
    repeated = _joined(rows, repeated | _heads(rows, repeated))
    stems = _stems(rows, repeated)
    repeated |= stems.keys()
    rows = _without_rare(rows, repeated)
    repeated |= {name for row in rows for name, n in Counter(row).items() if n > 1}
    singles = [[name for name in row if name not in repeated] for row in rows]
    classes = _merge(singles)
    names = {name: f"{classes[name]}" for row in singles for name in row}
    order = _order(_together([_sequence(row, repeated, names, stems) for row in rows]))
    places: list[Place] = []
    single_of: dict[str, int] = {}
    for entry in order:
        if isinstance(entry, tuple):
            after, role, stem = entry
            places.append(Place(role, True, after, f"{after}>{role}" + (f" {stem}" if stem else ""), stem))
        else:
            single_of |= {name: len(places) for name, label in names.items() if label == entry}
            places.append(Place(_role(entry), name=entry))
    return Shape(tuple(places), single_of, tuple(sorted(repeated)))


def _same_built(examples: Sequence[Sequence[Node]], rows: Sequence[Symbols]) -> set[str]:
    """Symbols of neighbours built alike, their texts not always the same: rows that differ in a date or a status."""
    texts: dict[str, set[str]] = defaultdict(set)
    for kids, row in zip(examples, rows, strict=True):
        for kid, name in zip(kids, row, strict=True):
            texts[name].add(kid.text)
    varied = {name for name, found in texts.items() if len(found) > 1}
    out: set[str] = set()
    for kids, row in zip(examples, rows, strict=True):
        for (a, left), (b, right) in pairwise(zip(kids, row, strict=True)):
            if left in varied and right in varied and (built := _build(a)) is not None and built == _build(b):
                out |= {left, right}
            # Things of which one is chosen.
            stem = left.rpartition(SEP)[0]
            if left != right and _THING in stem and stem == right.rpartition(SEP)[0]:
                out |= {left, right}
    return out


def _heads(rows: Sequence[Symbols], repeated: set[str]) -> set[str]:
    """Symbols right before what repeats, wherever it is, in one role: each row of such a list begins with one.

    Their wording may part them (the first of a list says that it is the default), so that none comes twice.
    """
    before: dict[str, Counter[str]] = defaultdict(Counter)
    twice: set[str] = set()
    ends: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        places: dict[str, list[int]] = defaultdict(list)
        for at, name in enumerate(row):
            before[name][row[at - 1] if at else ""] += 1
            places[name].append(at)
        for name, found in places.items():
            if len(found) > 1:
                twice.add(name)
                end = 2 * found[-1] - found[-2] - 1
                ends[name].add(_role(row[end]) if end < len(row) else "")
    out: set[str] = set()
    for name in sorted(twice & repeated):
        heads = before[name]
        roles = {_role(head) for head in heads}
        things = sum(n for head, n in heads.items() if _THING in head)
        # What mostly reads the same is no row's own, and what the last row ends with too is no row's beginning.
        if len(roles) == 1 and not roles & ends[name] and 2 * things > heads.total():
            out |= set(heads)
    return out


def _role(name: str) -> str:
    return name.partition("\n")[0]


def _build(node: Node) -> tuple[object, ...] | None:
    """How an element is built; None for one that is too plain to tell."""
    cells, kids = node.text.count(" | ") + 1, below(node)
    if node.role == OPTION or (not kids and cells < CELLS):
        return None
    return (node.role, cells, tuple(kid.role for kid in kids))


def _without_rare(rows: Sequence[list[str]], repeated: set[str]) -> list[list[str]]:
    """Rare symbols by their role alone."""
    count = Counter(name for row in rows for name in set(row))
    least = 1 if len(rows) < FEW else max(2, RARE * len(rows))
    # A link that always reads the same is itself, however seldom it is there.
    often = {
        name for name, n in count.items() if n >= least or name in repeated or (f"{SEP}/" in name and "*" not in name)
    }
    return [[name if name in often else _role(name) for name in row] for row in rows]


def _joined(rows: Sequence[Symbols], repeated: set[str]) -> set[str]:
    """Symbols that only ever follow elements of a list, in roles that lists have, belong to it."""
    roles = {_role(name) for name in repeated}
    out = set(repeated)
    changed = True
    while changed:
        changed = False
        inside: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for row in rows:
            for before, name in zip(["", *row], row, strict=False):
                total[name] += 1
                inside[name] += before in out
        for name in sorted(total):
            fits = name not in out and _role(name) in roles and inside[name] == total[name]
            # What always reads the same and is often there, such as a link below a list, is no row of it.
            if fits and ("*" in name or total[name] < OFTEN * len(rows)):
                out.add(name)
                changed = True
    return out


def _stems(rows: Sequence[Symbols], repeated: set[str]) -> dict[str, str]:
    """Rows by what they begin with, where rows in one role are several lists, one after the other.

    They begin with two to four different words, and nowhere comes a row of one list between rows of another.
    """
    out: dict[str, str] = {}
    for role in sorted({_role(name) for name in repeated}):
        stems = {_stem(name) for name in repeated if _role(name) == role}
        if "" in stems or not 1 < len(stems) <= MOST_STEMS:
            continue
        runs = [[stem for name in row if _role(name) == role and (stem := _stem(name)) in stems] for row in rows]
        often = Counter(stem for run in runs for stem in set(run))
        parted = all(len(set(run)) == len(list(groupby(run))) for run in runs)
        if parted and min(often.values()) >= LEAST_STEMS:
            names = {name for row in rows for name in row if _role(name) == role}
            out |= {name: _stem(name) for name in names if _stem(name) in stems}
    return out


def _stem(name: str) -> str:
    """What a row begins with: a word or more before the thing it is about."""
    found = _STEM.match(name.partition("\n")[2])
    return found[0] if found else ""


Entry = str | tuple[str, str, str]


def _sequence(row: Symbols, repeated: set[str], names: dict[str, str], stems: Mapping[str, str]) -> list[Entry]:
    """Places in the order in which one example has them."""
    out: list[Entry] = []
    before, inside, last = START, False, ""
    for name in row:
        if name in repeated:
            stem = stems.get(name, last if inside else "")
            if not inside or stem != last:
                out.append((before, _role(name), stem))
            inside, last = True, stem
        else:
            before, inside = names[name], False
            out.append(before)
    return out


def _together(rows: Sequence[list[Entry]]) -> list[list[Entry]]:
    """Lists of the same role are one place, whatever stands before them, unless an example has two of them."""
    count: Counter[tuple[str, str]] = Counter()
    for row in rows:
        for kind, n in Counter(entry[1:] for entry in row if isinstance(entry, tuple)).items():
            count[kind] = max(count[kind], n)
    return [
        [(START, *entry[1:]) if isinstance(entry, tuple) and count[entry[1:]] == 1 else entry for entry in row]
        for row in rows
    ]


def _merge(rows: Sequence[Symbols]) -> dict[str, str]:
    """Symbol -> the representative of its place."""
    near: dict[str, set[str]] = defaultdict(set)
    together: dict[str, set[str]] = defaultdict(set)
    count: Counter[str] = Counter()
    for row in rows:
        padded = [START, *row, "$"]
        for number, name in enumerate(row, 1):
            near[name] |= {"<" + padded[number - 1], ">" + padded[number + 1]}
            together[name] |= set(row)
            count[name] += 1
    classes: list[list[str]] = []
    for name in sorted(count, key=lambda n: (-count[n], n)):
        role = _role(name)
        home = next(
            (members for members in classes
             if _role(members[0]) == role
             and not any(member in together[name] for member in members)
             and any(near[name] & near[member] for member in members)),
            None,
        )  # fmt: skip
        if home is None:
            classes.append([name])
        else:
            home.append(name)
    return {name: members[0] for members in classes for name in members}


def _order(rows: Sequence[Sequence[Entry]]) -> list[Entry]:
    """All places, each after those that mostly come before it."""
    first: dict[Entry, tuple[int, int]] = {}
    before: dict[Entry, Counter[Entry]] = defaultdict(Counter)
    for number, row in enumerate(rows):
        once = list(dict.fromkeys(row))
        for at, entry in enumerate(once):
            first.setdefault(entry, (at, number))
            before[entry].update(once[:at])
    left = sorted(first, key=lambda entry: (first[entry], str(entry)))
    out: list[Entry] = []
    while left:
        pick = min(left, key=lambda e: sum(before[e][other] > before[other][e] for other in left if other != e))
        out.append(pick)
        left.remove(pick)
    return out
