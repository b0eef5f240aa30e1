"""The shop's world model from few sessions: a learning curve, beside the baselines.

    python benchmarks/world_model_small.py [--quick] [--out DIR] [--json]

`world_model.py` learns from 2,000 sessions; whoever starts has a few dozen. All programs are learned from the first 25,
50, ... 400 sessions of the kinds of policies that it has there, and every request of held-out sessions is predicted one
step ahead: of new seeds of the templates learned from, and of templates that no training session had. No network is
trained: measured are *drafts*, what programs and records say without one, which is nearly all that a model says. There
are no goals. Recording goes on where it was interrupted, and a size that was measured is not measured again unless the
code or the held-out sessions changed. `curve.svg` in the folder of the run shows it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from results import machine, markdown_table, update_section
from world_model_place import Place

from envsim.cli.fidelity import stages
from envsim.fidelity.intervals import Estimate
from envsim.fidelity.one_step import StepScore, figures
from envsim.plot import REAL, SIM, SOFT, Plot, picture
from envsim.rollout import Job, plan, run_jobs
from envsim.sandbox.seed import folder_hash
from envsim.state import state_hash
from envsim.trace import TraceReader
from worldmodel import dataset
from worldmodel.dataset import HELD_OUT, TRAIN, Dataset
from worldmodel.evaluate import measure as measure_one
from worldmodel.predict import baselines
from worldmodel.train import learn_vocabulary

REPO = Path(__file__).resolve().parents[1]
APP = "shop"
SPLITS = {"sessions": "train", "templates": "test"}
"""What is held out -> the tasks it has."""
NAMES = ("draft", "nearest-neighbour", "copy-previous")
SHARES = {"oracle": 0.15, "noisy": 0.15, "explorer": 0.7}
"""Of the sessions of every size, as `world_model.py` has them."""
FIGURES = {
    "page_exact": "page exact match", "changed_f1": "changed-element F1", "delta_exact": "state-delta exact match",
    "delta_exact_changed": "the same where the state changed",
}  # fmt: skip
COLOURS = {"draft": REAL, "nearest-neighbour": SIM, "copy-previous": SOFT}
WIDE, HIGH = 420, 200


@dataclass(frozen=True)
class Curve:
    """What is measured.

    Attributes:
        sizes: Training sessions, ascending; the sessions of each are among those of the next.
        episodes: Held-out sessions per policy and split.
        place: Where, and with which seeds; `Place.held_out` is a seed of its own, so that nobody who looks at these
            sessions has seen those of `world_model.py`.
    """

    sizes: tuple[int, ...]
    episodes: int
    place: Place = field(default_factory=lambda: Place({}, 0, 0, held_out=5))


@dataclass(frozen=True)
class Row:
    """One size, one kind of held-out sessions.

    Attributes:
        size: Training sessions.
        held_out: A key of `SPLITS`.
        sessions: Held out.
        requests: Predicted.
        seconds: CPU time of learning.
        figures: Predictor -> figure -> value, both ends of its 95% interval (bootstrap over sessions), and of how many.
    """

    size: int
    held_out: str
    sessions: int
    requests: int
    seconds: float
    figures: dict[str, dict[str, tuple[float, float, float, int]]]


FULL = Curve((25, 50, 100, 200, 400), 8)
QUICK = Curve((4, 8), 1)


def counts(size: int) -> dict[str, int]:
    """Sessions per policy of `size`; those of a greater size are at least as many of each."""
    few = {policy: math.ceil(share * size - 1e-9) for policy, share in SHARES.items() if policy != "explorer"}
    return {**few, "explorer": size - sum(few.values())}


def jobs_of(policies: Mapping[str, int], split: str, seed: int) -> list[Job]:
    """The sessions of so many episodes of each policy: their seeds depend on policy and index alone."""
    options = {"app": APP, "split": split}
    return [job for policy, count in policies.items() for job in plan(options, [policy], count, seed)]


def prepare(curve: Curve) -> None:
    """Record what is learned from and what is held out."""
    place, held = curve.place, held_out(curve.place)
    code = [REPO / "envsim" / part for part in ("policy", "page", "guest")] + [REPO / "sandboxes" / APP]
    place.renew("sessions", code, [place.traces, *held.values()])
    record(place.traces, "train", counts(curve.sizes[-1]), place.seed, place.workers)
    for name, split in SPLITS.items():
        record(held[name], split, dict.fromkeys(SHARES, curve.episodes), place.held_out, place.workers)


def held_out(place: Place) -> dict[str, Path]:
    """Where held-out sessions are, by kind."""
    return {name: place.root / f"held-out-{name}" for name in SPLITS}


def record(out: Path, split: str, policies: Mapping[str, int], seed: int, workers: int) -> None:
    """Sessions with the bugs that production has; what is there already stays, what does not belong there goes."""
    jobs = jobs_of(policies, split, seed)
    for stale in {path.stem for path in out.glob("*.jsonl")} - {job.session for job in jobs}:
        (out / f"{stale}.jsonl").unlink()
    with stages() as watch:
        done = watch(f"Recording {len(jobs)} sessions of the {APP}", len(jobs))
        run_jobs(jobs, {"app": APP, "split": split, "record": out}, workers=workers, on_done=lambda _: done())


def part_of(data: Dataset, sessions: set[str]) -> Dataset:
    """The dataset as if these sessions alone had been recorded for training."""
    split = {name: TRAIN if name in sessions else HELD_OUT for name in data.manifest["split"]}
    return replace(data, manifest={**data.manifest, "split": split})


def measure(curve: Curve, size: int) -> list[Row]:
    """Learn from `size` sessions and predict what was held out; or what that gave before, from the same input."""
    place = curve.place
    kept, key = place.root / f"rows-{size}.json", state_hash(
        [folder_hash(REPO / "worldmodel"), place.code("sessions"), size, curve.episodes, place.seed, place.held_out]
    )  # fmt: skip
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if known.get("key") != key:
        known = {"key": key, "rows": [asdict(row) for row in _measure(curve, size)]}
        kept.write_text(json.dumps(known), encoding="utf-8")
    return [Row(**row) for row in known["rows"]]


def _measure(curve: Curve, size: int) -> list[Row]:
    place = curve.place
    chosen = {job.session for job in jobs_of(counts(size), "train", place.seed)}
    data = part_of(dataset.load(place.root / "dataset"), chosen)
    start = time.process_time()
    memory = learn_vocabulary(data, place.seed)[1]
    seconds = time.process_time() - start
    rows = []
    for name, folder in held_out(place).items():
        recordings = list(TraceReader(folder))
        if both := chosen & {trace.header.session for trace in recordings}:
            raise RuntimeError(f"{sorted(both)[0]} was trained on")
        found = {}
        for who, predictor in baselines(memory).items():
            if who in NAMES:
                steps = [_score(step) for step in measure_one(predictor, recordings).steps]
                found[who] = {figure: _flat(one) for figure, one in figures(steps).items() if figure in FIGURES}
        rows.append(Row(size, name, len(recordings), len(steps), seconds, found))
    return rows


def _score(step: dict[str, Any]) -> StepScore:
    return StepScore(**{**step, "real": tuple(step["real"]), "predicted": tuple(step["predicted"])})


def _flat(one: Estimate) -> tuple[float, float, float, int]:
    return (one.value, one.low, one.high, one.n)


def curves(rows: Sequence[Row]) -> list[Plot]:
    """Every figure over the number of sessions, on a logarithmic scale; shades of an interval as upright lines."""
    sizes = sorted({row.size for row in rows})
    span = math.log(sizes[-1] / sizes[0]) or 1.0
    plots = []
    for split in SPLITS:
        for figure, title in FIGURES.items():
            plot = Plot(WIDE, HIGH, f"{title}, held-out {split}", left=58, above=34, right=120)
            plot.axes("training sessions", f"{title}, held-out {split}")
            for size in sizes:
                plot.text(plot.x(math.log(size / sizes[0]) / span), HIGH + 16, str(size), anchor="middle")
            for who, colour in COLOURS.items():
                _draw(plot, [row for row in rows if row.held_out == split], who, figure, colour, span, sizes[0])
            plots.append(plot)
    return plots


def _draw(
    plot: Plot, rows: Sequence[Row], who: str, figure: str, colour: str, span: float, first: int
) -> None:  # fmt: skip
    points = []
    for row in sorted(rows, key=lambda row: row.size):
        value, low, high, count = row.figures[who][figure]
        if count:
            x = plot.x(math.log(row.size / first) / span)
            points.append((x, plot.y(value)))
            plot.line(x, plot.y(low), x, plot.y(high), colour)
            plot.dot(*points[-1], colour, 3)
    if points:
        plot.path(points, colour, width=2)
        plot.text(points[-1][0] + 8, points[-1][1] + 4, who, colour=colour)


def section(rows: Sequence[Row], seed: int, seconds: float) -> str:
    """The section of `RESULTS.md`."""
    sizes = sorted({row.size for row in rows})
    parts = []
    for split in SPLITS:
        mine = [row for row in rows if row.held_out == split]
        for figure, title in FIGURES.items():
            for who in NAMES:
                if who == "copy-previous":
                    # It learns nothing: one figure stands for all sizes.
                    cells = ["" for _ in sizes[1:]] + [_cell(mine[-1].figures[who][figure])]
                else:
                    cells = [_cell(row.figures[who][figure]) for row in mine]
                parts.append([f"{split}: {title}" if who == NAMES[0] else "", who, *cells])
    head = ["held-out", "", *map(str, sizes)]
    counted = ", ".join(
        f"{row.requests} requests of {row.sessions} {row.held_out}" for row in rows if row.size == sizes[-1]
    )
    spent = ", ".join(f"{row.size}: {row.seconds:.0f} s" for row in rows if row.held_out == next(iter(SPLITS)))
    shares = ", ".join(f"{share:.0%} of {policy}" for policy, share in SHARES.items())
    return f"""## The world model from few sessions

