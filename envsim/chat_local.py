"""A chat model on this machine: any causal language model that transformers loads from a path.

Needs the ``local`` extra, so it is reached by name only (`envsim.chat.open_chat`). Greedy or seeded replies are the
same bytes in every process of one machine: one thread, and randomness from `envsim.rng`, not torch's global state.

Sources: tool calls are written as the Hermes function-calling format has them (``<tool_call>{...}</tool_call>``, which
Qwen and SmolLM share); forms with free slots are filled by comparing the model's own probabilities of the
options, after G-Eval (Liu et al. 2023), which weights scores by token probabilities.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from envsim.errors import ModelError
from envsim.pretrained import load_pretrained
from envsim.rng import uniform

_TOOL_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_TOOLS = (
    "\n\nYou can call these tools, given as JSON schemas:\n{tools}\nTo call one, reply with\n"
    '<tool_call>{{"name": "NAME", "arguments": {{...}}}}</tool_call>\nand nothing else.'
)


class LocalChat:
    """Chats with a model read from `path`.

    Args:
        path: A directory with ``config.json``, a tokenizer and safetensors weights, or one ``.gguf`` file.
        max_tokens: Longest reply, in tokens.
        threads: Of torch while it computes; more are faster and may change the last bits of a probability.

    Raises:
        ModelError: There is no usable model at `path`.
        PrerequisiteError: A GGUF needs packages that are not installed.
    """

    parallel = False

    def __init__(self, path: Path, *, max_tokens: int = 256, threads: int = 1) -> None:
        self.name = f"local:{path}"
        self._path = path
        self._max_tokens = max_tokens
        self._threads = threads
        self._tokenizer, self._model = load_pretrained(path)
        self._limit = int(getattr(self._model.config, "max_position_embeddings", 0) or 2**31)
        generation = self._model.generation_config.eos_token_id
        ends = generation if isinstance(generation, list) else [generation, self._tokenizer.eos_token_id]
        self._ends = {end for end in ends if end is not None}
        # What would end or begin a message, were it to stand in one.
        self._control = sorted(
            {token.content for token in self._tokenizer.added_tokens_decoder.values() if len(token.content) > 1}
        )

    def reply(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        tools: Sequence[dict[str, Any]] = (),
        schema: dict[str, Any] | None = None,
        seed: int = 0,
        temperature: float = 0.0,
    ) -> dict[str, Any]:
        """See `envsim.chat.Chat.reply`; `schema` is not enforced, `fill` is for that.

        Raises:
            ModelError: The conversation is longer than the model's context, or its template refuses it.
        """
        del schema
        with self._computing():
            ids = self._encode(messages, tools)
            text = self._decode(ids, seed, temperature)
        return _with_calls(text) if tools else {"role": "assistant", "content": text}

    def fill(
        self, messages: Sequence[dict[str, Any]], form: Sequence[str], options: Sequence[str]
    ) -> list[list[float]]:
        """Let the model fill a form whose slots take one of `options` each.

        The reply is ``form[0] + option + form[1] + option + ... + form[-1]``; each slot is filled with the likeliest
        option, and the next is chosen after it.

        Args:
            messages: The conversation before the reply.
            form: What stands around the slots; one part more than there are slots.
            options: At least two texts that are one token each, such as digits.

        Returns:
            For each slot the probability of each option, given that it is one of them.

        Raises:
            ModelError: An option is more than one token, or the conversation does not fit.
        """
        with self._computing():
            choices = [self._one_token(option) for option in options]
            ids = self._encode(messages, ())
            found: list[list[float]] = []
            past: Any = None
            for part in form[:-1]:
                ids = ids + self._tokens(part)
                logits, past = self._forward(ids, past)
                weights = torch.softmax(logits[choices].double(), dim=0).tolist()
                found.append(weights)
                ids = [choices[weights.index(max(weights))]]
        return found

    # -- text to tokens ------------------------------------------------------------------------------

    def _encode(self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> list[int]:
        plain = [{"role": _role(message), "content": self._harmless(_content(message))} for message in messages]
        if tools:
            listed = _TOOLS.format(tools="\n".join(json.dumps(tool) for tool in tools))
            if plain and plain[0]["role"] == "system":
                plain[0]["content"] += listed
            else:
                plain.insert(0, {"role": "system", "content": listed.strip()})
        try:
            text = self._tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            # Templates are the model's own programs (run in a sandbox), and raise what they like.
            raise ModelError(
                f"The chat template of {self._path} refuses the conversation: {str(error)[:200]}. "
                "Use a model that was trained to chat."
            ) from None
        ids = self._tokens(text)
        if len(ids) + self._max_tokens > self._limit:
            raise ModelError(
                f"The conversation has {len(ids)} tokens and {self._path} holds {self._limit}, replies included. "
                "Use a model with a longer context, or shorter texts."
            )
        return ids

    def _harmless(self, text: str) -> str:
        """`text` in which no control token is left: who speaks in a message must not be able to end it."""
        for token in self._control:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _tokens(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _one_token(self, option: str) -> int:
        tokens = self._tokens(option)
        if self._tokenizer.decode(tokens[-1:]).strip() != option:
            raise ModelError(f"{self._path} writes {option!r} with several tokens. Use another model for this.")
        return tokens[-1]

    # -- tokens to tokens ----------------------------------------------------------------------------

    def _decode(self, ids: list[int], seed: int, temperature: float) -> str:
        out: list[int] = []
        past: Any = None
        for position in range(self._max_tokens):
            logits, past = self._forward(ids, past)
            token = _pick(logits, temperature, uniform(seed, "token", position))
            if token in self._ends:
                break
            out.append(token)
            ids = [token]
        return str(self._tokenizer.decode(out, skip_special_tokens=True)).strip()

    def _forward(self, ids: list[int], past: Any) -> tuple[torch.Tensor, Any]:
        """Logits of the next token, shape (vocabulary,), and the cache of all so far."""
        out = self._model(
            input_ids=torch.tensor([ids]), past_key_values=past, use_cache=True, logits_to_keep=1
        )  # logits: (1, 1, vocabulary)
        return out.logits[0, -1], out.past_key_values

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)


def _pick(logits: torch.Tensor, temperature: float, draw: float) -> int:
    """The token at `draw` in [0, 1) of the cumulated distribution; the likeliest at temperature 0."""
    if temperature <= 0:
        return int(logits.argmax())
    order = torch.argsort(logits, descending=True, stable=True)
    cumulated = torch.softmax(logits[order].double() / temperature, dim=0).cumsum(0)
    place = int(torch.searchsorted(cumulated, torch.tensor(draw, dtype=torch.double), right=True))
    return int(order[min(place, len(order) - 1)])


def _role(message: dict[str, Any]) -> str:
    # Few templates know the role of tool results; every one knows the user's.
    role = str(message.get("role", "user"))
    return role if role in ("system", "user", "assistant") else "user"


def _content(message: dict[str, Any]) -> str:
    """All that a message says, its tool calls written out."""
    calls = [call.get("function", call) for call in message.get("tool_calls") or ()]
    written = [
        f'<tool_call>{{"name": {json.dumps(call.get("name"))}, "arguments": {call.get("arguments")}}}</tool_call>'
        for call in calls
    ]
    content = str(message.get("content") or "")
    if message.get("role") == "tool":
        content = f"<tool_response>{content}</tool_response>"
    return "\n".join([content, *written]).strip()


def _with_calls(text: str) -> dict[str, Any]:
    """The message a reply in Hermes format is; a call that is not JSON stays text for its reader to refuse."""
    calls: list[dict[str, Any]] = []
    for number, match in enumerate(_TOOL_CALL.finditer(text)):
        try:
            call = json.loads(match[1])
            arguments = call.get("arguments", {})
            name = call["name"]
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return {"role": "assistant", "content": text}
        function = {"name": str(name), "arguments": json.dumps(arguments)}
        calls.append({"id": f"call_{number}", "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": _TOOL_CALL.sub("", text).strip()}
    return {**message, "tool_calls": calls} if calls else message
