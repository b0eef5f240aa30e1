"""What a call is refused for: a test for each kind of refusal, believed from few examples.

A tool looks before it acts: whether the card is the customer's, whether it holds enough, whether the day is past. Such
tests are few and of simple forms, and a refusal says in words what was looked at. So where refusals come from too few
tasks for a tree, the forms are tried one by one, and one is believed that is true of all refusals of a wording and of
no call that went well; of several, the one that speaks of what the wording speaks of.

::

    lacks    arg.card_id in …cards               a table or list does not have it
    is       prefix(arg.card_id) "voucher_"      it is of a kind that cannot be used
    before   each(arg.legs[].date)  now          the day has passed: `now` is the latest stamp of any result
    less     …cards[arg.card_id].amount  would.amount      there is less of it than the answer would take
    differs  sum(arg.payments[].amount)  sum(…prices)      two figures, of which the refusal tells one, are not equal
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from envsim.state import canonical
from worldmodel.results.calls import strings
from worldmodel.results.evaluate import evaluate
from worldmodel.results.terms import Combine, Extend, If, Make, Read, Term, Unknown
from worldmodel.results.view import View

HOWS = ("lacks", "is", "before", "less", "differs")
"""Forms of tests, what is looked up before what is counted."""
MANY_GROUPS = 8
"""Refusals met in so many tasks are told apart by trees."""
MOST_TRIED = 400
"""Calls that went well, and refused ones of a kind, that a test is tried on."""
MOST_REFUSED = 8
"""Refused calls that tests are proposed from."""
MOST_FIGURES = 48
"""Figures a side, the plainest, of tests that compare two."""
LEAST_PASSED = 2
"""Calls that went well of which a test must be known to be false."""
FALSE_ALARMS = 0.02
"""Share of the calls that went well of which it may be true: what is believed of rows is not always so."""
WOULD = "would."
"""Begins the names of what an answer would say."""
CULPRIT = "culprit"
"""Names the element of a list that a call is refused for."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ASIDE = re.compile(r"\[\d+\]|\[[^]]*>|untold|least\(")
_ASKED = re.compile(r"would\.|arg\.[^>~]*$|(len|sum)\(arg\.[^>~]*\)$")
_SUMS = re.compile(r"sum\(|product\(|first |no ")
_NUMBER = re.compile(r"(?<![\w.-])-?[0-9]+(?:\.[0-9]+)?(?![\w-])")
_COMMON = re.compile(
    r"\b(and|are|arg|been|but|can|cannot|could|does|each|error|for|has|have|len|may|must|not|now|sum|that|the|this|told|was"
    r"|were|with|would|you|your)\b"
)


@dataclass(frozen=True)
class Guard:
    """When a call is refused.

    Attributes:
        label: The kind of refusal.
        how: One of `HOWS`.
        name: Of the value looked at.
        other: What it is compared with: JSON text for ``is``, else a name; "" for ``lacks``.
        over: A list of arguments, where the test is of each element and one is enough; else "".
        usual: Arguments that were the same in all recorded calls, and their values as JSON. With another one two
            figures may differ for a reason that nobody has seen: something else is charged for.
    """

    label: str
    how: str
    name: str
    other: str = ""
    over: str = ""
    usual: tuple[tuple[str, str], ...] = ()

    def holds(self, view: View) -> bool | None:
        """Whether the call is refused for it; None where that is not known."""
        return self.look(view)[0]

    def look(self, view: View) -> tuple[bool | None, int]:
        """Also the number of the first element that it holds of."""
        if any(name in view and canonical(view.get(name)) != value for name, value in self.usual):
            return None, -1
        if not self.over:
            return self._of(view.values), -1
        found = [self._of(one) for one in elements(view, self.over, (self.name, self.other))]
        if True in found:
            return True, found.index(True)
        return (None if None in found or not found else False), -1

    def _of(self, values: Mapping[str, Any]) -> bool | None:
        if self.name not in values or (self.how not in ("lacks", "is") and self.other not in values):
            return None
        known, other = values[self.name], values.get(self.other)
        if self.how == "lacks":
            return not known if isinstance(known, bool) else None
        if self.how == "is":
            return canonical(known) == self.other
        if self.how == "before":
            return known < other if _is_day(known) and _is_day(other) else None
        if type(known) not in (int, float) or type(other) not in (int, float):
            return None
        return bool(known < other if self.how == "less" else known != other)

    def told(self, view: View) -> View:
        """The view of a call that is refused for it, with the fields of the culprit, or the figures that differ."""
        if self.how == "differs":
            return view.with_names({f"{CULPRIT}.one": view.get(self.name), f"{CULPRIT}.two": view.get(self.other)})
        at = self.look(view)[1]
        if at < 0:
            return view
        found = view.get(self.over)[at]
        fields = found if isinstance(found, dict) else {}
        return view.with_names({CULPRIT: found, **{f"{CULPRIT}.{name}": each for name, each in fields.items()}})

    def to_json(self) -> list[Any]:
        """See `guard_from_json`."""
        return [self.label, self.how, self.name, self.other, self.over, *map(list, self.usual)]


def guard_from_json(data: Any) -> Guard:
    """What `Guard.to_json` wrote.

    Raises:
        ValueError: It is not.
    """
    texts, pairs = (data[:5], data[5:]) if isinstance(data, list) else ([], [])
    usual = [tuple(each) for each in pairs if isinstance(each, list) and len(each) == 2]
    flat = [*texts, *(text for each in usual for text in each)]
    if len(texts) != 5 or len(usual) != len(pairs) or not all(isinstance(text, str) for text in flat):
        raise ValueError(f"no guard: {str(data)[:80]}")
    if texts[1] not in HOWS:
        raise ValueError(f"no guard: {texts[1]}")
    label, how, name, other, over = texts
    return Guard(label, how, name, other, over, tuple(usual))


def elements(view: View, over: str, wanted: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """For each element of a list of arguments, what is known in all, and of it; of the wanted names, or of all."""
    value = view.get(over)
    count = len(value) if isinstance(value, list) else 0
    names = [name.removeprefix("each(")[:-1] for name in wanted if name.startswith("each(")] if wanted else view.values
    columns = {name: view.get(name) for name in names if _is_column(name, view.get(name), over, count)}
    found = {name: view.get(name) for name in wanted if name in view} if wanted else view.values
    return [
        {**found, **{f"each({name})": each[at] for name, each in columns.items() if each[at] is not None}}
        for at in range(count)
    ]


def _is_column(name: str, value: Any, over: str, count: int) -> bool:
    return over in name and isinstance(value, list) and len(value) == count


def _is_day(value: Any) -> bool:
    return isinstance(value, str) and _DAY.match(value) is not None


def with_would(view: View, terms: Iterable[Term]) -> View:
    """The view with the figures that answers by these terms would compute; the first of a name counts."""
    found: dict[str, float] = {}
    for term in terms:
        for field, inner in _computed(term):
            try:
                value = evaluate(inner, view)
            except Unknown:
                continue
            if type(value) in (int, float):
                found.setdefault(WOULD + field, value)
    return view.with_names(found) if found else view


def _computed(term: Term, field: str = "") -> Iterator[tuple[str, Term]]:
    """The fields of objects whose values are computed."""
    match term:
        case Make(items):
            for name, inner in items:
                yield from _computed(inner, name)
        case Extend(_, items, ""):
            for inner in items:
                yield from _computed(inner, field)
        case If(_, _, _, yes, no):
            if field and [*_computed(yes, field), *_computed(no, field)]:
                yield field, term
        case Combine() if field:
            yield field, term
        case Read(name) if field and " " in name:
            yield field, term


# -- learning ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """A recorded call.

    Attributes:
        view: What was known before its answer, its group set.
        label: Of the answer.
        refusal: What it says if it is a refusal, else None.
    """

    view: View
    label: str
    refusal: str | None


def learn_guards(calls: Sequence[Tried], terms: Sequence[Term]) -> tuple[Guard, ...]:
    """Of the calls of one tool; in the order in which the tool looks.

    Args:
        calls: Recorded; `with_would` their views.
        terms: What its answers say.
    """
    groups: dict[str, set[str]] = {}
    for call in calls:
        if call.refusal is not None:
            groups.setdefault(call.label, set()).add(call.view.group)
    few = sorted(label for label, met in groups.items() if len(met) < MANY_GROUPS)
    if not few:
        return ()
    passed = _some([call for call in calls if call.refusal is None])
    said = repr(terms)
    used = {name for name in set().union(*(call.view.values for call in calls)) if _is_used(name, said)}
    learned = (_learn(label, _some([call for call in calls if call.label == label]), passed, used) for label in few)
    found = [guard for guard in learned if guard is not None]
    return _in_order(found, calls)


def _some(calls: Sequence[Tried]) -> Sequence[Tried]:
    return calls[:: max(1, len(calls) // MOST_TRIED)][:MOST_TRIED]


def _learn(label: str, refused: Sequence[Tried], passed: Sequence[Tried], used: set[str]) -> Guard | None:
    scored = []
    for guard in dict.fromkeys(_candidates(label, refused, used)):
        score = _score(guard, refused, passed, used)
        if score is not None:
            scored.append((score, guard))
    best = max(scored, key=lambda item: (item[0], repr(item[1])), default=(0.0, None))[1]
    return replace(best, usual=_usual([*refused, *passed])) if best is not None and best.how == "differs" else best


def _usual(calls: Sequence[Tried]) -> tuple[tuple[str, str], ...]:
    """The plain arguments that are the same in all calls."""
    values: dict[str, set[str]] = {}
    for call in calls:
        for name, each in call.view.values.items():
            if name.startswith("arg.") and name.count(".") == 1 and " " not in name and ">" not in name:
                values.setdefault(name, set()).add("" if isinstance(each, dict | list) else canonical(each))
    return tuple((name, min(found)) for name, found in sorted(values.items()) if len(found) == 1 and "" not in found)


def _candidates(label: str, refused: Sequence[Tried], used: set[str]) -> Iterator[Guard]:
    for view in [call.view for call in refused[:: max(1, len(refused) // MOST_REFUSED)][:MOST_REFUSED]]:
        yield from _on(label, "", view.values, _figures_of(refused), used)
        for over, value in view.values.items():
            if over.startswith("arg.") and isinstance(value, list) and not any(c in over for c in ">~[("):
                for one in elements(view, over):
                    yield from _on(label, over, one, set(), used)


def _figures_of(refused: Sequence[Tried]) -> set[float]:
    return {float(number) for call in refused for number in _NUMBER.findall(call.refusal or "")}


def _on(label: str, over: str, values: Mapping[str, Any], said: set[float], used: set[str]) -> Iterator[Guard]:
    """Tests that are true of a refused call."""
    # What stands at a place of a list is looked at with `elements`; an entry by way of another row was not asked for.
    near = {name: each for name, each in values.items() if not _ASIDE.search(name)}
    own = {name: each for name, each in near.items() if not over or (name.startswith("each(") and over in name)}
    for name, known in own.items():
        if known is False and " in " in name:
            yield Guard(label, "lacks", name, "", over)
        if isinstance(known, str) and 0 < len(known) <= 40 and not any(c.isdigit() for c in known):
            yield Guard(label, "is", name, canonical(known), over)
        if _is_day(known) and name != "now" and "now" in values and known < values["now"]:
            yield Guard(label, "before", name, "now", over)
    yield from (Guard(label, *each, over) for each in _compared(own, near, said, used))


def _compared(
    own: Mapping[str, Any], values: Mapping[str, Any], said: set[float], used: set[str]
) -> Iterator[tuple[str, str, str]]:
    """Tests of two figures: what a row holds and what is asked for, two that a refusal tells, two lengths."""
    rows = {name: each for name, each in own.items() if (">" in name or "~" in name) and not _SUMS.match(name)}
    held = _plainest(rows)
    asked = _plainest({name: each for name, each in values.items() if _ASKED.match(name) or name in used})
    for name, known in held.items():
        yield from (("less", name, other) for other, each in asked.items() if name not in other and known < each)
    figures = {name: each for name, each in own.items() if type(each) in (int, float)}
    told = _plainest({name: each for name, each in figures.items() if float(each) in said})
    for one, known in told.items():
        yield from (("differs", one, other) for other, each in told.items() if one < other and known != each)
    lengths = {name: each for name, each in figures.items() if name.startswith("len(")}
    for one, known in lengths.items():
        for other, each in lengths.items():
            if one < other and known != each and _field(one) == _field(other):
                yield "differs", one, other


def _is_used(name: str, said: str) -> bool:
    """Whether answers are computed by a figure, alone or times another."""
    return f"'{name}'" in said or f"'{name} * " in said


def _plainest(values: Mapping[str, Any]) -> dict[str, float]:
    figures = [name for name, each in values.items() if type(each) in (int, float)]
    return {name: values[name] for name in sorted(figures, key=lambda name: (_far(name), name))[:MOST_FIGURES]}


def _score(guard: Guard, refused: Sequence[Tried], passed: Sequence[Tried], used: set[str]) -> float | None:
    """How much speaks for a test; None where it does not tell these refusals from the calls that went well."""
    outcomes = _outcomes(guard, refused, False, 0.0)
    alarms = Counter(_outcomes(guard, passed, True, FALSE_ALARMS * len(passed))) if True in outcomes else Counter()
    if False in outcomes or alarms[False] < LEAST_PASSED or alarms[True] > FALSE_ALARMS * alarms[False]:
        return None
    groups = len({call.view.group for call, held in zip(refused, outcomes, strict=True) if held})
    wording, names = _words(guard.label), _words(_names_of(guard))
    shared = len(wording & (names | _ids_of(guard, refused)))
    alike = guard.how in ("less", "differs") and _field(guard.name) == _field(guard.other)
    # Of one task many figures are less than others: whose card it is does not make its refusal one of any figure of it.
    if groups < 2 and not (alike or wording & names if guard.how == "less" else shared):
        return None
    named = sum(name in used for name in (guard.name, guard.other))
    very = guard.how == "is" and _words(guard.other) <= wording
    if guard.how == "is" and not wording & _words(guard.other):
        return None
    known = outcomes.count(True) / len(outcomes)
    return 2.0 * shared + groups + 1.5 * alike + named + 1.5 * very + known - _far(guard.name) - _far(guard.other)


def _outcomes(guard: Guard, calls: Sequence[Tried], unwanted: bool, most: float) -> list[bool | None]:
    """Of each call; no further than is needed to see that too many have the unwanted one."""
    out: list[bool | None] = []
    for call in calls:
        out.append(guard.holds(call.view))
        if out[-1] is unwanted and out.count(unwanted) > most:
            break
    return out


def _names_of(guard: Guard) -> str:
    """What a test looks at, without the way there."""
    tails = (re.sub(r"\[[^]]*\]", "", re.split("[>~]", name)[-1]) for name in (guard.name, guard.other))
    return " ".join((guard.over, *(tail.partition(".")[2] or tail for tail in tails)))


def _ids_of(guard: Guard, refused: Sequence[Tried]) -> set[str]:
    """Words that the ids have in common by which it does so."""
    ids = set(re.findall(r"arg\.\w+", guard.name))
    common = [" ".join(text for name in ids for text in strings(call.view.get(name))) for call in refused]
    return set.intersection(*map(_words, common))


def _words(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]{3,}", _COMMON.sub(" ", text.lower().replace("_", " ")))
    return {word.removesuffix("s") for word in words}


def _field(name: str) -> str:
    return name.rstrip(")").rpartition(".")[2]


def _far(name: str) -> float:
    return 0.1 * sum(name.count(c) for c in ">~[.*(") + 0.004 * len(name)


def _in_order(guards: Sequence[Guard], calls: Sequence[Tried]) -> tuple[Guard, ...]:
    """A call refused for one thing though another holds as well shows which of them is looked at first."""
    wins: Counter[str] = Counter()
    for one in guards:
        for call in calls:
            for other in guards if call.label == one.label else ():
                if other.label != one.label and other.holds(call.view):
                    wins[one.label] += 1
                    wins[other.label] -= 1
    return tuple(sorted(guards, key=lambda g: (-wins[g.label], not g.over, HOWS.index(g.how), g.label)))
