"""Proves every bug of every app in containers: its oracle fails where the bug is and passes where it is not.

    python benchmarks/sandboxes_apps.py [--quick] [--json] [APP...]

Bugs that we put in are switched on and off in one container. Real ones are looked for in a container of the version
that has them and in one of the version that has not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass

from results import Goal, goals_table

from envsim.content import list_apps
from envsim.errors import EnvsimError
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.oracle import prove_bugs
from envsim.sandbox.spec import find_spec

QUICK = 3
"""Bugs per app of a quick run."""


@dataclass(frozen=True)
class Row:
    """One app.

    Attributes:
        app: Its name.
        variants: Versions of it that were run; 1 for an app without.
        real: How many of the proven bugs are the app's own, as opposed to ones we put in.
        proven: Bugs whose oracle failed with and passed without.
        wrong: The other bugs, and how their oracle erred.
        seconds: What it took, images included.
        note: Why nothing was proven.
    """

    app: str
    variants: int = 1
    real: int = 0
    proven: int = 0
    wrong: tuple[str, ...] = ()
    seconds: float = 0.0
    note: str = ""


def run(quick: bool, apps: list[str] | None = None) -> list[Row]:
    """Every app that is not another one from another side; with `quick`, the first bugs of each."""
    chosen = apps or [name for name in list_apps() if find_spec(name).origin.name == name]
    return [_prove(name, quick) for name in chosen]


def _prove(name: str, quick: bool) -> Row:
    start = time.perf_counter()
    try:
        spec = find_spec(name)
        bugs = spec.bugs[: QUICK if quick else None]
        places: set[str] = set()

        def watch(bug: str, where: str) -> None:
            places.add(where)
            print(f"{time.perf_counter() - start:6.1f} s  {bug} in {where}", file=sys.stderr)

        verdicts = prove_bugs(spec, bugs, DockerRuntime(), watch=watch)
    except EnvsimError as error:
        return Row(name, note=" ".join(str(error).split())[:300], seconds=time.perf_counter() - start)
    right = {verdict["id"] for verdict in verdicts if verdict["buggy"] and verdict["fixed"]}
    wrong = [
        f"{verdict['id']} (fails with: {verdict['buggy']}, passes without: {verdict['fixed']})"
        for verdict in verdicts
        if verdict["id"] not in right
    ]
    real = sum(bug.variants is not None for bug in bugs if bug.id in right)
    return Row(name, len(places), real, len(right), tuple(wrong), time.perf_counter() - start)


def goals(rows: list[Row]) -> list[Goal]:
    """The one line of the table that they come to."""
    trouble = [f"{row.app}: {', '.join(row.wrong) or row.note}" for row in rows if row.wrong or row.note]
    told = ", ".join(f"{row.app} {row.proven}" for row in rows)
    measured = (
        f"{sum(row.proven for row in rows)} of {sum(row.proven + len(row.wrong) for row in rows)} "
        f"({sum(row.real for row in rows)} of them the apps' own; {told})"
    )
    if trouble:
        measured += f"; {'; '.join(trouble)}"
    return [Goal("bug oracles, buggy and fixed, every app and variant", "100% both ways", measured, not trouble)]


def main() -> int:
    """Print the table; 1 if an oracle erred."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("apps", nargs="*", metavar="APP", help="these apps only")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} bugs per app")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.quick, arguments.apps)
    print(json.dumps([asdict(row) for row in rows], indent=2) if arguments.json else goals_table(goals(rows)))
    return int(any(row.wrong or row.note for row in rows))


if __name__ == "__main__":
    sys.exit(main())
