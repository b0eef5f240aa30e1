"""Trying both kinds of draft on recorded requests, so that each kind of page gets the one that does better."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from worldmodel.document import Lines, body
from worldmodel.examples import candidates
from worldmodel.metrics import changes
from worldmodel.pages.answers import without_changes
from worldmodel.pages.worth import Worth
from worldmodel.retrieval import Memory
from worldmodel.session import Sample

MOST = 24
"""Requests of one kind of page."""


def weigh(found: Sequence[Sample], memory: Memory) -> Worth:
    """How page programs do beside neighbours, on requests that they were not learned from.

    Either is told what happened, and neither may use records of the request's own task.

    Args:
        found: What `memory` was learned from.
        memory: Its page programs have just been learned.
    """
    worth = Worth()
    if memory.pages is None:
        return worth
    trial = memory.with_pages(memory.pages.on_trial())
    for numbers in (numbers for _, numbers in sorted(memory.pages.tried.items())):
        for number in numbers[:: max(1, -(-len(numbers) // MOST))]:
            sample = found[number]
            either = candidates(sample.situation, trial, without=sample.group, told=sample)
            if either.page is not None and either.case is not None:
                before, real = body(sample.situation.current), without_changes(sample.target)
                program, other = (without_changes(draft.lines) for draft in (either.page, either.other))
                near = _f1(before, body(program), body(real)) - _f1(before, body(other), body(real))
                worth.note(either.case, (program == real) - (other == real), near)
    return worth


def _f1(before: Lines, predicted: Lines, real: Lines) -> float:
    """Of changed elements, see `worldmodel.metrics`."""
    old = Counter(before)
    guess, truth = changes(old, predicted), changes(old, real)
    total = guess.total() + truth.total()
    return 2 * (guess & truth).total() / total if total else 1.0
