"""Apps that are commands of their own: what a start, a reset and a fork of them take, and whether a proof holds.

    python benchmarks/sandboxes_own.py [--quick] [--json]

The apps are those of the tests: tally (Python's own server, SQLite, started again at each reset) and django-helpdesk on
PostgreSQL, with and without its own restart.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from results import Goal, goals_table

from envsim.errors import EnvsimError
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.new_proof import prove
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec, find_spec

CONTENT = Path(__file__).resolve().parents[1] / "tests" / "sandbox" / "content"


@dataclass(frozen=True)
class Row:
    """One measurement: in words, and whether it met its goal (None: it has none, or could not be measured)."""

    what: str
    goal: str
    measured: str
    met: bool | None = None
    details: dict[str, Any] = field(default_factory=dict)


def goals(rows: list[Row]) -> list[Goal]:
    """`rows` as lines of the table of all parts."""
    return [Goal(row.what, row.goal, row.measured, row.met) for row in rows]


def run(quick: bool) -> list[Row]:
    """All of it; an app that cannot be measured is a row that says why.

    Args:
        quick: The small app alone, and few repetitions.
    """
    kept = os.environ.get("ENVSIM_PATH")
    os.environ["ENVSIM_PATH"] = os.pathsep.join([str(CONTENT), *([kept] if kept else [])])
    try:
        specs = [("tally", find_spec("tally"))]
        if not quick:
            helpdesk = find_spec("helpdesk")
            specs += [
                ("helpdesk, PostgreSQL, restarted", helpdesk),
                ("helpdesk, PostgreSQL", _without_restart(helpdesk)),
            ]
        rows: list[Row] = []
        for name, spec in specs:
            print(f"own apps: {name}", file=sys.stderr)
            try:
                rows += _times(name, spec, 5 if quick else 30)
            except EnvsimError as error:
                rows.append(Row(name, "", f"broke off: {str(error)[:200]}", met=False))
        return [*rows, *[_proof(name, spec) for name, spec in specs[:2]]]
    finally:
        os.environ.pop("ENVSIM_PATH")
        if kept is not None:
            os.environ["ENVSIM_PATH"] = kept


def _without_restart(spec: SandboxSpec) -> SandboxSpec:
    assert spec.hosted is not None
    return spec.model_copy(update={"hosted": spec.hosted.model_copy(update={"restart": False})})


def _times(name: str, spec: SandboxSpec, count: int) -> list[Row]:
    runtime = DockerRuntime()
    runtime.prepare(spec)
    started = time.perf_counter()
    sandbox = runtime.start(spec)
    try:
        cold = time.perf_counter() - started
        resets, saves, forks = [], [], []
        for seed in range(count):
            started = time.perf_counter()
            sandbox.control.reset(ResetRequest(seed=seed))
            resets.append(time.perf_counter() - started)
            started = time.perf_counter()
            saved = sandbox.control.snapshot()
            saves.append(time.perf_counter() - started)
            started = time.perf_counter()
            sandbox.control.restore(saved)
            forks.append(time.perf_counter() - started)
    finally:
        sandbox.close()
    measured = {"start": [cold], "reset": resets, "snapshot": saves, "restore": forks}
    return [
        Row(f"{name}: {what}", "", f"p50 {median(taken) * 1000:.1f} ms", details={"ms": [t * 1000 for t in taken]})
        for what, taken in measured.items()
    ]


def _proof(name: str, spec: SandboxSpec) -> Row:
    try:
        proof = prove(spec, DockerRuntime(), lambda text: None)
    except EnvsimError as error:
        return Row(f"{name}: sandbox prove", "every point holds", f"broke off: {str(error)[:200]}", met=False)
    failed = [point.item for point in proof.points if point.held is False]
    held = f"{len(proof.points) - len(failed)} of {len(proof.points)}"
    return Row(f"{name}: sandbox prove", "every point holds", held, not failed, {"failed": failed})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = run(options.quick)
    if options.json:
        print(json.dumps([{**row.__dict__} for row in rows], indent=1))
    else:
        print(goals_table(goals(rows)))
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
