"""``envsim ingest``: recorded sessions of other tools -> redacted traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.errors import ContentError
from envsim.ingest import pipeline
from envsim.ingest.formats import FORMATS
from envsim.ingest.redact import Redactor, load_key

FORMAT_HELP = "One of: auto, " + ", ".join(FORMATS) + "."


def ingest(
    sources: Annotated[list[Path], typer.Argument(metavar="SRC...", help="Files or directories of recorded sessions.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Trace directory to write.")],
    format_name: Annotated[str, typer.Option("--format", metavar="NAME", help=FORMAT_HELP)] = "auto",
    app: Annotated[str, typer.Option(metavar="NAME", help="The app the sessions are of, if they do not say.")] = "",
    redact: Annotated[bool, typer.Option("--redact/--no-redact", help="Replace personal data and secrets.")] = True,
    redact_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the pseudonyms; made if absent. Default: DIR.redact-key."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Turn recorded sessions into traces, redacted before anything is written.

    Run it again to resume: sessions already in DIR are skipped. Keep the key: the same key gives the
    same pseudonyms, and whoever has it can test guesses against them.
    """
    if not redact and redact_key is not None:
        raise ContentError("--no-redact and --redact-key exclude each other. Leave one out.")
    total = pipeline.size(sources)
    key_path = redact_key or out.resolve().with_name(out.resolve().name + ".redact-key")
    redactor = Redactor(load_key(key_path)) if redact else None
    with progress("ingesting", total=total) as advance:
        report = pipeline.ingest(sources, out, format_name=format_name, app=app, redactor=redactor, on_bytes=advance)
    if as_json:
        print_json(report.to_json())
    else:
        _print(report, out)
    for error in report.errors:
        note(f"skipped: {error}")
    if report.unreadable > len(report.errors):
        note(f"skipped: {report.unreadable - len(report.errors)} more")
    if redactor is None:
        note("not redacted: personal data and secrets are in the traces as they were recorded")


def _print(report: pipeline.Report, out: Path) -> None:
    rows: list[tuple[str, str, int]] = [
        ("sessions", "written", report.written),
        ("sessions", "already there", report.skipped),
        ("sessions", "unreadable", report.unreadable),
        ("steps", "written", report.steps),
        *(("lost", what, count) for what, count in sorted(report.lost.items())),
        *(("redacted", kind, count) for kind, count in sorted(report.redacted.items())),
    ]
    print_table(("", "what", "count"), rows, title=f"traces in {out}")
