"""An app's clock, as far as recorded sessions show it: the time at which a request arrives.

Rows that are added tell the time they were added at. Between two of them lie requests, each of which takes the app's
clock some ticks further: one for a page, two where an answer sends on to another page. How many for which kind of
request, how long a tick is and when sessions begin is fitted to the recorded times, in whole ticks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from envsim.types import JsonValue, StateDelta
from worldmodel.document import Lines, meta
from worldmodel.requests import split_url
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
_ANY = "any"
"""Kind of request: what is pressed sends on from wherever it stands."""
_MORE = 2
"""Recorded times that an exception must set right."""


@dataclass(frozen=True)
class Clock:
    """When sessions begin and what moves the time.

    Attributes:
        start: Seconds since 1970 at which sessions begin that do not say when.
        tick: Seconds.
        ticks: Kind of request (`kind`) -> ticks it takes; behind a kind perhaps what was pressed (`pressed`).
    """

    start: float
    tick: float
    ticks: tuple[tuple[str, int], ...]

    def now(self, situation: Situation) -> float:
        """Seconds since 1970 when the request arrives, before it moved the clock."""
        takes = dict(self.ticks)
        passed = sum(_one(takes, kind(key, lines), pressed(key)) for key, lines in situation.past)
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
    names = sorted({name for name, _ in parse_qsl(split_url(url)[1], keep_blank_values=True)})
    if names:
        return f"form, to ?{' '.join(names)}"
    return "form" if re.search(QUOTED, head) else head.partition(" ")[0]


def pressed(key: str) -> str:
    """What was pressed, by its name without figures; "" for other requests."""
    head = key.partition("\n")[0]
    return "" if head.startswith(("get ", "open ", "call ")) else re.sub(r"[0-9]+", "0", head.rpartition(" on ")[0])


def _one(takes: Mapping[str, int], name: str, button: str) -> int:
    plain = takes.get(name, 1)
    return takes.get(f"{name} | {button}", takes.get(f"{_ANY} | {button}", plain)) if button else plain


Timed = tuple[Situation, StateDelta]


def fit(found: Iterable[Timed]) -> Clock | None:
    """The clock that gives the times in recorded deltas; None where there are none, or none that fits."""
    rows: list[tuple[Counter[Step], float]] = []
    for situation, delta in found:
        times = sorted({time[0] for value in _values(delta) if (time := read_time(value)) is not None})
        if len(times) == 1 and beginning(situation) is None:
            steps = Counter((kind(key, lines), pressed(key)) for key, lines in situation.past)
            rows.append((steps, times[0]))
    if len(rows) < LEAST:
        return None
    first = min(moment for _, moment in rows)
    tick = 0
    for _, moment in rows:
        tick = math.gcd(tick, round(moment - first))
    if not tick:
        return None
    after = [round((moment - first) / tick) for _, moment in rows]
    counts = [steps for steps, _ in rows]
    ticks = _exceptions(_whole(counts, after), counts, after)
    start, right = _starts(ticks, counts, after)
    return (
        Clock(first + tick * start, float(tick), tuple(sorted(ticks.items()))) if right >= EXACT * len(rows) else None
    )


def _values(delta: StateDelta) -> Iterable[JsonValue]:
    for _, *value in delta:
        yield from value[0].values() if value and isinstance(value[0], dict) else value


Step = tuple[str, str]
"""(`kind`, `pressed`)."""


def _whole(counts: Sequence[Counter[Step]], after: Sequence[int]) -> dict[str, int]:
    """Whole ticks per kind that give most of the times: least squares, then one kind at a time."""
    kinds = sorted({name for row in counts for name, _ in row})
    matrix = np.array([[float(sum(n for (name, _), n in row.items() if name == one)) for one in kinds] + [1.0]
                       for row in counts])  # fmt: skip
    # Kinds that were seen too seldom to tell take one tick.
    prior = np.sqrt(_RIDGE) * np.eye(len(kinds) + 1)[: len(kinds)]
    wanted = np.concatenate([np.array(after, dtype=float), np.full(len(kinds), np.sqrt(_RIDGE))])
    solved = np.linalg.lstsq(np.concatenate([matrix, prior]), wanted, rcond=None)[0]
    ticks = {name: min(MOST_TICKS, max(0, round(float(value)))) for name, value in zip(kinds, solved, strict=False)}
    for _ in range(_ROUNDS):
        before = dict(ticks)
        for name in kinds:
            ticks = _better(ticks, name, counts, after, 1)
        if ticks == before:
            break
    return ticks


def _exceptions(ticks: dict[str, int], counts: Sequence[Counter[Step]], after: Sequence[int]) -> dict[str, int]:
    """The same with what is pressed told apart, where that gives more of the times."""
    steps = {step for row in counts for step in row if step[1]}
    for name, button in [*sorted({(_ANY, button) for _, button in steps}), *sorted(steps)]:
        ticks = _better(ticks, f"{name} | {button}", counts, after, _MORE)
    return ticks


def _better(
    ticks: dict[str, int], name: str, counts: Sequence[Counter[Step]], after: Sequence[int], more: int
) -> dict[str, int]:
    """`ticks` with another number for `name`, if that gives at least so many `more` of the times."""
    best, most = ticks, _starts(ticks, counts, after)[1] + more - 1
    for number in range(MOST_TICKS + 1):
        right = _starts(other := {**ticks, name: number}, counts, after)[1]
        if right > most:
            best, most = other, right
    return best


def _starts(ticks: Mapping[str, int], counts: Sequence[Counter[Step]], after: Sequence[int]) -> tuple[int, int]:
    """When most sessions begin, in ticks, and how many do."""
    found = Counter(
        number - sum(_one(ticks, *step) * n for step, n in row.items())
        for row, number in zip(counts, after, strict=True)
    )
    start = max(found, key=lambda one: (found[one], -one))
    return start, found[start]
