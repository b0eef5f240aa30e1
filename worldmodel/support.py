"""What speaks for an answer before the truth is known: the network's own doubt, and what recorded traffic carries."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from itertools import accumulate, islice

from worldmodel.decode import Answer
from worldmodel.document import Lines, body, meta
from worldmodel.examples import Draft
from worldmodel.render import KINDS, skeleton, values
from worldmodel.retrieval import Memory
from worldmodel.rules.branches import operation
from worldmodel.rules.programs import Outcome
from worldmodel.session import Sample, Situation

FEATURES = (
    "bias", "mean_logprob", "least_logprob", "entropy", "written", "kept",
    *(f"draft_{kind}" for kind in KINDS), "context", "draft_sure", "branch_sure", "no_rule", "no_delta",
    "recorded", "never_recorded", "new_entities", "record", "unsupported", "past", "drift",
    "same_request", "closest_answer", "mean_answer", "equal_answers", "various_answers",
    "probable", "bug", "page_record", "least_line", "all_lines", "made_lines", "new_wording", "changes",
    "alone", "rival",
)  # fmt: skip
"""In the order of `Support.features`."""

Record = Mapping[str, Sequence[int]]
"""How drafts did on training requests, their task hidden, as (right, all): by operation; by operation and kind of
draft; and, behind `_PAGE` and `_LINE`, by kind of answer and by kind of line."""

_LEAST_LOGPROB = -5.0
_SHRINK = 4.0
"""Requests that a share counts for before any was seen, at the share of the wider class."""
_LATEST = 12
"""Records of one page that are looked at."""
_PAGE, _LINE = "\npage\n", "\nline\n"
_SHOWN, _RECORDED, _MADE = "shown", "recorded", "made"
"""Where a line is from: this session has seen it; records of the page or request have; programs or mixing made it."""
_OFTEN = 2
"""A kind of line that was written less often says nothing."""
_LEAST_SHARE = 0.02
_MOST_LOSS = 12.0


class Support:
    """Features of answers, given all that was recorded.

    Args:
        memory: The recorded transitions.
        record: As `track_record` gives it.
        rates: Of the bugs that are on; None: nothing happens by chance.
    """

    def __init__(self, memory: Memory, record: Record, rates: Mapping[str, float] | None = None) -> None:
        self.memory = memory
        self.record = record
        self.rates = dict(rates or {})
        everything = [counts for key, counts in record.items() if "\n" not in key]
        self._overall = (sum(c[0] for c in everything) + 1.0) / (sum(c[1] for c in everything) + 2.0)

    @cached_property
    def _values(self) -> dict[str, str | None]:
        """Every value that stands in a recorded request or answer -> the only group it stands in; None: in several."""
        lines: dict[str, str | None] = {}
        for sample in self.memory.samples:
            for line in (*sample.situation.request.lines, *sample.target):
                lines[line] = sample.group if lines.get(line, sample.group) == sample.group else None
        out: dict[str, str | None] = {}
        for line, group in lines.items():
            for value in values(self.memory.lexicon, (line,)):
                out[value] = group if out.get(value, group) == group else None
        return out

    def less(self, own: Record) -> Support:
        """The same less what `own` tells: a record that a task's own answers have part in knows how they came out."""
        record = dict.fromkeys(own, (0, 0)) | dict(self.record)
        for key, (right, total) in own.items():
            record[key] = (max(0, record[key][0] - right), max(0, record[key][1] - total))
        self._values  # noqa: B018 - counted once, for all copies
        other = copy(self)
        other.record = record
        return other

    def odds(self, situation: Situation, outcome: Outcome | None) -> float:
        """P(bugs that fire by chance fire as in an outcome that rules gave); 1 without any."""
        if outcome is None or self.memory.rules is None or outcome.p >= 1.0:
            return 1.0
        return said_odds(self.memory.rules.outcomes(situation), self.rates, outcome.events)

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

    def features(
        self, situation: Situation, draft: Draft, answer: Answer, lines: Lines, without: str | None = None
    ) -> list[float]:  # fmt: skip
        """What the estimate is made from, in the order of `FEATURES`.

        Args:
            situation: What was answered.
            draft: What the answer was written as edits of.
            answer: What the network wrote.
            lines: The answer as it is served.
            without: A group whose records may not speak for it.
        """
        count = self.recorded(situation)
        share = self.share(situation, draft.kind)
        outcome = draft.outcome
        # Whether a bug of known rate fires is no doubt about what follows if it does, and another if it does not.
        odds = self.odds(situation, outcome) or 1.0
        written = origins(lines, situation, self.memory, without)
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
            min(1.0, outcome.sure / odds) if outcome is not None else 0.0,
            float(outcome is None),
            float(outcome is not None and outcome.delta is None),
            math.log1p(count) / 5.0,
            float(count == 0),
            self._new(situation, without),
            _logit(share),
            math.log1p(self._unsupported(situation, written)),
            # Some things happen at the third look at an app, or when nothing has been asked of it yet.
            math.log1p(len(situation.past)),
            math.log1p(situation.drift),
            *self._agreement(situation, lines, without),
            min(1.0, outcome.p / odds) if outcome is not None else 0.0,
            float(outcome is not None and bool(outcome.events)),
            _logit(self._share((_PAGE, *pages_of(lines, draft, self.memory)))),
            *self._lines(situation, written),
            # What was recorded of an app is older than what this session did to it.
            math.log1p(sum(line[:1] == "!" for _, past in situation.past for line in past)),
            float(draft.rival is None),
            math.log1p(draft.rival or 0),
        ]

    def _share(self, keys: Iterable[str]) -> float:
        """The share that was right, each class shrunk towards the one before it."""
        share, key = self._overall, ""
        for part in keys:
            key += part
            right, total = self.record.get(key, (0, 0))
            share = (right + _SHRINK * share) / (total + _SHRINK)
        return share

    def _lines(self, situation: Situation, written: Sequence[tuple[str, str]]) -> tuple[float, float, float, float]:
        """How often lines like those that an answer brings in were right.

        The least share (as log-odds); the logarithm of their product, as if they were independent; how many no record
        shows; how many are worded as none ever was.
        """
        shares: list[float] = []
        new = 0
        for kind, (_, origin) in kinds_of(written, situation, self.memory).items():
            right, total = self.record.get(f"{_LINE}{origin}\n{kind}", (0, 0))
            new += total == 0
            wide = self.record.get(f"{_LINE}{origin}", (1, 2))
            usual = (wide[0] + 1.0) / (wide[1] + 2.0)
            shares.append((right + _SHRINK * usual) / (total + _SHRINK))
        made = sum(origin == _MADE for _, origin in written)
        least = min(shares, default=1.0 - _LEAST_SHARE / 4)
        loss = math.fsum(math.log(max(share, _LEAST_SHARE)) for share in shares)
        return _logit(least), max(loss, -_MOST_LOSS), math.log1p(made), math.log1p(new)

    def _agreement(
        self, situation: Situation, lines: Lines, without: str | None
    ) -> tuple[float, float, float, float, float]:  # fmt: skip
        """How recorded answers to this very request compare with ours, and with each other.

        How many there are (log, capped); of their overlaps with ours the greatest and the mean; the share that are
        ours; the share that are distinct. What is answered otherwise each time depends on more than the request.
        """
        there = (sample for sample in self.memory.at(situation, "") if without is None or sample.group != without)
        answers = Counter(body(sample.target) for sample in islice(there, _LATEST))
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

    def _new(self, situation: Situation, without: str | None) -> float:
        """Share of the request's values that were never recorded."""
        asked = set(values(self.memory.lexicon, situation.request.lines))
        new = sum(value not in self._values or self._values[value] == without is not None for value in asked)
        return new / len(asked) if asked else 0.0

    def _unsupported(self, situation: Situation, written: Sequence[tuple[str, str]]) -> int:
        """Lines of an answer for which nothing speaks.

        Neither this session showed them nor a record of the same page or request, and they hold a value that
        nothing known here holds.
        """
        lexicon = self.memory.lexicon
        given = set(values(lexicon, (*situation.request.lines, *situation.facts, *situation.current)))
        return sum(origin == _MADE and not given.issuperset(values(lexicon, (line,))) for line, origin in written)


