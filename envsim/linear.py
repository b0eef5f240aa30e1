"""Logistic regression over sparse features: small, deterministic, numpy only.

Fitted by Nesterov's accelerated gradient with the step of the loss's Lipschitz constant (Nesterov 1983), so
that nothing needs tuning and equal input gives equal weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = Mapping[str, float]
"""Feature -> value; what is absent is 0."""


@dataclass(frozen=True)
class Rows:
    """A sparse matrix by entries: ``values[k]`` stands in row ``row[k]``, column ``column[k]``."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    values: Array
    shape: tuple[int, int]

    def times(self, weights: Array) -> Array:
        """Matrix times a vector of one weight per column."""
        return np.bincount(self.row, self.values * weights[self.column], minlength=self.shape[0]).astype(np.float64)

    def transposed_times(self, errors: Array) -> Array:
        """Transposed matrix times a vector of one value per row."""
        return np.bincount(self.column, self.values * errors[self.row], minlength=self.shape[1]).astype(np.float64)

    def take(self, keep: NDArray[np.bool_]) -> Rows:
        """The rows where `keep` is true, renumbered."""
        number = np.cumsum(keep) - 1
        inside = keep[self.row]
        row = number[self.row[inside]]
        return Rows(row, self.column[inside], self.values[inside], (int(keep.sum()), self.shape[1]))


def vocabulary(samples: Iterable[Features], *, least: int = 1) -> dict[str, int]:
    """Column of every feature that at least `least` samples have, by name."""
    counts = Counter(name for features in samples for name in features)
    return {name: index for index, name in enumerate(sorted(n for n, count in counts.items() if count >= least))}


def rows(samples: Sequence[Features], columns: Mapping[str, int], *, unit: bool = True) -> Rows:
    """Samples as a matrix; unknown features are left out.

    Args:
        samples: One per row.
        columns: As `vocabulary` makes them.
        unit: Scale each row to length 1.
    """
    row: list[int] = []
    column: list[int] = []
    values: list[float] = []
    for index, features in enumerate(samples):
        known = sorted((columns[name], value) for name, value in features.items() if name in columns and value)
        scale = sum(value * value for _, value in known) ** 0.5 if unit and known else 1.0
        row += [index] * len(known)
        column += [place for place, _ in known]
        values += [value / scale for _, value in known]
    return Rows(
        np.asarray(row, np.int64), np.asarray(column, np.int64), np.asarray(values, np.float64),
        (len(samples), len(columns)),
    )  # fmt: skip


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


@dataclass(frozen=True)
class Logistic:
    """P(true | row) = sigmoid(row . weights + bias)."""

    weights: Array
    bias: float

    def score(self, data: Rows) -> Array:
        """Log-odds of each row."""
        return data.times(self.weights) + self.bias


def fit_logistic(data: Rows, labels: NDArray[np.bool_], *, l2: float = 1.0, steps: int = 150) -> Logistic:
    """Weights that minimise the summed log loss plus ``l2 / 2 * |weights|^2`` (the bias is not shrunk).

    Args:
        data: Features.
        labels: One per row.
        l2: Strength of the shrinkage.
        steps: Of the optimiser.
    """
    target = labels.astype(np.float64)
    weights, bias = np.zeros(data.shape[1]), 0.0
    ahead, ahead_bias = weights, bias
    rate = 1.0 / (0.25 * _largest(data) + l2)
    momentum = 1.0
    for _ in range(steps):
        errors = sigmoid(data.times(ahead) + ahead_bias) - target
        new = ahead - rate * (data.transposed_times(errors) + l2 * ahead)
        new_bias = ahead_bias - rate * float(errors.sum())
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = new + (momentum - 1) / following * (new - weights)
        ahead_bias = new_bias + (momentum - 1) / following * (new_bias - bias)
        weights, bias, momentum = new, new_bias, following
    return Logistic(weights, bias)


def _largest(data: Rows) -> float:
    """The largest eigenvalue of X'X with the constant column, by power iteration."""
    vector, constant = np.ones(data.shape[1]), 1.0
    value = 1.0
    for _ in range(20):
        product = data.times(vector) + constant
        vector, constant = data.transposed_times(product), float(product.sum())
        value = float(np.sqrt(vector @ vector + constant**2))
        if value == 0.0:
            return 1.0
        vector, constant = vector / value, constant / value
    return 1.05 * value
