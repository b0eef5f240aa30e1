"""What a format module yields, and the account it keeps of what the format made it lose."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.page.har import Exchange
from envsim.trace import Trace

Losses = Counter[str]
"""What was in the source and is not in the trace: a phrase in the plural -> how often it was met."""


@dataclass(frozen=True)
class Record:
    """One session of a source file.

    Attributes:
        where: Where it was found, e.g. ``"prod.jsonl, line 7"``.
        trace: The session; None where it could not be read.
        error: Why not, in one sentence; empty where it could.
        name: The parts of its name as the source has them, where `Header.session` is made of them.
        raw: Its bytes in the source: two runs that meet the same bytes meet the same session.
        network: What was exchanged with the app meanwhile, where the source says.
    """

    where: str
    trace: Trace | None = None
    error: str = ""
    name: tuple[object, ...] = ()
    raw: bytes = b""
    network: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Format:
    """One trace format: how it is recognised and read.

    Attributes:
        name: As in ``--format``.
        summary: One line for people.
        sniff: Whether the first line of a file looks like this format.
        read: ``(file, app, losses)`` -> its sessions, one at a time. `app` names the app where the
            file does not; `losses` is added to.
    """

    name: str
    summary: str
    sniff: Callable[[bytes], bool]
    read: Callable[[Path, str, Losses], Iterator[Record]]


def session_name(*parts: object) -> str:
    """A legal session name (see `envsim.trace.Header`) made of `parts`."""
    text = "-".join(str(part) for part in parts if str(part))
    text = re.sub(r"[^A-Za-z0-9._@=+-]+", "-", text).strip("-._@=+")
    return text[:140] or "session"


def json_or_none(data: bytes | str) -> Any:
    """The JSON value of `data`; None where it is not JSON (or is ``null``).

    A lone surrogate, which JSON can escape and UTF-8 cannot hold, becomes a question mark.
    """
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        value = json.loads(text)
        if "\\ud" in text.lower():
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value
