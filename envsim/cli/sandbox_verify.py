"""``sandbox verify``: recorded sessions against a clone."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.fidelity import clone, clone_report
from envsim.sandbox.spec import find_spec
from envsim.trace import TraceReader


def verify(
    name: Annotated[str, typer.Argument(metavar="APP", help="A clone; `sandbox list` names them.")],
    traces: Annotated[Path, typer.Option(metavar="DIR", help="Recorded sessions of production.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="For report.json and .html.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="Version of the app.")] = None,
    variants: Annotated[bool, typer.Option("--variants", help="Where answers differ, try its other versions.")] = False,
    bugs: Annotated[str, typer.Option(help="What the clone has: production, none, all, or ids a,b.")] = "production",
    require: Annotated[list[str] | None, typer.Option(help="FIGURE>=NUMBER; exit code 1 if it does not hold.")] = None,
    runtime: Annotated[str, typer.Option(help="inprocess, process or docker.")] = "process",
    driver: Annotated[str, typer.Option(help="http, or chromium for pages that need scripts.")] = "http",
    login: Annotated[str, typer.Option(metavar="ACCOUNT", help="Account that sessions start signed in to.")] = "",
    password: Annotated[str, typer.Option(help="Typed where a password was redacted.", envvar="ENVSIM_PASSWORD")] = "",
    clock: Annotated[str, typer.Option(help="ISO 8601 time that sessions start at; else the clone's own.")] = "",
    seed: Annotated[int, typer.Option(help="Of the clone's draws.")] = 0,
    redact_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Key of the traces' pseudonyms. Default: DIR.redact-key.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make recorded sessions again in a clone and compare every answer: the clone's fidelity.

    With -o, sessions that are done are kept there: an interrupted run goes on where it stopped.
    """
    for expression in require or ():
        clone_report.parse_gate(expression)
    spec = find_spec(name, variant)
    beside = traces.resolve().with_name(traces.resolve().name + ".redact-key")
    setup = clone.Setup(
        spec=spec, traces=traces, bugs=bugs, seed=seed, runtime=runtime, driver=driver, login=login, password=password,
        clock=clock, redact_key=redact_key or (beside if beside.is_file() else None),
        variants=variants, work=out / "sessions" if out else None,
    )  # fmt: skip
    with progress(f"verifying {spec.ref}", total=len(TraceReader(traces))) as advance:
        result = clone.verify(setup, on_session=lambda session: advance(1, session))
    command = ["sandbox", "verify", spec.ref, "--traces", "DIR", "--bugs", bugs, "--seed", str(seed)]
    for option, value, default in (
        ("--driver", driver, "http"), ("--runtime", runtime, "process"), ("--clock", clock, ""), ("--login", login, ""),
    ):  # fmt: skip
        command += [option, value] if value != default else []
    command += [
        *(["--variants"] if variants else []),
        *(["--redact-key", "FILE"] if redact_key else []),
        "-o",
        "REPORT",
    ]
    facts = {"bugs of the clone": bugs, "driver": driver, "runtime": runtime, "seed": str(seed)}
    report = clone_report.summarise(result, spec, facts=facts, command=shlex.join(command))
    if out is not None:
        note(f"Wrote {clone_report.write_report(report, out)}")
    if as_json:
        print_json(clone_report.to_json(report))
    else:
        _print(report)
    for expression in require or ():
        clone_report.require(report, expression)


def _print(report: clone_report.Report) -> None:
    print_table(*clone_report.table(report))
    if report.bugs:
        print()
        rows = [[bug.id or "undeclared", bug.kind, bug.answers, bug.title] for bug in report.bugs]
        print_table(["bug", "", "answers", "what it is"], rows)
    for session, why in report.skipped.items():
        note(f"not made again: {session}: {why}")
    note(clone_report.verdict(report))
