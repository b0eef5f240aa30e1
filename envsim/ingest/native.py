"""Our own traces, validated and copied.

Lost: nothing. A session that was cut off stays cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from envsim.errors import TraceError
from envsim.ingest.records import Format, Losses, Record, json_or_none
from envsim.trace import TraceReader


def sniff(line: bytes) -> bool:
    """Whether `line` is the header line of a trace."""
    value = json_or_none(line)
    return isinstance(value, dict) and "envsim_trace" in value


def read(path: Path, app: str, losses: Losses) -> Iterator[Record]:
    """The one session of a file, see `envsim.ingest.records.Format`; `app` is ignored: traces name theirs."""
    reader = TraceReader(path)
    try:
        trace = reader.read(path)
    except TraceError as error:
        yield Record("the whole file", error=str(error))
        return
    for warning in reader.warnings:
        losses["torn last lines" if "torn" in warning else "endings of sessions that were cut off"] += 1
    yield Record("the whole file", trace, raw=path.read_bytes())


FORMAT = Format("envsim", "envsim's own traces: checked, redacted and copied", sniff, read)
