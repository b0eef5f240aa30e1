"""Optimising a network: batches, their order, AdamW with its learning rate, checkpoints, a log and its curves.

The order of the data is a function of seed and epoch alone and a checkpoint holds the optimiser too, so a run that
was killed ends in the same bytes as one that was not. Several processes share out each batch (`worldmodel.team`).
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from envsim.cli.common import progress
from envsim.errors import ModelError
from envsim.rng import Rng
from worldmodel import balance, curves, render
from worldmodel.checkpoint import load_checkpoint, save_checkpoint
from worldmodel.model import WorldModel
from worldmodel.team import ALONE, Team, sum_gradients
from worldmodel.watch import EVERY, Measured, Watch, open_log

READ_WEIGHT = 0.25
"""Weight of the loss on contexts beside that on answers."""
OVERHEAD = 0.05
"""Share of the time that measuring on held-out examples may take."""


@dataclass(frozen=True)
class Pace:
    """How far and how fast to optimise; `worldmodel.train.Args` explains the fields.

    Raises:
        ModelError: A number means nothing.
    """

    epochs: float = 6.0
    steps: int = 0
    minutes: float = 0.0
    batch_tokens: int = 2048
    lr: float = 2e-3
    seed: int = 0
    checkpoint_s: float = 60.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("epochs", self.epochs), ("lr", self.lr), ("batch_tokens", self.batch_tokens)):
            if not 0 < value < math.inf:
                raise ModelError(f"{_option(name)} {value:g} is no amount to train with. Give a number above 0.")
        for name, value in (("steps", self.steps), ("minutes", self.minutes), ("checkpoint_s", self.checkpoint_s)):
            if not 0 <= value < math.inf:
                raise ModelError(f"{_option(name)} {value:g} is no limit. Give a number above 0, or 0 for none.")
        if not 0.0 <= self.balance <= 1.0:
            raise ModelError(
                f"--balance {self.balance:g} is no share. Give 0 (as recorded) to 1 (as many of each size)."
            )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Example:
    """One encoded sample: context and answer tokens."""

    context: list[int]
    answer: list[int]
    changes: int = 0
    """Edits of the draft."""
    settled: bool = False
    """Whether code says what happened: the outcome token is given where this is served, and not learned."""

    def __len__(self) -> int:
        return len(self.context) + len(self.answer)


def batches(examples: Sequence[Example], pace: Pace, epoch: int) -> list[list[int]]:
    """Example numbers by batch, for one epoch: shuffled, of similar lengths, at most `batch_tokens` padded."""
    rng = Rng(pace.seed, "epoch", epoch)
    drawn = balance.drawn([e.changes for e in examples], pace.balance, Rng(pace.seed, "balance", epoch))
    order = rng.shuffled(drawn)
    out: list[list[int]] = []
    for start in range(0, len(order), 256):
        window = sorted(order[start : start + 256], key=lambda i: len(examples[i]))
        batch: list[int] = []
        for i in window:
            if batch and len(examples[i]) * (len(batch) + 1) > pace.batch_tokens:
                out.append(batch)
                batch = []
            batch.append(i)
        out.append(batch)
    return rng.shuffled(out)


def collate(examples: Sequence[Example], device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Tokens (B, T), padded at the end, and which of them are answers (B, T)."""
    width = max(map(len, examples))
    tokens = torch.full((len(examples), width), render.PAD)
    answer = torch.zeros(len(examples), width, dtype=torch.bool)
    for row, example in enumerate(examples):
        tokens[row, : len(example)] = torch.tensor(example.context + example.answer)
        answer[row, len(example.context) : len(example)] = True
    return tokens.to(device), answer.to(device)


