"""Drift: the figures of a report beside those of an earlier one, and which of them fell."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envsim.errors import ContentError, GateError
from envsim.fidelity.figures import CATALOGUE
from envsim.fidelity.intervals import EMPTY, Estimate
from envsim.fidelity.report import SCHEMA, Report

SETTINGS = ("policies", "episodes per world", "bugs", "interface", "split", "seed")
"""Facts that must be equal for two reports to be of the same measurement."""


@dataclass(frozen=True)
class Change:
    """One figure before and after."""

    name: str
    before: Estimate
    after: Estimate
    verdict: Literal["fell", "rose", "same"]


@dataclass(frozen=True)
class Drift:
    """What changed since the baseline.

    Attributes:
        changes: Every figure that was measured then.
        differs: Settings in which the two measurements differ, in words.
    """

    changes: tuple[Change, ...]
    differs: tuple[str, ...]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Headings and cells, for people."""
        cells = [[c.name, str(c.before), str(c.after), c.verdict] for c in self.changes]
        return ["figure", "before", "after", ""], cells


def drift(report: Report, old: Mapping[str, Any], *, tolerance: float | None = None, world: str = "model") -> Drift:
    """Compare the figures of `world` with those of an earlier report.

    A figure *fell* where its interval lies wholly on the worse side of what it was; with `tolerance`, also where it is
    worse by more than that, whatever the intervals. Figures of the machine (speed) do not count.

    Args:
        report: The new one.
        old: The earlier one, from `read`.
        tolerance: In the figure's own unit.
        world: Whose figures.

    Raises:
        ContentError: It is on another app, or on other worlds.
    """
    if old["app"] != report.app:
        raise ContentError(f"The baseline is on {old['app']!r}, not on {report.app!r}. Give a report on the same app.")
    known = old["figures"].get(world)
    if not known:
        raise ContentError(f"The baseline has no figures of world {world!r}. Give a report that compared it.")
    changes = [
        _change(name, estimate(known[name]), report.figure(world, name), tolerance)
        for name, figure in CATALOGUE.items()
        if figure.drifts and name in known and known[name]["value"] is not None
    ]
    facts = old.get("facts", {})
    differs = [
        f"{name}: {facts.get(name)} then, {report.facts.get(name)} now"
        for name in SETTINGS
        if facts.get(name) != report.facts.get(name)
    ]
    return Drift(tuple(changes), tuple(differs))


def require(found: Drift) -> None:
    """Raise if a figure fell.

    Raises:
        GateError: Names every figure that did.
    """
    fallen = [change for change in found.changes if change.verdict == "fell"]
    if fallen:
        listed = "; ".join(f"{c.name} was {c.before}, is {c.after}" for c in fallen)
        raise GateError(f"Worse than the baseline: {listed}. See report.html for where it fails.")


def read(path: Path) -> dict[str, Any]:
    """A report's JSON.

    Args:
        path: ``report.json``, or its folder.

    Raises:
        ContentError: No such report, a damaged one, or one of another version.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise ContentError(
            f"Cannot read {file} as a report. Give the report.json of an earlier envsim fidelity."
        ) from None
    version = value.get("envsim_fidelity") if isinstance(value, dict) else None
    if version != SCHEMA:
        raise ContentError(
            f"{file} is a report of version {version}, not {SCHEMA}. Measure again with this version of envsim."
        )
    try:
        for figures in value["figures"].values():
            for figure in figures.values():
                estimate(figure)
        if not isinstance(value["app"], str) or not isinstance(value.get("facts", {}), dict):
            raise TypeError
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ContentError(f"{file} is a damaged report. Measure again.") from None
    return value


def estimate(row: dict[str, Any]) -> Estimate:
    """An estimate from its JSON; null is a figure that was not measured."""
    value, low, high = (math.nan if row[key] is None else float(row[key]) for key in ("value", "low", "high"))
    return Estimate(value, low, high, int(row["n"]))


def _change(name: str, before: Estimate, after: Estimate, tolerance: float | None) -> Change:
    if math.isnan(after.value):
        # What can no longer be measured is no better than what fell.
        return Change(name, before, EMPTY, "same" if CATALOGUE[name].undefined_at_best else "fell")
    sign = 1.0 if CATALOGUE[name].better == "higher" else -1.0
    gain = sign * (after.value - before.value)
    (worst_before, best_before), (worst_after, best_after) = _sides(before, sign), _sides(after, sign)
    if best_after < worst_before or (tolerance is not None and gain < -tolerance):
        return Change(name, before, after, "fell")
    return Change(name, before, after, "rose" if worst_after > best_before else "same")


def _sides(found: Estimate, sign: float) -> Sequence[float]:
    """The worse and the better end of an interval, higher better; the value itself where there is none."""
    ends = [found.value if math.isnan(end) else end for end in (found.low, found.high)]
    return sorted(sign * end for end in ends)
