"""Text and dates as clones print them, as search compares them and as addresses carry them.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import unicodedata
from datetime import date, datetime
from typing import Any

_APART = str.maketrans({"ø": "o", "æ": "ae", "ð": "d", "þ": "th", "’": "'"})


def plain(text: str) -> str:
    """Lower case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_APART))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def slugify(text: str) -> str:
    """`text` as a path segment."""
    return "-".join("".join(c if c.isalnum() else " " for c in plain(text).replace("'", "")).split())


def day(text: str) -> str:
    """An ISO date or time as ``2 Mar 2026``."""
    found = date.fromisoformat(text[:10])
    return f"{found.day} {found:%b %Y}"


def weekday(text: str) -> str:
    """An ISO date as ``Mon, 2 Mar 2026``."""
    return f"{date.fromisoformat(text):%a}, {day(text)}"


def moment(text: str) -> str:
    """An ISO time as ``2 Mar 2026, 15:00``."""
    return f"{day(text)}, {datetime.fromisoformat(text):%H:%M}"


def initials(name: str) -> str:
    """``Maya Okonkwo`` as ``MO``."""
    words = name.split() or ["?"]
    return "".join(word[0] for word in (words if len(words) < 2 else (words[0], words[-1])))


def plural(count: int, word: str) -> str:
    """``1 night``, ``3 nights``."""
    return f"{count} {word}{'' if count == 1 else 's'}"


class RowsFirst:
    """A base for a site's ``jinja2.Environment``, before that one: what templates look up in a row is a column of it.

    Without it every look-up in a dictionary begins with an exception that says that there is no such attribute.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        """See ``jinja2.Environment.getattr``."""
        if type(obj) is dict and attribute in obj and attribute not in _METHODS:
            return obj[attribute]
        return super().getattr(obj, attribute)  # type: ignore[misc]


_METHODS = frozenset(dir(dict))
