"""Whether a world knows where it is wrong: its trust against what was right.

``AUROC``                the chance that a right step is trusted more than a wrong one, ties half.
``accuracy at coverage`` share of right steps among the most trusted, which a hybrid world would let the model answer.
``calibration error``    mean distance between trust and the share that was right, over bins of equal width weighted by
                         their steps (expected calibration error: Naeini, Cooper and Hauskrecht 2015).

Whether a bug that fires one time in three fires at a step is what nobody foresees: the step is right with two thirds of
what it is trusted with otherwise. `certain` is of the steps at which chance fell as was said, without that factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envsim.fidelity.intervals import EMPTY, Estimate, percentiles, rate, weights
from envsim.fidelity.one_step import StepScore

COVERAGE = 0.8
BINS = 10
Column = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Steps whose trust is in one tenth of [0, 1].

    Attributes:
        trust: Their mean trust.
        right: Share of them that was right, with its Wilson interval.
    """

    trust: float
    right: Estimate


@dataclass(frozen=True)
class Reliability:
    """The diagram and the figures of one world."""

    bins: tuple[Bin, ...]
    auroc: Estimate
    accuracy: Estimate
    """Of the `COVERAGE` most trusted steps."""
    calibration_error: Estimate


def reliability(scores: Sequence[StepScore], *, chance: bool = True, seed: int = 0) -> Reliability:
    """The figures of one predictor's steps; intervals by bootstrap over sessions.

    With `chance`, trust is times the odds that chance falls as was said (`StepScore.odds`).
    """
    scores = [score for score in scores if score.answered]
    if not scores:
        return Reliability((), EMPTY, EMPTY, EMPTY)
    trust = np.array([score.trust * (score.odds if chance else 1.0) for score in scores])
    right = np.array([score.right for score in scores], float)
    _, cluster = np.unique([score.session for score in scores], return_inverse=True)
    drawn = weights(int(cluster.max()) + 1, seed=seed)[:, cluster]
    drawn = np.concatenate([np.ones((1, len(scores))), drawn])
    places = np.minimum((trust * BINS).astype(int), BINS - 1)
    bins = tuple(
        Bin(float(trust[inside].mean()), rate(int(right[inside].sum()), int(inside.sum())))
        for place in range(BINS)
        if (inside := places == place).any()
    )
    measured = (auroc(trust, right, drawn), accuracy(trust, right, drawn), calibration(trust, right, drawn, places))
    area, best, error = (percentiles(float(values[0]), values[1:], len(scores)) for values in measured)
    return Reliability(bins, area, best, error)


def auroc(trust: Column, right: Column, drawn: Column) -> Column:
    """Area under the ROC curve for each row of step weights (resamples, steps); NaN where only one kind is there."""
    levels, place = np.unique(trust, return_inverse=True)
    good, bad = _sums(drawn * right, place, len(levels)), _sums(drawn * (1 - right), place, len(levels))
    below = np.cumsum(bad, axis=1) - bad
    wins = (good * (below + 0.5 * bad)).sum(axis=1)
    pairs = good.sum(axis=1) * bad.sum(axis=1)
    return np.asarray(np.where(pairs > 0, wins / np.where(pairs > 0, pairs, 1.0), np.nan))


def accuracy(trust: Column, right: Column, drawn: Column, coverage: float = COVERAGE) -> Column:
    """Share right among the most trusted `coverage` of steps; of steps trusted alike, any part is like the whole."""
    levels, place = np.unique(-trust, return_inverse=True)
    good, count = _sums(drawn * right, place, len(levels)), _sums(drawn, place, len(levels))
    wanted = coverage * count.sum(axis=1, keepdims=True)
    taken = np.clip(wanted - (np.cumsum(count, axis=1) - count), 0.0, count)
    part = np.where(count > 0, good / np.where(count > 0, count, 1.0), 0.0)
    return np.asarray((taken * part).sum(axis=1) / wanted[:, 0])


def calibration(trust: Column, right: Column, drawn: Column, places: NDArray[np.int64]) -> Column:
    """Expected calibration error for each row of step weights."""
    gap = _sums(drawn * (trust - right), places, BINS)
    return np.asarray(np.abs(gap).sum(axis=1) / drawn.sum(axis=1))


def _sums(values: Column, place: NDArray[np.int64], groups: int) -> Column:
    """Column sums by group: (resamples, steps) -> (resamples, groups)."""
    member = np.zeros((values.shape[1], groups))
    member[np.arange(values.shape[1]), place] = 1.0
    return np.asarray(values @ member)
