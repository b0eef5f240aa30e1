"""Text as search compares it and as addresses carry it."""

from __future__ import annotations

import unicodedata

_APART = str.maketrans({"ø": "o", "æ": "ae", "ð": "d", "þ": "th", "’": "'"})


def plain(text: str) -> str:
    """Lower case, no accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_APART))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def slugify(text: str) -> str:
    """`text` as a path segment."""
    return "-".join("".join(c if c.isalnum() else " " for c in plain(text).replace("'", "")).split())
