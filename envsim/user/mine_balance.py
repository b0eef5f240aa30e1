"""Weights that make every observed turn as frequent again as it was.

A turn that fits any goal ("That's all, thanks.") is allowed far more often than one that tells three particular
facts, so drawing among the allowed moves would say the first too often. Every observed situation is therefore
played again, with the turns of its own session left out, and each move is weighted by how much
too seldom or too often it was drawn.

Source: iterative proportional fitting (Deming and Stephan 1940) of selection frequencies to observed ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from envsim.rng import Rng
from envsim.user.behaviour import Behaviour, Move
from envsim.user.mine_moves import Labels, announced_in, heard_labels
from envsim.user.progress import Progress, names_in
from envsim.user.sessions import Session


def balanced(
    behaviour: Behaviour,
    sessions: Sequence[Session],
    groups: dict[str, int],
    texts: dict[str, frozenset[str]],
    *,
    rounds: int = 2,
    seed: int = 0,
    labels: Labels = heard_labels,
    on_session: Callable[[], None] = lambda: None,
) -> Behaviour:
    """`behaviour` with weights fitted in `rounds` replays of the sessions it was mined from.

    Args:
        behaviour: What was mined.
        sessions: From these.
        groups: Group of each user, by name.
        texts: Texts that each session gave, by its name.
        rounds: Each takes a few milliseconds a turn.
        seed: Of the draws.
        labels: What the agent did before a turn.
        on_session: Called after each session of each round.
    """
    for number in range(rounds):
        drawn: Counter[tuple[object, ...]] = Counter()
        for session in sessions:
            if session.goal is not None:
                drawn.update(
                    _replayed(
                        behaviour,
                        session,
                        groups.get(session.user, 0),
                        texts.get(session.name, frozenset()),
                        Rng("balance", seed, number),
                        labels,
                    )
                )
            on_session()
        moves = []
        for move in behaviour.moves:
            ratio = (1 + move.count) / (1 + drawn[_key(move)])
            moves.append(move.model_copy(update={"weight": round(move.weight * ratio, 4)}))
        behaviour = behaviour.model_copy(update={"moves": tuple(moves)})
        # A copy keeps what was computed of the original; the weights in it are the old ones.
        behaviour = Behaviour(**dict(behaviour))
    return behaviour


def _key(move: Move) -> tuple[object, ...]:
    return move.text, move.acts, move.heard, move.situation


def _replayed(
    behaviour: Behaviour, session: Session, group: int, own: frozenset[str], rng: Rng, labels: Labels
) -> list[tuple[object, ...]]:
    """The moves drawn in each situation of a session, as keys."""
    assert session.goal is not None
    progress = Progress(session.goal)
    out = []
    for index, turn in enumerate(session.turns):
        heard = tuple(sorted(set(labels(turn))))
        progress.hear(heard, names_in(turn.heard))
        stream = Rng(*rng.key, session.name, index)
        for move in behaviour.choose(progress, heard, stream, group=group, used=own):
            out.append(_key(move))
        progress.say(turn.acts, announced_in(turn, progress))
    return out
