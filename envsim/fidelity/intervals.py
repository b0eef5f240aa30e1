"""Uncertainty of measured rates and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

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
    return wilson(hits / n, n) if n else EMPTY


def wilson(p: float, n: float, z: float = _Z95) -> Estimate:
    """The Wilson score interval of a share `p` of `n` observations; an effective `n` may be no whole number.

    `z` is the normal quantile of another level.
    """
    scale = 1 + z**2 / n
    centre = (p + z**2 / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / scale
    # At 0 and 1 the end of the interval is the value itself, but for rounding.
    return Estimate(p, min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half)), round(n))


def mean(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """A mean with its percentile bootstrap interval (Efron 1979), 1,000 resamples, seeded."""
    if not values:
        return EMPTY
    data = np.asarray(values, np.float64)
    picks = np.random.default_rng(seed).integers(0, len(data), (_RESAMPLES, len(data)))
    low, high = np.percentile(data[picks].mean(axis=1), (2.5, 97.5))
    return Estimate(float(data.mean()), float(low), float(high), len(data))


def weights(clusters: int, *, seed: int = 0) -> NDArray[np.float64]:
    """How often each cluster is drawn in each resample of a cluster bootstrap, shape (1000, clusters).

    Steps of one session are no independent observations: whole sessions are drawn (Davison and Hinkley 1997, section
    3.8).
    """
    return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), _RESAMPLES).astype(float)


def percentiles(value: float, resampled: NDArray[np.float64], n: int) -> Estimate:
    """`value` with the central 95% of what resamples gave, those that gave nothing left out.

    An interval always holds its estimate: where the percentiles do not, they are widened to it.
    """
    known = resampled[np.isfinite(resampled)]
    if not len(known) or math.isnan(value):
        return Estimate(value, math.nan, math.nan, n) if n and not math.isnan(value) else EMPTY
    low, high = np.percentile(known, (2.5, 97.5))
    return Estimate(value, min(float(low), value), max(float(high), value), n)


def share(sums: Sequence[float], counts: Sequence[float], *, seed: int = 0) -> Estimate:
    """A mean over observations that come in clusters, such as a share of steps: interval by cluster bootstrap.

    At 0 and 1 there is nothing to resample: there the interval is Wilson's for as many observations as there are
    clusters.

    Args:
        sums: Of the observations in [0, 1] of each cluster.
        counts: Observations of each cluster.
        seed: Of the resampling.

    Returns:
        `n` is the number of observations.
    """
    kept = [(total, count) for total, count in zip(sums, counts, strict=True) if count]
    if not kept:
        return EMPTY
    total, count = (np.asarray(column, np.float64) for column in zip(*kept, strict=True))
    value, n = float(total.sum() / count.sum()), round(float(count.sum()))
    if value in (0.0, 1.0):
        edge = rate(round(value * len(kept)), len(kept))
        return Estimate(value, edge.low, edge.high, n)
    drawn = weights(len(kept), seed=seed)
    return percentiles(value, (drawn @ total) / (drawn @ count), n)


def design_effect(hits: Sequence[float], counts: Sequence[float]) -> float:
    """How many observations in clusters are worth one independent observation, at least 1 (Kish 1965).

    The variance of the share over clusters (linearised ratio) over what it would be if observations were independent.
    Where all are the same nothing can be estimated, and a cluster counts as one observation.
    """
    y, n = np.asarray(hits, np.float64), np.asarray(counts, np.float64)
    y, n = y[n > 0], n[n > 0]
    if len(n) == 0:
        return 1.0
    total, p, k = float(n.sum()), float(y.sum() / n.sum()), len(n)
    if p in (0.0, 1.0) or k < 2:
        return total / k
    clustered = k / (k - 1) * float(((y - p * n) ** 2).sum()) / total**2
    return max(1.0, clustered / (p * (1 - p) / total))


def normal(level: float) -> float:
    """The quantile z with P(|Z| <= z) = `level`."""
    return NormalDist().inv_cdf((1 + level) / 2)


def student(level: float, freedom: int) -> float:
    """The quantile t with P(|T| <= t) = `level`, of Student's t with so many degrees of freedom.

    Exact for 1 and 2, else by the expansion of Abramowitz and Stegun 26.7.5, which is too small by less than 1% from 5
    on for levels up to 0.999; with 3 by 0.8% at 0.99 and 4.2% at 0.999, with 4 by 0.2% and 1.3%.
    """
    if freedom == 1:
        return math.tan(math.pi * level / 2)
    if freedom == 2:
        return level * math.sqrt(2 / (1 - level**2))
    z, v = normal(level), freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / v**power for power, term in enumerate(terms, 1))


def difference(one: Estimate, two: Estimate) -> Estimate:
    """p1 - p2 of two independent proportions, with Newcombe's hybrid score interval (1998, method 10).

    It is made from their Wilson intervals, and so sound for rare events and few observations.
    """
    if not one.n or not two.n:
        return EMPTY
    gap = one.value - two.value
    low = gap - math.hypot(one.value - one.low, two.high - two.value)
    high = gap + math.hypot(one.high - one.value, two.value - two.low)
    return Estimate(gap, low, high, one.n + two.n)


def ratio(one: Estimate, two: Estimate) -> Estimate:
    """p1 / p2 of two independent proportions, by the method of Zou and Donner (2008) on the logarithms of both.

    Like `difference` it is made from their Wilson intervals. Where one of the two is 0 there is none.
    """
    if not one.n or not two.n or one.value <= 0 or two.value <= 0:
        return EMPTY
    found = one.value / two.value
    low = found * math.exp(-math.hypot(math.log(one.value / one.low), math.log(two.high / two.value)))
    high = found * math.exp(math.hypot(math.log(one.high / one.value), math.log(two.value / two.low)))
    return Estimate(found, low, high, one.n + two.n)


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
