"""How far to trust one answer: P(all of it is right), calibrated on held-out sessions, and the region that is promised.

A few heads of boosted trees, each fitted on a bootstrap sample of held-out *sessions* (bagging, Breiman 1996; steps of
one session are alike), give a mean and a spread; where they disagree, the score moves towards even (MacKay 1992).
Isotonic regression on sessions that a head did not draw makes it a probability, and a threshold found on sessions that
nothing was fitted on says where the trust region ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envsim.rng import Rng, uniform
from worldmodel.conformal import Curve, figures, region
from worldmodel.session import WINDOW
from worldmodel.support import FEATURES
from worldmodel.trees import NONE, ROUNDS, Trees, boost, together

HEADS = 10
LEAST = 8
"""Fewer answers than this fit nothing."""
PER_TREE = 8
"""Answers that bear one tree more, up to `MOST_ROUNDS` a head."""
MOST_ROUNDS = 160
ALPHA = 0.05
ALPHAS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of wrong answers for which the report says how wide a region could be."""
_PRIOR = {
    "mean_logprob": 2.0, "least_logprob": 0.5, "entropy": -1.0, "draft_exact": 1.0, "draft_past": 0.5, "context": 1.0,
    "draft_sure": 1.0, "branch_sure": 0.5, "never_recorded": -1.0, "record": 0.5, "unsupported": -0.5, "drift": -0.5,
    "bias": -1.0,
}  # fmt: skip
"""Weights of what is believed before any held-out answer was seen; the heads add to it."""
PRIOR = tuple(_PRIOR.get(name, 0.0) for name in FEATURES)


