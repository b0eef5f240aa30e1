from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ActionError, ContentError
from envsim.reward.checks import Record, Verdict, evaluate, parse_check
from envsim.task import Task
from envsim.types import Action

BEFORE: dict[str, Any] = {
    "orders": {"1": {"status": "paid", "total": 500}, "2": {"status": "shipped", "total": 900}},
    "variants": {"a/b": {"stock": 4}, "c": {"stock": 1}},
    "wishlist": {"7": {"product": 3}},
}
AFTER: dict[str, Any] = {
    "orders": {**BEFORE["orders"], "3": {"status": "paid", "total": 700, "lines": ["x"]}},
    "variants": {"a/b": {"stock": 3}, "c": {"stock": 1}},
    "wishlist": {},
}


def judge(*checks: dict[str, Any], params: dict[str, Any] | None = None, **record: Any) -> Verdict:
    task = Task(
        id="t@0", template="t", app="x", interface="tools", split="train", goal="", checks=checks, params=params or {}
    )
    return evaluate(task, Record(record.pop("before", BEFORE), record.pop("after", AFTER), **record))


@pytest.mark.parametrize(
    ("query", "comparison", "held"),
    [
        ("after.orders.\"3\".total", {"eq": 700}, True),
        ("after.orders.\"3\".total", {"eq": 700.0}, True),
        ("after.orders.\"3\".total", {"eq": "700"}, False),
        ("after.orders.\"3\".total", {"eq": True}, False),
        ("after.orders.\"9\".total", {"eq": None}, True),
        ("after.orders.\"3\".total", {"ne": 701}, True),
        ("after.orders.\"3\".total", {"ne": 700}, False),
        ("after.orders.\"3\".total", {"ge": 700}, True),
        ("after.orders.\"3\".total", {"le": 699}, False),
        ("after.orders.\"3\".status", {"ge": 1}, False),
        ("after.orders.\"3\".status", {"in": ["paid", "shipped"]}, True),
        ("after.orders.\"3\".status", {"in": ["pai"]}, False),
        ("added.orders", {"count": 1}, True),
        ("added.orders", {"count": 2}, False),
        ("added.orders", {"contains": {"status": "paid", "total": 700, "key": "3"}}, True),
        ("added.orders", {"contains": {"status": "paid", "total": 7}}, False),
        ("added.orders", {"excludes": {"status": "shipped"}}, True),
        ("added.orders", {"excludes": {"status": "paid"}}, False),
        ("removed.wishlist", {"contains": {"product": 3}}, True),
        ("added.orders[0]", {"match": {"lines": ["x"]}}, True),
        ("added.orders[0]", {"match": {"lines": []}}, False),
        ("lookup(after.orders, params.order.key).status", {"eq": "shipped"}, True),
        ("sub(lookup(before.variants, 'a/b').stock, lookup(after.variants, 'a/b').stock)", {"eq": 1}, True),
        ("add(after.orders.\"9\".total, `1`)", {"eq": 1}, False),
        ("length(rows(after.orders))", {"eq": 3}, True),
    ],
)  # fmt: skip
def test_state(query: str, comparison: dict[str, Any], held: bool) -> None:
    verdict = judge({"kind": "state", "query": query, **comparison}, params={"order": {"key": "2"}})
    assert (verdict.reward == 1.0) is held, verdict
    assert verdict.results[0].held is held
    assert verdict.results[0].reason


@pytest.mark.parametrize(
    ("allow", "reason"),
    [
        (["orders/*", "variants/a~1b/stock", "-wishlist/*"], ""),
        (["orders/**", "variants/*/stock", "wishlist/7"], ""),
        (["+orders/*", "variants/a~1b/*", "wishlist/**"], ""),
        (["-orders/*", "variants/*/stock", "wishlist/*"], "orders/3 was added"),
        (["orders/*", "variants/c/stock", "wishlist/*"], "variants/a~1b/stock was changed"),
        (["orders/*", "variants/*", "wishlist/*"], "variants/a~1b/stock was changed"),
        (["orders/*", "variants/*/stock", "+wishlist/*"], "wishlist/7 was removed"),
        ([], "orders/3 was added"),
    ],
)
def test_unchanged(allow: list[str], reason: str) -> None:
    verdict = judge({"kind": "unchanged", "except": allow})
    assert (verdict.reward == 1.0) is (not reason)
    assert verdict.reason.startswith(reason)


def test_unchanged_forgives_what_was_undone() -> None:
    assert judge({"kind": "unchanged"}, after=BEFORE).reward == 1.0


def test_answer_is_typed_and_whole() -> None:
    check = {"kind": "answer", "type": "money", "value": "$7.00"}
    assert judge(check, answered=True, answer="7 USD").reward == 1.0
    assert judge(check, answered=True, answer=7).reward == 1.0
    assert judge(check, answered=True, answer="$7.00 or $8.00").reward == 0.0
    assert judge(check, answer="$7.00").reason == "The episode ended without an answer."


def test_answer_of_several_names() -> None:
    check = {"kind": "answer", "type": "set", "items": "name", "value": ["Zoë Müller", "Maya Thornton"]}
    assert judge(check, answered=True, answer=["Thornton, Maya", "Zoe Muller"]).reward == 1.0
    assert judge(check, answered=True, answer=["Maya Thornton"]).reward == 0.0
    with pytest.raises(ContentError, match="is not a set"):
        judge({**check, "items": "money"}, answered=True, answer="x")


