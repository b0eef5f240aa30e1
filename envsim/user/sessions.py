"""Conversations as mining and realism see them: what was heard, what was answered, what the goal was.

Any trace with user turns will do: production dialogues that an importer annotated, or our own recorded episodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from envsim.errors import TraceError
from envsim.goal import UserGoal
from envsim.trace import Trace
from envsim.user.understand import Reader


@dataclass(frozen=True)
class Exchange:
    """One turn of a user.

    Attributes:
        heard: What the agent had said since the user's turn before; empty for the opening.
        heard_acts: The agent's acts in it: as annotated, else as the agenda user would understand them.
        text: What the user said.
        acts: Its acts, sorted.
        said: How the user put which fact, where the trace says so: ``(fact, words)``.
        decisions: Decision points that fired, where a simulator recorded them.
    """

    heard: str
    heard_acts: tuple[str, ...]
    text: str
    acts: tuple[str, ...]
    said: tuple[tuple[str, str], ...] = ()
    decisions: tuple[str, ...] = ()

    def facts(self, kind: str = "inform") -> tuple[str, ...]:
        """Names of the facts of acts of one kind, e.g. those informed of."""
        return tuple(act[len(kind) + 1 :] for act in self.acts if act.startswith(f"{kind}:"))


@dataclass(frozen=True)
class Session:
    """One conversation.

    Attributes:
        name: Of the trace.
        user: Who spoke; the session's own name where the trace does not say.
        turns: What the user did, in order.
        goal: None where the trace does not record it.
        task: What it was about; sessions of one task are never split between fitting and testing.
    """

    name: str
    user: str
    turns: tuple[Exchange, ...]
    goal: UserGoal | None = None
    task: str = ""

    def told(self) -> list[frozenset[str]]:
        """The facts told up to and including each turn."""
        known: frozenset[str] = frozenset()
        out = []
        for turn in self.turns:
            known |= frozenset(turn.facts())
            out.append(known)
        return out

    def words(self) -> Iterator[tuple[str, ...]]:
        """The words of each turn, see `words`."""
        return (words(turn.text) for turn in self.turns)


def words(text: str) -> tuple[str, ...]:
    """The words of a text, lower case, punctuation marks as words of their own."""
    return tuple(_split(text.lower()))


def _split(text: str) -> Iterator[str]:
    word = ""
    for char in text:
        if char.isalnum() or char in "'_{}":
            word += char
            continue
        if word:
            yield word
        word = ""
        if not char.isspace():
            yield char
    if word:
        yield word


def sessions(traces: Iterable[Trace]) -> list[Session]:
    """The conversations of all traces that have a user in them, in the order given.

    Raises:
        TraceError: None of them has user turns.
    """
    count = 0
    found = []
    for trace in traces:
        count += 1
        if (session := session_of(trace)) is not None:
            found.append(session)
    if not found:
        raise TraceError(
            f"None of the {count} traces has a user who speaks. Give sessions of cooperative tasks, or convert "
            "annotated dialogues with: envsim ingest"
        )
    return found


def session_of(trace: Trace) -> Session | None:
    """The conversation of one trace; None where no user speaks in it."""
    meta = trace.header.meta
    agent_acts, said = meta.get("agent_acts"), meta.get("said")
    goal = _goal(meta)
    reader = Reader(goal) if goal is not None and agent_acts is None else None
    turns = []
    heard: list[str] = []
    heard_acts: set[str] = set()
    for step in trace.steps:
        if step.action is not None and step.action.kind == "say":
            heard.append(step.action.text)
            if reader is not None:
                heard_acts.update(f"{a.kind}:{a.about}".rstrip(":") for a in reader.read(step.action.text).acts)
        heard_acts.update(str(act) for act in _at(agent_acts, step.index))
        turn = step.user
        if turn is None or not (turn.text or turn.acts):
            continue
        turns.append(
            Exchange(
                heard=" ".join(heard),
                heard_acts=tuple(sorted(heard_acts)),
                text=turn.text,
                acts=tuple(sorted(turn.acts)) or ("other",),
                said=tuple((str(pair[0]), str(pair[1])) for pair in _at(said, step.index) if _is_pair(pair)),
                decisions=turn.decisions,
            )
        )
        heard, heard_acts = [], set()
    if not turns:
        return None
    user = meta.get("user")
    name = trace.header.session
    return Session(name, user if isinstance(user, str) else name, tuple(turns), goal, trace.header.task or name)


def _goal(meta: dict[str, Any]) -> UserGoal | None:
    """The goal an importer wrote as ``user_goal``, or the one our recorder wrote."""
    recorded = meta.get("user")
    found = meta.get("user_goal", recorded.get("goal") if isinstance(recorded, dict) else None)
    try:
        return UserGoal.model_validate(found)
    except ValidationError:
        return None


def _at(rows: Any, index: int) -> list[Any]:
    row = rows[index] if isinstance(rows, list) and index < len(rows) else None
    return row if isinstance(row, list) else []


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2
