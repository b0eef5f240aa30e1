"""Sources -> redacted traces and an account of what was lost: what ``envsim ingest`` runs.

Source files are read one session at a time, so size is no limit. Sessions that are already in the
output directory are skipped: an interrupted run is resumed by running it again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envsim.errors import TraceError
from envsim.ingest.formats import detect, get_format
from envsim.ingest.records import Format, Losses, Record, json_or_none
from envsim.ingest.redact import Redactor
from envsim.page.har_lines import network_path, write_network
from envsim.trace import TraceWriter

MANIFEST = "manifest.json"
SUFFIXES = (".jsonl", ".json", ".har")
MAX_ERRORS = 100
"""Unreadable sessions named in a report; all are counted."""


@dataclass
class Report:
    """What came of it. `lost` and `redacted` cover the sessions this run read, skipped ones included."""

    sources: dict[str, str] = field(default_factory=dict)
    """Source file -> its format."""
    written: int = 0
    skipped: int = 0
    """Sessions that were there already."""
    unreadable: int = 0
    steps: int = 0
    errors: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """As ``envsim ingest --json`` prints it."""
        return {
            "sources": self.sources,
            "written": self.written,
            "skipped": self.skipped,
            "unreadable": self.unreadable,
            "steps": self.steps,
            "errors": self.errors,
            "lost": dict(sorted(self.lost.items())),
            "redacted": dict(sorted(self.redacted.items())),
        }


def ingest(
    sources: Sequence[Path],
    out: Path,
    *,
    format_name: str = "auto",
    app: str = "",
    redactor: Redactor | None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Report:
    """Write every session of `sources` to the directory `out`.

    Args:
        sources: Files, or directories of ``.jsonl``, ``.json`` and ``.har`` files.
        out: Trace directory, made if absent.
        format_name: A name in `envsim.ingest.formats.FORMATS`, or ``"auto"`` for each file's own.
        app: The app the sessions are of, where the source does not say.
        redactor: What replaces sensitive values; None writes them as they are.
        on_bytes: Called with how much of the sources was read since the last call.

    Raises:
        ContentError: An unknown format.
        TraceError: A source without one session that can be read, or `out` holds another session
            of the same name.
    """
    fmt = get_format(format_name)
    run = _Run(out, redactor, on_bytes)
    for source in sources:
        for path in expand([source]):
            run.read(path, fmt, app)
        run.close(source)
    run.account()
    out.mkdir(parents=True, exist_ok=True)
    inputs = {str(path): _sha256(path) for path in expand(sources)}
    manifest = {"stage": "ingest", "inputs": inputs, **run.report.to_json()}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return run.report


def expand(sources: Sequence[Path]) -> list[Path]:
    """The files of `sources`, those of a directory in name order.

    Raises:
        TraceError: A source that is not there, or a directory without such files.
    """
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = sorted(
                p for p in source.iterdir() if p.suffix in (".jsonl", ".json", ".har") and p.name != MANIFEST
            )
            if not inside:
                raise TraceError(f"{source} holds no .jsonl, .json or .har files. Name the file to ingest.")
            files += inside
        elif source.is_file():
            files.append(source)
        else:
            raise TraceError(f"{source} does not exist. Give a file or a directory of recorded sessions.")
    return files


class _Run:
    """One run over all sources."""

    def __init__(self, out: Path, redactor: Redactor | None, on_bytes: Callable[[int], None]) -> None:
        self.report = Report(redacted=redactor.counts if redactor else Counter())
        self._out = out
        self._redactor = redactor
        # Of its own, so that what messages quote does not count as redacted from a session.
        self._clean: Callable[[str], str] = redactor.same_key().text if redactor else str
        self._lost: Losses = Counter()
        self._on_bytes = on_bytes
        self._names: Counter[str] = Counter()
        self._readable = 0
        self._first_error = ""

    def read(self, path: Path, fmt: Format | None, app: str) -> None:
        """Write the sessions of one file."""
        try:
            found = fmt or detect(path)
        except TraceError as error:
            self._unreadable(str(error))
            return
        self.report.sources[str(path)] = found.name
        for record in found.read(path, app, self._lost):
            self._on_bytes(len(record.raw))
            if record.trace is None:
                self._unreadable(f"{path}, {record.where}: {record.error}")
            else:
                self._readable += 1
                self._write(record)

    def close(self, source: Path) -> None:
        """Refuse a source that gave no session at all."""
        if not self._readable:
            why = self._first_error.rstrip(".") or "it is empty"
            raise TraceError(
                f"{source} holds no session that can be read ({why}). Check the file, or name its --format."
            )
        self._readable, self._first_error = 0, ""

    def account(self) -> None:
        """Put what was lost into the report. Phrases quote keys of the source, which may be anything."""
        for phrase, count in self._lost.items():
            self.report.lost[self._clean(phrase)] += count

    def _unreadable(self, error: str) -> None:
        error = self._clean(error)
        self._first_error = self._first_error or error
        self.report.unreadable += 1
        if len(self.report.errors) < MAX_ERRORS:
            self.report.errors.append(error)

    def _write(self, record: Record) -> None:
        trace, raw, redactor = record.trace, record.raw, self._redactor
        assert trace is not None
        network = record.network
        if redactor is not None:
            trace, network = redactor.record(trace, record.name, network)
        origin = redactor.fingerprint(raw) if redactor else hashlib.blake2b(raw, digest_size=16).hexdigest()
        meta = {**trace.header.meta, "origin": origin}
        name = self._unique(trace.header.session)
        header = trace.header.model_copy(update={"session": name, "meta": meta, "state": ""})
        if _already_written(self._out / f"{name}.jsonl", origin):
            self.report.skipped += 1
            return
        if network:
            # First, so that a trace with its end line has its network whole.
            write_network(network_path(self._out, name), network)
        writer = TraceWriter(self._out, header, state=trace.state)
        for step in trace.steps:
            writer.write(step)
        if trace.end is not None:
            writer.finish(trace.end.outcome)
        writer.close()
        self.report.written += 1
        self.report.steps += len(trace.steps)

    def _unique(self, name: str) -> str:
        """`name`, with a number if it was met before: the same in every run over the same sources."""
        self._names[name] += 1
        return name if self._names[name] == 1 else self._unique(f"{name}-{self._names[name]}")


def _already_written(path: Path, origin: str) -> bool:
    """Whether `path` is this session, whole; one that a crash cut off is removed, to be written again."""
    if not path.exists():
        return False
    first, last = _ends(path)
    header, end = json_or_none(first), json_or_none(last)
    meta = header.get("meta") if isinstance(header, dict) else None
    torn = not first.endswith(b"\n")  # killed while it wrote the very first line
    if not torn and not (isinstance(meta, dict) and meta.get("origin") == origin):
        raise TraceError(
            f"{path} is another session, or was redacted with another key. Choose another -o, or the same --redact-key."
        )
    if isinstance(end, dict) and end.get("type") == "end":
        return True
    path.unlink()
    return False


def _ends(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        first = last = file.readline()
        for line in file:
            last = line
    return first, last


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size(sources: Sequence[Path]) -> int:
    """Bytes in all files of `sources`, for a progress bar."""
    return sum(path.stat().st_size for path in expand(sources))
