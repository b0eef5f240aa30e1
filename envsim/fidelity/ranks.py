"""Whether two worlds put policies in the same order: Spearman's correlation and mean maximum rank violation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envsim.fidelity.intervals import EMPTY, Estimate, percentiles, weights


def spearman(reference: ArrayLike, candidate: ArrayLike) -> float:
    """Correlation of the ranks, equal values sharing their mean rank (Spearman 1904); NaN where either is constant."""
    return _pearson(_ranks(np.asarray(reference, float)), _ranks(np.asarray(candidate, float)))


def mmrv(reference: ArrayLike, candidate: ArrayLike) -> float:
    """Mean maximum rank violation, in the unit of the reference, 0 at best (SIMPLER: Li et al. 2024, equation 1).

    A pair that the candidate orders otherwise than the reference costs what the two differ by in the reference; of
    each policy the dearest pair counts, and their mean is taken. Misordering policies that are equally good costs
    nothing.
    """
    real, sim = np.asarray(reference, float), np.asarray(candidate, float)
    if not len(real):
        return float("nan")
    violated = (sim[:, None] < sim[None, :]) != (real[:, None] < real[None, :])
    return float((np.abs(real[:, None] - real[None, :]) * violated).max(axis=1).mean())


def compare_ranks(
    reference: Sequence[Sequence[float]], candidate: Sequence[Sequence[float]], *, seed: int = 0
) -> tuple[Estimate, Estimate]:
    """Spearman and MMRV of the policies' success rates, with bootstrap intervals.

    What is resampled are episodes, for all policies together: those of one seed have one task.

    Args:
        reference: Success in [0, 1], shape (policies, episodes); NaN where an episode was not scored.
        candidate: The same of the other world, for the same episodes.
        seed: Of the resampling.

    Returns:
        Both empty for fewer than three policies, of which an order says nothing.
    """
    real, sim = np.asarray(reference, float), np.asarray(candidate, float)
    if len(real) < 3 or not real.size:
        return EMPTY, EMPTY
    drawn = np.concatenate([np.ones((1, real.shape[1])), weights(real.shape[1], seed=seed)])
    rates = [_rates(world, drawn) for world in (real, sim)]
    pairs = [
        (spearman(a[known], b[known]), mmrv(a[known], b[known])) if known.sum() > 2 else (np.nan, np.nan)
        for a, b in zip(*rates, strict=True)
        for known in [np.isfinite(a) & np.isfinite(b)]
    ]
    values = np.asarray(pairs)
    n = int(np.isfinite(real).sum())
    first, second = (percentiles(float(values[0, k]), values[1:, k], n) for k in (0, 1))
    return first, second


def _rates(success: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean success per resample and policy, over scored episodes: (resamples, policies)."""
    known = np.isfinite(success)
    total, count = drawn @ np.where(known, success, 0.0).T, drawn @ known.T.astype(float)
    return np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    below = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if len(a) < 2:
        return float("nan")
    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")
