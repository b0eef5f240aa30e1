"""Times sandboxes against their goals: reset, step, browser, cold start, image size, and BrowserGym's MiniWoB.

    python benchmarks/sandboxes_speed.py [--quick] [--json] [--no-miniwob]

Figures are medians (p95) over real episodes of the oracle policy, by the wall clock; run it alone. MiniWoB gets an
environment of its own below ``runs/benchmarks``, made on the first run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from environments import episode_times
from results import Goal, goals_table

from envsim.content import list_apps
from envsim.errors import EnvsimError
from envsim.page.browser import find_chromium
from envsim.page.transport import Request
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.image import connect
from envsim.sandbox.spec import find_spec

OWN = ("shop", "stays", "plaza")
"""Clones written on the kit."""
COLD_APPS = (*OWN, "oscar")
MINIWOB = ("browsergym-miniwob==0.14.3", "playwright==1.44.0")
MINIWOB_PAGES = "miniwob==1.1.0"
RUNS = Path(__file__).resolve().parents[1] / "runs" / "benchmarks"

SETUPS: tuple[tuple[str, dict[str, Any], int, float | None, float | None], ...] = (
    # options, episodes, goals in ms of reset and step
    ("http, in-process", {"runtime": "inprocess", "driver": "http"}, 60, 5.0, 1.0),
    ("http, process", {"runtime": "process", "driver": "http"}, 30, 5.0, None),
    ("http, docker", {"runtime": "docker", "driver": "http"}, 30, 8.0, 3.0),
    ("chromium, in-process", {"runtime": "inprocess", "driver": "chromium"}, 8, 150.0, 60.0),
    ("chromium, docker", {"runtime": "docker", "driver": "chromium"}, 8, 150.0, 60.0),
)
STEPS_PER_S = 1000.0
COLD_S = {"oscar": 1.0}
IMAGE_MB = 200.0


@dataclass(frozen=True)
class Row:
    """One kind of time or size: samples in `unit`, and the most that their median may be."""

    what: str
    unit: str
    samples: list[float] = field(default_factory=list)
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""
    """Why it was not measured."""


def run(quick: bool, *, miniwob: bool = True) -> list[Row]:
    """All of it; what cannot run here is a row with a note.

    Args:
        quick: A tenth of the episodes, of the shop only.
        miniwob: Time BrowserGym's MiniWoB, too.
    """
    apps = [app for app in OWN if app in list_apps()][: 1 if quick else None]
    rows = [row for app in apps for row in _episodes(app, quick)]
    for app in COLD_APPS if not quick else ("shop",):
        rows += _cold(app, 2 if quick else 8)
    if miniwob:
        ours = next((row for row in rows if row.what == "shop, chromium, in-process, step" and row.samples), None)
        rows += _miniwob(3 if quick else 20, ours)
    return rows


def goals(rows: list[Row]) -> list[Goal]:
    """The rows with what was to be reached."""
    return [_goal(row) for row in rows]


def _goal(row: Row) -> Goal:
    wanted = (
        f"p50 <= {row.at_most:g} {row.unit}" if row.at_most is not None
        else f">= {row.at_least:,.0f} {row.unit}" if row.at_least is not None else ""
    )  # fmt: skip
    if not row.samples:
        return Goal(row.what, wanted, f"not measured: {row.note}", None if not wanted else False)
    middle = median(row.samples)
    spread = f" (p95 {quantiles(row.samples, n=20)[-1]:,.4g})" if len(row.samples) > 4 else ""
    met = None
    if row.at_most is not None:
        met = middle <= row.at_most
    elif row.at_least is not None:
        met = middle >= row.at_least
    note = f"; {row.note}" if row.note else ""
    return Goal(row.what, wanted, f"{middle:,.4g}{spread} {row.unit}{note}", met)


def _episodes(app: str, quick: bool) -> list[Row]:
    rows = []
    for name, options, count, reset_ms, step_ms in SETUPS:
        if app != "shop" and options["runtime"] != "inprocess":
            continue
        # The goals are the shop's; the others are shown beside it.
        limits = (reset_ms, step_ms) if app == "shop" else (None, None)
        note = ""
        resets: list[float] = []
        steps: list[float] = []
        try:
            resets, steps = episode_times(app, options, max(3, count // 10) if quick else count)
        except EnvsimError as error:
            note = str(error)
        rows.append(Row(f"{app}, {name}, reset", "ms", resets, limits[0], note=note))
        rows.append(Row(f"{app}, {name}, step", "ms", steps, limits[1], note=note))
        if name == "http, in-process":
            rate = [1000 * len(steps) / sum(steps)] if steps else []
            least = STEPS_PER_S if app == "shop" else None
            rows.append(Row(f"{app}, {name}, one core", "steps/s", rate, at_least=least, note=note))
    return rows


def _cold(app: str, starts: int) -> list[Row]:
    """Docker: from nothing running to the first page, and how large the image is."""
    most = COLD_S.get(app, 0.6)
    names = (f"{app}, docker, cold start to first page", f"{app}, image")
    try:
        spec = find_spec(app)
        runtime = DockerRuntime()
        tag = runtime.prepare(spec)
        size = float(connect().images.get(tag).attrs["Size"]) / 1e6
        seconds = []
        for _ in range(starts + 1):
            start = time.perf_counter()
            sandbox = runtime.start(spec)
            try:
                reply = sandbox.transport().send(Request("GET", spec.pages[0] if spec.pages else "/"))
                seconds.append(time.perf_counter() - start)
            finally:
                sandbox.close()
            if reply.status >= 500:
                raise EnvsimError(f"its first page answers {reply.status}")
    except EnvsimError as error:
        return [Row(names[0], "s", at_most=most, note=str(error)), Row(names[1], "MB", note=str(error))]
    limit = IMAGE_MB if app in OWN else None
    # The first start may find the image's layers not in memory yet.
    return [Row(names[0], "s", seconds[1:], most), Row(names[1], "MB", [size], limit)]


def _miniwob(episodes: int, ours: Row | None) -> list[Row]:
    try:
        python = _miniwob_python()
        worker = Path(__file__).with_name("miniwob_worker.py")
        done = subprocess.run(
            [python, worker, find_chromium(), str(episodes)], capture_output=True, text=True, check=True, timeout=900
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (EnvsimError, OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        return [Row("BrowserGym MiniWoB", "ms", note=str(said).strip()[-200:] or str(error))]
    rows = []
    for key, label in (("shipped", "as shipped"), ("no_waits", "without its waits")):
        for what in ("reset", "step"):
            samples = [1000 * seconds for seconds in found[key][what]]
            note = ""
            if what == "step" and ours is not None:
                note = f"{median(samples) / median(ours.samples):.1f} times ours through the same browser"
            rows.append(Row(f"BrowserGym MiniWoB {label}, {what}", "ms", samples, note=note))
    return rows


def _miniwob_python() -> Path:
    """The Python of an environment that holds BrowserGym's MiniWoB and its pages."""
    folder = RUNS / "miniwob"
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join((*MINIWOB, MINIWOB_PAGES))
    if not ready.exists() or ready.read_text() != wanted:
        print("installing BrowserGym's MiniWoB", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *MINIWOB], check=True, capture_output=True, text=True)
        # Only its pages are wanted, not the browser driver it would bring.
        subprocess.run([*pip, "--no-deps", MINIWOB_PAGES], check=True, capture_output=True, text=True)
        ready.write_text(wanted)
    return python


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the episodes, of the shop only")
    parser.add_argument("--no-miniwob", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.quick, miniwob=not arguments.no_miniwob)
    print(json.dumps([row.__dict__ for row in rows], indent=2) if arguments.json else goals_table(goals(rows)))


if __name__ == "__main__":
    main()
