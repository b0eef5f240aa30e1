"""`Tau2World`: a tau2-bench domain as a world, with both sides' tools on databases in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from envsim.errors import ContentError, EnvsimError, UncertainError
from envsim.integrations.tau2.backend import CallError, open_backend, tools
from envsim.integrations.tau2.data import InitialState, Side, TauTask
from envsim.state import StateView, diff
from envsim.task import Task
from envsim.types import Action, JsonValue, Message, Observation, Transition

PARAMS_KEY = "tau2"
"""Key of `Task.params` under which a task of this world holds its tau2 task, as JSON."""


class Call(NamedTuple):
    """A call that one side made in an episode, carried out or not: what tau2's action checks look at."""

    side: Side
    name: str
    arguments: dict[str, JsonValue]


class Tau2World:
    """One domain. A `DualControlWorld`: telecom's user has a phone with tools of its own.

    The state view holds the domain's collections by key (airline: ``flights``, ``users``,
    ``reservations``; retail: ``products``, ``users``, ``orders``; telecom: ``plans``, ``customers``,
    ``lines``, ``bills``, ``devices``, and of the user ``device`` and ``surroundings``).

    What a tool refuses is a *result*, ``"Error: <why>"``, as in recorded tau2 sessions. Where no call was
    made, because there is no such tool or the arguments do not fit its schema, `Observation.error` says so.

    tau2 gives a new telecom bill an id from ``uuid4``; here the seed determines it. Nothing else differs.

    Args:
        domain: ``"airline"``, ``"retail"`` or ``"telecom"``.

    Raises:
        ContentError: There is no such domain.
        PrerequisiteError: The extra ``tau2`` is not installed.
    """

    kind = "tau2"

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self._backend = open_backend(domain)
        self._fresh = True
        self._calls: tuple[Call, ...] = ()
        self._backend.reset(None, 0)
        self._view = self._seed_view = self._backend.view()

    @property
    def bugs(self) -> Mapping[str, float]:
        """See `World.bugs`: tau2 has none."""
        return {}

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls of the running episode, of both sides, in order."""
        return self._calls

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `World.tools`."""
        return [dict(tool.schema) for tool in tools(self.domain, "assistant").values()]

    def user_tools(self) -> list[dict[str, JsonValue]]:
        """See `DualControlWorld.user_tools`; empty but for telecom."""
        return [dict(tool.schema) for tool in tools(self.domain, "user").values()]

    def seed_view(self) -> StateView:
        """See `World.seed_view`."""
        return self._seed_view

    def reset(self, task: Task, seed: int) -> Transition:
        """See `World.reset`.

        Raises:
            ContentError: It is no task of this domain, or its initial state cannot be reached.
        """
        tau = tau_task(task)
        start = tau.initial_state or InitialState()
        self._calls = ()
        try:
            self._backend.reset(start.initialization_data, seed)
            for each in start.initialization_actions or ():
                self._backend.invoke(each.env_type, each.func_name, each.arguments)
        except EnvsimError:
            raise
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise ContentError(
                f"The initial state of tau2 task {tau.id!r} cannot be reached ({why}). Is it a task of {self.domain}?"
            ) from error
        messages = self._replay(start.message_history or ())
        self._view = self._backend.view()
        return Transition(observation=Observation(messages=messages))

    def step(self, action: Action) -> Transition:
        """See `World.step`."""
        return self._act("assistant", action)

    def user_step(self, action: Action) -> Transition:
        """See `DualControlWorld.user_step`."""
        return self._act("user", action)

    def state(self) -> StateView:
        """See `World.state`."""
        return self._view

    def snapshot(self) -> object:
        """See `World.snapshot`."""
        return self.domain, self._backend.save(), self._view, self._calls

    def restore(self, token: object) -> None:
        """See `World.restore`.

        Raises:
            UncertainError: `token` is not from a world of this domain.
        """
        if not isinstance(token, tuple) or len(token) != 4 or token[0] != self.domain:
            raise UncertainError(f"This token is not from a world of {self.domain}. Take it after reset().")
        _, saved, self._view, self._calls = token
        self._backend.load(saved)

    def close(self) -> None:
        """See `World.close`."""

    def check(self, side: Side, function: str, arguments: dict[str, Any]) -> Any:
        """What a function of a side's environment returns: tau2's assertions. Logged nowhere.

        Raises:
            Exception: Whatever it raises.
        """
        return self._backend.invoke(side, function, arguments)

    def _act(self, side: Side, action: Action) -> Transition:
        if action.kind != "call":
            return Transition(observation=Observation())
        self._calls += (Call(side, action.name, action.arguments),)
        seen = self._answer(side, action)
        before, self._view = self._view, self._backend.view()
        return Transition(observation=seen, delta=tuple(tuple(change) for change in diff(before, self._view)))

    def _answer(self, side: Side, action: Action) -> Observation:
        try:
            return Observation(result=self._backend.call(side, action.name, action.arguments))
        except CallError as error:
            return Observation(error=str(error))
        except Exception as error:
            return Observation(result=f"Error: {error}")

    def _replay(self, history: Iterable[dict[str, Any]]) -> tuple[Message, ...]:
        """Carry out what a task's earlier messages called, and give their texts."""
        said: list[Message] = []
        for message in history:
            role = message.get("role")
            if role not in ("assistant", "user"):
                continue
            for call in message.get("tool_calls") or ():
                arguments = call.get("arguments") or {}
                arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
                self._act(call.get("requestor", role), Action(kind="call", name=call["name"], arguments=arguments))
            if isinstance(text := message.get("content"), str) and text:
                said.append(Message(role=role, text=text))
        return tuple(said)


def tau_task(task: Task) -> TauTask:
    """The tau2 task inside one of ours.

    Raises:
        ContentError: There is none.
    """
    if (raw := task.params.get(PARAMS_KEY)) is None:
        raise ContentError(f"{task.id} is no tau2 task. Make one with envsim.integrations.tau2.make_task(domain, id).")
    return TauTask.model_validate(raw)
