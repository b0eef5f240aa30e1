"""What is known before a tool answers, by name: the arguments, and the rows and entries that they lead to.

::

    arg.order_id                        an argument
    arg.order_id>order.items            the row with that id, its fields
    …items[].price  …items[0].price     a field of all objects of a list, and of the first
    …user_id>user.payment_methods[arg.payment_method_id].balance
                                        an entry of a table inside a row
    arg.item_ids~…items.price           of each argument the object of the list that has it, and a field of theirs
    sum(a - b)  sum(a)  product(a * b)  of two lists of numbers, of one; of an argument and a figure of a row
    arg.x in …  all …                   whether a list or table has it; whether all are there, or true
    arg.x mentioned  … mentioned as     whether a result of this session held that text, and under which field
    prefix(arg.x)                       an id up to its first digit
    len(…)                              of a list
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from envsim.state import canonical
from worldmodel.results.calls import is_map
from worldmodel.results.implied import Rows, collection_of
from worldmodel.results.meet import meet
from worldmodel.results.terms import SIGNS

DEPTH = 2
"""Rows followed from a row."""
MAX_FIELDS = 30
MAX_LIST = 40
MAX_TEXT = 300
MAX_ID = 40
_PREFIX = re.compile(r"[^0-9]*")
_ARITHMETIC = re.compile(r"[-+*/(). 0-9]{1,200}")


Place = tuple[str, str, tuple[str, ...]]
"""(collection, key of the row, names to follow inside it)."""


class View:
    """Names and their values before one answer."""

    def __init__(self, values: Mapping[str, Any], places: Mapping[str, Place] | None = None, group: str = "") -> None:
        self.values: dict[str, Any] = dict(values)
        self.group = group
        """The sessions it belongs to, in learning: what is alike in one task is no evidence for others."""
        self.places: Mapping[str, Place] = places or {}
        """Where in the believed rows an object by this name stands."""
        self._index: dict[str, list[str]] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> Any:
        """A value; None if there is no such name."""
        return self.values.get(name)

    def names_of(self, value: Any) -> list[str]:
        """The names whose value is this one."""
        if self._index is None:
            self._index = {}
            for name, each in self.values.items():
                self._index.setdefault(canonical(each), []).append(name)
        return self._index.get(canonical(value), [])

    def with_names(self, values: Mapping[str, Any]) -> View:
        """The same with more names."""
        return View({**self.values, **values}, self.places, self.group)

    def figures(self) -> Iterator[tuple[str, float]]:
        """All numbers."""
        for name, value in self.values.items():
            if type(value) in (int, float):
                yield name, value

    def each(self, at: int, count: int) -> dict[str, Any]:
        """The elements at one position of all lists of a length."""
        return {
            f"each({name})": value[at]
            for name, value in self.values.items()
            if isinstance(value, list) and len(value) == count and value[at] is not None
        }


def look(arguments: Mapping[str, Any], rows: Rows, more: Mapping[str, Any]) -> View:
    """The view of a call.

    Args:
        arguments: Of the call.
        rows: What is believed.
        more: Further names.
    """
    walk = _Walk(rows)
    for name, value in more.items():
        walk.out[name] = value
    for name, value in sorted(arguments.items()):
        walk.add(f"arg.{name}", value, DEPTH)
        if isinstance(value, str) and (result := arithmetic(value)) is not None:
            walk.out[f"arithmetic(arg.{name})"] = result
        texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        if texts and all(isinstance(text, str) for text in texts):
            walk.out[f"arg.{name} mentioned"] = all(text in rows.mentioned for text in texts)
        if isinstance(value, str) and 0 < len(value) <= MAX_ID:
            walk.out[f"prefix(arg.{name})"] = _PREFIX.match(value)[0]  # type: ignore[index]
            if value in rows.mentioned:
                walk.out[f"arg.{name} mentioned as"] = rows.mentioned[value]
    walk.enter_tables()
    walk.join()
    walk.ask_lists()
    walk.add_up()
    meet(walk.out, rows)
    return View(walk.out, walk.places)


class _Walk:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.out: dict[str, Any] = {}
        self.places: dict[str, Place] = {}

    def add(self, name: str, value: Any, depth: int, place: Place | None = None) -> None:
        """A value, its parts, and the rows it leads to; `place` is where it stands."""
        if isinstance(value, str) and len(value) > MAX_TEXT:
            return
        self.out[name] = value
        if isinstance(value, dict):
            if place is not None:
                self.places[name] = place
            if len(value) <= MAX_FIELDS and not is_map(value):
                for key, child in value.items():
                    self.add(f"{name}.{key}", child, depth, place and (*place[:2], (*place[2], key)))
        elif isinstance(value, list):
            self._list(name, value)
        elif isinstance(value, str) and depth and _leads(name):
            for collection, row in self.rows.named(value):
                if f">{collection}" not in name:
                    self.add(f"{name}>{collection}", row, depth - 1, (collection, value, ()))

    def _list(self, name: str, value: Sequence[Any]) -> None:
        self.out[f"len({name})"] = len(value)
        if not value or len(value) > MAX_LIST:
            return
        if all(isinstance(each, dict) for each in value):
            for key in value[0]:
                self.out[f"{name}[0].{key}"] = value[0][key]
                if all(key in each for each in value):
                    self.out[f"{name}[].{key}"] = [each[key] for each in value]
        elif all(isinstance(each, str) for each in value):
            found = [dict(self.rows.named(each)) for each in value]
            for collection in found[0]:
                if all(collection in each for each in found):
                    self._list(f"{name}>{collection}", listed := [each[collection] for each in found])
                    self.out[f"{name}>{collection}"] = listed

    def _columns(self, name: str, objects: Sequence[Any]) -> None:
        """Fields of objects that belong to the elements of a list; None where there is no object."""
        self.out[f"all {name}"] = all(each is not None for each in objects)
        self.out[name] = list(objects)
        known = [each for each in objects if isinstance(each, dict)]
        if not known:
            return
        self.out[f"any {name}"] = True
        for key in known[0]:
            column = [each.get(key) if isinstance(each, dict) else None for each in objects]
            self.out[f"{name}.{key}"] = column
            if all(type(each) is bool for each in column):
                self.out[f"all {name}.{key}"] = all(column)
            if len(known) == len(objects):
                self.out[f"last({name}.{key})"] = column[-1]

    def enter_tables(self) -> None:
        """Entries of tables inside rows by the ids at hand."""
        tables = [(name, value) for name, value in self.out.items() if is_map(value)]
        ids = [(n, v) for n, v in self.out.items() if isinstance(v, str) and "[]" not in n]
        for table, entries in tables:
            for name, value in ids:
                if name.startswith(table) or table.startswith(f"{name}>"):
                    continue
                if _leads(name):
                    self.out[f"{name} in {table}"] = value in entries
                if value in entries:
                    place = self.places.get(table)
                    self.add(f"{table}[{name}]", entries[value], 0, place and (*place[:2], (*place[2], value)))

    def join(self) -> None:
        """For each element of a list of arguments the object of a list that has it, and what that leads to."""
        asked = {n: v for n, v in self.out.items() if n.startswith("arg.") and _is_texts(v) and "." not in n[4:]}
        lists = {n: v for n, v in self.out.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
        for name, wanted in asked.items():
            for source, objects in lists.items():
                if (field := _shared(wanted, objects)) is not None:
                    by_id: dict[str, Any] = {}
                    for each in objects:
                        by_id.setdefault(str(each.get(field)), each)
                    self._columns(f"{name}~{source}", found := [by_id.get(each) for each in wanted])
                    self._beyond(f"{name}~{source}", found, {n: v for n, v in asked.items() if n != name})
        for name, value in asked.items():
            for other, texts in asked.items():
                if name < other:
                    self.out[f"any {name} = {other}"] = any(a == b for a, b in zip(value, texts, strict=False))

    def _beyond(self, name: str, objects: Sequence[Any], others: Mapping[str, list[str]]) -> None:
        """Rows that the joined objects refer to, and entries of those by the other list of arguments."""
        first = next((each for each in objects if isinstance(each, dict)), {})
        for key in [key for key in first if collection_of(key)]:
            rows = [dict(self.rows.named(str(each.get(key)))) if each else {} for each in objects]
            for collection in sorted({c for row in rows for c in row}):
                found = [row.get(collection) for row in rows]
                where = f"{name}.{key}>{collection}"
                self.out[f"all {where}"] = all(row is not None for row in found)
                for table in [k for row in found if row for k, v in row.items() if is_map(v)][:1]:
                    for other, texts in others.items():
                        if len(texts) == len(found) and self.out[f"all {where}"]:
                            pairs = zip(found, texts, strict=True)
                            entries = [row[table].get(text) for row, text in pairs if row]
                            self._columns(f"{where}.{table}[{other}]", entries)

    def ask_lists(self) -> None:
        """Which arguments the lists at hand hold."""
        found = {n: v for n, v in self.out.items() if _is_texts(v)}
        lists = {n: v for n, v in found.items() if n.count("[]") == 1 or not n.startswith(("arg.", "any", "all"))}
        for name, value in list(self.out.items()):
            if not name.startswith("arg.") or any(c in name for c in "[>~ "):
                continue
            wanted = [value] if isinstance(value, str) else value if _is_texts(value) else None
            for where, texts in lists.items() if wanted else ():
                if "~" not in where and (len(texts) > 1 or not where.startswith(name)):
                    self.out[f"{name} in {where}"] = not Counter(wanted) - Counter(texts)

    def add_up(self) -> None:
        """Sums of columns, and of what two columns of the same field differ by."""
        columns = [(name, value) for name, value in self.out.items() if _is_figures(value)]
        for name, values in columns:
            self.out[f"sum({name})"] = _sum(values)
        amounts = [
            (n, v) for n, v in self.out.items() if n.startswith("arg.") and type(v) in (int, float) and ">" not in n
        ]
        rates = [
            (n, v)
            for n, v in self.out.items()
            if type(v) in (int, float) and n.startswith("arg.") and n.count(">") and "[" not in n
        ]
        for name, amount in amounts:
            self.out |= {f"product({name} * {rate})": amount * each for rate, each in rates[:MAX_FIELDS]}
        joined = [(n, v) for n, v in columns if "~" in n]
        for a, left in joined:
            for b, right in joined:
                if a != b and len(left) == len(right) and a.rpartition(".")[2] == b.rpartition(".")[2]:
                    self.out[f"sum({a} - {b})"] = _sum([x - y for x, y in zip(left, right, strict=True)])


def _leads(name: str) -> bool:
    """Whether a value by this name may be an id."""
    last = name.rpartition(".")[2]
    return bool(collection_of(last)) or (name.startswith("arg.") and name.count(".") == 1)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_figures(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) in (int, float) for each in value)


def _shared(wanted: Sequence[str], objects: Sequence[Mapping[str, Any]]) -> str | None:
    """The field of the objects that holds what is wanted."""
    for field in objects[0]:
        values = {each.get(field) for each in objects if isinstance(each.get(field), str)}
        if values & set(wanted):
            return field
    return None


def _sum(values: Sequence[float]) -> float:
    # In the order and from where a program adds: sums of floats depend on it.
    total = 0.0
    for value in values:
        total += value
    return total


def arithmetic(text: str) -> float | None:
    """The value of a sum, difference, product or quotient of numbers as text; None where it is none."""
    if not _ARITHMETIC.fullmatch(text) or not any(sign in text for sign in "+-*/."):
        return None
    tokens = re.findall(r"[0-9]*\.?[0-9]+|[-+*/()]", text)
    if "".join(tokens) != text.replace(" ", ""):
        return None
    try:
        value, rest = _term(tokens, 0)
    except (ValueError, IndexError, ZeroDivisionError, RecursionError):
        return None
    return value if not rest else None


def _term(tokens: list[str], level: int) -> tuple[float, list[str]]:
    """Sums of products of atoms, by recursive descent; (value, what is left)."""
    signs = ("+-", "*/")[level] if level < 2 else ""
    if level == 2:
        return _atom(tokens)
    value, rest = _term(tokens, level + 1)
    while rest and rest[0] in signs:
        right, after = _term(rest[1:], level + 1)
        value = value / right if rest[0] == "/" else SIGNS[rest[0]](value, right)
        rest = after
    return value, rest


def _atom(tokens: list[str]) -> tuple[float, list[str]]:
    if tokens[0] == "-":
        value, rest = _atom(tokens[1:])
        return -value, rest
    if tokens[0] == "(":
        value, rest = _term(tokens[1:], 0)
        if rest[0] != ")":
            raise ValueError
        return value, rest[1:]
    number = float(tokens[0])
    return (int(number) if number.is_integer() and "." not in tokens[0] else number), tokens[1:]
