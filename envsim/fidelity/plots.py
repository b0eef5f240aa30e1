"""The plots of a fidelity report, as inline SVG: no script, no outside resource, every text escaped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from envsim.fidelity.bugs import TOO_FEW, BugRow
from envsim.fidelity.decision import PolicyRow
from envsim.fidelity.free_running import FreeRunning
from envsim.fidelity.intervals import Estimate
from envsim.fidelity.reliability import Bin
from envsim.plot import GRID, REAL, SIM, SOFT, Plot

COLOURS = {
    "sandbox": REAL,
    "sandbox-again": "#5eb5a6",
    "model": SIM,
    "hybrid": "#7a5af8",
    "replay": "#667085",
    "nearest-neighbour": "#98a2b3",
}
_LINE = 14
"""Least distance of two labels, in pixels."""
_WIDE = 90
"""Labels further apart than this, in pixels, cannot meet."""


def survival(worlds: Mapping[str, FreeRunning]) -> Markup:
    """Share of sessions still right after k steps."""
    plot = Plot(520, 230, "Share of sessions still right after k steps")
    plot.axes("steps of a replayed session", "")
    longest = max((len(found.survival) for found in worlds.values()), default=1) - 1
    longest = max(longest, 1)
    for step in _ticks(longest):
        plot.text(plot.x(step / longest), plot.height + 16, str(step), anchor="middle")
    plot.line(0, plot.y(0.5), plot.width, plot.y(0.5), "#98a2b3", dash="3 4")
    for name, found in worlds.items():
        colour = COLOURS.get(name, SOFT)
        plot.path(_stairs(plot, found.survival, longest), colour)
        if name == "model" and found.certain and found.certain != found.survival:
            plot.path(_stairs(plot, found.certain, longest), colour, width=1.5, dash="4 3")
    return plot.svg()


def _stairs(plot: Plot, curve: Sequence[float], longest: int) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for k, alive in enumerate(curve):
        if points:
            points.append((plot.x(k / longest), points[-1][1]))
        points.append((plot.x(k / longest), plot.y(alive)))
    return points


def _ticks(longest: int) -> range:
    return range(0, longest + 1, next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 10**6) if longest / step <= 10))


def ranks(policies: Sequence[PolicyRow]) -> Markup:
    """Success of each policy in both worlds; on the diagonal they agree."""
    plot = Plot(430, 230, "Success of each policy in both worlds", right=104)
    plot.axes("success in the sandbox", "")
    for value in (0, 0.25, 0.5, 0.75, 1):
        plot.text(plot.x(value), plot.height + 16, f"{100 * value:.0f}%", anchor="middle")
        plot.line(plot.x(value), 0, plot.x(value), plot.height, GRID)
    plot.line(0, plot.height, plot.width, 0, "#98a2b3", dash="3 4")
    shown = [row for row in policies if row.reference.n and row.candidate.n]
    for row in shown:
        x, y = plot.x(row.reference.value), plot.y(row.candidate.value)
        plot.line(x, plot.y(row.candidate.low), x, plot.y(row.candidate.high), "#fdd9b0")
        plot.line(plot.x(row.reference.low), y, plot.x(row.reference.high), y, "#bfe3de")
    places = _apart([(plot.x(r.reference.value), plot.y(r.candidate.value)) for r in shown], plot.height)
    for row, label in zip(shown, places, strict=True):
        x, y = plot.x(row.reference.value), plot.y(row.candidate.value)
        plot.dot(x, y, SIM)
        if abs(label - y) > 3:
            plot.line(x + 5, y, x + 9, label, "#98a2b3")
        plot.text(x + 10, label + 4, row.policy, colour="#1d2430")
    return plot.svg()


def _apart(points: Sequence[tuple[float, float]], height: float) -> list[float]:
    """Heights for labels right of `points`, none over another, all above the axis."""
    places = [y for _, y in points]
    order = sorted(range(len(points)), key=lambda i: (places[i], i))

    def near(i: int, j: int) -> bool:
        return abs(points[i][0] - points[j][0]) < _WIDE

    for at, i in enumerate(order):
        places[i] = max([places[i], *(places[j] + _LINE for j in order[:at] if near(i, j))])
    # What was pushed below the axis goes up again, and pushes what is above it.
    for at, i in reversed(list(enumerate(order))):
        places[i] = min([places[i], height - 6, *(places[j] - _LINE for j in order[at + 1 :] if near(i, j))])
    return places


def reliability(bins: Sequence[Bin]) -> Markup:
    """Trust against the share that was right, and how many steps there are of each trust."""
    plot = Plot(520, 230, "Trust against the share of steps that were right")
    plot.axes("trust the model has in a step", "")
    most = max((part.right.n for part in bins), default=1)
    for part in bins:
        left = min(int(part.trust * 10), 9) / 10
        tall = 0.28 * plot.height * part.right.n / most
        plot.box(plot.x(left) + 1, plot.height - tall, plot.x(0.1) - 2, tall, "#eef0f4")
        plot.text(plot.x(left + 0.05), plot.height - tall - 3, str(part.right.n), anchor="middle", size=9)
    for value in (0, 0.25, 0.5, 0.75, 1):
        plot.text(plot.x(value), plot.height + 16, f"{100 * value:.0f}%", anchor="middle")
    plot.line(0, plot.height, plot.width, 0, "#98a2b3", dash="3 4")
    points = [(plot.x(part.trust), plot.y(part.right.value)) for part in bins]
    plot.path(points, SIM, width=1.5)
    for part, (x, y) in zip(bins, points, strict=True):
        plot.line(x, plot.y(part.right.low), x, plot.y(part.right.high), "#fdba74", width=1.5)
        plot.dot(x, y, SIM)
    return plot.svg()


def frontier(points: Mapping[str, tuple[float, Estimate]]) -> Markup:
    """Speed against task-outcome agreement: up and right is better."""
    plot = Plot(390, 230, "Steps per second against task-outcome agreement", right=144)
    plot.axes("steps per second, one environment (logarithmic)", "")
    known = {name: item for name, item in points.items() if item[0] > 0 and math.isfinite(item[0]) and item[1].n}
    speeds = [pace for pace, _ in known.values()] or [1.0]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))
    high = max(high, low + 1)
    for power in range(low, high + 1):
        place = plot.x((power - low) / (high - low))
        plot.line(place, 0, place, plot.height, GRID)
        plot.text(place, plot.height + 16, f"{10**power:,.0f}" if power >= 0 else f"{10**power:g}", anchor="middle")
    at = [(plot.x((math.log10(pace) - low) / (high - low)), plot.y(score.value)) for pace, score in known.values()]
    for (name, (pace, score)), (x, y), label in zip(known.items(), at, _apart(at, plot.height), strict=True):
        colour = COLOURS.get(name, SOFT)
        plot.line(x, plot.y(score.low), x, plot.y(score.high), colour, width=1.5)
        plot.dot(x, y, colour, 6)
        plot.text(x + 11, label + 4, f"{name}, {pace:,.0f}/s", colour="#1d2430")
    return plot.svg()


def bug_rates(rows: Sequence[BugRow]) -> Markup:
    """Rate of each bug in both worlds, with intervals."""
    step, left = 34, 150
    plot = Plot(560, step * max(len(rows), 1), "Rate of each bug in both worlds", left=left, below=30, right=250)
    for value in (0, 0.25, 0.5, 0.75, 1):
        plot.line(plot.x(value), 0, plot.x(value), plot.height, GRID)
        plot.text(plot.x(value), plot.height + 16, f"{100 * value:.0f}%", anchor="middle")
    for index, row in enumerate(rows):
        middle = step * (index + 0.5)
        plot.text(-10, middle + 4, row.bug, anchor="end", colour="#1d2430", size=12)
        for estimate, colour, shift in ((row.reference, REAL, -6), (row.candidate, SIM, 6)):
            if estimate.n:
                plot.line(plot.x(estimate.low), middle + shift, plot.x(estimate.high), middle + shift, colour, width=2)
                plot.dot(plot.x(estimate.value), middle + shift, colour, 4.5)
        colour = {"reproduced": REAL, TOO_FEW: SOFT}.get(row.verdict, "#b42318")
        counts = f"{row.verdict}  ({_times(row.reference)} / {_times(row.candidate)})"
        plot.text(plot.width + 12, middle + 4, counts, colour=colour, size=12)
    return plot.svg()


def _times(estimate: Estimate) -> str:
    return f"{round(estimate.value * estimate.n)} of {estimate.n}" if estimate.n else "never met"
