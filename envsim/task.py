"""Tasks: a start, a goal, checks on the outcome, and an oracle that proves it can be done.

A template (one ``tasks/<app>/<id>.toml``) gives many `Task` instances: its parameters are drawn
by seed from the app's seed view, so an instance is the same in every world.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from envsim.goal import UserGoal
from envsim.types import Action, Frozen, JsonValue

Interface = Literal["browser", "tools"]
Split = Literal["train", "test"]


class Start(Frozen):
    """Where an episode begins."""

    url: str = Field(default="/", description="path and query the page is opened at; browser interface only")
    login: str | None = Field(default=None, description="account (e-mail) that is signed in; None: a guest")
    clock: str | None = Field(
        default=None, description="ISO 8601 time the app starts at, UTC where it names no zone; None: the app's own"
    )
    setup: tuple[Action, ...] = Field(
        default=(), description="the app's own tools, called at reset with all bugs off, before the page opens"
    )


class Task(Frozen):
    """One instance: everything an episode needs, gold data included. Never serialised to an agent."""

    id: str = Field(description="<template>@<seed>, unique within an app")
    template: str
    app: str
    interface: Interface
    split: Split
    goal: str
    start: Start = Start()
    bugs: str | tuple[str, ...] | None = Field(
        default=None, description="bugs this task switches on; None: whatever the environment was made with"
    )
    user: UserGoal | None = Field(default=None, description="what the user wants; None: the agent works alone")
    max_steps: int = Field(default=30, gt=0)
    params: dict[str, JsonValue] = {}
    checks: tuple[dict[str, Any], ...] = Field(
        default=(), description="resolved check tables, see envsim.reward.checks"
    )
    oracle: tuple[Any, ...] = Field(
        default=(), description="oracle steps, see envsim.policy.steps; filled in from params as they run"
    )

    def starting_at(self, clock: str) -> Task:
        """The same instance with the app's clock at another ISO 8601 time."""
        return self.model_copy(update={"start": self.start.model_copy(update={"clock": clock})})
