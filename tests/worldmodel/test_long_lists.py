"""What is found about lists is what looking at every row for every question finds, without doing so."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldmodel.index import StateIndex
from worldmodel.pages import queries
from worldmodel.pages.lists import AS_KEPT, ListExample, Order, arrange
from worldmodel.pages.names import Names, open_names, sums
from worldmodel.pages.nodes import Node
from worldmodel.rules import search
from worldmodel.rules.expressions import Switch, evaluate
from worldmodel.rules.relations import Relations
from worldmodel.rules.scope import Scope

MAKERS = {f"mk{n}": {"town": town, "age": 40 - n} for n, town in enumerate(("Bern", "Graz", "Como", "Ulm"))}
ROWS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3) | st.integers(0, 99).map(str),
    st.fixed_dictionaries({
        "maker": st.sampled_from(sorted(MAKERS)), "cents": st.integers(0, 3), "tag": st.sampled_from(["x", "y"]),
        "seen": st.booleans(), "note": st.none() | st.just("n"),
    }),
    min_size=2, max_size=6,
)  # fmt: skip


def names(rows: dict[str, Any], **values: Any) -> Names:
    state = {"things": rows, "makers": MAKERS}
    links: dict[tuple[str, str], tuple[str, ...]] = {("things", "maker"): ("makers",)}
    return open_names(values, state, Relations(links, {}, {}))


@settings(max_examples=40)
@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["@", "cents", "tag", "maker>makers.age", ""]))
def test_the_orders_of_a_list_are_those_that_arranging_it_leaves_as_it_is(rows, shuffled, by):
    here, keys = names(rows), list(rows)
    shuffled.shuffle(keys)
    if by:
        keys = arrange(keys, Order(by, shuffled.random() < 0.5), "things", here, {})
    found = queries._orders(ListExample(here, [], keys), "things")
    ranks = {key: n for n, key in enumerate(keys)}
    for name in ("@", "maker", "cents", "tag", "maker>makers.age", "maker>makers.town"):
        tells = len({str(here.scope.relations.attributes(here.state, "things", k)[name]) for k in keys}) > 1
        for order in (Order(name, False), Order(name, True)):
            assert (order in found) == (tells and arrange(keys, order, "things", here, ranks) == keys)
    kept = keys == list(rows)
    assert (Order(AS_KEPT) in found) == kept, (found, keys, rows, list(here.state["things"]))
    assert not {one.by for one in found} & {"seen", "note"}


def test_a_long_list_is_read_once_however_much_was_asked(monkeypatch: pytest.MonkeyPatch):
    """A calendar of a year with a dozen things in its address: not a dozen times, not once for every field."""
    asked: Counter[str] = Counter()
    attributes = Relations.attributes

    def counted(self: Relations, state: Any, collection: str, key: str, depth: int = 2) -> Any:
        asked[key] += 1
        return attributes(self, state, collection, key, depth)

    rows = {f"k{n:03}": {"maker": f"mk{n % 4}", "cents": n * 37 % 101, "n": n} for n in range(120)}
    down = sorted(rows, key=lambda key: (-rows[key]["cents"], key))
    examples = []
    for number in range(8):
        query = {f"query.q{i}": str((number >> i % 3) % 2) for i in range(12)}
        sort = query["query.q0"]
        shown = down if sort == "1" else sorted(rows)
        examples.append(ListExample(names(rows, **query), [(Node("row", key),) for key in shown], list(shown)))
    monkeypatch.setattr(Relations, "attributes", counted)
    rule = queries._order(queries.ListRule("things"), examples)
    monkeypatch.undo()
    assert rule.switch in {"query.q0", "query.q3", "query.q6", "query.q9"}
    assert [rule.run(example.names)[0] == example.keys for example in examples] == [True] * 8
    assert max(asked.values()) <= 2 * len(examples)


def test_rows_are_found_by_how_many_there_are_and_by_what_they_hold():
    known = StateIndex()
    table = {"a": {"n": 1, "on": True, "of": "x"}, "b": {"n": 1, "on": True, "of": "y"}, "c": {"n": 2, "of": "x"}}
    assert sorted(known.counted(table, 2)) == [("n", 1), ("of", "x"), ("on", True)]
    assert sorted(known.counted(table, 1)) == [("n", 2), ("of", "y")]
    assert known.counted(table, 3) == ()
    assert known.held(table)["x"] == {"of": "a"}
    assert known.held(table)["1"] == {"n": "a"}
    assert known.held(table)["2"] == {"n": "c"}


def test_sums_are_offered_over_the_rows_of_what_was_asked():
    rows = {"t1": {"maker": "mk1", "cents": 5}, "t2": {"maker": "mk2", "cents": 6}}
    offered = sums([names(rows, login="mk1"), names(rows, **{"url.1": "mk2"})])
    assert "sum things maker login" in offered
    assert "sum things maker login : each.cents" in offered
    assert "sum things maker url.1 : each.cents" in offered
    assert not [name for name in offered if "tag" in name]


def test_names_that_divide_the_examples_alike_are_asked_about_once(monkeypatch: pytest.MonkeyPatch):
    """A form with many boxes, ticked together or not at all, is one question."""
    calls = 0
    most_common = search._most_common

    def counted(found: Any) -> Any:
        nonlocal calls
        calls += 1
        return most_common(found)

    monkeypatch.setattr(search, "_most_common", counted)
    nothing = Relations({}, {}, {})
    examples = []
    for number in range(12):
        ticked = {f"argument.box{box}": "on" for box in range(40)} if number % 2 else {}
        asked = {**ticked, "argument.text": f"word{number}"}
        examples.append((Scope(asked, {}, nothing), f"word{number}" if number % 2 else "none"))
    found = search.explain(examples)
    assert found is not None
    rule, right = found
    assert right == 1.0
    assert isinstance(rule, Switch)
    assert [evaluate(rule, scope) for scope, _ in examples] == [value for _, value in examples]
    assert calls <= 8


VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["0", "1", "x"]) | st.just(1.0)


@given(
    st.dictionaries(st.text("ab", max_size=2), st.dictionaries(st.sampled_from("fg"), VALUES | st.just([1]))), VALUES
)
def test_rows_of_a_value_are_those_that_have_it_and_of_its_kind(table, value):
    scope = Scope({}, {"things": table, "count": 3}, Relations({}, {}, {}))
    for field in "fg":
        right = [
            k for k, row in table.items() if field in row and row[field] == value and type(row[field]) is type(value)
        ]
        assert scope.rows("things", field, value) == right
    assert scope.rows("count", "f", value) == scope.rows("none", "f", value) == []


def test_one_and_true_are_asked_about_apart():
    table = {"a": {"f": 1}, "b": {"f": True}}
    scope = Scope({}, {"things": table}, Relations({}, {}, {}))
    assert [scope.rows("things", "f", value) for value in (1, True, "1", 1.0)] == [["a"], ["b"], [], []]
