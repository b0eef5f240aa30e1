"""The monitor catches what no simulator may do, whoever it is; each planted fault beside its honest twin."""

import pytest

from envsim.goal import UserGoal
from envsim.types import Action, UserCall, UserTurn
from envsim.user.invariants import Monitor
from envsim.user.understand import Reader

GOAL = UserGoal.model_validate(
    {
        "facts": {
            "email": {"value": "sara@example.com", "identity": True},
            "order_number": {"value": "W-10234", "reveal": "open", "wrong": "W-10243"},
            "bought_on": {"value": "2026-03-02", "type": "date"},
            "street": {"value": "12 Oak Street"},
            "colour": {"value": "teal"},
            "card": {"value": "4417", "reveal": "authenticated"},
        },
        "unknown": {"tracking_number": ["tracking"]},
        "items": [
            {"id": "refund", "want": "return my blue mug", "limits": [{"about": "the fee", "at_most": 5}]},
            {"id": "cancel", "want": "cancel my subscription to the magazine", "after": ["refund"]},
        ],
        "changes": [{"fact": "street", "value": "7 Elm Road", "say": "Make it {value}."}],
        "abilities": {"inbox": {"tool": "messages", "ask": ["check your inbox"], "teaches": {"code": "code"}}},
        "login": "sara@example.com",
    }
)
OPEN = {"refund": "open", "cancel": "open"}
DONE = {"refund": "done", "cancel": "refused"}


def fault(*said, turn, status=None):
    """What is found in a turn after the agent's messages `said`; a text is a turn of that text."""
    reader = Reader(GOAL)
    monitor = Monitor(GOAL, reader)
    for text in said:
        monitor.hear(reader.read(text))
    turn = turn if isinstance(turn, UserTurn) else UserTurn(text=turn)
    return monitor.check(turn, OPEN if status is None else status)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("My order is W-99999.", "W-99999"),
        ("I paid $77.20 for it.", "$77.20"),
        ("I bought it on March 3, 2026.", "March 3, 2026"),
        ("Write to bob@example.com then.", "bob@example.com"),
        ("My friend Bartholomew has it.", "Bartholomew"),
        ("It was 14 days ago.", "14"),
        ("I want $50 back.", "$50"),
        ("She said 'come back 8 times'.", "8"),
    ],
)
def test_a_value_from_nowhere(text, value):
    found = fault("What is your order number, email, street, colour and when was it bought on?", turn=text)
    assert repr(value) in found or "neither the goal" in found


@pytest.mark.parametrize(
    "text",
    [
        "It's W-10234.",
        "It's w-10234!",
        "Sorry, W-10243.",
        "The fee must be at most $5.",
        "at most 5 dollars",
        "I want to return my blue mug. I really do.",
        "Hi! Thanks, OK. PLEASE hurry up, I'm waiting since Monday.",
    ],
)
def test_values_of_the_goal_are_no_fault(text):
    assert fault(turn=text) == ""


def test_a_part_of_an_amount_is_another_amount_and_a_part_of_a_code_is_not():
    assert "$50" in fault("You get $34.50 back.", turn="I want $50 back.")
    assert fault(turn="The order ends in 10234.") == ""


def test_a_small_number_is_no_secret_where_it_is_something_else_as_well():
    facts = {"quantity": {"value": 3, "type": "number"}, "paid": {"value": 12.5, "type": "money"}}
    item = {"id": "refund", "want": "return 3 mugs"}
    reader = Reader(goal := UserGoal.model_validate({"facts": facts, "items": [item]}))
    monitor = Monitor(goal, reader)
    assert monitor.check(UserTurn(text="I want to return 3 mugs."), {"refund": "open"}) == ""
    assert "the paid" in monitor.check(UserTurn(text="They cost 12.50 dollars."), {"refund": "open"})
    other = UserGoal.model_validate({"facts": facts, "items": [{"id": "refund", "want": "return mugs"}]})
    assert "the quantity" in Monitor(other, Reader(other)).check(UserTurn(text="3 mugs."), {"refund": "open"})


def test_a_limit_kept_back_until_an_offer_breaks_it():
    item = {"id": "refund", "want": "return it", "limits": [{"about": "the fee", "at_most": 7, "reveal": "asked"}]}
    reader = Reader(goal := UserGoal.model_validate({"items": [item]}))
    monitor = Monitor(goal, reader)
    turn = UserTurn(text="No more than $7, please.")
    assert monitor.check(turn, {"refund": "open"}) == "it told its limit on 'refund' before anything was offered"
    monitor.hear(reader.read("There is a fee of $9."))
    assert monitor.check(turn, {"refund": "open"}) == ""


