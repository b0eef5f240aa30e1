"""Finding expressions for results: proposed from a few examples, kept by how many of all they give.

Enumeration as in program synthesis by example (Gulwani 2011): values are looked up among what is known instead of
names being tried out, and where nothing single is equal, a structure is taken apart or the examples are told apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from envsim.state import canonical
from worldmodel.results.choice import Question, far, tests_on
from worldmodel.results.evaluate import element, evaluate, listed
from worldmodel.results.figures import computed, read_as
from worldmodel.results.terms import (
    Amend,
    Const,
    Extend,
    Gather,
    If,
    Make,
    Read,
    Term,
    Text,
    Unknown,
    cost,
)
from worldmodel.results.view import View

ENOUGH = 0.995
"""An expression that gives so many needs nothing better."""
PROPOSERS = 6
"""Examples that expressions are proposed from."""
MAX_HOLES = 6
MAX_WORDS = 80
_WORDS = re.compile(r"[#\w]+(?:[.@-]\w+)*|\W")
DEPTH = 5
NAME_DISCOUNT = 1.0
"""By so much a value of the same name is the less far-fetched."""
MOST_TESTS = 24
"""Tests that tell examples apart best, and plainest ones, that are tried."""
MOST_OBJECTS = 32
"""Objects of lists that what each is is found from, or up to twice as many."""
LEAST_CASE = 3
"""Examples that a case must have."""

NOTHING = Read("")
"""What nothing is known of: it has no value anywhere."""

Example = tuple[View, Any]
Found = tuple[Term, float]
"""An expression, and the share of the examples that it gives."""


def explain(examples: Sequence[Example], depth: int = DEPTH, cases: bool = True, field: str = "") -> Found:
    """The expression that gives the value in most examples; of equals one that reads `field`, then the cheapest."""
    best = _best(examples, _proposals(examples), field)
    if best[1] >= ENOUGH or depth == 0:
        return best
    for attempt in (_text, _object, _list):
        found = attempt(examples, depth)
        if found is not None and found[1] > best[1]:
            best = found
    if best[1] < ENOUGH and cases:
        found = _cases(examples, depth)
        if found is not None and found[1] > best[1]:
            best = found
    return best


def explain_wording(examples: Sequence[Example]) -> Found:
    """As `explain`, of texts of one wording: words with a digit are read somewhere, were they the same in all."""
    found = _text(examples, 0)
    best = explain(examples)
    return found if found is not None and found[1] >= best[1] else best


def _share(term: Term, examples: Sequence[Example], least: float) -> float:
    """The share of the examples it gives; less than `least` may be cut short."""
    wrong, total = 0, len(examples)
    for view, value in examples:
        try:
            right = canonical(evaluate(term, view)) == canonical(value)
        except Unknown:
            right = False
        wrong += not right
        if total - wrong < least * total:
            return 0.0
    return (total - wrong) / total


def _best(examples: Sequence[Example], proposals: Counter[Term], field: str) -> Found:
    """`NOTHING` where nothing fits."""

    def price(term: Term) -> float:
        same = bool(field) and isinstance(term, Read) and term.name.endswith((f".{field}", f".{field})"))
        return cost(term) - same * NAME_DISCOUNT

    best: Found = (NOTHING, 0.0)
    ranked = sorted(proposals, key=lambda term: (-proposals[term], price(term), repr(term)))
    for term in ranked[:400]:
        share = _share(term, examples, best[1])
        if share > best[1] or (share == best[1] > 0 and price(term) < price(best[0])):
            best = (term, share)
        if best[1] == 1.0 and proposals[term] < proposals[ranked[0]]:
            break
    return best


def _spread(examples: Sequence[Example], count: int) -> list[Example]:
    step = max(1, len(examples) // count)
    return list(examples[::step][:count])


def _proposals(examples: Sequence[Example]) -> Counter[Term]:
    chosen = _spread(examples, PROPOSERS)
    constant = Counter(canonical(value) for _, value in examples)
    out: Counter[Term] = Counter(Const(text) for text, _ in constant.most_common(1) if _general(text, examples))
    for view, value in chosen:
        out.update(set(_plain(value, view)))
    for view, value in chosen if max(out.values(), default=0) < len(chosen) else ():
        out.update(set(computed(value, view)))
    return out


def _general(text: str, examples: Sequence[Example]) -> bool:
    """Whether a value may be the same everywhere: one that names or counts something not if one task alone has it."""
    groups = {view.group for view, _ in examples}
    if len(groups) < 2 or not any(c.isdigit() for c in text):
        return True
    return len({view.group for view, value in examples if canonical(value) == text}) > 1


def _holds_elsewhere(term: Term, examples: Sequence[Example]) -> bool:
    return not isinstance(term, Const) or _general(term.text, examples)


def _plain(value: Any, view: View) -> Iterator[Term]:
    # That a question happens to be answered yes does not make it the source of a truth value.
    asked = isinstance(value, bool)
    names = view.names_of(value)
    names = [name for name in names if not name.startswith("len(call.")]
    yield from (Read(name) for name in names if not asked or (" " not in name and not name.startswith("call.")))
    if isinstance(value, list) and len(value) > 1 and all(isinstance(each, str) for each in value):
        for name, known in view.values.items():
            if isinstance(known, list) and len(known) == len(value) and read_as(known, "sorted") == value:
                yield Read(name, "sorted")


# -- structures ----------------------------------------------------------------------------------------


def _text(examples: Sequence[Example], depth: int) -> Found | None:
    """Texts of as many words, those that differ explained one by one."""
    if not all(isinstance(value, str) for _, value in examples):
        return None
    words = [_WORDS.findall(value) for _, value in examples]
    if len({len(each) for each in words}) != 1 or len(words[0]) < 2 or len(words[0]) > MAX_WORDS:
        return None
    literals, parts = [""], list[Term]()
    for at, first in enumerate(words[0]):
        if all(each[at] == first for each in words) and not any(c.isdigit() for c in first):
            literals[-1] += first
            continue
        column = [(view, each[at]) for (view, _), each in zip(examples, words, strict=True)]
        parts.append(explain(column, 0)[0])
        literals.append("")
    if not parts or len(parts) > MAX_HOLES:
        return None
    term = Text(tuple(literals), tuple(parts))
    return term, _share(term, examples, 0.0)


def _object(examples: Sequence[Example], depth: int) -> Found | None:
    if not all(isinstance(value, dict) for _, value in examples):
        return None
    names = Counter(tuple(value) for _, value in examples).most_common(1)[0][0]
    rest = [(view, value) for view, value in examples if value.keys() == set(names)]
    if len(rest) < 0.9 * len(examples) or not names or len(names) > 40:
        return None
    items: list[tuple[str, Term]] = []
    for name in names:
        items.append((name, explain([(view, value[name]) for view, value in rest], depth - 1, field=name)[0]))
    made = Make(tuple(items))
    return made, _share(made, examples, 0.0)


def _list(examples: Sequence[Example], depth: int) -> Found | None:
    if not all(isinstance(value, list) for _, value in examples):
        return None
    found = [
        each
        for attempt in (_extended, _sometimes, _amended, _gathered)
        if (each := attempt(examples, depth)) is not None
    ]
    lengths = {len(value) for _, value in examples}
    if len(lengths) == 1 and 0 < min(lengths) <= 4:
        made = [explain([(view, value[at]) for view, value in examples], depth - 1)[0] for at in range(min(lengths))]
        made_list = Extend("", tuple(made))
        found.append((made_list, _share(made_list, examples, 0.0)))
    return max(found, key=lambda item: item[1], default=None)


def _bases(examples: Sequence[Example], fits: Any) -> list[str]:
    """Names of lists that fit the values in nearly all examples, the plainest first."""
    counts = Counter(
        name
        for view, value in examples
        for name, known in view.values.items()
        if isinstance(known, list) and known and fits(known, value)
    )
    enough = [name for name, count in counts.items() if count >= 0.8 * len(examples)]
    return sorted(enough, key=lambda name: (-counts[name], cost(Read(name)), name))[:3]


def _extended(examples: Sequence[Example], depth: int) -> Found | None:
    best: Found | None = None
    bases = _bases(examples, lambda known, value: len(known) < len(value) and value[: len(known)] == known)
    for base in (*bases, ""):
        fitting = [(v, x[len(listed(base, v)) :]) for v, x in examples if not base or isinstance(v.get(base), list)]
        objects = _bases(fitting, lambda known, tail: len(known) == len(tail) and isinstance(known[0], dict))
        for each in (*([""] if base else []), *objects):
            items = _tail(fitting, each, depth)
            if items is not None:
                term = Extend(base, items, each)
                share = _share(term, examples, 0.0)
                # Where one for each object fits as well and says something of it, there may be more of them elsewhere.
                says = "'each." in repr(items)
                if best is None or share > best[1] or (share == best[1] and says and "'each." not in repr(best[0])):
                    best = term, share
    return best


def _tail(fitting: Sequence[Example], each: str, depth: int) -> tuple[Term, ...] | None:
    if each:
        pairs = [
            (element(view, each, at), value)
            for view, tail in fitting
            if isinstance(view.get(each), list) and len(view.get(each)) == len(tail)
            for at, value in enumerate(tail)
        ]
        pairs = pairs[:: max(1, len(pairs) // MOST_OBJECTS)]
        return (explain(pairs, depth - 1)[0],)
    count = Counter(len(tail) for _, tail in fitting).most_common(1)[0][0]
    same = [(view, tail) for view, tail in fitting if len(tail) == count]
    if count > 3 or len(same) < 0.9 * len(fitting):
        return None
    return tuple(explain([(view, tail[at]) for view, tail in same], depth - 1)[0] for at in range(count))


def _sometimes(examples: Sequence[Example], depth: int) -> Found | None:
    """A list with more elements under a condition."""
    best: Found | None = None
    for base in _bases(examples, lambda known, value: len(known) <= len(value) and value[: len(known)] == known):
        known = [(view, value) for view, value in examples if isinstance(view.get(base), list)]
        longer = [len(value) > len(view.get(base)) for view, value in known]
        if min(sum(longer), len(longer) - sum(longer)) < LEAST_CASE:
            continue
        tests = sorted(tests_on([view for view, _ in known]), key=lambda test: (far(test), repr(test)))
        test = max(
            tests, key=lambda t: sum(t.holds(view) == more for (view, _), more in zip(known, longer, strict=True))
        )
        found = _extended([item for item, more in zip(known, longer, strict=True) if more], depth)
        if found is not None:
            term = If(test.name, test.how, test.value, found[0], Read(base))
            share = _share(term, examples, 0.0)
            best = (term, share) if best is None or share > best[1] else best
    return best


def _amended(examples: Sequence[Example], depth: int) -> Found | None:
    def fits(known: Any, value: Any) -> bool:
        objects = isinstance(known[0], dict) and len(known) == len(value) and isinstance(value[0], dict)
        return objects and known[0].keys() == value[0].keys()

    best: Found | None = None
    for base in _bases(examples, fits):
        joins = Counter(
            name for view, _ in examples for name in view.values if name.startswith("arg.") and f"{name}~{base}" in view
        )
        for wanted, _ in joins.most_common(2):
            term = _amend(examples, base, wanted, depth)
            share = _share(term, examples, 0.0) if term is not None else 0.0
            if term is not None and (best is None or share > best[1]):
                best = term, share
    return best


def _amend(examples: Sequence[Example], base: str, wanted: str, depth: int) -> Amend | None:
    pairs: list[tuple[View, dict[str, Any]]] = []
    changed: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    for view, value in examples:
        old, keys = view.get(base), view.get(wanted)
        if not isinstance(old, list) or not isinstance(keys, list) or len(old) != len(value):
            continue
        for at, key in enumerate(keys):
            place = next((i for i, one in enumerate(old) if key in one.values()), None)
            if place is None:
                continue
            fields.update(field for field, known in old[place].items() if known == key)
            changed.update(k for k in value[place] if canonical(value[place][k]) != canonical(old[place].get(k)))
            pairs.append((view.with_names(view.each(at, len(keys))), value[place]))
    names = [name for name, count in changed.items() if count >= 0.1 * len(pairs)]
    if not pairs or not fields or not names:
        return None
    columns = {name: [(view, value[name]) for view, value in pairs if name in value] for name in names}
    items = [(name, explain(column, depth - 1, field=name)[0]) for name, column in columns.items()]
    return Amend(base, fields.most_common(1)[0][0], wanted, tuple(items))


def _gathered(examples: Sequence[Example], depth: int) -> Found | None:
    best: Found | None = None

    def fits(known: Any, value: Any) -> bool:
        return isinstance(known[0], dict) and len(known) >= len(value) and all(one in known for one in value)

    asked = {n for view, _ in examples for n in view.values if n.startswith("arg.") and type(view.get(n)) is int}
    for base in _bases([item for item in examples if item[1]], fits):
        known = (view.get(base) for view, _ in examples)
        first: dict[str, Any] = next((each[0] for each in known if isinstance(each, list) and each), {})
        for by in [name for name, value in first.items() if isinstance(value, str)]:
            for limit in ("", *sorted(asked)):
                share = _share(Gather(base, by, limit), examples, best[1] if best else 0.0)
                if best is None or share > best[1]:
                    best = Gather(base, by, limit), share
    return best


# -- cases ---------------------------------------------------------------------------------------------


def _cases(examples: Sequence[Example], depth: int) -> Found | None:
    """A test that tells the examples apart into two parts, each explained by itself."""
    plain = all(not isinstance(value, dict | list) for _, value in examples)
    if not plain or len(examples) < 2 * LEAST_CASE:
        return None
    best: Found | None = None
    values = [canonical(value) for _, value in examples]
    groups: dict[tuple[bool, ...], Question] = {}
    for test in sorted(tests_on([view for view, _ in examples]), key=lambda test: (far(test), repr(test))):
        sides = tuple(test.holds(view) for view, _ in examples)
        if min(sum(sides), len(sides) - sum(sides)) >= LEAST_CASE:
            groups.setdefault(sides, test)
    plainest = list(groups)[:MOST_TESTS]
    telling = sorted(groups, key=lambda sides: _mixed(values, sides))[:MOST_TESTS]
    for sides in dict.fromkeys((*telling, *plainest)):
        test = groups[sides]
        yes = explain([item for item, side in zip(examples, sides, strict=True) if side], 0, cases=False)
        no = explain([item for item, side in zip(examples, sides, strict=True) if not side], 0, cases=False)
        if not (_holds_elsewhere(yes[0], examples) and _holds_elsewhere(no[0], examples)):
            continue
        share = (yes[1] * sum(sides) + no[1] * (len(sides) - sum(sides))) / len(sides)
        if best is None or share > best[1] + 0.005:
            best = If(test.name, test.how, test.value, yes[0], no[0]), share
    return best


def _mixed(values: Sequence[str], sides: Sequence[bool]) -> int:
    """How many examples do not have the value that is the most frequent on their side."""
    yes = Counter(value for value, side in zip(values, sides, strict=True) if side)
    no = Counter(value for value, side in zip(values, sides, strict=True) if not side)
    return len(values) - max(yes.values()) - max(no.values())
