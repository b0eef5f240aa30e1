"""How long sessions stay right: the Kaplan-Meier curve of the first divergence, and its median.

A session that ends before it diverges is *censored*: it says that it held so long, and nothing about later. Leaving
such sessions out, or counting them as diverged at their end, makes a world look worse the shorter its sessions are;
the product-limit estimate (Kaplan and Meier 1958) uses them for as long as they last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envsim.fidelity.intervals import EMPTY, Estimate, percentiles, weights


@dataclass(frozen=True)
class Lifetime:
    """One session: steps that held, and whether the next one did not (else the session was over)."""

    held: int
    diverged: bool


def kaplan_meier(sessions: Sequence[Lifetime]) -> tuple[float, ...]:
    """P(still right after k steps), for k = 0, 1, ... to the longest time any session was followed."""
    if not sessions:
        return ()
    times, ends = _table(sessions)
    return tuple(float(value) for value in _curves(np.ones((1, len(sessions))), times, ends)[0])


def median_steps(sessions: Sequence[Lifetime], *, seed: int = 0) -> Estimate:
    """Median number of steps before the first divergence, with a bootstrap interval over sessions.

    Where half of the sessions never diverge the median is not known; the value is then the longest time any session was
    followed, a lower bound: see `reached`.
    """
    if not sessions:
        return EMPTY
    times, ends = _table(sessions)
    own = _medians(_curves(np.ones((1, len(sessions))), times, ends))[0]
    drawn = _medians(_curves(weights(len(sessions), seed=seed), times, ends))
    return percentiles(float(own), drawn.astype(float), len(sessions))


def reached(survival: Sequence[float]) -> bool:
    """Whether the curve falls to one half, so that its median is a median and not a lower bound."""
    return bool(survival) and survival[-1] <= 0.5


def _table(sessions: Sequence[Lifetime]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Step at which each session diverged or was last seen, and whether it diverged."""
    times = np.array([s.held + s.diverged for s in sessions], np.int64)
    return times, np.array([s.diverged for s in sessions], np.bool_)


def _curves(counts: NDArray[np.float64], times: NDArray[np.int64], ends: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Kaplan-Meier curves of weighted sessions: weights (resamples, sessions) -> (resamples, longest + 1)."""
    steps = np.arange(int(times.max()) + 1)
    at_risk = counts @ (times[:, None] >= steps).astype(float)
    lost = counts @ ((times[:, None] == steps) & ends[:, None]).astype(float)
    # Nobody at risk: nothing more is known, and the curve goes on level.
    return np.asarray(np.cumprod(1.0 - lost / np.where(at_risk > 0, at_risk, 1.0), axis=1))


def _medians(curves: NDArray[np.float64]) -> NDArray[np.int64]:
    # A hair above one half, so that a product of fractions equal to it counts as fallen.
    fallen = curves <= 0.5 + 1e-12
    return np.asarray(np.where(fallen.any(axis=1), fallen.argmax(axis=1) - 1, curves.shape[1] - 1))
