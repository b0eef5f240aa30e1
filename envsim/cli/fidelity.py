"""`envsim fidelity`: measured distances between a sandbox and the worlds made from traces, and between users."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress
from envsim.errors import ContentError
from envsim.fidelity import baseline as drifts
from envsim.fidelity import gate, users
from envsim.fidelity.compare import WORLDS, Setup, Watch, compare
from envsim.fidelity.report import plain, table, verdict, write_report
from envsim.policy import LADDER
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
    policy: Annotated[
        str, typer.Option("--policies", "--policy", help="Policies of distinct quality, comma separated.")
    ] = ",".join(LADDER),
    episodes: Annotated[int, typer.Option("--episodes", "-n", min=1, help="Episodes per policy and world.")] = 20,
    extra: Annotated[
        int,
        typer.Option(min=0, help="Further episodes per policy in the model alone, for prediction-powered estimates."),
    ] = 0,
    seed: Annotated[int, typer.Option()] = 1,
    split: Annotated[str, typer.Option(help="Tasks to compare on; test is held out.")] = "test",
    interface: Annotated[str, typer.Option(help="browser or tools.")] = "browser",
    bugs: Annotated[str, typer.Option(help="production, none, all, or ids a,b.")] = "production",
    worlds: Annotated[str, typer.Option(help="Worlds to compare with the sandbox, comma separated.")] = ",".join(
        WORLDS
    ),
    workers: Annotated[int, typer.Option(min=1, help="Processes that run episodes; the figures do not change.")] = 1,
    users_report: Annotated[
        Path | None, typer.Option("--users", help="Folder of envsim fidelity users, to show its figures, too.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(help="[WORLD.]FIGURE>=NUMBER; exit code 1 if it does not hold.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="An earlier report; exit code 1 if a figure fell significantly.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0.0, help="With --baseline: a figure worse by more than this fell, too.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the same policies on the same held-out tasks in every world and report the agreement.

    An interrupted comparison is resumed by the same command: what is complete under -o is not run again.
    """
    if context.invoked_subcommand is not None:
        return
    if model is None or out is None:
        raise ContentError(
            f"Missing {'--model' if model is None else '--out'}. Give --model DIR and -o DIR to compare worlds, or see "
            "envsim fidelity users --help."
        )
    if baseline is None and tolerance is not None:
        raise ContentError("--tolerance says how far a figure may fall below a baseline. Give --baseline REPORT, too.")
    setup = Setup(
        app=app_name, model=model, held_out=out / "held-out", policies=_names(policy), episodes=episodes, seed=seed,
        split=split, bugs=bugs, interface=interface, extra=extra, workers=workers, worlds=_names(worlds),
        users=users_report,
    )  # fmt: skip
    _compare(setup, out, require or (), baseline, tolerance, as_json=as_json)


def _compare(
    setup: Setup, out: Path, require: Sequence[str], baseline: Path | None, tolerance: float | None, *, as_json: bool
) -> None:
    """Compare, write and print the report, and hold it to what is required and to an earlier one."""
    for expression in require:
        gate.parse(expression)
    # Read now: the new report may be about to take its place.
    before = drifts.read(baseline) if baseline is not None else None
    with stages() as watch:
        report = compare(setup, watch=watch)
    page = write_report(report, out)
    changed = drifts.drift(report, before, tolerance=tolerance) if before is not None else None
    if as_json:
        print_json(plain([asdict(row) for row in report.rows]))
    else:
        print_table(*table(report))
        print(verdict(report))
    if changed is not None:
        _print_drift(changed, as_json=as_json)
    note(f"Wrote {page}")
    gate.require_all(report, require)
    if changed is not None:
        drifts.require(changed)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _print_drift(changed: drifts.Drift, *, as_json: bool) -> None:
    for line in changed.differs:
        note(f"warning: measured otherwise than the baseline: {line}")
    if as_json:
        for change in changed.changes:
            if change.verdict != "same":
                note(f"{change.name} {change.verdict}: {change.before} -> {change.after}")
    else:
        print_table(*changed.table(), title="since the baseline")


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
