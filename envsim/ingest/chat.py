"""Chat-completions transcripts -> tool traces.

One session per line, in any of the shapes transcripts are kept in: a bare list of messages,
``{"messages": [...], "tools": [...]}``, or tau-bench's ``{"traj": [...], "task_id", "trial", "reward"}``;
a file that is one JSON array of such sessions is read too.

One step per assistant text (``say``) and one per tool call (``call``); parallel calls become
consecutive steps, in the order they were made. A step's observation holds the tool's result and
whatever the user said next; step 0 holds what the user said first.

Source of the message shapes: the OpenAI chat-completions API reference, including its legacy
``function_call`` / role ``function`` form.

Lost, and counted: system prompts, text and images of unknown parts, timings, usage and all other
keys of messages and sessions; calls that were never answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from envsim.ingest.records import Format, Losses, Record, json_or_none, session_name
from envsim.trace import End, Header, Step, Trace
from envsim.types import Action, JsonValue, Message, Observation, Outcome

MESSAGE_KEYS = {"role", "content", "tool_calls", "tool_call_id", "name", "function_call"}
SESSION_KEYS = {"messages", "traj", "tools", "functions", "task_id", "task", "trial", "seed", "reward", "success",
                "model", "app", "domain", *(IDS := ("session_id", "session", "conversation_id", "id"))}  # fmt: skip


def sniff(line: bytes) -> bool:
    """Whether a file whose first line is `line` may hold chat transcripts."""
    value = json_or_none(line)
    if value is None:
        return line.lstrip()[:1] == b"["  # an array that spans lines
    return _messages_of(value) is not None or _is_array_of_sessions(value)


def read(path: Path, app: str, losses: Losses) -> Iterator[Record]:
    """The sessions of one file, see `envsim.ingest.records.Format`."""
    for where, raw, value in _sessions(path):
        if value is None:
            yield Record(where, error="it is not JSON", raw=raw)
            continue
        name = _name(value) or (path.stem, where)
        try:
            trace = to_trace(value, app=app or path.stem, fallback_name=session_name(*name), losses=losses)
        except ValidationError as error:
            # Not pydantic's own text, which quotes what was sent.
            first = error.errors()[0]
            yield Record(where, error=f"{first['loc'][0] if first['loc'] else 'action'}: {first['msg']}", raw=raw)
        except ValueError as error:
            yield Record(where, error=str(error), raw=raw)
        else:
            yield Record(where, trace, name=name, raw=raw)


FORMAT = Format("chat", "chat-completions messages with tool calls, one session per line", sniff, read)


def to_trace(session: Any, *, app: str, fallback_name: str, losses: Losses) -> Trace:
    """One decoded session as a trace.

    Args:
        session: A list of messages, or an object that holds one.
        app: Name of the app, where the session does not say.
        fallback_name: Session name, where the session has no id.
        losses: Added to.

    Raises:
        ValueError: Not such a session; says what is wrong with it.
    """
    messages = _messages_of(session)
    if messages is None:
        raise ValueError('it has no list of messages ("messages" or "traj")')
    record: dict[str, Any] = session if isinstance(session, dict) else {}
    for key in record.keys() - SESSION_KEYS:
        losses[f"session keys {key!r}"] += 1
    steps = _Steps(losses)
    for message in messages:
        steps.add(message)
    built = steps.finish()
    header = Header(
        session=session_name(*(_name(record) or (fallback_name,))),
        app=str(record.get("app") or record.get("domain") or app),
        source="chat",
        interface="tools",
        task=str(record.get("task_id", record.get("task", ""))),
        seed=seed if isinstance(seed := record.get("trial", record.get("seed", 0)), int) else 0,
        policy=str(record.get("model", "")),
        tools=tuple(_declared_tools(record) or _inferred_tools(built)),
    )
    return Trace(header, tuple(built), End(outcome=_outcome(record, losses), steps=len(built)))


# -- messages -> steps -----------------------------------------------------------------------------


@dataclass(eq=False)
class _Draft:
    """A step that is still being followed by messages."""

    action: Action | None
    raw: str = ""
    call_id: str | None = None
    result: str | None = None
    messages: list[Message] = field(default_factory=list)


class _Steps:
    """Folds messages into steps, in order."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._drafts = [_Draft(action=None)]
        self._unanswered: list[_Draft] = []

    def add(self, message: Any) -> None:
        if not isinstance(message, dict) or not isinstance(role := message.get("role"), str):
            raise ValueError("a message is not an object with a role")
        for key in message.keys() - MESSAGE_KEYS:
            self._losses[f"message keys {key!r}"] += 1
        if role in ("system", "developer"):
            self._losses["system prompts"] += 1
        elif role == "user":
            self._drafts[-1].messages.append(Message(role="user", text=self._text(message)))
        elif role == "assistant":
            self._assistant(message)
        elif role in ("tool", "function"):
            self._result(message)
        else:
            # Whole or not at all: half an address would get past the redactor.
            raise ValueError(
                f"it has a message with {f'the unknown role {role!r}' if len(role) <= 40 else 'no known role'}"
            )

    def finish(self) -> list[Step]:
        """The steps. A call that was never answered says nothing about the app and is dropped."""
        reset, *rest = self._drafts
        kept = [reset]
        for draft in rest:
            if draft in self._unanswered:
                self._losses["tool calls without a result"] += 1
                kept[-1].messages += draft.messages
            else:
                kept.append(draft)
        return [
            Step(
                index=index,
                action=draft.action,
                raw=draft.raw,
                observation=Observation(result=draft.result or "", messages=tuple(draft.messages)),
            )
            for index, draft in enumerate(kept)
        ]

    def _assistant(self, message: dict[str, Any]) -> None:
        calls = message.get("tool_calls") or []
        if legacy := message.get("function_call"):
            calls = [{"function": legacy}]
        if not isinstance(calls, list):
            raise ValueError("tool_calls is not a list")
        if text := self._text(message):
            self._drafts.append(_Draft(Action.say(text)))
        elif not calls:
            self._losses["empty assistant messages"] += 1
        for call in calls:
            draft = _call_draft(call)
            self._drafts.append(draft)
            self._unanswered.append(draft)

    def _result(self, message: dict[str, Any]) -> None:
        if not self._unanswered:
            raise ValueError("it has a tool result that answers no call")
        # Call ids recur within real sessions, so only calls that still wait can be meant; a result
        # without a known id answers the oldest of them.
        wanted = message.get("tool_call_id")
        draft = next((d for d in self._unanswered if d.call_id == wanted), self._unanswered[0])
        self._unanswered.remove(draft)
        draft.result = self._text(message)

    def _text(self, message: dict[str, Any]) -> str:
        content = message.get("content")
        if content is None or isinstance(content, str):
            return content or ""
        if not isinstance(content, list):
            raise ValueError("a message's content is neither text nor a list of parts")
        texts: list[str] = []
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                texts.append(part["text"])
            else:
                self._losses["content parts other than text"] += 1
        return "\n".join(texts)


