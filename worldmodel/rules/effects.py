"""What a request does to the state: rules that write a delta, found in recorded ones.

A rule sets, changes or deletes one row, or one row for *each* row of a query::

    each r in cart_lines where cart = login:
        set order_lines/{Fresh(orders)} {r.sku} = {order: ..., sku: r.sku, qty: r.qty, unit_cents: ...}

Rules are learned per operation and branch (`worldmodel.rules.branches`). A rule that would leave a value as it is
writes nothing, so one set of rules explains requests that change much and those that change little.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envsim.state import apply, canonical, diff, join_path, split_path
from envsim.types import JsonValue, StateDelta
from worldmodel.rules.expressions import Expression, Read, Unknown, cost, evaluate, from_json, has_opaque, to_json
from worldmodel.rules.scope import Scope
from worldmodel.rules.search import explain, explain_key

PLAIN = 0.95
"""A rule for one row that explains so much needs no query."""

LEAST = 2
HARM = 2
"""Wrong changes for each recorded one beyond which a rule is left out."""
SECOND = 0.8
"""Share of what the first rules get wrong that a second set must explain."""

Kind = tuple[str, str, str]
"""(what it does: set, change or delete; collection; field, for a change)."""
Item = tuple[str, JsonValue]
"""(key, value)."""


@dataclass(frozen=True)
class Query:
    """The rows of a collection whose `field` is what `read` gives."""

    collection: str
    field: str
    read: Read

    def scopes(self, scope: Scope) -> list[Scope]:
        """One scope per row, its attributes behind ``each.``."""
        found = scope.rows(self.collection, self.field, evaluate(self.read, scope))
        return [scope.child("each.", scope.relations.attributes(scope.state, self.collection, key)) for key in found]


@dataclass(frozen=True)
class Rule:
    """One kind of change.

    Attributes:
        kind: What it writes.
        each: The rows it is repeated for; None: once.
        key: Of the row it writes.
        fields: Field -> value, of a new row; ``""`` -> value where the whole value is meant.
        sure: Share of its examples that it explains.
    """

    kind: Kind
    each: Query | None
    key: Expression
    fields: tuple[tuple[str, Expression], ...]
    sure: float

    def write(self, scope: Scope) -> list[tuple[JsonValue, ...]]:
        """The changes, those that change nothing included.

        Raises:
            Unknown: One of its expressions has no value here.
        """
        what, collection, field = self.kind
        scopes = [scope] if self.each is None else self.each.scopes(scope)
        out: list[tuple[JsonValue, ...]] = []
        for number, each in enumerate(scopes):
            one = each.making(collection, number)
            key = str(evaluate(self.key, one))
            path = join_path([collection, key, *([field] if field else [])])
            if what == "delete":
                out.append((path,))
                continue
            here = about(one, collection, key)
            values = {name: evaluate(value, here) for name, value in self.fields}
            out.append((path, values[""] if list(values) == [""] else values))
        return out


def about(scope: Scope, collection: str, key: str) -> Scope:
    """`scope` with what is known of the row that is written: its key and, if it is there, its attributes."""
    table = scope.state.get(collection)
    known = scope.relations.attributes(scope.state, collection, key) if key in (table or ()) else {"@": key}
    return scope.child("row.", known)


@dataclass(frozen=True)
class Effects:
    """The rules of one branch of an operation."""

    rules: tuple[Rule, ...]

    @property
    def sure(self) -> float:
        """The least sure rule's share; 1 without any."""
        return min((rule.sure for rule in self.rules), default=1.0)

    def delta(self, scope: Scope) -> StateDelta:
        """What follows, as the shortest delta.

        Raises:
            Unknown: A rule cannot be evaluated here.
        """
        changes = [change for rule in self.rules for change in rule.write(scope)]
        after = apply(scope.state, changes)
        return tuple(tuple(change) for change in diff(scope.state, after))

    def to_json(self) -> list[Any]:
        """See `from_json`."""
        return [
            [list(r.kind), r.each and [r.each.collection, r.each.field, to_json(r.each.read)], to_json(r.key),
             [[name, to_json(value)] for name, value in r.fields], r.sure]
            for r in self.rules
        ]  # fmt: skip

    @classmethod
    def from_json(cls, data: Any) -> Effects:
        """What `to_json` wrote.

        Raises:
            ValueError: It is not.
        """
        try:
            return cls(tuple(_rule(*row) for row in data))
        except TypeError as error:
            raise ValueError(f"no rules: {error}") from None


