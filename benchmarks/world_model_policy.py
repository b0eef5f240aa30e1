"""Trains one small policy twice, in the shop's sandbox and only in its world model, and plays both in the sandbox.

    python benchmarks/world_model.py --only policy [--quick]

Both begin as the same imitation of a few recorded sessions of noisy shoppers, and are trained by the same algorithm for
as many episodes of the same tasks and seeds (`envsim.policy.training`). What counts is how much better each has become
*in the sandbox*: a world model in which a policy learns what works nowhere else is worth nothing. Checkpoints are
chosen by a small trial in the sandbox, the only steps there that training in the model costs; they are counted. An arm
is saved as soon as it is done, and the same command goes on from there.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from results import Goal
from world_model_place import Place

from envsim.cli.common import progress
from envsim.env import TaskEnv
from envsim.fidelity.intervals import rate
from envsim.policy.ranker import RankerPolicy
from envsim.policy.training import Decision, Progress, decisions, imitate, reinforce
from envsim.rng import draw
from envsim.rollout import plan, run_episode, run_jobs
from envsim.task_template import load_tasks
from envsim.trace import TraceReader

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
    """

    sessions: int = 60
    iterations: int = 60
    groups: int = 9
    group: int = 6
    trial: int = 2
    checkpoints: int = 3
    final: int = 30


FULL = Size()
QUICK = Size(sessions=30, iterations=4, groups=4, group=3, trial=1, checkpoints=2, final=3)


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
    """

    world: str
    success: float
    solved: int
    played: int
    at_home: float
    sandbox_steps: int
    steps: int
    seconds: float


class Player:
    """Plays episodes of the policy in one world."""

    def __init__(self, **options: Any) -> None:
        self.env = TaskEnv(APP, interface="browser", split="train", **options)
        self.steps = 0

    def __call__(self, policy: RankerPolicy, task: str, instance: int, seed: int) -> tuple[float | None, int]:
        """See `envsim.policy.training.Episode`."""
        played = run_episode(self.env, policy, seed=seed, task=task, task_seed=instance)
        self.steps += played.steps
        return (played.outcome.reward if played.outcome.kind == "policy" else None), played.steps

    def solved(self, policy: RankerPolicy, instances: int, what: str) -> tuple[int, int]:
        """(solved, played) of new instances of every task; what nobody can score is not solved."""
        right = 0
        names = tasks()
        for task in names:
            for number in range(instances):
                seed = draw(SEED, what, task, number) % 2**31
                right += self(policy, task, seed, seed)[0] == 1.0
        return right, len(names) * instances


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
    imitate(start, shown, seed=SEED)
    sandbox = Player(runtime="inprocess")
    with closing(sandbox.env):
        right, played = sandbox.solved(start, size.final, "final")
        arms = [Arm("", right / played, right, played, 0.0, 0, 0, 0.0)]
        for world, options in (
            ("sandbox", {"runtime": "inprocess"}),
            ("model", {"world": "model", "model": place.model}),
        ):
            saved = root / f"{world}.json"
            if saved.exists():
                arms.append(Arm(**json.loads(saved.read_text("utf-8"))))
                continue
            policy = RankerPolicy(start.weights.copy())
            arms.append(_train(policy, shown, world, options, sandbox, size))
            policy.save(root / f"{world}.npz")
            saved.write_text(json.dumps(asdict(arms[-1])), encoding="utf-8")
    return arms


def _shown(size: Size, root: Path) -> list[Decision]:
    """What noisy shoppers did in sessions that ended well."""
    where = {"runtime": "inprocess", "record": root / "sessions"}
    options = {"app": APP, "interface": "browser", "split": "train", **where}
    jobs = plan(options, ["noisy"], size.sessions, SEED)
    with progress("recording noisy shoppers", len(jobs)) as advance:
        run_jobs(jobs, options, on_done=lambda _: advance())
    reader = TraceReader(root / "sessions")
    traces = [reader.read(root / "sessions" / f"{job.session}.jsonl") for job in jobs]
    good = [trace for trace in traces if trace.end and trace.end.outcome and trace.end.outcome.reward == 1.0]
    return [decision for trace in good for decision in decisions(trace)]


def _train(
    policy: RankerPolicy, shown: list[Decision], world: str, options: dict[str, Any], sandbox: Player, size: Size
) -> Arm:
    """Train in one world; the checkpoint that did best in a small trial in the sandbox is kept."""
    began, tried = time.perf_counter(), sandbox.steps
    home = Player(**options)
    best = (-1, policy.weights.copy())
    steps = 0
    with closing(home.env), progress(f"training in the {world}", size.iterations) as advance:

        def told(heard: Progress) -> None:
            advance(description=f"training in the {world}: reward {heard.reward:.2f}, {heard.steps:,} steps")

        for number in range(size.checkpoints):
            part = size.iterations // size.checkpoints
            much = {"iterations": part, "groups": size.groups, "group": size.group}
            steps += reinforce(policy, home, tasks(), shown, **much, seed=SEED + number, told=told)
            right = sandbox.solved(policy, size.trial, "trial")[0]
            best = max(best, (right, policy.weights.copy()), key=lambda entry: entry[0])
        policy.weights[:] = best[1]
        seconds, trials = time.perf_counter() - began, sandbox.steps - tried
        at_home, of = home.solved(policy, max(1, size.final // 3), "home")
    right, played = sandbox.solved(policy, size.final, "final")
    there = trials + (steps if world == "sandbox" else 0)
    return Arm(world, right / played, right, played, at_home / of, there, steps, seconds)


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
    _, sandbox, model = arms
    return (
        f"The policy is a linear ranker of what a page offers, trained for {sandbox.steps:,} steps in the sandbox "
        f"({sandbox.seconds:.0f} s) and {model.steps:,} in the model ({model.seconds:.0f} s)."
    )
