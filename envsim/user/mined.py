"""The mined user: plays a goal by turns that people were seen to make in situations like its own.

An agenda user in that its goal decides what may be said and what is left to do; what of it is said together,
how it is put, and when the user goes, are those of a real turn (`envsim.user.behaviour`). No language model, the same
episode for the same seed. It knows the kinds of facts its population talked about, and no others.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from pydantic import ValidationError

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.rng import Rng
from envsim.types import UserTurn
from envsim.user.base import Hands
from envsim.user.behaviour import Behaviour, Move, Weights
from envsim.user.invariants import Monitor
from envsim.user.persona import Persona, Population
from envsim.user.progress import Progress, names_in
from envsim.user.understand import Reader

TRIES = 12
"""Moves tried before a turn that breaks an invariant is reported as the simulator's fault."""

LONGEST = 20
"""Turns after which the user gives up whatever is open."""


@dataclass
class _State:
    progress: Progress
    used: list[str] = field(default_factory=list)
    left: bool = False


class MinedUser:
    """Plays a goal by mined moves; see `envsim.user.base.User`.

    Args:
        population: One with behaviour tables, as ``envsim personas mine`` writes them.
        weights: How situations are compared.

    Raises:
        ContentError: The population has no such tables, or they cannot be read.
    """

    def __init__(self, population: Population, weights: Weights = Weights()) -> None:  # noqa: B008 - immutable
        self.population = population
        self._behaviour = behaviour_of(population)
        self._weights = weights
        self._goal: UserGoal | None = None

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        """Begin an episode; the opening utterance. `hands` are not used: nobody was seen to use any.

        Raises:
            ContentError: The goal is about nothing the population ever talked about.
        """
        known = {fact for move in self._behaviour.moves for fact in move.facts()}
        if not known & ({*goal.facts} | {item.id for item in goal.items}):
            raise ContentError(
                f"The population {self.population.name!r} never talked about anything in this goal; its people know "
                f"{', '.join(sorted(known)[:6])}... Use the user 'agenda', or mine a population from such sessions."
            )
        self._goal, self._seed = goal, seed
        self._persona = self.population.pick(seed).with_traits(goal.traits)
        self._group = next(
            (k for k, kind in enumerate(self.population.kinds) if kind.persona.id == self._persona.id), 0
        )
        self._state = _State(Progress(goal))
        self._reader = Reader(goal)
        self._monitor = Monitor(goal, self._reader)
        return self._speak(())

    def hear(self, text: str) -> UserTurn:
        """Answer what the agent said; after the user has left, nothing."""
        if self._goal is None:
            raise ContentError("No episode has begun. Call reset(goal, seed) before hear().")
        if self._state.left:
            return UserTurn(done=True)
        labels = self._behaviour.ear.hear(text)
        self._monitor.hear(self._reader.read(text))
        self._state.progress.hear(labels, names_in(text))
        return self._speak(labels)

    def snapshot(self) -> object:
        """A token for the state of the conversation."""
        return copy.deepcopy(self._state), self._monitor.copy()

    def restore(self, token: object) -> None:
        """Return to `token`, taken since the last reset.

        Raises:
            ContentError: Not a token of this user.
        """
        match token:
            case (_State() as state, Monitor() as monitor):
                self._state, self._monitor = copy.deepcopy(state), monitor.copy()
            case _:
                raise ContentError("This is no snapshot of a mined user. Pass what snapshot() returned.")

    def fork(self, hands: Hands | None) -> MinedUser:
        """See `ForkableUser.fork`."""
        twin = copy.copy(self)
        twin.restore(self.snapshot())
        return twin

    @property
    def persona(self) -> Persona:
        """Who is being played."""
        return self._persona

    def _speak(self, heard: tuple[str, ...]) -> UserTurn:
        state, progress = self._state, self._state.progress
        rng = Rng(self._seed, "user", "mined", progress.turn)
        rejected: list[str] = []
        fault = "no turn of the population fits the situation"
        for _ in range(TRIES):
            moves = self._behaviour.choose(
                progress, heard, rng, group=self._group, may_leave=progress.settled(),
                used=(*state.used, *rejected), weights=self._weights,
            )  # fmt: skip
            if not moves:
                break
            turn = self._turn(moves, rng)
            monitor = self._monitor.copy()
            fault = monitor.check(turn, self._statuses(moves[0].opens, turn.acts))
            if not fault:
                self._monitor = monitor
                return self._made(moves, turn)
            rejected += [move.text for move in moves]
        state.left = True
        return UserTurn(text="Goodbye.", acts=("bye",), decisions=("give_up",), done=True, fault=fault)

    def _turn(self, moves: tuple[Move, ...], rng: Rng) -> UserTurn:
        gives_up = self._state.progress.turn + 1 >= LONGEST
        text = " ".join(self._behaviour.realise(move, self._state.progress, rng) for move in moves)
        decisions = ["change"] * bool(moves[0].announced) + ["give_up"] * gives_up
        acts = {act for move in moves for act in move.acts}
        if len(moves) > 1:
            acts -= {"other"}
        return UserTurn(text=text, acts=tuple(sorted(acts)), done=moves[0].last or gives_up, decisions=tuple(decisions))

    def _made(self, moves: tuple[Move, ...], turn: UserTurn) -> UserTurn:
        self._state.used += [move.text for move in moves]
        self._state.progress.say(turn.acts, moves[0].announced)
        self._state.left = turn.done
        return turn

    def _statuses(self, opens: tuple[str, ...], acts: tuple[str, ...]) -> dict[str, str]:
        """Every item as the user sees it after its turn, see `Progress.unsettled`."""
        progress = self._state.progress
        working = progress.unsettled(progress.told | {act.partition(":")[2] for act in acts}, opens)
        return {item: "open" if item in working else "done" for item in progress.items}


def behaviour_of(population: Population) -> Behaviour:
    """The behaviour tables of a population.

    Raises:
        ContentError: It has none, or of another make.
    """
    if not population.behaviour:
        raise ContentError(
            f"The population {population.name!r} has no behaviour tables, which the user 'mined' plays by. Mine one "
            "with: envsim personas mine TRACES -o personas/, or use the user 'agenda'."
        )
    try:
        return Behaviour.model_validate(population.behaviour)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContentError(f"behaviour.json of {population.name!r}: {where}: {first['msg']}. Mine it anew.") from None
