"""A transition as lines of text, and back: what the model reads and writes.

A *document* is a tuple of lines. Three prefixes carry what is not page or result::

    ! "carts/7/qty" = 2          one change of the state view; without " = ..." a deletion
    @url "/cart"                 @title, @error, @event and @say likewise
    everything else              page element lines without refs, or a JSON result as an outline

An outline is JSON with one line per leaf or opening bracket, nesting by indentation, no closing
brackets. Reading is total: any sequence of lines gives a document, a page that parses and a
result that is JSON, so whatever a model writes can be served.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from envsim.page.lines import Line, Refs, parse_line
from envsim.types import Event, JsonValue, Message, Observation, StateDelta, Transition

Lines = tuple[str, ...]

_META = re.compile(r'@(url|title|error|event|say) (".*")', re.DOTALL)
_CHANGE = re.compile(r'! ("(?:[^"\\]|\\.)*")(?: = (.*))?', re.DOTALL)
_OUTLINE = re.compile(r'( *)(?:("(?:[^"\\]|\\.)*"): |- )(.*)', re.DOTALL)
_RAW = "raw "
_SIGN = "¢"
_MOST_CENTS = 10**12
_AMOUNT = re.compile(r"¢[0-9][0-9,]{0,15}\.[0-9]{2}")
MAX_DEPTH = 40
"""Nesting beyond this is flattened: depth comes from text that a model may have written."""


def dump(value: Any) -> str:
    """JSON on one line, unicode as itself."""
    return json.dumps(value, ensure_ascii=False)


def to_lines(transition: Transition) -> Lines:
    """The document of a transition."""
    return (*delta_lines(transition.delta), *event_lines(transition.events), *observation_lines(transition.observation))


def delta_lines(delta: StateDelta) -> Lines:
    """One line per change."""
    return tuple(f"! {dump(c[0])}" + (f" = {dump(units(c[1], str(c[0])))}" if len(c) > 1 else "") for c in delta)


def units(value: Any, key: str = "") -> Any:
    """`value` with amounts under ``*_cents`` keys written as pages show them: 17380 -> "¢173.80".

    Then an amount is one and the same value to the model wherever it stands. `cents` is the inverse.
    """
    if isinstance(value, dict):
        return {k: units(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [units(v, key) for v in value]
    if key.endswith("_cents"):
        if type(value) is int and 0 <= value < _MOST_CENTS:
            return f"{_SIGN}{value // 100:,}.{value % 100:02d}"
        if isinstance(value, str) and value.startswith(_SIGN):
            return _SIGN + value
    return value


def cents(value: Any, key: str = "") -> Any:
    """The inverse of `units`."""
    if isinstance(value, dict):
        return {k: cents(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [cents(v, key) for v in value]
    if key.endswith("_cents") and isinstance(value, str) and value.startswith(_SIGN):
        if _AMOUNT.fullmatch(value):
            return int(value[1:].replace(",", "").replace(".", ""))
        return value[1:]
    return value


def event_lines(events: Iterable[Event]) -> Lines:
    """One line per ground-truth event of the app; what a world tells of itself is no part of an answer."""
    return tuple(f"@event {dump(f'{event.kind}:{event.id}')}" for event in events if event.kind in ("bug", "fault"))


@functools.lru_cache(maxsize=512)
def observation_lines(observation: Observation) -> Lines:
    """The lines of an observation: meta lines, then page or result. `goal` is not part of it."""
    out = [f"@say {dump(f'{m.role}: {m.text}')}" for m in observation.messages]
    out += [
        f"@{key} {dump(value)}"
        for key in ("url", "title", "error")
        if (value := getattr(observation, key)) or (key == "url" and observation.page)
    ]
    out += [_without_ref(line) for line in observation.page.split("\n") if line]
    if observation.result:
        out += result_lines(observation.result)
    return tuple(out)


@functools.lru_cache(maxsize=65536)
def _without_ref(line: str) -> str:
    if " [e" not in line:
        return line
    try:
        return replace(parse_line(line), ref="").format()
    except ValueError:
        return line


@functools.lru_cache(maxsize=32768)
def read_line(text: str) -> Line | None:
    """The element of a line; None for a line that is none. Not to be edited: it is the same for the same text."""
    try:
        return parse_line(text)
    except ValueError:
        return None


@functools.lru_cache(maxsize=32768)
def _with_ref(line: str, ref: str) -> str:
    return replace(parse_line(line), ref=ref).format()


def result_lines(result: str) -> Lines:
    """The outline of a tool result; a result that is not JSON is one ``raw`` line."""
    try:
        value = json.loads(result)
        if _depth_exceeds(value, MAX_DEPTH):
            raise ValueError("too deep")
    except (ValueError, RecursionError):
        return (_RAW + dump(result),)
    out: list[str] = []
    _outline(units(value), "- ", 0, out)
    return tuple(out)


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _outline(value: Any, label: str, depth: int, out: list[str]) -> None:
    head = "  " * depth + label
    if isinstance(value, dict):
        out.append(head + "{")
        for key, child in value.items():
            _outline(child, f"{dump(key)}: ", depth + 1, out)
    elif isinstance(value, list):
        out.append(head + "[")
        for child in value:
            _outline(child, "- ", depth + 1, out)
    else:
        out.append(head + dump(value))


def read_outline(lines: Sequence[str]) -> Any:
    """The JSON value of an outline. Lines that do not fit where they stand are dropped.

    Raises:
        ValueError: Not one line could be used.
    """
    root: list[Any] = []
    stack: list[Any] = [root]
    for line in lines:
        match = _OUTLINE.fullmatch(line)
        if match is None:
            continue
        depth = min(len(match[1]) // 2, len(stack) - 1, MAX_DEPTH)
        del stack[depth + 1 :]
        try:
            value: Any = {} if match[3] == "{" else [] if match[3] == "[" else json.loads(match[3])
            key = json.loads(match[2], strict=False) if match[2] is not None else None
        except (ValueError, RecursionError):
            continue
        parent = stack[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif key is None:
            continue
        else:
            parent[key] = value
        if match[3] in ("{", "["):
            stack.append(value)
    if not root:
        raise ValueError("no outline line")
    return cents(root[0])


def body(lines: Sequence[str]) -> Lines:
    """The lines of the page or result alone."""
    return tuple(line for line in lines if line[:1] not in ("!", "@"))


def meta(lines: Sequence[str], key: str) -> str:
    """The last value of meta line `key`, or ""."""
    prefix = f"@{key} "
    for line in reversed(lines):
        if line.startswith(prefix):
            return _string(line[len(prefix) :])
    return ""


@functools.lru_cache(maxsize=16384)
def _string(text: str) -> str:
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


def to_transition(lines: Sequence[str], interface: str, trust: float = 1.0, *, trusted: bool = True) -> Transition:
    """The transition of a document, refs computed. Total: lines that cannot be read are dropped."""
    messages = []
    events = []
    for line in lines:
        if line.startswith("@say "):
            role, _, text = _string(line[5:]).partition(": ")
            if role in ("user", "assistant", "system"):
                messages.append(Message(role=role, text=text))
        elif line.startswith("@event "):
            kind, _, name = _string(line[7:]).partition(":")
            if kind in ("bug", "fault"):
                events.append(Event(kind=kind, id=name))
    rest = body(lines)
    observation = Observation(
        url=meta(lines, "url"),
        title=meta(lines, "title"),
        error=meta(lines, "error"),
        page=page_text(rest) if interface == "browser" else "",
        result=result_text(rest) if interface == "tools" else "",
        messages=tuple(messages),
    )
    return Transition(
        observation=observation, delta=read_delta(lines), events=tuple(events), trust=trust, trusted=trusted
    )


def read_delta(lines: Iterable[str]) -> StateDelta:
    """The state delta of a document."""
    delta: list[tuple[JsonValue, ...]] = []
    for line in lines:
        match = _CHANGE.fullmatch(line)
        if match is None:
            continue
        path = _string(match[1])
        if match[2] is None:
            delta.append((path,))
            continue
        try:
            delta.append((path, cents(json.loads(match[2]), path)))
        except (ValueError, RecursionError):
            continue
    return tuple(delta)


def page_text(lines: Iterable[str]) -> str:
    """A page with its refs; lines outside the element grammar are dropped."""
    name_ref = Refs()
    parsed = ((line, known) for line in lines if (known := read_line(line)) is not None)
    return "\n".join(_with_ref(line, name_ref(known.role, known.name, known.url)) for line, known in parsed)


def result_text(lines: Sequence[str]) -> str:
    """The JSON text of a result outline, or the raw text; "" when there is neither."""
    for line in lines:
        if line.startswith(_RAW):
            return _string(line[len(_RAW) :])
    try:
        return dump(read_outline(lines))
    except ValueError:
        return ""
