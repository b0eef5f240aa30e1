"""The world model of two more apps: a booking site and a discussion site, beside the baselines.

    python benchmarks/world_model_apps.py [--quick] [--app APP]... [--out DIR] [--json]

Most about the world model was tried on the shop alone. But wrong answers in these two apps led to changes as well
(lists, dates, names of buttons, votes: see the log), so they are no apps that it never met. Sessions of `stays` and
`plaza` are recorded with their production bugs, all programs are learned from them, and every request of held-out
sessions is predicted one step ahead: of new seeds of the templates learned from, and of templates that no training
session had. No network is trained: measured are *drafts*, what programs and records say without one, which is nearly
all that a model says after so few sessions. There are no goals. Recording goes on where it was interrupted, and an app
that was measured is not measured again unless the code or the sizes changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from results import machine, markdown_table, update_section
from world_model_place import Place

from envsim.cli.fidelity import stages
from envsim.rollout import plan, run_jobs
from envsim.sandbox.seed import folder_hash
from envsim.state import state_hash
from envsim.trace import TraceReader
from worldmodel import dataset
from worldmodel.evaluate import OneStep
from worldmodel.evaluate import measure as measure_one
from worldmodel.predict import baselines
from worldmodel.train import learn_vocabulary

REPO = Path(__file__).resolve().parents[1]
APPS = ("stays", "plaza")
SPLITS = {"sessions": "train", "templates": "test"}
"""What is held out -> the tasks it has."""
NAMES = ("draft", "nearest-neighbour", "copy-previous", "replay")
POLICIES = ("oracle", "noisy", "explorer")
FIGURES = {
    "exact": "page exact match", "f1": "changed-element F1", "delta": "state-delta exact match",
    "delta_changed": "the same where the state changed",
}  # fmt: skip
FULL = Place({"oracle": 12, "noisy": 12, "explorer": 36}, episodes=5, extra=0)
QUICK = Place(dict.fromkeys(POLICIES, 5), episodes=1, extra=0)


@dataclass(frozen=True)
class Row:
    """One app, one kind of held-out sessions.

    Attributes:
        app: Its name.
        held_out: A key of `SPLITS`.
        sessions: Held out.
        requests: Predicted.
        changed: Of these, requests that changed the state view.
        seconds: CPU time of learning.
        parsed: Share of drafts that are well formed.
        figures: Predictor -> figure -> share, None where nothing was measured.
        worst: One line for each of the draft's worst mistakes.
    """

    app: str
    held_out: str
    sessions: int
    requests: int
    changed: int
    seconds: float
    parsed: float
    figures: dict[str, dict[str, float | None]]
    worst: tuple[str, ...]


def prepare(app: str, place: Place) -> None:
    """Record what is learned from and what is held out."""
    held = held_out(place)
    place.renew(
        "sessions", [REPO / "envsim" / part for part in ("policy", "page", "guest")] + [REPO / "sandboxes" / app],
        [place.traces, *held.values()],
    )  # fmt: skip
    record(app, place.traces, "train", place.recorded, place)
    again = replace(place, seed=place.held_out)
    for name, split in SPLITS.items():
        record(app, held[name], split, dict.fromkeys(POLICIES, place.episodes), again)


def held_out(place: Place) -> dict[str, Path]:
    """Where held-out sessions are, by kind."""
    return {name: place.root / f"held-out-{name}" for name in SPLITS}


def measure(app: str, place: Place) -> list[Row]:
    """Learn from recorded sessions, and predict what was held out; or what that gave before, from the same input."""
    sizes = [place.recorded, place.episodes, place.seed, place.held_out]
    kept, key = place.root / "rows.json", state_hash([folder_hash(REPO / "worldmodel"), place.code("sessions"), *sizes])
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if known.get("key") == key:
        return [Row(**{**row, "worst": tuple(row["worst"])}) for row in known["rows"]]
    start = time.process_time()
    data = dataset.build(place.traces, place.root / "dataset", held_out=0.05, seed=place.seed)
    memory = learn_vocabulary(data, place.seed)[1]
    seconds = time.process_time() - start
    trained = {sample.session for sample in data.samples}
    rows = []
    for name, folder in held_out(place).items():
        recordings = list(TraceReader(folder))
        if both := trained & {trace.header.session for trace in recordings}:
            raise RuntimeError(f"{sorted(both)[0]} was trained on")
        found = {who: measure_one(one, recordings) for who, one in baselines(memory).items() if who in NAMES}
        rows.append(_row(app, name, len(recordings), found, seconds))
    kept.write_text(json.dumps({"key": key, "rows": [asdict(row) for row in rows]}), encoding="utf-8")
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


def _row(app: str, name: str, sessions: int, found: dict[str, OneStep], seconds: float) -> Row:
    draft = found["draft"]
    figures = {who: {figure: one.figures[figure] for figure in FIGURES} for who, one in found.items()}
    parsed = sum(step["parsed"] for step in draft.steps) / max(1, len(draft.steps))
    changed = sum(step["changes"] > 0 for step in draft.steps)
    worst = tuple(f"{action} ({session}, step {step})" for session, step, action, *_ in draft.worst)
    return Row(app, name, sessions, len(draft.steps), changed, seconds, parsed, figures, worst)


def section(rows: list[Row], place: Place, seconds: float) -> str:
    """The section of `RESULTS.md`."""
    head = ["app, held-out", "requests", "figure", *NAMES]
    body = [
        [f"{row.app}, {row.held_out}", str(row.changed if key == "delta_changed" else row.requests), title,
         *(_cell(row.figures[name][key]) for name in NAMES)]
        for row in rows
        for key, title in FIGURES.items()
    ]  # fmt: skip
    spent = ", ".join(f"{app} {spent:.0f} s" for app, spent in {row.app: row.seconds for row in rows}.items())
    recorded = ", ".join(f"{count} of {policy}" for policy, count in place.recorded.items())
    parsed = min((row.parsed for row in rows), default=0.0)
    return f"""## The world model of other apps

{machine()}. Programs learned from {place.sessions} sessions of each app
({recorded}) with its production bugs, seed {place.seed}; no network: *drafts* are what programs and records
say without one. One step ahead, the real history given. *Sessions*: new seeds of the templates learned from.
*Templates*: tasks of templates that no training session had. Wrong answers in these two apps, of other seeds, led to
changes of the world model before this was measured.

{markdown_table(head, body)}

Of the drafts {parsed:.1%} are well formed. CPU time of learning: {spent}. In all {_minutes(seconds)}.

Reproduce: `python benchmarks/world_model_apps.py`
"""


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min from what was already there"


def run(apps: Sequence[str], place: Place, root: Path) -> list[Row]:
    """Record one app after the other, as that takes all cores; learn from them side by side."""
    for app in apps:
        prepare(app, place.at(root / app))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the processes that start next
    print("Learning, and predicting what was held out", file=sys.stderr)
    with ProcessPoolExecutor(place.workers, mp_context=get_context("spawn")) as pool:
        found = [pool.submit(measure, app, place.at(root / app)) for app in apps]
        return [row for one in found for row in one.result()]


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
        rows = run(arguments.app or APPS, place, root)
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