def _rule(kind: Any, each: Any, key: Any, fields: Any, sure: Any) -> Rule:
    what, collection, field = map(str, kind)
    query = None
    if each is not None:
        read = from_json(each[2])
        if not isinstance(read, Read):
            raise ValueError("a query compares with a name")
        query = Query(str(each[0]), str(each[1]), read)
    values = tuple((str(name), from_json(value)) for name, value in fields)
    return Rule((what, collection, field), query, from_json(key), values, float(sure))


# -- learning ------------------------------------------------------------------------------------------


def group(delta: StateDelta) -> dict[Kind, list[Item]]:
    """The changes of a delta by kind."""
    out: dict[Kind, list[Item]] = defaultdict(list)
    for path, *value in delta:
        parts = split_path(str(path))
        if len(parts) == 3 and value:
            out["change", parts[0], parts[2]].append((parts[1], value[0]))
        elif len(parts) == 2:
            out["set" if value else "delete", parts[0], ""].append((parts[1], value[0] if value else None))
    return out


def learn(examples: Sequence[tuple[Scope, StateDelta]]) -> Effects:
    """The rules behind the deltas of one branch."""
    grouped = [(scope, group(delta)) for scope, delta in examples]
    kinds = sorted({kind for _, kinds in grouped for kind in kinds})
    rules = []
    for kind in kinds:
        rule = _learn_rule(kind, [(scope, kinds[kind]) for scope, kinds in grouped if kind in kinds])
        if rule is None:
            continue
        # Where a recorded delta lacks this change, the rule must have nothing to do.
        silent = [scope for scope, kinds in grouped if kind not in kinds]
        wrong = sum(not _is_silent(rule, scope) for scope in silent)
        total = len(grouped)
        if wrong > HARM * (total - len(silent)):
            continue  # it does more harm than good; what it is about may be another variant
        rules.append(Rule(rule.kind, rule.each, rule.key, rule.fields, rule.sure * (total - wrong) / total))
    return Effects(tuple(rules))


def explains(effects: Effects, scope: Scope, delta: StateDelta) -> bool:
    """Whether the rules give this delta."""
    try:
        return same(effects.delta(scope), delta)
    except Unknown:
        return False


def same(one: StateDelta, other: StateDelta) -> bool:
    """Whether two deltas change the same; in what order is of no matter."""
    return canonical(sorted(map(canonical, one))) == canonical(sorted(map(canonical, other)))


def variants(examples: Sequence[tuple[Scope, StateDelta]]) -> list[tuple[Effects, list[int]]]:
    """One set of rules that explains the most, and perhaps another that explains what the first gets wrong.

    Where the answer looks the same and the state does not, something else happened: a condition of the app, or a bug
    that no trace tells of. A second set is believed only if it explains nearly all of what the first does not; one
    that explains what the first does as well is the only one, and the first was a coincidence.

    Returns:
        Each with the numbers of its examples; every example is with one of them.
    """
    first = learn(examples)
    wrong = [i for i, (scope, delta) in enumerate(examples) if not explains(first, scope, delta)]
    every = list(range(len(examples)))
    if len(wrong) < LEAST:
        return [(first, every)]
    if len(wrong) > len(examples) // 2:
        return _by_kinds(examples, len(wrong)) or [(first, every)]
    second = learn([examples[i] for i in wrong])
    missed = {i for i in every if not explains(second, *examples[i])}
    if len(missed) < LEAST:
        return [(second, every)]
    right = [i for i in wrong if i not in missed]
    if len(right) < max(LEAST + (len(second.rules) > 0), SECOND * len(wrong)):
        return _by_kinds(examples, len(wrong)) or [(first, every)]
    taken = set(right)
    rest = [i for i in every if i not in taken]
    return [(learn([examples[i] for i in rest]), rest), (second, right)]


def _by_kinds(examples: Sequence[tuple[Scope, StateDelta]], wrong: int) -> list[tuple[Effects, list[int]]]:
    """Two sets of rules, for the two kinds of changes that are the most frequent: what a button does and takes back.

    Believed only if each explains nearly all of its own, and no more is left unexplained than half of what one set
    for all gets `wrong`; [] otherwise.
    """
    kinds: dict[frozenset[Kind], list[int]] = defaultdict(list)
    for number, (_, delta) in enumerate(examples):
        kinds[frozenset(group(delta))].append(number)
    most = sorted(kinds.values(), key=len, reverse=True)[:2]
    if len(most) == 1 or len(most[1]) <= LEAST:
        return []
    found = [(learn([examples[i] for i in members]), members) for members in most]
    right = [sum(explains(rules, *examples[i]) for i in members) for rules, members in found]
    if any(count < SECOND * len(members) for count, members in zip(right, most, strict=True)):
        return []
    if len(examples) - sum(right) > wrong // 2:
        return []
    rest = [i for i in range(len(examples)) if i not in {*most[0], *most[1]}]
    return [(found[0][0], sorted([*most[0], *rest])), found[1]]


