"""What a user does with its own hands: values it takes from the agent's words, and what a refusal teaches it."""

import json

import pytest

from envsim.goal import Ability, Item, UserGoal
from envsim.types import Action, UserCall
from envsim.user.agenda import AgendaUser
from envsim.user.persona import Kind, Persona, Population
from envsim.user.understand import Reader

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


def read(goal, text):
    return [act[:2] for act in Reader(goal).read(text).acts]


WISHLIST = UserGoal(
    unknown={"gone": ("still", "showing"), "why": ("reason",)},
    items=(Item(id="forget", want="take it off my wishlist", done_words=("removed",)),),
    abilities={
        "remove": Ability(tool="remove", ask=("remove", "delete", "wishlist"), teaches={"gone": "ok"}),
    },
    login="ann",
)  # fmt: skip


def test_what_is_taught_can_have_words_of_its_own_to_be_asked_by():
    assert ("request", "gone") in read(WISHLIST, "What is still showing there?")


@pytest.mark.parametrize(
    "text",
    [
        "I can't edit your wishlist, but you can delete it yourself.",
        "Sign in to your account, open the list and remove it there.",
        "Once you are signed in, remove it from the list.",
        "Now delete it, please.",
        "Did you remove it?",
    ],
)
def test_what_asks_the_user_to_act(text):
    assert ("do", "remove") in read(WISHLIST, text)


@pytest.mark.parametrize(
    "text",
    [
        "Perfect, I can see it has now been removed from your wishlist.",
        "I cannot delete it.",
        "Your wishlist is now updated.",
    ],
)
def test_what_does_not(text):
    assert "do" not in {kind for kind, _ in read(WISHLIST, text)}


def test_what_can_be_seen_is_reported():
    assert ("claim", "forget") in read(WISHLIST, "I can see it has been removed.")
    assert ("claim", "forget") not in read(WISHLIST, "I can only say it has been removed once it was.")


def test_a_relative_clause_asks_for_nothing():
    assert ("request", "why") not in read(WISHLIST, "It was sold out, which is the reason it went.")
    assert ("request", "why") in read(WISHLIST, "Sorry, which reason?")


def test_who_is_asked_whether_it_did_what_it_did_does_not_do_it_again():
    ability = Ability(tool="add", arguments={"sku": "{said}"}, ask=("add",))
    user, hands = a_user(ability, {"ok": True})
    user.hear("Please add the article CA194-1 to your cart.")
    assert user.hear("Did you add the article CA194-1?").acts[0] == "inform_yes:act"
    assert len(hands.calls) == 1
    user.hear("Please add the article CA194-1 once more.")
    assert len(hands.calls) == 2


def test_what_is_handed_over_to_the_user_is_not_refused():
    ability = Ability(tool="act", ask=("do it",))
    user, _ = a_user(ability, {"ok": True})
    user.hear("I cannot sort that for you. Please do it yourself in your account.")
    assert user.statuses["wish"] == "open"
    user.hear("I cannot sort that.")
    user.hear("I cannot sort that.")
    user.hear("I cannot sort that.")
    user.hear("I cannot sort that.")
    assert user.statuses["wish"] == "refused"


def test_who_only_said_it_had_done_it_remembers_what_was_to_be_entered():
    boastful = Population(name="boastful", kinds=(Kind(persona=Persona(claim_undone=1.0, drift=0)),))
    ability = Ability(
        tool="apply_coupon", arguments={"code": "{said}"}, ask=("enter",), teaches={"coupon_code": "coupon"}
    )  # fmt: skip
    goal = UserGoal(items=(Item(id="wish", want="have it sorted"),), abilities={"act": ability}, login="ann")
    hands, user = Hands({"coupon": "DESK1"}), AgendaUser(boastful)
    user.reset(goal, 0, hands)
    assert "claim:act" in user.hear("Please enter DESK1 in your cart.").acts
    assert hands.calls == []
    assert "DESK1" in user.hear("What is the coupon code there?").text
    assert hands.calls == [("apply_coupon", {"code": "DESK1"})]
