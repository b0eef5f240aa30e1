"""The world model on tool traffic against tau2's own retail and telecom tools, split by customer.

    python benchmarks/tau2_tools.py

Records 10,000 calls in each domain by scripted and noisy agents (`tau2_traffic`), trains on three quarters of the
customers from calls and results alone, as a production log has them, predicts every result of the other customers one
step at a time (teacher-forced), and rewrites its section of benchmarks/RESULTS.md. What was recorded stays in --out.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from results import Goal, goals_table, machine, markdown_table, update_section
from tau2_traffic import record, results_only
from tool_programs import programs_alone

from envsim.trace import Trace, TraceReader
from envsim.types import Observation, Transition
from worldmodel.checkpoint import load_model
from worldmodel.metrics import same_result
from worldmodel.predict import Predictor, Scored, evaluate, predictors
from worldmodel.results.calls import arguments_of, is_error, is_map, strings, value_of, wording
from worldmodel.results.implied import rows_of
from worldmodel.session import Sample, samples
from worldmodel.train import Args, train

REPO = Path(__file__).resolve().parent.parent
DOMAINS = ("retail", "telecom")
GROUPS = ("seen", "seen, changing", "unseen", "no entity")
ABOUT = ("order_id", "product_id", "user_id", "line_id", "bill_id", "id", "customer_id")
"""Arguments that name what a call is about, the most telling first."""
LOOKUPS = ("email", "first_name", "phone_number", "full_name")
FIGURES = ("calls", "exact", "kind", "distrusted", "misled")
GOALS = {"seen": 0.95, "seen, changing": 0.85, "schema": 0.95, "distrusted": 0.95}
TABLE = 4
"""Different sets of keys by which an object is told to be a table."""
Key = tuple[str, int]
"""Session and step."""


@dataclass
class Shown:
    """What results have shown so far: rows by their key, and every text."""

    rows: dict[str, Any] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)

    def take(self, sample: Sample) -> None:
        """Take in an answer."""
        if not is_error(sample.target):
            for _, key, row in rows_of(sample.situation.request.key, sample.target):
                self.rows[key] = {**self.rows.get(key, {}), **row}
            self.texts |= set(strings(value_of(sample.target)))

    def copy(self) -> Shown:
        """Another to go on with."""
        return Shown(dict(self.rows), set(self.texts))

    def group(self, sample: Sample) -> str:
        """Whether the call is about what was shown: its row, and every other id it names; bills one by one."""
        arguments = arguments_of(sample.situation.request.key)
        about = next((arguments[name] for name in ABOUT if name in arguments), None)
        if about is None:
            return "unseen" if any(name in arguments for name in LOOKUPS) else "no entity"
        ids = [text for name, value in arguments.items() if name.endswith(("_id", "_ids")) for text in strings(value)]
        row = self.rows.get(str(about))
        if row is None or not set(ids) <= self.texts | self.rows.keys():
            return "unseen"
        if sample.situation.request.lines[0].startswith("call get_bills"):
            return "seen" if all(bill in self.rows for bill in row.get("bill_ids", ())) else "unseen"
        return "seen"


def familiarity(known: Iterable[Trace], asked: Iterable[Trace], changing: set[Key]) -> dict[Key, set[str]]:
    """The groups of every call of `asked`, given the sessions in `known` and what its session showed before."""
    start = Shown()
    for trace in known:
        for sample in samples(trace):
            start.take(sample)
    out: dict[Key, set[str]] = {}
    for trace in asked:
        here = start.copy()
        for sample in samples(trace):
            group = here.group(sample)
            place = (sample.session, sample.index)
            out[place] = {group} | ({"seen, changing"} if group == "seen" and place in changing else set())
            here.take(sample)
    return out


def tables(traces: Iterable[Trace]) -> frozenset[str]:
    """Fields whose objects are tables: their keys differ from one to the next, as a product's options do."""
    keys: dict[str, set[tuple[str, ...]]] = {}
    for trace in traces:
        for step in trace.steps:
            stack = [("", _json(step.observation.result))]
            while stack:
                name, node = stack.pop()
                if isinstance(node, dict):
                    keys.setdefault(name, set()).add(tuple(sorted(node)))
                    stack += node.items()
                elif isinstance(node, list):
                    stack += [(name, child) for child in node]
    return frozenset(name for name, found in keys.items() if name and len(found) >= TABLE)


