"""What a linear policy sees of an action it could take: sparse binary features, hashed to columns.

Everything is read off the page, the goal and the episode so far. Values of the goal are named by what
stands before them there ("option", "set ... to"), never by themselves, so that what is learned about one product
holds for any other. Most features are conjunctions of what kind of action it is (its *sign*) with something that is
true of the moment; those are hashed in one go, and what a page alone decides is worked out once per page.

Source: the hashing trick, Weinberger et al. 2009 (arXiv:0902.2206).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from envsim.policy.candidates import Candidate
from envsim.policy.scene import Scene, hashes, scene
from envsim.types import Observation

COLUMNS = 1 << 18
"""Hashed features share these; a collision costs accuracy, never correctness."""
_MOST_DONE = 12
"""Kinds of action that are remembered of an episode, the last ones."""


@dataclass(frozen=True)
class Choice:
    """One decision: what could be done, and the features of each option.

    Attributes:
        options: In order.
        signs: Hash of the kind of action each option is, shape (len(options),).
        moment: Hashes of what is true of the moment, shape (m,); each with each sign is a feature.
        own: Hashes of features of single options, shape (k,).
        owner: Position of the option that each entry of `own` belongs to, shape (k,).
    """

    options: tuple[Candidate, ...]
    signs: NDArray[np.uint32]
    moment: NDArray[np.uint32]
    own: NDArray[np.uint32]
    owner: NDArray[np.int32]

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of the features of each option and the moment, shape (len(options), m), and of `own`, shape (k,)."""
        pairs = _mix(self.signs[:, None] * np.uint32(0x9E3779B1) + self.moment[None, :])
        return pairs, _mix(self.own)

    def scores(self, weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """One score per option, shape (len(options),), from weights of shape (COLUMNS,)."""
        pairs, own = self.columns()
        scores: NDArray[np.float64] = weights[pairs].sum(axis=1, dtype=np.float64)
        scores += np.bincount(self.owner, weights[own], minlength=len(self.options))
        return scores


@dataclass
class Reader:
    """Follows one episode and lays out its decisions."""

    goal: str
    _done: Counter[str] = field(default_factory=Counter)
    _kinds: Counter[str] = field(default_factory=Counter)
    _last: tuple[str, str] = ("", "")
    _place: str = ""
    _stayed: int = 0
    _scene: Scene | None = None

    def choice(self, observation: Observation) -> Choice:
        """The decision that an observation asks for."""
        self._scene = now = scene(self.goal, observation.page, observation.url)
        self._stayed = self._stayed + 1 if now.place == self._place else 0
        self._place = now.place
        moment = np.concatenate((now.moment, hashes(list(self._moment(bool(observation.error))))))
        names, owner = [], []
        for number in range(len(now.options)):
            found = list(self._tried(now, number))
            names += found
            owner += [number] * len(found)
        own = np.concatenate((now.own, hashes(names)))
        return Choice(now.options, now.signs, moment, own, np.concatenate((now.owner, np.array(owner, np.int32))))

    def took(self, number: int) -> None:
        """Take note that this option of the last choice was taken."""
        assert self._scene is not None, "took() follows choice()"
        now = self._scene
        for key in now.tried[number]:
            self._done[key] += 1
        kind = now.kinds[number]
        count = self._kinds.pop(kind, 0)
        self._kinds[kind] = count + 1  # the last one done comes last
        self._last = (kind, self._last[0])

    def _moment(self, failed: bool) -> Iterator[str]:
        """What is true of the episode so far."""
        yield f"<{self._last[0]}"
        yield f"<{self._last[0]}<{self._last[1]}"
        for count in range(1, min(self._stayed, 8) + 1):
            yield f"stayed {count}"
        if failed:
            yield "after error"
        for kind in list(self._kinds)[-_MOST_DONE:]:
            for count in range(1, min(self._kinds[kind], 3) + 1):
                yield f"did {kind} {count}"

    def _tried(self, now: Scene, number: int) -> Iterator[str]:
        """How often an option, or one that is alike in some respect, was taken before."""
        kind, name = now.kinds[number], now.names[number]
        for respect, key in zip(("", "here", "value"), now.tried[number], strict=False):
            # What holds of the first repetition is taken to hold of the second until it is known better.
            for done in range(1, min(self._done[key], 3) + 1):
                yield f"done {respect} {done}"
                yield f"{kind} done {respect} {done}"
                yield f"{name} done {respect} {done}"
                for mention in now.mentions[number]:
                    yield f"{name} {mention} done {respect} {done}"


def _mix(hashed: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Columns of hashes whose bits may be alike: the finalizer of MurmurHash3 (Appleby, public domain)."""
    mixed = hashed ^ (hashed >> np.uint32(16))
    mixed = mixed * np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return (mixed & np.uint32(COLUMNS - 1)).astype(np.int64)
