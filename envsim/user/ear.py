"""What an agent did, from its words: a classifier per act, fitted where traces say what agents meant.

A linear classifier on words and pairs of words for each label (see `envsim.user.progress.label`), as in
Hahn et al., "Comparing stochastic approaches to spoken language understanding" (IEEE TASLP 2011), the plainest of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from envsim.linear import fit_logistic, rows, vocabulary
from envsim.types import Frozen
from envsim.user.sessions import words

LEAST = 8
"""Utterances that must have a label, or a word, for it to be learned."""
SMALL = 0.25
"""Weights below this are dropped."""


class Detector(Frozen):
    """One label's classifier."""

    bias: float
    weights: dict[str, float]


class Ear(Frozen):
    """Reads labels out of an agent's words; without detectors it hears nothing."""

    detectors: dict[str, Detector] = Field(default={}, description="by label")

    def hear(self, text: str) -> tuple[str, ...]:
        """The labels of what was said, sorted."""
        seen = features(text)
        size = len(seen) ** 0.5 or 1.0
        return tuple(
            label
            for label, detector in self.detectors.items()
            if detector.bias + sum(detector.weights.get(name, 0.0) for name in seen) / size > 0
        )


def features(text: str) -> dict[str, float]:
    """Words and pairs of them; anything with a digit is one word ``#``."""
    row = ["<", *("#" if any(c.isdigit() for c in word) else word for word in words(text)), ">"]
    return dict.fromkeys([*row[1:-1], *(f"{a} {b}" for a, b in itertools.pairwise(row))], 1.0)


def fit_ear(heard: Sequence[tuple[str, Iterable[str]]], *, l2: float = 0.01) -> Ear:
    """An ear from what agents said and the labels of it.

    A label is heard above the score that as many of the given utterances exceed as have it, halfway to the next.
    """
    heard = [(text, frozenset(labels)) for text, labels in heard if text]
    samples = [features(text) for text, _ in heard]
    columns = vocabulary(samples, least=LEAST)
    names = list(columns)
    data = rows(samples, columns)
    counts: dict[str, int] = {}
    for _, labels in heard:
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    detectors = {}
    for label in sorted(label for label, count in counts.items() if count >= LEAST):
        has = np.asarray([label in labels for _, labels in heard], bool)
        fitted = fit_logistic(data, has, l2=l2)
        ranked, count = np.sort(fitted.score(data)), int(has.sum())
        least = float(ranked[-count - 1 :][:2].mean())
        weights = {names[k]: round(float(w), 2) for k, w in enumerate(fitted.weights) if abs(w) >= SMALL}
        detectors[label] = Detector(bias=round(fitted.bias - least, 3), weights=weights)
    return Ear(detectors=detectors)
