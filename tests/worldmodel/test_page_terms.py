"""Page programs where an app is unlike most: decimals, other scripts, odd field names, many wordings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldmodel.pages import texts
from worldmodel.pages.choices import _is_kind, grow
from worldmodel.pages.lists import ListExample, ListRule, Order, arrange, sortable
from worldmodel.pages.names import Names, open_names, row_names, row_sums, sums
from worldmodel.pages.nodes import Node
from worldmodel.pages.queries import _orders, settle
from worldmodel.pages.texts import TextExample, learn_text
from worldmodel.rules.relations import Relations

NONE = Relations({}, {}, {})


def names(values: dict[str, Any], state: dict[str, Any] | None = None, relations: Relations = NONE) -> Names:
    return open_names(values, state or {}, relations)


# -- orders --------------------------------------------------------------------------------------------


def test_decimals_are_in_one_order_and_not_in_any():
    rows = {"a": {"grade": 4.5, "tags": ["x"]}, "b": {"grade": 3.25, "tags": ["y"]}, "c": {"grade": 4.75, "tags": []}}
    here = names({}, {"films": rows})
    found = {keys: _orders(ListExample(here, [], list(keys)), "films") for keys in ("bac", "cab", "abc", "bca")}
    assert {keys: {one for one in orders if one.by == "grade"} for keys, orders in found.items()} == {
        "bac": {Order("grade")}, "cab": {Order("grade", True)}, "abc": set(), "bca": set(),
    }  # fmt: skip
    assert not {one for orders in found.values() for one in orders if one.by == "tags"}, "a list of tags is no rank"
    assert arrange("abc", Order("grade"), "films", here, {}) == ["b", "a", "c"]


VALUES = st.sampled_from([3, -2, 10**400, 2.5, -0.5, float("inf"), float("nan"), "a", "", None, True, []])


@settings(max_examples=40)
@given(st.lists(VALUES, max_size=6))
def test_what_rows_hold_can_be_sorted_whatever_it_is(values):
    ranked = sorted(map(sortable, values))
    numbers = [one[1] for one in ranked if one[0] == 1]
    assert numbers == sorted(v for v in values if type(v) in (int, float) and v == v)


# -- how many rows are shown ---------------------------------------------------------------------------


def shown(count: int, of: int) -> ListExample:
    rows = {f"k{n:02d}": {"n": n} for n in range(of)}
    return ListExample(names({"query.page": "1"}, {"things": rows}), [(Node("row", key),) for key in rows][:count],
                       list(rows)[:count])  # fmt: skip


def test_a_limit_that_lists_go_beyond_is_none():
    """From its first lists, a query was found to show three at once; in truth those sessions had seen no more."""
    rule = ListRule("things", limit=3, page="query.page", order=Order("@"))
    found = settle(rule, [shown(n, n) for n in (2, 3, 5, 6)])
    assert (found.limit, found.page, found.sure) == (0, "", 1.0)
    assert settle(rule, [shown(n, n) for n in (1, 2, 3)]).limit == 3, "what no list goes beyond may well be one"
    cut = settle(rule, [shown(min(4, n), n) for n in (2, 3, 5, 6)])
    assert (cut.limit, cut.page, cut.sure) == (4, "query.page", 1.0)


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["rate + tax", "a * b", "part % of whole", "x : y", "a + b + c", "+ + +"])
def test_a_field_is_not_taken_for_a_figure_that_is_made(field):
    rows = {"r1": {field: 7, "a": 1, "b": 2}}
    row = row_names(names({}, {"rows": rows}), "rows", "r1", 0)
    below = row.child({"near": 3})
    told = {name for name, form in below.named("7") if form == "number"}
    assert len(told) == 1
    assert {below.value(name) for name in told} == {7}, "a row within it knows it too"
    name = told.pop()
    assert not below.knows(name.replace("7", "8").replace("each.", "all."))
    within = [row_names(names({}, {"rows": {"k": {field: n}}}), "rows", "k", 0).child({}) for n in (3, 5, 8, 13)]
    rule = learn_text([TextExample(one, f"{n} left", "") for one, n in zip(within, (3, 5, 8, 13), strict=True)])
    assert rule.render(below, None, None) == ("7 left", 1.0)
    asked = names({f"query.{field}": "9"}).child({})
    assert [asked.value(name) for name, form in asked.named("9") if form == "as is"] == ["9"]


def test_sums_are_not_over_fields_whose_names_end_before_they_do():
    state = {"rows": {"r1": {"owner id": "ann", "n": 4}}, "people": {"ann": {"x": 1}}}
    assert not sums([names({"login": "ann"}, state)])
    related = Relations({("rows", "owner id"): ("people",)}, {}, {})
    assert not row_sums(row_names(names({}, state, related), "people", "ann", 0), "people", "ann")


# -- words ---------------------------------------------------------------------------------------------


@given(st.text("aZz _-1.", max_size=6))
def test_of_english_words_it_is_told_as_ever_which_are_of_a_kind(text):
    assert _is_kind("each.status", text) == bool(re.fullmatch(r"[a-z][a-z_ -]*|[A-Z][a-z]*", text))


@pytest.mark.parametrize(
    "value", ["geöffnet", "Öffentlich", "zurück gesendet", "отправлен", "в_пути", "已发货", "खुला", "ouvert e"]
)
def test_words_of_other_languages_are_of_a_kind(value):
    assert _is_kind("each.status", value)


@pytest.mark.parametrize(
    "value", ["Grüner Tee", "Чайник Медный", "ÖBB", "7 Tage", "", "-", "مصباح نحاس", "Zoë O'Neil", "№"]
)
def test_names_of_other_languages_are_not(value):
    assert not _is_kind("each.name", value)


def test_a_state_in_another_language_tells_what_is_said():
    words = ("gelöscht", "geöffnet", "geöffnet", "fällig", "fällig") * 4
    seen = [(names({"each.zustand": word}), int(word == "gelöscht")) for word in words]
    tree, told = grow(seen)
    assert told == [way for _, way in seen]
    assert tree.decide(names({"each.zustand": "gelöscht"}))[0] == 1


# -- wordings ------------------------------------------------------------------------------------------


def test_where_every_wording_differs_few_are_tried(monkeypatch: pytest.MonkeyPatch):
    """Descriptions: a hundred more are a hundred more to compare with, and no more to try."""
    tried: list[int] = []
    best = texts._best_template

    def counted(left: Any) -> Any:
        tried.append(len(left))
        return best(left)

    monkeypatch.setattr(texts, "_best_template", counted)
    counts = []
    for many in (60, 160, 320):
        tried.clear()
        letters = ["".join(chr(97 + (n // 26**at) % 26) for at in range(3)) for n in range(many)]
        learn_text(
            [TextExample(names({"url.1": f"p{n}"}), f"It is {word}.", f"/p/{n}") for n, word in enumerate(letters)]
        )
        counts.append(len(tried))
    assert counts == [texts.MOST_VAIN] * 3


def test_a_wording_is_found_behind_others_that_nothing_explains():
    odd = [TextExample(names({"each.n": n}), f"{word} and {word}", "") for n in range(2) for word in ("oh", "ah", "eh")]
    told = [TextExample(names({"each.n": n}), f"{n} left", "") for n in (4, 6)]
    rule = learn_text([*odd, *told])
    assert " left" in {"".join(way.wording) for way in rule.ways}