def _call_draft(call: Any) -> _Draft:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str) or not name:
        raise ValueError("a tool call has no function name")
    call_id = call.get("id") if isinstance(call.get("id"), str) else None
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        arguments = json_or_none(arguments)
    if isinstance(arguments, dict):
        return _Draft(Action.call(name, **arguments), call_id=call_id)
    # Production models do emit broken arguments; what the app answered to them is worth keeping.
    return _Draft(None, raw=json.dumps(function, ensure_ascii=False), call_id=call_id)


# -- the session around the messages ---------------------------------------------------------------


def _sessions(path: Path) -> Iterator[tuple[str, bytes, Any]]:
    """(where, bytes, decoded value or None) of every session in a file, one line in memory at a time."""
    with path.open("rb") as file:
        first = next((line for line in file if line.strip()), b"")
        whole = json_or_none(first)
        if whole is None and first.lstrip()[:1] == b"[":
            file.seek(0)
            whole = json_or_none(file.read())
        if _is_array_of_sessions(whole):
            for number, value in enumerate(whole, start=1):
                yield f"item {number}", json.dumps(value, sort_keys=True).encode(), value
            return
        file.seek(0)
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", line, json_or_none(line)


def _messages_of(value: Any) -> list[Any] | None:
    if isinstance(value, dict):
        value = value.get("messages", value.get("traj"))
    if isinstance(value, list) and value and all(isinstance(m, dict) and "role" in m for m in value):
        return value
    return None


def _is_array_of_sessions(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_messages_of(item) is not None for item in value)


def _name(session: Any) -> tuple[object, ...]:
    """The parts of the session's own name; none where it has no id."""
    record: dict[str, Any] = session if isinstance(session, dict) else {}
    for key in IDS:
        if isinstance(value := record.get(key), str | int) and str(value):
            return (value,)
    if "task_id" in record:
        trial = record.get("trial")
        return ("task", record["task_id"], *(() if trial is None else ("trial", trial)))
    return ()


def _outcome(record: dict[str, Any], losses: Losses) -> Outcome | None:
    reward = record.get("reward", record.get("success"))
    if reward is None:
        return None
    if not isinstance(reward, bool | int | float) or not 0 <= reward <= 1:
        losses["rewards outside [0, 1]"] += 1
        return None
    return Outcome(kind="policy", reward=float(reward))


def _declared_tools(record: dict[str, Any]) -> list[dict[str, JsonValue]]:
    declared = record.get("tools") or record.get("functions") or []
    functions = [tool.get("function", tool) for tool in declared if isinstance(tool, dict)]
    return [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]


def _inferred_tools(steps: list[Step]) -> list[dict[str, JsonValue]]:
    """Schemas of the calls that were seen: names and JSON types of their arguments, nothing required."""
    seen: dict[str, dict[str, JsonValue]] = {}
    for step in steps:
        if step.action is not None and step.action.kind == "call":
            properties = seen.setdefault(step.action.name, {})
            for name, value in step.action.arguments.items():
                properties[name] = {"type": _json_type(value)}
    return [
        {"name": name, "description": "", "parameters": {"type": "object", "properties": dict(properties)}}
        for name, properties in sorted(seen.items())
    ]


def _json_type(value: JsonValue) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
