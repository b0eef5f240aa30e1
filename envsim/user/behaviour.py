"""What people were seen to do in which situation: turns mined from traces, to speak and act by.

A `Move` is one observed turn with its values taken out. A user that follows a `Behaviour` looks for moves
made in situations like its own that its goal allows, and makes one of them: what it tells together, what it
asks for, how it puts it and when it leaves are then chosen jointly, as people chose them.

Source: kernel-weighted nearest neighbours over dialogue states, as in example-based dialogue management (Lee et al.,
Speech Communication 2009), here for the user's side and under the constraints of an agenda (Schatzmann et al. 2007).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from envsim.rng import Rng
from envsim.types import Frozen
from envsim.user.ear import Ear
from envsim.user.progress import SCALES, Progress, Situation

SLOT = re.compile(r"\{([a-z][a-z0-9_]*)(?::([a-z]))?\}")
"""A place for a fact's value in a mined text: ``{train_day}``, or ``{train_day:t}`` where it was capitalised."""

FURTHER = 8.0
"""Moves this much further than the nearest allowed one are not looked at: they had 0.0003 of its chance."""

FAR = 100.0
"""What a difference that must not be costs, in `Weights.shape`."""

_TURNING = slice(0, 3)


class Weights(NamedTuple):
    """How much each way of being unlike counts; the sum is divided by `temperature`.

    Set on the design split of `benchmarks/users.py`.
    """

    heard: float = 2.0
    turn: float = 0.6
    tells: float = 2.0
    needs: float = 2.0
    asks: float = 1.0
    items: float = 1.5
    named: float = 0.5
    answers: float = 1.0
    lacks: float = 1.0
    shared: float = 0.5
    second: float = 1.0
    group: float = 0.5
    shape: float = 3.0
    temperature: float = 0.3


class Move(Frozen):
    """One observed turn, values taken out."""

    acts: tuple[str, ...]
    text: str = Field(description="with places for values, see `SLOT`")
    heard: tuple[str, ...] = Field(default=(), description="what the agent had just done, as labels without items")
    situation: tuple[int, ...] = Field(description="as `envsim.user.progress.Situation`")
    given: dict[str, str] = Field(default={}, description="values that the words imply: the goal must have them")
    same: tuple[str, ...] = Field(
        default=(), description="facts told as being the same as for another item: one of that value must be told"
    )
    announced: tuple[str, ...] = Field(default=(), description="facts given a second value: a change of mind")
    opens: tuple[str, ...] = Field(default=(), description="items it begins")
    mentions: tuple[str, ...] = Field(default=(), description="items its words name beside those it is about")
    again: int = Field(default=0, description="facts told or asked for although they had been before")
    odd: int = Field(default=0, description="things asked for that the goal did not ask to find out")
    rank: int = Field(default=0, description="earlier wishes of the goal passed over by what it begins")
    last: bool = Field(default=False, description="the user said no more after it")
    group: int = Field(default=0, description="the group of users it was made by")
    count: int = 1
    weight: float = Field(default=1.0, gt=0, description="makes up for fitting more or fewer goals than others do")

    def closes(self) -> bool:
        """Whether it thanks or says goodbye and does nothing else to the purpose."""
        return bool({"thank", "thanks", "bye"} & set(self.acts)) and not self.facts()

    def facts(self) -> set[str]:
        """Names of the facts and items its acts are about."""
        return {name for act in self.acts if (name := act.partition(":")[2])}


