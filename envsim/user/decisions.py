"""Every random decision of a simulated user: drawn by key, never in a stream, and recorded.

A draw is keyed by (seed, turn, decision point, item), so one decision more or less shifts no other,
and an episode forked in its middle goes on as the original did.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from envsim.rng import draw, uniform
from envsim.user.persona import Persona

T = TypeVar("T")


class Decisions:
    """The decisions of one turn.

    Attributes:
        fired: Those that came out true, ``point`` or ``point:item``, in order.
    """

    def __init__(self, persona: Persona, seed: int, turn: int) -> None:
        self.persona = persona
        self.key = (seed, "user", turn)
        self.fired: list[str] = []

    def chance(self, point: str, item: str = "", probability: float | None = None) -> bool:
        """Whether decision `point` comes out true for `item`.

        Args:
            point: A decision point of the persona.
            item: What it is about, where one turn can bring several such decisions.
            probability: Instead of the persona's rate, for a rate that grows.
        """
        p: float = getattr(self.persona, point) if probability is None else probability
        hit = p > 0 and (p >= 1 or uniform(*self.key, point, item) < p)
        if hit:
            self.fired.append(f"{point}:{item}" if item else point)
        return hit

    def count(self, point: str) -> int:
        """A number drawn from the persona's weights under `point`."""
        weights: tuple[float, ...] = getattr(self.persona, point)
        at = uniform(*self.key, point) * sum(weights)
        for number, weight in enumerate(weights):
            at -= weight
            if at < 0:
                return number
        return len(weights) - 1

    def choice(self, what: str, options: Sequence[T]) -> T:
        """One of `options`, for wordings: not recorded."""
        return options[draw(*self.key, "choice", what) % len(options)]

    def note(self, point: str) -> None:
        """Record a decision that was certain."""
        self.fired.append(point)
