"""Things that lists in results told of, found again by several of their fields: a flight by its number and its day.

What a search lists often has no id of its own: what it is asked for (a day, a place) is part of what its rows are. Such
a row is believed together with the arguments of the call that listed it, and found for an object among the arguments
of a later call that has the same fields.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worldmodel.document import Lines
from worldmodel.results.calls import arguments_of, is_error, value_of

MAX_DEPTH = 3
MAX_TEXT = 40
Fact = dict[str, Any]
Mark = tuple[str, str]
"""A field and its text."""


def marks_of(thing: Mapping[str, Any]) -> list[Mark]:
    """The fields that may tell a thing from others: short texts with a digit."""
    texts = ((name, value) for name, value in thing.items() if isinstance(value, str) and len(value) <= MAX_TEXT)
    return [(name, value) for name, value in texts if any(c.isdigit() for c in value)]


@functools.lru_cache(maxsize=65536)
def told_by(key: str, target: Lines) -> tuple[Fact, ...]:
    """The objects that an answer lists, each with the plain arguments of the call; for reading only."""
    value = None if is_error(target) else value_of(target)
    asked = {name: each for name, each in arguments_of(key).items() if isinstance(each, str | int | float)}
    return tuple({**asked, **each} for each in _objects(value, MAX_DEPTH)) if isinstance(value, list) else ()


def _objects(value: Sequence[Any], depth: int) -> Iterator[Mapping[str, Any]]:
    for each in value:
        if isinstance(each, dict):
            yield each
        elif isinstance(each, list) and depth:
            yield from _objects(each, depth - 1)


def agrees(wanted: Mapping[str, Any], thing: Mapping[str, Any]) -> bool:
    """Whether all fields that both have are equal, and one of them tells things apart."""
    both = wanted.keys() & thing.keys()
    return any(name in both for name, _ in marks_of(wanted)) and all(wanted[name] == thing[name] for name in both)


class Told:
    """What was told so far, the latest first; each belongs to the group of sessions that saw it."""

    def __init__(self) -> None:
        self._by: dict[Mark, list[tuple[str, Fact]]] = {}

    def take(self, key: str, target: Lines, group: str = "") -> None:
        """Take in an answer."""
        for fact in told_by(key, target):
            for mark in marks_of(fact):
                self._by.setdefault(mark, []).append((group, fact))

    def find(self, wanted: Mapping[str, Any], without: str | None = None) -> Fact | None:
        """The latest thing that agrees with `wanted`; `without` leaves out what a group of sessions saw."""
        places = [found for mark in marks_of(wanted) if (found := self._by.get(mark))]
        for group, fact in reversed(min(places, key=len, default=[])):
            if (without is None or group != without) and agrees(wanted, fact):
                return fact
        return None
