"""Which of several ways a text or list takes: small decision trees over names (CART; Breiman et al. 1984)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from envsim.types import JsonValue
from worldmodel.pages.names import EACH, Names

DEPTH = 4
LEAST = 2
LEAST_GAIN = 1.5
NEAR = 0.99
FIRSTS = 12
"""First questions that are tried."""
PLAIN = 4
"""Leaves and exceptions below which no plainer tree is looked for."""
MAX_VALUES = 14
MAX_BRANCHES = 60
MOST_IS = 20
"""Greater numbers are compared, not asked for."""
_MAX_TEXT = 100
_ASKED = ("branch", "button", "group", "query.", "field.", "choice.")
_JOINTS = {ord(char): None for char in " _-"}
"""What words are joined by."""
_MAX_LIMITS = 12
_BEST_LIMITS = 4
_MAX_PAIRS = 60
_MAX_FIGURES = 10
_MAX_TOTALS = 12
_OF_SUM = re.compile(r"sum \S+ \S+ (\S+)(?: : (.+))?")


@dataclass(frozen=True)
class Test:
    """A question: ``has``, ``empty``, ``is`` (a value), ``least`` (a number), ``same`` or ``above`` (another name)."""

    name: str
    how: str
    value: str | int | bool | None = None

    def holds(self, names: Names) -> bool:
        """The answer."""
        known = names.value(self.name)
        match self.how:
            case "has":
                return names.knows(self.name)
            case "empty":
                return known in (None, "", 0)
            case "is":
                return known == self.value and type(known) is type(self.value)
            case "least":
                return type(known) is int and type(self.value) is int and known >= self.value
        other = names.value(str(self.value))
        if self.how == "same":
            return known is not None and known != "" and str(known) == str(other)
        return type(known) is int and type(other) is int and known > other


@dataclass(frozen=True)
class Choice:
    """A leaf with how often each way was taken, or a test and what follows from it."""

    counts: tuple[tuple[int, int], ...] = ()
    test: Test | None = None
    yes: Choice | None = None
    no: Choice | None = None

    def decide(self, names: Names) -> tuple[int, float]:
        """The way, and its share where it was decided (Laplace-smoothed)."""
        node = self
        while node.test is not None and node.yes is not None and node.no is not None:
            node = node.yes if node.test.holds(names) else node.no
        total = sum(count for _, count in node.counts)
        way, most = max(node.counts, key=lambda entry: (entry[1], -entry[0]), default=(0, 0))
        return way, (most + 0.5) / (total + 0.5)


Seen = tuple[Names, int]
Rows = int
"""Numbers of examples, as the bits of one."""
Offer = Callable[[Test, Sequence[bool]], None]


def grow(seen: Sequence[Seen], depth: int = DEPTH) -> tuple[Choice, list[int]]:
    """The tree that tells the ways of these examples apart, and the way that each gets from others alone.

    The latter by two-fold cross-validation: what a tree learned by heart must not count as understood.
    """
    ways = [way for _, way in seen]
    masks: dict[int, Rows] = {}
    turn = Counter[int]()
    folds = [0, 0]
    for row, way in enumerate(ways):
        masks[way] = masks.get(way, 0) | 1 << row
        folds[turn[way] % 2] |= 1 << row
        turn[way] += 1
    every = (1 << len(ways)) - 1
    if len(masks) <= 1:
        return _leaf(masks, every), ways
    if (switch := _switch(seen)) is not None:
        return switch, ways
    tests = _tests(seen)
    told = list(ways)
    for part in (0, 1):
        tree = _tree(masks, tests, folds[1 - part], depth)
        for row in range(len(ways)):
            if folds[part] >> row & 1:
                told[row] = tree.decide(seen[row][0])[0]
    most = Counter(ways).most_common(1)[0]
    if sum(a == b for a, b in zip(told, ways, strict=True)) < most[1]:
        return _leaf(masks, every), [most[0]] * len(ways)
    return _tree(masks, tests, every, depth), told


def _switch(seen: Sequence[Seen]) -> Choice | None:
    """One of several ways for every value of what was asked, if it alone tells all: each was seen more than once."""
    kinds = len({way for _, way in seen})
    names = dict.fromkeys(name for one, _ in seen for name, _ in one.items() if name.startswith(("query.", "url.")))
    for name in names if kinds > LEAST else ():
        groups: dict[str | None, Counter[int]] = defaultdict(Counter)
        for one, way in seen:
            value = one.value(name)
            groups[value if isinstance(value, str) and value else None][way] += 1
        if len(groups) > 2 * kinds or any(len(ways) > 1 or ways.total() < LEAST for ways in groups.values()):
            continue
        leaf = Choice(tuple(sorted(groups.pop(None, sum(groups.values(), Counter())).items())))
        for value, ways in sorted(groups.items(), key=lambda group: str(group[0]), reverse=True):
            leaf = Choice((), Test(name, "is", value), Choice(tuple(ways.items())), leaf)
        return leaf
    return None


def _tree(ways: Mapping[int, Rows], tests: Sequence[tuple[Test, Rows]], rows: Rows, depth: int) -> Choice:
    """The tree that asks what tells most first, or one that asks something else first and is much plainer or surer.

    A question that tells little alone may tell all with the next: an order that was sent *and* not sent back whole.
    """
    best = _grow(ways, tests, rows, depth)
    cost = _cost(best)
    if cost < PLAIN:
        return best
    gains = _gains(ways, tests, rows)
    for _, test, answers in sorted(gains, key=lambda g: (-g[0], _far(g[1]), repr(g[1])))[:FIRSTS]:
        tree = _split(ways, tests, rows, depth - 1, test, answers)
        if _cost(tree) <= cost - LEAST:
            best, cost = tree, _cost(tree)
    return best


def _cost(tree: Choice) -> int:
    """Its leaves, and the examples that take another way than their leaf's."""
    if tree.yes is not None and tree.no is not None:
        return _cost(tree.yes) + _cost(tree.no)
    return 1 + sum(n for _, n in tree.counts) - max((n for _, n in tree.counts), default=0)


