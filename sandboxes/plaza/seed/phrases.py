"""Hand-written sentences that posts and comments of any forum are made of, read from `phrases.txt`.

``{thing}`` is a noun of the forum, ``{trouble}`` what its people struggle with, ``{say}`` one of its sayings
(``{say_}`` as it goes on after a colon), ``{word}`` one that holds a post.
"""

from __future__ import annotations

import re
from pathlib import Path

_BARE = re.compile(r"\b([Aa]) (?=[aeio]|u(?!s|ni[^n]))")


def with_article(text: str) -> str:
    """`text` with *an* where a noun that begins with a vowel was put after an *a*."""
    return _BARE.sub(r"\1n ", text)


def _read() -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    rows: list[tuple[str, ...]] = []
    for line in Path(__file__).with_name("phrases.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            rows = found.setdefault(line[3:], [])
        elif line:
            rows.append(tuple(part.strip() for part in line.split("|")))
    return found


_ALL = _read()

POSTS, LINKS = _ALL["posts"], _ALL["links"]
"""Titles and texts; titles and ends of addresses."""
FRAMES, ROOTS, REPLIES = ([row[0] for row in _ALL[name]] for name in ("frames", "roots", "replies"))
"""Comments with a saying in them, comments on anything, and answers to comments."""
MESSAGES = _ALL["messages"]
"""A message and its answer."""
ABOUTS = [row[0] for row in _ALL["abouts"]]
REPORTED, REASONS = _ALL["reported"], [row[0] for row in _ALL["reasons"]]
"""Kind, text and body of what should not be there; and what people say when they report it."""
HELD = _ALL["held"]
"""Titles and texts of posts that wait for moderators."""
