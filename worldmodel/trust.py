"""How far to trust one answer: P(every line of it is right), calibrated on held-out sessions.

A logistic regression (Platt 1999) over what is known without the truth: how sure the decoder was of
its tokens and how near the nearest recorded transition is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldmodel.decode import Answer
from worldmodel.examples import Draft

FEATURES = ("bias", "mean_logprob", "least_logprob", "exact", "similar", "context", "past", "edits")
_PRIOR = (0.0, 2.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.0)


def features(answer: Answer, draft: Draft) -> list[float]:
    """What the estimate is made from, in the order of `FEATURES`."""
    hit = draft.hit
    return [
        1.0,
        max(answer.mean, -5.0),
        max(answer.least, -5.0),
        float(hit is not None and hit.exact),
        float(hit is not None and hit.similar),
        hit.score if hit is not None else 0.0,
        float(draft.source == "past"),
        math.log1p(len(answer.tokens)),
    ]


@dataclass(frozen=True)
class Trust:
    """The calibrated estimate."""

    weights: tuple[float, ...] = _PRIOR
    fitted_on: int = 0

    def probability(self, row: Sequence[float]) -> float:
        """P(correct) in [0, 1]."""
        score = sum(w * x for w, x in zip(self.weights, row, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))

    @classmethod
    def fit(cls, rows: Sequence[Sequence[float]], correct: Sequence[bool], penalty: float = 0.3) -> Trust:
        """Newton's method on the penalised likelihood, pulled towards the prior where data is scarce."""
        if len(rows) < 8:
            return cls()
        x, y = np.asarray(rows, dtype=np.float64), np.asarray(correct, dtype=np.float64)
        prior = np.asarray(_PRIOR)
        w = prior.copy()
        for _ in range(50):
            p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30, 30)))
            gradient = x.T @ (p - y) + penalty * (w - prior)
            hessian = (x.T * (p * (1 - p) + 1e-6)) @ x + penalty * np.eye(len(w))
            step = np.linalg.solve(hessian, gradient)
            w = w - step
            if float(np.abs(step).max()) < 1e-8:
                break
        return cls(tuple(float(v) for v in w), len(rows))


def auroc(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """P(a right answer is scored above a wrong one), ties half; None when only one kind is there."""
    right = [s for s, c in zip(scores, correct, strict=True) if c]
    wrong = [s for s, c in zip(scores, correct, strict=True) if not c]
    if not right or not wrong:
        return None
    wins = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
    return wins / (len(right) * len(wrong))
