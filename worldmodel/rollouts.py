"""Training on the model's own rollouts: situations that it leads itself into, with what really followed there.

One-step training shows a network only pages that an app made. Served, it reads pages that it wrote itself, and
mistakes compound. So recorded training sessions are run again on the model's own answers, and what was recorded next
is learned in the situations this leads to: DAgger with the recording as the expert (Ross et al. 2011), for sequences
also Data as Demonstrator (Venkatraman et al. 2015). Scheduled sampling (Bengio et al. 2015) tosses a coin for every
token; here whole answers are ours, and recorded and own situations are mixed by example.

**Which recorded answers still hold.** An app answers from its state, its chance and what it is asked, never from what
was shown before. So however wrong our pages were, the recorded answer stays the right one while (1) the state that we
believe is the recorded one, (2) the same is asked, and (3) the same bugs fired. The requests are the recorded ones,
and so is chance: drafts and outcome tokens are those of what happened. Where an answer of ours would change the state
otherwise than the app did, the recorded answer takes its place, in the state and on the page (the expert intervenes):
after it no recorded answer would be right. A session ends where chance parts it from its recording all the same.
Without a state view, what is believed is what results said: an answer that shows other rows than the app's is
replaced likewise. So what is learned is to answer rightly after wrong pages; what to answer from a wrong state, no
recording tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from envsim.cli.common import progress
from envsim.rng import Rng
from worldmodel.dataset import read_json, write_json
from worldmodel.decode import Answer, decode
from worldmodel.document import Lines, body, meta, to_lines, to_transition
from worldmodel.examples import (
    Context,
    Draft,
    choose_draft,
    is_of,
    outcome_of,
    read_answer,
    write_answer,
    write_context,
)
from worldmodel.model import WorldModel
from worldmodel.optimise import Example, Pace, optimise
from worldmodel.render import Vocabulary
from worldmodel.results.implied import rows_of
from worldmodel.retrieval import Memory
from worldmodel.session import Sample, Situation
from worldmodel.support import comparable

SHARE = 0.25
"""Steps of this phase, as a share of those of the first."""
GENTLE = 0.3
"""Its peak learning rate, as a share of the first phase's."""
BATCH = 16


@dataclass(frozen=True)
class Taught:
    """What a phase after the first teaches with."""

    vocabulary: Vocabulary
    memory: Memory
    stable: frozenset[str]
    samples: Sequence[Sample]
    """Of training sessions."""
    rates: Mapping[str, float]
    """Of the bugs that were on."""
    seed: int = 0

    def context(self, sample: Sample) -> Context:
        """What the network reads before it answers `sample`."""
        return write_context(self.vocabulary, sample.situation, draft_for(sample, self.memory), self.stable)

    def outcome(self, sample: Sample) -> str:
        """What happened, as the vocabulary names it."""
        name = outcome_of(sample.target)
        return name if name in self.vocabulary.outcomes else self.vocabulary.outcomes[0]


def draft_for(sample: Sample, memory: Memory) -> Draft:
    """The draft that a sample is learned with: for what happened, without the records of its own task."""
    usual = choose_draft(sample.situation, memory, without=sample.group)
    if is_of(usual, sample, memory):
        return usual
    return choose_draft(sample.situation, memory, without=sample.group, told=sample)


@dataclass
class _Run:
    """A recorded session that is run again."""

    past: tuple[tuple[str, Lines], ...]
    """As `worldmodel.session.Situation.past`, with our answers."""
    todo: list[Sample]
    edits: bool
    """Whether the network's edits are made, or the draft stands: which edits a model accepts is calibrated later, on
    tasks kept from training, and what it then does lies between the two."""


def roll_out(network: WorldModel, taught: Taught, episodes: int) -> tuple[list[Example], dict[str, int]]:
    """Run training sessions on the model's own answers.

    Args:
        network: In eval mode.
        taught: Sessions, and what their answers start from.
        episodes: How many sessions; all there are where that is fewer.

    Returns:
        Examples of situations that were not recorded, and counts: ``episodes``, ``requests``, of them ``strayed`` (the
        situation was not the recorded one), ``replaced`` (the answer would have changed the state otherwise) and
        ``chance`` (the session ended), and ``examples``.
    """
    runs = _runs(taught, episodes)
    counts = Counter(episodes=len(runs), requests=0, strayed=0, replaced=0, chance=0, examples=0)
    out: list[Example] = []
    with progress("rolling out", sum(len(run.todo) for run in runs)) as advance:
        while runs:
            for start in range(0, len(runs), BATCH):
                part = runs[start : start + BATCH]
                out += _step(network, taught, part, counts)
                advance(len(part))
            runs = [run for run in runs if run.todo]
    counts["examples"] = len(out)
    return out, dict(counts)


def _runs(taught: Taught, episodes: int) -> list[_Run]:
    by_session: dict[str, list[Sample]] = {}
    for sample in taught.samples:
        if sample.index > 0:
            by_session.setdefault(sample.session, []).append(sample)
    long = sorted(name for name, todo in by_session.items() if len(todo) > 1)
    names = Rng(taught.seed, "rollouts").sample(long, episodes)
    out = []
    for number, name in enumerate(names):
        todo = sorted(by_session[name], key=lambda s: s.index)
        out.append(_Run(todo[0].situation.past, todo, edits=number % 2 == 0))
    return out


