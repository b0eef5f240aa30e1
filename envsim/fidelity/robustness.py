"""The reliability surface R(k, epsilon, lambda) of a policy.

After ReliabilityBench (Gupta 2026, arXiv:2601.06112): the chance that a policy solves a task in all of `k` trials
(pass^k, Yao et al. 2024) while the task is perturbed with intensity epsilon and its tools fail with intensity lambda.
Here epsilon is the chance of every possible edit of the goal's words (`envsim.fidelity.rewording`) and of another
layout per page; lambda multiplies the rates of a fault profile (`envsim.sandbox.faults`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from envsim.errors import ContentError
from envsim.fidelity.intervals import EMPTY, Estimate, pass_hat_k, rate
from envsim.fidelity.report import plain
from envsim.fidelity.rewording import RewordedSource
from envsim.rollout import Job, Rollout, plan, recorded, run_jobs
from envsim.sandbox.faults import FaultProfile, read_faults


@dataclass(frozen=True)
class Grid:
    """Where the surface is measured.

    Attributes:
        ks: Trials that must all succeed.
        epsilons: In [0, 1].
        lambdas: From 0.

    Raises:
        ContentError: A value out of range, or none.
    """

    ks: tuple[int, ...] = (1, 2, 4)
    epsilons: tuple[float, ...] = (0.0, 0.05, 0.1)
    lambdas: tuple[float, ...] = (0.0, 0.5, 1.0)

    def __post_init__(self) -> None:
        fits = (
            all(k >= 1 for k in self.ks)
            and all(0.0 <= e <= 1.0 for e in self.epsilons)
            and all(0.0 <= x < 1e6 for x in self.lambdas)
        )
        if not (fits and self.ks and self.epsilons and self.lambdas):
            raise ContentError("The grid needs k from 1, epsilon from 0 to 1 and lambda from 0, at least one of each.")
        for name in ("ks", "epsilons", "lambdas"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))


@dataclass(frozen=True)
class Cell:
    """R(k, epsilon, lambda) at one point, with its interval over tasks.

    Attributes:
        k, epsilon, lam: The point.
        estimate: pass^k; `n` tasks had `k` scored trials.
        unscored: Episodes that ended as nobody's failure, of all of this epsilon and lambda.
    """

    k: int
    epsilon: float
    lam: float
    estimate: Estimate
    unscored: int


@dataclass(frozen=True)
class Surface:
    """All that was measured, and how."""

    app: str
    policy: str
    grid: Grid
    faults: dict[str, float]
    episodes: int
    cells: list[Cell] = field(default_factory=list)

    def at(self, k: int, epsilon: float, lam: float) -> Cell:
        """One point of the grid."""
        return next(c for c in self.cells if (c.k, c.epsilon, c.lam) == (k, epsilon, lam))


@dataclass(frozen=True)
class Study:
    """What to run at every point of a grid.

    Attributes:
        options: Arguments of `TaskEnv` without source, faults and record; ``app`` and ``interface`` at least.
        policy: Its name.
        grid: The points.
        faults: The profile that lambda multiplies.
        episodes: Task instances per point; each is tried as often as the largest k says.
        seed: Same seed, same surface.
        root: Directory; traces of every point are kept in it, so that an interrupted study resumes.
    """

    options: dict[str, Any]
    policy: str
    grid: Grid
    faults: FaultProfile
    episodes: int
    seed: int
    root: Path

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ContentError("A point needs at least one task. Give --episodes 1 or more.")

    def jobs(self, epsilon: float, lam: float) -> tuple[dict[str, Any], list[Job]]:
        """What one point runs, and in which environment."""
        rates = dict(self.faults.scaled(lam).rates)
        if epsilon:
            rates["layout-variant"] = max(rates.get("layout-variant", 0.0), epsilon)
        options = self.options | {"record": self.root / "traces" / f"epsilon={epsilon:g},lambda={lam:g}"}
        app, interface, task, split = (self.options.get(key) for key in ("app", "interface", "task", "split"))
        options["source"] = RewordedSource(str(app), epsilon, interface or "browser", task, split)
        options["faults"] = dict(read_faults(rates).rates)
        return options, plan(options, [self.policy], self.episodes, self.seed, max(self.grid.ks))

    @property
    def total(self) -> int:
        """Episodes of the whole study."""
        return len(self.grid.epsilons) * len(self.grid.lambdas) * self.episodes * max(self.grid.ks)


def measure(study: Study, *, workers: int = 1, on_done: Callable[[int], None] = lambda n: None) -> Surface:
    """Run a study, or what is left of it.

    Args:
        study: What to run.
        workers: Processes.
        on_done: Called with the number of episodes that are now done in addition.

    Raises:
        ContentError: An unknown app or policy, or a root that is a file.
    """
    cells: list[Cell] = []
    for epsilon in study.grid.epsilons:
        for lam in study.grid.lambdas:
            options, jobs = study.jobs(epsilon, lam)
            kept = recorded(jobs, options["record"])
            on_done(len(kept))
            new = run_jobs(jobs, options, workers=workers, on_done=lambda _: on_done(1))
            done = {item.session: item for item in (*kept, *new)}
            cells += point(study.grid.ks, epsilon, lam, [(job.index, done.get(job.session)) for job in jobs])
    app = str(study.options["app"])
    return Surface(app, study.policy, study.grid, dict(study.faults.rates), study.episodes, cells)


def point(ks: Sequence[int], epsilon: float, lam: float, trials: Sequence[tuple[int, Rollout | None]]) -> list[Cell]:
    """The cells of one epsilon and lambda.

    Args:
        ks: As `Grid`.
        epsilon: The point.
        lam: The point.
        trials: Number of the task and outcome of each trial; None for one that is missing.
    """
    hits: dict[int, list[bool]] = {}
    unscored = 0
    for index, item in trials:
        if item is None or item.outcome.reward is None:
            unscored += 1
        else:
            hits.setdefault(index, []).append(item.outcome.success)
    cells = []
    for k in ks:
        counts = [(sum(found), len(found)) for found in hits.values() if len(found) >= k]
        cells.append(Cell(k, epsilon, lam, _estimate(counts, k) if counts else EMPTY, unscored))
    return cells


def _estimate(counts: Sequence[tuple[int, int]], k: int) -> Estimate:
    found = pass_hat_k(counts, k)
    # Resampling tasks that all did the same finds no spread, however few they are; Wilson's interval does.
    return rate(round(found.value) * found.n, found.n) if found.value in (0.0, 1.0) else found


def write_surface(surface: Surface, root: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into `root`; gives the page."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "report.json").write_text(json.dumps(plain(asdict(surface)), indent=2) + "\n", encoding="utf-8")
    page = root / "report.html"
    page.write_text(render(surface), encoding="utf-8")
    return page


def render(surface: Surface) -> str:
    """The report as one HTML page without anything beside it: a heat map per k, then the numbers."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    source = Path(__file__).with_name("robustness.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source).render(surface=surface, grid=surface.grid, shade=shade)


def shade(value: float) -> str:
    """Colour of a rate in [0, 1], as CSS: from red over sand to green; grey for NaN."""
    if math.isnan(value):
        return "#d0d5dd"
    stops = ((180, 35, 24), (250, 223, 170), (15, 118, 110))
    low, high, part = (stops[0], stops[1], value * 2) if value < 0.5 else (stops[1], stops[2], value * 2 - 1)
    mixed = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)
