"""What repeats on a page: the rows of a collection that meet conditions, in an order, some of them.

A list is explained as a query over the state after the request: `products whose category is url.1 and whose price_cents
is at least query.min, by price, twelve from query.page on`. Conditions that hold for everything that was shown and
leave something out are taken, as in learning from positive examples (find-S; Mitchell 1982). An order that no
attribute gives is remembered: which row was ever seen before which.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise

from envsim.types import JsonValue
from worldmodel.pages.forms import shown
from worldmodel.pages.names import EACH, Names, row_names
from worldmodel.pages.nodes import SEP, Node
from worldmodel.rules.readings import READERS

_ATOM = re.compile(r" \| |: |, | · |\x1f|\x1e|\x1d")
_WORD = re.compile(r"\w+")
MANY = 60
"""Rows beyond which instances are told apart by keys and names alone."""
HOLDS = 0.95
MAX_CASES = 12
_MOST_DIGITS = 1000
"""Of a number that a row may be found by: whoever acts types as many as they like."""
AS_KEPT = "#"
"""Ordered as the state has them: as they came, for what sessions added."""
AFTER = "+"
"""As remembered, for what sessions begin with, and after it what they added, as it came."""
Instance = tuple[Node, ...]


@dataclass(frozen=True)
class Condition:
    """On a row, where something was asked by a name.

    Its `field` ``is`` the named value, read in a way, is at ``least`` or at ``most`` that; or it has its ``words``; or
    ``some`` row that refers to it has more than nothing (`field`: collection, reference and field, by spaces).
    """

    field: str
    how: str
    name: str
    way: str = "as is"
    always: bool = False
    """It says whose rows these are: without it there is no list, rather than one of all rows."""

    def wanted(self, names: Names) -> JsonValue:
        """What it compares with; None where nothing was asked."""
        value = READERS[self.way](names.value(self.name))
        return None if value == "" else value

    def holds(self, row: JsonValue, key: str, wanted: JsonValue, names: Names) -> bool:
        """Whether a row meets it."""
        if self.how == "some":
            table, reference, field = self.field.split(" ")
            rows = names.state.get(table, {})
            return any(
                type(value := rows[other].get(field)) is int and value > 0
                for other in names.scope.rows(table, reference, key)
            )
        if self.how == "words":
            text = plain(" ".join([key, *(v for v in _values(row) if isinstance(v, str))]))
            return all(word in text for word in stems(str(wanted)))
        value = key if self.field == "@" else row.get(self.field) if isinstance(row, dict) else None
        if self.how == "is":
            return str(value) == str(wanted) and not isinstance(value, bool)
        if type(value) is not int or type(wanted) is not int:
            return False
        return value >= wanted if self.how == "least" else value <= wanted


@dataclass(frozen=True)
class Order:
    """By an attribute, from below or from above; or ``""``, as remembered, `AS_KEPT` or `AFTER`."""

    by: str = ""
    down: bool = False


@dataclass(frozen=True)
class ListRule:
    """A query.

    Attributes:
        collection: What is listed.
        conditions: All must hold, where something was asked.
        order: Unless `cases` has another for the value of `switch`.
        limit: The most that is shown at once; 0 for all.
        page: The name of the number of the page, from 1.
        ranks: Keys in the remembered order.
        others: Value of `switch` -> keys, where another order is remembered.
        odd: Words that were never answered by it: who was asked for them found rows by what they do not say.
        sure: Share of the examples it gives exactly.
    """

    collection: str
    conditions: tuple[Condition, ...] = ()
    order: Order = Order()
    switch: str = ""
    cases: tuple[tuple[str, Order], ...] = ()
    limit: int = 0
    page: str = ""
    ranks: tuple[str, ...] = ()
    others: tuple[tuple[str, tuple[str, ...]], ...] = ()
    odd: tuple[str, ...] = ()
    sure: float = 0.0

    def run(self, names: Names) -> tuple[list[str], dict[str, JsonValue]]:
        """The keys that are shown, and figures about the list."""
        keys = self.select(names)
        order = dict(self.cases).get(str(names.value(self.switch)), self.order) if self.switch else self.order
        ranks = dict(self.others).get(str(names.value(self.switch)), self.ranks) if self.others else self.ranks
        keys = arrange(keys, order, self.collection, names, {key: n for n, key in enumerate(ranks)})
        if not self.limit:
            return keys, {"count": len(keys)}
        pages = max(1, -(-len(keys) // self.limit))
        page = min(max(self.asked_page(names), 1), pages)
        part = keys[(page - 1) * self.limit : page * self.limit]
        figures: dict[str, JsonValue] = {
            "count": len(keys), "pages": pages, "page": page, "next": page + 1,
            "previous": page - 1, "shown": len(part), "more": page < pages,
        }  # fmt: skip
        return part, figures

    def asked_page(self, names: Names) -> int:
        """The number of the page that was asked for; 1 for what is no number."""
        text = str(names.value(self.page) or "1") if self.page else "1"
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 1

    def applies(self, names: Names) -> bool:
        """Whether all that it must be asked with is known."""
        return all(one.wanted(names) is not None for one in self.conditions if one.always)

    def narrows(self, names: Names) -> bool:
        """Whether some rows were asked for, and not by the path of the address."""
        asked = (one for one in self.conditions if one.name.startswith("query.") and not one.always)
        return any(one.wanted(names) is not None for one in asked)

    def words(self, names: Names) -> set[str]:
        """The words that are searched for."""
        return {str(one.wanted(names) or "") for one in self.conditions if one.how == "words"} - {""}

    def select(self, names: Names) -> list[str]:
        """Keys of all rows that meet the conditions."""
        if not self.applies(names):
            return []
        active = [(one, wanted) for one in self.conditions if (wanted := one.wanted(names)) is not None]
        table = names.state.get(self.collection)
        rows = table if isinstance(table, dict) else {}
        plainly = next(((one, wanted) for one, wanted in active if one.how == "is" and one.field != "@"), None)
        keys: Iterable[str] = rows
        if plainly is not None:
            keys = _rows(names, self.collection, plainly[0].field, plainly[1])
        return [key for key in keys if all(one.holds(rows[key], key, wanted, names) for one, wanted in active)]


def _rows(names: Names, collection: str, name: str, value: JsonValue) -> list[str]:
    found = names.scope.rows(collection, name, value)
    if not found and isinstance(value, str) and value.isdecimal() and len(value) < _MOST_DIGITS:
        return names.scope.rows(collection, name, int(value))
    return found


def _values(row: JsonValue) -> list[JsonValue]:
    return list(row.values()) if isinstance(row, dict) else [row]


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """Lower case, without accents, signs as spaces: what searches compare."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ø", "o"))
    return "".join(char for char in decomposed if not unicodedata.combining(char)).replace("-", " ")


