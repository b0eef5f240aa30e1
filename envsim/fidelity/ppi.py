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

from envsim.fidelity.intervals import EMPTY, Estimate, rate, wilson


@dataclass(frozen=True)
class Powered:
    """A success rate estimated from both worlds.

    Attributes:
        policy: Whose.
        classical: From the reference's episodes alone.
        powered: From both.
        weight: Lambda, how much of the model is used: 0 none, 1 all.
        gain: Reference episodes that the same precision would have taken, over those that were run. 1: the model adds
            nothing.
        limit: The gain with endlessly many episodes in the model, 1 / (1 - correlation^2); infinite for a perfect one.
        extra: Episodes run in the model only.
    """

    policy: str
    classical: Estimate
    powered: Estimate
    weight: float
    gain: float
    limit: float
    extra: int


def prediction_powered(
    reference: Sequence[float], candidate: Sequence[float], extra: Sequence[float], policy: str = ""
) -> Powered:
    """Estimate mean success in the reference.

    The interval is Wilson's at the estimate for the *effective* number of episodes (the real ones times the gain),
    because a normal one has no width where every episode succeeded.

    Args:
        reference: Success in [0, 1] of n episodes in the reference.
        candidate: Of the same n episodes in the model.
        extra: Of N further episodes in the model.
        policy: For the result.

    Raises:
        ValueError: The first two differ in length.
    """
    y, f, more = (np.asarray(values, float) for values in (reference, candidate, extra))
    if len(y) != len(f):
        raise ValueError(f"{len(y)} episodes in the reference and {len(f)} in the model are no pairs")
    if not len(y):
        return Powered(policy, EMPTY, EMPTY, 0.0, 1.0, 1.0, len(more))
    classical = (
        rate(round(float(y.sum())), len(y)) if set(y.tolist()) <= {0.0, 1.0} else wilson(float(y.mean()), len(y))
    )
    pooled = np.concatenate([f, more])
    spread, alone = _variance(pooled), _variance(y)
    covariance = float(((y - y.mean()) * (f - f.mean())).sum() / (len(y) - 1)) if len(y) > 1 else 0.0
    # Without spread there is nothing to weigh, without further episodes nothing to weigh it against.
    useful = spread > 0 and alone > 0 and len(more) > 0 and covariance > 0
    weight = min(1.0, covariance / ((1 + len(y) / len(more)) * spread)) if useful else 0.0
    value = float(y.mean()) + (weight * float(more.mean() - f.mean()) if useful else 0.0)
    value = min(1.0, max(0.0, value))
    variance = weight**2 * spread / max(len(more), 1) + _variance(y - weight * f) / len(y)
    # What a perfect model reaches; in few episodes the estimated variance may promise more.
    most = 1 + len(more) / len(y)
    gain = min(most, max(1.0, alone / len(y) / variance)) if useful and variance > 0 else most if useful else 1.0
    own = _variance(f)
    squared = min(1.0, covariance**2 / (alone * own)) if alone > 0 and own > 0 and covariance > 0 else 0.0
    limit = 1 / (1 - squared) if squared < 1 - 1e-12 else math.inf
    return Powered(policy, classical, wilson(value, len(y) * gain), weight, gain, limit, len(more))


def _variance(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
