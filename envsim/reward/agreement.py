"""Whether scores given repeatedly, in different orders, say more than the noise in them.

A group of n trajectories is scored k times, each time in another order. Every figure here is of that
k x n table: ``scores[t][i]`` is what trajectory i got in order t, and ``places[t][i]`` where it was shown.
Standard library only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Table = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Analysis:
    """What a table of scores says.

    Attributes:
        means: Mean score of each trajectory, shape (n,).
        spread: Standard deviation of `means` between trajectories.
        noise: Standard deviation of one score about what its trajectory, order and place explain; None where
            there are too few scores to tell.
        degrees: Degrees of freedom `noise` has.
        place_effect: How much more a trajectory gets for being shown last than for being shown first.
        p: Probability of a spread this large if all trajectories deserved the same; None where `noise` is.
        agreement: Kendall's W.
    """

    means: tuple[float, ...]
    spread: float
    noise: float | None
    degrees: int
    place_effect: float
    p: float | None
    agreement: float | None


def analyse(scores: Table, places: Sequence[Sequence[int]]) -> Analysis:
    """Randomised complete block design: orders are the blocks, place is a covariate.

    `places` must be balanced (every trajectory's mean place is the middle), as orders that come in pairs with
    their reverse are; then what place explains can be taken away without touching what trajectories explain.

    Source: R. A. Fisher, The Design of Experiments (1935), ch. 4; the F test of equal means.
    """
    k, n = len(scores), len(scores[0])
    middle = (n - 1) / 2
    blocks = [math.fsum(row) / n for row in scores]
    centred = [[value - blocks[t] for value in row] for t, row in enumerate(scores)]
    offsets = [[place - middle for place in row] for row in places]
    effects = [math.fsum(row[i] for row in centred) / k for i in range(n)]
    grand = math.fsum(blocks) / k
    squares = math.fsum(offset**2 for row in offsets for offset in row)
    slope = 0.0
    if squares:
        products = (o * c for own, row in zip(offsets, centred, strict=True) for o, c in zip(own, row, strict=True))
        slope = math.fsum(products) / squares
    rest = math.fsum(
        (centred[t][i] - effects[i] - slope * offsets[t][i]) ** 2 for t in range(k) for i in range(n)
    )  # fmt: skip
    degrees = (n - 1) * (k - 1) - 1
    between = math.fsum(effect**2 for effect in effects)
    noise, p = None, None
    if degrees > 0:
        noise = math.sqrt(rest / degrees)
        p = _p_value(k * between / (n - 1), rest / degrees, n - 1, degrees)
    return Analysis(
        means=tuple(grand + effect for effect in effects),
        spread=math.sqrt(between / (n - 1)) if n > 1 else 0.0,
        noise=noise, degrees=max(degrees, 0), place_effect=slope * (n - 1), p=p, agreement=kendalls_w(scores),
    )  # fmt: skip


def kendalls_w(scores: Table) -> float | None:
    """Agreement of k rankings of n items in [0, 1], corrected for ties; None where nothing is ranked.

    Source: M. G. Kendall and B. Babington Smith, "The problem of m rankings" (1939); the correction for ties as
    in S. Siegel, Nonparametric Statistics (1956), p. 234.
    """
    k, n = len(scores), len(scores[0])
    ranks = [_ranks(row) for row in scores]
    sums = [math.fsum(row[i] for row in ranks) for i in range(n)]
    mean = math.fsum(sums) / n
    ties = sum(count**3 - count for row in scores for count in Counter(row).values())
    most = k * k * (n**3 - n) - k * ties
    return 12 * math.fsum((total - mean) ** 2 for total in sums) / most if most > 0 else None


def _ranks(row: Sequence[float]) -> list[float]:
    """Rank of each value from 1; equal values share the mean of theirs."""
    return [sum(other < value for other in row) + (sum(other == value for other in row) + 1) / 2 for value in row]


def _p_value(between: float, within: float, above: int, below: int) -> float:
    """P(F >= between / within) with `above` and `below` degrees of freedom."""
    # Arithmetic on decimal scores leaves crumbs; they must not pass for a difference, or for noise.
    if between < 1e-18:
        return 1.0
    if within < 1e-18:
        return 0.0
    return incomplete_beta(below / 2, above / 2, below / (below + above * between / within))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b) for a, b > 0 and x in [0, 1].

    Source: the continued fraction 8.17.22 of the NIST Digital Library of Mathematical Functions, by Lentz's method.
    """
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    tiny = 1e-300
    fraction = d = 1.0 / (1.0 - (a + b) * x / (a + 1) or tiny)
    c = 1.0
    for m in range(1, 500):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d = 1.0 / (1.0 + term * d or tiny)
            c = 1.0 + term / c or tiny
            fraction *= c * d
        if abs(fraction - before) < 1e-15 * abs(fraction):
            break
    return math.exp(log) * fraction / a
