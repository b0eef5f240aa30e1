"""What an agent offers, held against what a user agrees to: limits and alternatives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from envsim.goal import Item, Limit
from envsim.reward.typed import Money, ValueType, parse
from envsim.types import JsonValue
from envsim.user.understand import Act
from envsim.user.words import content, sentences, stem, stems, values

_WORD = re.compile(r"\w+")


def settles(item: Item, acts: Iterable[Act]) -> bool:
    """Whether a proposal among `acts` is an alternative the user takes instead of `item`."""
    return any(content(other) <= set(stems(act.text)) for other in item.settles_for for act in acts)


def breaks(limit: Limit, text: str) -> bool:
    """Whether an offer in `text` is outside of `limit`."""
    least, most = _comparable(limit.type, limit.at_least), _comparable(limit.type, limit.at_most)
    found = (_comparable(limit.type, offer) for offer in offered(limit, text))
    return any(
        (most is not None and value > most) or (least is not None and value < least)
        for value in found
        if value is not None
    )


def offered(limit: Limit, text: str) -> list[str]:
    """The values of a limit's type in `text`: those next to a mention of what is limited.

    Where nothing is mentioned, an amount of money that is the only one is taken to be it.
    """
    wanted = "code" if limit.type == "number" else limit.type
    about = content(limit.about)
    near: list[str] = []
    every: list[str] = []
    for sentence in sentences(text):
        found = [value for kind, value in values(sentence.text) if kind == wanted]
        every += found
        places = [match.start() for match in _WORD.finditer(sentence.low) if stem(match[0]) in about]
        if found and places:
            near.append(min(found, key=lambda value: _distance(sentence.text.find(value), value, places)))
    return near or (every if limit.type == "money" and len(set(every)) == 1 else [])


def _distance(at: int, value: str, places: list[int]) -> int:
    """Characters between a value and the nearest of `places`; one that stands before counts as a little farther."""
    return min(at - place if place < at else place - at - len(value) + 4 for place in places)


def _comparable(kind: ValueType, value: JsonValue) -> Any:
    """A value as what compares with its like: an amount, a number or a day."""
    parsed = None if value is None else parse(kind, value)
    return parsed.amount if isinstance(parsed, Money) else parsed
