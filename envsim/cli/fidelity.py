"""`envsim fidelity`: the measured distance between a sandbox and the worlds made from traces."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.fidelity import gate
from envsim.fidelity.compare import Setup, Watch, compare
from envsim.fidelity.report import plain, table, write_report


def fidelity(
    model: Annotated[Path, typer.Option("--model", "--candidate", help="Directory of the trained model.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for report.json and report.html.")],
    app: Annotated[str, typer.Option(help="App to compare on.")] = "shop",
    policy: Annotated[str, typer.Option(help="Policies, comma separated.")] = "oracle,noisy,random",
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Episodes per policy and world.")] = 20,
    seed: Annotated[int, typer.Option()] = 1,
    split: Annotated[str, typer.Option(help="Tasks to compare on; test is held out.")] = "test",
    interface: Annotated[str, typer.Option(help="browser or tools.")] = "browser",
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "production",
    require: Annotated[list[str] | None, typer.Option(help="FIGURE>=NUMBER; exit code 1 if it does not hold.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the same policies on the same held-out tasks in every world and report the agreement."""
    for expression in require or ():
        gate.parse(expression)
    setup = Setup(
        app=app, model=model, held_out=out / "held-out", policies=tuple(policy.split(",")),
        episodes=episodes, seed=seed, split=split, bugs=bugs, interface=interface,
    )  # fmt: skip
    with stages() as watch:
        report = compare(setup, watch=watch)
    page = write_report(report, out)
    if as_json:
        print_json(plain([asdict(row) for row in report.rows]))
    else:
        print_table(*table(report))
    note(f"Wrote {page}")
    for expression in require or ():
        gate.require(report, expression)


@contextlib.contextmanager
def stages() -> Iterator[Watch]:
    """A `Watch` that shows one progress bar after another; a stage of no parts is a line, and shows its own."""
    with contextlib.ExitStack() as bars:

        def watch(what: str, parts: int) -> Callable[[], None]:
            bars.close()
            if parts == 0 or not sys.stderr.isatty():
                # A log has no bar to redraw; it should still say what takes the time.
                note(f"{what}...")
            if parts == 0:
                return lambda: None
            advance = bars.enter_context(progress(what, total=parts))
            return lambda: advance()  # noqa: PLW0108  (a watcher takes no arguments)

        yield watch
