"""Simulated users against real ones: every distance beside what two halves of the real users are apart.

A figure is meaningless without its floor: of finite samples every distance is above 0. The real sessions are
halved many times; each time the first half is compared with the second (the floor) and with the simulated
sessions of the second half's tasks (the distance), so that both have equal sizes and the same difference in
tasks. Percentiles over halvings are the intervals: samples of half the size drawn without replacement vary
about the whole as the whole does about the population (Politis, Romano and Wolf, Subsampling, 1999, ch. 2).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from envsim.errors import ContentError, GateError
from envsim.fidelity.gate import COMPARE, FORM
from envsim.fidelity.intervals import EMPTY, Estimate
from envsim.fidelity.report import plain
from envsim.fidelity.users_classifier import classify
from envsim.fidelity.users_metrics import DISTANCES, FIGURES, disclosure
from envsim.rng import Rng
from envsim.user.sessions import Session

AUCS = {"auc": "classifier two-sample AUC, turns", "auc_session": "classifier two-sample AUC, sessions"}
FEWEST = 20
"""Real sessions at least: halves of fewer say nothing."""

Watch = Callable[[str, int], Callable[[], None]]


@dataclass(frozen=True)
class UserRow:
    """One figure.

    Attributes:
        key: As in ``--require``.
        title: In words, with its unit.
        distance: Simulated from real; for the classifier, its AUC.
        floor: Real from real.
        ratio: Distance over mean floor; of the AUC, none.
        real: The figure of the real users, where it is one of a single sample.
        simulated: The same of the simulated.
    """

    key: str
    title: str
    distance: Estimate
    floor: Estimate
    ratio: Estimate = EMPTY
    real: float | None = None
    simulated: float | None = None


@dataclass(frozen=True)
class UsersReport:
    """How far simulated users are from real ones."""

    rows: tuple[UserRow, ...]
    facts: dict[str, str] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Mean share of the goal's facts told by each turn, of real and simulated users."""

    def row(self, key: str) -> UserRow:
        """The row of a figure.

        Raises:
            KeyError: No such figure.
        """
        return {row.key: row for row in self.rows}[key]


def compare_users(
    real: Sequence[Session],
    simulated: Sequence[Session],
    *,
    halvings: int = 100,
    seed: int = 0,
    watch: Watch = lambda what, parts: lambda: None,
) -> UsersReport:
    """All figures of `simulated` users beside those of `real` ones, who must be held out from what made the former.

    Args:
        real: Sessions of real users.
        simulated: Sessions of simulated users, best on the same tasks (`Session.task`).
        halvings: Of the real sessions.
        seed: Of the halvings.
        watch: Told of the long parts.

    Raises:
        ContentError: Too few sessions.
    """
    for who, sessions in (("real", real), ("simulated", simulated)):
        if len(sessions) < FEWEST:
            raise ContentError(
                f"There are {len(sessions)} {who} sessions with a user; a comparison needs {FEWEST}. Add more traces."
            )
    names = [*DISTANCES, *FIGURES]
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    advance = watch("halving", halvings)
    for number in range(halvings):
        first, second, other = _halves(real, simulated, Rng("halving", seed, number))
        for key, (_, distance) in DISTANCES.items():
            measured[key].append((distance(first, other), distance(first, second)))
        for key, (_, figure) in FIGURES.items():
            own = figure(first)
            measured[key].append((abs(figure(other) - own), abs(figure(second) - own)))
        advance()
    rows = [_row(key, measured[key], real, simulated) for key in names]
    rows += _classified(real, simulated, seed, watch)
    curves = {"real": _curve(real), "simulated": _curve(simulated)}
    facts = {
        "real sessions": f"{len(real)}, {sum(len(s.turns) for s in real)} turns",
        "simulated sessions": f"{len(simulated)}, {sum(len(s.turns) for s in simulated)} turns",
        "halvings": str(halvings),
        "seed": str(seed),
    }
    return UsersReport(tuple(rows), facts, {name: curve for name, curve in curves.items() if curve})


