"""All that is known of how tools answer: for each tool which kind of answer follows, and what it says."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envsim.rng import Rng
from envsim.state import canonical
from worldmodel.document import Lines, dump, meta, result_lines
from worldmodel.results.calls import arguments_of, is_error, label_of, strings, tool_of, value_of
from worldmodel.results.choice import FEW_GROUPS, Tree, grow
from worldmodel.results.evaluate import evaluate
from worldmodel.results.explain import Example, Found, explain, explain_wording
from worldmodel.results.guards import Guard, Tried, guard_from_json, learn_guards, with_would
from worldmodel.results.hidden import Call, Effect, after, call_of, carry_out, effect_from_json, learn_effects
from worldmodel.results.implied import Believed, Rows, collection_of, group_of
from worldmodel.results.terms import Term, Unknown, from_json, to_json
from worldmodel.results.view import View, look
from worldmodel.session import Sample, Situation

MOST = 80
"""Examples that what a kind of answer says is learned from."""
WELL = 16
"""Examples of which most is known, at least."""
GUARDED = 0.9
"""How sure a refusal is for which the test is believed."""
SLACK = 0.02
"""Share of an answer's texts by which the others of them may be less known."""
MOST_CHECKED = 400
"""Examples that it is checked on."""
MOST_CHOICES = 1500
"""Examples that a tool's choice of answer is learned from."""
MOST_FOLLOWED = 6000
"""Calls that effects are learned from."""
LEAST = 1
"""Calls a tool must have been recorded with."""
LEAST_SURE = 0.3
"""What gives a smaller share of recorded answers is no program of them."""
LEAST_AGAIN = 4
"""Refused calls made again that tell what becomes of them."""
NEVER_SEEN = 0.1
"""What is left of an answer's support where nobody saw the row: how often such calls go well is of the traffic."""
UNKNOWN, UNFIT = "?", "!"
"""Stand for all tools that there are not, and for all calls that lack an argument."""


@dataclass(frozen=True)
class Written:
    """An answer as far as programs tell.

    Attributes:
        label: The kind of answer.
        lines: The document; None where it says what is not known.
        sure: How far to believe it, in [0, 1].
    """

    label: str
    lines: Lines | None
    sure: float


@dataclass(frozen=True)
class Saying:
    """What a kind of answer says, and the share of recorded ones that this gives."""

    term: Term
    sure: float


@dataclass(frozen=True)
class Program:
    """What is known of one tool: which kind of answer follows, what each says and changes unseen."""

    choice: Tree
    sayings: dict[str, Saying]
    guards: tuple[Guard, ...] = ()

    def terms(self) -> list[Term]:
        """What its kinds of answer say, as far as it is to be believed."""
        return [saying.term for _, saying in sorted(self.sayings.items()) if saying.sure >= LEAST_SURE]

    def decide(self, view: View) -> tuple[str, float, View]:
        """Which kind of answer follows, how sure that is, and the view that it is to be written from."""
        seen = with_would(view, self.terms()) if self.guards else view
        for guard in self.guards:
            if guard.holds(seen):
                return guard.label, GUARDED, guard.told(seen)
        return *self.choice.decide(view)[0], view


