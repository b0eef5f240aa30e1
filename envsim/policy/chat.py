"""A policy behind any OpenAI-compatible chat endpoint with tool calling.

Source: the chat completions API as OpenAI documents it, and as vLLM, llama.cpp and Ollama serve it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import httpx

from envsim.errors import ActionError, PrerequisiteError
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
        self.model = model
        self._base = (base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").rstrip("/")
        key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._headers = {"authorization": f"Bearer {key}"}
        self._timeout = timeout_s
        self._keep = keep
        self._attempts = attempts
        self._sleep = sleep
        self._seed = 0
        self._tools: list[dict[str, Any]] = []
        self._messages: list[dict[str, Any]] = []
        self._pending = ""

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`. The task is not looked at: the goal is in the observation."""
        del task
        self._seed = seed
        self._tools = [{"type": "function", "function": tool} for tool in [*tools, *AGENT_TOOLS]]
        self._messages = [{"role": "system", "content": SYSTEM}]
        self._pending = ""

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`.

        Raises:
            PrerequisiteError: The endpoint refuses, or does not answer after all attempts.
        """
        self._tell(_describe(observation, first=len(self._messages) == 1))
        for _ in range(_REPAIRS + 1):
            message = self._ask()
            try:
                return self._read(message)
            except ActionError as error:
                self._tell(f"error: {error}")
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
        self._messages.append({**kept, "tool_calls": calls[:1]} if calls else kept)
        if not calls:
            return Action.say(str(message.get("content") or ""))
        return Action.parse({"tool_calls": calls[:1]})

    def _ask(self) -> dict[str, Any]:
        body = {
            "model": self.model, "messages": self._messages, "tools": self._tools, "temperature": 0, "seed": self._seed
        }  # fmt: skip
        failure = ""
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(min(2.0**attempt, 30.0))
            try:
                # A connection per reply: nothing stays open between episodes, and nobody has to close a policy.
                reply = httpx.post(
                    f"{self._base}/chat/completions", json=body, headers=self._headers, timeout=self._timeout
                )
            except httpx.TransportError as error:
                failure = str(error) or type(error).__name__
                continue
            if reply.status_code in (408, 409, 429) or reply.status_code >= 500:
                failure = f"HTTP {reply.status_code}"
                continue
            return self._message(reply)
        raise self._unusable(f"did not answer in {self._attempts} attempts ({failure})")

    def _message(self, reply: httpx.Response) -> dict[str, Any]:
        try:
            message = reply.raise_for_status().json()["choices"][0]["message"]
        except (httpx.HTTPStatusError, ValueError, LookupError, TypeError):
            raise self._unusable(f"answered HTTP {reply.status_code}: {reply.text[:200]}") from None
        if not isinstance(message, dict):
            raise self._unusable("answered without a message")
        return message

    def _unusable(self, what: str) -> PrerequisiteError:
        return PrerequisiteError(
            f"The chat endpoint {self._base} {what}. Set OPENAI_BASE_URL and OPENAI_API_KEY, and check the model name.",
            command=f"curl {self._base}/models",
        )


def _describe(observation: Observation, *, first: bool) -> str:
    parts = [f"Goal: {observation.goal}"] if first else []
    parts += [f"{message.role}: {message.text}" for message in observation.messages]
    parts += [f"error: {observation.error}"] if observation.error else []
    parts += [f"url: {observation.url}\n{observation.page}"] if observation.page else []
    parts += [observation.result] if observation.result else []
    return "\n".join(parts) or "Done."
