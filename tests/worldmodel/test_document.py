"""Documents: what a transition reads as, and that anything reads back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.page.lines import parse_lines
from envsim.types import Event, Message, Observation, Transition
from worldmodel.document import (
    cents,
    observation_lines,
    read_outline,
    result_lines,
    result_text,
    to_lines,
    to_transition,
    units,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["total_cents", "a_cents"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_a_json_result_survives_its_outline(value: object) -> None:
    assert json.loads(result_text(result_lines(json.dumps(value)))) == value


@given(JSON)
def test_amounts_survive_being_written_in_units(value: object) -> None:
    assert cents(units({"price_cents": value})) == {"price_cents": value}


def test_an_amount_reads_as_pages_show_it() -> None:
    assert units({"total_cents": 173805, "qty": 3}) == {"total_cents": "¢1,738.05", "qty": 3}


def test_plain_text_results_survive() -> None:
    for text in ("", "Error: no such flight", "{broken", "[" * 100):
        assert result_text(result_lines(text) if text else ()) == text


@given(st.lists(st.text(max_size=40), max_size=12), st.sampled_from(["browser", "tools"]))
def test_any_lines_give_a_transition(lines: list[str], interface: str) -> None:
    observation = to_transition(lines, interface).observation
    parse_lines(observation.page)


@given(
    st.lists(
        st.sampled_from(["- {", "- [", '  "a": {', '"b": 1', "- 2", '    "c": [', "      - x", "  - []"]), min_size=1
    )
)
def test_any_outline_gives_json(lines: list[str]) -> None:
    if set(lines) == {"      - x"}:  # the one line here whose value is not JSON
        with pytest.raises(ValueError, match="outline"):
            read_outline(lines)
    else:
        json.dumps(read_outline(lines))


def test_a_transition_survives_its_document() -> None:
    transition = Transition(
        observation=Observation(
            url="/cart?x=1",
            title='The "cart"',
            page='main\n  link "Home" [e6agx] -> /\n  text "a \\" b"',
            error="no",
            messages=(Message(role="user", text="hi\nthere"),),
        ),
        delta=(("carts/me/pan", 2), ("carts/me/lamp",), ("orders/1", {"total_cents": 1999, "lines": [1]})),
        events=(Event(kind="bug", id="stale-price"),),
        trust=0.5,
    )
    read = to_transition(to_lines(transition), "browser", 0.5)
    assert read.delta == transition.delta
    assert read.events == transition.events
    assert observation_lines(read.observation) == observation_lines(transition.observation)
    assert read.observation.messages == transition.observation.messages
