"""A fidelity report: JSON for machines, one self-contained HTML page for people."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from envsim.fidelity.decision import Decision
from envsim.fidelity.free_running import FreeRunning
from envsim.fidelity.intervals import Estimate

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


@dataclass(frozen=True)
class Example:
    """A held-out step that a world got wrong: what was there and what it said."""

    session: str
    step: int
    action: str
    real: str
    predicted: str


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
    """

    app: str
    reference: str
    rows: tuple[Row, ...]
    decisions: dict[str, Decision] = field(default_factory=dict)
    free_running: dict[str, FreeRunning] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    command: str = ""

    def row(self, world: str) -> Row:
        """The figures of `world`.

        Raises:
            KeyError: It is not in the report.
        """
        return next((row for row in self.rows if row.world == world), None) or _missing(world)


def _missing(world: str) -> Row:
    raise KeyError(world)


def table(report: Report) -> tuple[list[str], list[list[str]]]:
    """The main table as text: headings, and one list of cells per world."""
    head = ["world", *(title for _, title in COLUMNS)]
    body = [[row.world, *(_cell(key, getattr(row, key)) for key, _ in COLUMNS)] for row in report.rows]
    return head, body


def write_report(report: Report, root: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into `root`; the path of the latter."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "report.json").write_text(json.dumps(plain(asdict(report)), indent=2) + "\n", encoding="utf-8")
    page = root / "report.html"
    page.write_text(render_html(report), encoding="utf-8")
    return page


def render_html(report: Report) -> str:
    """The report as one HTML page without outside resources. Page content in it is escaped."""
    # Recorded pages are untrusted: autoescape is what keeps a trace from running in the reader's browser.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("envsim.fidelity").joinpath("report.html.j2").read_text("utf-8")
    head, body = table(report)
    return environment.from_string(source).render(
        report=report, head=head, body=body, verdict=verdict(report), survival=_survival(report), percent=_percent
    )


def verdict(report: Report) -> str:
    """What the figures say, in two sentences."""
    try:
        model, real = report.row("model"), report.row(report.reference)
    except KeyError:
        return "No model was compared."
    said = []
    if model.outcome_agreement is not None:
        said.append(f"The model reaches the sandbox's verdict on {_percent(model.outcome_agreement)} of episodes.")
    if model.steps_per_s and real.steps_per_s:
        ratio = model.steps_per_s / real.steps_per_s
        said.append(
            f"It is {ratio:.1f}x as fast as the sandbox."
            if ratio >= 1
            else f"The sandbox is {1 / ratio:.0f}x faster here: use the model only where no sandbox can be had."
        )
    return " ".join(said)


def _survival(report: Report) -> list[dict[str, Any]]:
    """Survival curves as SVG polylines in a 600 x 200 box."""
    curves = []
    longest = max((len(item.survival) for item in report.free_running.values()), default=1)
    for name, item in report.free_running.items():
        points = " ".join(
            f"{600 * k / max(longest - 1, 1):.1f},{200 * (1 - share):.1f}" for k, share in enumerate(item.survival)
        )
        curves.append({"world": name, "points": points, "median": item.median_steps, "longest": longest - 1})
    return curves


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