def optimise(
    network: WorldModel,
    examples: Sequence[Example],
    pace: Pace,
    out: Path,
    key: str,
    held_out: Sequence[Example] = (),
    team: Team = ALONE,
) -> dict[str, Any]:
    """Run AdamW (Loshchilov & Hutter 2019) with a short warm-up and a cosine down to a twentieth.

    Args:
        network: Trained in place.
        examples: What on; the same in every process of `team`, as are the other arguments.
        pace: How far and how fast.
        out: Run directory: checkpoints, ``log.jsonl`` and ``curves.svg``.
        key: What the result depends on; a checkpoint made under another one is not gone on from.
        held_out: A small fixed set to measure on now and then.
        team: The processes that train it together.

    Returns:
        ``steps``, ``loss`` (smoothed, nats per answer token), ``tokens``, ``seconds``, and the fields of the last
        `Measured` where there is something held out.

    Raises:
        ModelError: There are no examples, or training diverged.
    """
    if not examples:
        raise ModelError("Nothing to learn from: every answer was held out or is too long. Give more sessions.")
    per_epoch = len(first := batches(examples, pace, 0))
    total = _total(pace, per_epoch)
    optimizer = _adam(network, pace.lr)
    step, told = load_checkpoint(out, network, optimizer, key)
    watch = Watch(total, step, told, pace.minutes)
    weights = _outcome_weights(examples, pace, first)
    every = _every(held_out, pace)
    network.train()
    bar = progress("training", total) if team.main else nullcontext(lambda steps, told="": None)
    with bar as advance, open_log(out, step) if team.main else nullcontext() as log:
        advance(step)
        order = _from(examples, pace, step, per_epoch)
        share = _spent(watch, pace, team)
        while step < total and share <= 1.0:
            batch = next(order)
            rate = learning_rate(pace.lr, step, max(step / total, share))
            if batch:
                loss = _learn(network, optimizer, examples, batch, rate, weights, team)
                watch.stepped(loss, sum(len(examples[i]) for i in batch))
            step += 1
            share = _spent(watch, pace, team)
            last = step == total or share > 1.0
            if log is None:
                continue
            due = held_out and (last or step % every == 0)
            measured = measure(network, held_out, pace.batch_tokens) if due else None
            watch.measured = measured or watch.measured
            advance(1, watch.line(step))
            if measured or last or step % EVERY == 0:
                watch.write(log, step, rate, measured)
                curves.draw(out)
            if not last and time.monotonic() - watch.saved > pace.checkpoint_s:
                save_checkpoint(out, step, watch.told(), network, optimizer, key)
                watch.saved = time.monotonic()
    return watch.report(step)


def _total(pace: Pace, per_epoch: int) -> int:
    total = max(1, round(pace.epochs * per_epoch))
    return min(total, pace.steps) if pace.steps else total


def _adam(network: WorldModel, lr: float) -> torch.optim.Optimizer:
    decay = [p for p in network.parameters() if p.ndim > 1]
    return torch.optim.AdamW(decay, lr=lr, betas=(0.9, 0.95), weight_decay=0.05)


def _from(examples: Sequence[Example], pace: Pace, step: int, per_epoch: int) -> Iterator[list[int]]:
    """The batch of `step` and those after it, epoch after epoch; none where one has fewer than `per_epoch`."""
    for epoch in itertools.count(step // per_epoch):
        order = batches(examples, pace, epoch)
        for at in range(step % per_epoch if epoch == step // per_epoch else 0, per_epoch):
            yield order[at] if at < len(order) else []


def _outcome_weights(examples: Sequence[Example], pace: Pace, order: Sequence[Sequence[int]]) -> list[float] | None:
    """Of each example's outcome token, for each answer token of its batch; None: all are 1.

    A batch's loss is a mean over its tokens, so outcomes that come with long answers would count for less.
    """
    weights = balance.weights([e.changes for e in examples], pace.balance)
    if weights is None and not any(e.settled for e in examples):
        return None
    usual = sum(len(examples[i].answer) for batch in order for i in batch) / max(1, len(order))
    weights = weights or [1.0] * len(examples)
    return [0.0 if e.settled else weight / usual for e, weight in zip(examples, weights, strict=True)]


def _every(held_out: Sequence[Example], pace: Pace) -> int:
    """Steps between two measurements: reading is a third of learning, and may take `OVERHEAD` of the time."""
    steps = sum(map(len, held_out)) / (3 * pace.batch_tokens)
    return EVERY * max(1, math.ceil(steps / OVERHEAD / EVERY))


def _spent(watch: Watch, pace: Pace, team: Team) -> float:
    """How much of the time is spent, by one clock for all processes."""
    return team.told(watch.share()) if pace.minutes else 0.0


def learning_rate(peak: float, step: int, done: float) -> float:
    """Linear warm-up over 40 steps, then a cosine down to a twentieth of `peak` as `done` goes from 0 to 1."""
    warm = min(1.0, (step + 1) / 40)
    return peak * warm * (0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))))