def test_answer_field() -> None:
    check = {"kind": "answer", "field": "total", "type": "money", "value": "$7"}
    assert judge(check, answered=True, answer={"total": "7.00", "more": 1}).reward == 1.0
    assert judge(check, answered=True, answer="7.00").reward == 0.0


def test_url_compares_path_and_parameters() -> None:
    urls = ("/", "/search?q=mug&page=2", "/cart")
    assert judge({"kind": "url", "path": "/cart"}, urls=urls).reward == 1.0
    assert judge({"kind": "url", "path": "/car"}, urls=urls).reward == 0.0
    searched = {"kind": "url", "path": "/search", "query": {"page": 2}}
    assert judge(searched, urls=urls).reward == 0.0
    assert judge({**searched, "when": "ever"}, urls=urls).reward == 1.0
    assert judge({**searched, "query": {"page": 3}, "when": "ever"}, urls=urls).reward == 0.0


def test_said_and_not_said() -> None:
    said = ("Your refund is $12.50.",)
    assert judge({"kind": "said", "type": "money", "value": "12.50"}, said=said).reward == 1.0
    assert judge({"kind": "said", "type": "money", "value": "2.50"}, said=said).reward == 0.0
    assert judge({"kind": "not_said", "value": "refund"}, said=said).reward == 0.0
    assert judge({"kind": "not_said", "value": "fund"}, said=said).reward == 1.0


def test_seen_asks_for_all_values_at_once_as_whole_words() -> None:
    check = {"kind": "seen", "values": [1001, "Shipped"]}
    assert judge(check, seen=("", '{"number":1001,"status":"shipped"}')).reward == 1.0
    assert judge(check, seen=('text "Order 1001, shipped on Monday"',)).reward == 1.0
    assert judge(check, seen=('{"number":1001}', '{"status":"shipped"}')).reward == 0.0
    assert judge(check, seen=('{"number":10010,"status":"shipped"}', "1001 unshipped")).reward == 0.0
    assert judge(check).reason == 'The agent never looked at what shows 1001 and "Shipped".'


def test_answered_and_infeasible() -> None:
    assert judge({"kind": "answered"}, answered=True).reward == 1.0
    assert judge({"kind": "answered"}).reward == 0.0
    assert judge({"kind": "infeasible"}, infeasible=True).reward == 1.0
    assert judge({"kind": "infeasible"}, answered=True).reward == 0.0


def test_a_feasible_goal_reported_infeasible_is_not_solved() -> None:
    assert judge({"kind": "unchanged"}, after=BEFORE, infeasible=True).reward == 0.0


def test_every_check_must_hold() -> None:
    verdict = judge({"kind": "state", "query": "added.orders", "count": 1}, {"kind": "unchanged"})
    assert verdict.reward == 0.0
    assert [result.held for result in verdict.results] == [True, False]


def test_a_task_without_checks_is_never_solved() -> None:
    assert judge().reward == 0.0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "stat", "query": "a"}, "kind"),
        ({"query": "a", "eq": 1}, "kind"),
        ({"kind": "state", "query": "a"}, "exactly one of"),
        ({"kind": "state", "query": "a", "eq": 1, "ne": 2}, "exactly one of"),
        ({"kind": "state", "query": "a[", "eq": 1}, "JMESPath"),
        ({"kind": "state", "query": "a", "equals": 1}, "equals"),
        ({"kind": "answer", "type": "colour", "value": "red"}, "type"),
        ({"kind": "answer", "value": "red", "tolerance": -1}, "tolerance"),
    ],
)
def test_malformed_checks_name_the_key(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ContentError, match=message):
        parse_check(table)


def test_an_expected_value_that_is_not_of_its_type_is_the_tasks_fault() -> None:
    with pytest.raises(ContentError, match=r"'soon' is not a date"):
        judge({"kind": "answer", "type": "date", "value": "soon"}, answered=True, answer="2026-01-01")


def test_agent_text_is_never_interpreted() -> None:
    nasty = "'] | [0] {0} ${x} __import__('os')"
    assert judge({"kind": "answer", "value": "x"}, answered=True, answer=nasty, said=(nasty,)).reward == 0.0
    assert judge({"kind": "answer", "value": nasty}, answered=True, answer=nasty).reward == 1.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**1000), 2**1000) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
RIGHT = {
    "money": "$7.25",
    "number": 7,
    "date": "2026-03-02",
    "name": "Zoë B. Müller",
    "text": "seven",
    "set": ["a", "b"],
    "boolean": True,
}


@given(JSON, st.sampled_from(sorted(RIGHT)), st.text(max_size=60))
def test_no_answer_can_break_a_check(answer: Any, kind: str, said: str) -> None:
    checks = [
        {"kind": "answer", "type": kind, "value": RIGHT[kind], "tolerance": 0.5, "units": ["days"]},
        {"kind": "answer", "type": kind, "value": RIGHT[kind], "field": "a"},
        {"kind": "not_said", "type": kind, "value": RIGHT[kind]},
    ]
    assert all(result.reason for result in judge(*checks, answered=True, answer=answer, said=(said,)).results)


def test_a_number_too_long_to_print_is_no_action() -> None:
    with pytest.raises(ActionError, match="more than 1024 bits"):
        Action.parse(f"answer(0x{'f' * 5000})")
