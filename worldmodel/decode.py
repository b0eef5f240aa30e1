"""Batched decoding in which only answers that parse can be written.

The mask follows the grammar of `worldmodel.render`; an answer that runs out of room is cut and then
means "the draft as it is", so there is no input and no set of weights that leads to an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from envsim.rng import uniform
from worldmodel import render
from worldmodel.examples import MAX_ANSWER, Context, Draft, write_context
from worldmodel.model import WorldModel
from worldmodel.render import MAX_LINES, Slots, Vocabulary
from worldmodel.session import Situation
from worldmodel.stepper import stepper
from worldmodel.threads import one_thread


@dataclass
class Grammar:
    """What may come next in one answer."""

    vocabulary: Vocabulary
    slots: int
    lines: int
    outcome: str | None = None
    """The outcome that code has settled; None: the network says."""
    state: str = "outcome"
    at: int = 0
    """The first draft line the next edit may start at."""

    def __post_init__(self) -> None:
        self.lines = min(self.lines, MAX_LINES - 1)

    def allowed(self) -> list[tuple[int, int]]:
        """Token ranges ``[start, end)`` that keep the answer in the language."""
        v = self.vocabulary
        edit, end = (render.EDIT, render.EDIT + 1), (render.END, render.END + 1)
        content = [
            (v.number0, v.number0 + render.MAX_NUMBER),
            (v.slot0, v.slot0 + self.slots),
            (v.text0, v.size),
        ]
        if self.state == "outcome":
            if self.outcome in v.outcomes:
                settled = v.outcome0 + v.outcomes.index(self.outcome)
                return [(settled, settled + 1)]
            return [(v.outcome0, v.outcome0 + len(v.outcomes))]
        if self.state == "top":
            return [edit, end]
        if self.state in ("from", "to"):
            return [(v.line0 + self.at, v.line0 + self.lines + 1)]
        if self.state == "lines":
            return [edit, end, (v.line0, v.line0 + self.lines), *content]
        return [*content, (render.NL, render.NL + 1)]

    def take(self, token: int) -> bool:
        """Move on by one token; true when the answer is complete."""
        v = self.vocabulary
        if token == render.END:
            return True
        if self.state == "outcome":
            self.state = "top"
        elif token == render.EDIT:
            self.state = "from"
        elif self.state in ("from", "to"):
            self.at = token - v.line0
            self.state = "to" if self.state == "from" else "lines"
        elif token == render.NL or v.line0 <= token < v.text0:
            self.state = "lines"
        else:
            self.state = "text"
        return False


@dataclass
class Answer:
    """One decoded answer."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    """Natural log-probability of each token under the mask."""
    entropy: float = 0.0
    """Of the outcome token, in nats: how open it is what kind of answer follows."""

    @property
    def mean(self) -> float:
        """Mean log-probability; 0 is certainty."""
        return sum(self.logprobs) / max(1, len(self.logprobs))

    @property
    def least(self) -> float:
        """Log-probability of the least likely token."""
        return min(self.logprobs, default=0.0)

    def first(self, count: int) -> Answer:
        """What it would be if no more than `count` tokens had been asked for."""
        return Answer(self.tokens[:count], self.logprobs[:count], self.entropy if count else 0.0)


def room(draft: Draft, accept: Mapping[str, float]) -> int:
    """How many tokens of a network can matter to the answer.

    None where no edit is accepted (a log-probability is never above 0) and rules say what happened; without such
    rules the first, which says it.
    """
    if accept.get(draft.kind, 0.0) <= 0.0:
        return MAX_ANSWER
    return int(draft.outcome is None)


def write(
    model: WorldModel, vocabulary: Vocabulary, situations: Sequence[Situation], drafts: Sequence[Draft],
    stable: frozenset[str], accept: Mapping[str, float], keys: Sequence[tuple[int | str, ...]] | None = None,
    temperature: float = 1.0,
) -> list[tuple[Context, Answer]]:  # fmt: skip
    """What the network makes of drafts, as far as it can matter (`room`): it is not asked about the rest.

    Args:
        model: In eval mode.
        vocabulary: The model's.
        situations: What to answer.
        drafts: Its draft, for each.
        stable: See `worldmodel.examples.survival`.
        accept: See `worldmodel.examples.read_answer`; ``{}``: all edits may matter.
        keys: As `decode`; None: greedy.
        temperature: As `decode`.
    """
    found = [(Context([], Slots(), draft), Answer()) for draft in drafts]
    asked = [i for i, draft in enumerate(drafts) if room(draft, accept)]
    contexts = [write_context(vocabulary, situations[i], drafts[i], stable) for i in asked]
    rooms = [room(drafts[i], accept) for i in asked]
    drawn = [None if keys is None else keys[i] for i in asked]
    answers = decode(model, vocabulary, contexts, drawn, rooms, temperature=temperature)
    for i, context, answer in zip(asked, contexts, answers, strict=True):
        found[i] = (context, answer)
    return found


class Remote(WorldModel):
    """A network that is not here: it has no hidden states to decode from, and writes whole answers."""

    def answers(self, vocabulary: Vocabulary, contexts: Sequence[Context]) -> list[Answer]:
        """What `decode` gives; the likeliest, of the outcome too where it is not settled."""
        raise NotImplementedError


@one_thread()
@torch.inference_mode()
def decode(
    model: WorldModel, vocabulary: Vocabulary, contexts: Sequence[Context],
    keys: Sequence[tuple[int | str, ...] | None], rooms: Sequence[int] | None = None, *,
    outcomes: Sequence[str] | None = None, every: bool = False, temperature: float = 1.0,
) -> list[Answer]:  # fmt: skip
    """Answers for a batch of contexts, greedy but for the outcome token.

    Args:
        model: In eval mode.
        vocabulary: The model's.
        contexts: What to answer; any lengths.
        keys: Per context the RNG key its outcome is drawn with, or None for greedy.
        rooms: The most tokens of each; None: `MAX_ANSWER`.
        outcomes: Per context the outcome, where it is known what happened; None: as the drafts say, or the network.
        every: Every token is drawn, not the outcome alone: answers as likely as the network finds them.
        temperature: What logits of the outcome are divided by: see `worldmodel.temperature`.
    """
    if not contexts:
        return []
    if isinstance(model, Remote):
        whole = model.answers(vocabulary, contexts)
        return whole if rooms is None else [one.first(most) for one, most in zip(whole, rooms, strict=True)]
    settled = [c.draft.label for c in contexts] if outcomes is None else outcomes
    grammars = [
        Grammar(vocabulary, len(c.slots.texts), len(c.draft.lines), outcome)
        for c, outcome in zip(contexts, settled, strict=True)
    ]
    most = [MAX_ANSWER] * len(contexts) if rooms is None else rooms
    answers = [Answer() for _ in contexts]
    alive = list(range(len(contexts)))
    with stepper(model) as batch:
        logits = batch.read([c.tokens for c in contexts], max(most)) / temperature
        for step in range(max(most)):
            picked = _pick(logits, [grammars[i] for i in alive], [_key(keys[i], step, every) for i in alive])
            keep = []
            for row, (i, (token, logprob, entropy)) in enumerate(zip(alive, picked, strict=True)):
                answer = answers[i]
                answer.entropy = entropy if step == 0 else answer.entropy
                answer.tokens.append(token)
                answer.logprobs.append(logprob)
                if not grammars[i].take(token) and len(answer.tokens) < most[i]:
                    keep.append(row)
            if not keep:
                break
            alive = [alive[row] for row in batch.keep(keep)]
            logits = batch.write([answers[i].tokens[-1] for i in alive])
    return answers


def _key(key: tuple[int | str, ...] | None, step: int, every: bool) -> tuple[int | str, ...] | None:
    """The key that token `step` of an answer is drawn with; None: it is the most probable one."""
    if step == 0 or key is None:
        return key
    return (*key, step) if every else None


def _pick(
    logits: Tensor, grammars: Sequence[Grammar], keys: Sequence[tuple[int | str, ...] | None]
) -> list[tuple[int, float, float]]:
    """The next token of each row, its log-probability among the allowed ones, and their entropy."""
    mask = torch.ones(logits.shape, dtype=torch.bool)
    for row, grammar in enumerate(grammars):
        for start, end in grammar.allowed():
            mask[row, start:end] = False
    logprobs = logits.masked_fill(mask.to(logits.device), float("-inf")).log_softmax(-1)  # (B, V)
    best = logprobs.argmax(-1).tolist()
    for row, key in enumerate(keys):
        if key is not None:
            best[row] = _sample(logprobs[row].cpu(), uniform(*key))
    taken = logprobs.gather(1, torch.tensor(best, device=logits.device)[:, None])[:, 0]
    entropy = torch.special.entr(logprobs.exp()).sum(-1)
    return list(zip(best, *torch.stack((taken, entropy)).tolist(), strict=True))


def _sample(logprobs: Tensor, point: float) -> int:
    """The token at `point` in [0, 1) of a distribution (V,) on the CPU."""
    total = logprobs.double().exp().cumsum(0)
    at = int(torch.searchsorted(total, torch.tensor([point * float(total[-1])], dtype=torch.double), right=True)[0])
    # Rounding may land past the last allowed token.
    return at if at < len(logprobs) and logprobs[at] > float("-inf") else int(logprobs.argmax())
