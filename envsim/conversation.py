"""A task's user in a running episode: hears the agent, acts in its own session, and answers."""

from __future__ import annotations

from dataclasses import dataclass

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.types import Action, Event, JsonValue, Message, StateDelta, Transition, UserCall, UserTurn
from envsim.user.base import ForkableUser, User
from envsim.world import DualControlWorld, World


@dataclass(frozen=True)
class Reply:
    """What one turn of the user led to.

    Attributes:
        turn: The turn itself.
        delta: What the user's own calls changed in the state view.
        events: Ground truth about those calls.
        trust: The world's own P(their results are right).
        trusted: Whether all of them are inside its trust region.
        odds: The world's own P(chance falls as it did in all of them).
    """

    turn: UserTurn
    delta: StateDelta = ()
    events: tuple[Event, ...] = ()
    trust: float = 1.0
    trusted: bool = True
    odds: float = 1.0

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the agent gets to see of it."""
        return (Message(role="user", text=self.turn.text),) if self.turn.text else ()

    def after(self, transition: Transition) -> Transition:
        """`transition` with what the user then did."""
        seen = transition.observation
        return transition.model_copy(
            update={
                "observation": seen.model_copy(update={"messages": (*seen.messages, *self.messages)}),
                "delta": (*transition.delta, *self.delta),
                "events": (*transition.events, *self.events),
                "trust": min(transition.trust, self.trust),
                "trusted": transition.trusted and self.trusted,
                "odds": transition.odds * self.odds,
                "user": self.turn,
            }
        )


class Conversation:
    """One user in one world, episode after episode.

    Args:
        user: Who talks.
        world: Where the agent works; a user with abilities needs a `DualControlWorld`.
    """

    def __init__(self, user: User, world: World) -> None:
        self._user = user
        self._world = world
        self._hands: _Hands | None = None

    def begin(self, goal: UserGoal, seed: int) -> Reply:
        """The opening of an episode whose world has been reset.

        Raises:
            ContentError: The user acts itself, and this world has no session for it.
            SandboxError: The sandbox failed under a call of the user's.
            PrerequisiteError: The model that plays the user cannot be reached.
        """
        self._hands = None
        if goal.login is not None:
            if not isinstance(self._world, DualControlWorld):
                raise ContentError(
                    f"The user of this task acts in a session of its own, which world={self._world.kind!r} does not "
                    'have. Use world="sandbox".'
                )
            self._hands = _Hands(self._world)
        return self._reply(self._user.reset(goal, seed, self._hands))

    def hear(self, text: str) -> Reply:
        """What the user answers to `text`.

        Raises:
            SandboxError: The sandbox failed under a call of the user's.
            PrerequisiteError: The model that plays the user cannot be reached.
        """
        return self._reply(self._user.hear(text))

    def fork(self, world: World) -> Conversation:
        """The same conversation, going on in `world`, to which the episode has been copied.

        Raises:
            ContentError: This user cannot be in two conversations.
        """
        if not isinstance(self._user, ForkableUser):
            name = type(self._user).__name__
            raise ContentError(f"A {name} cannot be forked. Give it fork(hands): envsim.user.base.ForkableUser.")
        twin = Conversation(self._user, world)
        if self._hands is not None and isinstance(world, DualControlWorld):
            twin._hands = _Hands(world)
        twin._user = self._user.fork(twin._hands)
        return twin

    def _reply(self, turn: UserTurn) -> Reply:
        return Reply(turn) if self._hands is None else self._hands.drain(turn)


class _Hands:
    """See `envsim.user.base.Hands`; keeps what its calls led to until it is drained."""

    def __init__(self, world: DualControlWorld) -> None:
        self._world = world
        self._delta: list[tuple[JsonValue, ...]] = []
        self._events: list[Event] = []
        self._trust, self._trusted, self._odds = 1.0, True, 1.0

    def tools(self) -> list[dict[str, JsonValue]]:
        return self._world.user_tools()

    def call(self, name: str, arguments: dict[str, JsonValue]) -> UserCall:
        action = Action.call(name, **arguments)
        transition = self._world.user_step(action)
        self._delta += transition.delta
        self._events += transition.events
        self._trust = min(self._trust, transition.trust)
        self._trusted = self._trusted and transition.trusted
        self._odds *= transition.odds
        return UserCall(action=action, result=transition.observation.result, error=transition.observation.error)

    def drain(self, turn: UserTurn) -> Reply:
        reply = Reply(turn, tuple(self._delta), tuple(self._events), self._trust, self._trusted, self._odds)
        self._delta, self._events = [], []
        self._trust, self._trusted, self._odds = 1.0, True, 1.0
        return reply
