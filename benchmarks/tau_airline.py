"""The world model on real tool traffic: GPT-4o on tau-bench airline, split by held-out task.

    python benchmarks/tau_airline.py

Ingests 160 recorded sessions, trains on three quarters of the tasks, predicts every tool result of the
others one step at a time (teacher-forced), and rewrites its section of benchmarks/RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from results import Goal, machine, markdown_table, update_section
from tool_programs import programs_alone

from envsim.ingest.pipeline import ingest
from envsim.trace import Trace, TraceReader
from envsim.types import Action
from worldmodel.checkpoint import load_model
from worldmodel.conformal import auroc
from worldmodel.metrics import Metrics
from worldmodel.predict import Predictor, Scored, evaluate, predictors
from worldmodel.results.calls import strings
from worldmodel.train import Args, train

REPO = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("ENVSIM_DATA", REPO.parent / "shared" / "data")) / "tau_airline_gpt4o" / "trajectories.jsonl"
WRITES = ("book_", "cancel_", "update_", "send_")
GROUPS = ("all", "seen", "unseen", "no entity", "seen, writes", "unseen, writes")

Entity = tuple[str, ...]
Place = tuple[str, int]
"""(session, step)."""
Shares = dict[str, float | None]
"""By group of calls; None where there are none."""


def entity_of(action: Action) -> Entity | None:
    """What a call is about: a reservation, a user, or a route on a day; None for `think`, `calculate`..."""
    arguments = action.arguments
    for key in ("reservation_id", "user_id"):
        if key in arguments:
            return (str(arguments[key]),)
    if "origin" in arguments and "date" in arguments:
        return (action.name, str(arguments["origin"]), str(arguments["destination"]), str(arguments["date"]))
    return None


def shown(result: str, action: Action) -> set[Entity]:
    """Entities whose details a result shows."""
    entity = entity_of(action)
    found = {entity} if entity and not result.startswith("Error") else set()
    return found | {(match,) for match in re.findall(r'"reservation_id": "(\w+)"', result)}


def split(traces: Path, out: Path) -> tuple[Path, Path]:
    """Copy the sessions into train/ and test/: every fourth task is held out."""
    for path in sorted(traces.glob("task-*.jsonl")):
        task = int(path.name.split("-")[1])
        folder = out / ("test" if task % 4 == 0 else "train")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.name)
    return out / "train", out / "test"


def familiarity(train_traces: Iterable[Trace], test_traces: Iterable[Trace]) -> dict[tuple[str, int], str]:
    """(session, step) -> whether the call's entity was seen in training or earlier in the session."""
    known: set[Entity] = set()
    for trace in train_traces:
        for step in trace.steps:
            if step.action is not None and step.action.kind == "call":
                known |= shown(step.observation.result, step.action)
    out = {}
    for trace in test_traces:
        here = set(known)
        for step in trace.steps:
            if step.action is None or step.action.kind != "call":
                continue
            entity = entity_of(step.action)
            out[trace.header.session, step.index] = (
                "no entity" if entity is None else "seen" if entity in here else "unseen"
            )
            here |= shown(step.observation.result, step.action)
    return out


WORDING, TOOL, WORD, FARE, SEATS = (
    "an error in words that no answer had before",
    "a tool that was never called before",
    "an id, a day or an amount that nothing told",
    "a price that nothing told",
    "free seats that nothing told",
)
"""What is missing where an answer cannot be known."""


@dataclass
class Known:
    """What requests and results have held so far, for the ceiling: what nothing told of, nobody can answer with.

    An answer is possible if the same text was given before, or else: the tool was called before; an error had its
    wording before; every word with a digit (ids, days, amounts in texts) stood in the request, in an earlier result of
    the session or in training; every price did so for that flight on that day; a total in an error is what told prices
    of the flights asked for add up to; a flight said to be full was found by a search of that day. Other numbers count
    as possible: they may be sums. This is generous (it asks for no example of a charge, and none of the tool's rules),
    so no model can do better.
    """

    words: set[str] = field(default_factory=set)
    prices: set[tuple[str, str, float]] = field(default_factory=set)
    found: set[tuple[str, str]] = field(default_factory=set)
    """(flight, day) that searches showed, so with their free seats."""
    answers: set[str] = field(default_factory=set)
    wordings: set[str] = field(default_factory=set)
    tools: set[str] = field(default_factory=set)

    def copy(self) -> Known:
        """Another to go on with."""
        return Known(*(set(each) for each in vars(self).values()))

    def take(self, action: Action, result: str) -> None:
        """Take in an answer."""
        self.words |= _words(result)
        told = set(_prices(action, result))
        self.prices |= told
        self.found |= {each[:2] for each in told if action.name.startswith("search_")}
        self.answers.add(result)
        self.wordings.add(_wording(result))
        self.tools.add(action.name)

    def missing(self, action: Action, result: str) -> str:
        """What the answer could not be known for before it was given, "" where it could."""
        new = _words(result) - self.words - _words(json.dumps(action.arguments))
        if result in self.answers:
            return ""
        if action.name not in self.tools:
            return TOOL
        if result.startswith("Error"):
            return self._missing_in_error(action, result, new)
        changed = set(_prices(action, result)) if not action.name.startswith("search_") else set()
        return WORD if new else FARE if not changed <= self.prices else ""

    def _missing_in_error(self, action: Action, result: str, new: set[str]) -> str:
        asked = [(one.get("flight_number"), one.get("date")) for one in action.arguments.get("flights", [])]
        if _wording(result) not in self.wordings:
            return WORDING
        if new:
            return "" if asked and self._add_up(action, asked, new) else FARE if asked else WORD
        full = {day for day in asked if "seats" in result and str(day[0]) in _words(result)}
        return SEATS if full - self.found else ""

    def _add_up(self, action: Action, asked: list[tuple[Any, Any]], new: set[str]) -> bool:
        """Whether told prices of the flights add up to the new number, or with other charges may do so."""
        totals = {0.0}
        for flight in asked:
            fares = {price for *which, price in self.prices if tuple(which) == flight}
            totals = {total + fare for total in totals for fare in fares}
        people = len(action.arguments.get("passengers", [])) or 1
        charged = bool(action.arguments.get("nonfree_baggages")) or action.arguments.get("insurance") == "yes"
        wanted = {float(word) for word in new if word.isdigit()}
        return any(want == people * total or (charged and want > people * total) for want in wanted for total in totals)


