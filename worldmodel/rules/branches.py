"""Which operation a request is, and which of the answers it can get it will get.

An *operation* is a request without its entities: ``click "Remove *" on /account/wishlist``. A *branch* is a kind of
answer to it: where it led and what it announced. Which branch follows is decided by a small tree of tests on what is
known (CART; Breiman et al. 1984), e.g. whether the coupon that was typed is the key of a row, and active.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envsim.types import JsonValue
from worldmodel.document import Lines, body, meta
from worldmodel.requests import Request
from worldmodel.rules.known import NUMBER, Known
from worldmodel.rules.scope import QUOTED, Scope, unquoted

_REF = re.compile(r" \[e[a-z0-9-]+\]")
_ANNOUNCED = ("alert ", "status ", "dialog ")
DEPTH = 4
LEAST_GAIN = 1.0
"""Gini impurity, summed over examples, that a test must take away."""
NEAR = 0.9
LEAST = 2
"""Examples a side of a test must have."""
_MAX_TEXT = 60
MAX_VALUES = 12
"""Values a name may take for tests of equality with them."""


def operation(request: Request, known: Known) -> str:
    """What kind of request it is."""
    head, *rest = request.lines
    if head.startswith("call "):
        return head
    if head.startswith("get "):
        return f"get {known.address(unquoted(head[4:])).partition('?')[0]}"
    if not head.startswith("click "):
        return head.partition(" ")[0]
    pressed, _, page = head.rpartition(" on ")
    names = [known.mask(unquoted(quoted)) for quoted in re.findall(QUOTED, pressed)]
    group = next((known.mask(unquoted(line[3:])) for line in rest if line.startswith("in ")), "")
    return json.dumps(["click", *names, group, known.address(unquoted(page)).partition("?")[0]], ensure_ascii=False)


def branch(target: Lines, known: Known, request: Request) -> str:
    """What kind of answer it is. What was typed is not part of it, wherever it stands."""
    for line in request.lines[1:]:
        typed = unquoted(line.partition(" = ")[2]) if line[:1] == '"' else ""
        if len(typed) > 2:
            target = tuple(
                line.replace(typed, "*") if line.lstrip().startswith(_ANNOUNCED) else line for line in target
            )
    if error := meta(target, "error"):
        return f"error {known.mask(_REF.sub('', error))}"
    shown = body(target)
    first = next((line.strip() for line in shown if line.lstrip().startswith(_ANNOUNCED)), "")
    if url := meta(target, "url"):
        return f"{known.address(url)} {known.mask(first)}".strip()
    return "result " + " ".join(re.findall(r'"(?:error|status)"', " ".join(shown[:4])))


# -- choosing a branch ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """A question about what is known.

    Attributes:
        name: Of the value asked about.
        how: ``has``, ``empty``, ``is``, or ``least`` (at least the number that is called `value`).
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
                return known == self.value and type(known) is type(self.value)
        other = scope.value(str(self.value))
        a, b = _figure(known), _figure(other)
        return a is not None and b is not None and a >= b


@dataclass(frozen=True)
class Tree:
    """A decision: a leaf with what followed how often, or a test with a tree for each answer."""

    counts: tuple[tuple[str, int], ...] = ()
    test: Test | None = None
    yes: Tree | None = None
    no: Tree | None = None

    def decide(self, scope: Scope) -> tuple[str, float]:
        """The branch that most often followed, and its share (Laplace-smoothed)."""
        node = self
        while node.test is not None and node.yes is not None and node.no is not None:
            node = node.yes if node.test.holds(scope) else node.no
        total = sum(count for _, count in node.counts)
        label, most = max(node.counts, key=lambda entry: (entry[1], entry[0]), default=("", 0))
        return label, (most + 0.5) / (total + 1.0)

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


def _figure(value: JsonValue) -> float | None:
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return float(value.replace(",", "").removeprefix("$"))
    return float(value) if type(value) is int else None


Seen = tuple[Scope, str]


def grow(seen: Sequence[Seen], known: Known, depth: int = DEPTH) -> Tree:
    """The tree that tells the branches of these examples apart."""
    counts = Counter(label for _, label in seen)
    leaf = Tree(tuple(sorted(counts.items())))
    if depth == 0 or len(counts) == 1:
        return leaf
    gains: list[tuple[float, Test, list[bool]]] = []
    impurity = _gini(counts) * len(seen)
    for test in _tests(seen, known):
        answers = [test.holds(scope) for scope, _ in seen]
        yes = Counter(label for (_, label), holds in zip(seen, answers, strict=True) if holds)
        no = counts - yes
        if min(yes.total(), no.total()) >= LEAST:
            gains.append((impurity - _gini(yes) * yes.total() - _gini(no) * no.total(), test, answers))
    most = max((gain for gain, *_ in gains), default=0.0)
    # What a split gains must be more than chance gives with so many questions to choose from.
    if most < LEAST_GAIN:
        return leaf
    # Of questions that tell about as much, the plainest: whether there is such a row, rather than which.
    near = ((test, answers) for gain, test, answers in gains if gain >= NEAR * most)
    test, answers = min(near, key=lambda question: (_far(question[0]), repr(question[0])))
    yes_part = [item for item, holds in zip(seen, answers, strict=True) if holds]
    no_part = [item for item, holds in zip(seen, answers, strict=True) if not holds]
    return Tree((), test, grow(yes_part, known, depth - 1), grow(no_part, known, depth - 1))


def _gini(counts: Counter[str]) -> float:
    total = counts.total()
    return 1.0 - sum((n / total) ** 2 for n in counts.values()) if total else 0.0


def _far(test: Test) -> float:
    kind = {"has": 0.0, "empty": 0.1, "is": 0.5 if isinstance(test.value, str) else 0.2, "least": 1.0}[test.how]
    return kind + 0.2 * test.name.count(">") + 0.1 * test.name.count(".")


def _tests(seen: Sequence[Seen], known: Known) -> list[Test]:
    values: dict[str, Counter[JsonValue]] = {}
    figures: Counter[str] = Counter()
    for scope, _ in seen:
        for name, value in scope.items():
            if isinstance(value, str | int) or value is None:
                values.setdefault(name, Counter())[value] += 1
                if not name.startswith("page ") and _figure(value) is not None:
                    figures[name] += 1
    tests = []
    for name, found in values.items():
        if found.total() < len(seen):
            tests.append(Test(name, "has"))
        if any(value in (None, "", 0) for value in found):
            tests.append(Test(name, "empty"))
        # Not whether it is this very thing: another thing of its kind would be treated alike.
        if 1 < len(found) <= MAX_VALUES and not name.startswith("page "):
            tests += [Test(name, "is", value) for value in found if not _names_one(name, value, known)]
    common = sorted(name for name, count in figures.items() if count >= 0.5 * len(seen))[:24]
    return tests + [Test(a, "least", b) for a in common for b in common if a != b]


def _names_one(name: str, value: JsonValue, known: Known) -> bool:
    return name.endswith("@") or (isinstance(value, str) and (value in known.strings or len(value) > _MAX_TEXT))
