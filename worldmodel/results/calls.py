"""A recorded tool call and its answer as JSON again: arguments, result, and which kind of answer it is."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from worldmodel.document import Lines, body, meta, result_text

MOST_NAMES = 24
"""Keys of an object that are taken for its kind; one with more is a table."""
_WORD = re.compile(r"[^\s,:;.'\"()]+(?:[.'][^\s,:;.'\"()]+)*")
_LEAF = re.compile(r"([^ =]+) = (.*)", re.DOTALL)
_DIGITS = 100
"""Longer whole numbers are infinite, as 1e999 is: of others, even a product is one that floats can be compared with."""
_LONG = re.compile(rf"[0-9]{{{_DIGITS + 1}}}")


@functools.lru_cache(maxsize=65536)
def arguments_of(key: str) -> dict[str, Any]:
    """The arguments of a request by its key; shared, so for reading only. The inverse of `session.tool_request`."""
    out: dict[str, Any] = {}
    for line in key.split("\n")[1:]:
        match = _LEAF.fullmatch(line)
        if match is None:
            continue
        try:
            value = _json(match[2])
        except ValueError:
            continue
        _put(out, match[1], value)
    return out


def _put(out: dict[str, Any], path: str, value: Any) -> None:
    head, mark, rest = path.partition("[]")
    *above, name = head.split(".")
    for part in above:
        inner = out.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        out = inner
    if not mark:
        out[name] = value
        return
    found = out.setdefault(name, [])
    if not isinstance(found, list):
        return
    if not rest:
        found.append(value)
        return
    field = rest.removeprefix(".")
    # A field that the last element has already begins the next one.
    if not found or not isinstance(found[-1], dict) or field in found[-1]:
        found.append({})
    _put(found[-1], field, value)


def tool_of(key: str) -> str:
    """The name of the tool that a request calls, by its key."""
    return key.partition("\n")[0].removeprefix("call ")


@functools.lru_cache(maxsize=65536)
def value_of(target: Lines) -> Any:
    """The JSON value of a result, its text where it is not JSON; for reading only."""
    text = result_text(body(target))
    try:
        return _json(text) if text else ""
    except ValueError:
        return text


def _json(text: str) -> Any:
    """Its value.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(text, parse_int=_whole) if _LONG.search(text) else json.loads(text)


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else -math.inf if digits[0] == "-" else math.inf


def is_error(target: Lines) -> bool:
    """Whether the call failed: by its error, or by what its result says."""
    value = value_of(target)
    if isinstance(value, dict) and value.get("error"):
        return True
    return bool(meta(target, "error")) or (isinstance(value, str) and value.lower().startswith("error"))


@functools.lru_cache(maxsize=65536)
def label_of(key: str, target: Lines) -> str:
    """Which kind of answer it is: wording without what it speaks of, or the names an object has."""
    if error := meta(target, "error"):
        return f"error {wording(error, key)}"
    value = value_of(target)
    if isinstance(value, str):
        return f"text {wording(value, key)}"
    if isinstance(value, dict):
        names = sorted(value)
        return f"object {' '.join(names)}" if len(names) <= MOST_NAMES and not is_map(value) else "object"
    return "list" if isinstance(value, list) else type(value).__name__


def wording(text: str, key: str = "") -> str:
    """`text` with ids, numbers and what the call named as ``*``."""
    named = {leaf for leaf in strings(arguments_of(key)) if len(leaf) > 1}
    for leaf in sorted(named, key=lambda leaf: (-len(leaf), leaf)):
        text = re.sub(rf"(?<!\w){re.escape(leaf)}(?!\w)", "*", text)
    return _WORD.sub(lambda word: "*" if any(c.isdigit() or c in "_@" for c in word[0]) else word[0], text)


def is_map(value: Any) -> bool:
    """Whether an object is a table of rows by id rather than a row."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(each, dict) for each in value.values())
        and any(any(c.isdigit() for c in name) for name in value)
    )


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys of tables included."""
    return (text for text, _ in mentions(value))


def mentions(value: Any) -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, keys of tables included, and the field it stands under."""
    stack = [("", value)]
    while stack:
        name, node = stack.pop()
        if isinstance(node, dict):
            if is_map(node):
                yield from ((key, name) for key in node)
            stack += node.items()
        elif isinstance(node, list):
            stack += [(name, child) for child in node]
        elif isinstance(node, str):
            yield node, name
