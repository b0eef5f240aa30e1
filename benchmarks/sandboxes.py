"""Measures sandboxes against every goal they have, part by part, and writes a table of each into `RESULTS.md`.

    python benchmarks/sandboxes.py [--quick] [--only PART]... [--json]

A part is a module `sandboxes_<part>.py` beside this one, with ``run(quick) -> rows`` and
``goals(rows) -> list[Goal]``; each runs alone, too. A part that fails is said to have, and the others still run. A part
is written down as soon as it is measured, a quick one is not. The whole takes about an hour; run it alone.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
import traceback
from dataclasses import asdict

from results import Goal, goals_table, machine, update_section

PARTS = {
    "speed": "reset, step, browser, cold start, image size, BrowserGym's MiniWoB",
    "fleet": "forks, pools, dirty resets, killed owners, 64 clones",
    "faults": "24 classes of failure",
    "containment": "what a hostile app would meet",
    "apps": "bug oracles of every app and variant",
    "own": "apps that are commands of their own: resets, forks, proofs",
}


def measure(part: str, quick: bool) -> list[Goal]:
    """The goals of one part, measured; of one that broke off, a line that says why."""
    print(f"{part}: {PARTS[part]}", file=sys.stderr)
    start = time.perf_counter()
    try:
        module = importlib.import_module(f"sandboxes_{part}")
        found: list[Goal] = module.goals(module.run(quick))
    except Exception as error:
        traceback.print_exc()
        return [Goal(part, PARTS[part], f"broke off: {type(error).__name__}: {str(error)[:300]}", met=False)]
    print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def main() -> int:
    """Measure, print, write down; 1 if a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small sample of everything; writes nothing")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="this part; may be given again")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    parts = arguments.only or list(PARTS)
    if missing := [part for part in parts if importlib.util.find_spec(f"sandboxes_{part}") is None]:
        print(f"There is no benchmarks/sandboxes_{missing[0]}.py. Leave it out with --only.", file=sys.stderr)
        return 2
    found: list[Goal] = []
    for part in parts:
        measured = measure(part, arguments.quick)
        found += measured
        if not arguments.quick:
            update_section(f"sandboxes_{part}", section(part, measured))
    print(json.dumps([asdict(goal) for goal in found], indent=2) if arguments.json else goals_table(found))
    return 0 if all(goal.met is not False for goal in found) else 1


def section(part: str, found: list[Goal]) -> str:
    """The section of `RESULTS.md` about one part."""
    missed = [goal.what for goal in found if goal.met is False]
    verdict = f"Missed: {'; '.join(missed)}." if missed else "Every goal is met."
    return f"""## Sandboxes: {PARTS[part]}

{machine()}. Times by the wall clock: median (p95).

{goals_table(found)}

{verdict}

Reproduce: `python benchmarks/sandboxes.py --only {part}`
"""


if __name__ == "__main__":
    sys.exit(main())
