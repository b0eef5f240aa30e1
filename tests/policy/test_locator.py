from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.page.lines import Line, format_lines, parse_lines
from envsim.policy.locator import parse_locator, text_of

PAGE = parse_lines(
    """main
  heading "Cart" {level: 1}
  table
    row
      cell "Blue mug"
      cell "$4.00"
      cell
        button "Remove" [eaaaa]
    row
      cell "Red mug"
      cell
        button "Remove" [eaaaa-2]
  term "Total"
  definition "$9.00"
  term "Tax"
  definition "$1.00"
  link "Order # 5" [ebbbb] -> /orders/5
  textbox "Phone" [ecccc] = "555"
  textbox "Note" [effff] = ""
  radio "Express" [edddd] {checked}
  button "Save >> now" [egggg]"""
)


def found(locator: str, **scope: Any) -> str | None:
    at = parse_locator(locator).find(PAGE, scope)
    return None if at is None else PAGE[at].ref or text_of(PAGE, at)


@pytest.mark.parametrize(
    ("locator", "expected"),
    [
        ("@heading Cart", "Cart"),
        ("@heading Car", None),
        ("@heading ~CAR", "Cart"),
        ("@row ~Red >> button Remove", "eaaaa-2"),
        ("@row ~Blue mug >> button", "eaaaa"),
        ("@row ~Green >> button", None),
        ("@heading Cart >> button", None),
        ("@button Remove #2", "eaaaa-2"),
        ("@button ~ remove #-1", None),
        ("@button Remove #-1", "eaaaa-2"),
        ("@button Remove #3", None),
        ("@button Remove #-3", None),
        ("@term Tax + definition", "$1.00"),
        ("@term Total + term", "Tax"),
        ("@link ->/orders/5", "ebbbb"),
        ("@link ->/orders", None),
        ("@link ->~/orders", "ebbbb"),
        ("@textbox Phone = 555", "ecccc"),
        ("@textbox Phone = 55", None),
        ("@textbox = 555", "ecccc"),
        ('@textbox Note = ""', "effff"),
        ("@radio [checked]", "edddd"),
        ("@radio Express [disabled]", None),
        ('@link "Order # 5"', "ebbbb"),
        ("@* ~express", "edddd"),
        ('@button "Save >> now"', "egggg"),
        ("@cell ~$4", "$4.00"),
    ],
)
def test_locators(locator: str, expected: str | None) -> None:
    assert found(locator) == expected


def test_placeholders_are_filled_in_after_parsing() -> None:
    assert found("@row ~{item.name} >> button Remove", item={"name": "Red mug"}) == "eaaaa-2"
    assert found("@button {name}", name="Save >> now") == "egggg"
    assert found("@button {name}", name="Remove #2") is None
    assert found("@textbox Phone = {phone}", phone="555") == "ecccc"


@pytest.mark.parametrize("text", ["@", "@ >> button", "@Button x", "@button ~", "@link ->", "@row >> ", "@button x #0"])
def test_malformed_locators(text: str) -> None:
    with pytest.raises(ContentError):
        parse_locator(text)


NAMES = st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and "\n" not in text)


@given(NAMES)
def test_any_name_can_be_located_through_a_placeholder(name: str) -> None:
    lines = [Line("button", "other"), Line("button", name, ref="eaaaa")]
    shown = parse_lines(format_lines(lines))
    at = parse_locator("@button {wanted}").find(shown, {"wanted": name})
    assert at is not None
    assert shown[at].name.split() == name.split()
