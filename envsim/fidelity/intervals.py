"""Uncertainty of measured rates and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_Z95 = 1.959964
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95% interval; `n` observations."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.n else "-"


EMPTY = Estimate(math.nan, math.nan, math.nan, 0)


def rate(hits: int, n: int) -> Estimate:
    """A proportion with its Wilson score interval (Wilson 1927), sound also near 0 and 1."""
    if n == 0:
        return EMPTY
    p = hits / n
    scale = 1 + _Z95**2 / n
    centre = (p + _Z95**2 / (2 * n)) / scale
    half = _Z95 * math.sqrt(p * (1 - p) / n + _Z95**2 / (4 * n**2)) / scale
    return Estimate(p, max(0.0, centre - half), min(1.0, centre + half), n)


def mean(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """A mean with its percentile bootstrap interval (Efron 1979), 1,000 resamples, seeded."""
    if not values:
        return EMPTY
    data = np.asarray(values, np.float64)
    picks = np.random.default_rng(seed).integers(0, len(data), (_RESAMPLES, len(data)))
    low, high = np.percentile(data[picks].mean(axis=1), (2.5, 97.5))
    return Estimate(float(data.mean()), float(low), float(high), len(data))


def pass_hat_k(counts: Sequence[tuple[int, int]], k: int, *, seed: int = 0) -> Estimate:
    """pass^k: the chance that `k` trials of one task all succeed, averaged over tasks.

    Per task the unbiased estimate C(c, k) / C(n, k) from c successes in n trials (Yao et al. 2024,
    tau-bench); the interval is a bootstrap over tasks.

    Args:
        counts: Successes and trials of each task.
        k: Trials that must all succeed.
        seed: Of the resampling.

    Raises:
        ValueError: `k` is not positive, a task has fewer than `k` trials, or more successes than trials.
    """
    if k < 1 or any(n < k or not 0 <= c <= n for c, n in counts):
        raise ValueError(f"pass^{k} needs at least {max(k, 1)} trials of every task")
    return mean([math.comb(c, k) / math.comb(n, k) for c, n in counts], seed=seed)