{machine()}. Programs learned from the first 25 to 400 sessions of the shop with its production
bugs ({shares}; seed {seed}); no network: *drafts* are what programs and records say
without one. One step ahead, the real history given: {counted}. Each figure with its 95% interval
(bootstrap over sessions). *Sessions*: new seeds of the templates learned from. *Templates*: tasks of templates that no
training session had. Bugs that fire by chance part about a tenth of the steps: no whole-page figure reaches 1.

{markdown_table(head, parts)}

CPU time of learning, by sessions: {spent}. In all {seconds / 60:.0f} min from what was already there.

Reproduce: `python benchmarks/world_model_small.py` (`runs/world_model_small/curve.svg` is the picture)
""".replace("25 to 400", f"{sizes[0]} to {sizes[-1]}")


def _cell(found: Sequence[float]) -> str:
    value, low, high, count = found
    return f"{value:.3f} [{low:.2f}, {high:.2f}]" if count else "-"


def run(curve: Curve) -> list[Row]:
    """Record, as that takes all cores; then learn side by side, the longest first."""
    place = curve.place
    prepare(curve)
    dataset.build(place.traces, place.root / "dataset", held_out=0.0, seed=place.seed)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the processes that start next
    print("Learning, and predicting what was held out", file=sys.stderr)
    with ProcessPoolExecutor(place.workers, mp_context=get_context("spawn")) as pool:
        found = {size: pool.submit(measure, curve, size) for size in sorted(curve.sizes, reverse=True)}
        rows = [row for size in curve.sizes for row in found[size].result()]
    (place.root / "curve.svg").write_text(picture(curves(rows)), encoding="utf-8")
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few sessions; writes nothing")
    parser.add_argument("--out", type=Path, help="where stages are kept; runs/world_model_small unless --quick")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    start, scratch = time.perf_counter(), Path(tempfile.mkdtemp()) if asked.quick else None
    root = asked.out or scratch or REPO / "runs" / "world_model_small"
    curve = QUICK if asked.quick else FULL
    curve = replace(curve, place=curve.place.at(root))
    try:
        rows = run(curve)
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    text = section(rows, curve.place.seed, time.perf_counter() - start)
    if not asked.quick:
        update_section("world_model_small", text)
    print(json.dumps([asdict(row) for row in rows], indent=2) if asked.json else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
