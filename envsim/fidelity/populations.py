"""One policy before several populations of users: a score that moves with the users is not yet a score.

The same tasks, instances and seeds run before each population, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envsim.fidelity.intervals import EMPTY, Estimate, rate
from envsim.rollout import Rollout

_RESAMPLES = 1_000


@dataclass(frozen=True)
class Spread:
    """How far a policy's success depends on who it talks to.

    Attributes:
        success: Success rate per population.
        gap: Largest minus smallest rate, over the episodes that could be scored before every population.
    """

    success: dict[str, Estimate]
    gap: Estimate


def spread(results: Mapping[str, Sequence[Rollout]], *, seed: int = 0) -> Spread:
    """The spread of one policy's success over populations.

    The gap's interval is a percentile bootstrap over episodes, resampled together for all
    populations (Efron 1979). A largest-minus-smallest difference is never negative, so its interval
    lies above 0 also where the populations do not differ: compare it with the single rates' intervals.

    Args:
        results: Episodes per population, in the same order of jobs.
        seed: Of the resampling.
    """
    success = {name: _rate(done) for name, done in results.items()}
    scored = [
        [item.outcome.success for item in row]
        for row in zip(*results.values(), strict=True)
        if all(item.outcome.reward is not None for item in row)
    ]
    if not scored:
        return Spread(success, EMPTY)
    hits = np.asarray(scored, np.float64)  # (episodes, populations)
    picks = np.random.default_rng(seed).integers(0, len(hits), (_RESAMPLES, len(hits)))
    means = hits[picks].mean(axis=1)  # (resamples, populations)
    low, high = np.percentile(means.max(axis=1) - means.min(axis=1), (2.5, 97.5))
    means_all = hits.mean(axis=0)
    return Spread(success, Estimate(float(means_all.max() - means_all.min()), float(low), float(high), len(hits)))


def _rate(done: Sequence[Rollout]) -> Estimate:
    scored = [item for item in done if item.outcome.reward is not None]
    return rate(sum(item.outcome.success for item in scored), len(scored))
