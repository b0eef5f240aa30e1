"""A short policy-gradient phase on what answers are scored by: F1 of changed elements, and being right as a whole.

Cross-entropy counts tokens; a wrong edit of one token and one that spoils a page cost it alike. Here, for each of a
few contexts, several answers are drawn at temperature 1 under the grammar's mask and made likelier the better they
score beside each other: group-relative advantages, no critic (GRPO, Shao et al. 2024), every batch used once. A
penalty on the divergence from the network that the phase began with (the estimator of Schulman 2020) keeps it near.

**The outcome token is not rewarded.** How often a bug fires is a rate to be met, and a policy gradient would have the
network say whatever scores best. The outcome of every answer is therefore the recorded one and its token is left out
of the gradient; as it shares its weights with the rest, the distribution over outcomes is held to the one before the
phase by their divergence, computed exactly.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from envsim.cli.common import progress
from envsim.rng import Rng
from worldmodel.checkpoint import load_checkpoint, save_checkpoint
from worldmodel.dataset import read_json, write_json
from worldmodel.decode import Grammar, decode
from worldmodel.document import Lines, to_transition
from worldmodel.examples import Context, read_answer, write_answer
from worldmodel.metrics import score
from worldmodel.model import WorldModel
from worldmodel.optimise import Example, collate
from worldmodel.render import Vocabulary
from worldmodel.rollouts import Taught
from worldmodel.session import Sample
from worldmodel.support import same_answer

CONTEXTS = 6
"""Of one step."""
ANSWERS = 4
"""Drawn for each."""
MOST = 600
"""Contexts prepared in all; longer phases meet them again."""
LR = 1e-4
NEAR = 0.05
"""Weight of the divergence of the rest from the network before, in nats per token."""
HOLD = 1.0
"""Weight of the divergence of the outcomes."""
HISTORY = "history.json"
_LEAST_SPREAD = 0.05
"""Added to the spread of a group's rewards: next to equal ones say next to nothing."""


@dataclass(frozen=True)
class Problem:
    """Something to answer, and what really followed."""

    sample: Sample
    context: Context
    outcome: str


@dataclass(frozen=True)
class Attempt:
    """One drawn answer."""

    problem: Problem
    tokens: list[int]
    advantage: float

    @property
    def example(self) -> Example:
        """As a sequence."""
        return Example(self.problem.context.tokens, self.tokens)


def reward(lines: Lines, sample: Sample) -> float:
    """F1 of changed elements (browser) or of fields (tools), and 1 more for an answer that is right as a whole.

    In [0, 2]. Where nothing changed and nothing was predicted to, F1 is 1.
    """
    interface, target = sample.situation.interface, sample.target
    real, guess = (to_transition(side, interface) for side in (target, lines))
    f1 = score(interface, sample.situation.current, real, guess).f1
    return (1.0 if f1 is None else f1) + same_answer(lines, target)


def advantages(rewards: Sequence[float]) -> list[float]:
    """How much better than its group each is, in spreads of the group; zeros where all are equal."""
    mean = sum(rewards) / len(rewards)
    spread = (sum((r - mean) ** 2 for r in rewards) / len(rewards)) ** 0.5
    return [(r - mean) / (spread + _LEAST_SPREAD) for r in rewards]


def problems(taught: Taught, most: int) -> list[Problem]:
    """Training requests to answer, drawn by seed; those whose answer the network could not write are left out."""
    chosen = Rng(taught.seed, "reinforce").sample(taught.samples, most)
    out = []
    with progress("choosing drafts", len(chosen)) as advance:
        for sample in chosen:
            context = taught.context(sample)
            if write_answer(taught.vocabulary, context, sample.target, known_only=True) is not None:
                out.append(Problem(sample, context, taught.outcome(sample)))
            advance(1)
    return out


def attempts(
    network: WorldModel, vocabulary: Vocabulary, asked: Sequence[Problem], key: tuple[int | str, ...]
) -> tuple[list[Attempt], list[float]]:
    """`ANSWERS` drawn answers to each problem; those of groups in which all score alike teach nothing and are left out.

    Returns:
        The attempts, and the reward of every answer that was drawn.
    """
    each = [problem for problem in asked for _ in range(ANSWERS)]
    answers = decode(
        network, vocabulary, [p.context for p in each], [(*key, number) for number in range(len(each))],
        outcomes=[p.outcome for p in each], every=True,
    )  # fmt: skip
    rewards = [
        reward(read_answer(vocabulary, problem.context, answer.tokens)[1], problem.sample)
        for problem, answer in zip(each, answers, strict=True)
    ]
    out = []
    for start in range(0, len(each), ANSWERS):
        group = range(start, start + ANSWERS)
        for i, advantage in zip(group, advantages(rewards[start : start + ANSWERS]), strict=True):
            if max(rewards[j] for j in group) > min(rewards[j] for j in group):
                out.append(Attempt(each[i], answers[i].tokens, advantage))
    return out, rewards


