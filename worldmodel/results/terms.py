"""Expressions for JSON values: how a result follows from what is known. Data, never code; kept as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias


class Unknown(Exception):  # noqa: N818 -- an outcome, not an error
    """An expression has no value here."""


@dataclass(frozen=True)
class Const:
    """The same everywhere: JSON text."""

    text: str


@dataclass(frozen=True)
class Read:
    """A named value, read one of the `WAYS`."""

    name: str
    way: str = "as is"


@dataclass(frozen=True)
class Combine:
    """Two numbers added, subtracted or multiplied, then read one of the `WAYS`."""

    sign: str
    left: str
    right: str
    way: str = "as is"


@dataclass(frozen=True)
class Text:
    """Reads between literals."""

    literals: tuple[str, ...]
    parts: tuple[Term, ...]


@dataclass(frozen=True)
class Make:
    """An object."""

    items: tuple[tuple[str, Term], ...]


@dataclass(frozen=True)
class Extend:
    """A list with more elements: as many as named, or one for each object of another list."""

    base: str
    items: tuple[Term, ...]
    each: str = ""


@dataclass(frozen=True)
class Amend:
    """A list whose objects with these ids have other fields."""

    base: str
    field: str
    wanted: str
    items: tuple[tuple[str, Term], ...]


@dataclass(frozen=True)
class Gather:
    """A list of objects, latest first by a field, at most so many."""

    base: str
    by: str
    limit: str


@dataclass(frozen=True)
class If:
    """One or the other, by a test (`worldmodel.results.choice.Question`) in its three parts."""

    name: str
    how: str
    value: str
    yes: Term
    no: Term


Term: TypeAlias = Const | Read | Combine | Text | Make | Extend | Amend | Gather | If


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise Unknown
    return float(value) if isinstance(value, float) else value


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unknown
    return str(value)


def _sorted(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value)
    raise Unknown


WAYS: dict[str, Callable[[Any], Any]] = {
    "as is": lambda value: value,
    "sorted": _sorted,
    "absolute": lambda value: abs(_number(value)),
    "rounded": lambda value: round(_number(value), 2),
    "float": lambda value: float(_number(value)),
    "negated": lambda value: -_number(value),
    "text": _plain,
    "amount": lambda value: f"{_number(value):.2f}",
}
SIGNS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def read(value: Any, way: str) -> Any:
    """A value read a way.

    Raises:
        Unknown: It cannot be.
    """
    try:
        return WAYS[way](value)
    except (TypeError, ValueError, OverflowError):
        raise Unknown from None


def cost(term: Term) -> float:
    """How far-fetched it is: of several that explain as much, the cheapest is believed."""
    match term:
        case Const(text):
            return 1.5 + 0.02 * len(text)
        case Read(name, way):
            return _far(name) + 0.3 * (way != "as is")
        case Combine(_, left, right, way):
            return 3.0 + _far(left) + _far(right) + 0.3 * (way != "as is")
        case Text(literals, parts):
            return 1.0 + 0.01 * sum(map(len, literals)) + sum(map(cost, parts))
        case Make(items) | Amend(_, _, _, items):
            return 1.0 + sum(cost(value) for _, value in items)
        case Extend(_, items, _):
            return 2.0 + sum(map(cost, items))
        case Gather():
            return 3.0
        case If(_, _, _, yes, no):
            return 3.0 + cost(yes) + cost(no)


def _far(name: str) -> float:
    return 1.0 + 0.05 * len(name.split(".")) + 0.2 * sum(name.count(c) for c in ">~[") + 0.01 * len(name)


# -- as JSON -------------------------------------------------------------------------------------------

_KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Const, Read, Combine, Text, Make, Extend, Amend, Gather, If)
}


def to_json(term: Any) -> Any:
    """A list that `from_json` reads back."""
    if is_dataclass(term):
        return [type(term).__name__.lower(), *(to_json(getattr(term, field.name)) for field in fields(term))]
    return ["tuple", *map(to_json, term)] if isinstance(term, tuple) else term


def from_json(data: Any) -> Term:
    """See `to_json`.

    Raises:
        ValueError: It is none; a model file may be damaged or made up.
    """
    try:
        found: Term = _from_json(data, 40)
        check(found)
    except (TypeError, KeyError, IndexError, RecursionError, AttributeError) as error:
        raise ValueError(f"no expression: {str(data)[:80]} ({error})") from None
    return found


def _from_json(data: Any, depth: int) -> Any:
    if not depth:
        raise TypeError("too deep")
    if isinstance(data, str):
        return data
    kind, *rest = data
    values = [_from_json(each, depth - 1) for each in rest]
    return tuple(values) if kind == "tuple" else _KINDS[kind](*values)


def check(term: Any) -> None:
    """Look through a whole expression.

    Raises:
        TypeError: A part is not what belongs there.
    """
    match term:
        case Const(str()) | Gather(str(), str(), str()):
            return
        case Read(str(), way) if way in WAYS:
            return
        case Combine(sign, str(), str(), way) if sign in SIGNS and way in WAYS:
            return
        case Text(tuple() as literals, tuple() as parts) if len(literals) == len(parts) + 1:
            inner: list[Any] = list(parts)
        case Make(tuple() as items) | Amend(str(), str(), str(), tuple() as items):
            inner = [value for _, value in items]
        case Extend(str(), tuple() as parts, str()):
            inner = list(parts)
        case If(str(), str(), str(), yes, no):
            inner = [yes, no]
        case _:
            raise TypeError("unknown form")
    for each in inner:
        check(each)