def shape(value: Any, known: frozenset[str] = frozenset(), name: str = "") -> Any:
    """The structure of a JSON value: keys and types; null fits anything, the rows of a list or table are alike."""
    if is_map(value) or isinstance(value, list) or (name in known and isinstance(value, dict)):
        inner = [shape(each, known) for each in (value.values() if isinstance(value, dict) else value)]
        return [type(value).__name__, inner[0] if inner else None]
    if isinstance(value, dict):
        return {key: shape(each, known, key) for key, each in sorted(value.items())}
    return "number" if type(value) in (int, float) else None if value is None else type(value).__name__


def alike(a: Any, b: Any, rows: bool = False) -> bool:
    """Whether two structures fit; of two rows of a list or table what both have, as there may be several kinds."""
    if a is None or b is None:
        return True
    if isinstance(a, dict) and isinstance(b, dict):
        both = a.keys() & b.keys()
        return (a.keys() == b.keys() or (rows and bool(both))) and all(alike(a[key], b[key]) for key in both)
    if isinstance(a, list) and isinstance(b, list):
        return a[0] == b[0] and alike(a[1], b[1], rows=True)
    return bool(a == b)


def same_kind(real: Transition, guess: Transition | None, known: frozenset[str] = frozenset()) -> bool:
    """The same schema and error behaviour: JSON of the same structure, or an error of the same wording."""
    if guess is None:
        return False
    a, b = real.observation, guess.observation
    if error_wording(a) or error_wording(b):
        return error_wording(a) == error_wording(b)
    return alike(shape(_json(a.result), known), shape(_json(b.result), known))


def error_wording(observation: Observation) -> str:
    """An error without ids and numbers; "" for what is none."""
    text = observation.error or (observation.result if observation.result.startswith("Error") else "")
    return re.sub(r"'\w+'", "'*'", wording(text)) if text else ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def measure(
    predictor: Predictor, traces: list[Trace], groups: Mapping[Key, set[str]], known: frozenset[str]
) -> dict[str, Any]:
    """By group: calls, exact answers, those of the right kind, those not trusted, those trusted and wrong; by tool."""
    out: dict[str, Any] = {name: {"by_tool": {}, **dict.fromkeys(FIGURES, 0)} for name in GROUPS}

    def keep(item: Scored) -> None:
        guess, real = item.predicted, item.real
        exact = guess is not None and same_result(real.observation, guess.observation)
        exact = exact and guess is not None and real.observation.error == guess.observation.error
        trusted = guess is not None and guess.trusted
        flags = (True, exact, same_kind(real, guess, known), not trusted, trusted and not exact)
        for name in groups[item.session, item.index]:
            tool = out[name]["by_tool"].setdefault(item.action.partition("(")[0], dict.fromkeys(FIGURES, 0))
            for figures in (out[name], tool):
                for figure, flag in zip(FIGURES, flags, strict=True):
                    figures[figure] += flag

    evaluate(predictor, traces, keep)
    return out


def logs(domain: str, out: Path, calls: int, seed: int) -> tuple[Path, set[Key]]:
    """Sessions as production logs, in ``train`` and ``test`` of the folder returned; and which calls changed what."""
    full, plain = out / domain / "full", out / domain / "log"
    if not (plain / "done").exists():
        record(domain, calls, full, seed)
        for part in ("train", "test"):
            for trace in each_trace(full / part):
                results_only(trace, plain / part)
        (plain / "done").touch()
    changing = {
        (trace.header.session, step.index) for trace in each_trace(full / "test") for step in trace.steps if step.delta
    }
    return plain, changing


def each_trace(folder: Path) -> Iterator[Trace]:
    """One after the other: every trace brings its own copy of the database."""
    for path in sorted(folder.glob("*.jsonl")):
        yield from TraceReader(path)


