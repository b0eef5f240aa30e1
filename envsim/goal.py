"""What a simulated user wants, knows and can do: the hidden half of a cooperative task.

A goal is data: a task file's ``[user]`` table, filled in by seed like the rest of the task. The
agent sees none of it but what the user says. `envsim.user` has the users that play it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from envsim.types import Frozen, JsonValue

FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
FactType = Literal["text", "name", "money", "number", "date", "boolean"]
Reveal = Literal["open", "asked", "authenticated"]


class Fact(Frozen):
    """Something the user knows. Only its value is ever said, never its name."""

    value: JsonValue
    type: FactType = Field(default="text", description="how the value is compared with what the agent says")
    reveal: Reveal = Field(
        default="asked",
        description="open: may be told unasked; asked: only when asked for; authenticated: only when asked for and "
        "after the agent has verified who the user is",
    )
    identity: bool = Field(default=False, description="the agent has verified the user once all of these were told")
    ask: tuple[str, ...] = Field(default=(), description="words by which an agent asks for it, beside the name's own")
    say: str = Field(default="", description="how the user puts it, with {value}; empty: by template")
    wrong: JsonValue = Field(default=None, description="what a user who misremembers says first; None: cannot")


class Limit(Frozen):
    """A bound on what the user agrees to: "not more than 40 euros"."""

    about: str = Field(description="what is bounded, in the user's words: 'the shipping'")
    type: Literal["money", "number", "date"] = "money"
    at_most: JsonValue = None
    at_least: JsonValue = None
    reveal: Literal["open", "asked"] = Field(default="open", description="asked: only once an offer breaks it")

    @model_validator(mode="after")
    def _bounds(self) -> Limit:
        if self.at_most is None and self.at_least is None:
            raise ValueError("give at_most, at_least or both")
        return self


class Change(Frozen):
    """A change of mind: from some turn on, a fact of the goal has another value."""

    fact: FactName
    value: JsonValue
    say: str = Field(description="how the user announces it, with {value}: 'Actually, make it {value}.'")
    when: Literal["told", "confirm"] = Field(
        default="told", description="told: in a turn after the fact was first told; confirm: when asked to confirm"
    )


class Look(Frozen):
    """How the user can see for itself whether an item was done (dual control)."""

    tool: str = Field(description="reading operation of the app, called as the user")
    arguments: dict[str, JsonValue] = Field(default={}, description="values, or '{fact.NAME}': a fact")
    path: str = Field(default="", description="into the result, dotted: 'order.status'")
    equals: JsonValue = Field(default=None, description="what is there once it is done; None: anything true")


class Item(Frozen):
    """One thing the user wants; its status is open, attempted, done or refused."""

    id: FactName
    want: str = Field(description="in the user's words, to follow 'I want to': 'return the kettle I bought'")
    tells: tuple[FactName, ...] = Field(default=(), description="facts told together with the wish, but for secrets")
    needs: tuple[FactName, ...] = Field(default=(), description="facts the agent will have to ask for")
    learns: tuple[FactName, ...] = Field(
        default=(),
        description="what the user wants to be told; done once the agent has told each (see `UserGoal.unknown`)",
    )
    limits: tuple[Limit, ...] = ()
    after: tuple[FactName, ...] = Field(
        default=(), description="a second wish: items that must be closed before it is voiced"
    )
    done_words: tuple[str, ...] = Field(
        default=(), description="words in an agent's report of success that mean this item: 'refund', 'cancelled'"
    )
    settles_for: tuple[str, ...] = Field(
        default=(), description="alternatives the user takes where it cannot have its way: 'store credit'"
    )
    check: Look | None = Field(default=None, description="how the user looks whether it was really done")


class Ability(Frozen):
    """Something the user can do in a session of its own, when the agent asks for it (dual control)."""

    tool: str = Field(description="operation of the app, called as the user")
    arguments: dict[str, JsonValue] = Field(
        default={}, description="values, or '{said}': what the agent said, read as `reads`; '{fact.NAME}': a fact"
    )
    reads: FactType | None = Field(default=None, description="type of the value taken from the agent's words")
    ask: tuple[str, ...] = Field(min_length=1, description="words by which an agent asks for it")
    report: str = Field(
        default="Done.", description="what the user says afterwards; {result.PATH} is a field of the tool's result"
    )
    teaches: dict[FactName, str] = Field(
        default={}, description="facts learned from the result, by path into it: {'code': 'messages.0.code'}"
    )


class UserGoal(Frozen):
    """Everything a simulated user needs for one episode."""

    scenario: str = Field(default="", description="who and why, for people and for chat users")
    facts: dict[FactName, Fact] = {}
    unknown: dict[FactName, tuple[str, ...]] = Field(
        default={},
        description="what the user does not know, with the words by which an agent asks for it; what an ability "
        "teaches may stand here too, for its words",
    )
    items: tuple[Item, ...] = Field(min_length=1)
    changes: tuple[Change, ...] = ()
    abilities: dict[FactName, Ability] = {}
    login: str | None = Field(default=None, description="account of the user's own session; needed for abilities")
    traits: dict[str, float] = Field(default={}, description="decision rates of this user, over the persona's own")

    @model_validator(mode="after")
    def _names_exist(self) -> UserGoal:
        ids = [item.id for item in self.items]
        if len(set(ids)) != len(ids):
            raise ValueError("two items have one id")
        if both := self.facts.keys() & self.unknown.keys():
            raise ValueError(f"{min(both)!r} is both known and unknown")
        taught = {name for ability in self.abilities.values() for name in ability.teaches}
        for item in self.items:
            _known(f"items.{item.id}.tells", item.tells, self.facts.keys())
            _known(f"items.{item.id}.needs", item.needs, self.facts.keys() | self.unknown.keys() | taught)
            _known(f"items.{item.id}.learns", item.learns, self.unknown.keys())
            _known(f"items.{item.id}.after", item.after, ids[: ids.index(item.id)])
        _known("changes", [change.fact for change in self.changes], self.facts.keys())
        if (self.abilities or any(item.check for item in self.items)) and self.login is None:
            raise ValueError("abilities and checks need a login: the account of the user's own session")
        return self


def _known(where: str, names: Any, known: Any) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"{where} names {unknown[0]!r}; there are: {', '.join(sorted(known)) or 'none'}")
