"""Wording and what it speaks of: names of things are told from the rest by the rows they stand in."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from envsim.state import StateView
from envsim.types import JsonValue

NUMBER = re.compile(r"\$?[0-9][0-9,]*(?:\.[0-9]+)?")
_STARTS = re.compile(r"\w+")
_SIGNS = re.compile(r"[-@0-9]")
"""What tells a name in small letters from a word such as a status."""
_MOST_WORDS = 10


@dataclass(frozen=True)
class Known:
    """The names of things: keys and texts of rows, so that wording can be told from what it speaks of."""

    strings: frozenset[str]

    @classmethod
    def learn(cls, view: StateView, rows: Iterable[JsonValue] = ()) -> Known:
        """From a state view and rows that were added to it."""
        found: set[str] = set()
        tables = [table for table in view.values() if isinstance(table, dict)]
        for table in tables:
            found |= table.keys()
        for row in [*(row for table in tables for row in table.values()), *rows]:
            if isinstance(row, dict):
                found |= {value for value in row.values() if isinstance(value, str)}
        return cls(frozenset(text for text in found if len(text) > 2 and (not text.islower() or _SIGNS.search(text))))

    def mask(self, text: str) -> str:
        """`text` with names of things and numbers as ``*``."""
        return _cut(self, text)[0]

    def cut(self, text: str) -> tuple[str, tuple[str, ...]]:
        """`mask`, and the names of things in their order."""
        return _cut(self, text)

    def address(self, url: str) -> str:
        """A URL with entities as ``*``, and of its query what is not typed."""
        path, _, query = url.partition("?")
        parts = ["*" if part.isdigit() or part in self.strings else part for part in path.split("/")]
        words = [pair for pair in query.split("&") if pair and re.fullmatch(r"[a-z_]+=[a-z_-]+", pair)]
        return "/".join(parts) + ("?" + "&".join(sorted(words)) if words else "")


@lru_cache(maxsize=65536)
def _cut(known: Known, text: str) -> tuple[str, tuple[str, ...]]:
    spans = [match.span() for match in _STARTS.finditer(text)]
    ends = [end for _, end in spans]
    out, at = "", 0
    names: list[str] = []
    for start, _ in spans:
        if start < at:
            continue
        first = bisect_right(ends, start)
        end = next((end for end in reversed(ends[first : first + _MOST_WORDS]) if text[start:end] in known.strings), 0)
        if end:
            out, at = out + text[at:start] + "*", end
            names.append(text[start:end])
    return NUMBER.sub("*", out + text[at:]), tuple(names)
