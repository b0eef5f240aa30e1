"""What is learned of the pages of an app, and what is written by it."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter

from worldmodel.document import Lines
from worldmodel.pages.answers import bin_of
from worldmodel.pages.levels import Level
from worldmodel.pages.writer import Memory


@dataclass(frozen=True)
class Written:
    """A document by page programs."""

    lines: Lines
    sure: float
    """Share in [0, 1] of recorded answers, not learned from, that came out right with as much support."""
    support: float = 1.0
    """Of the least sure part, in [0, 1]."""
    kind: str = ""
    """The kind of page."""


@dataclass(frozen=True)
class Page:
    """One kind of answer."""

    level: Level
    checked: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By how sure it was (`bin_of`): how many answers it did not learn from came out right, of how many."""

    def sure(self, support: float) -> float:
        """Share that comes out right where the least sure part has this support (Laplace-smoothed)."""
        right, total = self.checked.get(bin_of(support), (0, 0))
        return (right + 2 * support) / (total + 2)


@dataclass(frozen=True)
class Address:
    """Where an operation leads: where was asked (`same`), or as its level says."""

    same: bool
    level: Level


@dataclass(frozen=True)
class Learned:
    """What of `Pages` is kept on disk."""

    kinds: dict[str, str]
    pages: dict[str, Page]
    addresses: dict[str, Address]
    shared: dict[str, Level]
    memory: Memory
    words: tuple[str, ...] = ()
    guest: str = ""


LEARNED = TypeAdapter(Learned)
"""Reads and writes it."""
