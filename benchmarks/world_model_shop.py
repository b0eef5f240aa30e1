"""The shop's world model: recorded, trained, compared with the sandbox on held-out sessions and held-out templates."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from results import Goal, markdown_table
from world_model_place import Place

from envsim.cli.fidelity import stages
from envsim.fidelity.again import AGAIN
from envsim.fidelity.bugs import TOO_FEW, Verdict
from envsim.fidelity.compare import Setup, compare
from envsim.fidelity.figures import CATALOGUE
from envsim.fidelity.intervals import Estimate
from envsim.fidelity.report import Report, verdict, write_report
from envsim.fidelity.survival import reached
from envsim.rollout import plan, run_jobs
from worldmodel.checkpoint import load_model
from worldmodel.train import Args, run_key, train

REPO = Path(__file__).resolve().parents[1]
SPLITS = {"sessions": "train", "templates": "test"}
"""What is held out -> the tasks it has."""
GOALS: tuple[tuple[str, str, float], ...] = (
    ("parse_rate", ">=", 1.0), ("page_exact", ">=", 0.90), ("changed_f1", ">=", 0.95), ("delta_exact", ">=", 0.90),
    ("delta_exact_large", ">=", 0.80), ("median_steps", ">=", 20), ("median_steps_certain", ">=", 20),
    ("outcome_agreement", ">=", 0.95),
    ("sim_pass_real_fail", "<=", 0.02), ("rank_correlation", ">=", 0.90), ("bugs_inside", ">=", 1.0),
    ("bugs_invented", "<=", 0), ("trust_auroc", ">=", 0.95), ("trust_accuracy_80", ">=", 0.99),
    ("page_exact_certain", ">=", 0.90), ("changed_f1_certain", ">=", 0.95),
    ("trust_auroc_certain", ">=", 0.95), ("trust_accuracy_80_certain", ">=", 0.99),
)  # fmt: skip
BESIDE = ("page_exact", "changed_f1", "delta_exact", "delta_exact_large", "median_steps",
          "median_steps_certain", "outcome_agreement",
          "sim_pass_real_fail", "rank_correlation", "mmrv", "steps_per_s")  # fmt: skip
CHANCE = ("bugs_inside", "median_steps", "outcome_agreement", "sim_pass_real_fail", "rank_correlation")
"""What bugs that fire by chance limit, whatever the model: the ceiling is the sandbox itself with other draws."""
MINUTES = 30.0


@dataclass(frozen=True)
class Rows:
    """What was measured.

    Attributes:
        reports: By what was held out.
        minutes: Of training, tokenizer, rules and calibration included; None where it did not run in one go.
        config: Of the model.
    """

    reports: dict[str, Report]
    minutes: float | None
    config: dict[str, Any]


def run(place: Place) -> Rows:
    """Record, train, compare."""
    outs = {name: place.root / f"held-out-{name}" for name in SPLITS}
    place.renew(
        "sessions", [REPO / "envsim" / part for part in ("policy", "page", "guest")], [place.traces, *outs.values()]
    )
    place.renew("model", [REPO / "worldmodel"], [place.model])
    with stages() as watch:
        record(place, watch)
    arguments = Args(place.traces, place.model, seed=place.seed, **place.training)
    print("training", file=sys.stderr)
    _, seconds = place.timed("train", f"{run_key(arguments)} {place.code('model')}", lambda: train(arguments))
    reports = {}
    for name, split in SPLITS.items():
        out = outs[name]
        setup = Setup(
            app="shop", model=place.model, held_out=out / "held-out", episodes=place.episodes, seed=place.held_out,
            split=split, extra=place.extra, workers=place.workers,
        )  # fmt: skip
        print(f"held-out {name}", file=sys.stderr)
        with stages() as watch:
            reports[name] = compare(setup, watch=watch)
        write_report(reports[name], out)
    config = load_model(place.model).config
    return Rows(reports, None if seconds is None else seconds / 60, config)


def record(place: Place, watch: Callable[[str, int], Callable[[], None]]) -> Path:
    """Training sessions of the shop's training templates, with the bugs that production has."""
    options: dict[str, Any] = {"app": "shop", "split": "train"}
    jobs = [job for policy, count in place.recorded.items() for job in plan(options, [policy], count, place.seed)]
    for stale in {path.stem for path in place.traces.glob("*.jsonl")} - {job.session for job in jobs}:
        (place.traces / f"{stale}.jsonl").unlink()
    done = watch(f"Recording {len(jobs)} training sessions", len(jobs))
    run_jobs(jobs, {**options, "record": place.traces}, workers=place.workers, on_done=lambda _: done())
    return place.traces


