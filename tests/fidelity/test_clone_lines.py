"""What is volatile is found and nothing else is hidden."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.fidelity.clone_answers import Routes
from envsim.fidelity.clone_lines import Mask, compare, delta_lines, generalised, json_lines, page_lines

WORDS = st.sampled_from(
    ["Order", "Total", "placed", "1048", "5531", "49", "a3f9c2", "on", "March", "April", "#", "$", "."]
)
LINE = st.lists(WORDS, min_size=1, max_size=8).map(lambda words: 'text "' + " ".join(words) + '"')
PAGE = st.lists(LINE, max_size=8)


def test_refs_indents_and_focus_are_no_part_of_an_answer() -> None:
    one = 'main\n  textbox "Mail" [eabcd] = "x" {focused, required}\n  button "Go" [eefgh]'
    two = 'main\n    textbox "Mail" [exyz2] = "x" {required}\n    button "Go" [e2345] {focused}'
    assert page_lines(one) == page_lines(two) == ("main", 'textbox "Mail" = "x" {required}', 'button "Go"')


def test_json_and_deltas_are_lines_by_their_paths() -> None:
    assert json_lines('{"b": [1, {"c": null}], "a": {}}') == ("a = {}", "b / 0 = 1", "b / 1 / c = null")
    assert json_lines("plain\n\ntext") == ("plain", "text")
    assert delta_lines([["carts/7", {"total": 3}], ["carts/8"]]) == ("carts/7 / total = 3", "carts/8 = (gone)")


def test_a_pattern_keeps_what_two_lines_share() -> None:
    pattern = generalised('row "Order 1048 | a3f9c2 | $49.00"', 'row "Order 1049 | 7bd2e1 | $49.00"')
    assert pattern is not None
    assert pattern.fullmatch('row "Order 5531 | c0ffee1 | $49.00"')
    assert not pattern.fullmatch('row "Order 5531 | c0ffee1 | $48.00"')
    assert not pattern.fullmatch('row "Order many | c0ffee1 | $49.00"')
    assert generalised('text "1048"', 'text "1049"') is None


def test_what_never_is_the_same_twice_does_not_count_and_the_rest_does() -> None:
    mask = Mask()
    mask.learn(
        ['heading "Order 1048"', 'text "Placed on 2 March"', 'text "Total $49.00"', 'text "Only sometimes here"'],
        ['heading "Order 1049"', 'text "Placed on 3 April"', 'text "Total $49.00"'],
    )
    production = ['heading "Order 77"', 'text "Placed on 30 May"', 'text "Total $49.00"']
    assert compare(production, ['heading "Order 1048"', 'text "Placed on 2 March"', 'text "Total $49.00"'], mask).equal
    found = compare(production, ['heading "Order 1048"', 'text "Placed on 2 March"', 'text "Total $48.99"'], mask)
    assert (found.missing, found.extra) == (('text "Total $49.00"',), ('text "Total $48.99"',))
    assert found.f1 == pytest.approx(2 / 3)


def test_order_counts() -> None:
    found = compare(["a", "b"], ["b", "a"], Mask())
    assert (found.moved, found.equal, found.f1) == (True, False, 1.0)


@given(PAGE, PAGE)
def test_two_answers_a_mask_has_learned_from_are_equal_under_it(one: list[str], two: list[str]) -> None:
    mask = Mask()
    mask.learn(one, two)
    found = compare(one, two, mask)
    assert not found.missing
    assert not found.extra


@given(PAGE, PAGE)
def test_a_comparison_is_exact_without_a_mask(one: list[str], two: list[str]) -> None:
    found = compare(one, two, Mask())
    assert found.equal == (one == two)
    back = compare(two, one, Mask())
    assert (sorted(found.missing), sorted(found.extra)) == (sorted(back.extra), sorted(back.missing))
    assert 0 <= found.f1 <= 1


@given(PAGE, st.integers(0, 7))
def test_an_answer_that_is_always_the_same_masks_nothing(page: list[str], at: int) -> None:
    mask = Mask()
    mask.learn(page, page)
    assert not mask
    changed = [line if place != at else line + "!" for place, line in enumerate(page)]
    assert compare(page, changed, mask).equal == (at >= len(page))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4), lambda s: st.dictionaries(st.text(max_size=4), s) | st.lists(s)
    )
)
def test_any_json_has_lines_and_equal_json_equal_ones(value: object) -> None:
    assert json_lines(json.dumps(value)) == json_lines(json.dumps(value, indent=2))
    assert json_lines(json.dumps(value))


def test_routes_share_a_name_where_their_pages_are_of_one_kind() -> None:
    paths = [f"GET /p/{name}" for name in ("a", "b", "c", "d", "e")] + ["GET /cart", "POST /cart", "GET /orders/17"]
    routes = Routes(paths)
    assert [routes.name(path) for path in (*paths[4:],)] == ["GET /p/*", "GET /cart", "POST /cart", "GET /orders/#"]
    assert Routes(["GET /p/a", "GET /p/b"]).name("GET /p/a") == "GET /p/a"
    assert routes.name("CALL get_order") == "CALL get_order"
