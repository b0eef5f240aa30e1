"""Typed values read from an agent's words, and their comparison.

The *whole* text must be the value: "incorrect" is not "correct", "$12.50 or $13" is no amount.
What is forgiven is notation ("$1,234.50", "1234.5 USD", "March 2, 2026", "Müller, Zoë"), never content;
what could mean two things ("3/2/2026") is not read at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from envsim.reward.names import Name, parse_name, same_name

ValueType = Literal["money", "number", "date", "name", "text", "set", "boolean"]

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(rf"(?P<sign>[+-]?) ?(?P<digits>{_DIGITS})")
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}
_WORDS = {"dollar": "USD", "dollars": "USD", "euro": "EUR", "euros": "EUR", "pound": "GBP", "pounds": "GBP"}
_CODES = "usd|eur|gbp|chf|cad|aud|nzd|jpy|cny|inr|sek|nok|dkk|pln|brl|mxn"
_CURRENCY = rf"[$€£]|us\$|{_CODES}|{'|'.join(sorted(_WORDS, reverse=True))}"
_MONEY = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<before>{_CURRENCY})? ?(?P<sign2>-?)(?P<digits>{_DIGITS}) ?(?P<after>{_CURRENCY})?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
         "november", "december")  # fmt: skip
_YEAR = re.compile(r"\d{4}")
_WEEKDAY = re.compile(r"^(?:on )?(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? ")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ISO = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[t ]\d{1,2}:\d{2}.*)?")
_MONTH_DAY = re.compile(r"([a-z]+)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_DAY_MONTH = re.compile(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)?[ -](?:of )?([a-z]+)\.?,?[ -](\d{4})")
_YEAR_MONTH = re.compile(r"(\d{4}),? ([a-z]+)\.? (\d{1,2})(?:st|nd|rd|th)?")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_TRUE = frozenset({"yes", "true", "y"})
_FALSE = frozenset({"no", "false", "n"})
_MARKS = re.compile(r"[*`|\[\]]+|(?<!\w)[_~#]+|[_~]+(?!\w)")
"""Mark-up of chat messages: emphasis, code, tables, headings, links."""
_FOLD = str.maketrans("‘’“”–—−\u00a0", "''\"\"--- ")


@dataclass(frozen=True)
class Money:
    """An amount in major units; `currency` is None where none was named."""

    amount: Decimal
    currency: str | None


def normalise(text: str) -> str:
    """`text` without differences nobody means: case, unicode form, quotes, spaces, a final full stop."""
    folded = " ".join(unicodedata.normalize("NFKC", text.translate(_FOLD)).casefold().split())
    while len(folded) > 1 and folded[0] == folded[-1] and folded[0] in "\"'`":
        folded = folded[1:-1].strip()
    return folded[:-1].rstrip() if folded.endswith(".") and not folded.endswith("..") else folded


def parse_money(value: Any) -> Money | None:
    """An amount of money, or None: ``"$1,234.50"``, ``"1234.5 USD"``, ``-3``, ``"USD 12"``."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        amount = _decimal(value)
        return None if amount is None else Money(amount, None)
    if not isinstance(value, str):
        return None
    match = _MONEY.fullmatch(normalise(value))
    if match is None or (match["sign"] and match["sign2"]):
        return None
    named = {_currency(part) for part in (match["before"], match["after"]) if part}
    if len(named) > 1:
        return None
    amount = Decimal(match["digits"].replace(",", ""))
    if "-" in (match["sign"], match["sign2"]):
        amount = -amount
    return Money(amount, named.pop() if named else None)


