"""The whole comparison: one reference world, every candidate, one report.

Stages, each kept beside the report and taken again from there as long as its input is the same: the reference's
recordings, every world's episodes, one-step predictions, replays, and timings. An interrupted comparison goes on where
it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from envsim.errors import ContentError, load_optional
from envsim.fidelity import figures
from envsim.fidelity.again import AGAIN, again
from envsim.fidelity.bugs import compare_bugs
from envsim.fidelity.bugs import summary as bug_figures
from envsim.fidelity.decision import compare_outcomes, powered
from envsim.fidelity.episodes import TIMED, Played, folder, opened, play, replay_all, set_aside, speed
from envsim.fidelity.free_running import FreeRunning, Session, summarise
from envsim.fidelity.intervals import Estimate
from envsim.fidelity.one_step import StepScore
from envsim.fidelity.reliability import reliability
from envsim.fidelity.report import Example, Measured, Report, Row
from envsim.fidelity.stages import Stages
from envsim.fidelity.users_link import read_users
from envsim.policy import LADDER
from envsim.rollout import Job, plan
from envsim.state import state_hash
from envsim.task import Interface
from envsim.task_template import load_tasks
from envsim.trace import Trace
from envsim.worlds import HYBRID, KINDS

REFERENCE = "sandbox"
MODEL = "model"
_ENTRY = "worldmodel.evaluate"
_FALLBACKS = "fallbacks"
"""Where a hybrid world keeps what it learned from the sandbox, in the model's directory."""
WORLDS = tuple(kind for kind in KINDS if kind != REFERENCE)
"""What can be compared with the reference."""
BASELINES = ("draft", "copy-previous")
"""Predictors that are no worlds, but say what the others are worth."""

Watch = Callable[[str, int], Callable[[], None]]
"""Called with what begins and how many parts it has (0: it shows its own); returns what to call after each part."""


def _unwatched(what: str, parts: int) -> Callable[[], None]:
    del what, parts
    return lambda: None


@dataclass(frozen=True)
class Setup:
    """What is compared on what.

    Attributes:
        app: Name of the app.
        model: Directory of the trained model.
        held_out: Directory for the reference's recordings on held-out tasks; all else that is kept lies beside it.
        policies: Names of the policies.
        episodes: Per policy.
        seed: Of everything.
        split: Which tasks count as held out.
        bugs: As `TaskEnv` takes them.
        interface: ``"browser"`` or ``"tools"``.
        extra: Further episodes per policy in the model alone, for the prediction-powered estimate.
        workers: Processes that run episodes. The result does not depend on it.
        worlds: The candidates, all that can be opened by default.
        users: Folder of `envsim fidelity users`, whose figures are shown beside the others.
    """

    app: str
    model: Path
    held_out: Path
    policies: tuple[str, ...] = LADDER
    episodes: int = 20
    seed: int = 1
    split: str = "test"
    bugs: str = "production"
    interface: str = "browser"
    extra: int = 0
    workers: int = 1
    worlds: tuple[str, ...] = WORLDS
    users: Path | None = None

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.worlds if kind not in WORLDS]:
            raise ContentError(f"There is no world {unknown[0]!r} to compare. Use some of: {', '.join(WORLDS)}.")
        if not self.policies or not self.worlds:
            raise ContentError("A comparison needs a policy and a world. Name at least one of each.")

    def options(self, world: str) -> dict[str, Any]:
        """Arguments of `TaskEnv`."""
        return {
            "app": self.app, "split": self.split, "interface": self.interface, "bugs": self.bugs,
            "world": again(self.app, _interface(self.interface), self.bugs) if world == AGAIN else world,
            "model": None if world in (REFERENCE, AGAIN) else self.model,
        }  # fmt: skip

    def jobs(self, world: str, episodes: int) -> list[Job]:
        """The episodes in `world`."""
        # The sandbox once more has the same sessions, in a folder of their own: an open world is no part of a name.
        return plan(self.options(REFERENCE if world == AGAIN else world), self.policies, episodes, self.seed)


def _interface(name: str) -> Interface:
    if name not in get_args(Interface):
        raise ContentError(f"There is no interface {name!r}. Use one of: {', '.join(get_args(Interface))}.")
    return "tools" if name == "tools" else "browser"


