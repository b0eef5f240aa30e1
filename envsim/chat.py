"""Chat models by one call: an OpenAI-compatible endpoint, or a model on this machine.

Source: the chat completions API as OpenAI documents it, and as vLLM, llama.cpp and Ollama serve it;
RFC 9110, 10.2.3 for ``Retry-After``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

import httpx

from envsim.errors import ContentError, ModelError, PrerequisiteError, load_optional

NAMES = "chat:MODEL (asked at $OPENAI_BASE_URL) or local:PATH (a model directory or .gguf file)"
"""How chat models are named at every command line."""

_LOCAL_ENTRY = "envsim.chat_local:LocalChat"
_LONGEST_WAIT_S = 60.0
"""An endpoint that asks for more patience than this is asked again after this."""
_TOO_LONG = re.compile("context", re.IGNORECASE)
"""What OpenAI, vLLM and llama.cpp all say in the 400 for a conversation that does not fit."""

ChatMessage = dict[str, Any]
"""A message as the API has it: ``role``, ``content``, and ``tool_calls`` where the model called tools."""


class Chat(Protocol):
    """A model that continues a conversation."""

    @property
    def name(self) -> str:
        """As it is named at the command line, e.g. ``chat:gpt-4o-mini``."""

    @property
    def parallel(self) -> bool:
        """Whether several threads may ask at once."""

    def reply(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> ChatMessage:
        """The assistant's next message: ``content`` a string or None, ``tool_calls`` as the API documents them.

        Args:
            messages: The conversation so far.
            tools: What the model may call, as OpenAI function schemas.
            schema: A JSON schema the content should satisfy. A request, not a promise: check what comes.
            seed: Of the sampling, where `temperature` is above 0 and the model honours it.
            temperature: 0 for the likeliest reply.

        Raises:
            ModelError: The conversation is longer than the model's context.
            PrerequisiteError: The model cannot be reached or used.
        """


def open_chat(name: str) -> Chat:
    """The chat model of that name: ``chat:MODEL`` or ``local:PATH``.

    Raises:
        ContentError: Neither.
        ModelError: There is no usable model at the path.
        PrerequisiteError: A local model needs packages that are not installed.
    """
    kind, _, argument = name.partition(":")
    if kind == "chat" and argument:
        return ChatEndpoint(argument)
    if kind == "local" and argument:
        local: Chat = load_optional(_LOCAL_ENTRY, "local")(Path(argument))
        return local
    raise ContentError(f"{name!r} names no chat model. Write it as {NAMES}.")


class ChatEndpoint:
    """A model behind an OpenAI-compatible chat completions endpoint.

    Args:
        model: Name of the model, as the endpoint knows it.
        base_url: Up to and including ``/v1``; default: ``$OPENAI_BASE_URL``, else OpenAI's.
        api_key: Default: ``$OPENAI_API_KEY``; local servers take any.
        timeout_s: Longest wait for one reply to begin or go on.
        attempts: Tries per reply, with growing waits, where the endpoint is overloaded or down.
        logprobs: Ask for log-probabilities too: replies have those of their tokens as ``logprobs``, where they came.
        sleep: Waits; replaced in tests.
    """

    parallel = True

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        attempts: int = 5,
        logprobs: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.model = model
        self.name = f"chat:{model}"
        self._base = (base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1").rstrip("/")
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "none"
        self._timeout = timeout_s
        self._attempts = attempts
        self._logprobs = logprobs
        self._sleep = sleep
        self._takes_schemas = True
        # Reading the certificates takes longer than asking a server on this machine.
        self._tls = httpx.create_ssl_context() if self._base.startswith("https:") else False

    def reply(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> ChatMessage:
        """See `Chat.reply`.

        Raises:
            ModelError: The endpoint says that the conversation is longer than the model's context.
            PrerequisiteError: The endpoint refuses, or does not answer after all attempts.
        """
        body: dict[str, Any] = {
            "model": self.model, "messages": list(messages), "temperature": temperature, "seed": seed
        }  # fmt: skip
        if self._logprobs:
            body["logprobs"] = True
        if tools:
            body["tools"] = [{"type": "function", "function": tool} for tool in tools]
        if schema is None or not self._takes_schemas:
            return self._message(self._post(body))
        form = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}
        answer = self._post({**body, "response_format": form})
        if answer.status_code in (400, 422):
            # Some servers know no schemas; who asks checks the reply anyway.
            answer = self._post(body)
            self._takes_schemas = not answer.is_success
        return self._message(answer)

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        """The first answer that is not about load or the network."""
        # Escaped to ASCII: half a surrogate pair in a page must not stop the request.
        content = json.dumps(body).encode()
        failure, wait = "", 0.0
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(max(wait, min(2.0**attempt, 30.0)))
            wait = 0.0
            try:
                # A connection per reply: nothing stays open between episodes, and nobody has to close a model.
                reply = httpx.post(
                    f"{self._base}/chat/completions", content=content, headers=self._headers(),
                    timeout=self._timeout, verify=self._tls,
                )  # fmt: skip
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise self._unusable(f"is no http address ({error})") from None
            except httpx.RequestError as error:
                failure = str(error) or type(error).__name__
                continue
            if reply.status_code not in (408, 409, 429) and reply.status_code < 500:
                return reply
            failure = f"HTTP {reply.status_code}"
            wait = _retry_after_s(reply.headers.get("retry-after", ""))
        raise self._unusable(f"did not answer in {self._attempts} attempts ({failure})")

    def _headers(self) -> dict[str, str]:
        if not (self._key.isascii() and self._key.isprintable()):
            raise self._unusable("cannot be sent the API key, which has characters no key has")
        return {"authorization": f"Bearer {self._key}", "content-type": "application/json"}

    def _message(self, reply: httpx.Response) -> ChatMessage:
        if reply.status_code == 413 or (reply.status_code in (400, 422) and _TOO_LONG.search(reply.text)):
            # Of this conversation alone: others may go on.
            raise ModelError(
                f"The conversation is too long for {self.model} ({reply.text[:200]!r}). "
                "Use a model with a longer context, or shorter texts."
            )
        try:
            choice = reply.raise_for_status().json()["choices"][0]
            message = choice["message"]
        except (httpx.HTTPStatusError, ValueError, LookupError, TypeError, RecursionError):
            raise self._unusable(f"answered HTTP {reply.status_code}: {reply.text[:200]}") from None
        if not isinstance(message, dict):
            raise self._unusable("answered without a message")
        found = _as_documented(message)
        return {**found, "logprobs": _logprobs(choice)} if self._logprobs else found

    def _unusable(self, what: str) -> PrerequisiteError:
        return PrerequisiteError(
            f"The chat endpoint {self._base} {what}. Set OPENAI_BASE_URL and OPENAI_API_KEY, and check the model name.",
            command=f"curl {self._base}/models",
        )


def _as_documented(message: dict[str, Any]) -> ChatMessage:
    """`message` in the shapes the API documents: servers leave ids out, and send parts, objects and nulls instead."""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    found: ChatMessage = {**message, "role": "assistant", "content": content if isinstance(content, str) else None}
    found.pop("tool_calls", None)
    raw = message.get("tool_calls")
    calls = [_call(call) for call in raw] if isinstance(raw, list) else []
    return {**found, "tool_calls": calls} if calls else found


def _logprobs(choice: dict[str, Any]) -> list[float]:
    """Of each token of a reply; empty where the server told none, or no numbers."""
    found = choice.get("logprobs")
    content = found.get("content") if isinstance(found, dict) else None
    each = [token.get("logprob") for token in content if isinstance(token, dict)] if isinstance(content, list) else []
    numbers = [float(one) for one in each if isinstance(one, int | float)]
    # The API writes the least likely tokens as -9999; an infinity would make every mean one.
    return [one if one >= -9999.0 else -9999.0 for one in numbers] if len(numbers) == len(each) else []


def _call(raw: Any) -> dict[str, Any]:
    call: dict[str, Any] = raw if isinstance(raw, dict) else {}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments") or {}
    return {
        "id": str(call.get("id") or ""),
        "type": "function",
        "function": {
            "name": str(function.get("name") or ""),
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments),
        },
    }


def _retry_after_s(value: str) -> float:
    """How long the endpoint asks to be left alone, in seconds; 0 where it does not say."""
    try:
        wait = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        wait = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(wait, _LONGEST_WAIT_S) if wait > 0 else 0.0
