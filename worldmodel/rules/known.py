"""Wording and what it speaks of: names of things are told from the rest by the rows they stand in."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from envsim.state import StateView
from envsim.types import JsonValue

NUMBER = re.compile(r"\$?[0-9][0-9,]*(?:\.[0-9]+)?")
_STARTS = re.compile(r"\w+")
_WORD = re.compile(r"\w{3,}")
_SIGNS = re.compile(r"[-@0-9]")
"""What tells a name in small letters from a word such as a status."""
_MOST_WORDS = 16
_MANY = 5
"""Rows of a table, for words that are never the same twice in it to be no coincidence: settings are few."""
_CLOSING = re.compile(r"[?!.)…]+")
"""What may end a name that is a sentence."""


@dataclass(frozen=True)
class Known:
    """The names of things: keys and texts of rows, so that wording can be told from what it speaks of."""

    strings: frozenset[str]
    keys: frozenset[str] = frozenset()
    """What rows are called in one word of small letters: names behind a slash, as in addresses, and in `slots`."""
    slots: frozenset[str] = frozenset()
    """Labels with ``*`` where several of `keys` were seen: there such a word is a name, too."""

    @classmethod
    def learn(cls, view: StateView, rows: Iterable[JsonValue] = (), labels: Iterable[str] = ()) -> Known:
        """From a state view, rows that were added to it, and what controls are called."""
        found: set[str] = set()
        tables = [table for table in view.values() if isinstance(table, dict)]
        for table in tables:
            found |= table.keys()
        for row in [*(row for table in tables for row in table.values()), *rows]:
            if isinstance(row, dict):
                found |= {value for value in row.values() if isinstance(value, str)}
        strings = frozenset(text for text in found if len(text) > 2 and (not text.islower() or _SIGNS.search(text)))
        keys = frozenset(text for table in tables for text in _handles(table)) - strings
        return cls(strings, keys, frozenset(_slots(keys, labels)) if keys else frozenset())

    def mask(self, text: str) -> str:
        """`text` with names of things and numbers as ``*``."""
        return _cut(self, text)[0]

    def cut(self, text: str) -> tuple[str, tuple[str, ...]]:
        """`mask`, and the names of things in their order."""
        return _cut(self, text)

    def address(self, url: str) -> str:
        """A URL with entities as ``*``, and of its query what is not typed."""
        path, _, query = url.partition("?")
        parts = [
            "*" if part.isdigit() or part in self.strings or part in self.keys else part for part in path.split("/")
        ]
        words = [pair for pair in query.split("&") if pair and re.fullmatch(r"[a-z_]+=[a-z_-]+", pair)]
        return "/".join(parts) + ("?" + "&".join(sorted(words)) if words else "")


def _handles(table: Mapping[str, JsonValue]) -> Iterator[str]:
    """Words that name one row of a table each: its key, or a field in which no two rows are alike."""
    if len(table) < _MANY:
        return
    yield from filter(_WORD.fullmatch, table)
    rows = [row for row in table.values() if isinstance(row, dict)]
    for field in sorted({field for row in rows for field in row}):
        words = [value for row in rows if isinstance(value := row.get(field), str) and _WORD.fullmatch(value)]
        if len(words) == len(set(words)) == len(table):
            yield from words


def _slots(keys: frozenset[str], labels: Iterable[str]) -> Iterator[str]:
    """Labels that differ in one word alone, which is the key of a row in each."""
    seen: dict[str, str] = {}
    for label in labels:
        for word in _STARTS.finditer(label):
            if word[0] in keys:
                slot = _slot(label, *word.span())
                if seen.setdefault(slot, word[0]) != word[0]:
                    yield slot


def _slot(label: str, start: int, end: int) -> str:
    return f"{label[:start]}*{label[end:]}"


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
        end = next(filter(None, (_name(known, text, start, e) for e in reversed(ends[first : first + _MOST_WORDS]))), 0)
        if not end and text[start : ends[first]] in known.keys:
            slash = text[start - 1 : start] == "/"
            end = ends[first] if slash or _slot(text, start, ends[first]) in known.slots else 0
        if end:
            out, at = out + text[at:start] + "*", end
            names.append(text[start:end])
    return NUMBER.sub("*", out + text[at:]), tuple(names)


def _name(known: Known, text: str, start: int, end: int) -> int:
    """Where a name that begins at `start`, and whose last word ends at `end`, ends; 0 if it is none."""
    closing = _CLOSING.match(text, end)
    if closing and text[start : closing.end()] in known.strings:
        return closing.end()
    return end if text[start:end] in known.strings else 0
