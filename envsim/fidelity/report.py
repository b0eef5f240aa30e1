"""A fidelity report: JSON for machines, one self-contained HTML page for people."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from envsim.errors import ContentError
from envsim.fidelity import one_step, plots
from envsim.fidelity.again import AGAIN
from envsim.fidelity.bugs import TOO_FEW, BugRow
from envsim.fidelity.decision import Decision
from envsim.fidelity.equivalence import FACTOR, POINTS
from envsim.fidelity.free_running import FreeRunning
from envsim.fidelity.intervals import EMPTY, Estimate
from envsim.fidelity.ppi import Powered
from envsim.fidelity.reliability import Reliability
from envsim.fidelity.users_link import UsersLink
from envsim.fidelity.verdict import tiles, verdict

__all__ = ["COLUMNS", "SCHEMA", "Example", "Measured", "Report", "Row", "plain", "render_html", "table", "verdict"]

SCHEMA = 3
"""Version of ``report.json``; goes up when a field changes its meaning or goes away."""

COLUMNS = (
    ("page_exact", "page exact match"),
    ("changed_f1", "changed-element F1"),
    ("delta_exact", "state-delta exact match"),
    ("outcome_agreement", "task-outcome agreement"),
    ("steps_per_s", "steps/s"),
)
"""The columns of the main table: key in `Row` and heading."""


@dataclass(frozen=True)
class Row:
    """One world's figures; None where a figure has no meaning for it.

    Attributes:
        world: Name of the world or baseline.
        page_exact: Share of held-out steps whose page is predicted exactly.
        changed_f1: F1 over the element lines that the step changed.
        delta_exact: Share of held-out steps whose state delta is predicted exactly.
        outcome_agreement: Share of episodes with the outcome the reference has.
        steps_per_s: Steps per second in those episodes, one environment after another.
    """

    world: str
    page_exact: float | None = None
    changed_f1: float | None = None
    delta_exact: float | None = None
    outcome_agreement: float | None = None
    steps_per_s: float | None = None

    @classmethod
    def of(cls, world: str, figures: Mapping[str, Estimate]) -> Row:
        """The row of a world with these figures."""
        return cls(world, **{key: figures[key].value if key in figures else None for key, _ in COLUMNS})


@dataclass(frozen=True)
class Example:
    """A held-out step that a world got wrong: what was there and what it said."""

    session: str
    step: int
    action: str
    real: str
    predicted: str


@dataclass(frozen=True)
class Measured:
    """All that was measured of one world; of a baseline that is none, one-step figures alone.

    Attributes:
        figures: By name, see `envsim.fidelity.figures.CATALOGUE`.
        decision, free_running, bugs, trust, powered: What they are taken from.
    """

    figures: dict[str, Estimate] = field(default_factory=dict)
    decision: Decision | None = None
    free_running: FreeRunning | None = None
    bugs: tuple[BugRow, ...] = ()
    trust: Reliability | None = None
    powered: tuple[Powered, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that was measured in one comparison of worlds.

    Attributes:
        app: The app.
        reference: Name of the world taken as true.
        rows: The main table.
        decisions: Decision fidelity by world.
        free_running: Free-running fidelity by world.
        examples: Worst steps of the model.
        facts: Sizes and settings that say what the figures rest on.
        command: What reproduces it.
        worlds: All figures by world or baseline.
        has_users: Whether the app's tasks have simulated users.
        users: How far those are from real ones, where it was measured.
    """

    app: str
    reference: str
    rows: tuple[Row, ...]
    decisions: dict[str, Decision] = field(default_factory=dict)
    free_running: dict[str, FreeRunning] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    command: str = ""
    worlds: dict[str, Measured] = field(default_factory=dict)
    has_users: bool = False
    users: UsersLink | None = None

    def row(self, world: str) -> Row:
        """The figures of `world`.

        Raises:
            KeyError: It is not in the report.
        """
        return next((row for row in self.rows if row.world == world), None) or _missing(world)

    def figure(self, world: str, name: str) -> Estimate:
        """One figure of a world; empty where it was not measured."""
        measured = self.worlds.get(world)
        if measured is not None and name in measured.figures:
            return measured.figures[name]
        row = next((row for row in self.rows if row.world == world), None)
        value = getattr(row, name, None) if row is not None else None
        return EMPTY if value is None or math.isnan(value) else Estimate(value, value, value, 1)


def _missing(world: str) -> Row:
    raise KeyError(world)


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """The main table as text: headings, and one list of cells per world."""
    head = ["world", *(title for _, title in COLUMNS)]
    body = [[row.world, *(_cell(key, getattr(row, key)) for key, _ in COLUMNS)] for row in report.rows]
    return head, body