@dataclass(frozen=True)
class Answered:
    """Held-out answers whose truth is known, one entry each."""

    rows: list[list[float]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def add(self, row: list[float], right: bool, session: str) -> None:
        """One more."""
        self.rows.append(row)
        self.right.append(right)
        self.sessions.append(session)

    def only(self, keep: Sequence[bool]) -> Answered:
        """Those marked."""
        kept = [i for i, flag in enumerate(keep) if flag]
        return Answered(
            [self.rows[i] for i in kept], [self.right[i] for i in kept], [self.sessions[i] for i in kept]
        )  # fmt: skip

    def __add__(self, other: Answered) -> Answered:
        return Answered(self.rows + other.rows, self.right + other.right, self.sessions + other.sessions)


def fits(session: str) -> bool:
    """Whether a held-out session is fitted on; the others check what was fitted."""
    return uniform("trust", "half", session) < 0.5


@dataclass(frozen=True)
class Trust:
    """The calibrated estimate and its region.

    Attributes:
        heads: What each adds to the prior's score, over `FEATURES`.
        curve: Their moderated score -> probability.
        threshold: The region is P >= threshold; None: no region can be promised.
        alpha: Share of wrong answers it allows inside.
        usual: Mean and standard deviation of P over held-out answers that nothing was fitted on.
        fitted_on: Answers the heads saw.
    """

    heads: tuple[Trees, ...] = (NONE,)
    curve: Curve = field(default_factory=Curve)
    threshold: float | None = None
    alpha: float = ALPHA
    usual: tuple[float, float] | None = None
    fitted_on: int = 0

    def probability(self, row: Sequence[float]) -> float:
        """P(correct) in [0, 1]."""
        return self.curve.at(float(_moderated(_logits(self.heads, [row]))[0]))

    def holds(self, probability: float) -> bool:
        """Whether an answer of this P is inside the region."""
        return self.threshold is not None and probability >= self.threshold

    def drifts(self, recent: Sequence[float]) -> bool:
        """Whether the last `WINDOW` answers were trusted less than chance explains: two standard errors below usual."""
        if self.usual is None or len(recent) < WINDOW:
            return False
        mean, deviation = self.usual
        return sum(recent[-WINDOW:]) / WINDOW < mean - 2.0 * deviation / math.sqrt(WINDOW)

    @classmethod
    def fit(
        cls, answered: Answered, others: Answered | None = None, also: Answered | None = None, alpha: float = ALPHA
    ) -> tuple[Trust, dict[str, Any]]:
        """Fit on half of the sessions, promise by the other half; the promise is for answers that come as these did.

        Args:
            answered: Answers to what nothing was learned from, given what really happened before.
            others: Further answers, for the heads alone: what was answered may not be wholly new to who answered, so
                the probabilities, the region and what is usual do not rest on them.
            also: Answers in sessions that ran on their own answers: they teach the heads what drift costs, but the
                probabilities and the region are those of one step.
            alpha: Share of wrong answers the region may hold.

        Returns:
            The estimate, and what it does on the sessions it was not fitted on.
        """
        own = answered.only([fits(s) for s in answered.sessions])
        check = answered.only([not fits(s) for s in answered.sessions])
        more = Answered() if also is None else also.only([fits(s) for s in also.sessions])
        more = more if others is None else more + others
        if len(own.rows) < LEAST:
            own, more = Answered(), Answered()
        heads, scores, truth = _bagged(own, more)
        curve = Curve.fit(scores, truth)
        trust = cls(heads, curve, None, alpha, None, len(own.rows) + len(more.rows))
        checked = [trust.probability(row) for row in check.rows]
        usual = (float(np.mean(checked)), float(np.std(checked))) if len(checked) >= LEAST else None
        trust = cls(trust.heads, curve, region(checked, check.right, alpha), alpha, usual, trust.fitted_on)
        report: dict[str, Any] = {
            **figures(checked, check.right, trust.threshold),
            "fitted_on": trust.fitted_on,
            "alpha": alpha,
            "threshold": None if trust.threshold is None else round(trust.threshold, 4),
            "regions": {str(a): _region(checked, check.right, a) for a in ALPHAS},
        }
        if also is not None:
            loose = also.only([not fits(s) for s in also.sessions])
            free = [trust.probability(row) for row in loose.rows]
            report["free_running"] = figures(free, loose.right, trust.threshold)
        return trust, report

    def to_json(self) -> dict[str, Any]:
        """See `from_json`."""
        return {
            "features": list(FEATURES),
            "heads": [head.to_json() for head in self.heads],
            "curve": [list(knot) for knot in self.curve.knots],
            "threshold": self.threshold,
            "alpha": self.alpha,
            "usual": None if self.usual is None else list(self.usual),
            "fitted_on": self.fitted_on,
        }

    @classmethod
    def from_json(cls, data: Any) -> Trust:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not, or it speaks of other features than this version's.
        """
        try:
            if data["features"] != list(FEATURES):
                raise ValueError("trust was fitted on other features")
            heads = tuple(Trees.from_json(head, len(FEATURES)) for head in data["heads"])
            if not heads:
                raise ValueError("trust has no heads")
            threshold, usual = data["threshold"], data["usual"]
            return cls(
                heads,
                Curve(tuple((float(x), float(y)) for x, y in data["curve"])),
                None if threshold is None else float(threshold),
                float(data["alpha"]),
                None if usual is None else (float(usual[0]), float(usual[1])),
                int(data["fitted_on"]),
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"no trust estimate: {error!r}") from None


def _region(probabilities: Sequence[float], right: Sequence[bool], alpha: float) -> dict[str, float | None]:
    threshold = region(probabilities, right, alpha)
    found = figures(probabilities, right, threshold)
    return {"threshold": None if threshold is None else round(threshold, 4),
            "coverage": found["coverage"], "inside": found["inside"]}  # fmt: skip


# -- the heads -----------------------------------------------------------------------------------------


def _logits(heads: Sequence[Trees], rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """(K, N)."""
    x = np.asarray(rows, dtype=np.float64)
    prior = x @ np.asarray(PRIOR)
    logits: NDArray[np.float64] = prior + together(tuple(heads), x)
    return logits


def _moderated(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (N,) in (0, 1): the mean of the heads' logits (K, N), drawn in by their spread."""
    mean, spread = logits.mean(0), logits.std(0)
    drawn: NDArray[np.float64] = 1.0 / (
        1.0 + np.exp(-np.clip(mean / np.sqrt(1.0 + math.pi * spread**2 / 8.0), -30, 30))
    )
    return drawn


def rounds_for(answers: int) -> int:
    """How many trees a head has: what hundreds of answers tell, a few trees do not hold, and few answers not more."""
    return min(MOST_ROUNDS, max(ROUNDS, answers // PER_TREE))


def _bagged(own: Answered, more: Answered) -> tuple[tuple[Trees, ...], list[float], list[bool]]:
    """One head per bootstrap sample of the sessions, and the scores of `own` by heads that did not draw their session.

    Seen answers score too well; a session that every head drew has no such score and is left out.
    """
    answered = own + more
    if not answered.rows:
        return (NONE,), [], []
    by_session: dict[str, list[int]] = {}
    for i, session in enumerate(answered.sessions):
        by_session.setdefault(session, []).append(i)
    names = sorted(by_session)
    x, y = np.asarray(answered.rows, dtype=np.float64), np.asarray(answered.right, dtype=np.float64)
    start = x @ np.asarray(PRIOR)
    heads, drawn, rounds = [], [], rounds_for(len(x))
    for k in range(HEADS):
        rng = Rng("trust", "head", k)
        picked = [rng.choice(names) for _ in names]
        rows = [i for name in picked for i in by_session[name]]
        heads.append(boost(x[rows], y[rows], start[rows], rounds))
        drawn.append(frozenset(picked))
    logits = _logits(heads, own.rows) if own.rows else np.zeros((HEADS, 0))
    scores: list[float] = []
    right: list[bool] = []
    for i, session in enumerate(own.sessions):
        away = [k for k in range(HEADS) if session not in drawn[k]]
        if away:
            scores.append(float(_moderated(logits[away, i : i + 1])[0]))
            right.append(own.right[i])
    return tuple(heads), scores, right