def _is_silent(rule: Rule, scope: Scope) -> bool:
    try:
        return not Effects((rule,)).delta(scope)
    except Unknown:
        return False


def _learn_rule(kind: Kind, examples: Sequence[tuple[Scope, list[Item]]]) -> Rule | None:
    once = None
    if all(len(items) == 1 for _, items in examples):
        once = _learn_items(kind, None, [(scope, items[0]) for scope, items in examples])
        if once is not None and once.sure >= PLAIN:
            return once
    found = _find_query(examples)
    repeated = _learn_items(kind, *found) if found is not None else None
    return max((rule for rule in (once, repeated) if rule is not None), key=lambda rule: rule.sure, default=None)


def _learn_items(kind: Kind, each: Query | None, pairs: Sequence[tuple[Scope, Item]]) -> Rule | None:
    what, collection, _ = kind
    key = explain_key([(scope, item[0]) for scope, item in pairs], collection)
    if key is None:
        return None
    sure = 0.0 if has_opaque(key[0]) else key[1]
    fields: list[tuple[str, Expression]] = []
    if what != "delete":
        here = [(about(scope, collection, item[0]), item[1]) for scope, item in pairs]
        for name in _fields([value for _, value in here]):
            part = [(scope, value[name] if name and isinstance(value, dict) else value) for scope, value in here
                    if not name or (isinstance(value, dict) and name in value)]  # fmt: skip
            value = explain(part)
            if value is None:
                return None
            fields.append((name, value[0]))
            # A placeholder stands for what cannot be known: whoever reads it is told that it is not right.
            sure = min(sure, 0.0 if has_opaque(value[0]) else value[1])
    return Rule(kind, each, key[0], tuple(fields), sure)


def _fields(values: Sequence[JsonValue]) -> list[str]:
    if all(isinstance(value, dict) for value in values):
        # In the order that rows are written in: a delta is compared as text by those who read it.
        return list(dict.fromkeys(name for value in values if isinstance(value, dict) for name in value))
    return [""]


def _find_query(
    examples: Sequence[tuple[Scope, list[Item]]],
) -> tuple[Query, list[tuple[Scope, Item]]] | None:
    """A query that gives one row for each change, and the changes paired with their rows."""
    tally: Counter[Query] = Counter()
    for scope, items in examples:
        tally.update(set(_queries(scope, len(items))))
    often = [(query, count) for query, count in tally.items() if count >= 0.9 * len(examples)]
    for query, _ in sorted(often, key=lambda entry: (-entry[1], cost(entry[0].read), repr(entry[0]))):
        pairs = [pair for scope, items in examples for pair in _pair(_rows(query, scope), items)]
        if len(pairs) >= 0.9 * sum(len(items) for _, items in examples):
            return query, pairs
    return None


def _rows(query: Query, scope: Scope) -> list[Scope]:
    try:
        return query.scopes(scope)
    except Unknown:
        return []


def _queries(scope: Scope, count: int) -> list[Query]:
    out = []
    for collection, table in scope.state.items():
        if isinstance(table, dict):
            for name, value in scope.relations.index.counted(table, count):
                out += [Query(collection, name, Read(*read)) for read in scope.named(value)]
    return out


def _pair(scopes: Sequence[Scope], items: Sequence[Item]) -> list[tuple[Scope, Item]]:
    """Rows and changes that share a word of the change's key which no other row has; [] unless all find one."""
    known = [{str(v) for n, v in scope.items() if n.startswith("each.") and v is not None} for scope in scopes]
    often = Counter(word for words in known for word in words)
    left = list(items)
    out: list[tuple[Scope, Item]] = []
    for scope, words in zip(scopes, known, strict=True):
        own = {word for word in words if often[word] == 1}
        item = next((item for item in left if own & {item[0], *item[0].split(" ")}), None)
        if item is None:
            return []
        left.remove(item)
        out.append((scope, item))
    return [] if left else out
