"""Goals of every shape, contradictions too: whatever an author writes, no turn is a fault and every user leaves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.goal import UserGoal
from envsim.testing.user import EXAMPLE, CompetentAgent, ExampleHands, NoisyAgent, play
from envsim.user.agenda import AgendaUser
from envsim.user.persona import builtin_populations, read_population

USERS = [AgendaUser(read_population(name)) for name in builtin_populations()]

VALUES = {
    "text": ["blue", "yes", "no", "May", "W-1", "the parcel was wet, and the lid came off", "12 Oak St., Apt. 4",
             "St. Mary's \"Hall\"", "1Z999AA1", "XL", 7, ["a1", "b2"], "+1 (555) 010-0100", "10:30 am", "ÄÖÜ straße",
             "日本語", "100%", "3 to 5 days", "#99", "a/b.c-d_e", "Order 66", "{value}", "x@y.io"],
    "name": ["Zoë Marchetti", "O'Brien", "bob", "Will May"],
    "money": [12.5, "$40", 1000, 0.1, "12.30 EUR", -3],
    "number": [2, 3.5, -4, 100000],
    "date": ["2026-03-02", "March 5, 2026", "2026-12-31"],
    "boolean": [True, False],
}  # fmt: skip
NAMES = ["email", "order_number", "order", "zip", "size", "reason", "date_of_birth", "account_id", "first_name", "name"]
WANTS = [
    "return my mug",
    "cancel order 66",
    "know where my parcel is",
    "get $12.50 back",
    "stop it",
    "write to Zoë Marchetti",
]
LIMITS = {"money": 5, "number": 3, "date": "2026-04-01"}


@st.composite
def goals(draw) -> UserGoal:
    def some(options, most):
        return draw(st.lists(st.sampled_from(options), max_size=most, unique=True))

    facts = {}
    for name in some(NAMES, 6):
        kind = draw(st.sampled_from(sorted(VALUES)))
        value = st.sampled_from(VALUES[kind])
        facts[name] = {
            "value": draw(value), "type": kind, "wrong": draw(st.none() | value), "identity": draw(st.booleans()),
            "reveal": draw(st.sampled_from(["open", "asked", "authenticated"])),
            "say": draw(st.sampled_from(["", "", "Well: {value}, I think."])),
        }  # fmt: skip
    items = []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from([None, *LIMITS]))
        reveal = draw(st.sampled_from(["open", "asked"]))
        items.append({
            "id": f"i{number}", "want": draw(st.sampled_from(WANTS)),
            "tells": some(sorted(facts), 2) if facts else [], "needs": some(sorted(facts), 3) if facts else [],
            "after": some([f"i{before}" for before in range(number)], 1) if number else [],
            "done_words": some(["refund", "cancel", "address", "order"], 2), "learns": some(["arrival"], 1),
            "limits": [{"about": "the fee", "type": kind, "at_most": LIMITS[kind], "reveal": reveal}] if kind else [],
        })  # fmt: skip
    changes = []
    for name in some(sorted(facts), 1) if facts else []:
        value = draw(st.sampled_from(VALUES[facts[name]["type"]]))
        when = draw(st.sampled_from(["told", "confirm"]))
        changes.append({"fact": name, "value": value, "say": "Oh wait, {value} is better!", "when": when})
    unknown = {"arrival": ["arrive", "delivery"]}
    return UserGoal.model_validate({"facts": facts, "items": items, "changes": changes, "unknown": unknown})


@given(goals(), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_no_goal_makes_a_user_break_its_rules(goal, seed):
    user = USERS[seed % len(USERS)]
    for agent in (NoisyAgent(goal, seed), CompetentAgent(goal)):
        for said, turn in play(user, agent, goal, seed, turns=25):
            assert turn.fault == "", (said, turn)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_noisy_episodes_without_a_fault():
    for user in USERS:
        for seed in range(500):
            for said, turn in play(user, NoisyAgent(EXAMPLE, seed), EXAMPLE, seed, ExampleHands()):
                assert turn.fault == "", (seed, said, turn)
