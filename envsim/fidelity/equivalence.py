"""Whether two rates are equal: shown, shown not to be, or neither.

That no difference was found is no proof that there is none (Altman and Bland 1995): with few observations none is found
whatever the rates. Rates are *shown equal* by two one-sided tests (TOST, Schuirmann 1987): the interval of what they
are apart lies inside a margin. The margins are those that the FDA's guidance on seasonal influenza vaccines (2007) sets
for holding one against another: 10 percentage points between rates, and a factor of 1.5 between ratios. Both have to
hold, as each is void where the other is not: of rare bugs 10 points would allow none for some, of frequent ones a
factor of 1.5 would allow 0.6 for 0.9. A bug at half or twice its rate is outside of them whatever its rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from envsim.fidelity.intervals import (
    EMPTY,
    Estimate,
    design_effect,
    difference,
    normal,
    ratio,
    student,
    wilson,
)  # fmt: skip

POINTS = 0.10
"""The most that two rates may differ by to count as equal."""
FACTOR = 1.5
"""The most that one may be of the other."""
POWER = 0.8
"""Chance with which `needed` opportunities show that equal rates are equal."""
MOST = 10**9
"""More opportunities than that nobody runs."""

Clusters = dict[int, tuple[int, int]]
"""Episode seed -> how often a bug fired, and could have."""
Finding = Literal["equal", "less", "more", "unknown"]


@dataclass(frozen=True)
class Rates:
    """Two rates whose observations come in the same clusters, and what can be said of them.

    Attributes:
        reference, candidate: With Wilson's intervals for effective numbers of observations; `n` are the real numbers.
        effect: Observations that are worth one independent one.
    """

    reference: Estimate
    candidate: Estimate
    effect: float


def rates(real: Clusters, sim: Clusters, level: float) -> Rates:
    """Both rates, with intervals of a level.

    Policies share the chance of a seed: their episodes count for less than as many apart.
    """
    columns = [tuple(zip(*side.values(), strict=True)) if side else ((), ()) for side in (real, sim)]
    fires = [sum(hits) > 0 for hits, _ in columns]
    # Where a bug never fired nothing says how its firings go together: there the other world's effect is taken.
    effects = [design_effect(*column) if any_fired or not any(fires) else 1.0
               for column, any_fired in zip(columns, fires, strict=True)]  # fmt: skip
    effect = max(effects)
    first, second = (_effective(sum(hits), sum(done), effect, len(done), level) for hits, done in columns)
    return Rates(first, second, effect)


def _effective(hits: int, n: int, effect: float, seeds: int, level: float) -> Estimate:
    """A rate with Wilson's interval for the effective number of opportunities; `n` is the real number."""
    if not n:
        return EMPTY
    z = normal(level)
    if effect > 1.0:
        effect *= (student(level, max(1, seeds - 1)) / z) ** 2
    found = wilson(hits / n, n / min(effect, n), z)
    return Estimate(found.value, found.low, found.high, n)


def finding(real: Clusters, sim: Clusters, error: float) -> Finding:
    """What is shown of the candidate's rate beside the reference's, each with that chance of error at most.

    ``equal``: within the margins. ``less``, ``more``: another rate. ``unknown``: neither is shown. What is both, a
    difference that was found and is within the margins, is equal: that is what margins are for.
    """
    close, wide = rates(real, sim, 1.0 - 2.0 * error), rates(real, sim, 1.0 - error)
    if within(close.reference, close.candidate):
        return "equal"
    gap = difference(wide.candidate, wide.reference)
    return "less" if gap.high < 0 else "more" if gap.low > 0 else "unknown"


def within(reference: Estimate, candidate: Estimate) -> bool:
    """Whether the intervals of difference and ratio lie inside the margins. A rate of 0 has no ratio to another."""
    gap, times = difference(candidate, reference), ratio(candidate, reference)
    return gap.low > -POINTS and gap.high < POINTS and times.low > 1.0 / FACTOR and times.high < FACTOR


def needed(p: float, effect: float, error: float) -> int:
    """Opportunities in each world at which two rates that are both `p` are shown equal with a chance of `POWER`.

    As many as the power formula of TOST asks for (Chow, Shao and Wang 2008, section 4.2), with the intervals that are
    used here. Further seeds are thought to be like those there are: `effect` stays.

    Returns:
        0 where `p` is 0.
    """
    if not 0.0 < p <= 1.0:
        return 0
    z = normal(1.0 - 2.0 * error) + normal(POWER)  # P(|Z| <= z) = POWER: half of what may go wrong on either side

    def shown(n: int) -> bool:
        both = wilson(p, n / effect, z)
        return within(Estimate(p, both.low, both.high, n), Estimate(p, both.low, both.high, n))

    return _least(shown, math.ceil(effect))


def _least(holds: Callable[[int], bool], start: int) -> int:
    """The least number from `start` on of which that holds; it is assumed to hold of all beyond."""
    low, high = start - 1, start
    while not holds(high) and high < MOST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
