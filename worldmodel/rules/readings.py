"""The ways a value can be read: a form's text as number or amount, a row's amount as text, a word of a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from envsim.types import JsonValue

_AMOUNT = re.compile(r"\$?([0-9]{1,3}(?:,[0-9]{3})*|[0-9]{1,9})\.([0-9]{2})")
_INT = re.compile(r"-?[0-9]{1,9}")
GARBLED = "UTF-8 as Latin-1"
_CARD_DIGITS = range(12, 20)

Reader = Callable[[JsonValue], JsonValue]
"""A value read another way; None where it cannot be."""


def _same(value: JsonValue) -> JsonValue:
    return value


def _whole(value: JsonValue) -> JsonValue:
    return int(value) if isinstance(value, str) and _INT.fullmatch(value) else None


def _cents(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and _INT.fullmatch(value):
        return int(value) * 100
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    return int(match[1].replace(",", "")) * 100 + int(match[2]) if match else None


def _text(value: JsonValue) -> JsonValue:
    return str(value) if type(value) is int else None


def _upper(value: JsonValue) -> JsonValue:
    return value.upper() if isinstance(value, str) else None


def _lower(value: JsonValue) -> JsonValue:
    return value.lower() if isinstance(value, str) else None


def _stripped(value: JsonValue) -> JsonValue:
    return value.strip() or None if isinstance(value, str) else None


def _before_bracket(value: JsonValue) -> JsonValue:
    return value.partition(" (")[0] or None if isinstance(value, str) else None


def _first_word(value: JsonValue) -> JsonValue:
    return value.partition(" ")[0] or None if isinstance(value, str) else None


def _last_word(value: JsonValue) -> JsonValue:
    return value.rpartition(" ")[2] or None if isinstance(value, str) else None


def _first_number(value: JsonValue) -> JsonValue:
    return _whole(value.partition(" ")[0]) if isinstance(value, str) and " " in value else None


def _last_four(value: JsonValue) -> JsonValue:
    digits = re.sub(r"[ -]", "", value) if isinstance(value, str) else ""
    return digits[-4:] if digits.isdigit() and len(digits) in _CARD_DIGITS else None


def _beyond_ascii(value: JsonValue) -> JsonValue:
    return None if not isinstance(value, str) or value.isascii() else value


def _garbled(value: JsonValue) -> JsonValue:
    """UTF-8 taken for Latin-1, as one half of many programs takes what the other half wrote."""
    try:
        return value.encode().decode("latin-1") if isinstance(value, str) else None
    except UnicodeError:  # half a surrogate pair
        return None


READERS: dict[str, Reader] = {
    "as is": _same,
    "whole number": _whole,
    "cents": _cents,
    "text": _text,
    "upper case": _upper,
    "lower case": _lower,
    "stripped": _stripped,
    "before a bracket": _before_bracket,
    "first word": _first_word,
    "last word": _last_word,
    "first number": _first_number,
    "last four digits": _last_four,
    "letters beyond ASCII": _beyond_ascii,
    GARBLED: _garbled,
}


def readings(value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """(way, value read that way) for every way there is."""
    for way, reader in READERS.items():
        read = reader(value)
        # Most text is the same however its letters are encoded, and need not be looked up twice.
        if read is not None and not (way == GARBLED and read == value):
            yield way, read