def _wording(text: str) -> str:
    """A text without the words that have a digit."""
    return " ".join("*" if any(c.isdigit() for c in word) else word for word in text.split())


def _words(text: str) -> set[str]:
    """Words with a digit; in JSON those of its texts alone."""
    try:
        texts = list(strings(json.loads(text)))
    except ValueError:
        texts = [text]
    return {word.strip(".,") for each in texts for word in each.split() if any(c.isdigit() for c in word)}


def _prices(action: Action, result: str) -> Iterator[tuple[str, str, float]]:
    """(flight, day, price) wherever a result tells one."""
    try:
        stack = [json.loads(result)]
    except ValueError:
        return
    while stack:
        node = stack.pop()
        stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        if isinstance(node, dict) and "flight_number" in node:
            day = str(node.get("date") or action.arguments.get("date"))
            found = [node["price"]] if "price" in node else node.get("prices", {}).values()
            yield from ((str(node["flight_number"]), day, float(price)) for price in found)


def ceiling(train_traces: Iterable[Trace], test_traces: Iterable[Trace]) -> dict[tuple[str, int], str]:
    """(session, step) -> what is missing to know the answer to the call, "" where nothing is; see `Known`."""
    start = Known()
    for trace in train_traces:
        for step in trace.steps:
            if step.action is not None and step.action.kind == "call":
                start.take(step.action, step.observation.result)
    out = {}
    for trace in test_traces:
        here = start.copy()
        for step in trace.steps:
            if step.action is not None and step.action.kind == "call":
                out[trace.header.session, step.index] = here.missing(step.action, step.observation.result)
                here.take(step.action, step.observation.result)
    return out


def measure(predictor: Predictor, traces: list[Trace], seen: dict[tuple[str, int], str]) -> dict[str, Any]:
    """Exact match, field F1 and count by group; for the model also how well its trust ranks."""
    groups = {name: Metrics("tools") for name in GROUPS}
    trust: list[tuple[float, bool]] = []

    def keep(item: Scored) -> None:
        for name in _groups(seen[item.session, item.index], item.action):
            groups[name].scores.append(item.score)
        if item.predicted is not None:
            trust.append((item.predicted.trust, item.score.exact))

    evaluate(predictor, traces, keep)
    out: dict[str, Any] = {}
    for name, metrics in groups.items():
        summary = metrics.summary()
        out[name] = {"steps": summary["steps"], "exact": summary["exact"], "f1": summary["f1"]}
    out["auroc"] = auroc([t for t, _ in trust], [c for _, c in trust])
    return out


def most(seen: Mapping[Place, str], missing: Mapping[Place, str], traces: list[Trace]) -> Shares:
    """By group, the share of answers that are possible."""
    flags: dict[str, list[bool]] = {name: [] for name in GROUPS}
    for name, lack in _lacks(seen, missing, traces):
        flags[name].append(not lack)
    return {name: sum(some) / len(some) if some else None for name, some in flags.items()}