def stems(text: str) -> list[str]:
    """Words to look for, in the singular."""
    return [word.removesuffix("s") if len(word) > 3 else word for word in plain(text).split()[:8]]


# -- order ---------------------------------------------------------------------------------------------


def arrange(keys: Sequence[str], order: Order, collection: str, names: Names, ranks: dict[str, int]) -> list[str]:
    """The keys in an order; equals as remembered, else by key."""
    if order.by == AS_KEPT:
        return list(keys)
    if order.by == AFTER:
        return sorted(keys, key=lambda key: ranks.get(key, len(ranks)))
    found = sorted(keys, key=lambda key: (ranks.get(key, len(ranks)), _by_key(key)))
    if not order.by:
        return found
    values = {key: sortable(attribute(names, collection, key, order.by)) for key in found}
    # Equal ones stay in their order, from above too.
    return sorted(found, key=lambda key: values[key], reverse=order.down)


def _by_key(key: str) -> tuple[int, int | float, str]:
    return sortable(as_number(key))


def as_number(key: str) -> int | str:
    """A key as a number, where it is one."""
    return int(key) if key.isdecimal() and key.isascii() and len(key) < 16 else key


def sortable(value: JsonValue) -> tuple[int, int | float, str]:
    """What values of any kind are compared by: nothing, then numbers, then texts."""
    if type(value) is int or (type(value) is float and not math.isnan(value)):
        return (1, value, "")
    return (2, 0, value) if isinstance(value, str) else (0, 0, "")


