"""Times as apps write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from envsim.types import JsonValue

FORMS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")
"""How apps write a time; all are read as UTC."""
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|\+00:00)?")


def read_time(value: JsonValue) -> tuple[float, str] | None:
    """(seconds since 1970, form) of a text that is a time."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    for form in FORMS:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC).timestamp(), form
        except ValueError:
            continue
    return None


def write_time(seconds: float, form: str) -> str:
    """The inverse of `read_time`."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)