class Behaviour(Frozen):
    """All moves of a population. Making one costs about a millisecond per thousand moves."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(functools.cached_property,))

    format: Literal["envsim-behaviour/1"] = "envsim-behaviour/1"
    moves: tuple[Move, ...]
    ear: Ear = Ear()
    surfaces: dict[str, dict[str, dict[str, int]]] = Field(
        default={}, description="kind of fact -> value -> how people wrote it, with counts"
    )

    def choose(
        self,
        progress: Progress,
        heard: Iterable[str],
        rng: Rng,
        *,
        group: int = 0,
        may_leave: bool = True,
        used: Iterable[str] = (),
        weights: Weights = Weights(),  # noqa: B008 - immutable
    ) -> tuple[Move, ...]:
        """What to do in the situation: an example is drawn by how alike the situations are, then moves like it.

        The first move does what the example did as nearly as the goal allows. Where it tells or asks for less than the
        example, a second one that does nothing else makes up for it. Empty if the goal allows no move.

        Args:
            progress: How far the conversation is.
            heard: Labels of what the agent just did.
            rng: Two to four draws are taken.
            group: The group of users the speaker belongs to.
            may_leave: Whether a last move may be made now.
            used: Texts not to be used again.
            weights: Of the distance.
        """
        spoken = frozenset(used)
        heard = frozenset(heard)

        first = progress.turn == 0
        unopened = len(progress.items) - len(progress.opened)
        # Who may not leave, and has nothing new to bring up, does not say goodbye for a dozen turns either.
        must_go_on = not may_leave and not unopened

        def possible(move: Move) -> bool:
            if must_go_on and move.closes():
                return False
            may = (may_leave or not move.last) and len(move.opens) <= unopened and (move.situation[0] == 0) == first
            return may and move.text not in spoken

        distance = self._distances(progress.situation(heard), heard, group, weights)
        example = self._draw(distance, possible, rng)
        if example is None:
            return ()
        shapes = self._shapes
        unlike = np.abs(shapes - shape(example)).sum(axis=1)
        # Beginning something and leaving are what a conversation hangs on: they are never a near miss.
        unlike += FAR * (shapes[:, _TURNING] != shape(example)[_TURNING]).any(axis=1)
        distance = distance + weights.shape * unlike / weights.temperature

        def allow(move: Move) -> bool:
            return move.text not in spoken and allowed(move, progress, may_leave=may_leave)

        def alike(move: Move) -> bool:
            like = (progress.odd(move.acts), progress.rank(move.opens)) == (example.odd, example.rank)
            return like and allow(move)

        move = self._draw(distance, alike, rng) or self._draw(distance, allow, rng)
        if move is None or move.last or move.text == example.text:
            return (move,) if move else ()
        more = self._addition(distance, move, example, progress, allow, rng)
        return (move, more) if more else (move,)

    def _addition(
        self,
        distance: NDArray[np.float64],
        move: Move,
        example: Move,
        progress: Progress,
        allow: Callable[[Move], bool],
        rng: Rng,
    ) -> Move | None:
        """A move that tells or asks for as much as `move` lacks of `example`, about the same, and does nothing else."""
        lacking = tuple(max(0, _count(example, kind) - _count(move, kind)) for kind in ("inform", "request"))
        about = set(move.opens) or set(progress.opened[-1:])
        if not any(lacking) or not about:
            return None
        told = progress.told | progress.asked | move.facts()

        def fits(other: Move) -> bool:
            return (
                (_count(other, "inform"), _count(other, "request")) == lacking
                and len(other.acts) == sum(lacking)
                and not other.opens
                and not other.announced
                and other.situation[0] > 0
                and {progress.item_of(name) for name in other.facts()} <= about
                and not other.facts() & told
                and progress.odd(other.acts) == 0
                and allow(other)
            )

        if move.opens:
            progress = progress.beginning(move.opens)

            def allow(other: Move) -> bool:
                return allowed(other, progress)

        return self._draw(distance, fits, rng)

    def draw(
        self,
        situation: Situation,
        heard: frozenset[str],
        allow: Callable[[Move], bool],
        rng: Rng,
        *,
        weights: Weights = Weights(),  # noqa: B008 - immutable
    ) -> Move | None:
        """One of the moves that `allow` lets pass, by situation alone."""
        return self._draw(self._distances(situation, heard, 0, weights), allow, rng)

    def _draw(self, distance: NDArray[np.float64], allow: Callable[[Move], bool], rng: Rng) -> Move | None:
        found: list[int] = []
        for index in np.argsort(distance, kind="stable"):
            if found and distance[index] > distance[found[0]] + FURTHER:
                break
            if allow(self.moves[index]):
                found.append(int(index))
        at = rng.uniform()
        if not found:
            return None
        # In proportion to exp(-distance); the nearest is 1, so that nothing underflows to all zeros.
        chances = np.exp(distance[found[0]] - distance[found])
        return self.moves[found[_pick((chances * self._weights[found]).tolist(), at)]]

    def realise(self, move: Move, progress: Progress, rng: Rng) -> str:
        """The words of a move with the goal's values in it, written as people wrote them."""
        chosen: dict[str, str] = {}

        def fill(match: re.Match[str]) -> str:
            name, style = match[1], match[2] or ""
            value = progress.value(name, move.announced) or ""
            if name not in chosen:
                written = self.surfaces.get(name.partition("_")[2] or name, {}).get(value, {})
                options = sorted(written)
                chosen[name] = options[_pick([written[o] for o in options], rng.uniform())] if options else value
            text = chosen[name]
            return " ".join(part[:1].upper() + part[1:] for part in text.split(" ")) if style == "t" else text

        return SLOT.sub(fill, move.text)

    @functools.cached_property
    def _tables(self) -> tuple[dict[str, int], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Label -> column; moves by labels (M x L); situations (M x 10); groups (M)."""
        names = sorted({label for move in self.moves for label in move.heard})
        columns = {name: index for index, name in enumerate(names)}
        heard = np.zeros((len(self.moves), len(names)), np.float32)
        for row, move in enumerate(self.moves):
            heard[row, [columns[name] for name in move.heard]] = 1
        situations = np.asarray([move.situation for move in self.moves], np.float32)
        return columns, heard, situations, np.asarray([move.group for move in self.moves], np.int64)

    @functools.cached_property
    def _weights(self) -> NDArray[np.float64]:
        return np.asarray([move.count * move.weight for move in self.moves], np.float64)

    @functools.cached_property
    def _shapes(self) -> NDArray[np.float32]:
        return np.asarray([shape(move) for move in self.moves], np.float32)

    def _distances(
        self, situation: Situation, heard: frozenset[str], group: int, weights: Weights
    ) -> NDArray[np.float64]:
        columns, table, situations, groups = self._tables
        query = np.zeros(len(columns), np.float32)
        query[[columns[name] for name in heard if name in columns]] = 1
        both = table @ query
        either = table.sum(axis=1) + len(heard) - both
        unlike = np.where(either > 0, 1 - both / np.maximum(either, 1), 0.0)
        own = np.asarray(situation)
        apart = 0.5 * np.minimum(np.abs(situations - own) / np.asarray(SCALES), 1.0) + 0.5 * (
            (situations > 0) != (own > 0)
        )
        parts = weights.heard * unlike + apart @ np.asarray(weights[1:11]) + weights.group * (groups != group)
        return np.asarray(parts / weights.temperature, np.float64)


SIMPLE = ("affirm", "deny", "thank", "bye", "greet", "other")


def shape(move: Move) -> tuple[float, ...]:
    """What kind of turn a move is, whatever it is about; the entries are on one scale."""
    kinds = [act.partition(":")[0] for act in move.acts]
    return (
        2.0 * len(move.opens),
        2.0 * move.last,
        2.0 * (move.situation[0] == 0),
        float(kinds.count("inform")),
        float(kinds.count("dontcare")),
        float(kinds.count("request")),
        float(kinds.count("want")),
        2.0 * len(move.announced),
        float(move.again),
        len(move.text.split()) / 10,
        *(0.5 * (name in kinds) for name in SIMPLE),
    )


def allowed(move: Move, progress: Progress, *, may_leave: bool = True) -> bool:
    """Whether the goal and the conversation so far let a user make a move."""
    if move.last and not may_leave:
        return False
    if any(progress.values.get(name) != value for name, value in move.given.items()):
        return False
    if any(not progress.twins(name) for name in move.same):
        return False
    if any(name not in progress.changes or name not in progress.told for name in move.announced):
        return False
    if any(item in progress.opened or item not in progress.items for item in move.opens):
        return False
    if any(item not in progress.opened and item not in move.opens for item in move.mentions):
        return False
    again = 0
    for act in move.acts:
        kind, _, name = act.partition(":")
        if not name:
            continue
        item = progress.item_of(name)
        if item is None or (item not in progress.opened and item not in move.opens):
            return False
        if kind == "inform" and name not in move.given and progress.value(name, move.announced) is None:
            return False
        if kind == "inform" and not progress.may_tell(name):
            return False
        if kind == "dontcare" and name in progress.values:
            return False
        again += kind in ("inform", "dontcare") and name in progress.told and name not in move.announced
        again += kind == "request" and (name in progress.asked or name in progress.learned)
    if again != move.again:
        return False
    return all(progress.value(match[1], move.announced) is not None for match in SLOT.finditer(move.text))


def _count(move: Move, kind: str) -> int:
    return sum(act.startswith(f"{kind}:") for act in move.acts)


def _pick(chances: list[Any], at: float) -> int:
    """Index drawn in proportion to `chances` by a uniform number."""
    total = float(sum(chances))
    mark = at * total
    for index, chance in enumerate(chances):
        mark -= chance
        if mark < 0:
            return index
    return len(chances) - 1


def merged(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Equal moves as one with their count, in a fixed order."""
    counts: dict[str, tuple[Move, int]] = {}
    for move in moves:
        key = move.model_dump_json(exclude={"count"})
        counts[key] = (move, counts.get(key, (move, 0))[1] + move.count)
    return tuple(move.model_copy(update={"count": count}) for _, (move, count) in sorted(counts.items()))


def by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping in the order of its keys, so that files do not depend on the order of reading."""
    return {key: values[key] for key in sorted(values)}