def parse_number(value: Any) -> Decimal | None:
    """A finite number, or None; thousands separators must be in their places."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _decimal(value)
    if not isinstance(value, str):
        return None
    match = _NUMBER.fullmatch(normalise(value))
    if match is None:
        return None
    number = Decimal(match["digits"].replace(",", ""))
    return -number if match["sign"] == "-" else number


def parse_date(value: Any) -> date | None:
    """A calendar day, or None: ISO (a time of day is ignored), ``March 2, 2026``, ``2nd of Mar 2026``, ``2-Mar-2026``.

    ``3/2/2026`` and ``3.2.2026`` are read only where they can mean one day: no order of day and month is assumed.
    A day without a year, a year of two digits, and a weekday that the day is not, are no dates.
    """
    if not isinstance(value, str):
        return None
    text = normalise(value)
    weekday = _WEEKDAY.match(text)
    day = _read_day(text[weekday.end() :] if weekday else text)
    if day is not None and weekday and _WEEKDAYS[day.weekday()] != weekday[1][:3]:
        return None
    return day


def _read_day(text: str) -> date | None:
    if match := _ISO.fullmatch(text):
        return _day(int(match[1]), int(match[2]), int(match[3]))
    if match := _MONTH_DAY.fullmatch(text):
        return _day(int(match[3]), _month(match[1]), int(match[2]))
    if match := _DAY_MONTH.fullmatch(text):
        return _day(int(match[3]), _month(match[2]), int(match[1]))
    if match := _YEAR_MONTH.fullmatch(text):
        return _day(int(match[1]), _month(match[2]), int(match[3]))
    if match := _SLASHED.fullmatch(text):
        one, two, year = int(match[1]), int(match[2]), int(match[3])
        readings = {day for day in (_day(year, one, two), _day(year, two, one)) if day is not None}
        return readings.pop() if len(readings) == 1 else None
    return None


def parse_boolean(value: Any) -> bool | None:
    """A truth value, or None: JSON booleans, yes/no, true/false."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    word = normalise(value)
    return True if word in _TRUE else False if word in _FALSE else None


def parse_text(value: Any) -> str | None:
    """Normalised text, or None for what is neither text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return normalise(str(value)) or None


def parse_set(value: Any, *, split_and: bool = False) -> Counter[str] | None:
    """Items in any order, each counted: a JSON list, or text parted by commas, semicolons or lines.

    With `split_and`, the word "and" parts items as well.
    """
    found = parts(value, split_and=split_and)
    if found is None:
        return None
    items = [parse_text(item) for item in found]
    return None if None in items else Counter(item for item in items if item is not None)


def parts(value: Any, items: ValueType = "text", *, split_and: bool = False) -> list[Any] | None:
    """The items of a JSON list, or of a text of several; None for anything else.

    Names and dates hold commas of their own, so a text of them is parted by semicolons and lines only.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        return None
    # A comma within a number parts nothing: "$1,234" is one item.
    comma = "" if items in ("name", "date") else r",(?!\d{3}\b)|"
    found = re.split(rf"(?:{comma};|\n)(?:\s*and\b)?" + (r"|\band\b" if split_and else ""), value)
    return [part for part in found if part.strip()]


_PARSERS: dict[ValueType, Callable[[Any], Any]] = {
    "money": parse_money,
    "number": parse_number,
    "date": parse_date,
    "name": parse_name,
    "text": parse_text,
    "set": parse_set,
    "boolean": parse_boolean,
}


def parse(kind: ValueType, value: Any) -> Any:
    """`value` read as `kind`, or None."""
    return _PARSERS[kind](value)


def same(
    kind: ValueType,
    expected: Any,
    actual: Any,
    tolerance: float = 0.0,
    units: Iterable[str] = (),
    items: ValueType = "text",
) -> bool:
    """Whether two values, each in any notation, are the same as `kind`.

    Args:
        kind: How both are read; a value that cannot be read equals nothing.
        expected: What is right.
        actual: What the agent gave.
        tolerance: Largest absolute difference, for money (major units) and number, and for such items of a set.
        units: What may follow a number: ``["days"]`` reads "14 days" as 14.
        items: How the items of a set are read.
    """
    if kind == "set":
        return _same_set(expected, actual, tolerance, items)
    left, right = parse(kind, expected), parse(kind, _without_unit(actual, units))
    if left is None or right is None:
        return False
    if isinstance(left, Name):
        return same_name(left, right)
    if isinstance(left, Money):
        if left.currency and right.currency and left.currency != right.currency:
            return False
        left, right = left.amount, right.amount
    if isinstance(left, Decimal):
        return bool(abs(left - right) <= Decimal(str(tolerance)))
    return bool(left == right)


