"""What a user does with its own hands: values it takes from the agent's words, and what a refusal teaches it."""

import json

from envsim.goal import Ability, Item, UserGoal
from envsim.types import Action, UserCall
from envsim.user.agenda import AgendaUser
from envsim.user.persona import Kind, Persona, Population

CALM = Population(
    name="calm", kinds=(Kind(persona=Persona(claim_undone=0, drift=0, thorough=1.0, mind_change=0, early_second=0)),)
)


class Hands:
    """Answers every call with `result`, and keeps the calls."""

    def __init__(self, result):
        self.result, self.calls = result, []

    def tools(self):
        return []

    def call(self, name, arguments):
        self.calls.append((name, arguments))
        return UserCall(action=Action.call(name, **arguments), result=json.dumps(self.result))


def a_user(ability, result):
    goal = UserGoal(
        items=(Item(id="wish", want="have it sorted", done_words=("sorted",)),), abilities={"act": ability}, login="ann"
    )
    hands = Hands(result)
    user = AgendaUser(CALM)
    user.reset(goal, 0, hands)
    return user, hands


def test_a_number_taken_from_the_agents_words_is_a_number():
    ability = Ability(tool="get_order", arguments={"number": "{said}"}, reads="number", ask=("open the order",))
    user, hands = a_user(ability, {"ok": True})
    user.hear("Please open the order #100219.")
    assert hands.calls == [("get_order", {"number": 100219})]


def test_a_text_taken_from_the_agents_words_stays_one():
    ability = Ability(tool="apply_coupon", arguments={"code": "{said}"}, ask=("enter the code",))
    user, hands = a_user(ability, {"ok": True})
    user.hear("Please enter the code 10042.")
    assert hands.calls == [("apply_coupon", {"code": "10042"})]


def test_what_the_page_says_is_wrong_is_told_when_asked_for():
    refused = {"error": {"code": "expired_coupon", "message": "The coupon WINTER25 expired on 2026-01-31."}}
    ability = Ability(
        tool="apply_coupon", arguments={"code": "WINTER25"}, ask=("try the coupon",),
        teaches={"error_message": "error.message"},
    )  # fmt: skip
    user, _ = a_user(ability, refused)
    tried = user.hear("Please try the coupon again.")
    assert "cannot:act" in tried.acts
    told = user.hear("What is the error message?")
    assert told.fault == ""
    assert "The coupon WINTER25 expired on 2026-01-31" in told.text
