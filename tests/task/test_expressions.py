from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.expressions import placeholders, query, render, resolve, rows

SCOPE: dict[str, Any] = {
    "product": {"name": "Blue {mug}", "price_cents": 123450, "tags": ["a", "b"], "key": "12"},
    "quantity": 2,
    "day": "2026-03-02T09:00:00Z",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Buy {quantity} of {product.name}.", "Buy 2 of Blue {mug}."),
        ("{product.price_cents:money}", "$1,234.50"),
        ("{product.price_cents:amount}", "1234.50"),
        ("{day:date} is {day:longdate}", "2026-03-02 is March 2, 2026"),
        ("{product.tags:and}", "a and b"),
        ("{product.tags.1}", "b"),
        ("{product.name:url}", "Blue%20%7Bmug%7D"),
        ("{product.name:lower} {product.name:upper}", "blue {mug} BLUE {MUG}"),
        ("{{{quantity}}}", "{2}"),
    ],
)
def test_render(text: str, shown: str) -> None:
    assert render(text, SCOPE) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nothing}", "there is no 'nothing'"),
        ("{product.colour}", "there is no 'colour' in {product.colour}; there is: name"),
        ("{product.__class__}", "there is no '__class__'"),
        ("{quantity.real}", "there is no 'real'"),
        ("{product.tags.9}", "there is no '9'"),
        ("{product.tags.²}", "there is no '²'"),
        (f"{{product.tags.{'1' * 5000}}}", "there is no '111"),
        ("{product}", "has no plain text"),
        ("{quantity:roman}", "unknown format 'roman'"),
        ("{product.name:money}", "not a whole number of cents"),
        ("{product.name:longdate}", "cannot be shown as 'longdate'"),
        ("{", "stray"),
        ("a } b", "stray"),
        ("{product.name!r}", "stray"),
        ("{0}", "stray"),
    ],
)
def test_what_cannot_be_rendered_says_why(text: str, message: str) -> None:
    with pytest.raises(ContentError) as caught:
        render(text, SCOPE)
    assert message in str(caught.value)


@given(st.text(max_size=30))
def test_inserted_values_are_never_read_as_placeholders(value: str) -> None:
    assert render("<{x}>", {"x": value}) == f"<{value}>"
    assert resolve("{x}", {"x": value}) == value


@given(st.text(max_size=30))
def test_doubled_braces_are_literal(value: str) -> None:
    assert render(value.replace("{", "{{").replace("}", "}}"), {}) == value


def test_resolve_keeps_types() -> None:
    found = resolve({"a": "{quantity}", "b": ["{product.tags}", "n={quantity}"], "c": 3}, SCOPE)
    assert found == {"a": 2, "b": [["a", "b"], "n=2"], "c": 3}


def test_placeholders_are_listed() -> None:
    assert list(placeholders("{a.b:money} {{x}} {c}")) == [("a.b", "money"), ("c", "")]


VIEW: dict[str, Any] = {
    "products": {"10": {"name": "ten", "cents": 5}, "9": {"name": "nine", "cents": 7}},
    "variants": {"x": {"product_id": 9, "stock": 1}, "y": {"product_id": 10, "stock": 2}},
    "wanted": {"key": "9"},
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rows(products)[].key", ["9", "10"]),
        ("lookup(products, '9').name", "nine"),
        ("lookup(products, '8')", None),
        ("select(variants, 'product_id', wanted.key)[].key", ["x"]),
        ("select(variants, 'colour', wanted.key)", []),
        ("max_by(rows(products), &cents).key", "9"),
        ("add(`1`, `2`)", 3),
        ("sub(`1`, `2`)", -1),
        ("mul(`3`, `2`)", 6),
        ("div(`3`, `2`)", 1.5),
        ("div(`3`, `0`)", None),
        ("round(`2.5`)", 3),
        ("round(div(mul(`1999`, `10`), `100`))", 200),
        ("money(`123450`)", "$1,234.50"),
        ("matches('abc', '[a-z]+')", True),
        ("matches('abc!', '[a-z]+')", False),
        ("lower('ABC')", "abc"),
        ("slice('2026-03-02T', `0`, `10`)", "2026-03-02"),
    ],
)
def test_query(text: str, found: Any) -> None:
    assert query(text, VIEW) == found