def _same_set(expected: Any, actual: Any, tolerance: float, items: ValueType) -> bool:
    if items == "text":
        left, right = parse_set(expected), parse_set(actual)
        # "salt and pepper" may be one item or two; the expected items decide.
        return left is not None and (left == right or left == parse_set(actual, split_and=True))
    wanted = parts(expected, items)
    return wanted is not None and any(
        _pair_off(wanted, given, tolerance, items)
        for given in (parts(actual, items), parts(actual, items, split_and=True))
        if given is not None
    )


def _pair_off(wanted: list[Any], given: list[Any], tolerance: float, items: ValueType) -> bool:
    """Whether each item has a partner of its own. Tolerances are smaller than differences, so the first will do."""
    left = list(given)
    for item in wanted:
        at = next((at for at, other in enumerate(left) if same(items, item, other, tolerance)), None)
        if at is None:
            return False
        del left[at]
    return not left


def _without_unit(value: Any, units: Iterable[str]) -> Any:
    if isinstance(value, str):
        text = normalise(value)
        for unit in sorted(map(normalise, units), key=len, reverse=True):
            if text.endswith(unit):
                return text.removesuffix(unit)
    return value


def shows(text: str, value: str) -> bool:
    """Whether `text`, a page or JSON, holds `value` as whole words, in any case."""
    wanted = normalise(value)
    if not wanted:
        return False
    folded = " ".join(unicodedata.normalize("NFKC", text.translate(_FOLD)).casefold().split())
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", folded) is not None


def mentions(kind: ValueType, expected: Any, message: str, tolerance: float = 0.0) -> bool:
    """Whether `message` has a run of whole tokens that is `expected` as `kind`.

    Emphasis and other mark-up parts tokens (``**$12.50**``), a dash with a space behind it is no minus sign
    (``Kettle - $12.50``), a text may have a genitive's ending, and a day may go without its year (``January 28``).
    """
    text = unicodedata.normalize("NFKC", message.replace("\u2014", " - ").translate(_FOLD)).casefold()
    text = _MARKS.sub(" ", text)
    if kind == "date" and (day := parse_date(expected)) is not None and _without_year(day, text):
        return True
    return any(same(kind, expected, part, tolerance) for part in _parts(kind, expected, text))


def _without_year(day: date, text: str) -> bool:
    month = rf"(?:{_FULL[day.month - 1]}|{_MONTHS[day.month - 1]}t?\.?)"
    number = rf"0?{day.day}(?:st|nd|rd|th)?"
    return re.search(rf"\b(?:{month} {number}|{number} (?:of )?{month})(?![\w/-])(?!,? ?\d{{4}})", text) is not None


def _parts(kind: ValueType, expected: Any, text: str) -> Iterator[str]:
    if kind in ("money", "number"):
        text = re.sub(r"(?<!\S)- +", " ", text)
    if kind == "money":
        yield from (m[0].strip() for m in re.finditer(rf"(?<![\w.,]){_MONEY.pattern}(?![\w]|[.,]\d)", text))
    elif kind == "number":
        yield from (m[0] for m in re.finditer(rf"(?<![\w.,$€£]){_NUMBER.pattern}(?![\w%]|[.,]\d)", text))
    else:
        # Runs of words, as many as the expected notation may have. The comma of "Last, First" belongs to the name.
        words = re.findall(r"[^\s;:!?()]+" if kind == "name" else r"[^\s,;:!?()]+", text)
        longest = 7 if kind == "date" else len(str(expected).split()) + (kind == "name")
        for size in range(1, longest + 1):
            for at in range(len(words) - size + 1):
                part = " ".join(words[at : at + size]).strip(",.")
                if kind != "date" or _YEAR.search(part):  # a day has a year: spares long messages most of the work
                    yield part
                if kind == "text" and part.endswith("'s"):
                    yield part.removesuffix("'s")


def _decimal(value: float) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:  # pragma: no cover - str of a number is always a decimal
        return None
    return number if number.is_finite() else None


def _currency(text: str) -> str:
    text = text.removeprefix("us") if text == "us$" else text
    return _SYMBOLS.get(text) or _WORDS.get(text) or text.upper()


def _month(word: str) -> int:
    if word in _FULL:
        return _FULL.index(word) + 1
    word = "sep" if word == "sept" else word
    return _MONTHS.index(word) + 1 if word in _MONTHS else 0


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
