"""A policy behind any OpenAI-compatible chat endpoint with tool calling."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from envsim.chat import ChatEndpoint
from envsim.errors import ActionError, ModelError
from envsim.task import Task
from envsim.types import AGENT_TOOLS, Action, Observation

SYSTEM = (
    "You act for a user in a web application, one tool call at a time. Elements are named by the ref in square "
    "brackets. Applications have faults: check that what you did took effect before you finish. When the goal is "
    "reached, call answer, with a value if the goal asks a question; if it cannot be reached, call report_infeasible."
)
_OMITTED = "(an earlier view, left out)"
_REPAIRS = 2
"""How often the model may correct an unreadable action before the episode is given up."""


class ChatPolicy:
    """Asks a chat model for each action.

    Args:
        model: Name of the model, as the endpoint knows it.
        base_url: Up to and including ``/v1``; default: ``$OPENAI_BASE_URL``, else OpenAI's.
        api_key: Default: ``$OPENAI_API_KEY``; local servers take any.
        keep: How many of the latest observations the model sees in full.
        timeout_s: Longest wait for one reply.
        attempts: Tries per reply, with growing waits, where the endpoint is overloaded or down.
        sleep: Waits; replaced in tests.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        keep: int = 3,
        timeout_s: float = 120.0,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._chat = ChatEndpoint(
            model, base_url=base_url, api_key=api_key, timeout_s=timeout_s, attempts=attempts, sleep=sleep
        )
        self._keep = keep
        self._seed = 0
        self._tools: list[dict[str, Any]] = []
        self._messages: list[dict[str, Any]] = []
        self._pending = ""
        self._spoke = False

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`. The task is not looked at: the goal is in the observation."""
        del task
        self._seed = seed
        self._tools = [*tools, *AGENT_TOOLS]
        self._messages = [{"role": "system", "content": SYSTEM}]
        self._pending = ""
        self._spoke = False

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`.

        Raises:
            PrerequisiteError: The endpoint refuses, or does not answer after all attempts.
        """
        self._tell(_describe(observation, first=len(self._messages) == 1, spoke=self._spoke))
        for _ in range(_REPAIRS + 1):
            try:
                message = self._chat.reply(self._messages, tools=self._tools, seed=self._seed)
            except ModelError:
                # It has talked itself out of its context: the policy's failure, and of this episode alone.
                break
            try:
                action = self._read(message)
            except ActionError as error:
                self._tell(f"error: {error}")
            else:
                self._spoke = action.kind == "say"
                return action
        return Action.answer()

    def _tell(self, text: str) -> None:
        """Give the model the result of its last call, or its first look."""
        if self._pending:
            self._messages.append({"role": "tool", "tool_call_id": self._pending, "content": text})
        else:
            self._messages.append({"role": "user", "content": text})
        seen = [message for message in self._messages if message["role"] == "tool"]
        for message in seen[: -self._keep]:
            message["content"] = _OMITTED

    def _read(self, message: dict[str, Any]) -> Action:
        calls = message.get("tool_calls") or []
        # One action a step: what else was called is dropped, or its ids would want results.
        self._pending = str(calls[0].get("id") or "call") if calls else ""
        kept = {"role": "assistant", "content": message.get("content") or ""}
        named = [{**calls[0], "id": self._pending}] if calls else []
        self._messages.append({**kept, "tool_calls": named} if named else kept)
        if not calls:
            return Action.say(str(message.get("content") or ""))
        return Action.parse({"tool_calls": calls[:1]})


def _describe(observation: Observation, *, first: bool, spoke: bool) -> str:
    parts = [f"Goal: {observation.goal}"] if first else []
    parts += [f"{message.role}: {message.text}" for message in observation.messages]
    parts += [f"error: {observation.error}"] if observation.error else []
    parts += [f"url: {observation.url}\n{observation.page}"] if observation.page else []
    # After a message the observation still holds what the last tool returned; it has been seen.
    parts += [observation.result] if observation.result and not spoke else []
    return "\n".join(parts) or "Done."
