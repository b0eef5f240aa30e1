"""What speaks for an answer before the truth is known: the network's own doubt, and what recorded traffic carries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice

from worldmodel.decode import Answer
from worldmodel.document import Lines, body, meta
from worldmodel.examples import Draft
from worldmodel.render import KINDS, values
from worldmodel.retrieval import Memory
from worldmodel.rules.branches import operation
from worldmodel.session import Sample, Situation

FEATURES = (
    "bias", "mean_logprob", "least_logprob", "entropy", "written", "kept",
    *(f"draft_{kind}" for kind in KINDS), "context", "draft_sure", "branch_sure", "no_rule", "no_delta",
    "recorded", "never_recorded", "new_entities", "record", "unsupported", "past", "drift",
    "same_request", "closest_answer", "mean_answer", "equal_answers", "various_answers",
)  # fmt: skip
"""In the order of `Support.features`."""

Record = Mapping[str, Sequence[int]]
"""Operation, or operation and kind of draft -> (right, all): how drafts did on training requests, their task hidden."""

_LEAST_LOGPROB = -5.0
_SHRINK = 4.0
"""Requests that a share counts for before any was seen, at the share of the wider class."""
_LATEST = 12
"""Records of one page that are looked at."""


class Support:
    """Features of answers, given all that was recorded.

    Args:
        memory: The recorded transitions.
        record: As `track_record` gives it.
    """

    def __init__(self, memory: Memory, record: Record) -> None:
        self.memory = memory
        self.record = record
        everything = [counts for key, counts in record.items() if "\n" not in key]
        self._overall = (sum(c[0] for c in everything) + 1.0) / (sum(c[1] for c in everything) + 2.0)

    @cached_property
    def _values(self) -> frozenset[str]:
        """Every value that stands in a recorded request or answer."""
        lines = {line for s in self.memory.samples for line in (*s.situation.request.lines, *s.target)}
        return frozenset(values(self.memory.lexicon, sorted(lines)))

    def recorded(self, situation: Situation) -> int:
        """How many training requests were of this operation."""
        return int(self.record.get(operation_of(self.memory, situation), (0, 0))[1])

    def share(self, situation: Situation, kind: str) -> float:
        """The share of such requests whose draft, of this kind, was right; shrunk towards that of all requests."""
        name = operation_of(self.memory, situation)
        share = self._overall
        for key in (name, _by_kind(name, kind)):
            right, total = self.record.get(key, (0, 0))
            share = (right + _SHRINK * share) / (total + _SHRINK)
        return share

    def features(self, situation: Situation, draft: Draft, answer: Answer, lines: Lines) -> list[float]:
        """What the estimate is made from, in the order of `FEATURES`.

        Args:
            situation: What was answered.
            draft: What the answer was written as edits of.
            answer: What the network wrote.
            lines: The answer as it is served.
        """
        count = self.recorded(situation)
        share = self.share(situation, draft.kind)
        outcome = draft.outcome
        return [
            1.0,
            max(answer.mean, _LEAST_LOGPROB),
            max(answer.least, _LEAST_LOGPROB),
            answer.entropy,
            math.log1p(len(answer.tokens)),
            float(body(lines) == body(draft.lines)),
            *(float(draft.kind == kind) for kind in KINDS),
            draft.hit.score if draft.hit is not None else 0.0,
            draft.sure,
            outcome.sure if outcome is not None else 0.0,
            float(outcome is None),
            float(outcome is not None and outcome.delta is None),
            math.log1p(count) / 5.0,
            float(count == 0),
            self._new(situation),
            math.log(share / (1.0 - share)),
            math.log1p(self._unsupported(situation, lines)),
            # Some things happen at the third look at an app, or when nothing has been asked of it yet.
            math.log1p(len(situation.past)),
            math.log1p(situation.drift),
            *self._agreement(situation, lines),
        ]

    def _agreement(self, situation: Situation, lines: Lines) -> tuple[float, float, float, float, float]:
        """How recorded answers to this very request compare with ours, and with each other.

        How many there are (log, capped); of their overlaps with ours the greatest and the mean; the share that are
        ours; the share that are distinct. What is answered otherwise each time depends on more than the request.
        """
        answers = Counter(body(sample.target) for sample in islice(self.memory.at(situation, ""), _LATEST))
        if not answers:
            return 0.0, 0.0, 0.0, 0.0, 1.0
        ours, count = Counter(body(lines)), answers.total()
        overlaps, equal = [], 0
        for answer, often in answers.items():
            theirs = Counter(answer)
            both = (ours & theirs).total()
            overlaps += [both / max(1, ours.total() + len(answer) - both)] * often
            equal += often * (theirs == ours)
        return math.log1p(count), max(overlaps), math.fsum(overlaps) / count, equal / count, len(answers) / count

    def _new(self, situation: Situation) -> float:
        """Share of the request's values that were never recorded."""
        asked = set(values(self.memory.lexicon, situation.request.lines))
        return len(asked - self._values) / len(asked) if asked else 0.0

    def _unsupported(self, situation: Situation, lines: Lines) -> int:
        """Lines of an answer for which nothing speaks.

        Neither this session showed them nor a record of the same page or request, and they hold a value that
        nothing known here holds.
        """
        shown = {line for _, past in situation.past for line in past}
        shown.update(situation.current)
        for sample in islice(self.memory.at(situation, meta(lines, "url")), _LATEST):
            shown.update(sample.target)
        lexicon = self.memory.lexicon
        given = set(values(lexicon, (*situation.request.lines, *situation.facts, *situation.current)))
        return sum(line not in shown and not given.issuperset(values(lexicon, (line,))) for line in body(lines))


def operation_of(memory: Memory, situation: Situation) -> str:
    """The operation of a request; its skeleton where no rules tell names from wording."""
    if memory.rules is None:
        return memory.shape(situation).replace("\n", " ")
    return operation(situation.request, memory.rules.known)


def _by_kind(name: str, kind: str) -> str:
    return f"{name}\n{kind}"


def track_record(pairs: Iterable[tuple[Draft, Sample]], memory: Memory) -> dict[str, list[int]]:
    """How often drafts made without a sample's own task were right, by operation and by operation and kind."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for draft, sample in pairs:
        good = same_answer(draft.lines, sample.target)
        name = operation_of(memory, sample.situation)
        for key in (name, _by_kind(name, draft.kind)):
            total[key] += 1
            right[key] += good
    return {key: [right[key], total[key]] for key in sorted(total)}


def same_answer(lines: Lines, target: Lines) -> bool:
    """Whether two documents say the same: page or result, URL, title, error, and changes in any order."""
    a, b = _plain(lines), _plain(target)
    return a == b or (sorted(a[0]), a[1]) == (sorted(b[0]), b[1])


def _plain(lines: Lines) -> tuple[Lines, Lines]:
    kept = [line for line in lines if not line.startswith("@event ")]
    return tuple(line for line in kept if line[:1] == "!"), tuple(line for line in kept if line[:1] != "!")


def comparable(lines: Lines, target: Lines, rates: Mapping[str, float]) -> bool:
    """Whether the two tell of the same chance events.

    Whether a bug that fires now and then fires this time is no question of right or wrong: a world that draws it at
    its rate is right about it. A bug of rate 1, or one nobody declared, is.
    """
    a, b = ({line for line in side if line.startswith("@event ")} for side in (lines, target))
    names = (line[7:].strip('"').partition(":")[2] for line in a ^ b)
    return not any(0.0 < rates.get(name, 1.0) < 1.0 for name in names)