def _leaf(ways: Mapping[int, Rows], rows: Rows) -> Choice:
    return Choice(tuple(sorted((way, n) for way, mask in ways.items() if (n := (mask & rows).bit_count()))))


def _gains(ways: Mapping[int, Rows], tests: Sequence[tuple[Test, Rows]], rows: Rows) -> list[tuple[float, Test, Rows]]:
    """What every question tells about these rows."""
    here = [mask & rows for mask in ways.values()]
    total = rows.bit_count()
    counts = [mask.bit_count() for mask in here]
    impurity = _gini(counts, total) * total
    gains = []
    for test, answers in tests:
        many = (answers & rows).bit_count()
        if LEAST <= many <= total - LEAST:
            yes = [(mask & answers).bit_count() for mask in here]
            no = [a - b for a, b in zip(counts, yes, strict=True)]
            gain = impurity - _gini(yes, many) * many - _gini(no, total - many) * (total - many)
            gains.append((gain, test, answers))
    return gains


def _grow(
    ways: Mapping[int, Rows], tests: Sequence[tuple[Test, Rows]], rows: Rows, depth: int, asked: str = ""
) -> Choice:
    """The tree for these rows; to ask for another value of what was `asked` last makes it no deeper."""
    leaf = _leaf(ways, rows)
    if (depth == 0 and not asked) or len(leaf.counts) <= 1:
        return leaf
    if depth == 0:
        tests = [(test, answers) for test, answers in tests if test.name == asked and test.how == "is"]
    gains = _gains(ways, tests, rows)
    most = max((gain for gain, _, _ in gains), default=0.0)
    if most < LEAST_GAIN:
        return leaf
    _, test, answers = min((g for g in gains if g[0] >= NEAR * most), key=lambda g: (_far(g[1]), repr(g[1])))
    again = test.how == "is" and test.name == asked
    return _split(ways, tests, rows, max(0, depth - (not again)), test, answers)


def _split(
    ways: Mapping[int, Rows], tests: Sequence[tuple[Test, Rows]], rows: Rows, depth: int, test: Test, answers: Rows
) -> Choice:
    """The tree that asks this, its branches of at most this depth."""
    other = test.name if test.how == "is" else ""
    yes, no = _grow(ways, tests, rows & answers, depth), _grow(ways, tests, rows & ~answers, depth, other)
    return Choice((), test, yes, no)


def _gini(counts: Sequence[int], total: int) -> float:
    return 1.0 - sum((n / total) ** 2 for n in counts) if total else 0.0


def _far(test: Test) -> float:
    kind = {"has": 0.3, "empty": 0.0, "is": 0.2, "least": 0.5, "same": 0.3, "above": 0.6}[test.how]
    kind += 0.3 * (isinstance(test.value, str) and test.how == "is")
    row = test.name.startswith(EACH)
    # A page follows from its address, then the state; what led there is the next best thing to say.
    kind -= 0.5 * test.name.startswith("url.")
    kind += 0.4 * test.name.startswith(("asked.", "button", "group", "field.", "choice."))
    return (
        kind + 0.2 * test.name.count(">") + 0.1 * test.name.count(".") * (not row) + 0.2 * test.name.startswith("sum")
    )


