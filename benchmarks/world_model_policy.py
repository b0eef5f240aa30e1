"""Trains one small policy twice, in the shop's sandbox and only in its world model, and plays both in the sandbox.

    python benchmarks/world_model.py --only policy [--quick]

Both begin as the same imitation of a few recorded sessions of noisy shoppers, and are trained by the same algorithm for
as many episodes of the same tasks and seeds (`envsim.policy.training`). What counts is how much better each has become
*in the sandbox*: a world model in which a policy learns what works nowhere else is worth nothing. Checkpoints are
chosen by a small trial in the sandbox, the only steps there that training in the model costs; they are counted.
Episodes in the model run side by side, so that it answers in batches. An arm is saved as soon as it is done, and the
same command goes on from there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from results import Goal
from world_model_place import Place

from envsim.cli.common import progress
from envsim.env import TaskEnv
from envsim.fidelity.intervals import rate
from envsim.policy.ranker import RankerPolicy
from envsim.policy.training import Decision, Played, Progress, Trial, decisions, imitate, reinforce
from envsim.rng import draw
from envsim.rollout import plan, run_jobs, run_together
from envsim.state import state_hash
from envsim.task_template import load_tasks
from envsim.trace import TraceReader
from worldmodel.checkpoint import load_model

APP = "shop"
REPO = Path(__file__).resolve().parents[1]
SEED = 11


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        sessions: Recorded ones that are imitated.
        iterations: Steps of reinforcement.
        groups: Task instances of each step.
        group: Episodes of each instance.
        trial: Instances per task by which a checkpoint is chosen.
        checkpoints: How many there are to choose from.
        final: Instances per task by which the policies are compared.
        members: Episodes that run side by side in the model.
    """

    sessions: int = 60
    iterations: int = 24
    groups: int = 9
    group: int = 6
    trial: int = 2
    checkpoints: int = 2
    final: int = 40
    members: int = 18


