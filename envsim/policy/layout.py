"""How a page lies about an element: the region it is in, what it belongs to, and what stands just before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from envsim.page.lines import Line, parse_line

LANDMARKS = frozenset({"banner", "main", "navigation", "complementary", "contentinfo", "dialog", "search"})
_NEAR = 3
"""Lines before an element that may say what it is about."""

_known_line = lru_cache(maxsize=16384)(parse_line)


@dataclass(frozen=True)
class Layout:
    """A page.

    Attributes:
        lines: Its elements.
        regions: Per element, the roles of the landmarks it is in, outermost first.
        around: Per element, what it may be about: (how that is known, text), nearest first.
    """

    lines: tuple[Line, ...]
    regions: tuple[str, ...]
    around: tuple[tuple[tuple[str, str], ...], ...]


@lru_cache(maxsize=256)
def read_layout(page: str) -> Layout:
    """The layout of a page text.

    Raises:
        ValueError: A line is not in the grammar.
    """
    lines = tuple(_known_line(text) for text in page.split("\n") if text)
    regions: list[str] = []
    around: list[tuple[tuple[str, str], ...]] = []
    path: list[Line] = []
    for number, line in enumerate(lines):
        while path and path[-1].depth >= line.depth:
            path.pop()
        regions.append("/".join(parent.role for parent in path if parent.role in LANDMARKS))
        above = [(parent.role, parent.name) for parent in reversed(path) if parent.name]
        around.append((*above, *_before(lines, number)) if line.ref or line.role == "text" else ())
        path.append(line)
    return Layout(lines, tuple(regions), tuple(around))


def _before(lines: tuple[Line, ...], number: int) -> list[tuple[str, str]]:
    own = lines[number]
    out = []
    for distance in range(1, min(_NEAR, number) + 1):
        line = lines[number - distance]
        if line.depth < own.depth:
            break
        out.append((f"{distance} before", line.name))
    return out
