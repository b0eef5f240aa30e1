"""Trajectories as text a judge reads, in which nothing an agent wrote can pass for ours.

A transcript is JSON with one message a line. Every character that could end a string, a line or a
delimiter is written as a JSON escape, also the ones that merely look like angle brackets or cannot
be seen, so that the only delimiters in a prompt are those of the prompt. Source of the attack:
"prompting the judge" among the published exploits of reward models; of the form: OWASP LLM01.
"""

from __future__ import annotations

import functools
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from envsim.trace import Step, Trace
from envsim.types import JsonValue

OBSERVATION_CHARS = 2000
"""How much of one message is shown; pages and tool results are longer, and mostly the same."""

Line = dict[str, JsonValue]
"""One message of a transcript: ``role``, ``content``, and ``calls`` where tools were called."""

_PLAIN = re.compile(r"[^\x20-\x7e]|[<>&]")
_TO_JUDGE = re.compile(
    r"trajector(?:y|ies)[\s_-]*id|</?\s*(?:trajectory|trajectories|context|system)\b|<\|im_"
    r"|\b(?:judge|grader|evaluator|grading|rubric)\b"
    r"|\b(?:score|rating|reward)s?\b[^.\n]{0,40}\b(?:1(?:\.0+)?\b(?![.\d])|10/10|100\s*%|highest|maximum|full)"
    r"|\b(?:highest|maximum|full|perfect) (?:score|rating|marks|reward)",
    re.IGNORECASE,
)


def render(lines: Sequence[Line]) -> str:
    """`lines` as JSON, one a line: reads back as the same value, with none of ``< > &`` and no hidden character."""
    return "[\n" + ",\n".join(escape(json.dumps(line, ensure_ascii=False)) for line in lines) + "\n]"


def escape(text: str) -> str:
    """JSON `text` with all that could be taken for a delimiter as JSON escapes: still the same JSON value."""
    return _PLAIN.sub(lambda found: _escaped(found[0]), text)


@functools.lru_cache(maxsize=4096)
def _escaped(char: str) -> str:
    # Letters of any script stay as they are: a judge reads them better, and they cost less.
    if char.isprintable() and not set(unicodedata.normalize("NFKC", char)) & set("<>&"):
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))


def shorten(text: str, limit: int = OBSERVATION_CHARS) -> str:
    """`text`, or its beginning and end with a note of how much is left out between them."""
    # Half a surrogate pair is no text, and cannot be sent or hashed.
    text = text.encode("utf-8", "replace").decode("utf-8")
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    return f"{text[:head]} [... {len(text) - limit} characters left out ...] {text[len(text) - tail :]}"


def from_trace(trace: Trace, limit: int = OBSERVATION_CHARS) -> tuple[Line, ...]:
    """What was seen, said and done in a session; nothing the agent could not see, and not how it was scored."""
    lines: list[Line] = [{"role": "goal", "content": trace.header.goal}] if trace.header.goal else []
    for step in trace.steps:
        if step.index:
            done = step.action.to_call() if step.action is not None else step.raw
            lines.append({"role": "agent", "content": shorten(done, limit)})
        if seen := _seen(step):
            lines.append({"role": "environment", "content": shorten(seen, limit)})
        lines += [
            {"role": message.role, "content": shorten(message.text, limit)} for message in step.observation.messages
        ]
    return tuple(lines)


def _seen(step: Step) -> str:
    seen = step.observation
    parts = [f"error: {seen.error}" if seen.error else "", seen.url, seen.page, seen.result]
    return "\n".join(part for part in parts if part)


def from_messages(messages: Sequence[Mapping[str, Any]], limit: int = OBSERVATION_CHARS) -> tuple[Line, ...]:
    """Chat messages as the chat completions API has them; a choice stands for its message."""
    lines: list[Line] = []
    for item in messages:
        message = item["message"] if isinstance(item.get("message"), Mapping) else item
        line: Line = {
            "role": shorten(str(message.get("role", "")), 40),
            "content": shorten(_text(message.get("content")), limit),
        }
        if raw := message.get("tool_calls"):
            line["calls"] = [_call(call, limit) for call in (raw if isinstance(raw, list | tuple) else [raw])]
        lines.append(line)
    return tuple(lines)


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part if isinstance(part, Mapping) else {"text": str(part)} for part in content]
        return "\n".join(str(part.get("text", f"[{part.get('type', 'part')} left out]")) for part in parts)
    return "" if content is None else str(content)


def _call(call: Any, limit: int) -> JsonValue:
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(function, Mapping):
        return shorten(str(function), limit)
    return {
        "name": shorten(str(function.get("name", "")), 200),
        "arguments": shorten(_text(function.get("arguments")), limit),
    }


def speaks_to_judge(lines: Sequence[Line]) -> str:
    """The first words of the agent that seem meant for whoever scores it, in their surroundings; empty if none."""
    for line in lines:
        if line.get("role") not in ("agent", "assistant"):
            continue
        text = f"{line.get('content', '')} {json.dumps(line['calls'], ensure_ascii=False) if 'calls' in line else ''}"
        if found := _TO_JUDGE.search(text):
            return text[max(found.start() - 30, 0) : found.end() + 30].strip()
    return ""
