"""The main job, end to end, on the embedded default: what `make demo` runs.

Stages are folders: ``traces/ -> model/ -> held-out/ -> report``. Each is reused when it is complete
and was made from the same input, so a second run is quick and an interrupted one goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.errors import load_optional
from envsim.fidelity.compare import Setup, Watch, compare
from envsim.fidelity.report import Report, write_report
from envsim.rollout import plan, run_jobs

_TRAIN_ENTRY = "worldmodel.train:fit"


@dataclass(frozen=True)
class Demo:
    """What the demo does.

    Attributes:
        out: Directory of all it makes.
        app: App to clone.
        episodes: Training episodes per policy.
        held_out: Held-out episodes per policy and world.
        recorded: Policies whose sessions the model learns from. The noisier ones leave the trodden
            path, where a model trained on successes alone would know nothing.
        policies: Policies whose outcomes are compared.
        minutes: Time for training the world model.
        seed: Of everything.
        workers: Processes for rollouts.
    """

    out: Path
    app: str = "shop"
    episodes: int = 300
    held_out: int = 12
    recorded: tuple[str, ...] = ("oracle", "noisy", "noisy:0.5", "random")
    policies: tuple[str, ...] = ("oracle", "noisy", "random")
    minutes: float = 1.5
    seed: int = 0
    workers: int = 2


def run_demo(demo: Demo, watch: Watch) -> tuple[Report, Path]:
    """Run every stage that is not yet done; the report and the path of its page.

    Raises:
        PrerequisiteError: The world model's packages are not installed.
    """
    fit = load_optional(_TRAIN_ENTRY, "worldmodel")
    traces, model = demo.out / "traces", demo.out / "model"
    record(demo, traces, watch)
    watch(f"Training the world model, {demo.minutes:g} minutes at most", 0)
    fit(traces, model, minutes=demo.minutes, seed=demo.seed)
    setup = Setup(
        app=demo.app, model=model, held_out=demo.out / "held-out", policies=demo.policies,
        episodes=demo.held_out, seed=demo.seed + 1, workers=demo.workers,
    )  # fmt: skip
    report = compare(setup, watch=watch)
    return report, write_report(report, demo.out)


def record(demo: Demo, traces: Path, watch: Watch) -> None:
    """Roll the policies out on the training tasks, with the bugs production has."""
    options: dict[str, Any] = {"app": demo.app, "split": "train"}
    jobs = plan(options, demo.recorded, demo.episodes, demo.seed)
    # Sessions of an earlier version of the shop or its tasks are not of this demo's input.
    for stale in {path.stem for path in traces.glob("*.jsonl")} - {job.session for job in jobs}:
        (traces / f"{stale}.jsonl").unlink()
    done = watch(f"Rolling out {', '.join(demo.recorded)} in the {demo.app}", len(jobs))
    run_jobs(jobs, {**options, "record": traces}, workers=demo.workers, on_done=lambda _: done())
