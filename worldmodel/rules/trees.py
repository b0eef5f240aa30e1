"""Decisions: which of several things followed, by tests on what is known (CART; Breiman et al. 1984).

Every test is a set of examples, kept as the bits of one number, so that a split is judged by counting bits. A split
is believed if it tells more than chance would with so many tests to choose from (likelihood ratio against the number
of different splits; Kass 1980): what happens at random is left in one leaf, whose counts are its rates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from envsim.types import JsonValue
from worldmodel.rules.known import NUMBER, Known
from worldmodel.rules.readings import READERS
from worldmodel.rules.scope import Scope

DEPTH = 6
NEAR = 0.9
LEAST = 2
"""Examples a side of a test must have."""
DOUBT = 1.0
"""Nats beyond the logarithm of the number of splits that a split must tell."""
MAX_VALUES = 12
"""Values a name may take for tests of equality with them."""
MAX_KINDS = 400
"""The same for `operation` and `intended`, which say what kind of request it is."""
KINDS = ("operation", "intended")
MAX_BOUNDS = 24
MAX_FIGURES = 40
MAX_AMOUNTS = 16
_MAX_TEXT = 60
_SMALL = 1000
_READ_TESTS = ("whole number", "cents", "last four digits", "letters beyond ASCII")
_TYPED = ("field.", "argument.", "typed")
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?")
_AMOUNT = re.compile(r"-?\$?[0-9][0-9,]*\.[0-9]{2}")

Seen = tuple[Scope, str]
Figure = tuple[str, float]
"""(kind, number): only figures of one kind are compared."""


@dataclass(frozen=True)
class Test:
    """A question about what is known.

    Attributes:
        name: Of the value asked about.
        how: ``has``, ``empty``, ``is``, ``over`` (at least the number `value`), ``least`` (at least the figure
            that is called `value`), ``percent`` (as much as the two that `value` names give: so much of a hundred of
            an amount, rounded), or ``reads`` (in the way of `READERS` that is called `value`).
        value: What it is compared with.
    """

    name: str
    how: str
    value: JsonValue = None

    def holds(self, scope: Scope) -> bool:
        """The answer."""
        known = scope.value(self.name)
        match self.how:
            case "has":
                return scope.knows(self.name)
            case "empty":
                return known in (None, "", 0)
            case "is":
                # Of what is not known at all nobody can say that it is nothing.
                there = known is not None or scope.knows(self.name)
                return there and known == self.value and type(known) is type(self.value)
            case "over":
                return _reaches(figure(known), figure(self.value))
            case "reads":
                return _reads(known, str(self.value))
            case "percent" if isinstance(self.value, list) and len(self.value) == 2:
                amount, rate = (figure(scope.value(str(name))) for name in self.value)
                return _is_percent(figure(known), amount, rate)
            case "percent":
                return False
        return _reaches(figure(known), figure(scope.value(str(self.value))))


def _reads(value: JsonValue, way: str) -> bool:
    reader = READERS.get(way)
    return reader is not None and reader(value) is not None


def _reaches(a: Figure | None, b: Figure | None) -> bool:
    return a is not None and b is not None and a[0] == b[0] and a[1] >= b[1]


def _is_percent(part: Figure | None, amount: Figure | None, rate: Figure | None) -> bool:
    if part is None or amount is None or rate is None or not 0 < rate[1] <= 100:
        return False
    return part[1] == (amount[1] * rate[1] + 50) // 100


def figure(value: JsonValue) -> Figure | None:
    """A value as something that can be compared: amounts in cents, numbers, days; None if it is nothing of that."""
    if isinstance(value, str):
        if day := _DATE.fullmatch(value):
            try:
                return "day", float(date(int(day[1]), int(day[2]), int(day[3])).toordinal())
            except ValueError:
                return None
        if _AMOUNT.fullmatch(value):
            return "number", float(re.sub(r"[$,.]", "", value))
        return ("number", float(value.replace(",", "").removeprefix("$"))) if NUMBER.fullmatch(value) else None
    if type(value) is not int:
        return None
    try:
        return "number", float(value)
    except OverflowError:  # of hundreds of digits: as good as endless, as where it is a text
        return "number", math.inf if value > 0 else -math.inf


@dataclass(frozen=True)
class Tree:
    """A decision: a leaf with what followed how often, or a test with a tree for each answer."""

    counts: tuple[tuple[str, int], ...] = ()
    test: Test | None = None
    yes: Tree | None = None
    no: Tree | None = None

    def leaf(self, scope: Scope) -> tuple[tuple[str, int], ...]:
        """What followed how often where all these tests turned out the same."""
        node = self
        while node.test is not None and node.yes is not None and node.no is not None:
            node = node.yes if node.test.holds(scope) else node.no
        return node.counts

    def decide(self, scope: Scope) -> tuple[str, float]:
        """The label that most often followed, and its share (Jeffreys-smoothed)."""
        counts = self.leaf(scope)
        label, most = max(counts, key=lambda entry: (entry[1], entry[0]), default=("", 0))
        return label, (most + 0.5) / (sum(count for _, count in counts) + 1.0)

    def shares(self, scope: Scope) -> list[tuple[str, float]]:
        """Every label that has followed here with its share, smoothed as by Jeffreys, most probable first.

        What never followed here gets nothing: a rate is estimated, an outcome is not invented.
        """
        counts = [(label, count) for label, count in self.leaf(scope) if count > 0]
        total = sum(count for _, count in counts) + 0.5 * len(counts)
        found = [(label, (count + 0.5) / total if len(counts) > 1 else 1.0) for label, count in counts]
        return sorted(found, key=lambda entry: (-entry[1], entry[0]))

    def asks(self, prefix: str) -> bool:
        """Whether one of its tests is about a name that begins like this."""
        if self.test is None or self.yes is None or self.no is None:
            return False
        return self.test.name.startswith(prefix) or self.yes.asks(prefix) or self.no.asks(prefix)

    def to_json(self) -> Any:
        """See `from_json`."""
        if self.test is None or self.yes is None or self.no is None:
            return [list(entry) for entry in self.counts]
        return {"test": [self.test.name, self.test.how, self.test.value],
                "yes": self.yes.to_json(), "no": self.no.to_json()}  # fmt: skip

    @classmethod
    def from_json(cls, data: Any) -> Tree:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            if isinstance(data, dict):
                name, how, value = data["test"]
                return cls((), Test(str(name), str(how), value), cls.from_json(data["yes"]), cls.from_json(data["no"]))
            return cls(tuple((str(label), int(count)) for label, count in data))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no decision: {error}") from None


# -- growing ---------------------------------------------------------------------------------------------


def grow(seen: Sequence[Seen], known: Known, *, depth: int = DEPTH, least: int = LEAST, doubt: float = DOUBT) -> Tree:
    """The tree that tells the labels of these examples apart.

    Args:
        seen: What was known, and what followed.
        known: Names of things: no test asks for one of them.
        depth: Most tests in a row.
        least: Examples a side of a test must have.
        doubt: As `DOUBT`.
    """
    labels: dict[str, int] = {}
    for at, (_, label) in enumerate(seen):
        labels[label] = labels.get(label, 0) | 1 << at
    every = (1 << len(seen)) - 1
    if len(labels) < 2:
        return _leaf(every, sorted(labels.items()))
    growing = _Growing(sorted(labels.items()), _splits([scope for scope, _ in seen], known), least, doubt)
    return growing.tree(every, depth)


@dataclass(frozen=True)
class _Growing:
    labels: list[tuple[str, int]]
    splits: list[tuple[int, Test]]
    least: int
    doubt: float

    def tree(self, here: int, depth: int) -> Tree:
        leaf = _leaf(here, self.labels)
        if depth == 0 or len(leaf.counts) < 2:
            return leaf
        before = _entropy([count for _, count in leaf.counts])
        found: dict[int, tuple[float, Test]] = {}
        for mask, test in self.splits:  # the plainest first
            yes = mask & here
            if min(size := yes.bit_count(), here.bit_count() - size) >= self.least and yes not in found:
                after = self._entropy(yes) + self._entropy(here & ~yes)
                found[yes] = (before - after, test)
        most = max((gain for gain, _ in found.values()), default=0.0)
        if not found or most < math.log(len(found)) + self.doubt:
            return leaf
        # Of questions that tell about as much, the plainest: whether there is such a row, rather than which.
        yes = next(mask for mask, (gain, _) in found.items() if gain >= NEAR * most)
        return Tree((), found[yes][1], self.tree(yes, depth - 1), self.tree(here & ~yes, depth - 1))

    def _entropy(self, here: int) -> float:
        return _entropy([(here & mask).bit_count() for _, mask in self.labels])


def _leaf(here: int, labels: Sequence[tuple[str, int]]) -> Tree:
    return Tree(tuple((label, count) for label, mask in labels if (count := (here & mask).bit_count())))


def _entropy(counts: Sequence[int]) -> float:
    """Of all these examples together, in nats."""
    total = sum(counts)
    return sum(n * math.log(total / n) for n in counts if n)


def far(test: Test) -> float:
    """How far-fetched a question is."""
    kind = {"has": 0.0, "empty": 0.1, "reads": 0.3, "over": 0.4, "least": 1.0, "percent": 1.0}
    how = kind.get(test.how, 0.5 if isinstance(test.value, str) else 0.2)
    return how + 0.2 * test.name.count(">") + 0.1 * test.name.count(".") + 0.3 * test.name.startswith("page ")


def _splits(scopes: Sequence[Scope], known: Known) -> list[tuple[int, Test]]:
    """The tests there are, as sets of examples, the plainest first; of those that are the same set, the plainest."""
    best: dict[int, tuple[tuple[float, str, str, str], Test]] = {}
    every = (1 << len(scopes)) - 1

    def offer(test: Test, mask: int) -> None:
        if mask in (0, every):
            return
        rank = (far(test), test.name, test.how, repr(test.value))
        if mask not in best or rank < best[mask][0]:
            best[mask] = (rank, test)

    columns: dict[str, dict[int, JsonValue]] = {}
    for at, scope in enumerate(scopes):
        for name, value in scope.items():
            if isinstance(value, str | int) or value is None:
                columns.setdefault(name, {})[at] = value
    for name, column in columns.items():
        there = _bits(column)
        offer(Test(name, "has"), there)
        offer(Test(name, "empty"), _bits(at for at, value in column.items() if value in (None, "", 0)) | every & ~there)
        for test, members in (*_equalities(name, column, known), *_bounds(name, column), *_ways(name, column)):
            offer(test, _bits(members))
    for test, members in (*_comparisons(columns, len(scopes)), *_percentages(columns)):
        offer(test, _bits(members))
    return [(mask, test) for mask, (_, test) in sorted(best.items(), key=lambda entry: entry[1][0])]


def _bits(members: Iterable[int]) -> int:
    mask = 0
    for at in members:
        mask |= 1 << at
    return mask


Members = tuple[Test, Iterable[int]]


def _equalities(name: str, column: dict[int, JsonValue], known: Known) -> list[Members]:
    found: dict[tuple[type, JsonValue], list[int]] = {}
    if name.startswith("page "):
        return []
    for at, value in column.items():
        found.setdefault((type(value), value), []).append(at)
    if name == "typed" or not 1 <= len(found) <= (MAX_KINDS if name in KINDS else MAX_VALUES):
        return []
    # Not whether it is this very thing: another thing of its kind would be treated alike.
    return [
        (Test(name, "is", value), members)
        for (_, value), members in found.items()
        if name in KINDS or not _names_one(name, value, known)
    ]


def _names_one(name: str, value: JsonValue, known: Known) -> bool:
    return name.endswith("@") or (isinstance(value, str) and (value in known.strings or len(value) > _MAX_TEXT))


def _bounds(name: str, column: dict[int, JsonValue]) -> list[Members]:
    numbers = {at: found[1] for at, value in column.items() if (found := figure(value)) and found[0] == "number"}
    bounds = sorted(set(numbers.values()))[1:]
    if not bounds or len(bounds) > MAX_BOUNDS or bounds[-1] > _SMALL or name.startswith("page "):
        return []
    return [(Test(name, "over", int(b)), [at for at, n in numbers.items() if n >= int(b)]) for b in bounds]


def _ways(name: str, column: dict[int, JsonValue]) -> list[Members]:
    if not name.startswith(_TYPED):
        return []
    return [
        (Test(name, "reads", way), [at for at, value in column.items() if _reads(value, way)]) for way in _READ_TESTS
    ]


def _comparisons(columns: dict[str, dict[int, JsonValue]], total: int) -> list[Members]:
    found: dict[str, dict[int, Figure]] = {}
    for name, column in columns.items():
        read = {at: known for at, value in column.items() if (known := figure(value)) is not None}
        if len(read) >= max(LEAST, 0.1 * total) and not name.startswith("session "):
            found[name] = read
    near = sorted(found, key=lambda name: (name.startswith("page "), name.count(">"), name))[:MAX_FIGURES]
    return [
        (Test(a, "least", b), [at for at, one in found[a].items() if _reaches(one, found[b].get(at))])
        for a in near for b in near if a != b
    ]  # fmt: skip


def _percentages(columns: dict[str, dict[int, JsonValue]]) -> list[Members]:
    """Whether one amount of a page is so much of a hundred of another: rounding shows where it is not."""
    amounts = {
        name: found
        for name, column in columns.items()
        if name.startswith("page ")
        and len(found := {at: figure(v) for at, v in column.items() if isinstance(v, str) and _AMOUNT.fullmatch(v)})
        >= LEAST
    }
    rates = {
        name: found
        for name, column in columns.items()
        if ">" in name and len(found := {at: figure(v) for at, v in column.items() if _is_rate(v)}) >= LEAST
    }
    near = sorted(amounts, key=lambda name: (-len(amounts[name]), name))[:MAX_AMOUNTS]
    out: list[Members] = []
    for part, amount, rate in product(near, near, sorted(rates)[:MAX_AMOUNTS]):
        both = amounts[part].keys() & amounts[amount].keys() & rates[rate].keys() if part != amount else ()
        held = [at for at in both if _is_percent(amounts[part][at], amounts[amount][at], rates[rate][at])]
        if len(held) >= LEAST:
            out.append((Test(part, "percent", [amount, rate]), held))
    return out


def _is_rate(value: JsonValue) -> bool:
    return type(value) is int and 1 < value <= 100