@dataclass
class Results:
    """See the module.

    Attributes:
        start: Rows that sessions begin with.
        needs: By tool that there is, the arguments that it cannot be called without.
        programs: By tool; `UNKNOWN` for those that there are not, `UNFIT` for calls that lack an argument.
        effects: By tool and kind of answer, what it changes unseen.
        again: The share of refused calls, made again, that were refused in the same words.
    """

    start: Believed
    needs: dict[str, tuple[str, ...]]
    programs: dict[str, Program] = field(default_factory=dict)
    effects: dict[tuple[str, str], tuple[Effect, ...]] = field(default_factory=dict)
    again: float = 0.0

    @classmethod
    def empty(cls, found: Iterable[Sample], tools: Sequence[Mapping[str, Any]] = ()) -> Results:
        """What recorded calls show of rows and tools, without any program.

        Args:
            found: Recorded requests; those of browsers are left out.
            tools: Function schemas, as far as they are known.
        """
        calls = [sample for sample in found if sample.situation.request.lines[0].startswith("call ")]
        return cls(Believed(calls), _needs(calls, tools))

    @classmethod
    def learn(cls, found: Iterable[Sample], tools: Sequence[Mapping[str, Any]] = (), seed: int = 0) -> Results:
        """From recorded requests. See `empty`."""
        found = list(found)
        out = cls.empty(found, tools)
        by_tool: dict[str, list[Sample]] = defaultdict(list)
        for sample in found:
            if sample.situation.request.lines[0].startswith("call "):
                by_tool[out._operation(sample.situation)].append(sample)
        out.effects = learn_effects(out._sessions(found))
        out.again = _again(found)
        for name, samples in sorted(by_tool.items()):
            if len(samples) >= LEAST:
                out.programs[name] = out._learn(samples, Rng(seed, "results", name))
        return out

    def _sessions(self, found: Sequence[Sample]) -> list[list[Call]]:
        by_session: dict[str, list[Sample]] = defaultdict(list)
        for sample in found[:MOST_FOLLOWED]:
            by_session[sample.session].append(sample)
        return [
            [call_of(s, self._operation(s.situation), *self._before(s.situation, group_of(s))) for s in samples]
            for samples in by_session.values()
        ]

    def _learn(self, found: Sequence[Sample], rng: Rng) -> Program:
        chosen = [found[i] for i in sorted(rng.sample(range(len(found)), MOST_CHOICES))]
        views = [self.view(sample.situation, group_of(sample)) for sample in chosen]
        for sample, view in zip(chosen, views, strict=True):
            view.group = group_of(sample)
        labels = [_label(sample) for sample in chosen]
        by_label: dict[str, list[Example]] = defaultdict(list)
        for sample, view, label in zip(chosen, views, labels, strict=True):
            by_label[label].append((view, _said(sample.target)))
        program = Program(Tree(), {label: _learn_saying(examples) for label, examples in sorted(by_label.items())})
        seen = [with_would(view, program.terms()) for view in views]
        guards = learn_guards(list(map(_tried, chosen, seen)), program.terms())
        sayings = dict(program.sayings)
        for guard in guards:
            refused = [i for i, label in enumerate(labels) if label == guard.label]
            examples = [(guard.told(seen[i]), _said(chosen[i].target)) for i in refused]
            sayings[guard.label] = _learn_saying(examples, explain_wording)
        known = {guard.label for guard in guards} | _of_one_group(chosen, labels)
        free = [i for i, label in enumerate(labels) if label not in known]
        return Program(grow([views[i] for i in free], [labels[i] for i in free]), sayings, guards)

    def view(self, situation: Situation, without: str | None = None) -> View:
        """What is known before the answer; `without` leaves out what a group of training sessions saw."""
        return self._before(situation, without)[0]

    def _before(self, situation: Situation, without: str | None) -> tuple[View, Rows]:
        rows = Rows(self.start, without and without.partition("@")[0], situation.state)
        for number, (key, target) in enumerate(situation.past):
            effects = self.effects.get((self._known_as(key), label_of(key, target)), ()) if key[:5] == "call " else ()
            view = self._look(key, situation.past[:number], rows) if effects else None
            rows.take(key, target)
            if view is not None:
                carry_out(effects, after(view, value_of(target)), rows)
        return self._look(situation.request.key, situation.past, rows), rows

    def _look(self, key: str, past: Sequence[tuple[str, Lines]], rows: Rows) -> View:
        name, asked = tool_of(key), arguments_of(key)
        missing = [each for each in self.needs.get(name, ()) if each not in asked]
        before = next((target for old, target in reversed(past) if old == key), None)
        more: dict[str, Any] = {
            "call.name": name,
            "call.missing": missing,
            "len(call.missing)": len(missing),
            "call.again": before is not None,
            "call.failed before": before is not None and is_error(before),
        }
        if rows.now:
            more["now"] = rows.now
        more |= {f"call.missing[{number}]": each for number, each in enumerate(missing[:4])}
        return look(asked, rows, more)

    def answer(self, situation: Situation, without: str | None = None) -> Written | None:
        """What a call is answered; None for a tool that was hardly ever recorded."""
        if not situation.request.lines[0].startswith("call "):
            return None
        program = self.programs.get(self._operation(situation))
        if program is None:
            return None
        refused = _refused_before(situation)
        written = self._written(program, situation, without)
        if refused is None or written.sure >= self.again:
            return written
        return Written(label_of(situation.request.key, refused), refused, self.again)

    def _written(self, program: Program, situation: Situation, without: str | None) -> Written:
        view = self.view(situation, without)
        label, share, view = program.decide(view)
        saying = program.sayings.get(label)
        if saying is None or saying.sure < LEAST_SURE:
            return Written(label, None, 0.0)
        try:
            sure = share * saying.sure * (NEVER_SEEN if _never_seen(situation, view) else 1.0)
            return Written(label, _lines(label, evaluate(saying.term, view)), sure)
        except Unknown:
            return Written(label, None, 0.0)

    def _operation(self, situation: Situation) -> str:
        return self._known_as(situation.request.key)

    def _known_as(self, key: str) -> str:
        needs = self.needs.get(name := tool_of(key))
        if needs is None:
            return UNKNOWN
        return name if arguments_of(key).keys() >= set(needs) else UNFIT

    def read(self, data: Any) -> None:
        """Take over what `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            for name, entry in data["tools"].items():
                guards = tuple(guard_from_json(each) for each in entry["guards"])
                sayings = {str(k): Saying(from_json(term), float(sure)) for k, (term, sure) in entry["says"].items()}
                self.programs[str(name)] = Program(Tree.from_json(entry["choice"]), sayings, guards)
            self.again = float(data["again"])
            for name, label, effects in data["effects"]:
                self.effects[str(name), str(label)] = tuple(effect_from_json(each) for each in effects)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no programs: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The programs; rows and tools are found again in the dataset (`empty`)."""
        tools = {
            name: {"choice": program.choice.to_json(), "guards": [guard.to_json() for guard in program.guards],
                   "says": {label: [to_json(s.term), s.sure] for label, s in program.sayings.items()}}
            for name, program in self.programs.items()
        }  # fmt: skip
        effects = [[*kind, [each.to_json() for each in found]] for kind, found in sorted(self.effects.items())]
        return {"tools": tools, "effects": effects, "again": self.again}