def _step(network: WorldModel, taught: Taught, runs: Sequence[_Run], counts: Counter[str]) -> list[Example]:
    """One request of each run; returns the examples it gives."""
    asked = [replace(r.todo[0], situation=_ours(r.todo[0].situation, r.past)) for r in runs]
    contexts = [taught.context(sample) for sample in asked]
    answers = [Answer()] * len(runs)
    writing = [i for i, run in enumerate(runs) if run.edits]
    if writing:
        found = decode(
            network, taught.vocabulary, [contexts[i] for i in writing], [None] * len(writing),
            outcomes=[taught.outcome(asked[i]) for i in writing],
        )  # fmt: skip
        for i, answer in zip(writing, found, strict=True):
            answers[i] = answer
    out = []
    for run, sample, context, answer in zip(runs, asked, contexts, answers, strict=True):
        recorded = run.todo.pop(0)
        counts["requests"] += 1
        if sample.situation != recorded.situation:
            counts["strayed"] += 1
            tokens = write_answer(taught.vocabulary, context, sample.target, known_only=True)
            settled = context.draft.label in taught.vocabulary.outcomes
            out += [Example(context.tokens, tokens, settled=settled)] if tokens is not None else []
        lines = read_answer(taught.vocabulary, context, answer.tokens)[1]
        if not comparable(lines, sample.target, taught.rates):
            counts["chance"] += 1
            run.todo.clear()
            continue
        if not leads_alike(lines, sample):
            counts["replaced"] += 1
            lines = sample.target
        served = to_lines(to_transition(lines, sample.situation.interface))
        run.past = (*run.past, (sample.situation.request.key, served))
    return out


def _ours(recorded: Situation, past: tuple[tuple[str, Lines], ...]) -> Situation:
    """A recorded situation after our answers. State and so facts are the same: only what was shown differs."""
    if past == recorded.past:
        return recorded
    return replace(recorded, past=past, current=_shown(past[-1][1], recorded))


def _shown(answer: Lines, recorded: Situation) -> Lines:
    """Our last answer with what the browser has since done to the recorded one: texts typed, boxes ticked, focus."""
    theirs, current = recorded.past[-1][1], recorded.current
    if answer == theirs or meta(theirs, "url") != meta(current, "url"):
        # On an older page (back, another tab) code alone says what stands there.
        return current
    before, after = body(theirs), body(current)
    done = (
        {old: new for old, new in zip(before, after, strict=False) if old != new} if len(before) == len(after) else {}
    )
    return tuple(done.get(line, line) for line in answer)


def leads_alike(lines: Lines, sample: Sample) -> bool:
    """Whether the same is believed after this answer as after the recorded one: then what was recorded next holds."""
    if _changes(lines) != _changes(sample.target):
        return False
    if sample.situation.interface == "browser" or sample.situation.state:
        return True
    key = sample.situation.request.key
    return rows_of(key, lines) == rows_of(key, sample.target)


def _changes(lines: Lines) -> set[str]:
    return {line for line in lines if line[:1] == "!"}


def learn_from_rollouts(
    network: WorldModel, taught: Taught, recorded: Sequence[Example], episodes: int, pace: Pace, steps: int,
    folder: Path, key: str,
) -> dict[str, Any]:  # fmt: skip
    """The phase: roll out, then train on its examples and as many recorded ones.

    Args:
        network: As the first phase left it; trained further in its place.
        taught: See `roll_out`.
        recorded: The examples of the first phase.
        episodes: See `roll_out`.
        pace: Of the first phase.
        steps: That the first phase took.
        folder: For what a resumed run goes on from.
        key: What the result depends on.

    Returns:
        The counts of `roll_out`, and how training went; nothing is trained where no situation strayed.
    """
    network.eval()
    own, counts = _kept(network, taught, episodes, folder / "examples.json", key)
    if not own:
        return {**counts, "steps": 0}
    beside = Rng(taught.seed, "beside rollouts").sample(recorded, len(own))
    further = replace(
        pace, epochs=1e9, steps=max(1, round(SHARE * steps)), minutes=0.0, lr=GENTLE * pace.lr, balance=0.0
    )
    log = optimise(network, [*own, *beside], further, folder, key)
    return {**counts, **log}


def _kept(
    network: WorldModel, taught: Taught, episodes: int, path: Path, key: str
) -> tuple[list[Example], dict[str, int]]:
    """`roll_out`, or what it gave before the run was cut off."""
    if path.exists():
        known = read_json(path)
        if known["key"] == key:
            return [Example(*row) for row in known["examples"]], known["counts"]
    own, counts = roll_out(network, taught, episodes)
    examples = [[e.context, e.answer, e.changes, e.settled] for e in own]
    write_json(path, {"key": key, "counts": counts, "examples": examples})
    return own, counts
