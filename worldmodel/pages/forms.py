"""The ways a value is shown: amounts, dates, words of it. The reverse of `worldmodel.rules.readings`.

Days are named in English, and amounts in dollars: what an app shows in another way is no value to its page programs,
and is remembered where it was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from envsim.types import JsonValue

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d:\d\d).*)?")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MOST = 10**12
LONG = 4000


def show(value: JsonValue, form: str) -> str | None:
    """`value` shown in one form; None where it cannot be."""
    return next((text for name, text in shown(value) if name == form), None)


def shown(value: JsonValue) -> tuple[tuple[str, str], ...]:
    """(form, text) for all forms of a value."""
    if isinstance(value, bool):
        return (("truth", "true" if value else "false"),)
    if isinstance(value, int):
        return _figure(value)
    if isinstance(value, float):
        return (("number", repr(value)), ("one digit", f"{value:.1f}"), ("two digits", f"{value:.2f}"))
    if value is None:
        return (("null", "null"),)
    return _text(value) if isinstance(value, str) and len(value) <= LONG else ()


@lru_cache(maxsize=65536)
def _figure(value: int) -> tuple[tuple[str, str], ...]:
    if abs(value) >= _MOST:
        return (("number", str(value)),)
    sign, cents = "-" if value < 0 else "", abs(value)
    out = [("number", str(value)), ("amount", f"{sign}${cents // 100:,}.{cents % 100:02d}")]
    out.append(("cents", f"¢{cents // 100:,}.{cents % 100:02d}"))
    out.append(("plain amount", f"{sign}{cents // 100}.{cents % 100:02d}"))
    if value > 0:
        out.append(("less", f"-${cents // 100:,}.{cents % 100:02d}"))
    if cents >= 1000:
        out.append(("thousands", f"{value:,}"))
    return tuple(out)


@lru_cache(maxsize=65536)
def _text(value: str) -> tuple[tuple[str, str], ...]:
    if not value:
        return (("as is", ""),)
    return tuple(dict.fromkeys(_text_forms(value)))


def _more_of_a_day(value: str, plain: str, time: str | None) -> Iterator[tuple[str, str]]:
    try:
        weekday = _WEEKDAYS[date.fromisoformat(value[:10]).weekday()]
    except ValueError:
        return  # there is no such day
    yield "weekday day month", f"{weekday[:3]}, {plain}"
    yield "whole weekday day month", f"{weekday}, {plain}"
    if time is not None:
        yield "day month time", f"{plain}, {time}"
        yield "time", time


def _text_forms(value: str) -> Iterator[tuple[str, str]]:
    yield "as is", value
    if found := _DATE.fullmatch(value):
        year, month, day = found[1], int(found[2]), int(found[3])
        if 1 <= month <= len(_MONTHS):
            name = _MONTHS[month - 1]
            yield "day month", f"{day} {name[:3]} {year}"
            yield "day whole month", f"{day} {name} {year}"
            yield "month day", f"{name[:3]} {day}, {year}"
            yield "whole month day", f"{name} {day}, {year}"
            yield "date", value[:10]
            yield from _more_of_a_day(value, f"{day} {name[:3]} {year}", found[4])
        return
    if value[0].islower():
        yield "capital", value[0].upper() + value[1:]
    if value != value.lower():
        yield "small", value.lower()
    if value != value.strip():
        yield "stripped", value.strip()
    if "_" in value:
        yield "spaced", value.replace("_", " ")
        yield "spaced capital", value[0].upper() + value[1:].replace("_", " ")
    words = value.split(" ")
    if 1 < len(words) < 8:
        yield "first word", words[0]
        yield "last word", words[-1]
        if words[-1][:1].isalpha():
            yield "first word and initial", f"{words[0]} {words[-1][0]}"
        if "," in value:
            yield "before comma", value.partition(",")[0]
        if " (" in value:
            yield "before a bracket", value.partition(" (")[0]
    if len(value) in range(12, 24) and (digits := re.sub(r"[ -]", "", value)).isdigit():
        yield "last four digits", digits[-4:]