def run(domain: str, options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Results by predictor, and the facts of the run."""
    folder, changing = logs(domain, options.out, options.calls, options.seed)
    started = time.monotonic()
    model = options.out / domain / f"model-{options.steps}"
    if options.steps:
        wanted = Args(folder / "train", model, steps=options.steps, seed=options.seed)
        chosen = predictors(load_model(train(wanted)))
    else:
        chosen = programs_alone(folder / "train", model, options.seed)
    seconds = time.monotonic() - started
    known, asked = list(TraceReader(folder / "train")), list(TraceReader(folder / "test"))
    groups = familiarity(known, asked, changing)
    found = tables(known)
    results = {name: measure(predictor, asked, groups, found) for name, predictor in chosen.items()}
    calls = {"train": sum(len(t.steps) - 1 for t in known), "test": sum(len(t.steps) - 1 for t in asked)}
    return results, {"calls": calls, "sessions": len(known) + len(asked), "seconds": seconds}


def section(found: Mapping[str, Any], options: argparse.Namespace) -> str:
    """The section of RESULTS.md."""
    lines = [
        "## World model on tau2's own tools (retail, telecom), by held-out customer",
        "",
        f"`python benchmarks/tau2_tools.py --calls {options.calls} --steps {options.steps} --seed {options.seed}` · "
        f"{machine()}.",
        "",
        "Scripted and noisy agents against tau2's tools; one customer in four is held out. What is learned from:",
        "calls and results, no state. Exact match / right schema and error wording, in percent, teacher-forced.",
        "*Seen*: the row that the call is about and every other id it names were shown earlier, in the session or in",
        "training. *Changing*: the call changed the database.",
    ]
    for domain, (results, facts) in found.items():
        first = next(iter(results.values()))
        head = [f"{name} ({first[name]['calls']})" for name in GROUPS]
        rows = [[name, *(cell(figures[group]) for group in GROUPS)] for name, figures in results.items()]
        calls = facts["calls"]
        lines += ["", f"**{domain}**: {calls['train']:,} calls to learn from, {calls['test']:,} to predict, "
                  f"{facts['sessions']} sessions, trained in {facts['seconds']:.0f} s.", "",
                  markdown_table(["predictor", *head], rows), "", goals_table(goals(results))]  # fmt: skip
    return "\n".join(lines) + "\n"


def cell(figures: dict[str, int]) -> str:
    """Exact / kind."""
    total = figures["calls"]
    return f"{100 * figures['exact'] / total:.1f} / {100 * figures['kind'] / total:.1f}" if total else "-"


def goals(results: Mapping[str, Any]) -> list[Goal]:
    """The goals, of the first predictor."""
    model = next(iter(results.values()))

    def goal(what: str, group: str, name: str, least: float) -> Goal:
        figures = model[group]
        share = figures[name] / figures["calls"] if figures["calls"] else 0.0
        return Goal(what, f">= {least:.2f}", f"{share:.3f}", share >= least)

    unseen = model["unseen"]
    misled = Goal("entity unseen: trusted and wrong", "", f"{unseen['misled'] / max(1, unseen['calls']):.3f}")
    return [
        goal("entity seen: exact", "seen", "exact", GOALS["seen"]),
        goal("entity seen, state-changing: exact", "seen, changing", "exact", GOALS["seen, changing"]),
        goal("entity unseen: schema and error behaviour", "unseen", "kind", GOALS["schema"]),
        goal("entity unseen: outside the trust region", "unseen", "distrusted", GOALS["distrusted"]),
        misled,
    ]


def keep_goals(out: Path, found: Mapping[str, list[Goal]]) -> None:
    """For `benchmarks/world_model.py`, which shows them beside its own."""
    rows = [{**asdict(goal), "what": f"{domain}, {goal.what}"} for domain, some in found.items() for goal in some]
    (out / "results.json").write_text(json.dumps({"goals": rows}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPO / "runs" / "tau2_tools")
    parser.add_argument("--calls", type=int, default=10_000, help="in each domain")
    parser.add_argument("--steps", type=int, default=200, help="training steps of the network; 0: programs alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--domain", choices=DOMAINS, help="only this one now; the section is written once both are there"
    )
    options = parser.parse_args()
    kept = {
        domain: options.out / domain / f"results-{options.calls}-{options.steps}-{options.seed}.json"
        for domain in DOMAINS
    }
    for domain in [options.domain] if options.domain else DOMAINS:
        found = run(domain, options)
        kept[domain].write_text(json.dumps(found, indent=2) + "\n")
    if all(path.exists() for path in kept.values()):
        results = {domain: json.loads(path.read_text()) for domain, path in kept.items()}
        text = section(results, options)
        update_section("tau2_tools", text)
        keep_goals(options.out, {domain: goals(found) for domain, (found, _) in results.items()})
        print(text)


if __name__ == "__main__":
    main()