def _refused_before(situation: Situation) -> Lines | None:
    """What the same call was refused with last time in this session; None where it was not made, or went well."""
    key = situation.request.key
    before = next((target for old, target in reversed(situation.past) if old == key), None)
    return before if before is not None and is_error(before) else None


def _again(found: Iterable[Sample]) -> float:
    """The share of refused calls, made again, that were answered alike; 0 where there are too few to tell."""
    calls = [s for s in found if s.situation.request.lines[0].startswith("call ")]
    both = [(before, s.target) for s in calls if (before := _refused_before(s.situation)) is not None]
    alike = sum(_said(before) == _said(target) for before, target in both)
    return round((alike + 0.5) / (len(both) + 1.0), 4) if len(both) >= LEAST_AGAIN else 0.0


def _never_seen(situation: Situation, view: View) -> bool:
    """Whether the call names an id whose row, or entry of a table, nothing has shown."""
    asked = arguments_of(situation.request.key)
    names = [f"arg.{name}" for name, value in asked.items() if isinstance(value, str) and collection_of(name)]
    return any(not any(known.startswith(f"{name}>") or f"[{name}]" in known for known in view.values) for name in names)


def _label(sample: Sample) -> str:
    return label_of(sample.situation.request.key, sample.target)


def _of_one_group(found: Sequence[Sample], labels: Sequence[str]) -> set[str]:
    """Refusals that one group of several met: what tells its calls from others tells nothing of others."""
    groups: dict[str, set[str]] = defaultdict(set)
    for sample, label in zip(found, labels, strict=True):
        groups[label].add(group_of(sample))
    refused = {label for sample, label in zip(found, labels, strict=True) if is_error(sample.target)}
    several = len(set().union(*groups.values())) >= FEW_GROUPS
    return {label for label in refused if len(groups[label]) == 1} if several and len(refused) < len(groups) else set()


def _tried(sample: Sample, view: View) -> Tried:
    return Tried(view, _label(sample), str(_said(sample.target)) if is_error(sample.target) else None)


def _said(target: Lines) -> Any:
    return meta(target, "error") or value_of(target)


def _lines(label: str, value: Any) -> Lines:
    if label.startswith("error "):
        return (f"@error {dump(value)}",)
    if value == "":
        return ()
    return result_lines(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _learn_saying(examples: Sequence[Example], by: Callable[[Sequence[Example]], Found] = explain) -> Saying:
    """From the examples that most is known of; how sure it is comes from all of which enough is known."""
    drawn = examples[:: max(1, len(examples) // MOST_CHECKED)][:MOST_CHECKED]
    known = [_known(view, value) for view, value in drawn]
    least = sorted(known, reverse=True)[min(WELL, len(known)) - 1]
    chosen = [i for i, share in enumerate(known) if share >= min(least, max(known) - SLACK)]
    step = max(1, len(chosen) // MOST)
    term = by([drawn[i] for i in chosen[::step][:MOST]])[0]
    right = count = 0
    for view, value in drawn:
        try:
            right += canonical(evaluate(term, view)) == canonical(value)
            count += 1
        except Unknown:
            continue
    return Saying(term, round((right + 0.5) / (count + 1.0), 4))


def _known(view: View, value: Any) -> float:
    """The share of an answer's texts that stand in the view: only of these can a program be found."""
    # Words such as a status are the app's own, and no sign that a row was never seen.
    wanted = {text for text in strings(value) if any(c.isdigit() for c in text)}
    found = wanted & {text for known in view.values.values() for text in strings(known)}
    return len(found) / len(wanted) if wanted else 1.0


def _needs(calls: Sequence[Sample], tools: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By tool that there is, what it cannot be called without: by its schema, else by the calls that went well."""
    out: dict[str, tuple[str, ...]] = {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    for sample in calls:
        if not is_error(sample.target):
            name = tool_of(sample.situation.request.key)
            total[name] += 1
            counts[name].update(arguments_of(sample.situation.request.key).keys())
    for name, count in sorted(total.items()):
        out[name] = tuple(sorted(each for each, n in counts[name].items() if n == count))
    for tool in tools:
        required = (tool.get("parameters") or {}).get("required")
        if isinstance(required, list):
            out[str(tool["name"])] = tuple(map(str, required))
    return out
