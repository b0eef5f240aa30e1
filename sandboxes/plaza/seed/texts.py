"""The written threads of `words/`, read.

A forum begins with ``= slug | title | parent or - | colour | about``; then come ``rules:``, ``flairs:``, ``words:``,
``things:``, ``troubles:`` and ``says:``. A thread is ``> title``, one line of text, and its comments as ``- text``;
``-- text`` replies to the comment above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).with_name("words")


@dataclass
class Written:
    """A thread as somebody wrote it: `comments` are texts with how deep they are."""

    title: str
    body: str = ""
    comments: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Forum:
    """A forum and what its people talk about."""

    slug: str
    title: str
    parent: str | None
    colour: str
    about: str
    rules: list[str] = field(default_factory=list)
    flairs: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    things: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    threads: list[Written] = field(default_factory=list)


def read_forums() -> list[Forum]:
    """All forums, parents before those inside them."""
    found: list[Forum] = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            _take(found, line.strip())
    return sorted(found, key=lambda forum: (forum.parent is not None, forum.slug))


def _take(found: list[Forum], line: str) -> None:
    mark, _, rest = line.partition(" ")
    if mark == "=":
        slug, title, parent, colour, about = (part.strip() for part in rest.split("|"))
        found.append(Forum(slug, title, None if parent == "-" else parent, colour, about))
    elif mark == ">":
        found[-1].threads.append(Written(rest))
    elif mark in ("-", "--"):
        found[-1].threads[-1].comments.append((len(mark) - 1, rest))
    elif mark.endswith(":") and not found[-1].threads:
        between = "," if mark in ("flairs:", "words:", "things:", "troubles:") else "|"
        setattr(found[-1], mark[:-1], [part.strip() for part in rest.split(between)])
    elif line:
        found[-1].threads[-1].body = line