def objective(network: WorldModel, before: WorldModel, vocabulary: Vocabulary, drawn: Sequence[Attempt]) -> Tensor:
    """What a step lowers: minus advantage times log-probability, a mean over all drawn tokens but outcomes.

    Plus the divergences from the network `before`, of these tokens and of the outcomes.
    """
    device = network.embed.weight.device
    allowed = torch.cat([_allowed(vocabulary, attempt) for attempt in drawn]).to(device)  # (N, V)
    first = torch.tensor([at == 0 for a in drawn for at in range(len(a.tokens))], device=device)  # (N,)
    advantage = torch.tensor([a.advantage for a in drawn for _ in a.tokens], device=device)  # (N,)
    tokens, answer = collate([attempt.example for attempt in drawn], device)
    ours = _logits(network, tokens, answer)  # (N, V)
    with torch.no_grad():
        theirs = _logits(before, tokens, answer)
    taken = tokens[answer]  # (N,)
    new, old = (_logprobs(side, allowed).gather(1, taken[:, None])[:, 0] for side in (ours, theirs))  # (N,) each
    apart = (old - new).exp() - (old - new) - 1.0
    outcomes = slice(vocabulary.outcome0, vocabulary.outcome0 + len(vocabulary.outcomes))
    now, then = (side[first, outcomes].log_softmax(-1) for side in (ours, theirs))  # (B, outcomes) each
    held = (then.exp() * (then - now)).sum(-1).mean()
    rest = ~first
    return -(advantage * new)[rest].mean() + NEAR * apart[rest].mean() + HOLD * held


def _logits(network: WorldModel, tokens: Tensor, answer: Tensor) -> Tensor:
    """Logits (N, V) of the answers' tokens, answer by answer."""
    positions = torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.device.type == "cuda"):
        hidden = network.hidden(tokens, positions)[:, :-1]
        logits = network.logits(hidden[answer[:, 1:]])
    return logits.float()


def _logprobs(logits: Tensor, allowed: Tensor) -> Tensor:
    # Not minus infinity, which has no gradient that is a number.
    return logits.masked_fill(~allowed, -1e30).log_softmax(-1)


def _allowed(vocabulary: Vocabulary, attempt: Attempt) -> Tensor:
    """(T, V) bool: what the grammar let through at each token of an answer."""
    context = attempt.problem.context
    grammar = Grammar(vocabulary, len(context.slots.texts), len(context.draft.lines), attempt.problem.outcome)
    out = torch.zeros(len(attempt.tokens), vocabulary.size, dtype=torch.bool)
    for row, token in zip(out, attempt.tokens, strict=True):
        for start, end in grammar.allowed():
            row[start:end] = True
        grammar.take(token)
    return out


def reinforce(
    network: WorldModel, taught: Taught, steps: int, folder: Path, key: str, checkpoint_s: float = 60.0
) -> dict[str, Any]:
    """The phase: `steps` policy-gradient steps. A run that was killed goes on from its last checkpoint in `folder`.

    Returns:
        ``steps``, of them ``idle`` (all answers of every group scored alike); ``reward`` of the answers drawn in the
        first and in the last tenth of the steps, each a mean in [0, 2]; ``seconds``.
    """
    before = copy.deepcopy(network).eval()
    # Adam without weight decay: the penalty says what to stay near.
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad and p.ndim > 1], lr=LR)
    step, told = load_checkpoint(folder, network, optimizer, key)
    started = time.monotonic() - told.get("seconds", 0.0)
    asked = problems(taught, min(MOST, steps * CONTEXTS))
    history: list[list[float]] = read_json(folder / HISTORY)[:step] if step else []
    network.eval()
    saved = time.monotonic()
    with progress("reinforcing", steps) as advance:
        advance(step)
        while step < steps and asked:
            history.append(_step(network, before, optimizer, taught, asked, step))
            step += 1
            advance(1, f"reinforcing  reward {history[-1][0]:.2f}")
            if time.monotonic() - saved > checkpoint_s:
                write_json(folder / HISTORY, history)
                seconds = {"seconds": time.monotonic() - started}
                save_checkpoint(folder, step, seconds, network, optimizer, key)
                saved = time.monotonic()
    return _report(history, time.monotonic() - started)


def _step(
    network: WorldModel,
    before: WorldModel,
    optimizer: torch.optim.Optimizer,
    taught: Taught,
    asked: Sequence[Problem],
    step: int,
) -> list[float]:
    """One step of the phase: the mean reward of the answers drawn, and 1 where they taught nothing."""
    chosen = Rng(taught.seed, "reinforce", step).sample(asked, CONTEXTS)
    drawn, rewards = attempts(network, taught.vocabulary, chosen, (taught.seed, "reinforce", step))
    if drawn:
        network.zero_grad(set_to_none=True)
        objective(network, before, taught.vocabulary, drawn).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return [sum(rewards) / len(rewards), float(not drawn)]


def _report(history: Sequence[Sequence[float]], seconds: float) -> dict[str, Any]:
    tenth = max(1, len(history) // 10)
    ends = (history[:tenth], history[-tenth:]) if history else ()
    return {
        "steps": len(history),
        "idle": int(sum(idle for _, idle in history)),
        "reward": [round(sum(mean for mean, _ in end) / tenth, 4) for end in ends],
        "seconds": round(seconds, 1),
    }
