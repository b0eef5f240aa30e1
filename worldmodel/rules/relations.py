"""Which rows of the state view belong together, found from the rows alone.

An app's tables refer to each other: a cart line names a variant, the variant its product. Nobody declares that to
a world model, but the values show it: a field whose values are keys of another collection refers to it, and
two collections whose keys are the same speak of the same things (inclusion dependencies; De Marchi et al. 2009).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from envsim.state import StateView, split_path
from envsim.types import JsonValue, StateDelta
from worldmodel.index import StateIndex

LEAST = 3
"""Distinct values a field must have shown before it is taken for a reference."""
SHARE = 0.9
"""Share of its values that must be keys: rows may refer to what was deleted."""
_LONG = 80
"""Longer texts are no names."""
_SHORT = 2
"""Keys of at most so many digits are counters; that counts agree with them says nothing."""
_DENSE = 2
"""Nor where keys are numbers counted up from one: the greatest is less than so many times how many there are."""


@dataclasses.dataclass(frozen=True)
class Relations:
    """References between collections.

    Attributes:
        links: (collection, field) -> the collections that its values are keys of.
        twins: Collection -> the collections with the same keys.
        names: Collection -> the fields that no two of its rows share, such as a product's name.
        index: For finding rows by their names.
    """

    links: dict[tuple[str, str], tuple[str, ...]]
    twins: dict[str, tuple[str, ...]]
    names: dict[str, tuple[str, ...]]
    index: StateIndex = dataclasses.field(default_factory=StateIndex, compare=False, repr=False)

    @classmethod
    def learn(cls, view: StateView, deltas: Iterable[StateDelta] = ()) -> Relations:
        """Find them in a state view and in the rows that recorded sessions added."""
        keys: dict[str, set[str]] = defaultdict(set)
        values: dict[tuple[str, str], set[str]] = defaultdict(set)

        def take(collection: str, key: str, row: JsonValue) -> None:
            keys[collection].add(key)
            if isinstance(row, dict):
                for field, value in row.items():
                    if isinstance(value, str | int) and not isinstance(value, bool):
                        values[collection, field].add(str(value))

        for collection, table in view.items():
            for key, row in table.items() if isinstance(table, dict) else ():
                take(collection, key, row)
        for delta in deltas:
            for path, *value in delta:
                parts = split_path(str(path))
                if len(parts) == 2 and value:
                    take(parts[0], parts[1], value[0])
                elif len(parts) == 3 and value:
                    take(parts[0], parts[1], {parts[2]: value[0]})
        tables = sorted(keys)
        links = {
            (collection, field): found
            for (collection, field), seen in sorted(values.items())
            if (found := tuple(t for t in tables if _refers(field, seen, t, keys[t], own=t == collection)))
        }
        twins = {
            table: found
            for table in tables
            if (found := tuple(t for t in tables if t != table and _same_things(keys[table], keys[t])))
        }
        names: dict[str, tuple[str, ...]] = {}
        for table in tables:
            known = view.get(table)
            rows = [row for row in known.values() if isinstance(row, dict)] if isinstance(known, dict) else []
            fields = sorted({field for row in rows for field in row})
            if found := tuple(field for field in fields if _is_name([row.get(field) for row in rows])):
                names[table] = found
        return cls(links, twins, names)

    def called(self, state: StateView, text: str) -> tuple[tuple[str, str], ...]:
        """(collection, key) of the rows that `text` is the key or a name of."""
        known = self.index.of(state)
        found: tuple[tuple[str, str], ...] | None = known.get(text)
        if found is None:
            found = known[text] = tuple(self._called(state, text))
        return found

    def _called(self, state: StateView, text: str) -> Iterator[tuple[str, str]]:
        for collection, table in state.items():
            if not isinstance(table, dict):
                continue
            if text in table:
                yield collection, text
            else:
                named = (self.index.keys(table, field).get(text) for field in self.names.get(collection, ()))
                if key := next(filter(None, named), None):
                    yield collection, key

    def counts(self, state: StateView, collection: str, key: str) -> Iterator[tuple[str, int]]:
        """("collection.field", rows of it that refer to the row `key` of `collection`), for every field that may."""
        for (table, field), targets in self.links.items():
            rows = state.get(table)
            if collection in targets and isinstance(rows, dict):
                found = self.index.tally(rows)
                number = found.get((field, int, int(key)), 0) if key.isdecimal() and len(key) < 16 else 0
                yield f"{table}.{field}", number or found.get((field, str, key), 0)

    def attributes(self, state: StateView, collection: str, key: str, depth: int = 2) -> Mapping[str, JsonValue]:
        """All that is known of a row: its key as ``"@"``, its fields, and those of the rows it refers to.

        A field of a row that is referred to is named by the way there, e.g. ``"sku>variants.product>products.name"``.
        """
        known = self.index.of(state)
        out: dict[str, JsonValue] | None = known.get((collection, key, depth))
        if out is None:
            out = known[collection, key, depth] = {}
            self._collect(state, collection, key, depth, "", (), out)
        return out

    def _collect(
        self, state: StateView, collection: str, key: str, depth: int, way: str, been: tuple[str, ...],
        out: dict[str, JsonValue],
    ) -> None:  # fmt: skip
        table = state.get(collection)
        row = table.get(key) if isinstance(table, dict) else None
        out[f"{way}@"] = key
        been = (*been, collection)
        for field, value in row.items() if isinstance(row, dict) else ():
            out[way + field] = value
            if depth and isinstance(value, str | int):
                for target in self.links.get((collection, field), ()):
                    # A row may belong to another of its own table, such as a part to a whole.
                    if target not in been or (target == collection and been.count(target) == 1):
                        self._collect(state, target, str(value), depth - 1, f"{way}{field}>{target}.", been, out)
        if depth:
            for target in self.twins.get(collection, ()):
                known = state.get(target)
                if target not in been and isinstance(known, dict) and key in known:
                    self._collect(state, target, key, depth - 1, f"{way}@>{target}.", been, out)


def _refers(field: str, seen: set[str], target: str, keys: set[str], *, own: bool) -> bool:
    if not seen or len(seen & keys) < SHARE * len(seen) or (own and len(seen) > len(keys) // 2):
        return False
    if all(value.isdigit() and len(value) <= _SHORT for value in seen):
        # Small numbers are keys of anything; the name has to say it.
        return not own and field.endswith("_id") and target.startswith(field[:-3])
    if _counted(keys):
        return not own and target.startswith(field.removesuffix("_id"))
    return len(seen) >= LEAST


def _counted(keys: set[str]) -> bool:
    """Whether keys are no more than the numbers from one on, which any number may happen to be among."""
    numbers = [int(key) for key in keys if len(key) < 16 and key.isascii() and key.isdecimal()]
    return len(numbers) == len(keys) > 0 and max(numbers) < _DENSE * len(numbers)


def _same_things(ours: set[str], theirs: set[str]) -> bool:
    smaller = min(len(ours), len(theirs))
    if smaller < LEAST or all(key.isdigit() and len(key) <= _SHORT for key in theirs):
        return False
    if _counted(ours) and _counted(theirs):
        return False
    return len(ours & theirs) >= SHARE * smaller


def _is_name(values: Sequence[JsonValue]) -> bool:
    texts = [value for value in values if isinstance(value, str)]
    return len(texts) == len(values) >= LEAST and len(set(texts)) == len(texts) and max(map(len, texts)) <= _LONG
