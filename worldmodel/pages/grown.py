"""What a session's own rows add to what no rule tells: its review among those of others, their mean with it.

What stands on a page about a thing and follows from no state is remembered (`worldmodel.pages.writer`). A session that
adds a row about the thing sees what was there and, first or last, that row; a mean that was shown is now one of more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from envsim.state import StateView, split_path
from envsim.types import JsonValue
from worldmodel.document import read_delta
from worldmodel.pages.levels import Example, Grown, Level, Part, learn_level
from worldmodel.pages.lists import Instance
from worldmodel.pages.names import Names, row_names
from worldmodel.pages.nodes import Node, walk
from worldmodel.pages.shape import Mask, symbol
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.session import Situation

LEAST = 6
"""Answers with rows of the session, to learn from."""
SURE = 0.7
"""Share of these that must come out right."""
CHANGED = 0.5
"""Share of these in which a text must be another than before."""
MOST = 200
_NUMBER = re.compile(r"(?<![\w.])\d{1,15}(?:\.\d+)?(?![\w.])")
_GREATEST = 10**15
"""Greater figures are ids, if anything: nothing that a mean is of."""

Added = tuple[tuple[int, str, str], ...]
"""(which answer of the session, collection, key) of the rows it added, as they came."""


def added_rows(situation: Situation, after: StateView) -> Added:
    """Rows that the session added and that are still there, those of this request last."""
    out: list[tuple[int, str, str]] = []
    for at, (_, lines) in enumerate(situation.past):
        if lines and lines[0][:1] == "!":
            for path, *rest in read_delta(takewhile(_is_change, lines)):
                collection, *keys = split_path(str(path))
                if at and rest and len(keys) == 1 and isinstance(rest[0], dict):
                    out.append((at, collection, keys[0]))
    for collection, table in after.items():
        before = situation.state.get(collection)
        if table is not before and isinstance(table, dict) and isinstance(before, dict):
            out += [(len(situation.past), collection, key) for key in table if key not in before]
    return tuple(one for one in dict.fromkeys(out) if one[2] in _table(after, one[1]))


def _table(state: StateView, collection: str) -> Mapping[str, JsonValue]:
    """A collection; what is none has no rows."""
    found = state.get(collection)
    return found if isinstance(found, dict) else {}


def _is_change(line: str) -> bool:
    return line[:1] == "!"


def of_thing(added: Added, since: int, collection: str, name: str, names: Names) -> list[str]:
    """Keys of the rows about what the address names, of those added after an answer; the latest first."""
    table = _table(names.state, collection)
    things = {names.value(f"url.{number}") for number in range(4)} - {None}
    return [
        key
        for at, where, key in reversed(added)
        if at > since and where == collection and _value(table.get(key), name) in things
    ]


def _value(row: JsonValue, name: str) -> JsonValue:
    value = row.get(name) if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def means(base: str | None, collection: str, keys: Sequence[str], names: Names) -> dict[str, JsonValue]:
    """Figures of what was shown before, with these rows: `mean FIELD`, one of more than before, and `number`.

    A mean is shown rounded, and is of whole numbers: their sum is the whole number nearest to it times their count.
    """
    shown = [float(found) for found in _NUMBER.findall(base or "")]
    mean, count = (shown[0], round(shown[1])) if len(shown) > 1 else (0.0, 0)
    out: dict[str, JsonValue] = {"number": count + len(keys)}
    table = _table(names.state, collection)
    rows = [row for key in keys if isinstance(row := table.get(key), dict)]
    for name in rows[0] if rows else ():
        values = [row.get(name) for row in rows]
        figures = [value for value in values if type(value) is int and abs(value) < _GREATEST]
        if len(figures) == len(values) and count + len(values):
            out[f"mean {name}"] = (round(mean * count) + sum(figures)) / (count + len(values))
    return out


Answer = tuple[Example, Added, int]
"""An answer, `kept` what the session saw there before; the rows that it added; and when it saw that."""

# -- learning ------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A level of an answer in which the session had added rows since it saw the page before."""

    example: Example
    """`kept` is what the session saw at this address."""
    keys: list[str]
    """Of the rows that it added since, the latest first."""


