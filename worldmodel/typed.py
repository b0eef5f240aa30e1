"""Controls of a page as lines, and what a browser remembers of them: going back shows what was typed there before."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from envsim.page.lines import Line, parse_line
from worldmodel.document import Lines, read_line
from worldmodel.requests import is_field

Typed = tuple[Line, ...]
"""Controls as they were left, each the only one of its role and name on its page."""


@functools.lru_cache(maxsize=256)
def read_page(page: str) -> tuple[Line, ...]:
    """The lines of a page text; what is not in the grammar is dropped."""
    return tuple(line for text in page.split("\n") if (line := read_line(text)) is not None)


def flag(line: Line, name: str, on: bool) -> Line:
    """`line` with one state switched."""
    states = {key: value for key, value in line.states.items() if key != name}
    return replace(line, states={**states, name: ""} if on else states)


def left_behind(loaded: Sequence[Line], now: Sequence[Line], before: Typed = ()) -> Typed:
    """The controls of a page that is left which were changed, passwords aside.

    Args:
        loaded: The page as it came.
        now: As it is.
        before: What had been typed when it came.
    """
    came = {_name(line): _held(line) for line in loaded}
    changed = {_name(line): line for line in before}
    for line in _controls(now):
        if came.get(_name(line)) not in (None, _held(line)) and "password" not in line.name.lower():
            changed[_name(line)] = line
    return tuple(changed.values())


def written(typed: Typed) -> Lines:
    """As lines of text."""
    return tuple(replace(line, depth=0, ref="").format() for line in typed)


def restore(document: Lines, typed: Lines) -> Lines:
    """A document with its controls as they were left, so far as they are there."""
    wanted = {_name(line): line for line in map(parse_line, typed)}
    if not wanted:
        return document
    read = [None if line[:1] in ("!", "@") else read_line(line) for line in document]
    alone = {_name(line) for line in _controls([line for line in read if line is not None])}
    return tuple(
        text if line is None or _name(line) not in alone & wanted.keys() else _as_left(text, line, wanted[_name(line)])
        for text, line in zip(document, read, strict=True)
    )


def _as_left(text: str, line: Line, left: Line) -> str:
    if _held(line) == _held(left):
        return text
    value, checked = _held(left)
    states = {k: v for k, v in line.states.items() if k != "checked" and (k != "placeholder" or not value)}
    return replace(line, value=value, states={**states, "checked": ""} if checked else states).format()


def _name(line: Line) -> tuple[str, str]:
    return line.role, line.name


def _held(line: Line) -> tuple[str | None, bool]:
    return line.value, "checked" in line.states


def _controls(lines: Sequence[Line]) -> list[Line]:
    fields = [line for line in lines if is_field(line)]
    count = Counter(map(_name, fields))
    return [line for line in fields if count[_name(line)] == 1]
