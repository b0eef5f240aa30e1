from __future__ import annotations

from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.policy.steps import Do, Save, Until, When, parse_steps


def test_every_kind_of_step() -> None:
    steps = parse_steps(
        [
            'fill("@textbox Quantity", "{quantity}")',
            {
                "when": ["@dialog", "!@heading Done", "error != ''"],
                "do": ["go_back()"],
                "else": ['click("@button Go")'],
            },
            {"until": "@heading Done", "do": ['click("@button Go")'], "max": 3},
            {"save": {"n": "@heading", "m": "result.id"}, "pattern": "#([0-9]+)"},
            'place_order(cart="{saved.n}", lines=[{"sku": "{sku}"}])',
            'send_msg_to_user("Done: {saved.n}")',
            'answer("{saved.m}")',
        ]
    )
    assert [type(step) for step in steps] == [Do, When, Until, Save, Do, Do, Do]
    fill = steps[0]
    assert isinstance(fill, Do)
    assert fill.located.keys() == {"bid"}
    assert fill.arguments == {"value": "{quantity}"}
    when = steps[1]
    assert isinstance(when, When)
    assert [(bool(term.locator), term.negated) for term in when.terms] == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("click(", r"oracle\[1\]: Cannot read"),
        ("click(@button)", r"oracle\[1\]"),
        ('click("@Button")', "not a locator"),
        (3, "a step is a call string or a table"),
        ({}, "one of the keys when, until, save"),
        ({"while": "@a", "do": []}, "one of the keys"),
        ({"when": "@dialog"}, "needs `do`"),
        ({"when": "@dialog", "do": [], "max": 3}, "'max' does not go with 'when'"),
        ({"when": 3, "do": []}, "a condition is a locator or a query"),
        ({"when": "a[", "do": []}, "not a JMESPath"),
        ({"until": "@a", "do": [], "max": 0}, "positive whole number"),
        ({"until": "@a", "do": [], "max": True}, "positive whole number"),
        ({"until": "@a", "do": ["x("]}, r"oracle\[1\]\.do\[0\]: Cannot read"),
        ({"save": "@heading"}, "needs a table"),
        ({"save": {"a": "@heading"}, "pattern": "("}, "not a regular expression"),
        ({"save": {"a": "@heading"}, "pattern": "a"}, "needs one group"),
        ({"save": {"a": "message"}, "pattern": "(a)", "optional": 1}, "optional is true or false"),
    ],
)
def test_malformed_steps_are_named_by_position(step: Any, message: str) -> None:
    with pytest.raises(ContentError, match=message):
        parse_steps(['click("@button Go")', step])


def test_the_oracle_is_a_list() -> None:
    with pytest.raises(ContentError, match="expected a list of steps"):
        parse_steps("click()")  # type: ignore[arg-type]
