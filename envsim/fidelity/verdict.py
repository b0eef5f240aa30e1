"""What a report says in words: whether to decide by the model, and whether it is worth its while."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from envsim.fidelity.again import AGAIN
from envsim.fidelity.figures import CATALOGUE
from envsim.fidelity.intervals import Estimate

if TYPE_CHECKING:
    from envsim.fidelity.report import Report

RELY: dict[str, float] = {
    "outcome_agreement": 0.95,
    "sim_pass_real_fail": 0.02,
    "rank_correlation": 0.90,
    "delta_exact_large": 0.80,
    "page_exact": 0.90,
    "median_steps": 20.0,
    "bugs_invented": 0.0,
    "trust_auroc": 0.95,
}
"""Where one may rely on a figure; the report's tiles are coloured by it."""


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the report."""

    title: str
    value: str
    interval: str
    tone: Literal["good", "near", "bad", "none"]


def verdict(report: Report) -> str:
    """What the figures say, in a few sentences."""
    try:
        model, real = report.row("model"), report.row(report.reference)
    except KeyError:
        return "No model was compared."
    said = []
    agreement = report.figure("model", "outcome_agreement")
    if agreement.n:
        said += [_advice(report), f"The model reaches the sandbox's verdict on {_percent(agreement)} of episodes."]
    hybrid, left = report.figure("hybrid", "outcome_agreement"), report.figure("hybrid", "sandbox_share")
    if hybrid.n and left.n and _meets("outcome_agreement", hybrid.value) and hybrid.value > agreement.value:
        said.append(f"The hybrid does on {_percent(hybrid)}, and leaves {_percent(left)} of its steps to the sandbox.")
    invented = report.figure("model", "bugs_invented")
    if invented.n and invented.value:
        said.append(f"It invents {invented.value:.0f} bug{'s' * (invented.value > 1)}.")
    if model.steps_per_s and real.steps_per_s:
        ratio = model.steps_per_s / real.steps_per_s
        said.append(
            f"It is {ratio:.1f}x as fast as the sandbox."
            if ratio >= 1
            else f"The sandbox is {1 / ratio:.0f}x faster here: use the model only where no sandbox can be had."
        )
    return " ".join(said)


def _advice(report: Report) -> str:
    """Whether to decide by the model, by the figures that decisions rest on."""
    figures = {name: report.figure("model", name) for name in RELY}
    if _good("outcome_agreement", figures) and _good("sim_pass_real_fail", figures) and _good("bugs_invented", figures):
        return "Its outcomes can stand in for the sandbox's."
    if _good("rank_correlation", figures):
        return "It ranks policies as the sandbox does, but do not take its success rates for real ones."
    return "Do not decide by it: it neither reaches the sandbox's outcomes nor ranks policies as the sandbox does."


def _good(name: str, figures: dict[str, Estimate]) -> bool:
    value = figures[name].value
    return not math.isnan(value) and _meets(name, value)


def _meets(name: str, value: float) -> bool:
    return value >= RELY[name] if CATALOGUE[name].better == "higher" else value <= RELY[name]


def tiles(report: Report) -> list[Tile]:
    """The figures at the top, each with its tone: good enough to rely on, within its interval of that, or not."""
    return [_tile(report, name) for name in RELY]


def _tile(report: Report, name: str) -> Tile:
    figure = report.figure("model", name)
    title, higher = CATALOGUE[name].title, CATALOGUE[name].better == "higher"
    if not figure.n or math.isnan(figure.value):
        return Tile(title, "-", "not measured", "none")
    best = figure.high if higher else figure.low
    near = not math.isnan(best) and _meets(name, best)
    tone: Literal["good", "near", "bad"] = "good" if _meets(name, figure.value) else "near" if near else "bad"
    wanted = f"{'at least' if higher else 'at most'} {_number(name, RELY[name])}"
    spread = f"{_number(name, figure.low)} to {_number(name, figure.high)}; " if figure.low < figure.high else ""
    ceiling = report.figure(AGAIN, name)
    reach = f"; the sandbox again: {_number(name, ceiling.value)}" if ceiling.n else ""
    return Tile(title, _number(name, figure.value, report), f"{spread}rely on {wanted}{reach}", tone)


def _number(name: str, value: float, report: Report | None = None) -> str:
    if name == "median_steps":
        free = report.free_running.get("model") if report is not None else None
        return f"{'≥ ' if free is not None and free.open_ended else ''}{value:.0f}"
    if name == "bugs_invented":
        return f"{value:.0f}"
    return f"{value:.2f}" if name in ("rank_correlation", "trust_auroc") else f"{100 * value:.1f}%"


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f}%"
