"""Prediction-powered inference: a policy's real success from few real episodes and many in a model.

Averaging the model's episodes alone is biased by whatever the model gets wrong; averaging the real ones alone wastes
the model. The prediction-powered mean (Angelopoulos et al. 2023) takes the model's average over many episodes and
corrects it by the mean error on those episodes that were run in both. Power tuning (PPI++: Angelopoulos, Duchi and
Zrnic 2023) weights the model by how much it tells, so that a useless one costs nothing: the estimate is unbiased with
any model, and narrower with a good one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envsim.fidelity.intervals import EMPTY, Estimate, percentiles, wilson

Column = NDArray[np.float64]
_RESAMPLES = 200


@dataclass(frozen=True)
class Powered:
    """A success rate estimated from both worlds.

    Attributes:
        policy: Whose.
        classical: From the reference's episodes alone.
        powered: From both.
        weight: Lambda, how much of the model is used: 0 none, 1 all.
        gain: Reference episodes that the same precision would have taken, over those that were run, with a bootstrap
            interval. 1: the model adds nothing.
        limit: The gain with endlessly many episodes in the model, 1 / (1 - correlation^2); infinite for a perfect one.
        extra: Episodes (of several policies: seeds) run in the model only.
    """

    policy: str
    classical: Estimate
    powered: Estimate
    weight: float
    gain: Estimate
    limit: float
    extra: int


def prediction_powered(
    reference: Sequence[float], candidate: Sequence[float], extra: Sequence[float], policy: str = "", *, seed: int = 0
) -> Powered:
    """Estimate mean success in the reference.

    The interval is Wilson's at the estimate for the *effective* number of episodes (the real ones times the gain),
    because a normal one has no width where every episode succeeded.

    Args:
        reference: Success in [0, 1] of n episodes in the reference.
        candidate: Of the same n episodes in the model.
        extra: Of N further episodes in the model.
        policy: For the result.
        seed: Of the resampling.

    Raises:
        ValueError: The first two differ in length.
    """
    y, f, more = (np.asarray(values, float) for values in (reference, candidate, extra))
    if len(y) != len(f):
        raise ValueError(f"{len(y)} episodes in the reference and {len(f)} in the model are no pairs")
    if not len(y):
        return Powered(policy, EMPTY, EMPTY, 0.0, EMPTY, 1.0, len(more))
    weight, gain = _tuned(y, f, more)
    value = float(y.mean()) + (weight * float(more.mean() - f.mean()) if weight else 0.0)
    squared = _correlation(y, f) ** 2
    return Powered(
        policy,
        wilson(float(y.mean()), len(y)),
        wilson(min(1.0, max(0.0, value)), len(y) * gain),
        weight,
        percentiles(gain, _resampled_gains(y, f, more, seed), len(y)),
        1 / (1 - squared) if squared < 1 - 1e-12 else math.inf,
        len(more),
    )


def _tuned(y: Column, f: Column, more: Column) -> tuple[float, float]:
    """The weight of the model that makes the variance least, and the gain with it."""
    covariance = float(((y - y.mean()) * (f - f.mean())).sum() / (len(y) - 1)) if len(y) > 1 else 0.0
    spread, alone = _variance(np.concatenate([f, more])), _variance(y)
    # Without spread there is nothing to weigh, without further episodes nothing to weigh it against.
    if not (spread > 0 and alone > 0 and len(more) and covariance > 0):
        return 0.0, 1.0
    weight = min(1.0, covariance / ((1 + len(y) / len(more)) * spread))
    variance = weight**2 * spread / len(more) + _variance(y - weight * f) / len(y)
    # What a perfect model reaches; in few episodes the estimated variance may promise more.
    most = 1 + len(more) / len(y)
    return weight, min(most, max(1.0, alone / len(y) / variance)) if variance > 0 else most


def _resampled_gains(y: Column, f: Column, more: Column, seed: int) -> Column:
    rng = np.random.default_rng(seed)
    gains = []
    for _ in range(_RESAMPLES):
        pairs = rng.integers(0, len(y), len(y))
        gains.append(_tuned(y[pairs], f[pairs], more[rng.integers(0, len(more), len(more))] if len(more) else more)[1])
    return np.asarray(gains)


def _correlation(y: Column, f: Column) -> float:
    """Of the two worlds; 0 where it is negative or one of them is constant."""
    if len(y) < 2 or not _variance(y) or not _variance(f):
        return 0.0
    return max(0.0, float(np.corrcoef(y, f)[0, 1]))


def _variance(values: Column) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