def goals(rows: Rows) -> list[Goal]:
    """Every figure that has a goal, on both kinds of held-out tasks."""
    found = [_goal(rows, *goal) for goal in GOALS]
    found.append(_verdicts(rows))
    spent = rows.minutes
    measured = f"{spent:.1f} min" if spent is not None else "interrupted, so not measured"
    optimised = rows.config["training"]["seconds"] / 60
    found.append(
        Goal("training on CPU", f"<= {MINUTES:g} min", f"{measured} ({optimised:.1f} of it optimising)",
             None if spent is None else spent <= MINUTES)
    )  # fmt: skip
    return found


def _goal(rows: Rows, name: str, sign: str, limit: float) -> Goal:
    figures = {split: report.figure("model", name) for split, report in rows.reports.items()}
    held = [
        not math.isnan(figure.value) and (figure.value >= limit if sign == ">=" else figure.value <= limit)
        for figure in figures.values()
    ]
    measured = "; ".join(f"{split} {_shown(name, figure, rows.reports[split])}" for split, figure in figures.items())
    ceilings = {split: report.figure(AGAIN, name) for split, report in rows.reports.items()}
    if name in CHANCE and all(figure.n for figure in ceilings.values()):
        measured += f" (ceiling {', '.join(f'{figure.value:.3g}' for figure in ceilings.values())})"
    wanted = "all" if name == "bugs_inside" else f"{sign} {limit:g}"
    return Goal(CATALOGUE[name].title, wanted, measured, all(held))


def _verdicts(rows: Rows) -> Goal:
    """What is shown of each bug's rate, beside the row that is worded as the issue has it."""
    counts = {split: Counter(row.verdict for row in r.worlds["model"].bugs) for split, r in rows.reports.items()}
    measured = "; ".join(
        f"{split} {', '.join(f'{count[name]} {name}' for name in get_args(Verdict) if count[name]) or 'none fired'}"
        for split, count in counts.items()
    )
    found = Counter[str]()
    for count in counts.values():
        found.update(count)
    wrong = found["rate off"] + found["missed"] + found["invented"]
    met = False if wrong else True if found["reproduced"] and not found[TOO_FEW] else None
    return Goal("bugs: what is shown of their rates (no goal of the issue)", "all reproduced", measured, met)


def _shown(name: str, figure: Estimate, report: Report) -> str:
    if math.isnan(figure.value):
        return "not measured"
    if name.startswith("median_steps"):
        free = report.free_running["model"]
        bound = ">= " if not reached(free.survival if name == "median_steps" else free.certain) else ""
        return f"{bound}{figure.value:.0f} [{figure.low:.0f}, {figure.high:.0f}]"
    if name == "bugs_invented":
        return f"{figure.value:.0f} of {figure.n}"
    if name == "bugs_inside":
        bugs = report.worlds["model"].bugs
        both = [(bug.reference, bug.candidate) for bug in bugs if bug.inside is not None]
        here, there = (sum(a.low <= b.value <= a.high for a, b in pairs) for pairs in (both, [p[::-1] for p in both]))
        plain = f"the model's rate inside the sandbox's own interval {here}, the sandbox's inside the model's {there}"
        return f"{figure.value * figure.n:.0f} of {figure.n} ({plain})"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def text(rows: Rows) -> str:
    """The model beside every baseline, and what became of each bug."""
    size = rows.config["parameters"] / 1e6
    parts = [f"{size:.1f}M parameters. Every figure below with its definition: `docs/fidelity.md`."]
    for split, report in rows.reports.items():
        facts = report.facts
        parts += [
            f"**Held-out {split}**: {facts['held-out sessions']} of {facts['held-out task templates']}; "
            f"{facts['steps with a bug that fires by chance']}.",
            _beside(report),
            _bugs(report),
            f"Verdict of the report: {verdict(report)}",
        ]
    return "\n\n".join(parts)


def _beside(report: Report) -> str:
    names = [row.world for row in report.rows if row.world != report.reference]
    body = [[CATALOGUE[name].title, *(_cell(name, report.figure(world, name)) for world in names)] for name in BESIDE]
    return markdown_table(["", *names], body)


def _cell(name: str, figure: Estimate) -> str:
    if math.isnan(figure.value):
        return "-"
    return f"{figure.value:,.0f}" if name.startswith(("median_steps", "steps_per_s")) else f"{figure.value:.3f}"


def _bugs(report: Report) -> str:
    rows = report.worlds["model"].bugs
    if not rows:
        return "No bug fired."
    body = [
        [
            row.bug,
            "-" if row.declared is None else f"{row.declared:g}",
            _rate(row.reference),
            _rate(row.candidate),
            row.verdict,
            "-" if row.verdict != TOO_FEW else f"{row.needed:,}",
        ]
        for row in rows
    ]
    return markdown_table(["bug", "declared", "sandbox", "model", "verdict", "opportunities that would tell"], body)


def _rate(estimate: Estimate) -> str:
    return f"{estimate} ({estimate.value * estimate.n:.0f}/{estimate.n})" if estimate.n else "never met"
