"""Finding expressions: all that give a value in one example, and of those the one that holds over many.

Enumeration, as in inductive program synthesis by example (Gulwani 2011), kept small by looking values up
instead of trying names out: only what is equal to the value, or makes up a part of it, is ever considered.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from envsim.state import canonical
from envsim.types import JsonValue
from worldmodel.rules.expressions import (
    MOST_OFFSET,
    Clock,
    Combine,
    Const,
    Expression,
    Find,
    Fresh,
    Number,
    Read,
    Switch,
    Text,
    cost,
    has_opaque,
    opaque,
)
from worldmodel.rules.readings import GARBLED, readings
from worldmodel.rules.scope import Scope
from worldmodel.rules.times import read_time

MAX_NAMES = 12
"""Names of one field's value that conditions on two fields are tried with, the plainest."""
MAX_CONDITIONS = 80
"""Equal (field, name) pairs of a row beyond which pairs of them are not tried."""
MAX_KEY_PARTS = 3
"""Words of a key that say what its row is about; those of three may be kinds of things as well, "anna post 7"."""
MAX_FIGURES = 120
MAX_HOLES = 6
MAX_TEXT = 200
MOST_TEXTS = 512
"""Ways to fill the holes of one text that are kept."""
TYPED = ("field.", "argument.")
"""Where people write, and letters beyond ASCII come from."""
MAX_CASES = 12
MAX_CASE_TEXT = 80
MAX_LEARNED = 5
"""Cases that may all give different values."""
LEAST = 2
"""Examples that a case must have."""

Example = tuple[Scope, JsonValue]


def explain(examples: Sequence[Example]) -> tuple[Expression, float] | None:
    """The expression that gives the value in most examples, the cheapest of equals, and its share of them.

    Where no single one holds everywhere, one that differs by the value of some name is tried (`Switch`).
    """
    found = [candidates(value, scope) for scope, value in examples]
    best = _most_common(found)
    if best is None or best[1] < 1.0:
        switched = _switch(examples, found)
        if switched is not None and (best is None or switched[1] > best[1]):
            return switched
    return best


def explain_key(examples: Sequence[tuple[Scope, str]], collection: str) -> tuple[Expression, float] | None:
    """The same for keys of rows of `collection`."""
    return _most_common([key_candidates(key, collection, scope) for scope, key in examples])


def _most_common(found: Sequence[set[Expression]]) -> tuple[Expression, float] | None:
    counts = Counter(expression for one in found for expression in one)
    if not counts:
        return None
    most = max(counts.values())
    best = min((e for e, count in counts.items() if count == most), key=lambda e: (cost(e), repr(e)))
    return best, most / len(found)


# -- one example ---------------------------------------------------------------------------------------


def candidates(value: JsonValue, scope: Scope) -> set[Expression]:
    """Expressions that give `value` here."""
    if isinstance(value, dict | list | float):
        return set()
    out: set[Expression] = {Const(value)}
    if isinstance(value, bool):
        return out
    out |= _reads(value, scope)
    if value is None:
        return out
    if isinstance(value, int):
        out |= {Number(read) for read in _reads(str(value), scope)}
    if len(out) == 1:
        out |= _rows_named(value, scope)
    if isinstance(value, str) and scope.clock is not None and (time := read_time(value)) is not None:
        offset = round(time[0] - scope.clock)
        out |= {Clock(offset, time[1])} if abs(offset) <= MOST_OFFSET else set()
    # Figures agree by chance: what is computed must be among the candidates even where something else fits too.
    if isinstance(value, int):
        out |= _sums(value, scope)
    elif len(out) == 1:
        out |= _texts(value, scope)
        drawn = opaque(value) if len(out) == 1 else None
        out |= {drawn} if drawn is not None else set()
    return out


