"""Measures the world model of the shop against every goal it has, and writes the table into `RESULTS.md`.

    python benchmarks/world_model.py [--quick] [--only PART]... [--out DIR] [--json]

Records at most 2,000 training sessions of the shop with its production bugs, trains, and measures on held-out sessions
of the training templates and on held-out templates, beside replay, nearest neighbour, copy-previous and its own
draft. The model is left at ``runs/world_model/model``. Every stage keeps what it has done: run again after a crash, it
goes on. Run it alone. ``--quick`` is a small sample of everything, in a folder of its own, and writes nothing.

A part is a module `world_model_<part>.py` beside this one, with ``run(place) -> rows``, ``goals(rows) -> list[Goal]``
and ``text(rows) -> str``. A part that is not there, or breaks off, is said to be, and the others still run.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from results import Goal, goals_table, machine, update_section
from world_model_place import FULL, QUICK, Place

REPO = Path(__file__).resolve().parents[1]
PARTS = {
    "shop": "training, and fidelity on held-out sessions and templates",
    "speed": "steps per second in batches, CPU and GPU",
    "tools": "real tool traffic: tau-bench airline, tau2 retail and telecom",
    "policy": "a policy trained in the model alone, then run in the sandbox",
}
"""In this order: later parts use the model of the first."""


def measure(part: str, place: Place) -> tuple[list[Goal], str]:
    """The goals of one part, measured, and what else it says; of one that is missing or broke off, a line saying so."""
    if importlib.util.find_spec(f"world_model_{part}") is None:
        why = f"not measured: there is no benchmarks/world_model_{part}.py yet"
        return [Goal(part, PARTS[part], why, met=False)], ""
    print(f"{part}: {PARTS[part]}", file=sys.stderr)
    start = time.perf_counter()
    try:
        module = importlib.import_module(f"world_model_{part}")
        rows = module.run(place)
        found: list[Goal] = module.goals(rows)
        text: str = module.text(rows)
    except Exception as error:
        traceback.print_exc()
        return [Goal(part, PARTS[part], f"broke off: {type(error).__name__}: {str(error)[:300]}", met=False)], ""
    print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found, text


def section(found: list[Goal], texts: list[str], place: Place, seconds: float) -> str:
    """The section of `RESULTS.md`."""
    missed = [goal.what for goal in found if goal.met is False]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every goal is met."
    body = "\n\n".join(text for text in texts if text)
    return f"""## The world model of the shop

{machine()}. {place.sessions} training sessions with production bugs on, seed {place.seed}; measured in
{seconds / 60:.0f} min (stages that an earlier run left are taken from there). *Sessions*: new seeds of the templates
trained on. *Templates*: tasks of templates that no training session had. Wrong answers to sessions of lower seeds led
to changes; these, of seed {place.held_out}, nobody had looked at. The held-out templates have stayed the same.

{goals_table(found)}

{verdict}

{body}

Reproduce: `python benchmarks/world_model.py`
"""


def main() -> int:
    """Measure, print, write down; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small sample of everything; writes nothing")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part; may be given again")
    parser.add_argument("--out", type=Path, help="where stages are kept; runs/world_model unless --quick")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.out or (Path(scratch) if arguments.quick else REPO / "runs" / "world_model")
        place = (QUICK if arguments.quick else FULL).at(root)
        measured = [measure(part, place) for part in arguments.only or PARTS]
    found = [goal for goals, _ in measured for goal in goals]
    text = section(found, [text for _, text in measured], place, time.perf_counter() - start)
    if not arguments.quick and not arguments.only:
        update_section("world_model", text)
    print(json.dumps([asdict(goal) for goal in found], indent=2) if arguments.json else text)
    return 0 if all(goal.met is not False for goal in found) else 1


if __name__ == "__main__":
    sys.exit(main())
