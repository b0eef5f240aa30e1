"""`envsim robustness`: how a policy holds up under repetition, rewording and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.fidelity.robustness import Cell, Grid, Study, measure, write_surface
from envsim.sandbox.faults import read_faults
from envsim.worlds import default_interface


def robustness(
    app: Annotated[str, typer.Option(help="App to run, e.g. shop.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the report and its traces.")],
    policy: Annotated[str, typer.Option(help="One policy, e.g. oracle, noisy:0.1 or chat:MODEL.")] = "oracle",
    k: Annotated[str, typer.Option("--k", help="Trials that must all succeed.")] = "1,2,4",
    epsilon: Annotated[str, typer.Option(help="Intensities of rewording and other layouts, 0 to 1.")] = "0,0.05,0.1",
    lam: Annotated[str, typer.Option("--lambda", help="Factors of the fault profile's rates.")] = "0,0.5,1",
    faults: Annotated[
        str, typer.Option(help="The profile at lambda 1: production, all, or a=0.1,b=0.2.")
    ] = "production",
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Tasks per point.")] = 10,
    split: Annotated[str | None, typer.Option(help="train or test; both if not given.")] = None,
    task: Annotated[str | None, typer.Option(help="One task, or one instance TASK@SEED.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same surface.")] = 0,
    interface: Annotated[str | None, typer.Option(help="browser or tools; the app's own if not given.")] = None,
    runtime: Annotated[str, typer.Option(help="inprocess, process, docker, or auto: the fastest.")] = "auto",
    driver: Annotated[str, typer.Option(help="http or chromium.")] = "http",
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "none",
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes.")] = 2,
    as_json: JsonFlag = False,
) -> None:
    """Measure the reliability surface R(k, epsilon, lambda) of POLICY. An interrupted run resumes."""
    grid = Grid(tuple(_whole(k)), tuple(_numbers(epsilon, "--epsilon")), tuple(_numbers(lam, "--lambda")))
    options: dict[str, Any] = {
        "app": app, "task": task, "split": split, "interface": interface or default_interface(app),
        "runtime": runtime, "driver": driver, "bugs": bugs,
    }  # fmt: skip
    study = Study(options, policy, grid, read_faults(faults), episodes, seed, out)
    TaskEnv(**options).close()  # bad names fail here, in one sentence
    with progress(f"Trying {policy}", total=study.total) as advance:
        surface = measure(study, workers=workers, on_done=advance)
    page = write_surface(surface, out)
    rows = [_row(cell) for cell in surface.cells]
    if as_json:
        print_json({"app": app, "policy": policy, "faults": surface.faults, "surface": rows, "report": str(page)})
        return
    print_table(
        ["k", "epsilon", "lambda", "R", "95% interval", "tasks", "unscored"],
        [[*row.values()] for row in rows],
    )
    note(f"The report is {page}")


def _row(cell: Cell) -> dict[str, Any]:
    found = cell.estimate
    return {
        "k": cell.k, "epsilon": cell.epsilon, "lambda": cell.lam,
        "R": round(found.value, 4) if found.n else None,
        "interval": [round(found.low, 4), round(found.high, 4)] if found.n else None,
        "tasks": found.n, "unscored": cell.unscored,
    }  # fmt: skip


def _numbers(text: str, option: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ContentError(f"{option} {text!r} is no list of numbers. Write it as {option} 0,0.5,1") from None


def _whole(text: str) -> list[int]:
    numbers = _numbers(text, "--k")
    if any(number != int(number) for number in numbers if abs(number) < 1e9) or any(abs(n) >= 1e9 for n in numbers):
        raise ContentError(f"--k {text!r} holds what is no count of trials. Write it as --k 1,2,4")
    return [int(number) for number in numbers]