def _logit(share: float) -> float:
    share = min(max(share, 1e-4), 1.0 - 1e-4)
    return math.log(share / (1.0 - share))


def origins(
    lines: Lines, situation: Situation, memory: Memory, without: str | None = None
) -> list[tuple[str, str]]:  # fmt: skip
    """Every line of an answer's page or result with where it is from; records of the group `without` are not asked."""
    shown = {line for _, past in situation.past for line in past}
    shown.update(situation.current)
    recorded: set[str] = set()
    there = (sample for sample in memory.at(situation, meta(lines, "url")) if sample.group != without)
    for sample in islice(there, _LATEST):
        recorded.update(sample.target)
    return [(line, _SHOWN if line in shown else _RECORDED if line in recorded else _MADE) for line in body(lines)]


def kinds_of(
    written: Sequence[tuple[str, str]], situation: Situation, memory: Memory
) -> dict[str, tuple[str, str]]:  # fmt: skip
    """The kinds of lines that an answer brings in (wording without values) -> the first of each, and its origin."""
    here = set(situation.current)
    found: dict[str, tuple[str, str]] = {}
    for line, origin in written:
        if line not in here:
            found.setdefault(f"{origin} {skeleton(memory.lexicon, (line.strip(),))}", (line, origin))
    return found


def pages_of(lines: Lines, draft: Draft, memory: Memory) -> tuple[str, ...]:
    """What kind of answer one is, from the widest: its page, what it announces, what kind of draft it is from."""
    url = meta(lines, "url")
    if memory.rules is None or not url:
        return ()
    place = memory.rules.known.address(url).partition("?")[0]
    said = draft.outcome.branch.partition(" ")[2] if draft.outcome is not None else ""
    return (place, f"\n{said}", f"\n{draft.kind}")