def attribute(names: Names, collection: str, key: str, name: str) -> JsonValue:
    """An attribute of a row: a field of it, its key as a number where it is one, or one of a row it refers to."""
    if name == "@":
        return as_number(key)
    table = names.state.get(collection)
    row = table.get(key) if isinstance(table, dict) else None
    if ">" not in name:
        return row.get(name) if isinstance(row, dict) else None
    return names.scope.relations.attributes(names.state, collection, key).get(name)


def evidence(lists: Sequence[ListExample], collection: str, order: Order) -> float:
    """In bits, how unlikely it is that rows are in an order by chance, summed over the different lists that are."""
    out = 0.0
    seen = {tuple(one.keys): one for one in lists if order in one.orders.get((collection, *one.keys), ())}
    for keys, one in seen.items():
        kept = order.by == AS_KEPT
        values = Counter(key if kept else str(attribute(one.names, collection, key, order.by)) for key in keys)
        out += math.lgamma(len(keys) + 1) - math.fsum(math.lgamma(n + 1) for n in values.values())
    return out / math.log(2)


def merge_ranks(sequences: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """One order that agrees with as many of these as a walk from those that never come after others finds."""
    after: dict[str, Counter[str]] = defaultdict(Counter)
    for sequence in sequences:
        for key in sequence:
            after.setdefault(key, Counter())
        for a, b in pairwise(sequence):
            after[a][b] += 1
    before: dict[str, int] = dict.fromkeys(after, 0)
    edges = {a: {b for b, n in nexts.items() if n > after[b].get(a, 0)} for a, nexts in after.items()}
    for nexts in edges.values():
        for b in nexts:
            before[b] += 1
    out: dict[str, None] = {}
    heap = [(count, key) for key, count in before.items()]
    heapify(heap)
    while heap:
        count, key = heappop(heap)
        if key in out or count != before[key]:
            continue  # it is there again, with fewer before it
        out[key] = None
        for b in edges[key]:
            if b not in out:
                before[b] -= 1
                heappush(heap, (before[b], b))
    return tuple(out)


# -- which rows the instances are about ----------------------------------------------------------------


@dataclass
class ListExample:
    """A list that was seen."""

    names: Names
    instances: list[Instance]
    keys: list[str] = field(default_factory=list)
    orders: dict[tuple[str, ...], set[Order]] = field(default_factory=dict)
    """Those that these rows (collection, keys) are in."""


@lru_cache(maxsize=16384)
def atoms(instance: Instance) -> frozenset[str]:
    """Texts of an instance that may be values: parts of its texts, segments of its URLs, numbers."""
    out: set[str] = set()
    todo = list(instance)
    while todo:
        node = todo.pop()
        todo += node.kids
        for part in _ATOM.split(node.text):
            out.add(part)
            out.update(part.strip('"').split(" ") if len(part) < 300 else ())
            if part.startswith(("/", '"')):
                out.update(re.split(r'[/?&="]', part))
        out |= set(node.text.split(SEP)[:1])
    return frozenset(text for text in out if len(text) > 1 or text.isdigit())


def bind(example: ListExample, collection: str, pool: Sequence[str]) -> list[str] | None:
    """The row of `pool` that each instance is about; None unless each finds one of its own."""
    texts: dict[str, set[str]] = {}
    often: Counter[str] = Counter()
    for number, key in enumerate(pool):
        row = row_names(example.names, collection, key, number).own if len(pool) <= MANY else {EACH + "@": key}
        texts[key] = {text for name, value in row.items() if name != EACH + "number" for _, text in shown(value)}
        texts[key] |= set(key.split(" "))
        often.update(texts[key])
    out: list[str] = []
    for instance in example.instances:
        words = atoms(instance)
        score = {key: math.fsum(1.0 / often[text] for text in words & texts[key]) for key in pool if key not in out}
        best = max(score, key=lambda key: (score[key], key), default="")
        if not score.get(best, 0.0):
            return None
        out.append(best)
    return out


def bind_by_key(example: ListExample, collection: str) -> list[str] | None:
    """The same among all rows, by keys that stand in the instances' URLs and texts."""
    table = example.names.state.get(collection)
    if not isinstance(table, dict):
        return None
    out: dict[str, None] = {}
    for instance in example.instances:
        found = [text for text in atoms(instance) if text in table and len(text) > 2]
        if len(found) != 1 or found[0] in out:
            return None
        out[found[0]] = None
    return list(out)
