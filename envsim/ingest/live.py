"""A session written while it is recorded: redacted before it touches the disk, and nothing lost when killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit, urlunsplit

from envsim.errors import TraceError
from envsim.ingest.records import session_name
from envsim.ingest.redact import RedactedSession, Redactor
from envsim.ingest.redact_network import again, redact_exchange
from envsim.page.har import Exchange
from envsim.page.har_lines import entry_line, log_line, network_path
from envsim.page.record import Recording
from envsim.page.record_network import origin_of
from envsim.page.urls import resolve
from envsim.trace import Header, Step, TraceWriter
from envsim.types import JsonValue, Outcome


class LiveTrace:
    """Appends steps and exchanges to a directory of traces as they come.

    What is written cannot be looked through again: a secret that is first met by its name in step 9 stays where it
    stood unnamed in step 3. What is typed into a password field, cookies and tokens are known before they are sent.

    Args:
        root: The directory.
        header: Of the session.
        redactor: What replaces sensitive values; None writes them as they are.

    Raises:
        TraceError: The session has a file there, or `root` cannot be a directory.
    """

    def __init__(self, root: Path, header: Header, redactor: Redactor | None) -> None:
        self._session = RedactedSession(redactor) if redactor else None
        if self._session is not None:
            fields = header.model_dump(mode="json")
            header = Header.model_validate(self._session.value(fields) | {"session": header.session})
        self._writer = TraceWriter(root, header)
        self.path = self._writer.path
        self._page = ""
        self.steps = self.exchanges = 0
        try:
            self._network: TextIO = _open(network_path(root, header.session))
        except BaseException:
            # A trace of nothing would keep its name from whoever tries again.
            self._writer.close()
            self.path.unlink()
            raise

    def step(self, step: Step) -> None:
        """Append one step."""
        if self._session is not None:
            page, self._page = self._page, step.observation.page
            step = Step.model_validate(self._session.again(self._session.step(step, page)))
        self._writer.write(step)
        self.steps += 1

    def exchange(self, exchange: Exchange) -> None:
        """Append what was exchanged."""
        if self._session is not None:
            exchange = again(self._session, redact_exchange(self._session, exchange))
        self._network.write(entry_line(exchange))
        self._network.flush()
        self.exchanges += 1

    def secret(self, value: str, field: str) -> None:
        """Have `value`, and whatever is sent in a field called `field`, replaced from now on."""
        if self._session is not None and value:
            self._session.names.add(field)
            self._session.typed.add(value)
            self._session.secret(value, "password")

    def finish(self, outcome: Outcome | None = None) -> None:
        """Write the end line and close."""
        self._writer.finish(outcome)
        self._network.close()

    def close(self) -> None:
        """Close without an end line; safe to call twice."""
        self._writer.close()
        self._network.close()

    def discard(self) -> None:
        """Remove what was written: nothing was recorded."""
        self.close()
        self.path.unlink(missing_ok=True)
        network = Path(self._network.name)
        network.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            network.parent.rmdir()  # where nothing else is in it


def free_name(root: Path, app: str) -> str:
    """A session's name that is not taken there: ``shop-001``, ``shop-002``..."""
    number = 1
    while (root / f"{app}-{number:03}.jsonl").exists():
        number += 1
    return f"{app}-{number:03}"


def _open(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("x", encoding="utf-8", errors="replace")
    except OSError as error:
        raise TraceError(f"Cannot write {path}: {error.strerror}. Choose another -o.") from None
    file.write(log_line())
    file.flush()
    return file


@contextlib.contextmanager
def record(
    url: str,
    out: Path,
    *,
    redactor: Redactor | None,
    app: str = "",
    goal: str = "",
    session: str = "",
    login: str = "",
    headless: bool = True,
) -> Iterator[tuple[Recording, LiveTrace]]:
    """Open `url` in a browser and write what is done there as a trace, until the block ends.

    Left by an exception, the trace has no end line: what came before is there.

    Args:
        url: Where it begins; its host is the app.
        out: Directory of traces.
        redactor: What replaces sensitive values; None writes them as they are.
        app: The app's name; "" for its host's.
        goal: What is to be done, in words.
        session: Name of the trace; "" for the next that is free.
        login: The account that a clone has to be signed in to, to start where this starts.
        headless: Whether there is no window.

    Yields:
        The browser, whose ``page`` is Playwright's, and the trace.

    Raises:
        TraceError: The session has a file there, or a name that no file can have.
        ContentError, PrerequisiteError: See `envsim.page.record.Recording`.
    """
    site = origin_of(url)
    name = app or (urlsplit(site).hostname or "app")
    start: dict[str, JsonValue] = {"url": _target(url)}
    if login:
        start["login"] = login
    if session and session != session_name(session):
        raise TraceError(f"{session!r} is no name for a trace, which is a file's. Try {session_name(session)!r}.")
    header = Header(
        session=session or free_name(out, session_name(name)), app=name, source="record", interface="browser",
        goal=goal, policy="" if headless else "person", meta={"site": site, "start": start},
    )  # fmt: skip
    trace = LiveTrace(out, header, redactor)
    try:
        recording = Recording(url, trace, headless=headless)
    except BaseException:
        trace.discard()
        raise
    try:
        yield recording, trace
        recording.finish()
        trace.finish()
    finally:
        recording.close()
        trace.close()


def _target(url: str) -> str:
    parts = urlsplit(url)
    return resolve(urlunsplit(("", "", parts.path or "/", parts.query, "")))
