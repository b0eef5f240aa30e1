"""Tries every safeguard, and every way out, in a container of every app.

    python benchmarks/sandboxes_containment.py [--quick] [--json]

Apps with variants are tried in their default one: what contains them is the same for all.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field

from results import Goal, goals_table

from envsim.content import list_apps
from envsim.errors import EnvsimError
from envsim.sandbox.audit import audit
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.spec import find_spec

ITEMS = 18
"""Safeguards that are to be tried at the least."""
EGRESS = (
    "1.1.1.1:80", "8.8.8.8:53", "9.9.9.9:443", "example.com:443", "host.docker.internal:80", "172.17.0.1:22",
    "169.254.169.254:80", "fd00:ec2::254:80", "2606:4700:4700::1111:443", "127.0.0.1:2375",
)  # fmt: skip
"""``host:port`` of the internet, the engine, and metadata services of clouds."""


@dataclass(frozen=True)
class Row:
    """One app."""

    app: str
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    note: str = ""
    """Why it was not tried."""


def run(quick: bool) -> list[Row]:
    """Every app that has a container of its own; with `quick` only the first."""
    apps = [name for name in list_apps() if find_spec(name).origin.name == name]
    rows = []
    for name in apps[: 1 if quick else None]:
        print(f"containment: {name}", file=sys.stderr)
        try:
            sandbox = DockerRuntime().start(find_spec(name))
            try:
                findings = audit(sandbox)
                reached = sandbox.probe(list(EGRESS), [], "")["reached"]
            finally:
                sandbox.close()
        except EnvsimError as error:
            rows.append(Row(name, note=str(error)))
            continue
        broken = [finding["item"] for finding in findings if not finding["held"]]
        rows.append(Row(name, len(findings), broken, reached))
    return rows


def goals(rows: list[Row]) -> list[Goal]:
    """The one line of the table that they come to."""
    wrong = [f"{row.app}: {', '.join([*row.broken, *row.reached]) or row.note}" for row in rows if _failed(row)]
    least = min((row.tried for row in rows if not row.note), default=0)
    held = f"{least} items and {len(EGRESS)} ways out in {', '.join(row.app for row in rows)}: "
    return [
        Goal(
            "containment self-audit and egress probes, in every app's container", f">= {ITEMS} items, all held",
            held + ("; ".join(wrong) or "all held"), not wrong and least >= ITEMS,
        )
    ]  # fmt: skip


def _failed(row: Row) -> bool:
    return bool(row.broken or row.reached or row.note)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one app")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.quick)
    print(json.dumps([row.__dict__ for row in rows], indent=2) if arguments.json else goals_table(goals(rows)))


if __name__ == "__main__":
    main()
