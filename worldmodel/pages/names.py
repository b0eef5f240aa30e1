"""What a page can speak of, by name: what was asked, the rows it names, figures made of them.

Beside the names of `worldmodel.rules.scope`, over the state *after* the request::

    url.1  query.sort             of the answer's own address; asked.url.1, asked.query.sort of the request's
    branch                        the kind of answer
    each.qty  each.@  each.number of the row that a block of a list is about; each.number counts from 0
    login>carts.a % of near B 0   hundredths of an amount
    each.qty * each.a + each.b    a count times a sum of amounts
    sum cart_lines cart login : ROW FIGURE     over the rows whose `cart` is `login`; without a figure, how many
    sum notices member&seen=0 login            of these, those with a flag; also by a name of the account, login>T.name
    each.made_at in login>members.zone  url.1.mine joined    what rows are to who looks at them (`viewer`)
    list PLACE.count              of a list on the page: also pages, page, next, previous, shown
    near WORDING 0  line WORDING 0  figures in the texts beside this one, and anywhere on the page; and sums of them
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from envsim.state import StateView
from envsim.types import JsonValue
from worldmodel.pages.forms import show, shown
from worldmodel.pages.viewer import MOST_FLAGS, Viewer, flags
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope

EACH = "each."
_TIMES, _PLUS, _OVER, _PERCENT = " * ", " + ", " : ", " % of "
MOST_SUMS = 120
MOST_ROW_SUMS = 24
_NAME = 60
_DIGITS = 16
_HUNDRED = 100
_SEGMENT = re.compile(r"url\.\d")
_FIGURE = re.compile(r"-?[$¢][0-9][0-9,]*\.[0-9]{2}|\b[0-9]{1,9}\b")
_FLAGGED = re.compile(r"([^&]+)&([^&=]+)=([01])")
_MARK = re.compile(r" (\*|\+|:|% of) ")


@lru_cache(maxsize=65536)
def given(name: str) -> str:
    """A name that something of the app has, so that it does not read as one of a figure that is made of others."""
    return _MARK.sub(r"_\1_", name)


@lru_cache(maxsize=65536)
def _each(attribute: str) -> str:
    return EACH + given(attribute)


class Names:
    """Names and their values for one answer, or for one row of it."""

    def __init__(
        self, values: Mapping[str, JsonValue], scope: Scope, below: Names | None = None, viewer: Viewer | None = None
    ) -> None:
        self.own = dict(values)
        self.scope = scope
        self.below = below
        self.viewer: Viewer = viewer or (below.viewer if below is not None else Viewer())
        self._index: dict[str, list[tuple[str, str]]] | None = None
        self._made: dict[str, JsonValue] = {}

    @property
    def state(self) -> StateView:
        """The state after the request."""
        return self.scope.state

    def child(self, values: Mapping[str, JsonValue]) -> Names:
        """The same with more names."""
        return Names(values, self.scope, self)

    def knows(self, name: str) -> bool:
        """Whether there is such a name."""
        return name in self.own or (self.below is not None and self.below.knows(name)) or _is_made(name)

    def value(self, name: str) -> JsonValue:
        """The value of a name; None without one."""
        if name in self.own:
            return self.own[name]
        if _is_made(name):
            if name not in self._made:
                self._made[name] = _make(name, self)
            return self._made[name]
        return self.below.value(name) if self.below is not None else None

    def items(self) -> Iterator[tuple[str, JsonValue]]:
        """All plain names and values, those of rows last."""
        if self.below is not None:
            yield from self.below.items()
        yield from self.own.items()

    def show(self, name: str, form: str) -> str | None:
        """A named value in one form; None where there is none."""
        return show(self.value(name), form)

    def named(self, text: str) -> list[tuple[str, str]]:
        """(name, form) of all that reads so."""
        own = self._own_index().get(text, [])
        return [*own, *self.below.named(text)] if self.below is not None else own

    def add(self, values: Mapping[str, JsonValue]) -> None:
        """Take in more names, e.g. figures that were made."""
        self.own.update(values)
        self._index = None

    def _own_index(self) -> dict[str, list[tuple[str, str]]]:
        if self._index is None:
            self._index = defaultdict(list)
            for name, value in self.own.items():
                for form, text in shown(value):
                    if text:
                        self._index[text].append((name, form))
        return self._index


def row_names(names: Names, collection: str, key: str, number: int) -> Names:
    """The names of one row of a list."""
    found = names.scope.relations.attributes(names.state, collection, key)
    own: dict[str, JsonValue] = {_each(name): value for name, value in found.items()}
    more = names.viewer.beside(own, EACH, key, names.state, names.scope.relations)
    return names.child({**own, **{given(name): value for name, value in more.items()}, EACH + "number": number})


# -- figures -------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def _is_made(name: str) -> bool:
    return name.startswith("sum ") or _TIMES in name or _PLUS in name or _PERCENT in name


def figures_of(attributes: Mapping[str, JsonValue]) -> Iterator[str]:
    """Figures that the attributes of one row make up: amounts, their sums, and counts times these."""
    amounts = [n for n, v in attributes.items() if type(v) is int and n.endswith("_cents")][:6]
    counts = [n for n, v in attributes.items() if _counts(n, v)][:4]
    sums = [*amounts, *(f"{a}{_PLUS}{b}" for i, a in enumerate(amounts) for b in amounts[i + 1 :])]
    yield from (name for name in sums if _PLUS in name)
    yield from (f"{count}{_TIMES}{total}" for count in counts for total in sums)


def _counts(name: str, value: JsonValue) -> bool:
    return type(value) is int and not name.endswith("_cents") and ">" not in name and 0 < value < 1000


def _make(name: str, names: Names) -> JsonValue:
    if name.startswith("sum "):
        return _total(name, names)
    if _PERCENT in name:
        percent, _, whole = name.partition(_PERCENT)
        return _share(names.value(percent), names.value(whole))
    times, plus = _figure(name)
    factor = names.value(times) if times else 1
    total = 0
    for part in plus:
        value = names.value(part)
        if type(value) is not int:
            return None
        total += value
    return factor * total if type(factor) is int else None


def _share(percent: JsonValue, whole: JsonValue) -> JsonValue:
    """So many hundredths of an amount, halves up. Nothing takes more than all of it: a greater figure, of a row of
    another kind, is an amount itself.
    """
    if type(percent) is not int or type(whole) is not int:
        return None
    if percent > _HUNDRED:
        return min(percent, whole)
    return (percent * whole + _HUNDRED // 2) // _HUNDRED


@lru_cache(maxsize=4096)
def _figure(name: str) -> tuple[str, tuple[str, ...]]:
    times, mark, rest = name.partition(_TIMES)
    return (times, tuple(rest.split(_PLUS))) if mark else ("", tuple(name.split(_PLUS)))


def _total(name: str, names: Names) -> JsonValue:
    head, _, figure = name.partition(_OVER)
    parts = head.split(" ", 3)
    if len(parts) != 4:
        return None
    wanted = names.value(parts[3])
    if wanted is None:
        return None
    flagged = _FLAGGED.fullmatch(parts[2])
    field = flagged[1] if flagged else parts[2]
    keys = names.scope.rows(parts[1], field, wanted)
    if not keys and isinstance(wanted, str) and wanted.isdecimal() and len(wanted) < _DIGITS:
        keys = names.scope.rows(parts[1], field, int(wanted))
    if flagged:
        also = set(names.scope.rows(parts[1], flagged[2], int(flagged[3])))
        keys = [one for one in keys if one in also]
    if not figure:
        return len(keys)
    total = 0
    for key in keys:
        row = row_names(names, parts[1], key, 0)
        value = row.value(figure)
        if type(value) is not int:
            return None
        total += value
    return total


def sums(examples: Iterable[Names]) -> list[str]:
    """Names of counts and sums over rows that belong to what was asked or to the account."""
    examples = list(examples)
    found: dict[str, None] = {}
    for names in examples:
        wanted: dict[str, str] = {}
        for name, value in names.own.items():
            if isinstance(value, str) and len(value) > 2 and _may_own(name):
                wanted.setdefault(value, name)
        for collection, table in names.state.items():
            held = names.scope.relations.index.held(table) if isinstance(table, dict) else {}
            for value, name in wanted.items():
                for field, key in held.get(value, {}).items():
                    head = f"sum {collection} {field} {name}"
                    if head not in found and " " not in collection + field:
                        found[head] = None
                        found |= dict.fromkeys(_sums_of(head, names, collection, key))
    return [*sorted(found, key=lambda name: (len(name), name))[:MOST_SUMS], *_flagged(examples)]


def _flagged(examples: Sequence[Names]) -> list[str]:
    """Names of counts over the rows with a flag that call the account by its handle, such as what it has not read."""
    found: dict[str, None] = {}
    for names in examples:
        relations = names.scope.relations
        handles = set(names.viewer.handles)
        owners = {v: n for n, v in names.own.items() if v in handles and _is_account(n, relations)} if handles else {}
        for collection, table in names.state.items():
            held = relations.index.held(table) if isinstance(table, dict) and owners else {}
            for value, name in owners.items():
                for field in filter(str.isidentifier, held.get(value, {})):
                    for flag in flags(names.state, collection, relations) if collection.isidentifier() else ():
                        found |= dict.fromkeys(f"sum {collection} {field}&{flag}={one} {name}" for one in (0, 1))
    return sorted(found, key=lambda name: (len(name), name))[:MOST_FLAGS]


def _is_account(name: str, relations: Relations) -> bool:
    """Whether it is what the account is called: a name that no two have."""
    table, _, field = name.removeprefix("login>").partition(".")
    return name.startswith("login>") and field in relations.names.get(table, ())


def row_sums(names: Names, collection: str, key: str) -> list[str]:
    """Names of counts and sums over the rows that refer to one row, for that row's own names."""
    out: list[str] = []
    for (table, field), targets in sorted(names.scope.relations.links.items()):
        if collection in targets and " " not in table + field:
            head = f"sum {table} {field} {EACH}@"
            keys = names.scope.rows(table, field, key) or (
                names.scope.rows(table, field, int(key)) if key.isdecimal() and len(key) < _DIGITS else []
            )
            out += [head, *(_sums_of(head, names, table, keys[0]) if keys else ())]
    return out[:MOST_ROW_SUMS]