def key_candidates(key: str, collection: str, scope: Scope) -> set[Expression]:
    """Expressions that give the key of a row."""
    out: set[Expression] = set(_reads(key, scope))
    prefix = key.rstrip("0123456789")
    if prefix != key and key == scope.fresh(collection, prefix):
        out.add(Fresh(collection, prefix))
    if not out and (drawn := opaque(key)) is not None:
        out.add(drawn)
    if not out or has_opaque(next(iter(out))):
        others = [name for name, rows in scope.state.items() if isinstance(rows, dict) and key in rows]
        out |= {found for name in others for found in _finds(key, name, scope)}
        out |= {Fresh(name) for name in scope.state if name != collection and key == scope.fresh(name)}
    parts = key.split(" ")
    if 2 <= len(parts) <= MAX_KEY_PARTS and all(parts):
        each = [sorted(key_candidates(part, collection, scope), key=lambda e: (cost(e), repr(e))) for part in parts]
        if len(parts) == 2:
            each = [each[0][:12], each[1][:60]]
        else:
            each = [(found[:7] if part[0].isdigit() else [Const(part), *found[:6]])
                    for part, found in zip(parts, each, strict=True)]  # fmt: skip
        out |= {Text(("", *[" "] * (len(parts) - 1), ""), choice) for choice in itertools.product(*each)}
    return out


def _reads(value: JsonValue, scope: Scope) -> set[Expression]:
    found = scope.named(value)
    typed: set[Expression] = {Read(name, GARBLED) for name, way in found if way == "as is" and name.startswith(TYPED)}
    return {Read(name, way) for name, way in found} | (typed if isinstance(value, str) else set())


def _rows_named(value: str | int, scope: Scope) -> set[Expression]:
    """Where the value is the key of a row that can be found."""
    key = str(value)
    out: set[Expression] = set()
    for collection, table in scope.state.items():
        if isinstance(table, dict) and key in table:
            out |= _finds(key, collection, scope)
        if key == scope.fresh(collection):
            out.add(Fresh(collection))
    return {Number(found) for found in out} if isinstance(value, int) else out


def _finds(key: str, collection: str, scope: Scope) -> set[Expression]:
    """Conditions, one or two, that only the row `key` meets."""
    row = scope.state[collection][key]
    if not isinstance(row, dict):
        return set()
    conditions = sorted(
        (field, name, way)
        for field, value in row.items()
        if isinstance(value, str | int)
        for name, way in scope.named(value)
    )
    single = {c for c in conditions if len(scope.rows(collection, c[0], row[c[0]])) == 1}
    out: set[Expression] = {Find(collection, ((field, Read(name, way)),)) for field, name, way in single}
    near: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for condition in sorted(conditions, key=lambda c: (cost(Read(*c[1:])), c)):
        if condition not in single and len(near[condition[0]]) < MAX_NAMES:
            near[condition[0]].append(condition)
    rest = [condition for _, found in sorted(near.items()) for condition in found]
    if len(rest) <= MAX_CONDITIONS:
        for one, other in itertools.combinations(rest, 2):
            if one[0] != other[0]:
                both = set(scope.rows(collection, one[0], row[one[0]]))
                if sum(key in both for key in scope.rows(collection, other[0], row[other[0]])) == 1:
                    out.add(Find(collection, ((one[0], Read(*one[1:])), (other[0], Read(*other[1:])))))
    return out


def _sums(value: int, scope: Scope) -> set[Expression]:
    """Two figures that add up to the value, one of them of the row at hand."""
    figures = [(Read(name, way), read) for name, known in scope.readable() for way, read in readings(known)
               if type(read) is int]  # fmt: skip
    near = [(read, number) for read, number in figures if read.name.startswith(("row.", "each."))]
    near = [figure for figure in near if figure[0].way == "as is" and figure[0].name != "row.@"]
    rest = [figure for figure in figures if figure not in near and not figure[0].name.startswith("page ")]
    out: set[Expression] = set()
    for left, a in near:
        # One more, one less: else whatever happens to be 1 is taken for it.
        others: list[tuple[Expression, int]] = [(Const(1), 1), *near, *rest[:MAX_FIGURES]]
        for right, b in others:
            for sign, result in (("+", a + b), ("-", a - b), ("*", a * b)):
                if result == value and not (sign == "*" and 1 in (a, b)):
                    out.add(Combine(sign, left, right))
    if not near and value > 0:
        out |= {Combine("-", left, right) for left, a in rest[:60] for right, b in rest[:60] if a - b == value}
    return out


