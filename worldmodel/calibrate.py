"""What is fitted after training, on tasks that were kept from it: which edits to accept, how far to trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envsim.cli.common import progress
from envsim.rng import Rng
from worldmodel.decode import Answer, decode
from worldmodel.document import Lines
from worldmodel.examples import ACCEPT_ALL, Context, choose_draft, read_answer, write_context
from worldmodel.metrics import overlap
from worldmodel.model import WorldModel
from worldmodel.render import KINDS, Vocabulary
from worldmodel.retrieval import Memory
from worldmodel.session import Sample
from worldmodel.trust import Trust, auroc, features

THRESHOLDS = (ACCEPT_ALL, -1.2, -0.9, -0.7, -0.5, -0.35, -0.25, -0.15, -0.08, -0.04, -0.01, 1.0)
"""Candidates for the least mean log-probability of an edit; the last accepts none."""
MOST = 400
BATCH = 16

Decoded = tuple[Sample, Context, Answer]


@dataclass(frozen=True)
class Calibration:
    """What was fitted, and how well the model did meanwhile."""

    trust: Trust
    accept: dict[str, float]
    report: dict[str, Any]


def calibrate(
    network: WorldModel, vocabulary: Vocabulary, memory: Memory, stable: frozenset[str], held_out: Sequence[Sample]
) -> Calibration:
    """Answer at most `MOST` held-out samples, then choose the threshold and fit the trust estimate."""
    chosen = [held_out[i] for i in sorted(Rng(0, "calibrate").sample(range(len(held_out)), MOST))]
    decoded: list[Decoded] = []
    with progress("calibrating", len(chosen)) as advance:
        for start in range(0, len(chosen), BATCH):
            part = chosen[start : start + BATCH]
            contexts = [write_context(vocabulary, s.situation, choose_draft(s.situation, memory), stable) for s in part]
            decoded += zip(part, contexts, decode(network, vocabulary, contexts, [None] * len(part)), strict=True)
            advance(len(part))
    accept = {kind: _threshold(vocabulary, [d for d in decoded if d[1].draft.kind == kind]) for kind in KINDS}
    correct = [_read(vocabulary, item, accept) == item[0].target for item in decoded]
    rows = [features(answer, context.draft) for _, context, answer in decoded]
    # Half fits, half scores, so that the reported AUROC is not of the points it was fitted on.
    half = Trust.fit(rows[::2], correct[::2])
    area = auroc([half.probability(row) for row in rows[1::2]], correct[1::2])
    report = {
        "samples": len(rows),
        "exact": round(sum(correct) / len(correct), 4) if correct else None,
        "accept": accept,
        "auroc": round(area, 4) if area is not None else None,
    }
    return Calibration(Trust.fit(rows, correct), accept, report)


def _read(vocabulary: Vocabulary, item: Decoded, accept: dict[str, float]) -> Lines:
    _, context, answer = item
    return read_answer(vocabulary, context, answer.tokens, answer.logprobs, accept)[1]


def _threshold(vocabulary: Vocabulary, decoded: Sequence[Decoded]) -> float:
    """The best threshold for drafts of one kind; of equals the strictest, as the draft is the safer answer."""
    if not decoded:
        return THRESHOLDS[-1]
    return max(reversed(THRESHOLDS), key=lambda threshold: _quality(vocabulary, decoded, threshold))


def _quality(vocabulary: Vocabulary, decoded: Sequence[Decoded], threshold: float) -> float:
    """Whole answers that are right, plus the F1 of all their lines: the second settles near ties."""
    total = 0.0
    for item in decoded:
        lines, target = _read(vocabulary, item, dict.fromkeys(KINDS, threshold)), item[0].target
        precision, recall = overlap(Counter(lines), Counter(target))
        total += (lines == target) + (2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return total
