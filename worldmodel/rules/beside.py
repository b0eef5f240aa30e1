"""Which row a control belongs to that stands in a list: the links beside it say so, where its own words do not.

A list of posts has a button "Upvote" for each of them, and two posts may be called the same. What was pressed stands
in a block of the page, an item of a list or a row of a table, and links there lead to the thing and to what belongs
to it::

    beside /p/*         "21"       the segment of the links' address that names something
    beside /p/*/c/* 1   "7"        the second of two
    beside /pick?room   "B4"       what a link asks for

Links of one kind that lead to different things name none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from urllib.parse import parse_qsl

from worldmodel.document import Lines
from worldmodel.requests import Request, split_url
from worldmodel.rules.known import Known

BESIDE = "beside "
_PRESSED = re.compile(r'(?:click|dblclick|enter) (\w+ "(?:[^"\\]|\\.)*")')
_BLOCK = re.compile(r" *(?:listitem|row|article)\b")
_LINK = re.compile(r' *link "(?:[^"\\]|\\.)*" -> (\S+)')


def beside(request: Request, page: Lines, known: Known) -> dict[str, str]:
    """What the links beside the pressed control name; {} where it stands in no block, or in several."""
    pressed = _PRESSED.match(request.lines[0])
    return dict(_beside(pressed[1], page, known)) if pressed else {}


@lru_cache(maxsize=1024)
def _beside(control: str, page: Lines, known: Known) -> tuple[tuple[str, str], ...]:
    blocks = _blocks(page, control)
    if len(blocks) != 1:
        return ()
    values: dict[str, str] = {}
    unclear = set()
    for line in _lines_of(page, blocks.pop()):
        link = _LINK.match(line)
        for name, value in _named(link[1], known) if link else ():
            if values.setdefault(name, value) != value:
                unclear.add(name)
    return tuple((name, value) for name, value in values.items() if name not in unclear)


def _blocks(page: Lines, control: str) -> set[int]:
    """The lines at which the smallest blocks around a control begin, wherever it stands."""
    found: set[int] = set()
    above: list[tuple[int, int | None]] = []  # of the lines around this one: their depth, and their smallest block
    for at, line in enumerate(page):
        depth = _depth(line)
        while above and above[-1][0] >= depth:
            above.pop()
        around = above[-1][1] if above else None
        if around is not None and line.lstrip().startswith(control):
            found.add(around)
        above.append((depth, at if _BLOCK.match(line) else around))
    return found


def _lines_of(page: Lines, start: int) -> Iterator[str]:
    """The lines of the block that begins at `start`."""
    yield page[start]
    yield from takewhile(lambda line: _depth(line) > _depth(page[start]), page[start + 1 :])


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _named(url: str, known: Known) -> Iterator[tuple[str, str]]:
    """What an address names: segments that are no words, and the values it asks for."""
    path, query = split_url(url.partition("#")[0])
    wording = known.address(path)
    named = [part for part, word in zip(path.split("/"), wording.split("/"), strict=True) if word == "*"]
    for number, part in enumerate(named):
        yield f"{BESIDE}{wording}" + (f" {number}" if number else ""), part
    for key, value in parse_qsl(query):
        yield f"{BESIDE}{wording}?{key}", value
