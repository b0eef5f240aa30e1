"""Names of people: what is one person, what may be two, and the laws the comparison keeps."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.reward.names import parse_name
from envsim.reward.typed import mentions, same


@pytest.mark.parametrize(
    ("expected", "given_"),
    [
        ("Maya Thornton", "maya THORNTON"),
        ("Maya Thornton", "Thornton, Maya"),
        ("Zoë Müller", "Zoe Muller"),
        ("Zoë Müller", "Mu\u0308ller, Zoe\u0308"),
        ("Søren Ångström", "Soren Angstrom"),
        ("Jürgen Groß", "JURGEN GROSS"),
        ("Wei O'Brien-Smith", "wei o’brien smith"),
        ("John Quincy Adams", "Adams, John Q."),
        ("John Q. Adams", "John Quincy Adams"),
        ("Dr. Aoife Brennan", "Brennan, Aoife"),
        ("Martin King Jr.", "King, Martin, Jr"),
        ("Martin King, Junior", "Martin King jr."),
        ("Madonna", "madonna."),
        ("Łukasz Æbelø", "Lukasz Aebelo"),
    ],
)
def test_one_person(expected: str, given_: str) -> None:
    assert same("name", expected, given_)
    assert same("name", given_, expected)


@pytest.mark.parametrize(
    ("expected", "given_"),
    [
        ("John Smith", "J. Smith"),
        ("John Smith", "John S."),
        ("John Smith", "Smith John"),
        ("John Smith", "John"),
        ("John Smith", "Smith"),
        ("John Smith", "John Quincy Smith"),
        ("John Quincy Smith", "John Smith"),
        ("John Quincy Smith", "John R. Smith"),
        ("John Smith", "John Smith Jr."),
        ("John Smith Sr.", "John Smith Jr."),
        ("John Smith", "Jon Smith"),
        ("John Smith", "Johnsmith"),
        ("John Smith", "John Smith or Jane Smith"),
        ("John Smith", "John Smith, Jane Smith"),
        ("John Smith", "Smith, John, James"),
        ("Ann Lee", "Anna Lee"),
    ],
)
def test_maybe_two_persons(expected: str, given_: str) -> None:
    assert not same("name", expected, given_)
    assert not same("name", given_, expected)


@pytest.mark.parametrize(
    "value", ["", " ", ",", "Smith,", ", John", "John 5", "a@b", "$5", None, 5, True, ["John"], "a, b, c", "x " * 40]
)
def test_what_is_no_name(value: object) -> None:
    assert parse_name(value) is None
    assert not same("name", value, value)


def is_one_part(text: str) -> bool:
    name = parse_name(f"Abc {text}")
    return name is not None and len(name.parts) == 2


PART = st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=2, max_size=8).filter(is_one_part)
PARTS = st.lists(PART, min_size=2, max_size=4)


@given(PARTS)
def test_a_name_is_itself_in_any_case_form_and_order(words: list[str]) -> None:
    name = " ".join(words)
    assert same("name", name, name)
    if parse_name(name) == parse_name(name.upper()):  # a few letters have no capital of their own
        assert same("name", name, name.upper())
    assert same("name", name, unicodedata.normalize("NFD", name))
    assert same("name", name, f"  {words[-1]},  {' '.join(words[:-1])} ")


@given(PARTS, PARTS)
def test_names_are_symmetric_and_differ_in_their_last_word(one: list[str], other: list[str]) -> None:
    left, right = " ".join(one), " ".join(other)
    assert same("name", left, right) == same("name", right, left)
    if not same("name", one[-1], other[-1]):
        assert not same("name", left, right)


@given(PARTS, PART)
def test_a_part_more_is_another_name(words: list[str], extra: str) -> None:
    assert not same("name", " ".join(words), " ".join([extra, *words]))
    assert not same("name", " ".join(words), " ".join([*words, extra]))


@pytest.mark.parametrize(
    ("message", "held"),
    [
        ("The order was placed by Maya Thornton, yesterday.", True),
        ("It is registered to Thornton, Maya.", True),
        ("It is Ms. Maya Thornton's order.", False),
        ("Maya called; Thornton did not.", False),
        ("Maya Thorntonson", False),
    ],
)
def test_names_in_messages(message: str, held: bool) -> None:
    assert mentions("name", "Maya Thornton", message) is held
