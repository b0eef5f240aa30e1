"""The oracle bent: without its writes, and in a wrong order. What is left must not be enough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from envsim.audit.episode import Played
from envsim.rng import Rng
from envsim.state import StateView, diff, split_path
from envsim.task import Task
from envsim.types import Action, Observation

ROUNDS = 6
"""Replays after which an oracle is said to write whatever is left out."""


class Replay:
    """Plays recorded actions, then answers with nothing. Needs no task."""

    def __init__(self, actions: Iterable[Action | str]) -> None:
        self._actions = list(actions)
        self._at = 0

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        del task, seed, tools
        self._at = 0

    def act(self, observation: Observation) -> Action | str:
        """See `Policy.act`."""
        del observation
        self._at += 1
        return self._actions[self._at - 1] if self._at <= len(self._actions) else Action.answer()


def writes(played: Played) -> list[int]:
    """Positions of the calls that changed the state view, by their recorded deltas."""
    return [at for at, move in enumerate(played.moves) if move.writes]


def without(played: Played, dropped: Iterable[int]) -> list[Action | str]:
    """The actions of `played` but those at the positions `dropped`; answers and messages are no calls and stay."""
    left_out = set(dropped)
    return [move.action for at, move in enumerate(played.moves) if at not in left_out]


def shuffled(played: Played, seed: int) -> list[Action | str]:
    """The actions of `played` in another order, drawn from `seed`; an action that ends the episode stays the last.

    The order differs from the one played wherever two different actions allow it.
    """
    actions = [move.action for move in played.moves]
    ending = actions[-1:] if actions and ends(actions[-1]) else []
    body = actions[: len(actions) - len(ending)]
    rng = Rng("audit", "shuffle", played.task.id, seed)
    for _ in range(20):
        mixed = rng.shuffled(body)
        if mixed != body:
            return [*mixed, *ending]
    return [*body[::-1], *ending]


def ends(action: Action | str) -> bool:
    """Whether an action ends the episode."""
    return isinstance(action, Action) and (action.kind == "answer" or action.name == "report_infeasible")


def effect(before: StateView, after: StateView) -> dict[str, Any]:
    """The net change of an episode, without what only tells when it happened.

    A new row counts by its collection and how many there are, since its key and times depend on when it was made;
    a lost row by its path; a changed field by its path and new value.
    """
    found: dict[str, Any] = {}
    for change in diff(before, after):
        keys = split_path(change[0])
        if len(change) == 1:
            found[change[0]] = "removed"
        elif _is_new(before, keys):
            found[f"+{keys[0]}"] = found.get(f"+{keys[0]}", 0) + 1
        else:
            found[change[0]] = change[1]
    return found


def _is_new(view: StateView, keys: Sequence[str]) -> bool:
    node: Any = view
    for key in keys:
        if not isinstance(node, dict) or key not in node:
            return True
        node = node[key]
    return False
