"""The one protocol every world implements.

Sandbox, model, hybrid and replay worlds differ in what they cost and how far they are to be
trusted, never in how they are used: the same checks, traces, rollout loop and fidelity code
serve all of them. `envsim.testing.check_world` is the conformance kit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from envsim.state import StateView
from envsim.task import Task
from envsim.types import Action, JsonValue, Transition


@runtime_checkable
class World(Protocol):
    """What an environment steps.

    Every method may raise `SandboxError` (infrastructure) or `UncertainError` (the world cannot
    stand behind an answer); nothing an *agent* does may make one raise.
    """

    @property
    def kind(self) -> str:
        """``"sandbox"``, ``"model"``, ``"hybrid"`` or ``"replay"``."""
        ...

    @property
    def bugs(self) -> Mapping[str, float]:
        """Bugs switched on in the running episode and their rates; empty where that is not known."""
        ...

    def tools(self) -> list[dict[str, JsonValue]]:
        """Typed tools on offer, as OpenAI function schemas: ``{"name", "description", "parameters"}``.

        Browser interface: the page primitives. Tools interface: the app's own operations.
        """
        ...

    def seed_view(self) -> StateView:
        """The state view of the app as seeded, before any task: what task parameters are drawn from."""
        ...

    def reset(self, task: Task, seed: int) -> Transition:
        """Put the app in the task's start state and return the first observation.

        Two resets with the same task and seed are equal in every byte, in any process. The
        observation's `goal` is left empty: the environment fills it in.
        """
        ...

    def step(self, action: Action) -> Transition:
        """Carry out `action`. A malformed or impossible one sets `observation.error`."""
        ...

    def state(self) -> StateView:
        """The current state view. Never shown to the agent; must not be mutated by the caller."""
        ...

    def snapshot(self) -> object:
        """A token for the whole current state: app, session, page, clock, RNG."""
        ...

    def restore(self, token: object) -> None:
        """Return to `token`, taken from this world since its last reset. Tokens can be reused."""
        ...

    def close(self) -> None:
        """Release everything; safe to call twice."""
        ...


@runtime_checkable
class DualControlWorld(World, Protocol):
    """A world in which the user acts too, in a session of its own (`UserGoal.login`): one state, two sides."""

    def user_tools(self) -> list[dict[str, JsonValue]]:
        """Operations on offer to the user, as `World.tools`."""
        ...

    def user_step(self, action: Action) -> Transition:
        """Carry out the user's `action`: `World.step` on the other side.

        The agent's observation does not change; what the user sees is in the result's `observation`.
        """
        ...


@runtime_checkable
class BatchedWorld(World, Protocol):
    """A world that answers for several of its make in one go faster than one after the other."""

    def foresee(self, worlds: Sequence[World], actions: Sequence[Action]) -> None:
        """Work out what each of `worlds`, this one among them, will answer to its action.

        Only a hint: each world's `step` is still called, and answers alike without it.
        """
        ...


def foresee(asked: Sequence[tuple[World, Action]]) -> None:
    """Let worlds that answer in batches work out what they will answer to their actions; the others are left alone."""
    batched = [(world, action) for world, action in asked if isinstance(world, BatchedWorld)]
    if len(batched) > 1:
        batched[0][0].foresee([world for world, _ in batched], [action for _, action in batched])


@runtime_checkable
class ForkableWorld(World, Protocol):
    """A world whose running episode can go on in others of its make; what `envsim.env.TaskEnv.fork` needs."""

    def spawn(self, count: int) -> Sequence[World]:
        """`count` worlds of the same make, without an episode; each is closed by whoever asked for it."""
        ...

    def export(self) -> object:
        """The running episode, to be loaded any number of times into worlds that `spawn` made. Changes nothing here."""
        ...

    def load(self, token: object) -> None:
        """Begin where the exported episode stood. From there on it and this one have nothing in common.

        Raises:
            UncertainError: Not an episode of such a world.
        """
        ...
