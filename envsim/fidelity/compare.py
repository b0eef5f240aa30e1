"""The whole comparison: one reference world, every candidate, one report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.env import TaskEnv
from envsim.errors import UncertainError, load_optional
from envsim.fidelity.decision import Decision, compare_outcomes
from envsim.fidelity.free_running import FreeRunning, replay
from envsim.fidelity.report import Example, Report, Row
from envsim.policy import get_policy
from envsim.rollout import Job, Rollout, plan, run_episode, run_jobs
from envsim.task import Task
from envsim.task_template import find_template
from envsim.trace import Trace, TraceReader
from envsim.world import World
from envsim.worlds import LEARNED

REFERENCE = "sandbox"
_ONE_STEP_ENTRY = "worldmodel.evaluate:one_step"

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
        held_out: Directory for the reference's recordings on held-out tasks; those of the same input are reused.
        policies: Names of the policies.
        episodes: Per policy.
        seed: Of everything.
        split: Which tasks count as held out.
        bugs: As `TaskEnv` takes them.
        interface: ``"browser"`` or ``"tools"``.
    """

    app: str
    model: Path
    held_out: Path
    policies: tuple[str, ...] = ("oracle", "noisy", "random")
    episodes: int = 20
    seed: int = 1
    split: str = "test"
    bugs: str = "production"
    interface: str = "browser"


def compare(setup: Setup, *, watch: Watch = _unwatched) -> Report:
    """Run the same policies on the same held-out tasks in every world and measure the agreement.

    Raises:
        ContentError: An unknown app, policy or split.
        ModelError: The model cannot be used for this app.
    """
    with _env(setup, "model"):
        # A model that cannot be used must say so before minutes are spent on the reference.
        jobs = plan(_options(setup, REFERENCE), setup.policies, setup.episodes, setup.seed)
    reference, reference_speed = _reference(setup, jobs, watch)
    recordings = _recordings(setup, jobs, watch)
    one_step = _one_step(setup, recordings, watch)
    rows = [Row(REFERENCE, 1.0, 1.0, 1.0, 1.0, reference_speed)]
    decisions: dict[str, Decision] = {}
    free: dict[str, FreeRunning] = {}
    for kind in LEARNED:
        with _env(setup, kind) as env:
            rollouts, speed = _run(env, jobs, watch(f"Running held-out tasks in world={kind}", len(jobs)))
            decisions[kind] = compare_outcomes(reference, rollouts)
            free[kind] = _free_running(env.world, recordings, watch)
        figures = one_step.figures[kind]
        rows.append(
            Row(
                kind, figures["page_exact"], figures["changed_f1"], figures["delta_exact"],
                decisions[kind].outcome_agreement.value, speed,
            )
        )  # fmt: skip
    rows += [
        Row(name, figures["page_exact"], figures["changed_f1"], figures["delta_exact"])
        for name, figures in one_step.figures.items()
        if name not in LEARNED
    ]
    return Report(
        app=setup.app,
        reference=REFERENCE,
        rows=tuple(rows),
        decisions=decisions,
        free_running=free,
        examples=one_step.examples,
        facts=_facts(setup, recordings, jobs),
        command=f"envsim fidelity --app {setup.app} --model MODEL --episodes {setup.episodes} "
        f"--seed {setup.seed} --split {setup.split} -o REPORT",
    )


@dataclass(frozen=True)
class OneStep:
    """Teacher-forced figures of each learned world and of baselines that are no worlds; the model's worst steps."""

    figures: Mapping[str, Mapping[str, float]]
    examples: tuple[Example, ...]


def _one_step(setup: Setup, recordings: Sequence[Trace], watch: Watch) -> OneStep:
    measure = load_optional(_ONE_STEP_ENTRY, "worldmodel")
    done = watch("Predicting held-out steps", len(LEARNED))
    figures: dict[str, Mapping[str, float]] = {}
    examples: list[Example] = []
    for kind, result in measure(setup.model, recordings):
        figures[kind] = result.figures
        if kind == "model":
            examples = [Example(*item) for item in result.worst]
        done()
    return OneStep(figures, tuple(examples))


def _reference(setup: Setup, jobs: list[Job], watch: Watch) -> tuple[list[Rollout], float]:
    # Recording costs time that the other worlds do not spend: timed runs do not record.
    with _env(setup, REFERENCE) as env:
        return _run(env, jobs, watch(f"Running held-out tasks in the {REFERENCE}", len(jobs)))


def _recordings(setup: Setup, jobs: list[Job], watch: Watch) -> list[Trace]:
    done = watch(f"Recording held-out tasks in the {REFERENCE}", len(jobs))
    run_jobs(jobs, {**_options(setup, REFERENCE), "record": setup.held_out}, on_done=lambda _: done())
    reader = TraceReader(setup.held_out)
    return [reader.read(setup.held_out / f"{job.session}.jsonl") for job in jobs]


def _run(env: TaskEnv, jobs: Sequence[Job], done: Callable[[], None]) -> tuple[list[Rollout], float]:
    """The rollouts of `jobs` and steps per second, the first start of the world left out."""
    with contextlib.suppress(UncertainError):
        env.reset(seed=0)
    rollouts: list[Rollout] = []
    start = time.perf_counter()
    for job in jobs:
        rollouts.append(run_episode(env, get_policy(job.policy), seed=job.seed, name=job.policy))
        done()
    elapsed = time.perf_counter() - start
    steps = sum(rollout.steps for rollout in rollouts)
    return rollouts, steps / elapsed if steps else float("nan")


def _free_running(world: World, recordings: Sequence[Trace], watch: Watch) -> FreeRunning:
    done = watch(f"Replaying recordings in world={world.kind}", 1)
    result = replay(world, [(_task_of(trace, world), trace) for trace in recordings])
    done()
    return result


def _task_of(trace: Trace, world: World) -> Task:
    template, _, seed = trace.header.task.partition("@")
    return find_template(trace.header.app, template).instantiate(int(seed), world.seed_view())


def _options(setup: Setup, world: str) -> dict[str, Any]:
    return {
        "app": setup.app, "split": setup.split, "interface": setup.interface, "world": world, "bugs": setup.bugs,
        "model": None if world == REFERENCE else setup.model,
    }  # fmt: skip


@contextlib.contextmanager
def _env(setup: Setup, world: str) -> Iterator[TaskEnv]:
    env = TaskEnv(**_options(setup, world))
    try:
        yield env
    finally:
        env.close()


def _facts(setup: Setup, recordings: Sequence[Trace], jobs: Sequence[Job]) -> dict[str, str]:
    steps = sum(len(trace.steps) - 1 for trace in recordings)
    templates = sorted({trace.header.task.partition("@")[0] for trace in recordings})
    return {
        "held-out sessions": f"{len(recordings)} ({steps} steps)",
        "held-out task templates": ", ".join(templates),
        "policies": ", ".join(setup.policies),
        "episodes per world": str(len(jobs)),
        "bugs": setup.bugs,
        "seed": str(setup.seed),
    }
