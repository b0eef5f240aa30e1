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


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 6))
def test_date_with_a_weekday_is_that_weekday(day: date, shift: int) -> None:
    weekday = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[shift]
    for text in (f"{weekday}, {day.strftime('%B')} {day.day}, {day.year}", f"{weekday[:3]}. {day.isoformat()}"):
        assert (parse_date(text) == day) is (day.weekday() == shift)
        assert parse_date(text) in (day, None)


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_date_in_digits_is_never_read_as_another_day(day: date) -> None:
    """Day first or month first: where a reader could take it for another day, nothing is read."""
    for text in (
        f"{day.day}/{day.month}/{day.year}",
        f"{day.month}/{day.day}/{day.year}",
        f"{day.day}.{day.month}.{day.year}",
    ):
        ambiguous = day.day <= 12 and day.day != day.month
        assert parse_date(text) == (None if ambiguous else day)


@pytest.mark.parametrize("text", ["the 2nd of March 2026", "2-Mar-2026", "2026 March 2", "on Monday, 2 March 2026"])
def test_date_in_words(text: str) -> None:
    assert parse_date(text) == date(2026, 3, 2)


@pytest.mark.parametrize(
    "text", ["March 2", "2 March 26", "3/2/26", "02-03-2026", "next Monday", "March 2 or 3, 2026", "²/3/2026"]
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


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


@pytest.mark.parametrize(
    ("items", "expected", "given_", "held"),
    [
        ("money", ["$5.00", "$12.50"], "12.5 USD, 5", True),
        ("money", ["$5.00", "$12.50"], ["$5", "$12.51"], False),
        ("money", ["$5.00"], ["$5", "$5"], False),
        ("number", [1, 2, 2], "2; 1 and 2", True),
        ("number", [1, 2], [1, True], False),
        ("date", ["2026-03-02", "2026-04-01"], "April 1, 2026; March 2, 2026", True),
        ("name", ["Maya Thornton", "Zoë Müller"], "Muller, Zoe; Maya Thornton", True),
        ("name", ["Maya Thornton", "Zoë Müller"], "Maya Thornton and Zoe Muller", True),
        ("name", ["Maya Thornton"], "Maya Thornton; Zoe Muller", False),
        ("name", ["Maya Thornton"], None, False),
    ],
)
def test_set_of_typed_items(items: str, expected: list[object], given_: object, held: bool) -> None:
    assert same("set", expected, given_, items=items) is held  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 10**6), max_size=5), st.lists(st.integers(0, 10**6), max_size=5), st.randoms())
def test_set_of_money_is_equal_only_to_its_own_amounts(one: list[int], other: list[int], shuffler: object) -> None:
    mixed = [FORMATS["amount"](cents) for cents in one]
    shuffler.shuffle(mixed)  # type: ignore[attr-defined]
    assert same("set", [FORMATS["money"](cents) for cents in one], mixed, items="money")
    same_amounts = sorted(one) == sorted(other)
    assert (
        same("set", list(map(FORMATS["money"], one)), list(map(FORMATS["amount"], other)), items="money")
        == same_amounts
    )


def test_money_knows_other_currencies() -> None:
    assert same("money", "CHF 5", "5 chf")
    assert not same("money", "CHF 5", "$5")


@given(st.decimals(-1000, 1000, places=2), st.decimals(-1000, 1000, places=2), st.decimals(0, 10, places=2))
def test_tolerance_is_the_greatest_difference(one: Decimal, other: Decimal, tolerance: Decimal) -> None:
    held = same("number", str(one), str(other), float(tolerance))
    assert held == (abs(one - other) <= tolerance)
    assert held == same("number", str(other), str(one), float(tolerance))


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
        ("date", "2026-03-02", "It came on **2026-03-02**.", True),
        ("date", "2026-03-02", "It arrives on March 2nd.", True),
        ("date", "2026-03-02", "It arrives on 2 Mar.", True),
        ("date", "2026-03-02", "It arrives on March 2, 2025.", False),
        ("date", "2026-03-02", "It arrives on March 22.", False),
        ("date", "2026-03-02", "March 2/3", False),
        ("money", "$12.50", "- **Kettle** - $12.50", True),
        ("money", "$12.50", "Kettle\u2014**$12.50**", True),
        ("money", "$12.50", "A balance of -$12.50", False),
        ("number", 4, "| left | `4` |", True),
        ("text", "Blue Kettle", "I'd take the **Blue Kettle**, or [Red Kettle](x).", True),
        ("text", "Blue Kettle", "The Blue Kettle's price fell.", True),
        ("text", "snake_case", "It is `snake_case`.", True),
        ("text", "refundable", "It is non-refundable.", False),
    ],
)
def test_mentions_whole_tokens(kind: str, value: object, message: str, held: bool) -> None:
    assert mentions(kind, value, message) is held  # type: ignore[arg-type]