def grow_level(level: Level, examples: Sequence[Answer], mask: Mask) -> Level:
    """The level with what the session's own rows add, as far as these answers tell.

    Args:
        level: The program.
        examples: Answers of sessions that added rows.
        mask: Tells wording from what it speaks of.
    """
    for collection, name in _owners(examples):
        seen = [Seen(e, keys) for e, a, since in examples if (keys := of_thing(a, since, collection, name, e.names))]
        if len(seen) >= LEAST:
            level = _grow(level, seen[:MOST], collection, name, mask)
    return level


def grow_shared(shared: Mapping[str, Level], examples: Sequence[Answer], mask: Mask) -> dict[str, Level]:
    """The same for levels that several kinds of pages share, by their element's symbol."""
    found: dict[str, list[Answer]] = {}
    for example, added, since in examples:
        before = {symbol(node, mask): node for node in walk(example.kept)}
        for node in walk(example.kids):
            if (name := symbol(node, mask)) in shared and name in before:
                nested = replace(example, kids=node.kids, kept=before[name].kids)
                found.setdefault(name, []).append((nested, added, since))
    return {name: grow_level(level, found.get(name, ()), mask) for name, level in shared.items()}


def _owners(examples: Sequence[Answer]) -> list[tuple[str, str]]:
    """(collection, field) of rows that name what the address does, most often first."""
    tally: Counter[tuple[str, str]] = Counter()
    for example, added, _ in examples:
        things = {example.names.value(f"url.{number}") for number in range(4)} - {None}
        for _, collection, key in added:
            row = _table(example.names.state, collection).get(key)
            fields = row if isinstance(row, dict) else ()
            tally.update((collection, name) for name in fields if _value(row, name) in things)
    return [one for one, count in sorted(tally.items(), key=lambda entry: (-entry[1], entry[0])) if count >= LEAST]


def _grow(level: Level, seen: Sequence[Seen], collection: str, name: str, mask: Mask) -> Level:
    now = [level.shape.divide(one.example.kids, mask) for one in seen]
    then = [level.shape.divide(one.example.kept, mask) for one in seen]
    parts = []
    for number, part in enumerate(level.parts):
        if level.shape.places[number].many:
            blocks = [(s, a.get(number, []), b.get(number, [])) for s, a, b in zip(seen, now, then, strict=True)]
            parts.append(_grow_list(part, blocks, collection, name, mask) if part.query is None else part)
            continue
        both = [
            (s, a[number][0][0], b[number][0][0]) for s, a, b in zip(seen, now, then, strict=True)
            if number in a and number in b
        ]  # fmt: skip
        below = part.below
        if below is not None and len(both) >= LEAST:
            nested = [Seen(replace(s.example, kids=a.kids, kept=b.kids), s.keys) for s, a, b in both]
            below = _grow(below, nested, collection, name, mask)
        parts.append(_grow_text(replace(part, below=below), both, collection, name))
    return replace(level, parts=tuple(parts))


def _grow_text(part: Part, both: Sequence[tuple[Seen, Node, Node]], collection: str, name: str) -> Part:
    if sum(a.text != b.text for _, a, b in both) < max(LEAST, CHANGED * len(both)):
        return part
    examples = [
        TextExample(s.example.names.child(means(b.text, collection, s.keys, s.example.names)), a.text, s.example.about)
        for s, a, b in both
    ]
    text = learn_text(examples)
    told = text.sure >= SURE and (part.text is None or part.text.sure < text.sure)
    return replace(part, grown=Grown(collection, name, text)) if told else part


def _grow_list(
    part: Part, blocks: Sequence[tuple[Seen, list[Instance], list[Instance]]], collection: str, name: str, mask: Mask
) -> Part:
    # Where nothing was seen and there is more than the session's own, that page had broken off.
    seen = [(s, now, then) for s, now, then in blocks if then or len(now) == len(s.keys)]
    first = [(s, now[: len(s.keys)]) for s, now, then in seen if now[len(s.keys) :] == then]
    last = [(s, now[len(then) :][::-1]) for s, now, then in seen if now[: len(then)] == then]
    first, last = ([(s, rows) for s, rows in some if len(rows) == len(s.keys)] for some in (first, last))
    found = max(first, last, key=len)
    if len(found) < max(LEAST, SURE * len(seen)):
        return part
    rows = []
    for s, instances in found:
        for number, (key, instance) in enumerate(zip(s.keys, instances, strict=True)):
            rows.append(Example(row_names(s.example.names, collection, key, number), instance, key))
    item = learn_level(rows, mask, f"grown {collection}")
    return replace(part, grown=Grown(collection, name, item=item, last=found is last))