def _may_own(name: str) -> bool:
    return name == "login" or re.fullmatch(r"(asked\.)?url\.\d|argument\.\w+", name) is not None


def _sums_of(head: str, names: Names, collection: str, key: str) -> list[str]:
    row = row_names(names, collection, key, 0).own
    plain = [name for name, value in row.items() if type(value) is int and ">" not in name and name != EACH + "number"]
    return [f"{head}{_OVER}{figure}" for figure in (*plain, *figures_of(row))]


# -- figures that the page shows -----------------------------------------------------------------------


def printed(texts: Iterable[tuple[str, str]], prefix: str) -> dict[str, JsonValue]:
    """(wording, text) -> the figures in them, those left out that several texts with the same wording differ in."""
    out: dict[str, JsonValue] = {}
    unclear = set()
    for wording, text in texts:
        for number, figure in enumerate(_figures(text)):
            name = f"{prefix} {label(wording)} {number}"
            if out.setdefault(name, figure) != figure:
                unclear.add(name)
    return {name: value for name, value in out.items() if name not in unclear}


@lru_cache(maxsize=16384)
def _figures(text: str) -> tuple[int, ...]:
    return tuple(int(re.sub(r"[$¢,.]", "", found)) for found in _FIGURE.findall(text))


@lru_cache(maxsize=16384)
def label(wording: str) -> str:
    """A wording as part of a name."""
    return re.sub(r"[*+:\s\x00-\x1f]+", "#", wording)[:60]


