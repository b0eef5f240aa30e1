"""Evaluating expressions for results."""

from __future__ import annotations

import copy
import json
from typing import Any

from worldmodel.results.choice import Question
from worldmodel.results.terms import (
    SIGNS,
    Amend,
    Combine,
    Const,
    Extend,
    Gather,
    If,
    Make,
    Read,
    Term,
    Text,
    Unknown,
    read,
)
from worldmodel.results.view import View


def evaluate(term: Term, view: View) -> Any:
    """Its value; shared with the view, so for reading only.

    Raises:
        Unknown: It has none here.
    """
    match term:
        case Const(text):
            return json.loads(text)
        case Read(name, way):
            if name not in view:
                raise Unknown(name)
            return read(view.get(name), way)
        case Combine(sign, left, right, way):
            return read(SIGNS[sign](_figure(left, view), _figure(right, view)), way)
        case Text(literals, parts):
            pieces = [evaluate(part, view) for part in parts]
            if not all(isinstance(piece, str) for piece in pieces):
                raise Unknown
            return literals[0] + "".join(piece + after for piece, after in zip(pieces, literals[1:], strict=True))
        case Make(items):
            return {name: evaluate(value, view) for name, value in items}
        case Extend(base, items, each):
            return _extend(listed(base, view), items, each, view)
        case Amend():
            return _amend(term, view)
        case Gather(base, by, limit):
            rows = [row for row in listed(base, view) if isinstance(row, dict) and isinstance(row.get(by), str)]
            most = view.get(limit) if limit else None
            return sorted(rows, key=lambda row: str(row[by]), reverse=True)[: most if isinstance(most, int) else None]
        case If(name, how, value, yes, no):
            return evaluate(yes if Question(name, how, value).holds(view) else no, view)


def _figure(name: str, view: View) -> float:
    value = view.get(name)
    if type(value) not in (int, float):
        raise Unknown(name)
    return float(value) if isinstance(value, float) else int(value)


def listed(name: str, view: View) -> list[Any]:
    """A list by its name; one without elements has none.

    Raises:
        Unknown: There is no such list.
    """
    value = view.get(name) if name else []
    if not isinstance(value, list):
        raise Unknown(name)
    return value


def element(view: View, name: str, at: int) -> View:
    """The view of one object of a list: its fields behind ``each.``, and what other lists have in its place."""
    objects = listed(name, view)
    fields = objects[at].items() if isinstance(objects[at], dict) else ()
    return view.with_names({**view.each(at, len(objects)), **{f"each.{key}": child for key, child in fields}})


def _extend(base: list[Any], items: tuple[Term, ...], each: str, view: View) -> list[Any]:
    if not each:
        return base + [evaluate(item, view) for item in items]
    views = [element(view, each, at) for at in range(len(listed(each, view)))]
    return base + [evaluate(item, one) for one in views for item in items]


def _amend(term: Amend, view: View) -> list[Any]:
    out = copy.deepcopy(listed(term.base, view))
    wanted = listed(term.wanted, view)
    for at, key in enumerate(wanted):
        found = next((one for one in out if isinstance(one, dict) and one.get(term.field) == key), None)
        if found is None:
            raise Unknown(key)
        inner = view.with_names(view.each(at, len(wanted)))
        found.update({name: evaluate(value, inner) for name, value in term.items})
    return out
