"""Values in free text: amounts, dates, codes, addresses and names, compared."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from envsim.goal import FactType
from envsim.reward.typed import parse_date
from envsim.types import JsonValue
from envsim.user.utter import render
from envsim.user.words import find, stems, tokens, values

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

Keys = frozenset[tuple[str, str]]


@functools.lru_cache(maxsize=256)
def keys(text: str) -> Keys:
    """The values of a text, each in a form that is equal for equal values."""
    return frozenset(key for kind, value in values(text) for key in value_keys(kind, value))


def value_keys(kind: str, value: str) -> Iterable[tuple[str, str]]:
    """The keys of one value: several for a name, whose words may come from several places."""
    low = value.casefold().strip()
    if kind in ("money", "code"):
        digits = re.sub(r"[^\d.]", "", low) if kind == "money" else low.lstrip("#").replace(",", "")
        yield _number(digits.rstrip(".")) or ("code", digits)
    elif kind == "date":
        yield from _date(low)
    elif kind == "name":
        yield from (("word", part) for part in tokens(low))
    elif kind == "quoted":
        yield from keys(value)
    else:
        yield (kind, low)


def _number(text: str) -> tuple[str, str] | None:
    try:
        return "number", str(Decimal(text).normalize())
    except InvalidOperation:
        return None


def _date(low: str) -> Iterable[tuple[str, str]]:
    """A day with its year as itself; without, as month and day."""
    day = parse_date(low)
    if day is not None:
        yield "date", day.isoformat()
        return
    month = next((number for number, name in enumerate(_MONTHS, start=1) if name in low), None)
    number = re.search(r"\d{1,2}", low)
    yield ("day", f"{month}-{int(number[0])}") if month and number else ("date", low)


def value_in(text: str, kind: FactType | None) -> str | None:
    """The one value of a type that a message holds, for `Ability.reads`; None if there is none.

    Text and names: what is quoted, else what has a digit in it, else what follows a colon or "to".
    """
    found = list(values(text))
    if kind in ("money", "date", "number"):
        wanted = {"money": "money", "date": "date", "number": "code"}[kind]
        return next((value for value_kind, value in found if value_kind == wanted), None)
    for wanted in ("quoted", "email", "code"):
        for value_kind, value in found:
            if value_kind == wanted:
                return value
    match = re.search(r"(?::|\bto\b)\s+([^.!?\n]{2,80})", text)
    return match[1].strip() if match else None


def says_value(kind: FactType, value: JsonValue, text: str) -> bool:
    """Whether `text` has `value`: amounts, numbers and dates in any notation, text as a run of whole words."""
    if isinstance(value, list):
        return all(says_value(kind, part, text) for part in value)
    if value is None or isinstance(value, bool):
        return False
    match kind:
        case "money" | "number" | "date":
            return keys(render(value, kind)) <= keys(text)
        case _:
            return find(stems(str(value)), stems(text)) >= 0
