"""What people at the forum are called and say: tables written by hand. `text` chooses and fills in."""

from __future__ import annotations

import csv
from pathlib import Path


def rows(name: str) -> list[list[str]]:
    """The lines of a table beside this file."""
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _phrases() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pool, phrase in rows("phrases.tsv"):
        found.setdefault(pool, []).append(phrase)
    return found


SAY = _phrases()
"""Pool -> phrases; those of a category without broken things are in ``talk CATEGORY``."""

CATEGORIES = {slug: (title, description, parent) for slug, title, description, parent in rows("categories.tsv")}
"""Slug -> title, description, slug of the category above or nothing."""

FIRST, LAST, PLACES = (
    line.split("|" if "|" in line else None)
    for line in Path(__file__).with_name("names.txt").read_text(encoding="utf-8").splitlines()
)

POLLS = {topic: (poll, attributes, choices) for topic, poll, attributes, *choices in rows("polls.tsv")}
"""Topic -> the poll's title, further attributes, choices."""

PRIVATE = [(title, opening, answers) for title, opening, *answers in rows("private.tsv")]
"""Private topics: title, first post, answers in turn."""
