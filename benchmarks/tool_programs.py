"""A world model of tools without its network, for benchmarks: programs, and neighbours where they say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envsim.types import Transition
from worldmodel import dataset
from worldmodel.dataset import HELD_OUT, TRAIN
from worldmodel.document import Lines, to_transition
from worldmodel.examples import choose_draft
from worldmodel.metrics import same_result
from worldmodel.predict import Predictor, baselines
from worldmodel.render import Lexicon, entities_of
from worldmodel.results.implied import Believed
from worldmodel.results.programs import Results
from worldmodel.retrieval import Memory
from worldmodel.session import Sample, Situation

ALPHA = 0.05
"""Share of wrong answers that a trust region may hold."""
EVEN = 0.5
"""What is as likely wrong as right is in no region, however much there is in it that is right."""


class Programs(Predictor):
    """The draft alone, with the support of its least sure part as trust; no network."""

    name = "programs"

    def __init__(self, memory: Memory, threshold: float) -> None:
        self._memory = memory
        self.threshold = threshold

    def answer(self, situations: Sequence[Situation]) -> list[Transition | None]:
        """See `Predictor.answer`."""
        found = [_draft(situation, self._memory) for situation in situations]
        return [to_transition(lines, "tools", sure, trusted=sure >= self.threshold) for lines, sure in found]


def _draft(situation: Situation, memory: Memory) -> tuple[Lines, float]:
    said = memory.results.answer(situation) if memory.results is not None else None
    if said is not None and said.lines is not None:
        return said.lines, said.sure
    draft = choose_draft(situation, memory)
    return draft.lines, draft.sure


def region(memory: Memory, held_out: Sequence[Sample]) -> float:
    """The least threshold above which no more than `ALPHA` of the answers to held-out calls are wrong."""
    right = []
    for sample in held_out:
        lines, sure = _draft(sample.situation, memory)
        guess, truth = (to_transition(each, "tools").observation for each in (lines, sample.target))
        right.append((sure, guess.error == truth.error and same_result(guess, truth)))
    for threshold in sorted({max(sure, EVEN) for sure, _ in right}):
        inside = [each for sure, each in right if sure >= threshold]
        if inside.count(False) <= ALPHA * len(inside):
            return threshold
    return 1.0


def programs_alone(traces: Path, out: Path, seed: int) -> dict[str, Predictor]:
    """Programs learned from sessions of tools, and the baselines over the same, by name."""
    data = dataset.build(traces, out / "dataset", seed=seed)
    recorded = data.part(TRAIN)
    documents = [(s.session, (*s.situation.request.lines, *s.target, *s.situation.facts)) for s in recorded]
    results = Results.learn(recorded, data.manifest["tools"], seed)
    lexicon = Lexicon.build(documents, entities_of({}))
    threshold = region(Memory(recorded, lexicon, None, results), data.part(HELD_OUT))
    # As a saved model does: what the sessions kept for the region showed is known too, once they have served for it.
    results.start = Believed(data.samples)
    memory = Memory(data.samples, lexicon, None, results)
    others = baselines(memory)
    others.pop("draft")  # it is what the programs are
    return {Programs.name: Programs(memory, threshold), **others}
