"""Every format there is, and which one a file has."""

from __future__ import annotations

from pathlib import Path

from envsim.errors import ContentError, TraceError
from envsim.ingest import chat, har, multiwoz, native
from envsim.ingest.records import Format

FORMATS: dict[str, Format] = {fmt.name: fmt for fmt in (native.FORMAT, chat.FORMAT, har.FORMAT, multiwoz.FORMAT)}
"""By name, in the order they are tried by `detect`: the stricter first."""


def get_format(name: str) -> Format | None:
    """The format called `name`; None for ``"auto"``.

    Raises:
        ContentError: There is none of that name.
    """
    if name == "auto":
        return None
    if name not in FORMATS:
        raise ContentError(f"There is no trace format {name!r}. Choose one of: auto, {', '.join(FORMATS)}.")
    return FORMATS[name]


def detect(path: Path) -> Format:
    """The format of a file, from its first line.

    Raises:
        TraceError: None of ours.
    """
    try:
        with path.open("rb") as file:
            lines = (line for line in file if line.strip())
            first = next(lines, b"")
            if first.strip() == b"{":
                # Laid out for reading: what it is, the next line tells.
                first += next(lines, b"")
    except OSError as error:
        raise TraceError(f"Cannot read {path}: {error}. Check the path and its permissions.") from None
    for fmt in FORMATS.values():
        if fmt.sniff(first):
            return fmt
    raise TraceError(f"{path} is in none of the formats {', '.join(FORMATS)}. Name one with --format to see why not.")