def document(report: Report) -> dict[str, Any]:
    """The report as JSON: see docs/fidelity.md for its fields."""
    worlds: dict[str, Any] = plain(asdict(report))["worlds"]
    rest = {key: value for key, value in plain(asdict(report)).items() if key not in ("worlds", "decisions")}
    return {
        "envsim_fidelity": SCHEMA,
        "verdict": verdict(report),
        **rest,
        "decisions": {name: plain(asdict(decision)) for name, decision in report.decisions.items()},
        "figures": {name: world["figures"] for name, world in worlds.items()},
        **{
            part: {name: world[part] for name, world in worlds.items() if world[part]}
            for part in ("bugs", "trust", "powered")
        },
    }


def write_report(report: Report, root: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into `root`; the path of the latter.

    Raises:
        ContentError: The folder cannot be written to.
    """
    page = root / "report.html"
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "report.json").write_text(json.dumps(document(report), indent=2) + "\n", encoding="utf-8")
        page.write_text(render_html(report), encoding="utf-8")
    except OSError as error:
        raise ContentError(f"Cannot write {root}: {error.strerror}. Choose another with -o.") from None
    return page


def render_html(report: Report) -> str:
    """The report as one HTML page without outside resources. Page content in it is escaped."""
    # Recorded pages are untrusted: autoescape is what keeps a trace from running in the reader's browser.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("envsim.fidelity").joinpath("report.html.j2").read_text("utf-8")
    head, body = table(report)
    model = report.worlds.get("model", Measured())
    examples = [(example, *side_by_side(example.real, example.predicted)) for example in report.examples]
    return environment.from_string(source).render(
        report=report, head=head, body=body, verdict=verdict(report), tiles=tiles(report), model=model,
        sizes=_by_size(report), plots=_plots(report, model), percent=_percent, examples=examples,
        colours=plots.COLOURS, too_few=TOO_FEW, points=POINTS, factor=FACTOR,
    )  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One line of an example: how it is shown, and its text."""

    kind: str
    text: str


def side_by_side(real: str, predicted: str) -> tuple[list[Shown], list[Shown]]:
    """Both texts, the lines that the other does not have marked; of what they share only what is next to those."""
    left, right = real.split("\n"), predicted.split("\n")
    out: tuple[list[Shown], list[Shown]] = ([], [])
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for group in matcher.get_grouped_opcodes(2):
        for shown, at in zip(out, (group[0][1], group[0][3]), strict=True):
            if at > 0:
                shown.append(Shown("gap", f"... {at} lines above" if not shown else "..."))
        for tag, a, b, c, d in group:
            kind = "same" if tag == "equal" else "differs"
            out[0].extend(Shown(kind, line) for line in left[a:b])
            out[1].extend(Shown(kind, line) for line in right[c:d])
    return out


def _plots(report: Report, model: Measured) -> dict[str, Any]:
    decision = report.decisions.get("model")
    cost = {
        row.world: (row.steps_per_s, report.figure(row.world, "outcome_agreement"))
        for row in report.rows
        if row.world != AGAIN
    }
    return {
        "survival": plots.survival(report.free_running) if report.free_running else "",
        "ranks": plots.ranks(decision.per_policy) if decision is not None else "",
        "reliability": plots.reliability(model.trust.bins) if model.trust is not None and model.trust.bins else "",
        "frontier": plots.frontier({world: (pace, score) for world, (pace, score) in cost.items() if pace is not None}),
        "bugs": plots.bug_rates(model.bugs) if model.bugs else "",
    }


def _by_size(report: Report) -> list[dict[str, Any]]:
    """One-step figures of the model by size of delta, each beside those of what costs nothing."""
    out = []
    sources = {"model": "model", "draft": "draft", "still": "copy-previous"}
    for suffix, (words, _) in one_step.SIZES.items():
        steps = report.figure("model", f"delta_exact{suffix}").n
        cells = [
            {"title": title, **{key: report.figure(world, name + suffix) for key, world in sources.items()}}
            for name, (title, _) in one_step.MEASURES.items()
            if name != "outcome_class"
        ]
        out.append({"words": words, "steps": steps, "cells": cells})
    return out


def _percent(value: float | Estimate | None) -> str:
    if isinstance(value, Estimate):
        value = value.value
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f}%"


def _cell(key: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.0f}" if key == "steps_per_s" else f"{value:.3f}"


def plain(value: Any) -> Any:
    """`value` with null for every figure that could not be measured: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
