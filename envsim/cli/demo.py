"""`envsim demo`: the whole path in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import note, print_table
from envsim.cli.fidelity import stages
from envsim.demo import Demo, run_demo
from envsim.fidelity.report import table, verdict


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory of all it makes; reused if complete.")] = Path(
        "runs/demo"
    ),
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Training episodes per policy.")] = 300,
    held_out: Annotated[int, typer.Option(min=1, help="Held-out episodes per policy and world.")] = 12,
    minutes: Annotated[float, typer.Option(min=0.1, help="Time for training the world model.")] = 1.5,
    seed: Annotated[int, typer.Option()] = 0,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes for rollouts.")] = 2,
) -> None:
    """Clone the shop with its bugs, record policies, train a world model, compare the worlds.

    Needs no Docker, browser, GPU or network.
    """
    with stages() as watch:
        report, page = run_demo(
            Demo(out, episodes=episodes, held_out=held_out, minutes=minutes, seed=seed, workers=workers), watch
        )
    print_table(*table(report))
    note(verdict(report))
    note(f"Wrote {page}")
