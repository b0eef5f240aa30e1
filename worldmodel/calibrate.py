"""What is fitted after training, on tasks that were kept from it: which edits to accept, how far to trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from envsim.cli.common import progress
from envsim.rng import Rng
from worldmodel.decode import Answer, decode, room, write
from worldmodel.document import Lines, to_transition
from worldmodel.examples import ACCEPT_ALL, Context, Draft, choose_draft, read_answer, with_events
from worldmodel.metrics import overlap
from worldmodel.model import WorldModel
from worldmodel.render import KINDS, Vocabulary
from worldmodel.session import Sample, Session, Situation
from worldmodel.support import Support, comparable, same_answer, track_record
from worldmodel.temperature import fit_temperature, open_to
from worldmodel.trust import ALPHA, Answered, Trust, fits

THRESHOLDS = (ACCEPT_ALL, -1.2, -0.9, -0.7, -0.5, -0.35, -0.25, -0.15, -0.08, -0.04, -0.02, -0.01, -0.003, -0.001, 1.0)
"""Candidates for the least log-probability of the token that begins an edit; the last accepts none."""
MOST = 800
MOST_FREE = 400
"""Answers in sessions that run on their own answers."""
BATCH = 16

Decoded = tuple[Sample, Context, Answer]


@dataclass(frozen=True)
class Calibration:
    """What was fitted, and how well the model did meanwhile."""

    trust: Trust
    accept: dict[str, float]
    temperature: float
    report: dict[str, Any]


@dataclass(frozen=True)
class _Parts:
    """A model that is not yet one."""

    network: WorldModel
    vocabulary: Vocabulary
    support: Support
    stable: frozenset[str]
    temperature: float = 1.0

    def decode(self, situations: Sequence[Situation], accept: Mapping[str, float]) -> list[tuple[Context, Answer]]:
        drafts = [choose_draft(s, self.support.memory) for s in situations]
        return write(
            self.network, self.vocabulary, situations, drafts, self.stable, accept, temperature=self.temperature
        )

    def read(self, context: Context, answer: Answer, accept: Mapping[str, float]) -> Lines:
        return read_answer(self.vocabulary, context, answer.tokens, answer.logprobs, accept)[1]


def calibrate(
    network: WorldModel,
    vocabulary: Vocabulary,
    support: Support,
    stable: frozenset[str],
    held_out: Sequence[Sample],
    rates: Mapping[str, float],
    alpha: float = ALPHA,
    taught: Sequence[Sample] = (),
    before: tuple[Support, Sequence[Sample]] | None = None,
) -> Calibration:
    """Answer held-out requests, given what really happened and given the model's own answers; then fit.

    Edits to accept and the trust estimate are fitted on half of the held-out sessions; what is reported of it, and the
    threshold of the trust region, is of the other half. Its heads see the requests of `crossed` too, which prove
    nothing: rules were learned from those.

    Args:
        network: In eval mode.
        vocabulary: The network's.
        support: What was recorded; none of `held_out` is in it.
        stable: See `worldmodel.examples.survival`.
        held_out: Requests that no programs were learned from; `MOST` of them are drawn.
        rates: Of the bugs that were on, for telling chance from error.
        alpha: Share of wrong answers allowed inside the trust region.
        taught: What `support.memory` was learned from, if its page programs have just been: see `crossed`.
        before: Programs of less, and held-out requests that `support` was learned from and these were not, `MOST` of
            which they answer: of templates that `support` has come to know, they tell how programs do that do not. No
            request is answered by both: it would prove the region twice.
    """
    parts = _Parts(network, vocabulary, support, stable)
    decoded = _decoded(parts, held_out, {})
    parts, decoded, opened = _scaled(parts, decoded)
    ours = [d for d in decoded if fits(d[0].session)]
    accept = {kind: _threshold(vocabulary, [d for d in ours if d[1].draft.kind == kind]) for kind in KINDS}
    # Where no edit is accepted, the network will not be asked: what trust is fitted on must not know it either.
    decoded = [(sample, context, answer.first(room(context.draft, accept))) for sample, context, answer in decoded]
    answered = _answered(parts, decoded, accept, rates)
    chance = len(decoded) - len(answered.rows)
    others, unknown = crossed(support, taught, rates), Answered()
    if before is not None:
        earlier = replace(parts, support=before[0])
        unknown = _answered(earlier, _decoded(earlier, before[1], accept), accept, rates)
    first = Trust.fit(answered + unknown, others, alpha=alpha)[0]
    with progress("running freely") as tell:
        free = free_running(parts, accept, first, held_out, rates)
        tell(len(free.rows))
    trust, report = Trust.fit(answered + unknown, others, free, alpha)
    exact = sum(same_answer(parts.read(c, a, accept), s.target) for s, c, a in decoded)
    report = {
        "samples": len(decoded),
        "exact": round(exact / len(decoded), 4) if decoded else None,
        "chance": chance,
        "crossed": len(others.rows),
        "unknown": len(unknown.rows),
        "accept": accept,
        "open": opened,
        "temperature": parts.temperature,
        **report,
    }
    return Calibration(trust, accept, parts.temperature, report)


def _decoded(parts: _Parts, found: Sequence[Sample], accept: Mapping[str, float]) -> list[Decoded]:
    """`MOST` requests, drawn at random, and what is written of each."""
    chosen = [found[i] for i in sorted(Rng(0, "calibrate").sample(range(len(found)), MOST))]
    out: list[Decoded] = []
    with progress("calibrating", len(chosen)) as advance:
        for start in range(0, len(chosen), BATCH):
            part = chosen[start : start + BATCH]
            pairs = parts.decode([sample.situation for sample in part], accept)
            out += [(sample, *pair) for sample, pair in zip(part, pairs, strict=True)]
            advance(len(part))
    return out


def _scaled(parts: _Parts, decoded: Sequence[Decoded]) -> tuple[_Parts, list[Decoded], int]:
    """The same with outcomes as open as half of the sessions show them, and how many of all it is about."""
    at = [i for i, (_, context, _) in enumerate(decoded) if context.draft.outcome is None]
    taught = [(s, c) for s, c, _ in (decoded[i] for i in at) if fits(s.session) and open_to(parts.vocabulary, s, c)]
    parts = replace(parts, temperature=fit_temperature(parts.network, parts.vocabulary, taught))
    out = list(decoded)
    for start in range(0, len(at) if parts.temperature != 1.0 else 0, BATCH):
        part = at[start : start + BATCH]
        contexts = [decoded[i][1] for i in part]
        greedy: list[tuple[int | str, ...] | None] = [None] * len(part)
        answers = decode(parts.network, parts.vocabulary, contexts, greedy, temperature=parts.temperature)
        for i, context, answer in zip(part, contexts, answers, strict=True):
            out[i] = (decoded[i][0], context, answer)
    return parts, out, len(at)


def _answered(
    parts: _Parts, decoded: Sequence[Decoded], accept: Mapping[str, float], rates: Mapping[str, float]
) -> Answered:  # fmt: skip
    """What was right of what was decoded; what chance alone parts from the recording is left out."""
    out = Answered()
    for sample, context, answer in decoded:
        lines = parts.read(context, answer, accept)
        if comparable(lines, sample.target, rates):
            row = parts.support.features(sample.situation, context.draft, answer, lines)
            out.add(row, same_answer(lines, sample.target), sample.session)
    return out


def crossed(support: Support, taught: Sequence[Sample], rates: Mapping[str, float]) -> Answered:
    """Training requests that page programs were tried on, answered without records of their own task.

    What is held out is one template of ten, and how far to trust its answers says little about other pages. These are
    of every kind of page that was recorded. Their own task is hidden from neighbours and memory, and what its requests
    here told from the track record. Not all is of others: page programs were not learned from these requests, but
    maybe from others of their task, and rules, worths and the programs' own scores know them. So they come right
    somewhat too often, the more so the fewer sessions there are: they may say what tells right answers from wrong ones,
    and neither how often answers are right nor where the trust region ends. Code alone answers: a network has seen
    what follows here, and would be sure of it.
    """
    memory, out = support.memory, Answered()
    if memory.pages is None or not taught:
        return out
    trial = memory.with_pages(memory.pages.on_trial())
    by_group: dict[str, list[tuple[Draft, Sample]]] = {}
    numbers = sorted({number for tried in memory.pages.tried.values() for number in tried})
    with progress("trying on training tasks", len(numbers)) as advance:
        for sample in (taught[number] for number in numbers):
            draft = choose_draft(sample.situation, trial, without=sample.group)
            by_group.setdefault(sample.group, []).append((draft, sample))
            advance(1)
    for group, pairs in by_group.items():
        apart = support.less(track_record(pairs, memory, often=1))
        for draft, sample in pairs:
            lines = with_events(draft)
            if comparable(lines, sample.target, rates):
                row = apart.features(sample.situation, draft, Answer(), lines, group)
                out.add(row, same_answer(lines, sample.target), sample.session)
    return out


def free_running(
    parts: _Parts, accept: Mapping[str, float], trust: Trust, held_out: Sequence[Sample], rates: Mapping[str, float]
) -> Answered:
    """Held-out sessions whose requests are made again, each answer resting on the model's own before it.

    A session ends for us where chance alone parts it from the recording.
    """
    by_session: dict[str, list[Sample]] = {}
    for sample in held_out:
        if sample.index > 0:
            by_session.setdefault(sample.session, []).append(sample)
    names = Rng(0, "free running").shuffled(sorted(by_session))
    live: list[tuple[Session, list[Sample]]] = []
    budget = MOST_FREE
    for name in names:
        todo = sorted(by_session[name], key=lambda s: s.index)
        if len(todo) > 1 and budget > 0:
            live.append((Session.at(todo[0].situation), todo))
            budget -= len(todo)
    out = Answered()
    while live:
        asked = [session.situation(todo[0].situation.request) for session, todo in live]
        found = [pair for i in range(0, len(asked), BATCH) for pair in parts.decode(asked[i : i + BATCH], accept)]
        on: list[tuple[Session, list[Sample]]] = []
        for (session, todo), situation, (context, answer) in zip(live, asked, found, strict=True):
            lines, target = parts.read(context, answer, accept), todo[0].target
            if not comparable(lines, target, rates):
                continue
            row = parts.support.features(situation, context.draft, answer, lines)
            out.add(row, same_answer(lines, target), todo[0].session)
            p = trust.probability(row)
            transition = to_transition(lines, session.interface, p, trusted=trust.holds(p))
            session.answer(situation.request, transition)
            if todo[1:]:
                on.append((session, todo[1:]))
        live = on
    return out


def _threshold(vocabulary: Vocabulary, decoded: Sequence[Decoded]) -> float:
    """The best threshold for drafts of one kind; of equals the strictest, as the draft is the safer answer."""
    if not decoded:
        return THRESHOLDS[-1]
    return max(reversed(THRESHOLDS), key=lambda threshold: _quality(vocabulary, decoded, threshold))


def _quality(vocabulary: Vocabulary, decoded: Sequence[Decoded], threshold: float) -> float:
    """Whole answers that are right, plus the F1 of all their lines: the second settles near ties."""
    total = 0.0
    for item in decoded:
        sample, context, answer = item
        accept = dict.fromkeys(KINDS, threshold)
        lines, target = read_answer(vocabulary, context, answer.tokens, answer.logprobs, accept)[1], sample.target
        precision, recall = overlap(Counter(lines), Counter(target))
        total += (lines == target) + (2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return total
