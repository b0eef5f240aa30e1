"""Group-relative judging: a judge compares trajectories of one task, several times, in different orders.

After RULER (OpenPipe ART). Relative scores are easier to give than absolute ones, and are all that
group-relative policy gradients need; but they are a model's opinion, and an opinion that varies with the order
it is asked in. So each group is judged in orders that come in pairs with their reverse, which cancels what
a place is worth (Wang et al. 2023, "Large language models are not fair evaluators"); what varies beyond that is
the judge's noise. Only a spread between trajectories that this noise does not explain makes scores; else the
group is tied. Such rewards are of kind ``"judge"`` wherever they are kept, and never replace checked ones.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from envsim.errors import ContentError, JudgeError, ModelError
from envsim.reward.agreement import Analysis, analyse
from envsim.reward.groups import Group, LeftOut, Trajectory
from envsim.reward.judge import Judge, Sheet
from envsim.reward.rubric import RULER, Rubric
from envsim.reward.transcript import Line, from_messages, render, shorten, speaks_to_judge
from envsim.rng import Rng, draw
from envsim.state import state_hash
from envsim.types import Frozen, JsonValue

LEVEL = 0.05
"""How often at most a group whose trajectories deserve the same is given different scores."""
_FRESH = 2
"""How often a judge is shown the same order, under new ids, before its group is refused."""
_ID_CHARS = "bcdfghjkmnpqrstvwxz23456789"
_DIGITS = 9
"""Decimals kept of every figure: the last bits differ between machines."""

Status = Literal["scored", "tied", "refused", "single"]


class Judged(Frozen):
    """What a judge made of one trajectory. An opinion: `checked` is what was proven."""

    session: str
    kind: Literal["judge"] = "judge"
    score: float | None = Field(description="in [0, 1]; the same for all of a tied group; None where it has none")
    mean: float | None = Field(default=None, description="over the orders, whether or not it means anything")
    scores: tuple[float, ...] = Field(default=(), description="one an order")
    deviation: float | None = Field(default=None, description="standard deviation of `scores`")
    checked: float | None = None
    warning: str = Field(default="", description="words of the agent that seem meant for the judge")
    fields: dict[str, JsonValue] = {}


class JudgedGroup(Frozen):
    """What a judge made of a group; see `envsim.reward.agreement.Analysis` for the figures."""

    kind: Literal["judge"] = "judge"
    key: str
    status: Status = Field(description="only 'scored' says which trajectory is better")
    reason: str = Field(default="", description="why it is not scored")
    judge: str
    rubric: str = Field(description="name and digest")
    orders: int
    seed: int
    fingerprint: str = Field(description="of all the above and what was judged; equal ones need no second judging")
    judged: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...] = ()
    agreement: float | None = None
    spread: float | None = None
    noise: float | None = None
    degrees: int = 0
    place_effect: float | None = None
    p: float | None = None
    fields: dict[str, JsonValue] = {}


@dataclass(frozen=True)
class Ruler:
    """How groups are judged.

    Attributes:
        judge: Who is asked.
        rubric: What counts.
        orders: How often each group is shown, an even number.
        seed: Of the orders, the ids and the judge.
        level: Groups are tied unless equal trajectories had a spread like theirs with less than this probability.
        threads: How many orders are judged at once, where the judge allows it.

    Raises:
        ContentError: `orders` is odd or below 2, or `level` is no probability.
    """

    judge: Judge
    rubric: Rubric = RULER
    orders: int = 4
    seed: int = 0
    level: float = LEVEL
    threads: int = 4

    def __post_init__(self) -> None:
        if self.orders < 2 or self.orders % 2:
            raise ContentError(
                f"{self.orders} orders cannot cancel what places are worth: each needs its reverse. Give 2, 4, 6..."
            )
        if not 0 < self.level < 1:
            raise ContentError(f"A level of {self.level} is no probability. Give one between 0 and 1, such as 0.05.")

    def judge_group(self, group: Group) -> JudgedGroup:
        """Judge one group; trajectories that read the same are shown once and share what they get.

        A group whose replies cannot be used, or that is too long for the judge's model, is ``"refused"``.

        Raises:
            PrerequisiteError: The judge cannot be reached.
        """
        if len(group.trajectories) < 2:
            return self._unscored(group, "single", "relative judging needs two trajectories at least")
        distinct = list(dict.fromkeys(render(trajectory.lines) for trajectory in group.trajectories))
        of = [distinct.index(render(trajectory.lines)) for trajectory in group.trajectories]
        lines = [group.trajectories[of.index(number)].lines for number in range(len(distinct))]
        shared = shared_prefix(lines)
        context = render(lines[0][:shared]) if shared else ""
        texts = [render(own[shared:]) for own in lines]
        orders = list(balanced_orders(len(texts), self.orders, Rng(self.seed, "orders", _digest(context, texts))))
        try:
            scores = self._ask(context, texts, orders)
        except (JudgeError, ModelError) as error:
            # A group that is too long for the judge must not keep it from the others.
            return self._unscored(group, "refused", str(error))
        places = [[order.index(number) for number in range(len(texts))] for order in orders]
        return self._settle(group, of, scores, analyse(scores, places))

    def fingerprint(self, group: Group) -> str:
        """Equal for equal judgements: of the judge, rubric, orders, seed, level and everything in `group`."""
        how = [self.judge.name, self.rubric.digest, self.orders, self.seed, self.level]
        return state_hash([how, group.model_dump(mode="json")])[:32]

    # -- asking --------------------------------------------------------------------------------------

    def _ask(self, context: str, texts: Sequence[str], orders: Sequence[Sequence[int]]) -> list[list[float]]:
        """Scores of each text in each order: ``[order][text]``, whatever place it was shown in."""

        def ask(number: int) -> list[float]:
            return self._ask_once(context, texts, orders[number], number)

        if not self.judge.parallel or self.threads < 2:
            return [ask(number) for number in range(len(orders))]
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = [pool.submit(ask, number) for number in range(len(orders))]
            try:
                return [future.result() for future in waiting]
            except BaseException:
                # An endpoint that is down must show now, not after every order has tried it.
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _ask_once(self, context: str, texts: Sequence[str], order: Sequence[int], number: int) -> list[float]:
        digest = _digest(context, texts)
        for fresh in range(_FRESH):
            rng = Rng(self.seed, "ids", digest, number, fresh)
            ids = new_ids(len(texts), rng, [context, *texts])
            shown = tuple((ids[text], texts[text]) for text in order)
            seed = draw(self.seed, "judge", digest, number, fresh) % 2**31
            try:
                scores = self.judge.score(Sheet(self.rubric, context, shown), seed)
            except JudgeError:
                if fresh == _FRESH - 1:
                    raise
            else:
                # By id, never by place: the judge may have answered in any order.
                return [scores[name] for name in ids]
        raise AssertionError("unreachable")

    # -- what comes of it ----------------------------------------------------------------------------

    def _settle(self, group: Group, of: Sequence[int], scores: list[list[float]], found: Analysis) -> JudgedGroup:
        status: Status = "tied"
        if found.p is None:
            reason = "too few scores to tell the judge's noise; ask for more orders"
            reason = "all trajectories read the same" if len(found.means) == 1 else reason
        elif found.p >= self.level:
            reason = f"the spread is within the judge's noise (p = {found.p:.2g})"
        else:
            status, reason = "scored", ""
        level = sum(found.means[number] for number in of) / len(of)
        judged = tuple(
            self._judged(
                trajectory,
                score=_round(found.means[number] if status == "scored" else level),
                mean=_round(found.means[number]),
                scores=tuple(_round(row[number]) for row in scores),
            )
            for trajectory, number in zip(group.trajectories, of, strict=True)
        )
        return self._group(group, status, reason, judged).model_copy(
            update={
                "agreement": None if found.agreement is None else _round(found.agreement),
                "spread": _round(found.spread),
                "noise": None if found.noise is None else _round(found.noise),
                "degrees": found.degrees,
                "place_effect": _round(found.place_effect),
                "p": None if found.p is None else _round(found.p),
            }
        )

    def _unscored(self, group: Group, status: Status, reason: str) -> JudgedGroup:
        return self._group(group, status, reason, tuple(self._judged(one, score=None) for one in group.trajectories))

    def _judged(
        self, one: Trajectory, *, score: float | None, mean: float | None = None, scores: tuple[float, ...] = ()
    ) -> Judged:
        middle = sum(scores) / len(scores) if scores else 0.0
        spread = (sum((value - middle) ** 2 for value in scores) / (len(scores) - 1)) ** 0.5 if scores else None
        return Judged(
            session=one.session, score=score, mean=mean, scores=scores, checked=one.checked, fields=one.fields,
            deviation=None if spread is None else _round(spread), warning=speaks_to_judge(one.lines),
        )  # fmt: skip

    def _group(self, group: Group, status: Status, reason: str, judged: tuple[Judged, ...]) -> JudgedGroup:
        return JudgedGroup(
            key=group.key, status=status, reason=reason, judge=self.judge.name,
            rubric=f"{self.rubric.name}@{self.rubric.digest}", orders=self.orders, seed=self.seed,
            fingerprint=self.fingerprint(group), judged=judged, left_out=group.left_out, fields=group.fields,
        )  # fmt: skip

    def judge_messages(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Judge a group of chat transcripts, such as ART's ``TrajectoryGroup`` as JSON.

        Args:
            group: ``{"trajectories": [{"messages" or "messages_and_choices": [...], ...}, ...], ...}``.

        Returns:
            A copy of `group` with a ``"judge"`` in it and in each trajectory; everything else, rewards and metrics
            included, is as it was.

        Raises:
            ContentError: It is no such group.
            PrerequisiteError: The judge cannot be reached.
        """
        found = copy.deepcopy(dict(group))
        attempts = found.get("trajectories")
        if not isinstance(attempts, list) or not all(isinstance(one, dict) for one in attempts):
            raise ContentError('The group has no list of "trajectories". Give {"trajectories": [{"messages": [...]}]}.')
        lines = [_messages_of(one, number) for number, one in enumerate(attempts)]
        trajectories = tuple(Trajectory(session=str(number), lines=own) for number, own in enumerate(lines))
        judged = self.judge_group(Group(key=shorten(str(found.get("key", "group"))), trajectories=trajectories))
        for attempt, own in zip(attempts, judged.judged, strict=True):
            attempt["judge"] = own.model_dump(mode="json")
        return {**found, "judge": judged.model_dump(mode="json", exclude={"judged"})}


