"""The curves of a training run as a picture: loss, held-out loss and accuracy, learning rate, of its ``log.jsonl``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envsim.plot import GRID, REAL, SIM, SOFT, Plot, picture

LOG, PICTURE = "log.jsonl", "curves.svg"
VIOLET = "#7a5af8"
_LABEL = 13
"""Least distance of two labels, in pixels."""
_DARK = "#98a2b3"

Row = dict[str, Any]
Line = tuple[str, str, list[tuple[float, float]]]
"""Name, colour, and points: step, value."""


def read_log(out: Path) -> list[Row]:
    """The lines of a run's log; a torn last one is left out."""
    path = out / LOG
    rows: list[Row] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def draw(out: Path) -> Path | None:
    """Write ``curves.svg`` into a run directory; None where its log holds nothing yet."""
    rows = read_log(out)
    if not rows:
        return None
    last = max(row["step"] for row in rows)
    loss = [
        ("training (smoothed)", SIM, _points(rows, "loss")),
        ("held-out", REAL, _points(rows, "held_out")),
    ]
    right = [
        ("tokens", REAL, _points(rows, "tokens_right")),
        ("outcomes", VIOLET, _points(rows, "outcomes_right")),
        ("whole answers", SOFT, _points(rows, "answers_right")),
    ]
    rate = [("", SIM, _points(rows, "lr"))]
    plots = [
        _plot("Loss, nats per answer token (logarithmic)", last, loss, *_logarithmic(loss)),
        _plot("Held-out: share that is right, given what stands before it", last, right, *_percent()),
        _plot("Learning rate", last, rate, *_linear(rate), height=90),
    ]
    path = out / PICTURE
    path.write_text(picture(plots), encoding="utf-8")
    return path


def _points(rows: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in rows if math.isfinite(row.get(name, math.nan))]


Scale = tuple[Callable[[float], float], list[tuple[float, str]]]
"""Value -> share of the height; the values to mark, with captions."""


def _logarithmic(lines: Sequence[Line]) -> Scale:
    values = [max(value, 1e-4) for _, _, points in lines for _, value in points] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    marks = [m * 10.0**power for power in range(low, high + 1) for m in (1, 2, 5)]
    # Between the extremes only, so that the lines fill the plot.
    inner = [mark for mark in marks if min(values) / 2.5 <= mark <= max(values) * 2.5] or marks
    bottom, top = math.log10(inner[0]), math.log10(inner[-1])
    span = (top - bottom) or 1.0
    shown = inner if len(inner) <= 8 else [mark for mark in inner if f"{mark:.0e}"[0] == "1"]
    return lambda value: (math.log10(max(value, 1e-4)) - bottom) / span, [(mark, f"{mark:g}") for mark in shown]


def _percent() -> Scale:
    return lambda value: value, [(value, f"{100 * value:.0f}%") for value in (0, 0.25, 0.5, 0.75, 1)]


def _linear(lines: Sequence[Line]) -> Scale:
    top = max((value for _, _, points in lines for _, value in points), default=1.0) or 1.0
    return lambda value: value / top, [(0.0, "0"), (top / 2, f"{top / 2:.1e}"), (top, f"{top:.1e}")]


def _plot(
    title: str, last: int, lines: Sequence[Line], scale: Callable[[float], float], marks: Sequence[tuple[float, str]],
    height: int = 190,
) -> Plot:  # fmt: skip
    """One plot over steps 0 to `last`; lines are named where they end."""
    plot = Plot(620, height, title, left=64, right=150, below=44, above=34)
    plot.text(0, -14, title, colour="#1d2430", size=13)
    for value, caption in marks:
        place = plot.y(scale(value))
        plot.line(0, place, plot.width, place, GRID)
        plot.text(-8, place + 4, caption, anchor="end")
    plot.line(0, plot.height, plot.width, plot.height, _DARK)
    for step in _steps(last):
        plot.text(plot.x(step / last), plot.height + 16, f"{step:,}", anchor="middle")
    plot.text(plot.width, plot.height + 32, "optimiser steps", anchor="end")
    ends: list[tuple[float, str, str]] = []
    for name, colour, points in lines:
        places = [(plot.x(step / last), plot.y(scale(value))) for step, value in points]
        plot.path(places, colour, width=2)
        if len(places) < 40:
            for x, y in places:
                plot.dot(x, y, colour, 3)
        if places and name:
            ends.append((places[-1][1], f"{name} {points[-1][1]:.3g}", colour))
    free = -math.inf
    for y, text, colour in sorted(ends):
        free = max(y, free + _LABEL)
        plot.text(plot.width + 8, free + 4, text, colour=colour)
    return plot


def _steps(last: int) -> range:
    wide = next(m * 10**power for power in range(12) for m in (1, 2, 5) if last / (m * 10**power) <= 8)
    return range(0, last + 1, wide)