def test_values_of_the_agent_and_of_tools_are_no_fault():
    assert fault("There is a fee of $9.99 and Mr. Webb will call.", turn="No, $9.99 is too much, Mr Webb.") == ""
    call = UserCall(action=Action.call("messages"), result='{"code": "K7-220"}')
    assert fault(turn=UserTurn(text="The code is K7-220.", calls=(call,))) == ""
    assert "K7-220" in fault(turn="The code is K7-220.")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My email is sara@example.com.", "email"),
        ("I bought it on March 2, 2026.", "bought on"),
        ("since 2026-03-02", "bought on"),
        ("I live at 12 oak street!", "street"),
        ("I live at 7 Elm Road.", "street"),
        ("It is the teal one.", "colour"),
    ],
)
def test_a_fact_nobody_asked_for(text, name):
    assert fault("How can I help?", turn=text) == f"it told the {name} before it was asked for"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("Your email?", "sara@example.com"),
        ("When was it bought on? I need the street too.", "March 2, 2026, at 12 Oak Street."),
        ("Is it the teal one?", "Yes, the teal one."),
    ],
)
def test_a_fact_asked_for_may_be_told(asked, text):
    assert fault(asked, turn=text) == ""


def test_nothing_is_authenticated_before_authentication():
    reader = Reader(GOAL)
    monitor = Monitor(GOAL, reader)
    monitor.hear(reader.read("What are your card digits and your email?"))
    assert monitor.check(UserTurn(text="4417"), OPEN) == "it told the card before it was authenticated"
    assert monitor.check(UserTurn(text="sara@example.com"), OPEN) == ""
    assert monitor.check(UserTurn(text="4417"), OPEN) == ""


def test_authentication_alone_is_no_question():
    reader = Reader(GOAL)
    monitor = Monitor(GOAL, reader)
    monitor.hear(reader.read("Your email?"))
    assert monitor.check(UserTurn(text="sara@example.com"), OPEN) == ""
    assert "before it was asked for" in monitor.check(UserTurn(text="4417"), OPEN)


def test_what_the_user_does_not_know():
    turn = UserTurn(text="It is the one you sent.", acts=("inform:tracking_number",))
    assert fault("The tracking number?", turn=turn) == "it told the tracking number, which it does not know"
    assert "1Z999" in fault("The tracking number?", turn="It's 1Z999.")


def test_a_wish_before_its_time():
    text = "I also want to cancel my subscription to the magazine."
    assert fault(turn=text) == "it voiced 'cancel' while 'refund' was open"
    assert fault(turn=text, status={"refund": "refused", "cancel": "open"}) == ""
    assert fault(turn=UserTurn(text=text, decisions=("early_second:cancel",))) == ""


def test_an_end_too_early():
    bye = UserTurn(text="Bye.", done=True)
    assert fault(turn=bye, status={"refund": "attempted", "cancel": "open"}) == (
        "it stopped while 'refund' was being worked on"
    )
    assert fault(turn=bye, status=DONE) == ""
    assert fault(turn=bye.model_copy(update={"decisions": ("give_up",)})) == ""
    assert fault(turn=bye.model_copy(update={"decisions": ("transferred",)})) == ""


def test_a_user_without_bookkeeping_may_stop_once_the_agent_has_reported():
    bye = UserTurn(text="Bye.", done=True)
    reader = Reader(GOAL)
    monitor = Monitor(GOAL, reader)
    assert "stopped" in monitor.check(bye)
    monitor.hear(reader.read("Everything has been completed. Anything else?"))
    assert monitor.check(bye) == ""


def test_silence_is_a_fault():
    assert fault(turn="") == "it said nothing"


def test_a_copy_is_independent():
    reader = Reader(GOAL)
    monitor = Monitor(GOAL, reader)
    copy = monitor.copy()
    monitor.hear(reader.read("Your email? Call 555-0100."))
    assert monitor.check(UserTurn(text="sara@example.com 555-0100"), OPEN) == ""
    assert copy.check(UserTurn(text="555-0100"), OPEN) != ""
    assert copy.check(UserTurn(text="sara@example.com"), OPEN) != ""
