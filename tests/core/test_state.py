"""State deltas: applying a diff gives the later state back, exactly, and no shorter delta would."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.state import apply, canonical, diff, join_path, split_path, state_hash

KEYS = st.text(max_size=4) | st.sampled_from(["a", "b", "~", "/", "~1", "a/b", ""])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, -0.0]) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
VIEWS = st.dictionaries(KEYS, VALUES, max_size=4)


def same(a: Any, b: Any) -> bool:
    """Equality as JSON has it: 1, 1.0 and true are three values."""
    return canonical(a) == canonical(b)


@given(VIEWS, VIEWS)
def test_applying_a_diff_gives_the_later_state(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert same(apply(before, diff(before, after)), after)


@given(VIEWS, VIEWS)
def test_apply_leaves_its_input_alone(before: dict[str, Any], after: dict[str, Any]) -> None:
    copied = copy.deepcopy(before)
    apply(before, diff(before, after))
    assert same(before, copied)


@given(VIEWS)
def test_equal_states_have_no_diff(view: dict[str, Any]) -> None:
    assert diff(view, copy.deepcopy(view)) == []


@given(VIEWS, VIEWS)
def test_every_change_is_needed(before: dict[str, Any], after: dict[str, Any]) -> None:
    delta = diff(before, after)
    for index in range(len(delta)):
        assert not same(apply(before, delta[:index] + delta[index + 1 :]), after)


@given(VIEWS, VIEWS)
def test_a_diff_is_sorted_and_survives_json(before: dict[str, Any], after: dict[str, Any]) -> None:
    delta = diff(before, after)
    assert [split_path(change[0]) for change in delta] == sorted(split_path(change[0]) for change in delta)
    assert same(apply(before, json.loads(json.dumps(delta))), after)


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (0, False), (1, 1.0), ([1], [True]), ([{"a": 1}], [{"a": 1.0}]), (0.0, -0.0)]
)
def test_json_types_are_told_apart(old: Any, new: Any) -> None:
    assert diff({"k": old}, {"k": new}) == [["k", new]]
    assert same(apply({"k": old}, diff({"k": old}, {"k": new})), {"k": new})


def test_a_replaced_object_is_not_patched_in_place() -> None:
    before = {"cart": {"items": 1}}
    after = apply(before, [["cart/items", 2], ["cart/note", "x"], ["new/deep/key", 3]])
    assert after == {"cart": {"items": 2, "note": "x"}, "new": {"deep": {"key": 3}}}
    assert before == {"cart": {"items": 1}}


def test_a_value_set_by_a_delta_is_not_changed_by_a_later_one() -> None:
    delta = [["a", {"b": 1}], ["a/b", 2]]
    assert apply({}, delta) == {"a": {"b": 2}}
    assert delta[0] == ["a", {"b": 1}]


def test_unchanged_parts_are_shared() -> None:
    before = {"big": {"x": 1}, "small": {"y": 1}}
    assert apply(before, [["small/y", 2]])["big"] is before["big"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (["gone"], {"leaf": 5}),
        (["gone/deeper"], {"leaf": 5}),
        (["leaf/below"], {"leaf": 5}),
        (["leaf/below", 1], {"leaf": {"below": 1}}),
        (["new/deep", 1], {"leaf": 5, "new": {"deep": 1}}),
    ],
)
def test_a_predicted_change_never_crashes(change: list[Any], expected: dict[str, Any]) -> None:
    assert apply({"leaf": 5}, [change]) == expected


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_paths_read_back(keys: list[str]) -> None:
    assert split_path(join_path(keys)) == keys


@given(VIEWS)
def test_the_hash_ignores_key_order_only(view: dict[str, Any]) -> None:
    assert state_hash(dict(reversed(view.items()))) == state_hash(view)
    assert state_hash({**view, "extra key": 1}) != state_hash(view)


def test_the_hash_is_of_canonical_json() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'
