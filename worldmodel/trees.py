"""Small regression trees, boosted, on top of a score: what a straight line through the features cannot say.

Gradient boosting of the log-loss with second-order leaves (Friedman 2001, Chen & Guestrin 2016), all of depth two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDS = 40
RATE = 0.1
BINS = 16
LEAST = 6
"""Examples a side of a split must have."""
_LEAST_GAIN = 1e-6
NEVER = 1e30
"""More than any feature."""
SHRINK = 2.0
"""Pulls leaves to zero, in units of the log-loss's curvature."""


@dataclass(frozen=True, eq=False)
class Trees:
    """Sum of trees, each three tests ``x[feature] > threshold`` (root, left, right) and four leaves."""

    features: NDArray[np.int64]
    """(R, 3)"""
    thresholds: Array
    """(R, 3)"""
    leaves: Array
    """(R, 4)"""

    def __call__(self, x: Array) -> Array:
        """Scores (N,) of rows (N, F)."""
        if not len(self.leaves):
            return np.zeros(len(x))
        beyond = x[:, self.features] > self.thresholds  # (N, R, 3)
        first = beyond[..., 0].astype(np.int64)
        second = np.where(first == 1, beyond[..., 2], beyond[..., 1])
        at = 2 * first + second  # (N, R)
        total: Array = self.leaves[np.arange(len(self.leaves)), at].sum(1)
        return total

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trees) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.leaves.tobytes())

    def to_json(self) -> Any:
        """See `from_json`."""
        return [
            [f.tolist(), [float(t) for t in thresholds], [float(v) for v in leaves]]
            for f, thresholds, leaves in zip(self.features, self.thresholds, self.leaves, strict=True)
        ]

    @classmethod
    def from_json(cls, data: Any, width: int) -> Trees:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not, or it tests other features than the first `width`.
        """
        try:
            features = np.asarray([row[0] for row in data], dtype=np.int64).reshape(-1, 3)
            thresholds = np.asarray([row[1] for row in data], dtype=np.float64).reshape(-1, 3)
            leaves = np.asarray([row[2] for row in data], dtype=np.float64).reshape(-1, 4)
        except (IndexError, TypeError) as error:
            raise ValueError(f"no trees: {error}") from None
        if len({len(features), len(thresholds), len(leaves)}) != 1 or (features < 0).any() or (features >= width).any():
            raise ValueError("no trees over these features")
        return cls(features, thresholds, leaves)


def together(forests: tuple[Trees, ...], x: Array) -> Array:
    """Scores (K, N) of rows (N, F) by K sums of trees, in one go where they have as many."""
    if len({len(forest.leaves) for forest in forests}) != 1:
        return np.stack([forest(x) for forest in forests])
    features, thresholds, leaves = _stacked(forests)
    beyond = x[:, features] > thresholds  # (N, K, R, 3)
    second = np.where(beyond[..., 0], beyond[..., 2], beyond[..., 1])
    at = 2 * beyond[..., 0].astype(np.int64) + second  # (N, K, R)
    total: Array = np.take_along_axis(leaves[None], at[..., None], 3)[..., 0].sum(2).T
    return total


@lru_cache(maxsize=8)
def _stacked(forests: tuple[Trees, ...]) -> tuple[NDArray[np.int64], Array, Array]:
    """(K, R, 3), (K, R, 3), (K, R, 4)."""
    return (
        np.stack([forest.features for forest in forests]),
        np.stack([forest.thresholds for forest in forests]),
        np.stack([forest.leaves for forest in forests]),
    )


NONE = Trees(np.zeros((0, 3), np.int64), np.zeros((0, 3)), np.zeros((0, 4)))


def boost(x: Array, y: Array, start: Array, rounds: int = ROUNDS) -> Trees:
    """Trees that, added to the scores `start` (N,), explain labels y (N,) in {0, 1} by features x (N, F)."""
    edges = np.full((x.shape[1], BINS - 1), np.inf)
    for f, column in enumerate(x.T):
        cuts = np.unique(np.round(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]), 9))
        edges[f, : len(cuts)] = cuts
    # A value that equals an edge is on its lower side, as in `Trees`: bin b holds edges[b - 1] < value <= edges[b].
    bins = [
        np.searchsorted(cuts, column, "left") + f * BINS
        for f, (cuts, column) in enumerate(zip(edges, x.T, strict=True))
    ]
    binned = np.stack(bins, 1)  # (N, F)
    score = start.astype(np.float64).copy()
    features, thresholds, leaves = [], [], []
    for _ in range(rounds):
        p = 1.0 / (1.0 + np.exp(-np.clip(score, -30, 30)))
        g, h = p - y, p * (1.0 - p)
        tests = [_split(binned, g, h, edges)]
        sides = np.zeros(len(y), dtype=np.int64)
        right = x[:, tests[0][0]] > tests[0][1]
        for side in (False, True):
            part = right == side
            tests.append(_split(binned[part], g[part], h[part], edges))
            f, t = tests[-1]
            sides[part] = 2 * side + (x[part, f] > t)
        of_g, of_h = np.bincount(sides, g, 4), np.bincount(sides, h, 4)
        values = np.round(-RATE * of_g / (of_h + SHRINK), 9)
        score += values[sides]
        features.append([f for f, _ in tests])
        thresholds.append([t for _, t in tests])
        leaves.append(values)
    return Trees(np.asarray(features, np.int64), np.asarray(thresholds), np.asarray(leaves))


def _split(binned: NDArray[np.int64], g: Array, h: Array, edges: Array) -> tuple[int, float]:
    """The test that gains most; one that sends everything left where none gains."""
    shape, wide = (len(edges), BINS), len(edges)
    flat = binned.ravel()

    def left(weights: Array) -> Array:
        total: Array = np.bincount(flat, np.repeat(weights, wide), wide * BINS).reshape(shape).cumsum(1)[:, :-1]
        return total

    count, left_g, left_h = left(np.ones(len(g))), left(g), left(h)
    all_g, all_h = g.sum(), h.sum()
    gain = left_g**2 / (left_h + SHRINK) + (all_g - left_g) ** 2 / (all_h - left_h + SHRINK)
    gain -= all_g**2 / (all_h + SHRINK)
    # Rounded, so that sums in another order on another machine do not change which test is best.
    gain = np.round(np.where((count < LEAST) | (len(g) - count < LEAST), 0.0, gain), 9)
    at = int(gain.argmax())
    f, cut = divmod(at, BINS - 1)
    return (f, float(edges[f, cut])) if gain.flat[at] > _LEAST_GAIN else (0, NEVER)
