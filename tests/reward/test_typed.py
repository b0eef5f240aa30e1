from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.expressions import FORMATS
from envsim.reward.typed import mentions, normalise, parse_date, parse_money, parse_number, parse_set, same


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$1,234.50", "1234.50", "USD"),
        ("1234.5 USD", "1234.5", "USD"),
        ("USD 12", "12", "USD"),
        ("US$ 0.00", "0", "USD"),
        ("-$3.20", "-3.20", "USD"),
        ("$-3.20", "-3.20", "USD"),
        ("€5", "5", "EUR"),
        ("12 dollars.", "12", "USD"),
        (" 7 ", "7", None),
        (12.5, "12.5", None),
        (".99", "0.99", None),
    ],
)
def test_money_in_every_notation(text: object, amount: str, currency: str | None) -> None:
    money = parse_money(text)
    assert money is not None
    assert (money.amount, money.currency) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    "text",
    ["", "about $5", "$5 or $6", "12,34", "1,2345", "$5 EUR", "five", "--5", "$", "1.2.3", True, None, [5],
     float("nan"), float("inf"), "$12.50 is the price"],
)  # fmt: skip
def test_what_is_no_money(text: object) -> None:
    assert parse_money(text) is None


@given(st.integers(-(10**9), 10**9))
def test_money_reads_back_what_goals_show(cents: int) -> None:
    for spec in ("money", "amount"):
        money = parse_money(FORMATS[spec](cents))
        assert money is not None
        assert money.amount * 100 == cents


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_money_is_equal_only_to_itself(a: int, b: int) -> None:
    assert same("money", FORMATS["money"](a), FORMATS["amount"](b)) == (a == b)


def test_money_of_another_currency_is_another_amount() -> None:
    assert same("money", "$5", "5")
    assert not same("money", "$5", "€5")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_number_reads_json_numbers(value: float) -> None:
    assert parse_number(value) == Decimal(str(value))


def test_number_tolerance_is_absolute() -> None:
    assert same("number", 4.5, "4.55", tolerance=0.05)
    assert not same("number", 4.5, "4.56", tolerance=0.05)
    assert same("number", "1,200", 1200)
    assert not same("number", 1, True)
    assert not same("number", 3, "3 items")


def test_units_may_follow_a_number_where_they_are_allowed() -> None:
    units = ["days", "working days", "°C"]
    for answer in ("14", "14 days", "14 working days.", "14 °C", "14℃"):
        assert same("number", 14, answer, units=units), answer
    for answer in ("14 weeks", "days", "about 14 days", "14 days 3", "4 days"):
        assert not same("number", 14, answer, units=units), answer
    assert not same("number", 14, "14 days")


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_date_reads_every_unambiguous_notation(day: date) -> None:
    month = day.strftime("%B")
    for text in (
        day.isoformat(), f"{month} {day.day}, {day.year}", f"{day.day} {month[:3]} {day.year}", f"{day}T09:30:00Z",
        f"{day.strftime('%A')}, {month} {day.day}, {day.year}", FORMATS["longdate"](day.isoformat()),
    ):  # fmt: skip
        assert parse_date(text) == day, text


def test_slashed_date_is_read_only_where_it_can_mean_one_day() -> None:
    assert parse_date("3/25/2026") == date(2026, 3, 25)
    assert parse_date("25/3/2026") == date(2026, 3, 25)
    assert parse_date("5/5/2026") == date(2026, 5, 5)
    assert parse_date("3/2/2026") is None
    assert parse_date("2026-02-30") is None


@pytest.mark.parametrize(
    ("expected", "given_", "held"),
    [
        ("Shipped", "shipped.", True),
        ("Shipped", '"Shipped"', True),
        ("correct", "incorrect", False),
        ("SUCCESS", "UNSUCCESSFUL", False),
        ("Café", "Cafe\u0301", True),
        ("a", None, False),
        ("12", 12, True),
        ("true", True, False),
    ],
)
def test_text_is_equal_as_a_whole(expected: str, given_: object, held: bool) -> None:
    assert same("text", expected, given_) is held


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=40))
def test_text_forgives_case_and_spaces_but_not_content(text: str) -> None:
    if normalise(text):
        assert same("text", text, f"  {text.upper()}\n")
        assert not same("text", text, f"{text} x")


def test_set_ignores_order_and_counts_items() -> None:
    assert same("set", ["Blue mug", "Salt and pepper"], "Salt and pepper, blue mug")
    assert same("set", ["a", "b", "c"], "c, b, and a")
    assert same("set", ["a", "b"], ["B", "A"])
    assert not same("set", ["a", "b"], ["a", "b", "c"])
    assert not same("set", ["a", "a"], ["a"])
    assert not same("set", ["a"], [["a"]])
    assert parse_set("$1,234; $5") is not None


@given(st.lists(st.sampled_from(["red", "blue", "green", "salt and pepper"]), min_size=1), st.randoms())
def test_set_is_equal_in_any_order(items: list[str], shuffler: object) -> None:
    mixed = list(items)
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    assert same("set", items, mixed)
    assert not same("set", items, [*mixed, "purple"])


def test_boolean() -> None:
    assert same("boolean", True, "Yes.")
    assert not same("boolean", True, "no")
    assert not same("boolean", True, "yes and no")


@pytest.mark.parametrize(
    ("kind", "value", "message", "held"),
    [
        ("money", "$12.50", "It costs $12.50, shipping is $3.", True),
        ("money", "$12.50", "It costs $112.50.", False),
        ("money", "$2.50", "It costs $12.50", False),
        ("money", "$12", "It costs $12.50", False),
        ("number", 4, "There are 4 left", True),
        ("number", 4, "There are 14 left", False),
        ("number", 4, "It is $4", False),
        ("text", "order 1001", "Your Order 1001 is late.", True),
        ("text", "correct", "That is incorrect.", False),
        ("date", "2026-03-02", "It arrives on March 2, 2026 at noon.", True),
        ("date", "2026-03-02", "It arrives on March 22, 2026.", False),
    ],
)
def test_mentions_whole_tokens(kind: str, value: object, message: str, held: bool) -> None:
    assert mentions(kind, value, message) is held  # type: ignore[arg-type]