def shared_prefix(lines: Sequence[Sequence[Line]]) -> int:
    """How many messages all trajectories begin with; 0 for one trajectory, which is shown whole."""
    if len(lines) < 2:
        return 0
    shared = 0
    for same in zip(*lines, strict=False):
        if any(one != same[0] for one in same):
            break
        shared += 1
    return shared


def balanced_orders(n: int, k: int, rng: Rng) -> Iterator[list[int]]:
    """`k` orders of ``range(n)``, `k` even: rotations of a random one, each followed by its reverse.

    Each item's mean place is the middle, and the rotations are spread evenly: with k = 2n every item is in every
    place twice.
    """
    base = rng.shuffled(range(n))
    for pair in range(k // 2):
        by = pair * n // (k // 2)
        order = base[by:] + base[:by]
        yield order
        yield order[::-1]


def new_ids(n: int, rng: Rng, texts: Sequence[str]) -> list[str]:
    """`n` distinct ids that occur in none of `texts`, so that no trajectory can speak of its own."""
    ids: list[str] = []
    while len(ids) < n:
        name = "".join(rng.choice(_ID_CHARS) for _ in range(6))
        if name not in ids and not any(name in text for text in texts):
            ids.append(name)
    return ids


def _messages_of(attempt: dict[str, Any], number: int) -> tuple[Line, ...]:
    messages = attempt.get("messages", attempt.get("messages_and_choices"))
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ContentError(f'Trajectory {number} has no list of "messages". Give chat messages, as the API has them.')
    return from_messages(messages)


def _digest(context: str, texts: Sequence[str]) -> str:
    """Of all that is judged, whatever order it comes in: no agent can foresee what is drawn from it."""
    return hashlib.sha256("\0".join([context, *sorted(texts)]).encode()).hexdigest()


def _round(value: float) -> float:
    return round(value, _DIGITS)
