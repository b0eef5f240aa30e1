"""The support desk's tasks before three populations of users: success, pass^k, and the gap between populations.

    python benchmarks/desk.py [--episodes 30] [--trials 4] [--quick]

Runs ``envsim rollout --app desk --users 3 --trials K`` and writes its section of RESULTS.md. The policies are the
oracle, the oracle with slips, and chance: what an agent of yours scores is for you to add.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from results import machine, markdown_table, update_section

POLICIES = ("oracle", "noisy:0.1", "noisy:0.3", "random")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=30, help="task instances per policy and population")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="3 instances, 2 trials, nothing written")
    arguments = parser.parse_args()
    episodes, trials = (3, 2) if arguments.quick else (arguments.episodes, arguments.trials)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        found = rollout(out, episodes, trials)
    text = report(found, episodes, trials, time.perf_counter() - began)
    print(text)
    if not arguments.quick:
        update_section("desk", text)


def rollout(out: str, episodes: int, trials: int) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "envsim.cli", "rollout", "--app", "desk", "--policy", ",".join(POLICIES),
        "--users", "3", "-n", str(episodes), "--trials", str(trials), "-o", out, "--json",
    ]  # fmt: skip
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def report(found: dict[str, Any], episodes: int, trials: int, seconds: float) -> str:
    rows = [
        [
            row["policy"], row["population"], f"{row['success']:.3f} {row['interval']}",
            *(f"{row['pass^k'][str(k)]['value']:.3f}" for k in range(1, trials + 1)), str(row["unscored"]),
        ]
        for row in found["policies"]
    ]  # fmt: skip
    gaps = [[row["policy"], f"{row['gap']:.3f} {row['interval']}"] for row in found["spread"]]
    return "\n".join(
        [
            "## The support desk before three populations of users",
            "",
            f"`python benchmarks/desk.py` · {episodes} task instances of the 30 templates, {trials} trials each,"
            f" production bugs on · {seconds:.0f} s on {machine()}.",
            "",
            markdown_table(
                ["policy", "population", "success [95%]", *(f"pass^{k}" for k in range(1, trials + 1)), "unscored"],
                rows,
            ),
            "",
            "Largest less smallest success over the populations, same instances and seeds:",
            "",
            markdown_table(["policy", "gap [95%]"], gaps),
        ]
    )


if __name__ == "__main__":
    main()
