"""The world model of two more apps: a booking site and a discussion site, beside the baselines.

    python benchmarks/world_model_apps.py [--quick] [--app APP]... [--out DIR] [--json]

Most about the world model was tried on the shop alone. But wrong answers in these two apps led to changes as well
(lists, dates, names of buttons: see the log), so they are no apps that it never met. Sessions of `stays` and `plaza`
are recorded with their production bugs, a model is trained on each with defaults but for a short optimisation, and
every request of held-out sessions is predicted one step ahead: of new seeds of the templates trained on, and of
templates that no training session had. Programs do nearly all of the work, so training ends after a fixed number of
steps: same seed, same figures. There are no goals. Recording and training go on where they were interrupted.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from results import machine, markdown_table, update_section
from world_model_place import Place

from envsim.cli.fidelity import stages
from envsim.rollout import plan, run_jobs
from envsim.trace import Trace, TraceReader
from worldmodel.checkpoint import load_model
from worldmodel.evaluate import OneStep, one_step
from worldmodel.train import Args, run_key, train

REPO = Path(__file__).resolve().parents[1]
APPS = ("stays", "plaza")
SPLITS = {"sessions": "train", "templates": "test"}
"""What is held out -> the tasks it has."""
NAMES = ("model", "nearest-neighbour", "copy-previous", "replay")
POLICIES = ("oracle", "noisy", "explorer")
FIGURES = {
    "exact": "page exact match", "f1": "changed-element F1", "delta": "state-delta exact match",
    "delta_changed": "the same where the state changed",
}  # fmt: skip
SMALL = {"width": 64, "heads": 2, "layers": 2}
FULL = Place({"oracle": 15, "noisy": 15, "explorer": 45}, episodes=6, extra=0, training={"steps": 20, **SMALL})
QUICK = Place(dict.fromkeys(POLICIES, 5), episodes=1, extra=0, training={"steps": 2, **SMALL})


@dataclass(frozen=True)
class Row:
    """One app, one kind of held-out sessions.

    Attributes:
        app: Its name.
        held_out: A key of `SPLITS`.
        sessions: Held out.
        requests: Predicted.
        minutes: Of training; None where it did not run in one go.
        parsed: Share of the model's answers that are well formed.
        figures: Predictor -> figure -> share, None where nothing was measured.
        worst: One line for each of the model's worst mistakes.
    """

    app: str
    held_out: str
    sessions: int
    requests: int
    minutes: float | None
    parsed: float
    figures: dict[str, dict[str, float | None]]
    worst: tuple[str, ...]


def measure(app: str, place: Place) -> list[Row]:
    """Record, train, and predict what was held out."""
    held = {name: place.root / f"held-out-{name}" for name in SPLITS}
    place.renew(
        "sessions", [REPO / "envsim" / part for part in ("policy", "page", "guest")] + [REPO / "sandboxes" / app],
        [place.traces, *held.values()],
    )  # fmt: skip
    place.renew("model", [REPO / "worldmodel"], [place.model])
    record(app, place.traces, "train", place.recorded, place)
    arguments = Args(place.traces, place.model, seed=place.seed, **place.training)
    print(f"{app}: training", file=sys.stderr)
    _, seconds = place.timed("train", f"{run_key(arguments)} {place.code('model')}", lambda: train(arguments))
    trained = {sample.session for sample in load_model(place.model).data.samples}
    rows = []
    for name, split in SPLITS.items():
        again = replace(place, seed=place.held_out)
        record(app, held[name], split, dict.fromkeys(POLICIES, place.episodes), again)
        recordings = list(TraceReader(held[name]))
        if both := trained & {trace.header.session for trace in recordings}:
            raise RuntimeError(f"{sorted(both)[0]} was trained on")
        print(f"{app}: held-out {name}", file=sys.stderr)
        rows.append(_row(app, name, recordings, dict(one_step(place.model, recordings, NAMES)), seconds))
    return rows


def record(app: str, out: Path, split: str, policies: dict[str, int], place: Place) -> None:
    """Sessions of one split with the bugs that production has; what is there already stays."""
    options: dict[str, Any] = {"app": app, "split": split}
    jobs = [job for policy, count in policies.items() for job in plan(options, [policy], count, place.seed)]
    for stale in {path.stem for path in out.glob("*.jsonl")} - {job.session for job in jobs}:
        (out / f"{stale}.jsonl").unlink()
    with stages() as watch:
        done = watch(f"Recording {len(jobs)} sessions of {app}", len(jobs))
        run_jobs(jobs, {**options, "record": out}, workers=place.workers, on_done=lambda _: done())


def _row(app: str, name: str, recordings: list[Trace], found: dict[str, OneStep], seconds: float | None) -> Row:
    model = found["model"]
    figures = {who: {figure: one.figures[figure] for figure in FIGURES} for who, one in found.items()}
    parsed = sum(step["parsed"] for step in model.steps) / max(1, len(model.steps))
    minutes = None if seconds is None else seconds / 60
    worst = tuple(f"{action} ({session}, step {step})" for session, step, action, *_ in model.worst)
    return Row(app, name, len(recordings), len(model.steps), minutes, parsed, figures, worst)


def section(rows: list[Row], place: Place, seconds: float) -> str:
    """The section of `RESULTS.md`."""
    head = ["app, held-out", "requests", "figure", *NAMES]
    body = [
        [f"{row.app}, {row.held_out}", str(row.requests), title, *(_cell(row.figures[name][key]) for name in NAMES)]
        for row in rows
        for key, title in FIGURES.items()
    ]
    spent = {row.app: row.minutes for row in rows}
    trained = "; ".join(f"{app} {_minutes(minutes)}" for app, minutes in spent.items())
    recorded = ", ".join(f"{count} of {policy}" for policy, count in place.recorded.items())
    parsed = min((row.parsed for row in rows), default=0.0)
    return f"""## The world model of other apps

{machine()}. {place.sessions} training sessions of each app
({recorded}) with its production bugs, seed {place.seed}; {place.training["steps"]} optimiser steps of a small
network, as programs do nearly all of the work; measured in {seconds / 60:.0f} min. One step ahead, the real history
given. *Sessions*: new seeds of the templates trained on. *Templates*: tasks of templates that no training session had.
Wrong answers in these two apps led to changes of the world model before this was measured.

{markdown_table(head, body)}

Of the model's answers {parsed:.1%} are well formed. Training: {trained}.

Reproduce: `python benchmarks/world_model_apps.py`
"""


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _minutes(minutes: float | None) -> str:
    return "interrupted, so not timed" if minutes is None else f"{minutes:.1f} min"


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few sessions; writes nothing")
    parser.add_argument("--app", action="append", choices=APPS, help="this app alone; may be given again")
    parser.add_argument("--out", type=Path, help="where stages are kept; runs/world_model_apps unless --quick")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    start, scratch = time.perf_counter(), Path(tempfile.mkdtemp()) if arguments.quick else None
    root = arguments.out or scratch or REPO / "runs" / "world_model_apps"
    place = QUICK if arguments.quick else FULL
    try:
        rows = [row for app in arguments.app or APPS for row in measure(app, place.at(root / app))]
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    text = section(rows, place, time.perf_counter() - start)
    if not arguments.quick and not arguments.app:
        update_section("world_model_apps", text)
    print(json.dumps([asdict(row) for row in rows], indent=2) if arguments.json else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
