"""The protocol of simulated users, and what they touch of the world."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from envsim.goal import UserGoal
from envsim.types import JsonValue, UserCall, UserTurn


@runtime_checkable
class Hands(Protocol):
    """What a user does itself, in a session of its own in the sandbox the agent works in."""

    def tools(self) -> list[dict[str, JsonValue]]:
        """Operations on offer to the user, as OpenAI function schemas."""
        ...

    def call(self, name: str, arguments: dict[str, JsonValue]) -> UserCall:
        """Carry one out. What the app refuses is in the result; nothing raises but infrastructure.

        Raises:
            SandboxError: The sandbox failed.
        """
        ...


@runtime_checkable
class User(Protocol):
    """Somebody with a goal, played one episode at a time.

    A user never raises for what an agent says. What the *simulator* got wrong (a value from
    nowhere, a fact it must not tell, a stop too early) it reports in `UserTurn.fault`.
    """

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        """Begin an episode with the opening utterance; equal arguments give equal episodes.

        Raises:
            ContentError: The goal or its persona cannot be played; says what to correct.
        """
        ...

    def hear(self, text: str) -> UserTurn:
        """Answer what the agent said."""
        ...

    def snapshot(self) -> object:
        """A token for the whole current state of the conversation."""
        ...

    def restore(self, token: object) -> None:
        """Return to `token`, taken since the last reset."""
        ...


@runtime_checkable
class ForkableUser(User, Protocol):
    """A user whose running conversation can go on in several environments; what `envsim.env.TaskEnv.fork` needs."""

    def fork(self, hands: Hands | None) -> User:
        """Another user at the same point, with `hands` of its own. From here on the two have nothing in common."""
        ...
