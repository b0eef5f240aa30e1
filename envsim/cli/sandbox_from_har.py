"""``sandbox from-har``: a capture -> a clone that serves it again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table, progress
from envsim.content import list_apps
from envsim.errors import ContentError
from envsim.ingest.redact import Redactor, load_key
from envsim.page.har import read_capture
from envsim.sandbox.from_har import write_clone


def from_har(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .har file, or network/SESSION.jsonl of a recording.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the clone is called.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Root it is put under; the first of ENVSIM_PATH, or here.")
    ] = None,
    redact: Annotated[bool, typer.Option("--redact/--no-redact", help="Replace personal data and secrets.")] = True,
    redact_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the pseudonyms; made if absent. Default: FILE.redact-key."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a replay clone of that name, or hide an app of it elsewhere.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a clone that serves what was recorded and refuses, with status 501, what was not."""
    if not redact and redact_key is not None:
        raise ContentError("--no-redact and --redact-key exclude each other. Leave one out.")
    with progress("reading"):
        capture = read_capture(file)
        network = capture.of_app()
        if not network:
            raise ContentError(f"No request in {file} was answered. Record it again, or name another file.")
        redactor = Redactor(load_key(redact_key or file.with_name(file.name + ".redact-key"))) if redact else None
        clean = redactor.exchanges(network) if redactor else network
        chosen = root or Path(os.environ.get("ENVSIM_PATH", "").partition(os.pathsep)[0] or ".")
        written = write_clone(clean, name, chosen, force=force)
    redacted = dict(sorted(redactor.counts.items())) if redactor else {}
    lost = dict(sorted(capture.lost.items()))
    if as_json:
        shown = {"folder": str(written.folder), "answers": written.answers, "pages": written.pages}
        print_json({**shown, "refused": written.refused, "lost": lost, "redacted": redacted})
    else:
        rows = [("serves", "answers", written.answers), ("serves", "pages", written.pages)]
        rows += [("refuses", "requests whose answer has no body", written.refused)] if written.refused else []
        rows += [("lost", what, count) for what, count in lost.items()]
        rows += [("redacted", kind, count) for kind, count in redacted.items()]
        print_table(("", "what", "count"), rows, title=str(written.folder))
    if redactor is None:
        note("not redacted: personal data and secrets are in the clone as they were recorded")
    if list_apps().get(name, Path()).resolve() != written.folder.resolve():
        note(f"To find it by name: export ENVSIM_PATH={chosen.resolve()}")
