"""Watching a run: what its progress bar and its log say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from worldmodel import curves

EVERY = 20
"""Steps between lines of the log."""


@dataclass(frozen=True)
class Measured:
    """A network on the held-out examples, each token given those before it."""

    held_out: float
    """Loss in nats per answer token."""
    tokens_right: float
    """Share of answer tokens that were the most probable ones."""
    outcomes_right: float
    """The same of outcome tokens alone."""
    answers_right: float
    """Share of answers of which all tokens were."""


class Watch:
    """What has been done so far, and how fast.

    Args:
        total: Steps of the whole run.
        first: The step that the run goes on from.
        known: What `told` said then; empty where it begins.
        minutes: Most minutes of the whole run; 0: no limit.
    """

    def __init__(self, total: int, first: int, known: Mapping[str, float], minutes: float) -> None:
        spent = known.get("seconds", 0.0)
        self.saved = time.monotonic()
        """When the last checkpoint was made."""
        self.measured: Measured | None = None
        self.tokens, self.loss = int(known.get("tokens", 0)), known.get("loss", 0.0)
        self._read = self.tokens
        self._total, self._first, self._spent, self._limit = total, first, spent, 60 * minutes
        self._started = self.saved - spent

    def seconds(self) -> float:
        """Of the whole run."""
        return time.monotonic() - self._started

    def share(self) -> float:
        """How much of the time is spent; 0 where it has no limit."""
        return self.seconds() / self._limit if self._limit else 0.0

    def stepped(self, loss: float, tokens: int) -> None:
        """One step more: its loss, and how many tokens it was of."""
        self.tokens += tokens
        self.loss = loss if not self.loss else 0.9 * self.loss + 0.1 * loss

    def told(self) -> dict[str, float]:
        """What a resumed run goes on from, so that in the end it reports what one that was not killed does."""
        return {"seconds": self.seconds(), "loss": self.loss, "tokens": self.tokens}

    def line(self, step: int) -> str:
        """For the progress bar: loss, held-out metrics, pace, time left."""
        here = max(self.seconds() - self._spent, 1e-9)
        left = here / (step - self._first) * (self._total - step)
        left = min(left, max(0.0, self._limit - self.seconds())) if self._limit else left
        kept = self.measured
        held_out = f"  held-out {kept.held_out:.3f}, {100 * kept.tokens_right:.0f}% of tokens" if kept else ""
        pace = (self.tokens - self._read) / here
        return f"training  loss {self.loss:.3f}{held_out}  {pace:,.0f} tok/s  {left:,.0f} s left"

    def write(self, log: TextIO, step: int, lr: float, measured: Measured | None) -> None:
        """A line of the log."""
        row: dict[str, Any] = {"step": step, "loss": round(self.loss, 4), "lr": float(f"{lr:.4g}")}
        row |= {"seconds": round(self.seconds(), 1), **(rounded(measured) if measured else {})}
        log.write(json.dumps(row) + "\n")

    def report(self, step: int) -> dict[str, Any]:
        """What the model directory says of the run."""
        told = {"steps": step, "loss": round(self.loss, 4), "tokens": self.tokens, "seconds": round(self.seconds(), 1)}
        return told | (rounded(self.measured) if self.measured else {})


def rounded(measured: Measured) -> dict[str, float]:
    """Figures of the log."""
    return {name: round(value, 4) for name, value in asdict(measured).items()}


@contextmanager
def open_log(out: Path, step: int) -> Iterator[TextIO]:
    """The run's log, less what a killed run or another one wrote beyond `step`."""
    known = [row for row in curves.read_log(out) if row["step"] <= step] if step else []
    with (out / curves.LOG).open("w", buffering=1, encoding="utf-8") as log:
        log.writelines(json.dumps(row) + "\n" for row in known)
        yield log