@dataclass
class _Run:
    """One comparison in progress."""

    setup: Setup
    watch: Watch
    fingerprint: str
    stages: Stages
    recordings: list[Trace] = field(default_factory=list)

    @property
    def by_chance(self) -> frozenset[str]:
        """Bugs of the recordings that no world can foresee."""
        return by_chance(self.recordings)

    @property
    def sandbox(self) -> str:
        """What the reference's recordings depend on: their names hold a digest of it."""
        return state_hash([trace.header.session for trace in self.recordings])

    def inputs(self, kind: str) -> list[str]:
        """What a stage of a world depends on."""
        return [self.sandbox] if kind in (REFERENCE, AGAIN) else [self.sandbox, self.fingerprint]


def compare(setup: Setup, *, watch: Watch = _unwatched) -> Report:
    """Run the same policies on the same held-out tasks in every world and measure the agreement.

    Raises:
        ContentError: An unknown app, policy or split.
        ModelError: The model cannot be used for this app.
    """
    users = read_users(setup.users) if setup.users is not None else None
    with opened(setup.options(MODEL)):
        # A model that cannot be used must say so before minutes are spent on the reference.
        jobs = setup.jobs(REFERENCE, setup.episodes)
    fingerprint = load_optional(f"{_ENTRY}:fingerprint", "worldmodel")(setup.model)
    run = _Run(setup, watch, fingerprint, Stages(setup.held_out.parent / "stages"))
    done = watch(f"Running held-out tasks in the {REFERENCE}", len(jobs))
    reference = play(setup.options(REFERENCE), jobs, setup.held_out, done, workers=setup.workers)
    run.recordings = reference.traces()
    steps, examples = _one_step(run)
    base = _speed(run, REFERENCE)
    worlds = {kind: _world(run, kind, reference, steps.get(kind, ()), base) for kind in (*setup.worlds, AGAIN)}
    for name in BASELINES:
        worlds[name] = Measured(figures=figures.of_steps(steps[name], run.by_chance, trusted=False, seed=setup.seed))
    rows = [Row(REFERENCE, 1.0, 1.0, 1.0, 1.0, base)]
    rows += [Row.of(name, measured.figures) for name, measured in worlds.items()]
    return Report(
        app=setup.app,
        reference=REFERENCE,
        rows=tuple(rows),
        worlds=worlds,
        decisions={name: m.decision for name, m in worlds.items() if m.decision is not None},
        free_running={name: m.free_running for name, m in worlds.items() if m.free_running is not None},
        examples=examples,
        facts=_facts(setup, run.recordings, jobs),
        command=_command(setup),
        has_users=any(template.user is not None for template in load_tasks(setup.app, setup.split, setup.interface)),
        users=users,
    )


def _world(run: _Run, kind: str, reference: Played, steps: Sequence[StepScore], base: float) -> Measured:
    """All that is measured of one world."""
    setup = run.setup
    played, extra = _episodes(run, kind)
    decision = compare_outcomes(reference.rollouts, played.rollouts, seed=setup.seed)
    free = _free_running(run, kind)
    traces = played.traces()
    bugs = compare_bugs(run.recordings, traces, steps)
    estimates = powered(reference.rollouts, played.rollouts, extra.rollouts, seed=setup.seed) if kind == MODEL else ()
    trust = reliability(steps, seed=setup.seed) if kind == MODEL and steps else None
    pace = _speed(run, kind)
    if kind == HYBRID:
        set_aside(setup.model / _FALLBACKS, setup.jobs(kind, setup.episodes), setup.held_out.parent / _FALLBACKS)
    found: dict[str, Estimate] = {
        **(figures.of_steps(steps, run.by_chance, trusted=kind == MODEL, seed=setup.seed) if steps else {}),
        **figures.of_free_running(free),
        **figures.of_decision(decision),
        **bug_figures(bugs),
        **(figures.of_fallbacks(traces, seed=setup.seed) if kind == HYBRID else {}),
        "steps_per_s": figures.exact(pace),
        "speedup": figures.exact(pace / base),
    }
    if estimates:
        found["ppi_gain"] = estimates[-1].gain
    return Measured(found, decision, free, bugs, trust, estimates)


