"""Finding the query behind a list (see `worldmodel.pages.lists`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from envsim.types import JsonValue
from worldmodel.pages.lists import (
    AFTER,
    AS_KEPT,
    HOLDS,
    MANY,
    MAX_CASES,
    Condition,
    ListExample,
    ListRule,
    Order,
    arrange,
    as_number,
    attribute,
    bind,
    bind_by_key,
    evidence,
    merge_ranks,
    sortable,
)
from worldmodel.pages.names import Names

MOST_COLLECTIONS = 4
SEARCHES = 0.8
"""Share of the searches that a condition on words must hold for."""
FEW = 3
"""Lists of which an order says nothing, unless they are long."""
CERTAIN = 14.0
"""Bits of evidence (`worldmodel.pages.lists.evidence`) for an order that only some lists are in."""
_WAYS = ("as is", "whole number", "cents")
_PAGE = ("query.page", "query.p", "argument.page")


def learn_list(examples: Sequence[ListExample]) -> ListRule | None:
    """The query that gives these lists in most examples, keys bound; None where no collection fits."""
    best: ListRule | None = None
    for rule in (*_owned(examples), *_catalogs(examples)):
        if best is None or rule.sure > best.sure + 0.01:
            best = rule
        if best.sure >= 0.999:
            break
    if best is not None:
        rebind(best, examples)
    return best


def rebind(rule: ListRule, examples: Sequence[ListExample]) -> None:
    """Find the rows of the instances again, among those that `rule` selects."""
    for example in examples:
        pool = rule.select(example.names)
        example.keys = (bind(example, rule.collection, pool) if len(pool) <= MANY else None) or (
            bind_by_key(example, rule.collection) or []
        )


def _full(examples: Sequence[ListExample]) -> list[ListExample]:
    return [example for example in examples if example.instances]


def _owned(examples: Sequence[ListExample]) -> list[ListRule]:
    """Queries by one equality that give as many rows as there are instances."""
    # Not where nobody is signed in, if most are: what a guest has may not be in the state at all.
    known = [example for example in _full(examples) if example.names.knows("login")]
    full = known if 2 * len(known) > len(_full(examples)) else _full(examples)
    tally: Counter[tuple[str, str, str]] = Counter()
    for example in full:
        tally.update(_equalities(example))
    ranked = sorted(tally.items(), key=lambda entry: (-entry[1], _far(entry[0][2]), entry[0]))
    out = []
    for (collection, field, name), count in ranked[:24]:
        if count < HOLDS * len(full):
            break
        rule = ListRule(collection, (Condition(field, "is", name, always=True),))
        if (found := _finish(rule, examples)) is not None:
            out.append(found)
            if found.sure == 1.0:
                break  # of those that are always right, the first is taken
    return sorted(out, key=lambda rule: -rule.sure)


def _far(name: str) -> tuple[int, int]:
    return (name.count(">") + 2 * name.startswith("asked."), len(name))


def _equalities(example: ListExample) -> set[tuple[str, str, str]]:
    names, count = example.names, len(example.instances)
    out = set()
    for collection, table in names.state.items():
        for field, value in names.scope.relations.index.counted(table, count) if isinstance(table, dict) else ():
            if not isinstance(value, bool):
                out |= {(collection, field, name) for name, form in names.named(str(value)) if form in _EQUAL}
    return out


_EQUAL = ("as is", "number")


def _catalogs(examples: Sequence[ListExample]) -> list[ListRule]:
    """Queries over collections whose keys stand in the instances."""
    full = _full(examples)
    fits: Counter[str] = Counter()
    for example in full:
        fits.update(c for c in example.names.state if bind_by_key(example, c) is not None)
    out = []
    for collection, count in sorted(fits.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_COLLECTIONS]:
        if count < HOLDS * len(full):
            continue
        for example in examples:
            example.keys = bind_by_key(example, collection) or []
        rule = ListRule(collection, _conditions([e for e in full if e.keys], collection))
        if (found := _finish(rule, examples)) is not None:
            out.append(found)
    return sorted(out, key=lambda rule: -rule.sure)


def _conditions(examples: Sequence[ListExample], collection: str) -> tuple[Condition, ...]:
    """Those that hold for all that was shown, wherever something was asked, and leave rows out."""
    names = dict.fromkeys(name for example in examples for name, _ in example.names.items() if _may_ask(name))
    fields = _fields(examples[0].names, collection) if examples else {}
    tried = [Condition("", "words", name) for name in names if name.startswith(("query.", "argument."))]
    for counted in _referring(examples[0].names, collection) if examples else ():
        tried += [Condition(counted, "some", name) for name in names if name.startswith(("query.", "argument."))]
    for field, kind in fields.items():
        for name in names:
            tried.append(Condition(field, "is", name))
            if kind is int:
                tried += [Condition(field, how, name, way) for how in ("least", "most") for way in _WAYS[1:]]
    out: list[Condition] = []
    for one in sorted(tried, key=lambda c: (c.how == "some", c.how != "is", _far(c.name), c.field, c.how, c.way)):
        if any(kept.name == one.name and one.how in (kept.how, "words") for kept in out):
            continue
        if _useful(one, examples, collection) and (one.how != "some" or _leaves_out(one, out, examples, collection)):
            out.append(one)
    return tuple(out)


def _leaves_out(one: Condition, others: Sequence[Condition], examples: Sequence[ListExample], collection: str) -> bool:
    """Whether some list lacks rows for this alone, and has just as many as it should then have."""
    without, narrowed = (ListRule(collection, tuple(kept)) for kept in (others, (*others, one)))
    for example in examples:
        if one.wanted(example.names) is not None:
            count = len(example.keys)
            if len(narrowed.select(example.names)) == count < len(without.select(example.names)):
                return True
    return False


def _referring(names: Names, collection: str) -> list[str]:
    """Numbers of the rows that refer to those of a collection; not those with spaces in their names (`Condition`)."""
    found = [
        (table, reference, field)
        for (table, reference), targets in sorted(names.scope.relations.links.items()) if collection in targets
        for field, kind in _fields(names, table).items() if kind is int
    ]  # fmt: skip
    return [" ".join(parts) for parts in found if not any(" " in part for part in parts)]


def _may_ask(name: str) -> bool:
    return name.startswith(("url.", "query.", "argument.", "login")) and ">" not in name and "<" not in name


def _fields(names: Names, collection: str) -> dict[str, type]:
    table = names.state.get(collection)
    row = next(iter(table.values()), None) if isinstance(table, dict) else None
    return {"@": str, **{f: type(v) for f, v in row.items()}} if isinstance(row, dict) else {}


def _useful(one: Condition, examples: Sequence[ListExample], collection: str) -> bool:
    active = right = narrow = 0
    seen = set()
    for example in examples:
        wanted = one.wanted(example.names)
        if wanted is None:
            continue
        table = example.names.state[collection]
        active += 1
        seen.add(wanted if isinstance(wanted, str | int) else "")
        right += all(one.holds(table[key], key, wanted, example.names) for key in example.keys)
        if active <= 6:
            narrow += any(not one.holds(row, key, wanted, example.names) for key, row in table.items())
        if active > 8 and right < 0.7 * active:
            return False
    if one.how == "some":
        # Most rows have some of everything: only a mark that is there or not says that this was asked.
        return active == right >= 2 and narrow > 0 and len(seen) == 1
    # A search also finds by words that no row holds.
    holds = SEARCHES if one.how == "words" else HOLDS
    return active >= 2 and right >= holds * active and narrow > 0 and (len(seen) > 1 or active >= 4)


def _finish(rule: ListRule, examples: Sequence[ListExample]) -> ListRule | None:
    """Bind, and see what the query then gives."""
    rebind(rule, examples)
    asked = [example for example in _full(examples) if rule.applies(example.names)]
    full = [example for example in asked if example.keys]
    if len(full) < HOLDS * len(asked) or not full:
        return None
    return settle(rule, examples)


def with_conditions(rule: ListRule, examples: Sequence[ListExample]) -> ListRule:
    """The query with the conditions that these lists, keys bound, are found to meet."""
    return replace(rule, conditions=_conditions([one for one in examples if one.keys], rule.collection))


def settle(rule: ListRule, examples: Sequence[ListExample]) -> ListRule:
    """The query with limit, page and order of these lists, keys bound, and the share of them that it then gives."""
    full = [example for example in _full(examples) if example.keys and rule.applies(example.names)]
    most = max((len(example.keys) for example in full), default=0)
    if any(len(rule.select(example.names)) > most for example in full):
        known = {name for example in full for name, _ in example.names.items()}
        rule = replace(rule, limit=most, page=next((name for name in _PAGE if name in known), ""))
    elif rule.limit < most:
        # A limit that too few lists had shown: longer ones were seen, and none that was cut off.
        rule = replace(rule, limit=0, page="")
    rule = _order(rule, full)
    asked = [example for example in examples if rule.applies(example.names)]
    right = sum(rule.run(example.names)[0] == example.keys for example in asked)
    return replace(rule, sure=(right + 0.5) / (len(asked) + 0.5))


def _order(rule: ListRule, full: Sequence[ListExample]) -> ListRule:
    order, share = _best_order(full, rule.collection)
    rule = replace(rule, order=order)
    if share < 0.98:
        switched = _switch(rule, full)
        if switched is not None and (not order.by or switched[1] > 0.01 * len(full)):
            rule = switched[0]
    if not rule.order.by and not rule.switch and _as_kept(full, rule.collection):
        return replace(rule, order=Order(AS_KEPT))
    if not rule.order.by and not rule.switch and (found := _as_added(full, rule.collection)):
        return replace(rule, order=Order(AFTER), ranks=found)
    groups: dict[str, list[ListExample]] = {}
    for example in full:
        if not _order_of(rule, example.names).by:
            groups.setdefault(str(example.names.value(rule.switch)), []).append(example)
    usual = max(groups, key=lambda value: (len(groups[value]), value), default="")
    ranks = merge_ranks([*_whole(rule, groups.get(usual, [])), *_ties(rule, full)])
    others = []
    for value, group in sorted(groups.items()):
        # The same order by another name, or one of its own.
        if not all(_agrees(ranks, example.keys) for example in group):
            others.append((value, merge_ranks(_whole(rule, group))))
    return replace(rule, ranks=ranks, others=tuple(others))


def _as_kept(full: Sequence[ListExample], collection: str) -> bool:
    """Whether rows as they came tell more lists than an order remembered from the other lists."""
    many = [example for example in full if len(example.keys) > 1]
    kept = told = 0
    for at, example in enumerate(many):
        table, shown = example.names.state.get(collection), set(example.keys)
        kept += [key for key in table if key in shown] == example.keys if isinstance(table, dict) else 0
        if at < 2:
            ranks = merge_ranks([one.keys for one in many[1 - at :: 2]])
            told += sum(set(one.keys) <= set(ranks) and _agrees(ranks, one.keys) for one in many[at::2])
    return kept > told


def _as_added(full: Sequence[ListExample], collection: str) -> tuple[str, ...]:
    """The remembered order of what sessions begin with, if what they added is rather after it than in its midst."""
    tables = [example.names.state.get(collection) for example in full]
    often = Counter(key for table in tables if isinstance(table, dict) for key in table)
    usual = {key for key, count in often.items() if 2 * count > len(full)}

    def ranks_of(lists: Sequence[ListExample]) -> tuple[str, ...]:
        return merge_ranks([[key for key in one.keys if key in usual] for one in lists])

    after = among = 0
    for half in (0, 1):
        kept, every = ranks_of(full[1 - half :: 2]), merge_ranks([one.keys for one in full[1 - half :: 2]])
        for one, table in zip(full[half::2], tables[half::2], strict=True):
            if len(one.keys) > 1 and not set(one.keys) <= usual and isinstance(table, dict):
                shown = set(one.keys)
                keys = [key for key in table if key in shown]
                after += arrange(keys, Order(AFTER), collection, one.names, _here(kept)) == one.keys
                among += arrange(keys, Order(), collection, one.names, _here(every)) == one.keys
    return ranks_of(full) if after > among else ()


def _agrees(ranks: Sequence[str], keys: Sequence[str]) -> bool:
    places = _here(ranks)
    known = [places[key] for key in keys if key in places]
    return known == sorted(known)


def _whole(rule: ListRule, lists: Sequence[ListExample]) -> list[list[str]]:
    """Pages of the same list, one after the other, and before what they leave for later pages."""
    parts: dict[str, dict[int, list[str]]] = {}
    later: list[list[str]] = []
    for example in lists:
        if rule.limit and len(example.keys) == rule.limit and str(example.names.value(rule.page) or "1") == "1":
            shown = set(example.keys)
            later += [[example.keys[-1], key] for key in rule.select(example.names) if key not in shown]
        asked = repr([one.wanted(example.names) for one in rule.conditions])
        parts.setdefault(asked, {})[rule.asked_page(example.names)] = example.keys
    whole = [list(dict.fromkeys(key for _, keys in sorted(found.items()) for key in keys)) for found in parts.values()]
    return [*whole, *later]


def _order_of(rule: ListRule, names: Names) -> Order:
    return dict(rule.cases).get(str(names.value(rule.switch)), rule.order) if rule.switch else rule.order


def _ties(rule: ListRule, full: Sequence[ListExample]) -> list[list[str]]:
    """Runs of rows that the order does not tell apart."""
    out = []
    for example in full:
        by = _order_of(rule, example.names).by
        run: list[str] = []
        last: JsonValue = None
        for key in example.keys if by else ():
            value = attribute(example.names, rule.collection, key, by)
            if run and value != last:
                out.append(run)
                run = []
            run.append(key)
            last = value
        out.append(run)
    return [run for run in out if len(run) > 1]


def _best_order(full: Sequence[ListExample], collection: str) -> tuple[Order, float]:
    """The attribute by which most lists ascend or descend, and their share; remembered where none does."""
    many = [example for example in full if len(example.keys) > 1]
    if not many:
        return Order("@"), 1.0
    tally: Counter[Order] = Counter()
    for example in many:
        known = (collection, *example.keys)
        if known not in example.orders:
            example.orders[known] = _orders(example, collection)
        tally.update(example.orders[known])
    if not tally:
        return Order(), 0.0
    best = min(tally, key=lambda o: (-tally[o], len(o.by) if o.by != "@" else 0, o.by, o.down))
    share = tally[best] / len(many)
    if len(many) < FEW and evidence(many, collection, best) < CERTAIN:
        return Order(), 0.0  # anything is in some order by chance
    return (best, share) if share >= 0.9 else (Order(), share)


def _orders(example: ListExample, collection: str) -> set[Order]:
    state, relations = example.names.state, example.names.scope.relations
    table, shown = state.get(collection), set(example.keys)
    out = {Order(AS_KEPT)} if [key for key in table or () if key in shown] == example.keys else set()
    rows = [relations.attributes(state, collection, key) for key in example.keys]
    for name in relations.attributes(state, collection, example.keys[0], 1):
        values = [as_number(key) for key in example.keys] if name == "@" else [row.get(name) for row in rows]
        if any(not isinstance(value, str | int | float) or isinstance(value, bool) for value in values):
            continue  # nothing, a truth, or several values: these are in no order
        if len(set(map(str, values))) < 2:
            continue
        # What is as `arrange` would put it, without putting it: a calendar has hundreds of rows.
        ranked = [sortable(value) for value in values]
        if all(a <= b for a, b in pairwise(ranked)):
            out.add(Order(name, False))
        if all(a >= b for a, b in pairwise(ranked)):
            out.add(Order(name, True))
    return out


def _here(keys: Sequence[str]) -> dict[str, int]:
    return {key: number for number, key in enumerate(keys)}


def _switch(rule: ListRule, full: Sequence[ListExample]) -> tuple[ListRule, float] | None:
    """A name by some of whose values the lists are in orders of their own, and how many more lists that tells."""
    best: tuple[ListRule, float] | None = None
    many = [example for example in full if len(example.keys) > 1]
    names = dict.fromkeys(name for example in many for name, _ in example.names.items() if name.startswith("query."))
    for name in names:
        groups: dict[str, list[ListExample]] = {}
        for example in many:
            groups.setdefault(str(example.names.value(name)), []).append(example)
        if not 1 < len(groups) <= MAX_CASES:
            continue
        found = {value: _best_order(group, rule.collection) for value, group in groups.items()}
        usual = Counter(order for one in many for order in one.orders[rule.collection, *one.keys])
        gain = 0.0
        for value, (order, share) in found.items():
            # That what is remembered differs is no order, nor is one its own that most of the others are in.
            mine = share * len(groups[value])
            own = order.by and 2 * (usual[order] - mine) <= len(many) - len(groups[value])
            if own and evidence(groups[value], rule.collection, order) >= CERTAIN:
                gain += mine - sum(rule.order in one.orders[rule.collection, *one.keys] for one in groups[value])
        if gain > (best[1] if best is not None else 0.0):
            cases = tuple((value, order) for value, (order, _) in sorted(found.items()))
            best = (replace(rule, order=Order(), switch=name, cases=cases), gain)
    return best
