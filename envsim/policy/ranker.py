"""A small policy that learns: it ranks what could be done on a page by a linear score and takes one.

It is what this project trains in its worlds to find out what training there is worth: small enough for minutes on
one core, large enough to fail where a world is wrong. `envsim.policy.training` trains it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from envsim.errors import ContentError
from envsim.policy.features import COLUMNS, Choice, Reader
from envsim.rng import Rng
from envsim.task import Task
from envsim.types import Action, Observation

VERSION = 3
Weights = NDArray[np.float32]


class RankerPolicy:
    """Softmax over candidate actions, of a linear score (Sutton & Barto 2018, section 13.1).

    Browser tasks only. What it reads is the observation alone, gold data never.

    Args:
        weights: One per hashed feature, shape (COLUMNS,); None: all zero, the uniform policy.
        temperature: 0 takes the best, 1 samples.
    """

    def __init__(self, weights: Weights | None = None, temperature: float = 0.0) -> None:
        self.weights = np.zeros(COLUMNS, np.float32) if weights is None else weights
        self.temperature = temperature
        self.squares = np.full(COLUMNS, 1e-4, np.float32)
        """Of the gradients so far, by which training scales its steps; shape (COLUMNS,)."""
        self.keep = False
        """Whether `taken` is filled, for training."""
        self.taken: list[tuple[Choice, int]] = []
        """The decisions of this episode."""
        self._reader: Reader | None = None
        self._rng = Rng("policy", "ranker", 0)

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        del task, tools
        self._reader = None
        self._rng = Rng("policy", "ranker", seed)
        self.taken = []

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        if self._reader is None:
            self._reader = Reader(observation.goal)
        choice = self._reader.choice(observation)
        number = self._pick(choice)
        self._reader.took(number)
        if self.keep:
            self.taken.append((choice, number))
        return choice.options[number].action

    def copy(self) -> RankerPolicy:
        """A policy that has learned the same and goes on alone."""
        other = self.twin()
        other.weights, other.squares = self.weights.copy(), self.squares.copy()
        return other

    def twin(self) -> RankerPolicy:
        """A policy over the same weights, for another episode at the same time."""
        other = RankerPolicy(self.weights, self.temperature)
        other.squares, other.keep = self.squares, self.keep
        return other

    def _pick(self, choice: Choice) -> int:
        scores = choice.scores(self.weights)
        if self.temperature == 0.0:
            return int(np.argmax(scores))
        share = probabilities(scores / self.temperature)
        return min(int(np.searchsorted(np.cumsum(share), self._rng.uniform(), side="right")), len(share) - 1)

    def save(self, path: Path) -> None:
        """Write the weights as an ``.npz`` file, which holds numbers only."""
        used = np.flatnonzero(self.weights)
        with path.open("wb") as file:
            np.savez_compressed(file, version=np.array(VERSION), columns=used, weights=self.weights[used])


def load_ranker(path: Path, temperature: float = 0.0) -> RankerPolicy:
    """The policy that `RankerPolicy.save` wrote.

    Raises:
        ContentError: The file is missing or is not one of these.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            version, columns, values = int(held["version"]), held["columns"], held["weights"]
        weights = np.zeros(COLUMNS, np.float32)
        weights[columns] = values
    except (OSError, KeyError, ValueError, IndexError, TypeError, EOFError, BadZipFile) as error:
        raise ContentError(f"{path} holds no trained policy ({error}). Give the .npz that training wrote.") from None
    if version != VERSION or not np.isfinite(weights).all():
        raise ContentError(f"{path} was written by another version of envsim (format {version}). Train again.")
    return RankerPolicy(weights, temperature)


def probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The softmax of scores, shape unchanged."""
    powers = np.exp(scores - scores.max())
    found: NDArray[np.float64] = powers / powers.sum()
    return found