def _tests(seen: Sequence[Seen]) -> list[tuple[Test, Rows]]:
    """Every question that divides the examples, the plainest of those that divide them alike."""
    flat = [dict(one.items()) for one, _ in seen]
    names = dict.fromkeys(name for one in flat for name in one)
    columns = {name: [one.get(name) for one in flat] for name in names}
    # What is the same everywhere tells nothing; most names of a page are about the account or the address.
    columns = {name: column for name, column in columns.items() if any(value != column[0] for value in column)}
    out: dict[Rows, Test] = {}
    every = (1 << len(seen)) - 1

    def offer(test: Test, answers: Sequence[bool]) -> None:
        key = sum(1 << row for row, holds in enumerate(answers) if holds)
        if 0 < key < every and (key not in out or _far(test) < _far(out[key])):
            out[key] = test

    for name, column in columns.items():
        if not name.startswith("sum "):
            offer(Test(name, "has"), [name in one for one in flat])
        offer(Test(name, "empty"), [value in (None, "", 0) for value in column])
        values = Counter(value for value in column if isinstance(value, str | int) and len(str(value)) <= _MAX_TEXT)
        for value, often in values.most_common(MAX_BRANCHES):
            # Nor whether an amount is this very one: it stands for the thing that has it.
            if isinstance(value, str):
                fits = _is_kind(name, value)
            else:
                fits = abs(value) <= MOST_IS and len(values) <= MAX_VALUES
            if fits and often >= LEAST:
                offer(Test(name, "is", value), [v == value and type(v) is type(value) for v in column])
        _offer_limits(name, column, seen, offer)
    _offer_pairs(columns, offer)
    return [(test, key) for key, test in out.items()]


def _is_kind(name: str, value: str) -> bool:
    """Whether a text says of what kind something is, rather than which thing it is."""
    if name.startswith(_ASKED):
        return True
    return not name.endswith("@") and _in_words(value) and name not in ("login", "url.path", "asked.path")


@lru_cache(maxsize=16384)
def _in_words(text: str) -> bool:
    """Whether it is one word of letters, in capitals no more than the first, or several small ones.

    Of scripts without small letters one word: in those, several may as well be a name.
    """
    rest = "".join(char for char in text if not unicodedata.category(char).startswith("M"))
    if not rest[:1].isalpha():
        return False
    if rest.isalpha():
        return rest[1:] == rest[1:].lower()
    letters = rest.translate(_JOINTS)
    return letters.isalpha() and letters.islower()


def _offer_limits(name: str, column: Sequence[JsonValue], seen: Sequence[Seen], offer: Offer) -> None:
    """Numbers between which the way changes."""
    ranked = sorted((value, way) for value, (_, way) in zip(column, seen, strict=True) if type(value) is int)
    cuts = [at for at, ((a, before), (b, after)) in enumerate(pairwise(ranked)) if a < b and before != after]
    some = cuts[:: max(1, len(cuts) // _MAX_LIMITS)]
    if len(cuts) > len(some):
        # Where other ways come in between, the limit that matters is one of very many.
        some = sorted({*some, *_best_cuts([way for _, way in ranked], cuts)})
    for limit in (_round(ranked[at][0], ranked[at + 1][0]) for at in some):
        offer(Test(name, "least", limit), [type(value) is int and value >= limit for value in column])


def _best_cuts(ways: Sequence[int], cuts: Sequence[int]) -> list[int]:
    """Those after which the ways are told from those before them best."""
    below, above = Counter[int](), Counter(ways)
    gains = []
    wanted = set(cuts)
    for at, way in enumerate(ways):
        below[way] += 1
        above[way] -= 1
        if at in wanted:
            many, rest = at + 1, len(ways) - at - 1
            gains.append((-_gini([*below.values()], many) * many - _gini([*above.values()], rest) * rest, at))
    return [at for _, at in sorted(gains, reverse=True)[:_BEST_LIMITS]]


def _round(a: int, b: int) -> int:
    """The roundest number above `a` and not above `b`: limits that people set are round."""
    unit = 10 ** len(str(abs(b)))
    while unit > 1:
        for step in (unit, unit // 2):
            number = b - b % step if step else b
            if a < number <= b:
                return number
        unit //= 10
    return b


def _offer_pairs(columns: dict[str, list[JsonValue]], offer: Offer) -> None:
    """Names of the row at hand against others."""
    rows = [name for name in columns if name.startswith(EACH)]
    alike: dict[tuple[str, str], None] = {}
    for number in range(len(next(iter(columns.values()), []))):
        by_text: dict[str, list[str]] = {}
        for name, column in columns.items():
            if column[number] not in (None, "", 0):
                by_text.setdefault(str(column[number]), []).append(name)
        for name in rows:
            others = by_text.get(str(columns[name][number]), ())
            alike |= dict.fromkeys((name, other) for other in others[:8] if other != name)
    for a, b in list(alike)[:_MAX_PAIRS]:
        pairs = zip(columns[a], columns[b], strict=True)
        offer(Test(a, "same", b), [x is not None and x != "" and str(x) == str(y) for x, y in pairs])
    plain = [name for name in columns if any(type(value) is int for value in columns[name])]
    figures = [name for name in plain if name.startswith(EACH)][:_MAX_FIGURES]
    # What was ordered against what was sent back: one figure, summed up over different rows of one owner.
    totals = [(name, found.groups()) for name in plain if (found := _OF_SUM.fullmatch(name))][:_MAX_TOTALS]
    compared = [(a, b) for a in figures for b in plain[:_MAX_FIGURES]]
    compared += [(a, b) for a, figure in totals for b, other in totals if figure == other]
    for a, b in compared:
        if a != b:
            pairs = zip(columns[a], columns[b], strict=True)
            offer(Test(a, "above", b), [type(x) is int and type(y) is int and x > y for x, y in pairs])
