"""An app's clock, as far as recorded sessions show it: the time at which a request arrives.

Rows that are added tell the time they were added at. Between two of them lie requests, each of which takes the app's
clock some ticks further: one for a page, two where an answer sends on to another page. How many for which kind of
request, how long a tick is and when sessions begin is fitted to the recorded times, in whole ticks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from envsim.types import JsonValue, StateDelta
from worldmodel.document import Lines, meta
from worldmodel.rules.scope import QUOTED, unquoted
from worldmodel.rules.times import read_time
from worldmodel.session import Situation

LEAST = 4
"""Recorded times that a clock is fitted to."""
EXACT = 0.8
"""Share of them that it must give to the second."""
MOST_TICKS = 4
_ROUNDS = 4
_RIDGE = 0.1


@dataclass(frozen=True)
class Clock:
    """When sessions begin and what moves the time.

    Attributes:
        start: Seconds since 1970 at which sessions begin that do not say when.
        tick: Seconds.
        ticks: Kind of request (`kind`) -> ticks it takes.
    """

    start: float
    tick: float
    ticks: tuple[tuple[str, int], ...]

    def now(self, situation: Situation) -> float:
        """Seconds since 1970 when the request arrives, before it moved the clock."""
        takes = dict(self.ticks)
        passed = sum(takes.get(kind(key, lines), 1) for key, lines in situation.past)
        began = beginning(situation)
        return (self.start if began is None else began) + self.tick * passed

    def to_json(self) -> list[Any]:
        """See `from_json`."""
        return [self.start, self.tick, [list(entry) for entry in self.ticks]]

    @classmethod
    def from_json(cls, data: Any) -> Clock:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            start, tick, ticks = data
            found = cls(float(start), float(tick), tuple((str(name), int(count)) for name, count in ticks))
        except (TypeError, ValueError) as error:
            raise ValueError(f"no clock: {error}") from None
        if not (math.isfinite(found.start) and math.isfinite(found.tick) and abs(found.start) < 2**36):
            raise ValueError("no clock: not a time")
        return found


def beginning(situation: Situation) -> float | None:
    """When the session began, where its start says so."""
    if not situation.past:
        return None
    for line in situation.past[0][0].split("\n"):
        if line.startswith("clock "):
            text = str(unquoted(line[6:])).replace("+00:00", "Z")
            found = read_time(text if text.endswith("Z") else f"{text}Z")
            return found[0] if found is not None else None
    return None


@lru_cache(maxsize=16384)
def kind(key: str, lines: Lines) -> str:
    """How a request was answered, as far as it can matter to a clock: at once, elsewhere, or with an alert."""
    head = key.partition("\n")[0]
    url = meta(lines, "url")
    if head.startswith("get "):
        return "get" if url.partition("?")[0] == unquoted(head[4:]).partition("?")[0] else "get, sent on"
    if head.startswith(("open ", "call ")):
        return head.partition(" ")[0]
    if meta(lines, "error"):
        return "refused"
    if any(line.lstrip().startswith("alert ") for line in lines):
        return "form, alert"
    names = sorted({name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)})
    if names:
        return f"form, to ?{' '.join(names)}"
    return "form" if re.search(QUOTED, head) else head.partition(" ")[0]


Timed = tuple[Situation, StateDelta]


def fit(found: Iterable[Timed]) -> Clock | None:
    """The clock that gives the times in recorded deltas; None where there are none, or none that fits."""
    rows: list[tuple[Counter[str], float]] = []
    for situation, delta in found:
        times = sorted({time[0] for value in _values(delta) if (time := read_time(value)) is not None})
        if len(times) == 1 and beginning(situation) is None:
            rows.append((Counter(kind(key, lines) for key, lines in situation.past), times[0]))
    if len(rows) < LEAST:
        return None
    first = min(moment for _, moment in rows)
    tick = 0
    for _, moment in rows:
        tick = math.gcd(tick, round(moment - first))
    if not tick:
        return None
    kinds = sorted({name for counts, _ in rows for name in counts})
    after = [round((moment - first) / tick) for _, moment in rows]
    ticks, start = _whole(kinds, [counts for counts, _ in rows], after)
    right = sum(_ticks(kinds, ticks, counts) + start == number for (counts, _), number in zip(rows, after, strict=True))
    if right < EXACT * len(rows):
        return None
    return Clock(first + tick * start, float(tick), tuple(zip(kinds, ticks, strict=True)))


def _values(delta: StateDelta) -> Iterable[JsonValue]:
    for _, *value in delta:
        yield from value[0].values() if value and isinstance(value[0], dict) else value


def _whole(kinds: Sequence[str], counts: Sequence[Counter[str]], after: Sequence[int]) -> tuple[list[int], int]:
    """Whole ticks per kind and the start that give most of the times: least squares, then one kind at a time."""
    matrix = np.array([[float(row[name]) for name in kinds] + [1.0] for row in counts])
    # Kinds that were seen too seldom to tell take one tick.
    prior = np.sqrt(_RIDGE) * np.eye(len(kinds) + 1)[: len(kinds)]
    wanted = np.concatenate([np.array(after, dtype=float), np.full(len(kinds), np.sqrt(_RIDGE))])
    solved = np.linalg.lstsq(np.concatenate([matrix, prior]), wanted, rcond=None)[0]
    ticks = [min(MOST_TICKS, max(0, round(float(value)))) for value in solved[: len(kinds)]]
    best = _agreement(kinds, ticks, counts, after)
    for _ in range(_ROUNDS):
        before = best
        for at in range(len(kinds)):
            for value in range(MOST_TICKS + 1):
                other = [*ticks[:at], value, *ticks[at + 1 :]]
                if (found := _agreement(kinds, other, counts, after)) > best:
                    ticks, best = other, found
        if best == before:
            break
    starts = Counter(number - _ticks(kinds, ticks, row) for row, number in zip(counts, after, strict=True))
    return ticks, max(starts, key=lambda start: (starts[start], -start))


def _agreement(kinds: Sequence[str], ticks: Sequence[int], counts: Sequence[Counter[str]], after: Sequence[int]) -> int:
    starts = Counter(number - _ticks(kinds, ticks, row) for row, number in zip(counts, after, strict=True))
    return max(starts.values())


def _ticks(kinds: Sequence[str], ticks: Sequence[int], counts: Counter[str]) -> int:
    return sum(counts[name] * number for name, number in zip(kinds, ticks, strict=True))
