"""Optimising a network: batches, their order, AdamW with its learning rate, checkpoints and a log.

The order of the data is a function of seed and epoch alone and a checkpoint holds the optimiser too, so a run that
was killed ends in the same bytes as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from envsim.cli.common import progress
from envsim.rng import Rng
from worldmodel import render
from worldmodel.checkpoint import load_checkpoint, save_checkpoint
from worldmodel.model import WorldModel

READ_WEIGHT = 0.25
"""Weight of the loss on contexts beside that on answers."""


@dataclass(frozen=True)
class Pace:
    """How far and how fast to optimise; `worldmodel.train.Args` explains the fields."""

    epochs: float = 6.0
    steps: int = 0
    minutes: float = 0.0
    batch_tokens: int = 2048
    lr: float = 2e-3
    seed: int = 0
    checkpoint_s: float = 60.0


@dataclass(frozen=True)
class Example:
    """One encoded sample: context and answer tokens."""

    context: list[int]
    answer: list[int]

    def __len__(self) -> int:
        return len(self.context) + len(self.answer)


def batches(examples: Sequence[Example], pace: Pace, epoch: int) -> list[list[int]]:
    """Example numbers by batch, for one epoch: shuffled, of similar lengths, at most `batch_tokens` padded."""
    rng = Rng(pace.seed, "epoch", epoch)
    order = rng.shuffled(range(len(examples)))
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


def collate(examples: Sequence[Example], device: str) -> tuple[Tensor, Tensor]:
    """Tokens (B, T), padded at the end, and which of them are answers (B, T)."""
    width = max(map(len, examples))
    tokens = torch.full((len(examples), width), render.PAD)
    answer = torch.zeros(len(examples), width, dtype=torch.bool)
    for row, example in enumerate(examples):
        tokens[row, : len(example)] = torch.tensor(example.context + example.answer)
        answer[row, len(example.context) : len(example)] = True
    return tokens.to(device), answer.to(device)


def optimise(network: WorldModel, examples: Sequence[Example], pace: Pace, out: Path, key: str) -> dict[str, Any]:
    """Run AdamW (Loshchilov & Hutter 2019) with a short warm-up and a cosine down to a tenth."""
    device = network.embed.weight.device.type
    per_epoch = len(batches(examples, pace, 0))
    total = max(1, round(pace.epochs * per_epoch))
    total = min(total, pace.steps) if pace.steps else total
    decay = [p for p in network.parameters() if p.ndim > 1]
    optimizer = torch.optim.AdamW(decay, lr=pace.lr, betas=(0.9, 0.95), weight_decay=0.05)
    step, spent = load_checkpoint(out, network, optimizer, key)
    first, saved = step, time.monotonic()
    started = saved - spent
    seen, smooth = 0, 0.0
    network.train()
    with (
        progress("training", total) as advance,
        (out / "log.jsonl").open("a", buffering=1, encoding="utf-8") as log,
    ):
        advance(step)
        epoch, order = -1, []
        while step < total:
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = batches(examples, pace, epoch)
            batch = [examples[i] for i in order[step % per_epoch]] if step % per_epoch < len(order) else []
            done = max(step / total, (time.monotonic() - started) / (60 * pace.minutes) if pace.minutes else 0.0)
            if batch:
                loss = update(network, optimizer, collate(batch, device), learning_rate(pace.lr, step, done))
                seen += sum(map(len, batch))
                smooth = loss if not smooth else 0.9 * smooth + 0.1 * loss
            step += 1
            now = time.monotonic()
            left = (now - started - spent) / (step - first) * (total - step)
            advance(1, f"training  loss {smooth:.3f}  {seen / (now - started - spent):,.0f} tok/s  {left:,.0f} s left")
            if step % 20 == 0 or step == total:
                log.write(
                    json.dumps({"step": step, "loss": round(smooth, 4), "seconds": round(now - started, 1)}) + "\n"
                )
            if pace.minutes and now - started > 60 * pace.minutes:
                break
            if now - saved > pace.checkpoint_s:
                save_checkpoint(out, step, now - started, network, optimizer, key)
                saved = now
    return {"steps": step, "loss": round(smooth, 4), "tokens": seen, "seconds": round(time.monotonic() - started, 1)}


def learning_rate(peak: float, step: int, done: float) -> float:
    """Linear warm-up over 40 steps, then a cosine down to a twentieth of `peak` as `done` goes from 0 to 1."""
    warm = min(1.0, (step + 1) / 40)
    return peak * warm * (0.05 + 0.95 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done))))


def update(network: WorldModel, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], lr: float) -> float:
    """One optimiser step; its loss in nats per answer token."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    tokens, answer = batch
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=tokens.device.type == "cuda"):
        written, loss = network.loss(tokens, answer, READ_WEIGHT)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    return float(written.detach())