def _texts(value: str, scope: Scope) -> set[Expression]:
    """The value as a text with holes, by covering it with what can be read, longest first."""
    if not 3 < len(value) <= MAX_TEXT:
        return set()
    parts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for text, where in scope.texts():
        if 1 < len(text) < len(value) and text in value:
            parts[text] += where
    spans: list[tuple[int, int, str]] = []
    at = 0
    while at < len(value):
        starts = at == 0 or not value[at - 1].isalnum()
        fitting = [text for text in parts if starts and value.startswith(text, at) and _ends(value, at + len(text))]
        if fitting:
            text = max(fitting, key=len)
            spans.append((at, at + len(text), text))
        at = spans[-1][1] if fitting else at + 1
    if not spans or len(spans) > MAX_HOLES:
        return set()
    edges = [0, *(edge for start, end, _ in spans for edge in (start, end)), len(value)]
    literals = tuple(value[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    most = max(2, int(MOST_TEXTS ** (1 / len(spans))))
    holes = [sorted({Read(*w) for w in parts[text]}, key=lambda e: (cost(e), repr(e)))[:most] for *_, text in spans]
    return {Text(literals, choice) for choice in itertools.product(*holes)}


def _ends(text: str, at: int) -> bool:
    return at == len(text) or not text[at].isalnum()


# -- many examples -------------------------------------------------------------------------------------


def _switch(examples: Sequence[Example], found: Sequence[set[Expression]]) -> tuple[Expression, float] | None:
    """A name by whose value the examples fall into cases that one expression each explains."""
    best: tuple[float, float, Switch] | None = None
    common = lru_cache(maxsize=None)(lambda members: _most_common([found[i] for i in members]))
    for name in _names(examples):
        values = [scope.value(name) for scope, _ in examples]
        for switch, right in (_by_value(name, values, common, examples), _by_presence(name, values, common)):
            if switch is not None:
                rank = (right / len(examples), -cost(switch), switch)
                best = rank if best is None or rank[:2] > best[:2] else best
    return (best[2], best[0]) if best is not None else None


Attempt = tuple[Switch | None, float]
Common = Callable[[tuple[int, ...]], tuple[Expression, float] | None]
"""`_most_common` of some examples, by number: most names divide them alike."""


def _is_thing(value: JsonValue, scope: Scope) -> bool:
    """Whether it is the key of a row."""
    return isinstance(value, str) and any(isinstance(table, dict) and value in table for table in scope.state.values())


def _by_value(name: str, values: Sequence[JsonValue], common: Common, examples: Sequence[Example]) -> Attempt:
    """A case for each value, and how many examples they explain. A case seen once explains itself."""
    cases: dict[str, list[int]] = defaultdict(list)
    if name.startswith("page ") or any(
        _is_thing(value, scope) for value, (scope, _) in zip(values, examples, strict=True)
    ):
        return None, 0.0  # another thing of its kind would be treated alike
    for number, value in enumerate(values):
        cases[canonical(value)].append(number)
    if not 1 < len(cases) <= min(MAX_CASES, len(values) // 2):
        return None, 0.0
    right = 0.0
    then: list[tuple[JsonValue, Expression]] = []
    for _, members in sorted(cases.items()):
        chosen = common(tuple(members))
        if chosen is not None:
            right += chosen[1] * len(members) - (len(members) == 1)
            then.append((values[members[0]], chosen[0]))
    if len(then) > MAX_LEARNED and len({repr(one) for _, one in then}) == len(then):
        return None, 0.0  # one constant for each value is a list of what was recorded, and no rule
    return (Switch(Read(name), tuple(then)), right) if then else (None, 0.0)


def _by_presence(name: str, values: Sequence[JsonValue], common: Common) -> Attempt:
    """A case for where there is nothing, and one for where there is something."""
    absent = tuple(i for i, value in enumerate(values) if value is None)
    present = tuple(i for i, value in enumerate(values) if value is not None)
    if len(absent) < LEAST or len(present) < LEAST:
        return None, 0.0
    without, given = common(absent), common(present)
    if without is None or given is None:
        return None, 0.0
    right = without[1] * len(absent) + given[1] * len(present)
    return Switch(Read(name), ((None, without[0]),), given[0]), right


def _names(examples: Sequence[Example]) -> Iterable[str]:
    """Names of short values that several examples have."""
    counts = Counter(
        name
        for scope, _ in examples
        for name, value in scope.readable()
        if isinstance(value, str | int) and len(str(value)) <= MAX_CASE_TEXT
    )
    return sorted(name for name, n in counts.items() if n >= LEAST)
