"""From scores to probabilities, and from probabilities to a region that can be promised.

Numbers only: isotonic regression (pool adjacent violators; Ayer et al. 1955, Zadrozny & Elkan 2002), the threshold of
a trust region on examples nobody was fitted on (Learn then Test), and what measures both.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ORDER = 0.01
"""Share of the plain score in a probability: isotonic regression ties whole stretches, which must stay in order."""
BINS = 10
LEVELS = 10
DELTA = 0.1
"""Chance of a region that promises too much."""


def isotonic(values: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """The non-decreasing sequence nearest to `values` in (weighted) least squares.

    Args:
        values: Any length.
        weights: Positive, one a value; None: all equal.
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights or [1.0] * len(values), strict=True):
        mean, total, length = float(value), float(weight), 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, count = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, length = total + heavy, length + count
        blocks.append((mean, total, length))
    return [mean for mean, _, length in blocks for _ in range(length)]


@dataclass(frozen=True)
class Curve:
    """A score in [0, 1] -> P(right), never falling; without knots the score itself."""

    knots: tuple[tuple[float, float], ...] = ()
    """(score, probability) at the ends of each level stretch, rising; linear in between."""

    @classmethod
    def fit(cls, scores: Sequence[float], right: Sequence[bool]) -> Curve:
        """Isotonic regression, with one right answer added below all scores and one wrong answer above.

        Those two keep the probabilities off 0 and 1: n of n right is n / (n + 1).
        """
        if not scores:
            return cls()
        order = sorted(range(len(scores)), key=lambda i: scores[i])
        xs = [scores[i] for i in order]
        grouped: dict[float, list[float]] = {}
        for i in order:
            grouped.setdefault(scores[i], []).append(float(right[i]))
        grouped[xs[0]].append(1.0)
        grouped[xs[-1]].append(0.0)
        levels = isotonic([sum(g) / len(g) for g in grouped.values()], [float(len(g)) for g in grouped.values()])
        pairs = list(zip(grouped, levels, strict=True))
        inner = range(1, len(pairs) - 1)
        kept = [i for i in inner if not pairs[i - 1][1] == pairs[i][1] == pairs[i + 1][1]]
        ends = [0, *kept, len(pairs) - 1] if len(pairs) > 1 else [0]
        return cls(tuple((round(pairs[i][0], 9), round(pairs[i][1], 9)) for i in ends))

    def at(self, score: float) -> float:
        """The probability at a score; rises strictly, so that equal levels stay in the order of their scores."""
        return (1.0 - _ORDER) * self._level(score) + _ORDER * min(1.0, max(0.0, score))

    def _level(self, score: float) -> float:
        if not self.knots:
            return min(1.0, max(0.0, score))
        after = bisect_right(self.knots, (score, math.inf))
        if after in (0, len(self.knots)):
            return self.knots[0 if after == 0 else -1][1]
        (x, low), (y, high) = self.knots[after - 1], self.knots[after]
        return low + (high - low) * (score - x) / (y - x) if y > x else high


def region(probabilities: Sequence[float], right: Sequence[bool], alpha: float, delta: float = DELTA) -> float | None:
    """The least threshold t whose region {P >= t} is proven to hold at most a share `alpha` of wrong answers.

    Regions of one to ten tenths of the answers are each put to an exact binomial test of "more than `alpha` is wrong";
    the widest that is rejected is taken, after Holm's (1979) correction for asking ten times (Learn then Test:
    Angelopoulos, Bates, Candes, Jordan & Lei 2021; Angelopoulos & Bates 2023). Then, over draws of these answers, the
    share of wrong ones inside exceeds `alpha` with probability `delta` at most. It rests on new answers being
    exchangeable with these: steps of one session are alike, so whole sessions belong on one side of a split.

    Returns:
        None where nothing is proven: never with fewer than ``log(delta / 10) / log(1 - alpha)`` answers.
    """
    ranked = sorted(probabilities, reverse=True)
    tests: dict[float, float] = {}
    for level in range(1, LEVELS + 1):
        count = math.ceil(level * len(ranked) / LEVELS)
        if count:
            least = ranked[count - 1]
            inside = [c for p, c in zip(probabilities, right, strict=True) if p >= least]
            tests[least] = _at_most(inside.count(False), len(inside), alpha)
    found: list[float] = []
    for number, (chance, least) in enumerate(sorted((chance, least) for least, chance in tests.items())):
        if chance > delta / (LEVELS - number):
            break
        found.append(least)
    return min(found, default=None)


def _at_most(count: int, of: int, rate: float) -> float:
    """P(at most `count` of `of` independent events of this rate)."""
    logs = (
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(rate) + (of - k) * math.log1p(-rate)
        for k in range(count + 1)
    )  # fmt: skip
    return min(1.0, math.fsum(math.exp(x) for x in logs))


# -- figures -------------------------------------------------------------------------------------------


def auroc(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """P(a right answer is scored above a wrong one), ties half; None when only one kind is there."""
    good = np.sort(np.asarray([s for s, c in zip(scores, right, strict=True) if c], dtype=np.float64))
    bad = np.sort(np.asarray([s for s, c in zip(scores, right, strict=True) if not c], dtype=np.float64))
    if not len(good) or not len(bad):
        return None
    below, upto = np.searchsorted(bad, good, "left"), np.searchsorted(bad, good, "right")
    return float((below + upto).sum() / (2 * len(good) * len(bad)))


def accuracy_at(scores: Sequence[float], right: Sequence[bool], coverage: float) -> float | None:
    """Share of right answers among the `coverage` with the highest scores; of ties the average. None without any."""
    count = math.ceil(coverage * len(scores))
    if not count:
        return None
    ranked = sorted(scores, reverse=True)
    least = ranked[count - 1]
    above = [c for s, c in zip(scores, right, strict=True) if s > least]
    tied = [c for s, c in zip(scores, right, strict=True) if s == least]
    return (sum(above) + (count - len(above)) * sum(tied) / len(tied)) / count


def calibration_error(probabilities: Sequence[float], right: Sequence[bool]) -> float | None:
    """Expected calibration error over ten bins of equal width (Naeini et al. 2015); None without any."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for p, c in zip(probabilities, right, strict=True):
        bins[min(BINS - 1, int(p * BINS))].append((p, c))
    total = len(probabilities)
    gaps = (abs(sum(p for p, _ in found) - sum(c for _, c in found)) for found in bins)
    return sum(gaps) / total if total else None


def figures(
    probabilities: Sequence[float], right: Sequence[bool], threshold: float | None
) -> dict[str, float | int | None]:
    """All of them, rounded: ``steps``, ``accuracy``, ``auroc``, ``accuracy_at_80``, ``ece``; the region's ``coverage``
    (its share of all answers) and ``inside`` (accuracy in it).
    """
    inside = [c for p, c in zip(probabilities, right, strict=True) if threshold is not None and p >= threshold]
    total = len(probabilities)
    return {
        "steps": total,
        "accuracy": _rounded(sum(right) / total if total else None),
        "auroc": _rounded(auroc(probabilities, right)),
        "accuracy_at_80": _rounded(accuracy_at(probabilities, right, 0.8)),
        "ece": _rounded(calibration_error(probabilities, right)),
        "coverage": _rounded(len(inside) / total if total else None),
        "inside": _rounded(sum(inside) / len(inside) if inside else None),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
