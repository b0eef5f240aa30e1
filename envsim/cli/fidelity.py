"""`envsim fidelity`: measured distances between a sandbox and the worlds made from traces, and between users."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress
from envsim.errors import ContentError
from envsim.fidelity import gate, users
from envsim.fidelity.compare import Setup, Watch, compare
from envsim.fidelity.report import plain, table, write_report
from envsim.trace import TraceReader
from envsim.user.sessions import sessions

app = new_app("Measure how far a world or a simulated user is from the real one.")
# Without a subcommand it compares worlds, as it did when worlds were all there was to compare.
app.info.no_args_is_help = False


@app.callback(invoke_without_command=True)
def fidelity(
    context: typer.Context,
    model: Annotated[
        Path | None, typer.Option("--model", "--candidate", help="Directory of the trained model.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Directory for report.json and report.html.")] = None,
    app_name: Annotated[str, typer.Option("--app", help="App to compare on.")] = "shop",
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
    if context.invoked_subcommand is not None:
        return
    if model is None or out is None:
        raise ContentError(
            f"Missing {'--model' if model is None else '--out'}. Give --model DIR and -o DIR to compare worlds, or see "
            "envsim fidelity users --help."
        )
    for expression in require or ():
        gate.parse(expression)
    setup = Setup(
        app=app_name, model=model, held_out=out / "held-out", policies=tuple(policy.split(",")),
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


@app.command("users")
def users_(
    real: Annotated[Path, typer.Option("--real", help="Traces of real users, held out from what made the others.")],
    simulated: Annotated[Path, typer.Option("--simulated", help="Traces of simulated users, best on the same tasks.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for users.json and users.html.")],
    halvings: Annotated[int, typer.Option(min=10, help="Random halvings that floors and intervals rest on.")] = 100,
    seed: Annotated[int, typer.Option()] = 0,
    require: Annotated[list[str] | None, typer.Option(help="FIGURE<=NUMBER; exit code 1 if it does not hold.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare simulated users with real ones, each figure beside what two halves of the real ones are apart."""
    for expression in require or ():
        users.parse_gate(expression)
    first, second = (sessions(TraceReader(path)) for path in (real, simulated))
    with stages() as watch:
        report = users.compare_users(first, second, halvings=halvings, seed=seed, watch=watch)
    page = users.write_report(report, out)
    if as_json:
        print_json(plain([asdict(row) for row in report.rows]))
    else:
        print_table(*users.table(report))
        note(users.verdict(report))
    note(f"Wrote {page}")
    for expression in require or ():
        users.require(report, expression)


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
