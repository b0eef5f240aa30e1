"""Finding expressions for figures: one read another way, or two of them added, subtracted or multiplied."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from worldmodel.results.evaluate import evaluate
from worldmodel.results.terms import Combine, Read, Term, Unknown, read
from worldmodel.results.view import View

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def computed(value: Any, view: View) -> Iterator[Term]:
    """What a number, or a number as text, may be computed by."""
    if type(value) in (int, float):
        for name, known in view.figures():
            ways = ("absolute", "rounded", "float", "negated")
            yield from (Read(name, way) for way in ways if _same(read_as(known, way), value))
        yield from (c for c in _combined(float(value), view) if _same(_evaluated(c, view), value))
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        yield from _written_out(value, view)


def _written_out(value: str, view: View) -> Iterator[Term]:
    """A number as text."""
    ways = ("text", "amount")
    for name, known in view.figures():
        yield from (Read(name, way) for way in ways if read_as(known, way) == value)
    for found in _combined(float(value), view):
        for way in ways:
            if _evaluated(written := replace(found, way=way), view) == value:
                yield written


def _combined(value: float, view: View) -> Iterator[Combine]:
    """Two figures that may give the value: the second is looked up by what it would have to be."""
    figures = list(view.figures())
    by_size: dict[float, list[str]] = {}
    for name, each in figures:
        by_size.setdefault(round(each, 2), []).append(name)
    for left, a in figures:
        wanted = {"+": value - a, "-": a - value, "*": value / a if a else math.nan}
        for sign, needed in wanted.items():
            if math.isfinite(needed):
                for right in by_size.get(round(needed, 2), ()):
                    if sign == "-" or left <= right:
                        yield from (Combine(sign, left, right, way) for way in ("as is", "rounded"))


def _evaluated(term: Term, view: View) -> Any:
    try:
        return evaluate(term, view)
    except Unknown:
        return None


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def read_as(value: Any, way: str) -> Any:
    """A value read a way; None where it cannot be."""
    try:
        return read(value, way)
    except Unknown:
        return None
