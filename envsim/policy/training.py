"""Training of `RankerPolicy`: first by imitation of recorded sessions, then by its own successes in any world.

Both raise the log-probability of decisions: of what a demonstrator did (behaviour cloning), or of what the policy
itself did in episodes that ended well, weighted by how rarely the others of their group did: self-imitation (Oh et al.
2018, arXiv:1806.05635) with the group's mean for a value (Shao et al. 2024, arXiv:2402.03300). What is known of a task
is rehearsed with every step, alike much of each, so that a task that is learned early does not overwrite the others.
Steps are scaled per weight by AdaGrad (Duchi et al. 2011), as suits features of which most are rare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envsim.policy.features import COLUMNS, Choice, Reader
from envsim.policy.layout import read_layout
from envsim.policy.ranker import RankerPolicy, probabilities
from envsim.rng import Rng
from envsim.trace import Trace
from envsim.types import Action

BATCH = 32
"""Decisions of one step."""
REHEARSED = 24
"""Decisions of each task that are gone through again after each iteration."""
KEPT = 2000
"""Own decisions of each task that are remembered for that."""
Decision = tuple[Choice, int]
"""What could be done, and the position of what was."""


def decisions(trace: Trace) -> list[Decision]:
    """The decisions of a recorded session, without slips and what is no candidate (a typed word of one's own).

    Who went to an address that a link of the page leads to is taken to have followed it. Who then went straight back to
    where they had been is taken to have slipped.
    """
    out: list[Decision] = []
    reader: Reader | None = None
    for before, step, after in zip(trace.steps, trace.steps[1:], [*trace.steps[2:], None], strict=False):
        if reader is None:
            reader = Reader(before.observation.goal or trace.header.goal)
        choice = reader.choice(before.observation)
        number = _found(step.action, choice, before.observation.page) if step.action is not None else None
        if number is not None:
            if after is None or after.action != Action.call("goto", url=before.observation.url):
                out.append((choice, number))
            reader.took(number)
    return out


def _found(action: Action, choice: Choice, page: str) -> int | None:
    done = action.to_call()
    for number, option in enumerate(choice.options):
        if option.action.to_call() == done:
            return number
    if action.name == "goto":
        lines = read_layout(page).lines
        for number, option in enumerate(choice.options):
            if option.action.name == "click" and lines[option.line].url == action.arguments.get("url"):
                return number
    return None


def _learn(policy: RankerPolicy, data: Sequence[tuple[Decision, float]], rate: float, rng: Rng) -> float:
    """Step along the gradient through `data`, decisions with their weights, once and in random order.

    Returns:
        Mean log-probability of what was done, in nats, before each step.
    """
    total = 0.0
    order = rng.shuffled(range(len(data)))
    for start in range(0, len(order), BATCH):
        total += _step(policy, [data[i] for i in order[start : start + BATCH]], rate)
    return total / max(1, len(data))


def _step(policy: RankerPolicy, part: Sequence[tuple[Decision, float]], rate: float) -> float:
    likely = 0.0
    columns, values = [], []
    for (choice, number), weight in part:
        pairs, own = choice.columns()
        share = probabilities(choice.scores(policy.weights))
        likely += math.log(share[number] + 1e-300)
        toward = -weight * share
        toward[number] += weight
        columns += [pairs.ravel(), own]
        values += [np.repeat(toward, pairs.shape[1]), toward[choice.owner]]
    gradient = np.bincount(np.concatenate(columns), np.concatenate(values), minlength=COLUMNS) / len(part)
    used = np.flatnonzero(gradient)
    policy.squares[used] += gradient[used] ** 2
    policy.weights[used] += rate * gradient[used] / np.sqrt(policy.squares[used])
    return likely


def imitate(
    policy: RankerPolicy, shown: Sequence[Decision], *, epochs: int = 8, rate: float = 0.05, seed: int = 0
) -> float:
    """Behaviour cloning, in place.

    Args:
        policy: Changed.
        shown: From `decisions`.
        epochs: Passes over them; many teach it the demonstrators' slips.
        rate: Step size.
        seed: Of their order.

    Returns:
        Mean log-probability of what the demonstrators did, in nats per decision, over the last epoch.
    """
    rng, mean = Rng("imitate", seed), math.nan
    for _ in range(epochs):
        mean = _learn(policy, [(decision, 1.0) for decision in shown], rate, rng)
    return mean


@dataclass(frozen=True)
class Trial:
    """An episode to play: the instance `instance` of a task, and the seed of everything else."""

    task: str
    instance: int
    seed: int


@dataclass(frozen=True)
class Played:
    """A trial that was played.

    Attributes:
        reward: None where nobody can score it.
        steps: Of the environment.
        taken: What the policy did, `RankerPolicy.taken`.
    """

    reward: float | None
    steps: int
    taken: Sequence[Decision] = ()


Play = Callable[[RankerPolicy, Sequence[Trial]], Sequence[Played]]
"""Plays the policy, in any order or all at once; results in the order of the trials."""


@dataclass(frozen=True)
class Progress:
    """Where reinforcement stands.

    Attributes:
        iteration: From 1.
        reward: Mean of the iteration's scored episodes; NaN without any.
        steps: Environment steps so far.
        unscored: Episodes of this iteration that nobody could score.
    """

    iteration: int
    reward: float
    steps: int
    unscored: int


def reinforce(
    policy: RankerPolicy,
    play: Play,
    tasks: Sequence[str],
    demonstrations: Mapping[str, Sequence[Decision]] | None = None,
    *,
    iterations: int,
    groups: int = 9,
    group: int = 6,
    rate: float = 0.05,
    temperature: float = 0.6,
    seed: int = 0,
    told: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Self-imitation, in place: what led to a good end is done more often, the more so the rarer that was in its group.

    Deterministic for a deterministic world.

    Args:
        policy: Changed.
        play: Runs the episodes of one iteration.
        tasks: Templates, taken in turn; one whose whole group ended well is passed over once.
        demonstrations: By task; rehearsed all along, so that what they taught is not forgotten.
        iterations: How often to play and learn.
        groups: Task instances per iteration.
        group: Episodes of each.
        rate: Step size.
        temperature: At which the policy chooses while it learns; imitation of few sessions leaves it undecided wherever
            no demonstrator was, and at 1 hardly an episode would end well.
        seed: Of everything.
        told: Called after each iteration.

    Returns:
        Environment steps taken.
    """
    rng = Rng("reinforce", seed)
    shown = {task: [*(demonstrations or {}).get(task, ())] for task in tasks}
    own: dict[str, list[Decision]] = {task: [] for task in tasks}
    before, policy.temperature, policy.keep = policy.temperature, temperature, True
    steps = 0
    solved: set[str] = set()
    for iteration in range(iterations):
        names = [tasks[(iteration * groups + number) % len(tasks)] for number in range(groups)]
        names = [name for name in names if name not in solved] or names
        solved = set()
        played = play(policy, _trials(names, group, rng))
        steps += sum(one.steps for one in played)
        data: list[tuple[Decision, float]] = []
        for number, name in enumerate(names):
            part = played[number * group : (number + 1) * group]
            good, bad = _told_apart(part)
            data += good + bad
            own[name] = [*own[name], *(decision for decision, _ in good)][-KEPT:]
            solved |= {name} if _whole(part) else set()
        for task in tasks:
            known = shown[task] + own[task]
            data += [(decision, 1.0) for decision in rng.sample(known, min(REHEARSED, len(known)))]
        _learn(policy, data, rate, rng)
        told(_progress(iteration + 1, steps, played))
    policy.temperature, policy.keep = before, False
    return steps


def _trials(names: Sequence[str], group: int, rng: Rng) -> list[Trial]:
    """`group` trials of one new instance of each task."""
    instances = [rng.integer(2**31) for _ in names]
    return [Trial(*pair, rng.integer(2**31)) for pair in zip(names, instances, strict=True) for _ in range(group)]


def _progress(iteration: int, steps: int, played: Sequence[Played]) -> Progress:
    rewards = [one.reward for one in played if one.reward is not None]
    mean = float(np.mean(rewards)) if rewards else math.nan
    return Progress(iteration, mean, steps, len(played) - len(rewards))


def _whole(group: Sequence[Played]) -> bool:
    return all(one.reward is not None and one.reward >= 1.0 for one in group)


def _told_apart(group: Sequence[Played]) -> tuple[list[tuple[Decision, float]], list[tuple[Decision, float]]]:
    """The decisions of a group's better and worse episodes, weighted; where all end alike, none is worse."""
    scored = [(one.reward, one.taken) for one in group if one.reward is not None]
    mean = sum(reward for reward, _ in scored) / max(1, len(scored))
    good = [(decision, 1.0 - 0.7 * mean) for reward, taken in scored if reward >= 1.0 for decision in taken]
    bad = [(decision, -0.3 * mean) for reward, taken in scored if reward < mean for decision in taken]
    return good, bad
