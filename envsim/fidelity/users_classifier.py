"""The classifier two-sample test: how well real users can be told from simulated ones.

Source: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests" (ICLR 2017), with the area under the
ROC curve in place of accuracy: 0.5 is indistinguishable, 1 always told apart. What is classified is a turn, or a
whole session; sessions of one task are always in one fold, so that nothing is gained by knowing the task.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envsim.fidelity.intervals import EMPTY, Estimate
from envsim.linear import Array, fit_logistic, rows, vocabulary
from envsim.user.sessions import Exchange, Session, words

FOLDS = 5
RESAMPLES = 500


@dataclass(frozen=True)
class Scores:
    """Out-of-fold log-odds of being simulated, one per sample."""

    values: Array
    simulated: NDArray[np.bool_]
    fold: NDArray[np.int64]
    task: NDArray[np.int64]

    def auc(self) -> float:
        """Mean over folds: scores of different classifiers are not comparable."""
        parts = [auc(self.values[self.fold == k], self.simulated[self.fold == k]) for k in range(FOLDS)]
        return float(np.nanmean(parts)) if not np.all(np.isnan(parts)) else float("nan")

    def estimate(self, seed: int = 0) -> Estimate:
        """With the percentile bootstrap over tasks (Efron 1979): turns of one conversation are not independent."""
        if not len(self.values):
            return EMPTY
        value = self.auc()
        tasks = np.unique(self.task)
        places = [np.flatnonzero(self.task == task) for task in tasks]
        rng = np.random.default_rng(seed)
        drawn = []
        for _ in range(RESAMPLES):
            pick = np.concatenate([places[k] for k in rng.integers(0, len(tasks), len(tasks))])
            drawn.append(Scores(self.values[pick], self.simulated[pick], self.fold[pick], self.task[pick]).auc())
        low, high = np.nanpercentile(drawn, (2.5, 97.5))
        return Estimate(value, float(low), float(high), len(tasks))


def turn_features(turn: Exchange, index: int) -> dict[str, float]:
    """What a turn shows: its words, pairs and triples of them, acts, length, place, and how it is typed."""
    said = words(turn.text)
    out: Counter[str] = Counter(f"w {word}" for word in said)
    row = ("<", *said, ">")
    out.update(f"2 {a} {b}" for a, b in itertools.pairwise(row))
    out.update(f"3 {a} {b} {c}" for a, b, c in zip(row, row[1:], row[2:], strict=False))
    out.update(f"act {act}" for act in turn.acts)
    out[f"acts {min(len(turn.acts), 6)}"] = 1
    out[f"length {min(len(said) // 3, 12)}"] = 1
    out[f"place {min(index, 12)}"] = 1
    out[f"begins {_case(turn.text[:1])}"] = 1
    out[f"ends {turn.text[-1:] if not turn.text[-1:].isalnum() else 'a'}"] = 1
    out[f"capitals {min(sum(char.isupper() for char in turn.text), 8)}"] = 1
    return dict(out)


def session_features(session: Session) -> dict[str, float]:
    """What a session shows: all its turns show, how often, and its shape as a whole."""
    out: Counter[str] = Counter()
    for index, turn in enumerate(session.turns):
        out.update(turn_features(turn, index))
    features = {name: 1 + float(np.log(count)) for name, count in out.items()}
    features[f"turns {min(len(session.turns), 15)}"] = 3.0
    row = ["<", *("+".join(turn.acts) for turn in session.turns), ">"]
    features |= {f"then {a} {b}": 1.0 for a, b in itertools.pairwise(row)}
    repeated = len(session.turns) - len({turn.text for turn in session.turns})
    features[f"repeats {min(repeated, 3)}"] = 1.0
    return features


def classify(
    real: Sequence[Session], simulated: Sequence[Session], *, by_session: bool = False, l2: float = 0.1
) -> Scores:
    """Cross-validated scores of a logistic regression.

    Args:
        real: One sample.
        simulated: The other.
        by_session: Classify whole sessions, not turns.
        l2: Shrinkage, of rows of length 1.
    """
    samples: list[dict[str, float]] = []
    labels: list[bool] = []
    tasks: list[str] = []
    for sessions, label in ((real, False), (simulated, True)):
        for session in sessions:
            parts = (
                [session_features(session)]
                if by_session
                else [turn_features(turn, index) for index, turn in enumerate(session.turns)]
            )
            samples += parts
            labels += [label] * len(parts)
            tasks += [session.task] * len(parts)
    return _cross_validate(samples, np.asarray(labels, bool), tasks, l2)


def _cross_validate(
    samples: Sequence[dict[str, float]], labels: NDArray[np.bool_], tasks: Sequence[str], l2: float
) -> Scores:
    names = sorted(set(tasks), key=lambda task: hashlib.blake2b(task.encode()).digest())
    number = {task: index for index, task in enumerate(names)}
    task = np.asarray([number[name] for name in tasks], np.int64)
    fold = task % FOLDS
    data = rows(samples, vocabulary(samples, least=2))
    values = np.zeros(len(samples))
    for k in range(FOLDS):
        held = fold == k
        if held.any() and len(set(labels[~held].tolist())) == 2:
            fitted = fit_logistic(data.take(~held), labels[~held], l2=l2)
            values[held] = fitted.score(data.take(held))
    return Scores(values, labels, fold, task)


def auc(scores: Array, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: P(a positive scores above a negative), ties count half (Mann and Whitney 1947)."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _case(char: str) -> str:
    return "upper" if char.isupper() else "lower" if char.islower() else "other"


__all__ = ["Scores", "auc", "classify", "session_features", "turn_features"]
