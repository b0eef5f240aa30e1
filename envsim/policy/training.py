"""Training of `RankerPolicy`: first by imitation of recorded sessions, then by its own successes in any world.

Both raise the log-probability of decisions: of what a demonstrator did (behaviour cloning), or of what the policy
itself did in the best episode of a group, weighted by how much better that was than the group's mean: self-imitation
(Oh et al. 2018, arXiv:1806.05635) with the group's mean for a value (Shao et al. 2024, arXiv:2402.03300). Steps are
scaled per weight by AdaGrad (Duchi et al. 2011), as suits features of which most are rare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envsim.policy.features import COLUMNS, Choice, Reader
from envsim.policy.ranker import RankerPolicy, Weights, probabilities
from envsim.rng import Rng
from envsim.trace import Trace

BATCH = 32
"""Decisions of one step."""
Decision = tuple[Choice, int]
"""What could be done, and the position of what was."""


def decisions(trace: Trace) -> list[Decision]:
    """The decisions of a recorded session, those left out whose action is no candidate (a typed word of one's own)."""
    out: list[Decision] = []
    reader: Reader | None = None
    for before, step in zip(trace.steps, trace.steps[1:], strict=False):
        if reader is None:
            reader = Reader(before.observation.goal or trace.header.goal)
        choice = reader.choice(before.observation)
        done = step.action.to_call() if step.action is not None else ""
        number = next((n for n, option in enumerate(choice.options) if option.action.to_call() == done), None)
        if number is not None:
            out.append((choice, number))
            reader.took(choice, number, before.observation.page)
    return out


@dataclass
class Ascent:
    """Steps along the gradient over the weights of a policy, scaled per weight by AdaGrad.

    Attributes:
        weights: Changed in place, shape (COLUMNS,).
        rate: Step size.
    """

    weights: Weights
    rate: float
    _squares: NDArray[np.float32] = field(default_factory=lambda: np.full(COLUMNS, 1e-6, np.float32))

    def learn(self, data: Sequence[tuple[Decision, float]], rng: Rng) -> float:
        """Go through `data`, decisions with their weights, once and in random order.

        Returns:
            Mean log-probability of what was done, in nats, before each step.
        """
        total = 0.0
        order = rng.shuffled(range(len(data)))
        for start in range(0, len(order), BATCH):
            part = [data[i] for i in order[start : start + BATCH]]
            total += self._step(part)
        return total / max(1, len(data))

    def _step(self, part: Sequence[tuple[Decision, float]]) -> float:
        likely = 0.0
        columns, values = [], []
        for (choice, number), weight in part:
            share = probabilities(choice.scores(self.weights))
            likely += math.log(share[number] + 1e-300)
            toward = -share
            toward[number] += 1.0
            columns.append(choice.columns)
            values.append(weight * toward[choice.owner])
        used, where = np.unique(np.concatenate(columns), return_inverse=True)
        gradient = np.bincount(where, np.concatenate(values), minlength=len(used)) / len(part)
        self._squares[used] += gradient**2
        self.weights[used] += self.rate * gradient / np.sqrt(self._squares[used])
        return likely


def imitate(policy: RankerPolicy, shown: Sequence[Decision], *, epochs: int = 12, seed: int = 0) -> float:
    """Behaviour cloning, in place.

    Args:
        policy: Changed.
        shown: From `decisions`.
        epochs: Passes over them.
        seed: Of their order.

    Returns:
        Mean log-probability of what the demonstrators did, in nats per decision, over the last epoch.
    """
    ascent, rng, mean = Ascent(policy.weights, 0.1), Rng("imitate", seed), math.nan
    for _ in range(epochs):
        mean = ascent.learn([(decision, 1.0) for decision in shown], rng)
    return mean


Episode = Callable[[RankerPolicy, str, int, int], "tuple[float | None, int]"]
"""Plays the policy once: (policy, task, task seed, seed) -> (reward, steps); None where nobody can score it."""


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
    play: Episode,
    tasks: Sequence[str],
    demonstrations: Sequence[Decision] = (),
    *,
    iterations: int,
    groups: int = 8,
    group: int = 6,
    rate: float = 0.03,
    temperature: float = 0.4,
    seed: int = 0,
    told: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Self-imitation, in place: what led to a better end than the others of its group came to is done more often.

    Deterministic for a deterministic world.

    Args:
        policy: Changed.
        play: Runs one episode.
        tasks: Templates, taken in turn.
        demonstrations: Kept in mind all along, so that what they taught is not forgotten.
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
    ascent, rng = Ascent(policy.weights, rate), Rng("reinforce", seed)
    known: list[tuple[Decision, float]] = [(decision, 1.0) for decision in demonstrations]
    before, policy.temperature, policy.keep = policy.temperature, temperature, True
    steps = 0
    for iteration in range(iterations):
        won: list[tuple[Decision, float]] = []
        rewards: list[float] = []
        for number in range(groups):
            task = tasks[(iteration * groups + number) % len(tasks)]
            instance = rng.integer(2**31)
            played: list[tuple[float, list[Decision]]] = []
            for _ in range(group):
                reward, length = play(policy, task, instance, rng.integer(2**31))
                steps += length
                if reward is not None:
                    played.append((reward, policy.taken))
            rewards += [reward for reward, _ in played]
            won += _advantages(played)
        ascent.learn([*won, *rng.sample(known, max(len(won), BATCH))], rng)
        known += won
        mean = float(np.mean(rewards)) if rewards else math.nan
        told(Progress(iteration + 1, mean, steps, groups * group - len(rewards)))
    policy.temperature, policy.keep = before, False
    return steps


def _advantages(played: Sequence[tuple[float, list[Decision]]]) -> list[tuple[Decision, float]]:
    """The decisions of the shortest of a group's best episodes, each with how much better it was than the mean."""
    if not played:
        return []
    mean = sum(reward for reward, _ in played) / len(played)
    reward, taken = max(played, key=lambda entry: (entry[0], -len(entry[1])))
    return [(decision, reward - mean) for decision in taken] if reward > mean else []
