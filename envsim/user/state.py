"""The state of one conversation, from the user's side: the agenda, and all that was said and done.

The agenda is the stack of Schatzmann et al. 2007: dialogue acts still to be said, the next on top.
"""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Literal

from envsim.goal import Item, UserGoal
from envsim.types import JsonValue

Status = Literal["open", "attempted", "done", "refused"]

_INDEX = re.compile(r"-?[0-9]{1,9}")

Task = tuple[str, str]
"""An entry of the agenda: (kind, about), kind being inform, wish or ask."""


@dataclass
class State:
    """Everything that changes in an episode; plain data, so that a copy is a snapshot."""

    turn: int = 0
    agenda: list[Task] = field(default_factory=list)
    status: dict[str, Status] = field(default_factory=dict)
    voiced: list[str] = field(default_factory=list)
    values: dict[str, JsonValue] = field(default_factory=dict)
    """What the user knows by now, taught facts and changes of mind included."""
    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Facts told wrongly and not yet put right."""
    asked: list[str] = field(default_factory=list)
    informed: list[str] = field(default_factory=list)
    """Unknown facts the agent has told."""
    hesitated: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    argued: dict[str, int] = field(default_factory=dict)
    deeds: dict[str, str] = field(default_factory=dict)
    """Ability -> done, claimed or failed."""
    said_for: dict[str, str] = field(default_factory=dict)
    """Ability -> the message that asked for it last, with what was to be entered."""
    changed: list[int] = field(default_factory=list)
    bounded: list[str] = field(default_factory=list)
    """Limits stated, as item.number."""
    doubts: int = 0
    """Refusals in a row that named nothing the user wants."""
    verified: bool = False
    stuck: int = 0
    """Turns in a row without progress."""
    left: bool = False

    @classmethod
    def begin(cls, goal: UserGoal) -> State:
        """The state before the first word."""
        return cls(
            status={item.id: "open" for item in goal.items},
            values={name: fact.value for name, fact in goal.facts.items()},
        )

    def copy(self) -> State:
        """An independent copy."""
        return copy.deepcopy(self)

    def push(self, kind: str, about: str) -> None:
        """Put an act on top of the agenda; it is there once."""
        if (kind, about) in self.agenda:
            self.agenda.remove((kind, about))
        self.agenda.append((kind, about))

    def drop(self, kind: str, about: str) -> None:
        """Take an act off the agenda, if it is there."""
        if (kind, about) in self.agenda:
            self.agenda.remove((kind, about))

    def closed(self, item: str) -> bool:
        """Whether an item is settled, one way or the other."""
        return self.status[item] in ("done", "refused")

    def pending(self) -> list[str]:
        """Voiced items that are not settled, the oldest first."""
        return [item for item in self.voiced if not self.closed(item)]

    def next_wish(self, goal: UserGoal) -> Item | None:
        """The first item not voiced whose predecessors are settled."""
        for item in goal.items:
            if item.id not in self.voiced and all(self.closed(before) for before in item.after):
                return item
        return None

    def authenticated(self, goal: UserGoal) -> bool:
        """Whether the agent has verified the user: all identity facts told, or, without such, said so."""
        identity = [name for name, fact in goal.facts.items() if fact.identity]
        return all(n in self.told and n not in self.wrong for n in identity) if identity else self.verified

    def progress(self) -> tuple[object, ...]:
        """What only moves forward; equal before and after a turn that led nowhere."""
        return (
            tuple(self.told), tuple(self.wrong), tuple(self.status.items()), tuple(self.informed), len(self.changed),
            tuple(self.deeds.items()), tuple(self.voiced), self.verified, len(self.bounded), tuple(self.asked),
            tuple(self.hesitated),
        )  # fmt: skip


def dig(result: str, path: str) -> JsonValue:
    """The value at a dotted path into the JSON text of a tool's result; None if there is none.

    Where a tool answers in plain words, the empty path is these words.
    """
    try:
        value: JsonValue = json.loads(result)
    except (ValueError, RecursionError):
        return None if path else result or None
    for part in path.split(".") if path else []:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and _INDEX.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
