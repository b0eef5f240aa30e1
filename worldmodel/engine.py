"""Answers of a large model that is served elsewhere: any OpenAI-compatible endpoint, vLLM's for example.

Such a model has a tokenizer of its own, so it reads what our network would read as text, and writes the outcome and the
edits as JSON. The endpoint is asked to hold it to a schema (``response_format``, which vLLM enforces by structured
outputs: Dong et al. 2024, XGrammar). What comes is checked here all the same and turned into tokens of our grammar, so
that every answer parses whatever the endpoint does: an edit that is none leaves the draft standing.

Nothing is trained. Which edits to accept, and how far to trust, is fitted on held-out tasks as for any network, to the
mean log-probability of the reply's tokens. Replies are the likeliest ones; outcomes that the rules draw are settled.
An endpoint need not give the same bytes twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from envsim.chat import ChatEndpoint
from envsim.errors import ModelError, PrerequisiteError
from worldmodel import render
from worldmodel.decode import Answer, Remote
from worldmodel.examples import MAX_ANSWER, Context
from worldmodel.render import MAX_LINES, Vocabulary

_TASK = (
    "You predict what a web application answers to a request. You get the request, facts that are believed, what else "
    "is on screen, and a draft of the answer with numbered lines; lines left out of it stay as they are. A line that "
    "begins with ! is a change of the application's state, with @ a property of the answer; the others are the page "
    "or the result, indented by depth. Reply with JSON: the outcome, and the edits that make the draft right, in "
    "order. An edit replaces the draft's lines from `from` up to but not including `to` by `lines`, written in the "
    "same form; equal numbers insert. Where the draft is right, give no edits."
)
_SECTIONS = {
    render.REQUEST: "Request", render.FACTS: "Facts", render.CURRENT: "On screen", render.DRAFT: "Draft",
}  # fmt: skip
_AT_ONCE = 16
"""Requests that the endpoint is asked at a time: it batches them."""


class Engine(Remote):
    """A served model as a network.

    Args:
        model: Its name, as the endpoint knows it.
        url: Up to and including ``/v1``; default: ``$OPENAI_BASE_URL``. No model directory holds it: one that could say
            where to send sessions, and the key for the endpoint, would not be safe to load.
        options: Of `envsim.chat.ChatEndpoint`.
    """

    def __init__(self, model: str, url: str | None = None, **options: Any) -> None:
        super().__init__()
        self.model, self._url, self._options = model, url, options
        self._endpoint: ChatEndpoint | None = None

    def sizes(self) -> dict[str, Any]:
        """See `WorldModel.sizes`."""
        return {"engine": self.model}

    def answers(self, vocabulary: Vocabulary, contexts: Sequence[Context]) -> list[Answer]:
        """See `Remote.answers`.

        Raises:
            ModelError: A context is too long for the model.
            PrerequisiteError: There is no endpoint, or none that can be used.
        """
        # Kept, as it remembers what the server cannot do.
        endpoint = self._endpoint = self._endpoint or self.connect()

        def answer(context: Context) -> Answer:
            messages = [{"role": "system", "content": _TASK}, {"role": "user", "content": text_of(vocabulary, context)}]
            reply = endpoint.reply(messages, schema=schema_of(vocabulary, context))
            tokens = tokens_of(vocabulary, context, reply["content"] or "")
            known: list[float] = reply.get("logprobs") or [0.0]
            return Answer(tokens, [sum(known) / len(known)] * len(tokens))

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(answer, contexts))

    def connect(self) -> ChatEndpoint:
        """The endpoint; nothing is asked yet.

        Raises:
            PrerequisiteError: There is none, or none that can be used.
        """
        url = self._url or os.environ.get("OPENAI_BASE_URL")
        if not url:
            raise PrerequisiteError(
                f"This world model asks {self.model!r}, served at an address that no model directory holds.",
                command="export OPENAI_BASE_URL=http://127.0.0.1:8000/v1",
            )
        return ChatEndpoint(self.model, base_url=url, logprobs=True, **self._options)


def at(network: Any, url: str) -> Engine:
    """`network`, asked at `url`.

    Raises:
        ModelError: It is here, and asked nowhere.
    """
    if not isinstance(network, Engine):
        raise ModelError(f"This model has a network of its own and asks nobody at {url}. Leave out engine=.")
    return Engine(network.model, url)


def text_of(vocabulary: Vocabulary, context: Context) -> str:
    """What a network would read, as text: sections, and draft lines with their numbers."""
    out: list[str] = []
    run: list[int] = []

    def flush() -> None:
        out.append(vocabulary.read(run, context.slots))
        run.clear()

    for token in context.tokens:
        if token >= vocabulary.text0 or vocabulary.number0 <= token < vocabulary.line0:
            run.append(token)
            continue
        flush()
        if token in _SECTIONS:
            out.append(f"\n{_SECTIONS[token]}:\n")
        elif token == render.NL:
            out.append("\n")
        elif token == render.SKIP:
            out.append("\n(more is not shown)")
        elif vocabulary.line0 <= token < vocabulary.text0:
            out.append(f"\n{token - vocabulary.line0}: ")
    flush()
    return "".join(out).strip()


def schema_of(vocabulary: Vocabulary, context: Context) -> dict[str, Any]:
    """The JSON schema of a reply."""
    label = context.draft.label
    number = {"type": "integer", "minimum": 0, "maximum": _last(context)}
    edit = {"from": number, "to": number, "lines": {"type": "array", "items": {"type": "string"}}}
    outcomes = [label] if label in vocabulary.outcomes else vocabulary.outcomes
    return _object(
        {"outcome": {"type": "string", "enum": outcomes}, "edits": {"type": "array", "items": _object(edit)}}
    )


def tokens_of(vocabulary: Vocabulary, context: Context, reply: str) -> list[int]:
    """A reply in the grammar of `worldmodel.render`; what is no edit, or would not fit, is left out."""
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    label, said = context.draft.label, found.get("outcome")
    name = label if label in vocabulary.outcomes else said
    first = vocabulary.outcome0 + (vocabulary.outcomes.index(name) if name in vocabulary.outcomes else 0)
    out, at, edits = [first], 0, found.get("edits")
    for edit in edits if isinstance(edits, list) else []:
        written = _edit(vocabulary, context, edit, at)
        if written is not None:
            if len(out) + len(written) >= MAX_ANSWER:
                break
            out += written
            at = written[2] - vocabulary.line0
    return [*out, render.END]


def _edit(vocabulary: Vocabulary, context: Context, edit: Any, least: int) -> list[int] | None:
    """One edit at or after line `least` as tokens; None if it is none."""
    if not isinstance(edit, dict):
        return None
    start, end, lines = edit.get("from"), edit.get("to"), edit.get("lines")
    # type() and not isinstance(): True is an int.
    if type(start) is not int or type(end) is not int or not isinstance(lines, list):
        return None
    if not least <= start <= end <= _last(context) or not all(isinstance(line, str) for line in lines):
        return None
    known = {line: i for i, line in reversed(list(enumerate(context.draft.lines[: _last(context)])))}
    out = [render.EDIT, vocabulary.line0 + start, vocabulary.line0 + end]
    for line in lines:
        if line in known:
            out.append(vocabulary.line0 + known[line])
        else:
            out += [*vocabulary.line(line.replace("\n", " "), context.slots, False), render.NL]
    return out


def _last(context: Context) -> int:
    """The last place that an edit can name: after the last line of the draft."""
    return min(len(context.draft.lines), MAX_LINES - 1)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False
    }  # fmt: skip
