"""Training of `RankerPolicy`: first by imitation of recorded sessions, then by reinforcement in any world.

Both are the score-function gradient of a softmax policy: of the log-likelihood of what a demonstrator did
(behaviour cloning), or of what the policy itself did, weighted by how much better its episode went than the others
of its group (REINFORCE, Williams 1992, with the group-relative advantage of Shao et al. 2024, arXiv:2402.03300).
Imitation scales steps per weight by AdaGrad (Duchi et al. 2011), as suits features of which most are rare;
reinforcement does not, because it would blow the noise of rare features up to the size of the signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envsim.policy.features import COLUMNS, Choice, Reader
from envsim.policy.ranker import RankerPolicy, Weights, probabilities
from envsim.rng import Rng
from envsim.trace import Trace

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
    """Gradient steps over the weights of a policy.

    Attributes:
        weights: Changed in place, shape (COLUMNS,).
        rate: Step size.
        scaled: By AdaGrad; plain steps otherwise.
        temperature: At which the policy chooses.
    """

    weights: Weights
    rate: float
    scaled: bool
    temperature: float = 1.0
    _squares: NDArray[np.float32] = field(default_factory=lambda: np.full(COLUMNS, 1e-6, np.float32))

    def step(self, parts: Sequence[tuple[Decision, float]], over: int) -> None:
        """One step along the sum over `parts` of (weight) x (gradient of the decision's log-probability) / `over`."""
        columns = np.concatenate([decision[0].columns for decision, _ in parts])
        values = np.concatenate([self._pull(decision) * weight for decision, weight in parts])
        used, where = np.unique(columns, return_inverse=True)
        gradient = np.bincount(where, values, minlength=len(used)) / over
        if self.scaled:
            self._squares[used] += gradient**2
            gradient /= np.sqrt(self._squares[used])
        self.weights[used] += self.rate * gradient

    def _pull(self, decision: Decision) -> NDArray[np.float64]:
        """The gradient of the log-probability of what was done, by entry of the choice, shape (n,)."""
        choice, number = decision
        toward = -probabilities(choice.scores(self.weights) / self.temperature)
        toward[number] += 1.0
        found: NDArray[np.float64] = toward[choice.owner] / self.temperature
        return found


def imitate(
    policy: RankerPolicy, recorded: Iterable[Trace], *, epochs: int = 3, batch: int = 32, seed: int = 0
) -> float:
    """Behaviour cloning, in place.

    Returns:
        Mean log-likelihood of what the demonstrators did, in nats per decision, over the last epoch.
    """
    data = [decision for trace in recorded for decision in decisions(trace)]
    ascent, rng, mean = Ascent(policy.weights, 0.1, scaled=True), Rng("imitate", seed), math.nan
    for _ in range(epochs):
        order = rng.shuffled(range(len(data)))
        total = 0.0
        for start in range(0, len(order), batch):
            part = [data[i] for i in order[start : start + batch]]
            total += sum(float(np.log(probabilities(c.scores(policy.weights))[n])) for c, n in part)
            ascent.step([(decision, 1.0) for decision in part], len(part))
        mean = total / max(1, len(data))
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
    *,
    iterations: int,
    groups: int = 8,
    group: int = 6,
    rate: float = 0.5,
    temperature: float = 0.4,
    seed: int = 0,
    told: Callable[[Progress], None] = lambda progress: None,
) -> int:
    """Policy gradient with group-relative advantages, in place; deterministic for a deterministic world.

    Args:
        policy: Changed.
        play: Runs one episode.
        tasks: Templates, taken in turn.
        iterations: Steps of the optimiser.
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
    ascent = Ascent(policy.weights, rate, scaled=False, temperature=temperature)
    before, policy.temperature, policy.keep = policy.temperature, temperature, True
    steps = 0
    rng = Rng("reinforce", seed)
    for iteration in range(iterations):
        parts: list[tuple[Decision, float]] = []
        rewards: list[float] = []
        unscored = 0
        for number in range(groups):
            task = tasks[(iteration * groups + number) % len(tasks)]
            instance = rng.integer(2**31)
            played: list[tuple[float, list[Decision]]] = []
            for _ in range(group):
                reward, length = play(policy, task, instance, rng.integer(2**31))
                steps += length
                if reward is None:
                    unscored += 1
                else:
                    played.append((reward, policy.taken))
            rewards += [reward for reward, _ in played]
            parts += _advantages(played)
        if parts:
            ascent.step(parts, len(rewards))
        told(Progress(iteration + 1, float(np.mean(rewards)) if rewards else math.nan, steps, unscored))
    policy.temperature, policy.keep = before, False
    return steps


def _advantages(played: Sequence[tuple[float, list[Decision]]]) -> list[tuple[Decision, float]]:
    """Each decision with how much better than its group its episode went, in standard deviations."""
    rewards = np.array([reward for reward, _ in played])
    spread = float(rewards.std()) if len(rewards) else 0.0
    if spread == 0.0:
        return []
    return [(decision, float((reward - rewards.mean()) / spread)) for reward, taken in played for decision in taken]
