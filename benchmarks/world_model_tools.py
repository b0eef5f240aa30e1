"""Real tool traffic: what the benchmarks of tau-bench's airline and of tau2's tools measured, if they have been run.

They are commands of their own (`tau_airline.py`, `tau2_tools.py`) with sections of their own in `RESULTS.md`; here
their goals stand beside the others. Each may leave ``goals`` in its ``results.json``: a list of rows as `results.Goal`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from results import Goal
from world_model_place import Place

SOURCES = {
    "tau_airline": "tau-bench airline, by held-out task",
    "tau2_tools": "tau2 retail and telecom tools, split by customer",
}
HERE = Path(__file__).resolve().parent


def run(place: Place) -> dict[str, Any]:
    """What each of them left, or why there is nothing."""
    del place
    found: dict[str, Any] = {}
    for name in SOURCES:
        path = HERE.parent / "runs" / name / "results.json"
        if not (HERE / f"{name}.py").is_file():
            found[name] = f"not measured: there is no benchmarks/{name}.py yet"
        elif not path.is_file():
            found[name] = f"not measured here: run python benchmarks/{name}.py first"
        else:
            found[name] = json.loads(path.read_text(encoding="utf-8")).get("goals") or f"see the section {name} below"
    return found


def goals(rows: dict[str, Any]) -> list[Goal]:
    """Their goals, or a line for each that has none."""
    found = []
    for name, what in SOURCES.items():
        if isinstance(rows[name], str):
            found.append(Goal(what, "entity seen >= 0.95, writes >= 0.85; unseen >= 0.95", rows[name]))
        else:
            found += [Goal(f"{name}: {row['what']}", row["goal"], row["measured"], row["met"]) for row in rows[name]]
    return found


def text(rows: dict[str, Any]) -> str:
    """Nothing: they have sections of their own."""
    del rows
    return ""