FULL = Size()
QUICK = Size(sessions=30, iterations=4, groups=4, group=3, trial=1, checkpoints=2, final=3, members=6)


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        world: Where; ``""`` for the policy before training.
        success: Share of tasks solved in the sandbox, in [0, 1].
        solved: Episodes solved there.
        played: Episodes played there.
        at_home: Success in the world it was trained in; 0 before training.
        sandbox_steps: Steps in the sandbox that training took.
        steps: Steps in all that training took.
        seconds: Of training.
        by_task: Episodes solved in the sandbox, of each task.
        home_by_task: Episodes solved where it was trained, of each task.
    """

    world: str
    success: float
    solved: int
    played: int
    at_home: float = 0.0
    sandbox_steps: int = 0
    steps: int = 0
    seconds: float = 0.0
    by_task: dict[str, int] = field(default_factory=dict)
    home_by_task: dict[str, int] = field(default_factory=dict)


class Player:
    """Plays episodes of the policy in one world, `members` of them side by side."""

    def __init__(self, members: int = 1, **options: Any) -> None:
        self.envs = [TaskEnv(APP, interface="browser", split="train", **options) for _ in range(members)]
        self.steps = 0

    def __call__(self, policy: RankerPolicy, trials: Sequence[Trial]) -> list[Played]:
        """See `envsim.policy.training.Play`."""
        twins = [policy.twin() for _ in self.envs]
        played: dict[int, Played] = {}
        jobs = [(trial.task, trial.instance, trial.seed) for trial in trials]
        for number, member, rollout in run_together(self.envs, twins, jobs):
            reward = rollout.outcome.reward if rollout.outcome.kind == "policy" else None
            played[number] = Played(reward, rollout.steps, twins[member].taken)
            self.steps += rollout.steps
        return [played[number] for number in range(len(trials))]

    def solved(self, policy: RankerPolicy, instances: int, what: str) -> dict[str, int]:
        """Of so many new instances, those that were solved, by task; what nobody can score is not solved."""
        greedy = RankerPolicy(policy.weights)
        seeds = [(task, draw(SEED, what, task, number) % 2**31) for task in tasks() for number in range(instances)]
        played = self(greedy, [Trial(task, seed, seed) for task, seed in seeds])
        right = dict.fromkeys(tasks(), 0)
        for (task, _), one in zip(seeds, played, strict=True):
            right[task] += one.reward == 1.0
        return right

    def close(self) -> None:
        """Release the worlds."""
        for env in self.envs:
            env.close()


def tasks() -> list[str]:
    """The browser tasks of the training split."""
    return [template.id for template in load_tasks(APP, "train", "browser")]


def run(place: Place) -> list[Arm]:
    """Before training, trained in the sandbox, trained in the model; arms that are saved already are read."""
    size = FULL if place.episodes > 1 else QUICK
    root = place.root / "policy"
    place.renew("policy", [REPO / "envsim", REPO / "worldmodel", REPO / "sandboxes" / APP], [root])
    root.mkdir(parents=True, exist_ok=True)
    shown = _shown(size, root)
    start = RankerPolicy()
    imitate(start, [decision for task in sorted(shown) for decision in shown[task]], seed=SEED)
    with closing(Player(runtime="inprocess")) as sandbox:
        right = sandbox.solved(start, size.final, "final")
        arms = [_arm("", right, size.final)]
        for world, options in (
            ("sandbox", {"runtime": "inprocess"}),
            ("model", {"world": "model", "model": place.model, "members": size.members}),
        ):
            saved = root / f"{world}.json"
            key = state_hash([asdict(size), SEED, load_model(place.model).config["key"]])
            known = json.loads(saved.read_text("utf-8")) if saved.exists() else {}
            if known.get("key") == key:
                arms.append(Arm(**known["arm"]))
                continue
            policy = start.copy()
            arms.append(_train(policy, shown, world, options, sandbox, size))
            policy.save(root / f"{world}.npz")
            saved.write_text(json.dumps({"key": key, "arm": asdict(arms[-1])}), encoding="utf-8")
    return arms


def _arm(world: str, right: dict[str, int], instances: int, **more: Any) -> Arm:
    played = instances * len(right)
    return Arm(world, sum(right.values()) / played, sum(right.values()), played, by_task=right, **more)


def _shown(size: Size, root: Path) -> dict[str, list[Decision]]:
    """What noisy shoppers did in sessions that ended well, by task."""
    where = {"runtime": "inprocess", "record": root / "sessions"}
    options = {"app": APP, "interface": "browser", "split": "train", **where}
    jobs = plan(options, ["noisy"], size.sessions, SEED)
    with progress("recording noisy shoppers", len(jobs)) as advance:
        run_jobs(jobs, options, on_done=lambda _: advance())
    reader = TraceReader(root / "sessions")
    shown: dict[str, list[Decision]] = {}
    for job in jobs:
        trace = reader.read(root / "sessions" / f"{job.session}.jsonl")
        if trace.end and trace.end.outcome and trace.end.outcome.reward == 1.0:
            shown.setdefault(trace.header.task.partition("@")[0], []).extend(decisions(trace))
    return shown


def _train(
    policy: RankerPolicy,
    shown: dict[str, list[Decision]],
    world: str,
    options: dict[str, Any],
    sandbox: Player,
    size: Size,
) -> Arm:
    """Train in one world; the checkpoint that did best in a small trial in the sandbox is kept."""
    began, tried = time.perf_counter(), sandbox.steps
    best = (-1, policy.weights.copy())
    with closing(Player(**options)) as home, progress(f"training in the {world}", size.iterations) as advance:

        def told(heard: Progress) -> None:
            nonlocal best
            advance(description=f"training in the {world}: reward {heard.reward:.2f}, {heard.steps:,} steps")
            if heard.iteration % (size.iterations // size.checkpoints) == 0:
                right = sum(sandbox.solved(policy, size.trial, "trial").values())
                best = (right, policy.weights.copy()) if right >= best[0] else best

        steps = reinforce(
            policy, home, tasks(), shown, iterations=size.iterations, groups=size.groups, group=size.group, seed=SEED,
            told=told,
        )  # fmt: skip
        policy.weights[:] = best[1]
        seconds, trials = time.perf_counter() - began, sandbox.steps - tried
        instances = max(1, size.final // 4)
        at_home = home.solved(policy, instances, "final")
    right = sandbox.solved(policy, size.final, "final")
    there = trials + (steps if world == "sandbox" else 0)
    return _arm(
        world, right, size.final, at_home=sum(at_home.values()) / (instances * len(at_home)), home_by_task=at_home,
        sandbox_steps=there, steps=steps, seconds=seconds,
    )  # fmt: skip


def goals(arms: list[Arm]) -> list[Goal]:
    """The lines of the goal table that they come to."""
    before, sandbox, model = arms
    gain, gained = sandbox.success - before.success, model.success - before.success
    share = gained / gain if gain > 0 else float("nan")
    told = [f"{arm.world or 'imitation alone'} {_interval(arm)}" for arm in arms]
    steps = model.sandbox_steps / max(1, sandbox.sandbox_steps)
    return [
        Goal("success in the sandbox of a policy trained in", "", "; ".join(told)),
        Goal("gain of training in the model alone, of that in the sandbox", ">= 80%", f"{share:.0%}", share >= 0.8),
        Goal(
            "sandbox steps it took, of those of training there",
            "<= 10%",
            f"{steps:.1%} ({model.sandbox_steps:,} of {sandbox.sandbox_steps:,})",
            steps <= 0.1,
        ),
        Goal(
            "its success in the model less that in the sandbox",
            "",
            f"{model.at_home - model.success:+.3f}",
        ),
    ]


def _interval(arm: Arm) -> str:
    return str(rate(arm.solved, arm.played))


def text(arms: list[Arm]) -> str:
    """What the table does not say."""
    before, sandbox, model = arms
    each = before.played // max(1, len(before.by_task))
    tasks_told = "; ".join(
        f"{task} {before.by_task[task]}, {sandbox.by_task[task]}, {model.by_task[task]}" for task in before.by_task
    )
    return (
        f"The policy is a linear ranker of what a page offers, trained for {sandbox.steps:,} steps in the sandbox "
        f"({sandbox.seconds:.0f} s) and {model.steps:,} in the model ({model.seconds:.0f} s). Solved of {each}, by "
        f"imitation alone, trained in the sandbox, trained in the model: {tasks_told}."
    )
