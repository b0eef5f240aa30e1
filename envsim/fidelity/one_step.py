"""One-step fidelity: what follows each action of a held-out session, the real history given.

A step here asks the app something. Figures over all steps flatter: most steps change no state, and a world in which
nothing ever happens gets those right. So every figure is also given by the size of the state delta: none, 1-2 changes,
3 and more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from envsim.fidelity.intervals import Estimate, share

SIZES: dict[str, tuple[str, Callable[[int], bool]]] = {
    "": ("all", lambda changes: True),
    "_unchanged": ("no change", lambda changes: changes == 0),
    "_changed": ("some change", lambda changes: changes > 0),
    "_small": ("1-2 changes", lambda changes: 1 <= changes <= 2),
    "_large": ("3 and more", lambda changes: changes >= 3),
}
"""Suffix of a figure -> which steps, in words and by the number of changes in the real state delta."""


@dataclass(frozen=True)
class StepScore:
    """One predicted step.

    Attributes:
        session, step: Where in the recordings.
        exact: Page and URL, or tool result, equal to the real ones.
        f1: Of changed elements (tools: of fields); None where there were none on either side.
        delta: The state view after the step equals the real one.
        outcome: An error or not, rightly told.
        changes: In the real state delta.
        answered: The predictor had an answer.
        parsed: The answer reads as a page in the element grammar, or as a tool result.
        trust: The predictor's own P(right), if the bugs that fire by chance are those it says.
        odds: Its P(they are).
        real: Ids of the bugs that fired.
        predicted: Ids of the bugs that the predictor says fired.
    """

    session: str
    step: int
    exact: bool
    f1: float | None
    delta: bool
    outcome: bool
    changes: int
    answered: bool = True
    parsed: bool = True
    trust: float = 1.0
    odds: float = 1.0
    real: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Page and state both, which is what trust estimates."""
        return self.exact and self.delta


def certain(scores: Iterable[StepScore], by_chance: Collection[str]) -> list[StepScore]:
    """The steps at which of the bugs `by_chance`, which no world can foresee, the same fired as were predicted."""
    return [score for score in scores if not ({*score.real} ^ {*score.predicted}) & {*by_chance}]


MEASURES: dict[str, tuple[str, Callable[[StepScore], float | None]]] = {
    "page_exact": ("page exact match", lambda score: float(score.exact)),
    "changed_f1": ("changed-element F1", lambda score: score.f1),
    "delta_exact": ("state-delta exact match", lambda score: float(score.delta)),
    "outcome_class": ("error or not, rightly told", lambda score: float(score.outcome)),
}
"""What is measured of each size of delta."""


def figures(scores: Sequence[StepScore], *, seed: int = 0) -> dict[str, Estimate]:
    """Every measure for every size of delta, and how many answers parse; intervals over sessions."""
    found = {
        name + suffix: _share([s for s in scores if fits(s.changes)], measure, seed)
        for name, (_, measure) in MEASURES.items()
        for suffix, (_, fits) in SIZES.items()
    }
    found["parse_rate"] = _share([s for s in scores if s.answered], lambda score: float(score.parsed), seed)
    found["answered"] = _share(scores, lambda score: float(score.answered), seed)
    return found


def _share(scores: Iterable[StepScore], measure: Callable[[StepScore], float | None], seed: int) -> Estimate:
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for score in scores:
        value = measure(score)
        if value is not None:
            sums[score.session] = sums.get(score.session, 0.0) + value
            counts[score.session] = counts.get(score.session, 0) + 1
    return share(list(sums.values()), list(counts.values()), seed=seed)
