"""Trains one small policy twice, in the shop's sandbox and only in its world model, and plays both in the sandbox.

    python benchmarks/world_model.py --only policy [--quick]

Both begin as the same imitation of two recorded sessions of each task, of noisy shoppers, and are trained by the same
algorithm for as many episodes of the same tasks and seeds (`envsim.policy.training`). What counts is how much better
each has become *in the sandbox*: a world model in which a policy learns what works nowhere else is worth nothing.
Checkpoints are chosen by a small trial in the sandbox, the only steps there that training in the model costs; they are
counted. What one policy learns depends on the sessions it began with and on the luck of its exploring, so all of this
is done with several seeds, and their episodes are put together. Episodes in the model run side by side, so that it
answers in batches. An arm is saved as soon as it is done, and the same command goes on from there.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import reduce
from itertools import islice
from operator import add
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
from envsim.trace import Trace, TraceReader
from worldmodel.checkpoint import load_model

APP = "shop"
REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        seeds: Of everything: as many policies are trained in each world.
        sessions: Recorded ones of each task, all of which ended well, that are imitated.
        most_sessions: Recorded ones of each task, however few of them end well.
        iterations: Steps of reinforcement.
        groups: Task instances of each step.
        group: Episodes of each instance.
        trial: Instances per task by which a checkpoint is chosen.
        checkpoints: How many there are to choose from.
        final: Instances per task by which the policies are compared.
        members: Episodes that run side by side in the model.
    """

    seeds: tuple[int, ...] = (13, 14, 15)
    sessions: int = 2
    most_sessions: int = 40
    iterations: int = 24
    groups: int = 9
    group: int = 6
    trial: int = 2
    checkpoints: int = 3
    final: int = 30
    members: int = 18


