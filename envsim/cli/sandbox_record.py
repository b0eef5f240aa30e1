"""``sandbox record``: a session in a browser -> a redacted trace."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from envsim.cli.common import JsonFlag, note, print_json, print_table
from envsim.errors import ContentError
from envsim.ingest.live import LiveTrace
from envsim.ingest.live import record as record_session
from envsim.ingest.redact import Redactor, load_key
from envsim.page.record import Recording
from envsim.page.record_network import origin_of


def record(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it begins; its host is the app.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Trace directory to add to.")],
    app: Annotated[str, typer.Option(metavar="NAME", help="The app's name; its host if not given.")] = "",
    goal: Annotated[str, typer.Option(help="What is to be done, in words.")] = "",
    login: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="Account a clone must be signed in to, to start as this does.")
    ] = "",
    session: Annotated[str, typer.Option(metavar="NAME", help="Name of the trace; else the next free one.")] = "",
    headless: Annotated[bool, typer.Option("--headless", help="No window: see what a page does by itself.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after this long, not at Ctrl-C only.")] = None,
    redact: Annotated[bool, typer.Option("--redact/--no-redact", help="Replace personal data and secrets.")] = True,
    redact_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key of the pseudonyms; made if absent. Default: DIR.redact-key."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Open a browser and write what is done in it as a trace, redacted before it touches the disk.

    Close the window or press Ctrl-C to stop. Scripts use envsim.ingest.live.record; see docs/traces.md.
    """
    if not redact and redact_key is not None:
        raise ContentError("--no-redact and --redact-key exclude each other. Leave one out.")
    origin_of(url)  # before a key is made
    key = redact_key or out.resolve().with_name(out.resolve().name + ".redact-key")
    redactor = Redactor(load_key(key)) if redact else None
    end = None if seconds is None else time.monotonic() + seconds
    with (
        _interrupted() as stopped,
        record_session(
            url, out, redactor=redactor, app=app, goal=goal, session=session, login=login, headless=headless
        ) as (recording, trace),
    ):
        note(f"Recording {recording.origin} to {trace.path}. Close the window or press Ctrl-C to stop.")
        recording.pump(lambda: stopped() or (end is not None and time.monotonic() > end))
    _report(recording, trace, redactor, as_json)


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or the process asked to end, meanwhile: to stop between two steps, not within one."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop.is_set
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _report(recording: Recording, trace: LiveTrace, redactor: Redactor | None, as_json: bool) -> None:
    redacted = dict(sorted(redactor.counts.items())) if redactor else {}
    lost = {what: count for what, count in sorted(recording.lost.items()) if count}
    if as_json:
        print_json({"trace": str(trace.path), "steps": trace.steps, "exchanges": trace.exchanges, "lost": lost,
                    "redacted": redacted})  # fmt: skip
        return
    rows: list[tuple[str, str, Any]] = [("written", "steps", trace.steps), ("written", "exchanges", trace.exchanges)]
    rows += [("lost", what, count) for what, count in lost.items()]
    rows += [("redacted", kind, count) for kind, count in redacted.items()]
    print_table(("", "what", "count"), rows, title=str(trace.path))
    if redactor is None:
        note("not redacted: personal data and secrets are in the trace as they were typed")
