"""Counter-based randomness: a draw is a pure function of where it is made.

A stream never carries hidden state from one episode into the next, and drawing more in one
place never shifts another. Standard library only: this module also runs inside sandboxes.

Source: the counter-based construction of Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (SC 2011), with keyed BLAKE2b as the mixing function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def draw(*key: int | str) -> int:
    """A uniform 64-bit integer determined by `key` alone, e.g. ``draw(seed, step, "bug-id")``."""
    # Type and length before each part: no two keys share a text, whatever characters they hold.
    text = "".join(f"{type(part).__name__[0]}{len(str(part))}:{part}" for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def uniform(*key: int | str) -> float:
    """A float in [0, 1) determined by `key` alone."""
    return (draw(*key) >> 11) / (1 << 53)


class Rng:
    """A stream of draws under one key, for places that need several in a row.

    `position` is the whole of its state: save it to fork, set it to return.
    """

    def __init__(self, *key: int | str, position: int = 0) -> None:
        self.key = key
        self.position = position

    def integer(self, below: int) -> int:
        """Uniform in ``range(below)``.

        Raises:
            ValueError: `below` is not positive.
        """
        if below <= 0:
            raise ValueError(f"integer(below={below}): must be positive")
        self.position += 1
        return draw(*self.key, self.position) % below

    def uniform(self) -> float:
        """Uniform in [0, 1)."""
        self.position += 1
        return uniform(*self.key, self.position)

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, which must not be empty."""
        return options[self.integer(len(options))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A new list with `items` in a random order (Fisher-Yates)."""
        out = list(items)
        for i in range(len(out) - 1, 0, -1):
            j = self.integer(i + 1)
            out[i], out[j] = out[j], out[i]
        return out

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """`k` distinct positions of `items`, in random order; all of them if there are fewer."""
        return self.shuffled(items)[:k]

    def chance(self, probability: float) -> bool:
        """True with `probability` in [0, 1]."""
        return self.uniform() < probability
