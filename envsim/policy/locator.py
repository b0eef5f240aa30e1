"""Locators: how an oracle names an element, in the words a person would use.

::

    @button Place order            role and exact name
    @button ~place                 name contains, in any case
    @link ->/orders/1001           a link by its address;  ->~/orders/  by a part of it
    @textbox Phone = 555-0100      a field by name and current value
    @radio Express [checked]       a state that must be set
    @row ~Blue mug >> button Remove    within (deeper indentation)
    @term Total + definition       the next such sibling after
    @link Next #2                  the second match; #-1 the last
    @* "Size + fit = true"         any role; quotes where a name holds >>, +, =, [] or #

An element without a name goes by the names of all that is in it, so ``@row ~Blue mug`` finds a
table row. Placeholders are filled in after parsing: no value can change what a locator means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from envsim.errors import ContentError
from envsim.expressions import render
from envsim.page.lines import Line

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SPLIT = re.compile(rf"({_QUOTED})|( >> | \+ )")
_PART = re.compile(
    rf"(?P<role>[a-z]+|\*)(?: (?P<mode>->~|->|~)?(?P<text>{_QUOTED}|[^ ].*?))??"
    r"(?: = (?P<value>.*?))?(?: \[(?P<state>[a-z]+)\])?(?: #(?P<nth>-?\d+))?"
)


@dataclass(frozen=True)
class Part:
    """One element description; `text` and `value` may hold placeholders."""

    relation: Literal["", ">>", "+"]
    role: str
    mode: Literal["", "=", "~", "->", "->~"]
    text: str = ""
    value: str | None = None
    state: str | None = None
    nth: int = 1


@dataclass(frozen=True)
class Locator:
    """A chain of element descriptions; the last is the element meant."""

    source: str
    parts: tuple[Part, ...]

    def find(self, lines: Sequence[Line], scope: Mapping[str, Any]) -> int | None:
        """Position of the element in `lines`, or None."""
        at: int | None = None
        for part in self.parts:
            where = _candidates(part.relation, lines, at)
            hits = [index for index in where if _is(part, lines, index, scope)]
            place = part.nth - 1 if part.nth > 0 else len(hits) + part.nth
            if not 0 <= place < len(hits):
                return None
            at = hits[place]
        return at


def parse_locator(source: str) -> Locator:
    """A locator from its text, which starts with ``@``.

    Raises:
        ContentError: Not in the grammar above.
    """
    parts: list[Part] = []
    relation: Any = ""
    for piece, following in _pieces(source.removeprefix("@")):
        match = _PART.fullmatch(piece.removeprefix("@"))
        if match is None or match["nth"] == "0":
            raise ContentError(f"{source!r} is not a locator: cannot read {piece!r}. Write, e.g., @button Place order.")
        text = match["text"] or ""
        mode: Any = match["mode"] or ("=" if text else "")
        if text in ("~", "->", "->~"):
            raise ContentError(f"{source!r}: nothing follows {text}. Say what the element is called.")
        value = match["value"]
        parts.append(
            Part(relation, match["role"], mode, _unquote(text), None if value is None else _unquote(value),
                 match["state"], int(match["nth"] or 1))
        )  # fmt: skip
        relation = following
    return Locator(source, tuple(parts))


def text_of(lines: Sequence[Line], index: int) -> str:
    """What an element says: a field's value, else its name, else the names of all within it."""
    line = lines[index]
    return line.value if line.value is not None else _name(lines, index)


def _name(lines: Sequence[Line], index: int) -> str:
    if lines[index].name or lines[index].ref:
        return lines[index].name
    inner = [lines[i] for i in _candidates(">>", lines, index)]
    return " ".join(line.name for line in inner if line.name)


def _candidates(relation: str, lines: Sequence[Line], at: int | None) -> Iterator[int]:
    if at is None:
        yield from range(len(lines))
        return
    depth = lines[at].depth
    for index in range(at + 1, len(lines)):
        if relation == ">>" and lines[index].depth <= depth:
            return
        if relation == "+" and lines[index].depth < depth:
            return
        if relation == ">>" or lines[index].depth == depth:
            yield index


def _is(part: Part, lines: Sequence[Line], index: int, scope: Mapping[str, Any]) -> bool:
    line = lines[index]
    if part.role not in ("*", line.role):
        return False
    if part.state is not None and part.state not in line.states:
        return False
    if part.value is not None and (line.value is None or _plain(line.value) != _plain(render(part.value, scope))):
        return False
    if not part.mode:
        return True
    wanted = render(part.text, scope)
    # Of any role, an element must itself be called that: the whole page says everything on it.
    name = line.name if part.role == "*" else _name(lines, index)
    match part.mode:
        case "->":
            return line.url == wanted
        case "->~":
            return bool(line.url) and wanted in line.url
        case "=":
            return _plain(name) == _plain(wanted)
        case _:
            return _plain(wanted).casefold() in _plain(name).casefold()


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Each element's text and the relation that follows it, looking past quoted names."""
    start = 0
    for match in _SPLIT.finditer(text):
        if match[2]:
            yield text[start : match.start()].strip(), match[2].strip()
            start = match.end()
    yield text[start:].strip(), ""


def _unquote(text: str) -> str:
    try:
        return str(json.loads(text)) if text.startswith('"') else text
    except ValueError:
        return text


def _plain(text: str) -> str:
    return " ".join(text.split())
