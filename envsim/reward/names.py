"""Names of people, as records and agents write them: case, accents, order, titles and initials.

What counts as the same name is a policy, and this is ours:

- Case, accents and apostrophes do not matter, nor does a hyphen in place of a space: ``Zoë O'Brien-Smith`` is
  ``zoe obrien smith``. Letters without a decomposition have their usual spelling: ``ß`` ss, ``ø`` o, ``ł`` l, ``æ`` ae.
- ``Last, First Middle`` is ``First Middle Last``. Without a comma order counts: ``John Paul`` is not ``Paul John``.
- Titles (Mr, Mrs, Ms, Mx, Dr, Prof) do not matter. Suffixes (Jr, Sr, II, III, IV) do: they tell father from son.
- The first and the last name must be written out: ``J. Smith`` may be anybody.
- A middle name may be an initial, which then must fit; it may not be missing, nor one more be there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "madam"})
_SUFFIXES = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc`\u00b4]")
_APART = re.compile(r"[\s.\-\u2010\u2011\u2013]+")
MOST = 12
"""Parts a name may have; longer texts are none."""


@dataclass(frozen=True)
class Name:
    """A name's parts, folded: first, middle ones, last; and a suffix, or ""."""

    parts: tuple[str, ...]
    suffix: str = ""


def parse_name(value: Any) -> Name | None:
    """A name, or None: for what is no text, has digits or other signs in it, or is parted by more than one comma."""
    if not isinstance(value, str):
        return None
    halves = [_parts(half) for half in _fold(value).split(",")]
    # "John Smith, Jr.": what follows this comma is no first name.
    suffix = ""
    if len(halves) > 1 and len(halves[-1]) == 1 and halves[-1][0] in _SUFFIXES:
        suffix = _SUFFIXES[halves.pop()[0]]
    if len(halves) > 2 or any(not half for half in halves):
        return None
    parts = halves[0] if len(halves) == 1 else [*halves[1], *halves[0]]
    while len(parts) > 1 and parts[0] in _TITLES:
        parts = parts[1:]
    if not suffix and len(parts) > 2 and parts[-1] in _SUFFIXES:
        suffix = _SUFFIXES[parts[-1]]
        parts = parts[:-1]
    if not 0 < len(parts) <= MOST or not all(part.isalpha() for part in parts):
        return None
    return Name(tuple(parts), suffix)


def same_name(one: Name, other: Name) -> bool:
    """Whether two names are of one person, as far as names can tell (see the module)."""
    if one.suffix != other.suffix or len(one.parts) != len(other.parts):
        return False
    last = len(one.parts) - 1
    return all(
        a == b or (0 < at < last and 1 in (len(a), len(b)) and a[0] == b[0])
        for at, (a, b) in enumerate(zip(one.parts, other.parts, strict=True))
    )


def _fold(text: str) -> str:
    text = _APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS))
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def _parts(text: str) -> list[str]:
    return [part for part in _APART.split(text) if part]