@pytest.mark.parametrize("text", ["a[", "nothing(a)", "add('a', `1`)"])
def test_bad_queries_are_content_errors(text: str) -> None:
    with pytest.raises(ContentError):
        query(text, VIEW)


@given(st.dictionaries(st.integers(0, 10**6).map(str), st.fixed_dictionaries({"a": st.integers()}), max_size=20))
def test_rows_do_not_depend_on_the_order_of_a_view(table: dict[str, Any]) -> None:
    backwards = dict(reversed(list(table.items())))
    assert rows(table) == rows(backwards)
    assert [int(row["key"]) for row in rows(table)] == sorted(map(int, table))


@pytest.mark.parametrize(
    "text",
    [
        "matches('a', '(')",
        "matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '(a+)+')",
        "matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '(a|a)*')",
        "matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!', '((a{1,9})){2,}')",
        "matches(middling, 'a*a*a*b')",
        "matches(middling, 'a{1,900}a{1,900}a{1,900}b')",
        "matches(long, 'a')",
        "matches('a', long)",
        "round(huge)",
        "round(mul(huge, `0`))",
        "slice('abc', huge, `2`)",
        "money(huge)",
        "money(`1.5`)",
        "mul(large, `1.5`)",
        "sort_by(mixed, &a)",
        "nothing(a)",
        "a[",
    ],
)
def test_a_query_that_meets_what_it_was_not_made_for_is_a_content_error(text: str) -> None:
    scope = {
        "huge": float("inf"),
        "large": 10**400,
        "long": "a" * 5000,
        "middling": "a" * 999,
        "mixed": [{"a": 1}, {"a": "x"}],
    }
    with pytest.raises(ContentError) as caught:
        query(text, scope)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{huge:money}", "{huge:amount}", "{nan:money}", "{day:longdate}", "{none:longdate}"])
def test_a_value_that_its_format_cannot_show_is_a_content_error(text: str) -> None:
    with pytest.raises(ContentError):
        render(text, {"huge": float("inf"), "nan": float("nan"), "day": "2026-99-01", "none": None})


@given(
    st.sampled_from(["round", "money", "lower", "abs", "sum", "to_number", "length", "keys", "rows", "max",
                     "join(',', @)", "slice(@, `1`, `2`)", "matches(@, @)",
                     "add(@, @)", "mul(@, @)", "div(@, @)", "lookup(@, 'a')",
                     "select(@, 'a', `1`)", "sort(@)", "max_by(@, &a)"]),
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.floats() | st.text(max_size=3))
    | st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip
def test_no_function_fails_in_any_other_way(function: str, value: Any) -> None:
    with contextlib.suppress(ContentError):
        query(f"value | {function if '(' in function else function + '(@)'}", {"value": value})


@given(
    table=st.dictionaries(
        st.sampled_from(("1", "2", "10", "a")),
        st.dictionaries(st.sampled_from(("id", "key", "n")), st.sampled_from((1, "1", None, 2.0))) | st.just(3),
    ),
    field=st.sampled_from(("id", "key", "n")),
    value=st.sampled_from((1, "1", "10", None)),
)
def test_select_is_rows_that_are_compared(table: dict[str, Any], field: str, value: Any) -> None:
    wanted = [
        row
        for row in rows(table)
        if isinstance(row, dict) and None not in (row.get(field), value) and str(row[field]) == str(value)
    ]
    scope = {"table": table, "field": field, "value": value}
    assert query("select(table, field, value)", scope) == wanted
    assert query("select(rows(table), field, value)", scope) == wanted