def _episodes(run: _Run, kind: str) -> tuple[Played, Played]:
    """The episodes that the reference ran, too, and further ones of the model alone."""
    setup = run.setup
    paired = setup.jobs(kind, setup.episodes)
    jobs = setup.jobs(kind, setup.episodes + setup.extra) if kind == MODEL else paired
    done = run.watch(f"Running held-out tasks in world={kind}", len(jobs))
    root = folder(setup.held_out.parent / "episodes", kind, run.sandbox if kind == AGAIN else run.fingerprint)
    # A world that is open already cannot be handed to other processes.
    played = play(setup.options(kind), jobs, root, done, workers=1 if kind == AGAIN else setup.workers)
    both = {job.session for job in paired}
    # An episode's seed depends on its index alone, so that the first ones are those of the reference.
    split = [
        [r for job, r in zip(jobs, played.rollouts, strict=True) if (job.session in both) == own] for own in (1, 0)
    ]
    return Played(tuple(split[0]), root), Played(tuple(split[1]), root)


def _one_step(run: _Run) -> tuple[dict[str, list[StepScore]], tuple[Example, ...]]:
    """Teacher-forced scores by world and baseline; the model's worst steps."""
    measure = load_optional(f"{_ENTRY}:one_step", "worldmodel")
    names = load_optional(f"{_ENTRY}:NAMES", "worldmodel")
    done = run.watch("Predicting held-out steps", len(names))
    scores: dict[str, list[StepScore]] = {}
    worst: list[Example] = []
    for name in names:

        def make(name: str = name) -> Any:
            (_, result), *_ = measure(run.setup.model, run.recordings, (name,))
            return {"steps": result.steps, "worst": result.worst}

        kept = run.stages.keep(f"one-step-{name}", run.inputs(name), make)
        scores[name] = [_score(step) for step in kept["steps"]]
        if name == MODEL:
            worst = [Example(*item) for item in kept["worst"]]
        done()
    return scores, tuple(worst)


def _score(row: dict[str, Any]) -> StepScore:
    return StepScore(**{**row, "real": tuple(row["real"]), "predicted": tuple(row["predicted"])})


def _free_running(run: _Run, kind: str) -> FreeRunning:
    done = run.watch(f"Replaying recordings in world={kind}", len(run.recordings))

    def make() -> Any:
        workers = 1 if kind == AGAIN else run.setup.workers
        return [
            asdict(session) for session in replay_all(run.setup.options(kind), run.recordings, done, workers=workers)
        ]

    rows = run.stages.keep(f"free-running-{kind}", run.inputs(kind), make)
    return summarise([Session(**row) for row in rows], seed=run.setup.seed)


def _speed(run: _Run, kind: str) -> float:
    jobs = run.setup.jobs(kind, run.setup.episodes)
    done = run.watch(f"Timing world={kind}", len([job for job in jobs if job.index < TIMED]))
    return float(run.stages.keep(f"speed-{kind}", run.inputs(kind), lambda: speed(run.setup.options(kind), jobs, done)))


def _command(setup: Setup) -> str:
    policies = "" if setup.policies == LADDER else f"--policies {','.join(setup.policies)} "
    return (
        f"envsim fidelity --app {setup.app} --model MODEL {policies}--episodes {setup.episodes} --seed {setup.seed} "
        f"--split {setup.split} -o REPORT"
    )


def by_chance(recordings: Sequence[Trace]) -> frozenset[str]:
    """Bugs that were on at a rate below 1."""
    return frozenset(bug for trace in recordings for bug, odds in trace.header.bugs.items() if odds < 1)


def _facts(setup: Setup, recordings: Sequence[Trace], jobs: Sequence[Job]) -> dict[str, str]:
    steps = sum(len(trace.steps) - 1 for trace in recordings)
    templates = sorted({trace.header.task.partition("@")[0] for trace in recordings})
    rare = by_chance(recordings)
    chance = sum(any(event.id in rare for event in step.events) for trace in recordings for step in trace.steps)
    return {
        "held-out sessions": f"{len(recordings)} ({steps} steps)",
        "held-out task templates": ", ".join(templates),
        "policies": ", ".join(setup.policies),
        "episodes per world": str(len(jobs)),
        "episodes in the model alone": str(setup.extra * len(setup.policies)),
        "bugs": setup.bugs,
        "steps with a bug that fires by chance": f"{chance} of {steps}: no world can foresee these",
        "interface": setup.interface,
        "split": setup.split,
        "seed": str(setup.seed),
    }