def reasons(seen: Mapping[Place, str], missing: Mapping[Place, str], traces: list[Trace]) -> dict[str, Counter[str]]:
    """By group, how many answers lack what; those that are possible are left out."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in GROUPS}
    for name, lack in _lacks(seen, missing, traces):
        counts[name].update([lack] if lack else [])
    return counts


def _lacks(seen: Mapping[Place, str], missing: Mapping[Place, str], traces: list[Trace]) -> Iterator[tuple[str, str]]:
    """(group, what is missing) of every call, for each of its groups."""
    for trace in traces:
        for step in trace.steps:
            place = (trace.header.session, step.index)
            if step.action is not None and place in seen:
                yield from ((name, missing[place]) for name in _groups(seen[place], step.action.name))


def _groups(group: str, tool: str) -> list[str]:
    names = ["all", group, *([f"{group}, writes"] if tool.startswith(WRITES) else [])]
    return [name for name in names if name in GROUPS]


def table(
    results: dict[str, dict[str, Any]], facts: dict[str, Any], limit: Shares, lacks: Mapping[str, Counter[str]]
) -> str:
    """The section of RESULTS.md."""
    counts = next(iter(results.values()))
    rows = [[name, *(_cell(r[g]) for g in GROUPS)] for name, r in results.items()]
    head = [f"{name} ({counts[name]['steps']})" for name in GROUPS]
    lines = [
        "## World model on real tool traffic (tau-bench airline, GPT-4o)",
        "",
        f"`python benchmarks/tau_airline.py --epochs {facts['epochs']:g} --seed {facts['seed']}` · "
        f"{facts['train']} training sessions, {facts['test']} sessions of held-out tasks · "
        f"{facts['parameters'] / 1e6:.1f}M parameters · learned in {facts['seconds']:.0f} s on {facts['machine']}.",
        "",
        "Exact match / field F1 of the next tool result, teacher-forced, in percent. *Seen*: the reservation, user or",
        "route was shown in training or earlier in the session. *Writes*: calls that change the booking database.",
        "",
        markdown_table(["predictor", *head], [*rows, ["*possible*", *(_percent(limit[g]) for g in GROUPS)]]),
        "",
        "*Possible*: the share of answers that can be known at all, so no predictor does better. The same text was",
        "given before, or else: the tool was called before; an error had its wording before; every word with a digit",
        "stood in the request, earlier in the session or in training; every price did so for that flight and day; a",
        "total in an error is what told prices add up to; a flight said to be full was found by a search of that day.",
        "Other numbers count as possible, since they may be sums.",
        "",
        *(f"What is missing, {name}: {_counted(lacks[name])}." for name in ("seen", "seen, writes", "unseen")),
    ]
    name, figures = next(iter(results.items()))
    area = figures["auroc"]
    lines += ["", f"AUROC of the trust of `{name}` for a right answer: {area:.2f}." if area is not None else ""]
    return "\n".join(lines).rstrip() + "\n"


def _counted(lacks: Counter[str]) -> str:
    return ", ".join(f"{what} ({n})" for what, n in sorted(lacks.items(), key=lambda e: (-e[1], e[0]))) or "nothing"


def goals(results: dict[str, dict[str, Any]], limit: Shares) -> list[Goal]:
    """Those of `benchmarks/world_model.py`, which shows them beside its own; of the first predictor."""
    model = next(iter(results.values()))
    wanted = {"seen": 0.95, "seen, writes": 0.85}
    return [
        Goal(
            f"{group}: exact (possible: {limit[group]:.3f})",
            f">= {least:.2f}",
            f"{model[group]['exact']:.3f}",
            model[group]["exact"] >= least,
        )
        for group, least in wanted.items()
    ]


def _cell(figures: dict[str, Any]) -> str:
    if figures["exact"] is None:
        return "-"
    return f"{100 * figures['exact']:.1f} / {100 * figures['f1']:.1f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPO / "runs" / "tau_airline")
    parser.add_argument("--epochs", type=float, default=14.0, help="of the network; 0: programs alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not DATA.exists():
        sys.exit(f"{DATA} is missing. Set ENVSIM_DATA to the folder that holds tau_airline_gpt4o/.")
    started = time.monotonic()
    ingest([DATA], options.out / "traces", app="airline", redactor=None)
    train_dir, test_dir = split(options.out / "traces", options.out)
    before = time.monotonic()
    parameters = 0
    if options.epochs:
        loaded = load_model(train(Args(train_dir, options.out / "model", epochs=options.epochs, seed=options.seed)))
        chosen, parameters = predictors(loaded), loaded.config["parameters"]
    else:
        chosen = programs_alone(train_dir, options.out / "programs", options.seed)
    seconds = time.monotonic() - before
    sessions = list(TraceReader(test_dir))
    seen = familiarity(TraceReader(train_dir), sessions)
    results = {name: measure(p, sessions, seen) for name, p in chosen.items()}
    facts = {
        "epochs": options.epochs,
        "seed": options.seed,
        "train": len(TraceReader(train_dir)),
        "test": len(sessions),
        "parameters": parameters,
        "seconds": seconds,
        "machine": machine(),
    }
    missing = ceiling(TraceReader(train_dir), sessions)
    limit, lacks = most(seen, missing, sessions), reasons(seen, missing, sessions)
    text = table(results, facts, limit, lacks)
    update_section("tau_airline", text)
    rows = [asdict(goal) for goal in goals(results, limit)]
    (options.out / "results.json").write_text(
        json.dumps({"facts": facts, "results": results, "possible": limit, "missing": lacks, "goals": rows}, indent=2)
        + "\n"
    )
    print(text)
    print(f"{time.monotonic() - started:.0f} s in all; written to benchmarks/RESULTS.md")


if __name__ == "__main__":
    main()
