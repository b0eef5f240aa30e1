"""What a comparison of a clone with production says: figures by route, bugs, worst examples, and gates on them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from envsim.errors import ContentError, GateError
from envsim.fidelity.clone import Case, Result
from envsim.fidelity.clone_answers import Routes
from envsim.fidelity.gate import COMPARE, FORM
from envsim.fidelity.intervals import Estimate, rate
from envsim.fidelity.report import plain
from envsim.sandbox.spec import SandboxSpec

COLUMNS = (
    ("responses", "answers"),
    ("agreement", "agreement"),
    ("status", "status"),
    ("redirect", "redirect"),
    ("page_exact", "page exact match"),
    ("elements_f1", "element F1"),
    ("delta_exact", "state-delta exact match"),
    ("latency_ratio", "latency ratio"),
)
"""Columns of the main table: key in `Row` and heading."""
COUNTS = ("missing", "invented", "variant", "unexplained")
"""Figures of the whole beside the columns: how many answers each explains."""
EXAMPLES = 3
"""Examples kept of a route."""
SHOWN = 12
"""Routes whose examples are shown to people; the JSON has all."""
ALL = "all routes"


@dataclass(frozen=True)
class Row:
    """Figures of one route; None where nothing is known.

    Attributes:
        route: Method and kind of path.
        responses: Answers compared.
        agreement: Share of them in which nothing that is known differs, chance of declared bugs apart.
        status: Share with the same statuses, redirects' included.
        redirect: Share that ended on the same page.
        page_exact: Share with the same elements (or result) line by line.
        elements_f1: Mean F1 over lines.
        delta_exact: Share with the same change of state.
        latency_ratio: Median time of the clone over production's.
        first: Answers that were the first of their session to differ.
    """

    route: str
    responses: int
    agreement: float
    status: float | None = None
    redirect: float | None = None
    page_exact: float | None = None
    elements_f1: float | None = None
    delta_exact: float | None = None
    latency_ratio: float | None = None
    first: int = 0


@dataclass(frozen=True)
class BugRow:
    """A bug and what the sessions say of it; `id` is "" for failures that no bug declares."""

    id: str
    title: str
    kind: str
    answers: int
    session: str
    step: int


@dataclass(frozen=True)
class Report:
    """All that is reported.

    Attributes:
        app: The clone.
        total: Over all routes.
        interval: Of the agreement.
        rows: A route each, those that differ most first.
        bugs: Known bugs reproduced, missing and invented.
        counts: How many answers each of `COUNTS` explains.
        examples: Route -> its worst cases.
        facts: What the figures rest on.
        skipped: Session -> why it was not made again.
        command: What reproduces it.
    """

    app: str
    total: Row
    interval: Estimate
    rows: tuple[Row, ...]
    bugs: tuple[BugRow, ...]
    counts: dict[str, int]
    examples: dict[str, tuple[Case, ...]]
    facts: dict[str, str]
    skipped: dict[str, str]
    command: str


def summarise(result: Result, spec: SandboxSpec, *, facts: dict[str, str], command: str) -> Report:
    """The report over all cases."""
    routes = Routes(case.path for case in result.cases)
    by_route: dict[str, list[Case]] = {}
    for case in result.cases:
        by_route.setdefault(routes.name(case.path), []).append(case)
    rows = sorted((_row(name, cases) for name, cases in by_route.items()), key=_rank)
    wrong = {name: _worst(cases) for name, cases in by_route.items()}
    agreeing = sum(case.agrees for case in result.cases)
    differing = [case for case in result.cases if not case.agrees]
    kinds = Counter(case.kind for case in differing)
    return Report(
        app=spec.ref,
        total=_row(ALL, result.cases),
        interval=rate(agreeing, len(result.cases)),
        rows=tuple(rows),
        bugs=tuple(_bugs(result.cases, {bug.id: bug.title for bug in spec.bugs} | _variants(spec))),
        counts={kind: kinds["" if kind == "unexplained" else kind] for kind in COUNTS},
        examples={row.route: wrong[row.route] for row in rows if wrong[row.route]},
        facts={
            "sessions": f"{result.sessions - len(result.skipped)} of {result.sessions}",
            "answers compared": str(len(result.cases)),
            "volatile patterns masked": str(result.masked),
            **facts,
        },
        skipped=dict(result.skipped),
        command=command,
    )


def _row(route: str, cases: Sequence[Case]) -> Row:
    def share(aspect: str) -> float | None:
        known = [case.aspects[aspect] for case in cases if case.aspects.get(aspect) is not None]
        return sum(map(bool, known)) / len(known) if known else None

    lines = [case.f1 for case in cases if case.aspects.get("page") is not None]
    timed = [case.clone_ms / case.real_ms for case in cases if case.clone_ms and case.real_ms]
    return Row(
        route=route,
        responses=len(cases),
        agreement=sum(case.agrees for case in cases) / len(cases),
        status=share("status"),
        redirect=share("redirect"),
        page_exact=share("page"),
        elements_f1=sum(lines) / len(lines) if lines else None,
        delta_exact=share("delta"),
        latency_ratio=median(timed) if timed else None,
        first=sum(case.first for case in cases),
    )


def _rank(row: Row) -> tuple[float, ...]:
    """What differs first of its session leads: the rest of that session may only follow from it."""
    return -row.first, -row.responses * (1 - row.agreement), -row.responses


def _worst(cases: Iterable[Case]) -> tuple[Case, ...]:
    differing = [case for case in cases if not case.agrees]
    return tuple(sorted(differing, key=lambda case: (not case.first, case.f1, case.session, case.step))[:EXAMPLES])


def _variants(spec: SandboxSpec) -> dict[str, str]:
    """What it means that production answers as a variant does."""
    having = {name: [b.id for b in spec.bugs if b.variants and b.variants.buggy == name] for name in spec.variants}
    return {
        f"@{name}": f"production answers as {name} does" + (f", which has {', '.join(ids)}" if ids else "")
        for name, ids in having.items()
    }


def _bugs(cases: Sequence[Case], titles: dict[str, str]) -> list[BugRow]:
    found: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        for bug in case.bugs:
            found.setdefault((case.kind, bug), []).append(case)
        if not case.kind and case.fails in ("production", "clone"):
            found.setdefault(("missing" if case.fails == "production" else "invented", ""), []).append(case)
    order = ("missing", "invented", "variant", "chance", "reproduced")
    undeclared = {"missing": "production failed, and no bug declares it", "invented": "the clone failed by itself"}
    ranked = sorted(found.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]), item[0]))
    return [
        BugRow(bug, titles.get(bug, undeclared.get(kind, "")), kind, len(some), some[0].session, some[0].step)
        for (kind, bug), some in ranked
    ]


def table(report: Report, limit: int = 20) -> tuple[list[str], list[list[str]]]:
    """The main table as text: headings, and a line of cells for the whole and for each of the first routes."""
    head = ["route", *(title for _, title in COLUMNS)]
    return head, [[row.route, *(_cell(key, getattr(row, key)) for key, _ in COLUMNS)] for row in _shown(report, limit)]


def _shown(report: Report, limit: int) -> list[Row]:
    return [report.total, *report.rows[:limit]]


def _cell(key: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return str(int(value)) if key == "responses" else f"{value:.2f}x" if key == "latency_ratio" else f"{value:.3f}"


def verdict(report: Report) -> str:
    """What the figures say, in a few sentences."""
    said = [f"The clone gives production's answer {100 * report.total.agreement:.1f}% of the time."]
    if report.skipped:
        said.append(f"{len(report.skipped)} of the sessions could not be made again, and nothing is said of them.")
    kinds = {kind: sorted({bug.id or "undeclared" for bug in report.bugs if bug.kind == kind}) for kind in COUNTS[:2]}
    named = [f"{', '.join(bugs)} {'is' if len(bugs) == 1 else 'are'} {kind}" for kind, bugs in kinds.items() if bugs]
    if named:
        said.append("Of its bugs, " + " and ".join(named) + ".")
    worst = next((row for row in report.rows if row.agreement < 1), None)
    if worst is not None:
        said.append(f"It differs most at {worst.route}.")
    return " ".join(said)


# -- files ---------------------------------------------------------------------------------------------


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    value: dict[str, Any] = plain(asdict(report))
    return value


def write_report(report: Report, root: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into `root`; the path of the latter.

    Raises:
        ContentError: It cannot be written.
    """
    page = root / "report.html"
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "report.json").write_text(json.dumps(to_json(report), indent=2) + "\n", encoding="utf-8")
        page.write_text(render_html(report), encoding="utf-8")
    except OSError as error:
        raise ContentError(f"Cannot write the report to {root}: {error.strerror}. Choose another -o.") from None
    return page