def operation_of(memory: Memory, situation: Situation) -> str:
    """The operation of a request; its skeleton where no rules tell names from wording."""
    if memory.rules is None:
        return memory.shape(situation).replace("\n", " ")
    return operation(situation.request, memory.rules.known)


def _by_kind(name: str, kind: str) -> str:
    return f"{name}\n{kind}"


def track_record(
    pairs: Iterable[tuple[Draft, Sample]], memory: Memory, often: int = _OFTEN
) -> dict[str, list[int]]:  # fmt: skip
    """How often drafts made without a sample's own task were right: by operation, kind of answer and kind of line.

    Kinds of lines that were written less than `often` are left out.
    """
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for draft, sample in pairs:
        good = same_answer(draft.lines, sample.target)
        name = operation_of(memory, sample.situation)
        for key in (name, _by_kind(name, draft.kind), *accumulate((_PAGE, *pages_of(draft.lines, draft, memory)))):
            total[key] += 1
            right[key] += good
        target = set(sample.target)
        written = origins(draft.lines, sample.situation, memory, sample.group)
        for kind, (line, origin) in kinds_of(written, sample.situation, memory).items():
            for key in (f"{_LINE}{origin}", f"{_LINE}{origin}\n{kind}"):
                total[key] += 1
                right[key] += line in target
    kept = (key for key, count in total.items() if count >= often or not key.startswith(_LINE))
    return {key: [right[key], total[key]] for key in sorted(kept)}


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
    a, b = (chance_of((line[7:].strip('"') for line in side if line.startswith("@event ")), rates)
            for side in (lines, target))  # fmt: skip
    return a == b


def chance_of(events: Iterable[str], rates: Mapping[str, float]) -> frozenset[str]:
    """Of events such as ``bug:slow``, those that fire by chance: declared with a rate between 0 and 1."""
    return frozenset(event for event in events if 0.0 < rates.get(event.partition(":")[2], 1.0) < 1.0)


def said_odds(outcomes: Sequence[Outcome], rates: Mapping[str, float], events: Iterable[str] | None = None) -> float:
    """P(chance falls as `events` say; None: as the first of these does), of all that may follow; without any, 1."""
    told = [(chance_of(outcome.events, rates), outcome.p) for outcome in outcomes]
    said = chance_of(events, rates) if events is not None else next((one for one, _ in told), frozenset())
    total = sum(p for _, p in told)
    return min(1.0, sum(p for one, p in told if one == said) / total) if total else 1.0
