"""Which kind of answer a call gets: a small tree of tests on what is known (CART; Breiman et al. 1984)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envsim.state import canonical
from worldmodel.results.view import View

DEPTH = 10
LEAST_GAIN = 1.2
"""Gini impurity, summed over examples, that a test must take away."""
NEAR = 0.97
LEAST = 2
"""Examples a side of a test must have."""
FEW_GROUPS = 4
"""With fewer groups than these, groups are no measure of how far a test holds."""
MAX_VALUES = 12
"""Values a name may take for tests of equality with them."""
MAX_PAIRED = 64
"""Names that are compared with each other."""
_MAX_TEXT = 40


@dataclass(frozen=True)
class Question:
    """A question about what is known.

    Attributes:
        name: Of the value asked about.
        how: ``has``, ``true``, ``positive``, ``is`` (the JSON text in `value`), ``least`` (at least the number
            called `value`), ``equal`` (to the text called `value`).
        value: What it is compared with.
    """

    name: str
    how: str
    value: str = ""

    def holds(self, view: View) -> bool:
        """The answer; no where a name is missing."""
        known = view.get(self.name)
        match self.how:
            case "has":
                return self.name in view
            case "true":
                return known is True
            case "positive":
                return type(known) in (int, float) and known > 0
            case "is":
                return self.name in view and canonical(known) == self.value
            case "equal":
                return self.name in view and self.value in view and known == view.get(self.value)
        other = view.get(self.value)
        return type(known) in (int, float) and type(other) in (int, float) and known >= other


HOWS = ("has", "true", "positive", "is", "least", "equal")


@dataclass(frozen=True)
class Tree:
    """A decision: a leaf with what followed how often, or a test with a tree for each answer."""

    counts: tuple[tuple[str, int], ...] = ()
    test: Question | None = None
    yes: Tree | None = None
    no: Tree | None = None

    def leaf(self, view: View) -> Tree:
        """The leaf that `view` leads to."""
        node = self
        while node.test is not None and node.yes is not None and node.no is not None:
            node = node.yes if node.test.holds(view) else node.no
        return node

    def decide(self, view: View) -> list[tuple[str, float]]:
        """The kinds that followed and their shares, most frequent first; smoothed: they add up to less than 1."""
        counts = self.leaf(view).counts
        total = sum(count for _, count in counts) + 0.5
        return [(label, count / total) for label, count in sorted(counts, key=lambda entry: (-entry[1], entry[0]))]

    def to_json(self) -> Any:
        """See `from_json`."""
        if self.test is None or self.yes is None or self.no is None:
            return [list(entry) for entry in self.counts]
        test = [self.test.name, self.test.how, self.test.value]
        return {"test": test, "yes": self.yes.to_json(), "no": self.no.to_json()}

    @classmethod
    def from_json(cls, data: Any) -> Tree:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            if isinstance(data, dict):
                name, how, value = data["test"]
                if how not in HOWS:
                    raise ValueError(f"no test: {how}")
                test = Question(str(name), how, str(value))
                return cls((), test, cls.from_json(data["yes"]), cls.from_json(data["no"]))
            return cls(tuple((str(label), int(count)) for label, count in data))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no decision: {error}") from None


def grow(views: Sequence[View], labels: Sequence[str], depth: int = DEPTH) -> Tree:
    """The tree that tells the labels of these examples apart.

    Where the views belong to several groups, either answer to a test must have come from more than one of them: the
    sessions of one task have much in common that has nothing to do with what they were answered.
    """
    plain = [(test, _mask([test.holds(view) for view in views])) for test in tests_on(views)]
    tests = {mask: test for test, mask in sorted(plain, key=lambda item: (-far(item[0]), repr(item[0])))}
    for test, mask in _paired(views):
        tests.setdefault(mask, test)
    masks = {label: _mask([each == label for each in labels]) for label in sorted(set(labels))}
    groups = [_mask([view.group == group for view in views]) for group in sorted({view.group for view in views})]
    questions = [(test, mask) for mask, test in tests.items() if mask]
    return _grow((1 << len(views)) - 1, masks, questions, groups if len(groups) >= FEW_GROUPS else [], depth)


Masked = tuple[Question, int]


def _mask(holds: Any) -> int:
    return int.from_bytes(np.packbits(np.asarray(holds, dtype=bool), bitorder="little").tobytes(), "little")


def _paired(views: Sequence[View]) -> Iterator[Masked]:
    """Questions about two names."""
    numbers: dict[str, NDArray[Any]] = {}
    texts: dict[str, NDArray[Any]] = {}
    for at, view in enumerate(views):
        for name, value in view.values.items():
            if type(value) in (int, float):
                numbers.setdefault(name, np.full(len(views), np.nan))[at] = value
            elif isinstance(value, str) and "." in name:
                texts.setdefault(name, np.full(len(views), "", dtype=object))[at] = value
    for how, columns in (("least", numbers), ("equal", texts)):
        chosen = _distinct(columns, how == "least")
        for a, left in chosen:
            for b, right in chosen:
                if how == "least" and a != b:
                    with np.errstate(invalid="ignore"):
                        yield Question(a, how, b), _mask(left >= right)
                elif how == "equal" and a < b:
                    yield Question(a, how, b), _mask((left == right) & (left != ""))


def _distinct(columns: dict[str, NDArray[Any]], numbers: bool) -> list[tuple[str, NDArray[Any]]]:
    """The columns that are often filled, of equal ones the plainest."""
    filled = {name: int(np.sum(~np.isnan(c) if numbers else c != "")) for name, c in columns.items()}
    seen: set[str] = set()
    out: list[tuple[str, NDArray[Any]]] = []
    for name in sorted(columns, key=lambda name: (far(Question(name, "has")), name)):
        known = canonical([repr(each) for each in columns[name].tolist()])
        if filled[name] >= 0.05 * len(columns[name]) and known not in seen:
            seen.add(known)
            out.append((name, columns[name]))
    ranked = sorted(out, key=lambda item: (-filled[item[0]], far(Question(item[0], "has")), item[0]))
    return ranked[:MAX_PAIRED]


def _grow(node: int, labels: dict[str, int], tests: Sequence[Masked], groups: Sequence[int], depth: int) -> Tree:
    counts = {label: count for label, mask in labels.items() if (count := (mask & node).bit_count())}
    leaf = Tree(tuple(sorted(counts.items())))
    if depth == 0 or len(counts) < 2:
        return leaf
    total, impurity = node.bit_count(), _impurity(counts.values())
    gains: list[tuple[float, Masked]] = []
    for test, mask in tests:
        inside = (mask & node).bit_count()
        if min(inside, total - inside) >= LEAST:
            yes = [(labels[label] & mask & node).bit_count() for label in counts]
            no = [count - part for count, part in zip(counts.values(), yes, strict=True)]
            gains.append((impurity - _impurity(yes) - _impurity(no), (test, mask)))
    gains.sort(key=lambda item: -item[0])
    wide = (item for item in gains if _both_wide(item[1][1], node, groups))
    most = next((gain for gain, _ in wide), 0.0)
    if most < LEAST_GAIN:
        return leaf
    # Of questions that tell about as much, the plainest.
    near = [item for gain, item in gains if most >= gain >= NEAR * most and _both_wide(item[1], node, groups)]
    test, mask = min(near, key=lambda item: (far(item[0]), repr(item[0])))
    yes_side = _grow(node & mask, labels, tests, groups, depth - 1)
    return Tree((), test, yes_side, _grow(node & ~mask, labels, tests, groups, depth - 1))


def _both_wide(mask: int, node: int, groups: Sequence[int]) -> bool:
    return not groups or (_wide(mask & node, groups) and _wide(node & ~mask, groups))


def _wide(mask: int, groups: Sequence[int]) -> bool:
    """Whether there are examples of more than one group."""
    return next((mask & ~group for group in groups if mask & group), 0) != 0


def _impurity(counts: Any) -> float:
    counts = list(counts)
    total = sum(counts)
    return total - sum(n * n for n in counts) / total if total else 0.0


def far(test: Question) -> float:
    """How far-fetched a question is."""
    kind = {"has": 0.3, "true": 0.0, "positive": 0.2, "is": 0.1, "equal": 0.6, "least": 0.8}[test.how]
    names = test.name + (test.value if test.how in ("least", "equal") else "")
    return kind + 0.1 * sum(names.count(c) for c in ">~[.") + 0.002 * len(names)


def tests_on(views: Sequence[View]) -> Iterator[Question]:
    """Questions about one name worth asking of these examples."""
    found: dict[str, Counter[str]] = {}
    numbers: set[str] = set()
    for view in views:
        for name, value in view.values.items():
            if type(value) in (int, float):
                numbers.add(name)
            simple = value is None or isinstance(value, bool | int | str)
            short = not isinstance(value, str) or len(value) <= _MAX_TEXT
            found.setdefault(name, Counter())[canonical(value) if simple and short else "…"] += 1
    for name, seen in found.items():
        if seen.total() < len(views):
            yield Question(name, "has")
        if "true" in seen and len(seen) > 1:
            yield Question(name, "true")
        if name in numbers:
            yield Question(name, "positive")
        # That a computed figure is exactly this is no question; that it is nothing has a name of its own.
        computed = name in numbers and " " in name
        if len(seen) <= MAX_VALUES and "…" not in seen and "true" not in seen and not computed:
            # Not whether it is this very thing: another thing of its kind would be treated alike.
            yield from (Question(name, "is", value) for value in seen if not _names_one(value))


def _names_one(value: str) -> bool:
    return value.startswith('"') and any(c.isdigit() for c in value)