def _learn(
    network: WorldModel,
    optimizer: torch.optim.Optimizer,
    examples: Sequence[Example],
    batch: Sequence[int],
    lr: float,
    weights: Sequence[float] | None,
    team: Team,
) -> float:
    """One step on a batch of example numbers, this process's part of it; the loss.

    Raises:
        ModelError: It is no number any more.
    """
    device = network.embed.weight.device
    part = team.part(batch)
    mine, whole = ([examples[i] for i in numbers] for numbers in (part, batch))
    rows = collate(mine, device) if mine else None
    answers = sum(len(e.answer) for e in whole)
    outcome = torch.tensor([answers * weights[i] for i in part], device=device) if weights is not None else None
    if team.count > 1:
        written = sum(len(e.answer) for e in mine) / answers
        given = sum(len(e.context) - 1 for e in mine) / sum(len(e.context) - 1 for e in whole)
        loss = _update_together(network, optimizer, rows, lr, outcome, (written, given), team)
    else:
        assert rows is not None
        loss = update(network, optimizer, rows, lr, outcome)
    if not math.isfinite(loss):
        raise ModelError(f"Training diverged: the loss is {loss}, at a learning rate of {lr:.2g}. Give a smaller --lr.")
    return loss


def update(
    network: WorldModel,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor],
    lr: float,
    outcome: Tensor | None = None,
) -> float:
    """One optimiser step; its loss in nats per answer token.

    Args:
        network: Trained in place.
        optimizer: Of its parameters.
        batch: As `collate` gives it.
        lr: Learning rate.
        outcome: (B,) weight of each row's outcome token; None: all are 1.
    """
    written, loss = _losses(network, batch, outcome)
    # Of the network: what the optimiser leaves alone has gradients too, and they would add up in the clipped norm.
    network.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    _descend(network, optimizer, lr)
    return float(written.detach())


def _update_together(
    network: WorldModel,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor] | None,
    lr: float,
    outcome: Tensor | None,
    shares: tuple[float, float],
    team: Team,
) -> float:
    """The step that one process would do on the whole batch: each mean counts for its `shares` of the tokens."""
    network.zero_grad(set_to_none=True)
    told = 0.0
    if batch is not None:
        written, loss = _losses(network, batch, outcome)
        (shares[0] * written + shares[1] * (loss - written)).backward()  # type: ignore[no-untyped-call]
        told = shares[0] * float(written.detach())
    told = sum_gradients(network, told, team)
    _descend(network, optimizer, lr)
    return told


def _losses(network: WorldModel, batch: tuple[Tensor, Tensor], outcome: Tensor | None) -> tuple[Tensor, Tensor]:
    tokens, answer = batch
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.device.type == "cuda"):
        if outcome is None:
            return network.loss(tokens, answer, READ_WEIGHT)
        return network.loss(tokens, answer, READ_WEIGHT, outcome)


def _descend(network: WorldModel, optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


@torch.inference_mode()
def measure(network: WorldModel, examples: Sequence[Example], batch_tokens: int = 2048) -> Measured:
    """How well a network does on examples, each token given those before it, and outcomes that code settles."""
    device = network.embed.weight.device
    training = network.training
    network.eval()
    loss, tokens_right, outcomes, answers, count = 0.0, 0, 0, 0, 0
    ordered = sorted(examples, key=len)
    while ordered:
        room = max(1, batch_tokens // len(ordered[-1]))
        part, ordered = ordered[-room:], ordered[:-room]
        tokens, answer = collate(part, device)
        positions = torch.arange(tokens.shape[1], device=device).expand(tokens.shape)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            hidden = network.hidden(tokens, positions)[:, :-1]
            logits = network.logits(hidden[answer[:, 1:]]).float()  # (N, V)
        following = tokens[:, 1:][answer[:, 1:]]
        lengths = [len(e.answer) for e in part]
        given = torch.zeros(len(following), dtype=torch.bool)
        given[[start for start, e in zip(accumulate([0, *lengths]), part, strict=False) if e.settled]] = True
        loss += float(F.cross_entropy(logits, following, reduction="none").cpu()[~given].sum())
        right = (logits.argmax(-1) == following).cpu()
        tokens_right, count = tokens_right + int(right[~given].sum()), count + int((~given).sum())
        for row in torch.split(right | given, lengths):
            outcomes, answers = outcomes + int(row[0]), answers + int(row.all())
    network.train(training)
    return Measured(loss / count, tokens_right / count, outcomes / len(examples), answers / len(examples))