def render_html(report: Report) -> str:
    """The report as one HTML page without outside resources. What was recorded is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("envsim.fidelity").joinpath("clone.html.j2").read_text("utf-8")
    head, body = table(report, limit=len(report.rows))
    return environment.from_string(source).render(
        report=report, head=head, body=body, shares=[row.agreement for row in _shown(report, len(report.rows))],
        verdict=verdict(report), examples=dict(list(report.examples.items())[:SHOWN]),
    )  # fmt: skip


# -- gates ---------------------------------------------------------------------------------------------

FIGURES = (*(key for key, _ in COLUMNS), *COUNTS, "skipped")
"""What can be required; ``skipped`` counts sessions that could not be made again."""


def parse_gate(expression: str) -> tuple[str, Callable[[float, float], bool], float, str]:
    """Figure, comparison, limit and the tidied text of a ``--require`` expression.

    Raises:
        ContentError: Not of the form ``figure>=number``, or no such figure.
    """
    match = FORM.fullmatch(expression)
    if match is None or match["name"] not in FIGURES:
        known = ", ".join(FIGURES)
        raise ContentError(f"Cannot read --require {expression!r}. Write FIGURE>=NUMBER, with one of: {known}.")
    text = f"{match['name']}{match['op']}{match['limit']}"
    return match["name"], COMPARE[match["op"]], float(match["limit"]), text


def require(report: Report, expression: str) -> None:
    """Check one expression against the whole.

    Raises:
        ContentError: See `parse_gate`.
        GateError: It does not hold, or was not measured; names the route that is furthest from it.
    """
    figure, holds, limit, text = parse_gate(expression)
    value = _figure(report, figure)
    if value is None:
        raise GateError(f"{report.app}: {figure} was not measured, so {text} does not hold.")
    if holds(value, limit):
        return
    known = [(row, getattr(row, figure, None)) for row in report.rows]
    failing = [(row, found) for row, found in known if found is not None and not holds(found, limit)]
    sign = 1 if ">" in text else -1
    worst = min(failing, key=lambda item: item[1] * sign) if failing else None
    where = f" Furthest from it: {worst[0].route} with {worst[1]:.4g}, {worst[0].responses} answers." if worst else ""
    raise GateError(
        f"{report.app}: {figure} is {value:.4g}, so {text} does not hold.{where} The report (-o) shows where."
    )


def _figure(report: Report, name: str) -> float | None:
    if name == "skipped":
        return len(report.skipped)
    return report.counts[name] if name in COUNTS else getattr(report.total, name)