def _halves(
    real: Sequence[Session], simulated: Sequence[Session], rng: Rng
) -> tuple[list[Session], list[Session], list[Session]]:
    """Two halves of the real sessions, split by task, and the simulated ones of the second half's tasks."""
    tasks = rng.shuffled(sorted({session.task for session in real}))
    chosen = set(tasks[: len(tasks) // 2])
    first = [session for session in real if session.task in chosen]
    second = [session for session in real if session.task not in chosen]
    shared = {session.task for session in simulated} & set(tasks)
    if shared:
        return first, second, [s for s in simulated if s.task in shared and s.task not in chosen]
    # Other tasks than the real users': as many sessions, drawn at random.
    return first, second, rng.sample(simulated, len(second))


def _row(
    key: str, pairs: Sequence[tuple[float, float]], real: Sequence[Session], simulated: Sequence[Session]
) -> UserRow:
    title = (DISTANCES.get(key) or FIGURES[key])[0]
    if any(math.isnan(value) for pair in pairs for value in pair):
        return UserRow(key, title, EMPTY, EMPTY)
    distances, floors = (np.asarray(column) for column in zip(*pairs, strict=True))
    floor = float(floors.mean())
    ratio = distances / floor if floor > 0 else np.full_like(distances, math.nan)
    figure = FIGURES.get(key)
    return UserRow(
        key,
        title,
        _estimate(distances),
        _estimate(floors),
        _estimate(ratio) if floor > 0 else EMPTY,
        figure[1](real) if figure else None,
        figure[1](simulated) if figure else None,
    )


def _classified(real: Sequence[Session], simulated: Sequence[Session], seed: int, watch: Watch) -> list[UserRow]:
    """The two-sample tests on all sessions, and between two halves of the real ones."""
    advance = watch("classifying", 2 * len(AUCS))
    first, second, _ = _halves(real, simulated, Rng("halving", seed, "classifier"))
    rows = []
    for key, title in AUCS.items():
        by_session = key == "auc_session"
        told_apart = classify(real, simulated, by_session=by_session).estimate(seed)
        advance()
        floor = classify(first, second, by_session=by_session).estimate(seed)
        advance()
        rows.append(UserRow(key, title, told_apart, floor))
    return rows


def _estimate(values: Any) -> Estimate:
    low, high = np.percentile(values, (2.5, 97.5))
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def _curve(sessions: Sequence[Session]) -> list[float]:
    shares = disclosure(sessions)
    return [round(float(value), 4) for value in np.mean(shares, axis=0)] if shares else []


# -- gates and reports -----------------------------------------------------------------------------


def gate_keys() -> list[str]:
    """Figures that ``--require`` knows: every row, and its ratio to the floor as ``NAME_ratio``."""
    rows = [*DISTANCES, *FIGURES]
    return [*rows, *(f"{key}_ratio" for key in rows), *AUCS]


def parse_gate(expression: str) -> tuple[str, Callable[[float, float], bool], float, str]:
    """Figure, comparison, limit and tidied text of ``"auc<=0.65"`` or ``"turn_length_ratio<=2"``.

    Raises:
        ContentError: Not of that form, or no such figure.
    """
    match = FORM.fullmatch(expression)
    if match is None or match["name"] not in gate_keys():
        raise ContentError(
            f"Cannot read --require {expression!r}. Write FIGURE<=NUMBER, with one of: {', '.join(gate_keys())}."
        )
    text = re.sub(r"\s", "", expression)
    return match["name"], COMPARE[match["op"]], float(match["limit"]), text


def require(report: UsersReport, expression: str) -> None:
    """Check one expression.

    Raises:
        ContentError: It cannot be read.
        GateError: It does not hold, or was not measured.
    """
    name, compare, limit, text = parse_gate(expression)
    row = report.row(name.removesuffix("_ratio"))
    value = (row.ratio if name.endswith("_ratio") else row.distance).value
    if math.isnan(value):
        raise GateError(f"{name} was not measured, so {text} does not hold. Give sessions that have it.")
    if not compare(value, limit):
        raise GateError(f"{name} is {value:.4f}, so {text} does not hold. See users.html for what is far off.")


def table(report: UsersReport) -> tuple[list[str], list[list[str]]]:
    """Headings and cells, for people."""
    head = ["figure", "simulated-real", "real-real floor", "ratio", "real", "simulated"]
    body = [
        [
            row.title,
            str(row.distance),
            str(row.floor),
            f"{row.ratio.value:.2f}" if row.ratio.n else "-",
            *("-" if value is None else f"{value:.3f}" for value in (row.real, row.simulated)),
        ]
        for row in report.rows
    ]
    return head, body


def write_report(report: UsersReport, root: Path) -> Path:
    """Write ``users.json`` and ``users.html`` into `root`; the path of the latter.

    Raises:
        ContentError: The folder cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "users.json").write_text(json.dumps(plain(asdict(report)), indent=2) + "\n", encoding="utf-8")
        page = root / "users.html"
        page.write_text(render_html(report), encoding="utf-8")
    except OSError as error:
        raise ContentError(f"Cannot write {root}: {error.strerror}. Choose another with -o.") from None
    return page


def render_html(report: UsersReport) -> str:
    """The report as one HTML page without outside resources; everything in it is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("envsim.fidelity").joinpath("users.html.j2").read_text("utf-8")
    head, body = table(report)
    bars = [
        {"title": row.title, "ratio": row.ratio.value, "width": min(100.0, 25 * row.ratio.value)}
        for row in report.rows
        if row.ratio.n
    ]
    lines = {
        name: " ".join(f"{600 * k / max(len(c) - 1, 1):.1f},{200 * (1 - share):.1f}" for k, share in enumerate(c))
        for name, c in report.curves.items()
    }
    return environment.from_string(source).render(
        report=report, head=head, body=body, bars=bars, lines=lines, verdict=verdict(report)
    )


def verdict(report: UsersReport) -> str:
    """What the figures say, in two sentences."""
    measured = [row for row in report.rows if row.ratio.n]
    far = [row.title.partition(",")[0] for row in measured if row.ratio.value > 2]
    area = report.row("auc").distance.value
    said = f"A classifier tells simulated turns from real ones with an AUC of {area:.2f} (0.5 is chance)."
    if far:
        return f"{said} Further from real users than twice their own spread: {', '.join(far)}."
    return f"{said} Every distance is within twice what two halves of the real users are apart."