def totals(found: Mapping[str, JsonValue], names: Names) -> dict[str, JsonValue]:
    """`found`, the sums of two and three of its figures, and hundredths of them."""
    numbers = [(name, value) for name, value in found.items() if type(value) is int][:6]
    out = dict(found)
    for count in (2, 3):
        for some in combinations(numbers, count):
            out[_PLUS.join(name for name, _ in some)] = sum(value for _, value in some)
    shares = [(n, v) for n, v in names.items() if n.startswith("login>") and type(v) is int and 0 < v < _HUNDRED]
    for percent, value in shares[:6]:
        out |= {f"{percent}{_PERCENT}{name}": _share(value, whole) for name, whole in numbers}
    return out


# -- opening -------------------------------------------------------------------------------------------


def open_names(values: Mapping[str, JsonValue], state: StateView, relations: Relations) -> Names:
    """The names of an answer: `values`, and the rows that these name."""
    scope = Scope(values, state, relations)
    found = {given(name): value for name, value in scope.items()}
    for name, value in scope.items():
        # What the account's rows name: a cart its coupon, where too few were seen to call it a reference.
        if name.startswith("login>") and name.count(">") == 1 and isinstance(value, str) and 2 < len(value) < _NAME:
            for collection, key in relations.called(state, value):
                if given(f"{name}>{collection}.@") not in found and value != values.get("login"):
                    way, attributes = f"{name}>{collection}.", relations.attributes(state, collection, key, 0)
                    found |= {given(way + attribute): known for attribute, known in attributes.items()}
    viewer = Viewer.of(found, relations)
    more = viewer.beside(found, "", "", state, relations)
    for name in [name for name in found if _SEGMENT.fullmatch(name)]:
        more |= viewer.beside({}, f"{name}.", str(found[name]), state, relations)
    return Names({**found, **{given(name): value for name, value in more.items()}}, scope, viewer=viewer)
