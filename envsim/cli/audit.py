"""`envsim audit`: look at recorded sessions for rewards that were not earned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envsim.audit.hacking import Watched, watch
from envsim.audit.patterns import Profile, profile
from envsim.audit.report import as_json as findings
from envsim.audit.report import render
from envsim.cli.common import JsonFlag, new_app, note, print_json, print_table, progress
from envsim.errors import ContentError, TraceError
from envsim.trace import Trace, TraceReader

app = new_app("Look at recorded sessions for rewards that were not earned.")


@app.callback()
def audit() -> None:
    """Look at recorded sessions for rewards that were not earned."""


@app.command()
def traces(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Trace directory.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HTML page with the traces to read.")] = None,
    reference: Annotated[str, typer.Option(help="Policies that are trusted, comma separated.")] = "oracle",
    threshold: Annotated[float, typer.Option(help="Reward from which a trace counts as rewarded.")] = 1.0,
    alpha: Annotated[float, typer.Option(help="Probability of a statistical flag in a clean set, at most.")] = 0.05,
    smallest: Annotated[int, typer.Option(min=2, help="Least number of traces that make a cluster.")] = 3,
    as_json: JsonFlag = False,
) -> None:
    """Flag clusters of rewarded traces that share an action pattern which is unusual and pays.

    A flag is a reason to read the trace, not a verdict; the exit code is 0 either way.
    """
    if not 0.0 < alpha < 1.0:
        raise ContentError(f"--alpha {alpha} is no probability. Give a number between 0 and 1, for example 0.05.")
    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise ContentError(f"{out} is no HTML page. Give a file whose name ends in .html.")
    reader = TraceReader(directory)
    profiles = _profiles(reader)
    if not profiles:
        raise TraceError(
            f"{directory} holds no scored trace. Record some with: envsim rollout --app shop -o {directory}"
        )
    trusted = [name.strip() for name in reference.split(",") if name.strip()]
    found = watch(profiles, reference=trusted, threshold=threshold, alpha=alpha, smallest=smallest)
    for warning in reader.warnings:
        note(warning)
    if not found.reference:
        note(f"No rewarded trace of {reference}: each policy was compared with the others. Record a reference with: "
             "envsim rollout --policy oracle")  # fmt: skip
    if as_json:
        print_json(findings(found))
    else:
        _print(found)
    if out is not None:
        names = {name for cluster in found.clusters for name in cluster.sessions}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(found, _read(directory, names), directory.name), encoding="utf-8")
        note(f"Wrote {out}")


def _profiles(reader: TraceReader) -> list[Profile]:
    found = []
    with progress(f"Reading {len(reader)} traces", total=len(reader)) as advance:
        for trace in reader:
            found.append(profile(trace))
            advance()
    return [item for item in found if item is not None]


def _read(directory: Path, names: set[str]) -> dict[str, Trace]:
    """The traces of these sessions: a second look, so that not all need to be held at once."""
    root = directory if directory.is_dir() else directory.parent
    reader = TraceReader(directory)
    return {name: reader.read(root / f"{name}.jsonl") for name in sorted(names)}


def _print(found: Watched) -> None:
    rows = [
        (
            at, len(cluster.sessions), ", ".join(cluster.policies), flag.why,
            "-" if flag.why == "rule" else f"{flag.p:.2g}", f"{flag.reference:.0%}", f"{flag.rewarded_with:.0%}",
            cluster.sessions[0], flag.pattern,
        )
        for at, cluster in enumerate(found.clusters, start=1)
        for flag in cluster.flags[:3]
    ]  # fmt: skip
    if rows:
        heads = ("cluster", "traces", "policies", "why", "p", "reference", "rewarded", "for example", "pattern")
        print_table(heads, rows)
    note(
        f"{found.traces} scored traces, {found.rewarded} rewarded, {found.reference} of the reference: "
        f"{len(found.clusters)} {'cluster' if len(found.clusters) == 1 else 'clusters'} to read."
    )
