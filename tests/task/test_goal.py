"""What a goal must hold together, and how a task file's [user] table becomes one."""

from __future__ import annotations

from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.goal_template import fill_goal

ITEM = {"id": "refund", "want": "return the kettle"}
GOAL: dict[str, Any] = {"facts": {"code": {"value": 1}}, "unknown": {"date": ["when"]}, "items": [ITEM]}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"items": []}, "items: Tuple should have at least 1 item"),
        ({"items": [ITEM, ITEM]}, "two items have one id"),
        ({"unknown": {"code": ["code"]}}, "'code' is both known and unknown"),
        ({"items": [{**ITEM, "tells": ["date"]}]}, "items.refund.tells names 'date'; there are: code"),
        ({"items": [{**ITEM, "needs": ["name"]}]}, "items.refund.needs names 'name'; there are: code, date"),
        ({"items": [{**ITEM, "learns": ["code"]}]}, "items.refund.learns names 'code'; there are: date"),
        ({"items": [{**ITEM, "after": ["refund"]}]}, "items.refund.after names 'refund'; there are: none"),
        ({"changes": [{"fact": "date", "value": 2, "say": "Or {value}."}]}, "changes names 'date'; there are: code"),
        ({"items": [{**ITEM, "limits": [{"about": "the fee"}]}]}, "items.0.limits.0: give at_most"),
        ({"items": [{**ITEM, "check": {"tool": "get_order"}}]}, "abilities and checks need a login"),
        ({"abilities": {"see": {"tool": "get_order", "ask": ["look"]}}}, "abilities and checks need a login"),
        ({"facts": {"Code": {"value": 1}}}, "user.facts.Code"),
        ({"mood": "bad"}, "user.mood: Extra inputs"),
    ],
)
def test_a_goal_that_does_not_hold_together_says_where(change: dict[str, Any], sentence: str) -> None:
    assert fill_goal(GOAL, {}).items[0].id == "refund"
    with pytest.raises(ContentError, match=r"^user") as caught:
        fill_goal({**GOAL, **change}, {})
    assert sentence in str(caught.value)


def test_what_an_ability_teaches_may_be_needed() -> None:
    ability = {"tool": "read_mail", "ask": ["mail"], "teaches": {"pin": "messages.0.pin"}}
    goal = {**GOAL, "login": "ann", "abilities": {"inbox": ability}, "items": [{**ITEM, "needs": ["pin"]}]}
    assert UserGoal.model_validate(goal).items[0].needs == ("pin",)


def test_parameters_are_filled_in_and_what_the_user_fills_in_is_left() -> None:
    table = {
        "facts": {"code": {"value": "{number}", "say": "It is {value}, for {name}."}},
        "items": [{"id": "refund", "want": "return the {name}"}],
        "changes": [{"fact": "code", "value": 5, "say": "Rather {value}."}],
        "login": "ann",
        "abilities": {
            "pay": {
                "tool": "pay", "ask": ["pay"], "report": "Paid {result.total:money} for {name}.",
                "arguments": {"code": "{said}", "order": "{fact.code}", "number": "{number}"},
            },
        },
    }  # fmt: skip
    goal = fill_goal(table, {"number": 7, "name": "kettle"})
    assert goal.facts["code"].value == 7
    assert goal.facts["code"].say == "It is {value}, for kettle."
    assert goal.items[0].want == "return the kettle"
    assert goal.changes[0].say == "Rather {value}."
    assert goal.abilities["pay"].report == "Paid {result.total:money} for kettle."
    assert goal.abilities["pay"].arguments == {"code": "{said}", "order": "{fact.code}", "number": 7}
