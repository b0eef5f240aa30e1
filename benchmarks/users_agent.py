"""A seeded system simulator for `benchmarks/users.py`: the other side of the conversation, mined from real assistants.

It answers like the assistants of the mining split answered in like situations, with what they said then: it
never asks for what it was told, talks about what the user talks about, and has no offer where the goal's
instructions say that the first wish cannot be met. It hears the user's acts, not its words, so that every
user simulator is heard equally well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from envsim.goal import UserGoal
from envsim.rng import Rng
from envsim.user.behaviour import SLOT, Behaviour, Move, Weights, merged
from envsim.user.progress import Situation, names_in
from envsim.user.sessions import Exchange, Session

WEIGHTS = Weights(heard=4.0, turn=0.3, asks=1.0, items=3.0, named=1.5, answers=2.0, lacks=1.0, temperature=0.3)
CODE = re.compile(r"\b(?=[A-Z0-9]*\d)[A-Z0-9]{6,9}\b")
BOOKING = {"people", "day", "stay", "time"}
REFUSALS = {"nooffer", "nobook"}
PLACE = re.compile(r"<([a-z]+)>")


@dataclass
class View:
    """What the assistant knows of a conversation."""

    goal: UserGoal
    told: dict[str, str] = field(default_factory=dict)
    item: str = ""
    offered: dict[str, str] = field(default_factory=dict)
    booked: set[str] = field(default_factory=set)
    turn: int = 0
    asked: int = 0
    refused: set[str] = field(default_factory=set)

    def hear(self, acts: Iterable[str], values: dict[str, str]) -> None:
        self.asked = 0
        items = {item.id for item in self.goal.items}
        for act in acts:
            kind, _, name = act.partition(":")
            if kind in ("inform", "dontcare"):
                self.told[name] = values.get(name, "")
            self.asked += kind == "request"
            if (item := name.partition("_")[0]) in items and (kind != "want" or not self.item):
                self.item = item
        wants = [act[5:] for act in acts if act.startswith("want:") and act[5:] in items]
        self.item = wants[-1] if wants and not any(a.startswith("inform:") for a in acts) else self.item
        self.turn += 1

    def fails(self) -> bool:
        """Whether nothing can meet what was told: the first choice of a goal with a second one."""
        first = {change.fact: str(self.goal.facts[change.fact].value) for change in self.goal.changes}
        return any(
            self.told.get(name, "").lower() == value.lower()
            for name, value in first.items()
            if name.startswith(f"{self.item}_") and value
        )

    def situation(self) -> Situation:
        mine = [name.partition("_")[2] for name in self.told if name.startswith(f"{self.item}_")]
        booking = len(set(mine) & BOOKING) if self.item != "train" else 0
        return Situation(
            self.turn, len(mine) - booking, booking, self.asked, int(self.fails()), int(self.item in self.offered),
            int(self.item in self.booked), int(self.item in self.refused), 0, 0,
        )  # fmt: skip

    def speak(self, acts: Iterable[str], names: Sequence[str]) -> None:
        kinds = {act.partition(":")[0] for act in acts}
        if kinds & {"book", "offerbooked"}:
            self.booked.add(self.item)
        if kinds & REFUSALS:
            self.refused.add(self.item)
        if names:
            self.offered[self.item] = names[-1]


@dataclass
class SystemSimulator:
    """An assistant; `reset`, then `reply` to each turn of the user's."""

    behaviour: Behaviour
    names: dict[str, list[str]]

    def reset(self, goal: UserGoal, seed: int) -> None:
        self._view = View(goal)
        self._rng = Rng("system", seed)

    def reply(self, acts: Sequence[str], values: dict[str, str]) -> tuple[str, tuple[str, ...]]:
        """What the assistant says and its acts, after a turn of the user's with `acts` that told `values`."""
        view = self._view
        view.hear(acts, values)
        heard = frozenset(_plain(acts, view.item))
        move = self.behaviour.draw(view.situation(), heard, self._allow, self._rng, weights=WEIGHTS)
        if move is None:
            return "Is there anything else I can help you with?", ("reqmore",)
        text = self._fill(move.text)
        view.speak(move.acts, names_in(text) if "<name>" in move.text else ())
        return text, move.acts

    def _allow(self, move: Move) -> bool:
        view = self._view
        if any(item != view.item for item in move.opens):
            return False
        kinds = {act.partition(":")[0] for act in move.acts}
        if kinds & REFUSALS and not view.fails():
            return False
        if kinds & {"book", "offerbooked"} and (view.item in view.booked or view.fails()):
            return False
        for act in move.acts:
            kind, _, name = act.partition(":")
            slot = name.partition("_")[2]
            if kind == "request" and slot and f"{view.item}_{slot}" in view.told:
                return False
        return not any(not view.told.get(match[1]) for match in SLOT.finditer(move.text))

    def _fill(self, text: str) -> str:
        view, rng = self._view, self._rng
        fresh = ""

        def place(match: re.Match[str]) -> str:
            nonlocal fresh
            if match[1] == "code":
                return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(8))
            own = view.told.get(f"{view.item}_name") or view.offered.get(view.item)
            if own and not fresh:
                fresh = own
                return own.title()
            fresh = rng.choice(self.names.get(view.item) or ["The Place"])
            return fresh

        return SLOT.sub(lambda match: view.told[match[1]], PLACE.sub(place, text))


def _plain(acts: Iterable[str], item: str) -> list[str]:
    """User acts with the current item's name taken out, so that assistants learn across items."""
    return [act.replace(f":{item}_", ":") if item else act for act in acts]


def mine_system(sessions: Sequence[Session]) -> SystemSimulator:
    """The assistant's side of conversations as a simulator."""
    names: dict[str, set[str]] = {}
    moves = []
    for session in sessions:
        if session.goal is None:
            continue
        view = View(session.goal)
        for before, turn in zip(session.turns, session.turns[1:], strict=False):
            view.hear(before.acts, dict(before.said))
            offered = names_in(turn.heard) if any("_name" in act for act in turn.heard_acts) else []
            text = CODE.sub("<code>", turn.heard)
            for name in sorted(offered, key=len, reverse=True):
                names.setdefault(view.item, set()).add(name)
                text = text.replace(name, "<name>")
            moves.append(_move(turn, text, view, before))
            view.speak(turn.heard_acts, offered)
    return SystemSimulator(Behaviour(moves=merged(moves)), {item: sorted(found) for item, found in names.items()})


def _move(turn: Exchange, text: str, view: View, before: Exchange) -> Move:
    for name, value in sorted(view.told.items()):
        if len(value) > 2 and name.startswith(f"{view.item}_"):
            text = re.sub(rf"(?<![\w{{<]){re.escape(value)}(?![\w}}>])", f"{{{name}}}", text, flags=re.IGNORECASE)
    items = {act.partition(":")[2].partition("_")[0] for act in turn.heard_acts if "_" in act} - {"booking"}
    return Move(
        acts=turn.heard_acts,
        text=text,
        heard=tuple(sorted(set(_plain(before.acts, view.item)))),
        situation=tuple(view.situation()),
        opens=tuple(sorted(items)),
    )


__all__ = ["SystemSimulator", "mine_system"]