FULL = Size()
QUICK = Size(
    seeds=(11,), most_sessions=8, iterations=4, groups=4, group=3, trial=1, checkpoints=2, final=3, members=6
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        world: Where; ``""`` for the policy before training.
        solved: Episodes solved there.
        played: Episodes played there.
        at_home: Episodes solved in the world it was trained in.
        played_home: Episodes played there for that; 0 before training.
        sandbox_steps: Steps in the sandbox that training took.
        steps: Steps in all that training took.
        seconds: Of training.
        by_task: Episodes solved in the sandbox, of each task.
    """

    world: str
    solved: int
    played: int
    at_home: int = 0
    played_home: int = 0
    sandbox_steps: int = 0
    steps: int = 0
    seconds: float = 0.0
    by_task: dict[str, int] = field(default_factory=dict)

    @property
    def success(self) -> float:
        """Share of tasks solved in the sandbox, in [0, 1]."""
        return self.solved / self.played

    def __add__(self, other: Arm) -> Arm:
        """Both seeds' episodes and costs."""
        sums = {k: v + getattr(other, k) for k, v in asdict(self).items() if k not in ("world", "by_task")}
        return Arm(self.world, **sums, by_task={t: n + other.by_task[t] for t, n in self.by_task.items()})


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

    def solved(self, policy: RankerPolicy, instances: int, what: str, seed: int) -> dict[str, int]:
        """Of so many new instances, those that were solved, by task; what nobody can score is not solved."""
        greedy = RankerPolicy(policy.weights)
        seeds = [(task, draw(seed, what, task, number) % 2**31) for task in tasks() for number in range(instances)]
        played = self(greedy, [Trial(task, one, one) for task, one in seeds])
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


def run(place: Place) -> list[list[Arm]]:
    """For each seed: before training, trained in the sandbox, trained in the model. What is saved already is read."""
    size = FULL if place.episodes > 1 else QUICK
    root = place.root / "policy"
    place.renew("policy", [REPO / "envsim", REPO / "worldmodel", REPO / "sandboxes" / APP], [root])
    root.mkdir(parents=True, exist_ok=True)
    with closing(Player(runtime="inprocess")) as sandbox:
        return [_arms(place, size, root, sandbox, seed) for seed in size.seeds]


def _arms(place: Place, size: Size, root: Path, sandbox: Player, seed: int) -> list[Arm]:
    shown = _shown(size, root, seed)
    start = RankerPolicy()
    imitate(start, [decision for task in sorted(shown) for decision in shown[task]], seed=seed)
    arms = [_arm("", sandbox.solved(start, size.final, "final", seed), size.final)]
    for world, options in (
        ("sandbox", {"runtime": "inprocess"}),
        ("model", {"world": "model", "model": place.model, "members": size.members}),
    ):
        saved = root / f"{world}-{seed}.json"
        key = state_hash([asdict(size), seed, load_model(place.model).config["key"]])
        known = json.loads(saved.read_text("utf-8")) if saved.exists() else {}
        if known.get("key") == key:
            arms.append(Arm(**known["arm"]))
            continue
        policy = start.copy()
        arms.append(_train(policy, shown, world, options, sandbox, size, seed))
        policy.save(root / f"{world}-{seed}.npz")
        saved.write_text(json.dumps({"key": key, "arm": asdict(arms[-1])}), encoding="utf-8")
    return arms


def _arm(world: str, right: dict[str, int], instances: int, **more: Any) -> Arm:
    return Arm(world, sum(right.values()), instances * len(right), by_task=right, **more)


def _shown(size: Size, root: Path, seed: int) -> dict[str, list[Decision]]:
    """What noisy shoppers did in the first few sessions of each task that ended well."""
    shown: dict[str, list[Decision]] = {}
    with progress("recording noisy shoppers", len(tasks())) as advance:
        for task in tasks():
            good = islice(_ended_well(task, root / "sessions", size, seed), size.sessions)
            shown[task] = [decision for trace in good for decision in decisions(trace)]
            advance()
    return shown


def _ended_well(task: str, record: Path, size: Size, seed: int) -> Iterator[Trace]:
    options = {"app": APP, "interface": "browser", "task": task, "runtime": "inprocess", "record": record}
    jobs = plan(options, ["noisy"], size.most_sessions, seed)
    for start in range(0, len(jobs), size.sessions):
        part = jobs[start : start + size.sessions]
        run_jobs(part, options)
        for job in part:
            path = record / f"{job.session}.jsonl"
            trace = TraceReader(record).read(path)
            if trace.end and trace.end.outcome and trace.end.outcome.reward == 1.0:
                yield trace


def _train(
    policy: RankerPolicy,
    shown: dict[str, list[Decision]],
    world: str,
    options: dict[str, Any],
    sandbox: Player,
    size: Size,
    seed: int,
) -> Arm:
    """Train in one world; the checkpoint that did best in a small trial in the sandbox is kept."""
    began, tried = time.perf_counter(), sandbox.steps
    best = (-1, policy.weights.copy())
    label = f"training in the {world}, seed {seed}"
    with closing(Player(**options)) as home, progress(label, size.iterations) as advance:

        def told(heard: Progress) -> None:
            nonlocal best
            advance(description=f"{label}: reward {heard.reward:.2f}, {heard.steps:,} steps")
            if heard.iteration % (size.iterations // size.checkpoints) == 0:
                right = sum(sandbox.solved(policy, size.trial, "trial", seed).values())
                best = (right, policy.weights.copy()) if right >= best[0] else best

        steps = reinforce(
            policy, home, tasks(), shown, iterations=size.iterations, groups=size.groups, group=size.group, seed=seed,
            told=told,
        )  # fmt: skip
        policy.weights[:] = best[1]
        seconds, trials = time.perf_counter() - began, sandbox.steps - tried
        instances = max(1, size.final // 3)
        at_home = home.solved(policy, instances, "final", seed)
    right = sandbox.solved(policy, size.final, "final", seed)
    return _arm(
        world, right, size.final, at_home=sum(at_home.values()), played_home=instances * len(at_home),
        sandbox_steps=trials + (steps if world == "sandbox" else 0), steps=steps, seconds=seconds,
    )  # fmt: skip


def goals(runs: list[list[Arm]]) -> list[Goal]:
    """The lines of the goal table that they come to, of all seeds together."""
    _, sandbox, model = together = _together(runs)
    share = _share(together)
    told = [f"{arm.world or 'imitation alone'} {rate(arm.solved, arm.played)}" for arm in together]
    steps = model.sandbox_steps / max(1, sandbox.sandbox_steps)
    return [
        Goal("success in the sandbox of a policy trained in", "", "; ".join(told)),
        Goal("gain of training in the model alone, of that in the sandbox", ">= 80%", f"{share:.0%}{_spread(runs)}",
             share >= 0.8),
        Goal("sandbox steps it took, of those of training there", "<= 10%",
             f"{steps:.1%} ({model.sandbox_steps:,} of {sandbox.sandbox_steps:,})", steps <= 0.1),
        Goal("its success in the model less that in the sandbox", "",
             f"{model.at_home / max(1, model.played_home) - model.success:+.3f}"),
    ]  # fmt: skip


def _together(runs: list[list[Arm]]) -> list[Arm]:
    return [reduce(add, arms) for arms in zip(*runs, strict=True)]


def _share(arms: list[Arm]) -> float:
    """What training in the model gains of what training in the sandbox does; NaN where that is nothing."""
    before, sandbox, model = arms
    gain = sandbox.solved - before.solved
    return (model.solved - before.solved) / gain if gain > 0 else math.nan


def _spread(runs: list[list[Arm]]) -> str:
    return f" (by seed {', '.join(f'{_share(arms):.0%}' for arms in runs)})" if len(runs) > 1 else ""


def text(runs: list[list[Arm]]) -> str:
    """What the table does not say."""
    before, sandbox, model = together = _together(runs)
    each = before.played // max(1, len(before.by_task))
    tasks_told = "; ".join(f"{task} {', '.join(str(a.by_task[task]) for a in together)}" for task in before.by_task)
    seeds_told = "; ".join(", ".join(f"{arm.success:.3f}" for arm in arms) for arms in runs)
    return (
        f"The policy is a linear ranker of what a page offers, trained {len(runs)} times, for {sandbox.steps:,} steps "
        f"in the sandbox ({sandbox.seconds:.0f} s) and {model.steps:,} in the model ({model.seconds:.0f} s) in all. "
        f"Solved of {each}, by imitation alone, trained in the sandbox, trained in the model: {tasks_told}. Success by "
        f"seed: {seeds_told}."
    )
