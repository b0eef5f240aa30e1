"""Whether shares of a sum come out the same when they are rounded piece by piece.

A percentage of an order can be rounded once or on every piece of it, and the two part where a piece's share is not
whole. That is a question about all rows of a cart, which no test on single values asks; here it is answered for every
way of adding up rows that a state offers, and a tree (`worldmodel.rules.trees`) finds out which of them matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from envsim.state import StateView, apply, split_path
from envsim.types import JsonValue, StateDelta
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope

APART = "apart "
"""What names of this module begin with."""
MOST_ROWS = 40
"""Rows beyond which nobody adds up a cart."""
_QUANTITY = 99
"""No greater number is taken for how many."""
_AMOUNT = 100
"""No smaller one for an amount of money, in hundredths."""


def rounded_apart(scope: Scope, delta: StateDelta) -> dict[str, JsonValue]:
    """``apart cart_lines.cart: qty of sku>variants.extra_cents + ... by coupons.value`` -> true, for all that hold.

    Rows are added up as they are after `delta`, for what is a session's own: its account, the rows it added last, and,
    behind ``apart new``, those that `delta` adds.
    """
    known = {str(value) for name, value in scope.items() if value and (name == "login" or name.startswith("made."))}
    parts = [split_path(str(change[0])) for change in delta if len(change) == 2]
    added = {path[1] for path in parts if len(path) == 2}
    after = apply(scope.state, delta) if delta else scope.state
    found = _added_up(after, scope.relations, sorted(known), APART)
    return found | _added_up(after, scope.relations, sorted(added - known), f"{APART}new ")


def _added_up(state: StateView, relations: Relations, keys: Sequence[str], prefix: str) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key in keys:
        of = {collection for collection, own in relations.called(state, key) if own == key}
        rates = dict(_rates(state, of, key))
        for (table, field), targets in relations.links.items() if rates else ():
            if of.isdisjoint(targets):
                continue
            for quantity, wording, units in _sums(_rows(state, relations, table, field, key)):
                held = [rate for rate in sorted(rates) if _apart(quantity, units, rates[rate])]
                found |= {f"{prefix}{table}.{field}: {wording} by {rate}": True for rate in held}
    return found


def _rates(state: StateView, of: Iterable[str], key: str) -> Iterator[tuple[str, int]]:
    """What may be a percentage: small numbers of the rows that texts in the rows called `key` are keys of."""
    rows = [row for collection in sorted(of) if isinstance(row := state[collection].get(key), dict)]
    texts = [text for row in rows for text in row.values() if isinstance(text, str) and not text.isdigit()]
    for text in texts:
        for collection, table in state.items():
            row = table.get(text) if isinstance(table, dict) and collection not in of else None
            for name, value in row.items() if isinstance(row, dict) else ():
                if type(value) is int and 1 < value < 100:
                    yield f"{collection}.{name}", value


def _rows(
    state: StateView, relations: Relations, table: str, field: str, key: str
) -> list[Mapping[str, JsonValue]]:  # fmt: skip
    held = state.get(table)
    if not isinstance(held, dict):
        return []
    chosen = [own for own, row in held.items() if isinstance(row, dict) and str(row.get(field)) == key]
    if len(chosen) > MOST_ROWS:
        return []
    every = [relations.attributes(state, table, own) for own in chosen]
    # What all rows have in common says nothing of one.
    return [{name: value for name, value in row.items() if not name.startswith(f"{field}>")} for row in every]


def _sums(rows: Sequence[Mapping[str, JsonValue]]) -> Iterator[tuple[list[int], str, list[int]]]:
    """(quantities, wording, amounts of one piece): one field or two added, times one that may say how many."""
    columns = {
        name: [value for row in rows if type(value := row.get(name)) is int and value >= 0]
        for name in (rows[0] if rows else ())
    }
    columns = {name: column for name, column in sorted(columns.items()) if len(column) == len(rows)}
    many = [
        name for name, column in columns.items() if ">" not in name and min(column) > 0 and max(column) <= _QUANTITY
    ]
    amounts: list[tuple[str, ...]] = [(name,) for name, column in columns.items() if min(column) >= _AMOUNT]
    amounts += [pair for pair in combinations(columns, 2) if any(min(columns[name]) >= _AMOUNT for name in pair)]
    for quantity in many:
        for names in amounts:
            if quantity not in names:
                units = [sum(parts) for parts in zip(*(columns[name] for name in names), strict=True)]
                yield columns[quantity], f"{quantity} of {' + '.join(names)}", units


def _apart(quantities: Sequence[int], units: Sequence[int], rate: JsonValue) -> bool:
    assert isinstance(rate, int)
    pieces = sum(many * _share(unit, rate) for many, unit in zip(quantities, units, strict=True))
    return pieces != _share(sum(many * unit for many, unit in zip(quantities, units, strict=True)), rate)


def _share(amount: int, rate: int) -> int:
    """So much of a hundred, rounded to the nearest, halves up."""
    return (amount * rate + 50) // 100
