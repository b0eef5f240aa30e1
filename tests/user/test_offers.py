"""Limits: what an offer or a report of success must keep to."""

import pytest

from envsim.goal import Limit, UserGoal
from envsim.user.agenda import AgendaUser
from envsim.user.offers import breaks
from envsim.user.persona import Kind, Persona, Population

CALM = Population(name="calm", kinds=(Kind(persona=Persona(drift=0, thorough=1.0)),))


@pytest.mark.parametrize(
    ("bounds", "text", "broken"),
    [
        ({"at_most": 5}, "The fee is $5.00.", False),
        ({"at_most": 5}, "The fee is $5.01.", True),
        ({"at_least": 5}, "The fee is $4.99.", True),
        ({"at_least": 5}, "The fee is $5.00.", False),
        ({"at_least": 5, "at_most": 9}, "The fee is $10.", True),
        ({"at_most": 5}, "Your order comes to $40, of which the fee is $3.", False),
    ],
)
def test_an_offer_breaks_a_limit_from_either_side(bounds, text, broken):
    assert breaks(Limit(about="the fee", **bounds), text) is broken


def test_a_report_of_success_beyond_a_limit_settles_nothing():
    goal = UserGoal.model_validate(
        {"items": [{"id": "refund", "want": "get my money back", "done_words": ["refund", "refunded"],
                    "limits": [{"about": "the refund", "at_least": 20}]}]}
    )  # fmt: skip
    user = AgendaUser(CALM)
    user.reset(goal, 0)
    turn = user.hear("Your refund of $12.00 has been issued.")
    assert "limit:refund" in turn.acts
    assert not turn.done
    assert user.hear("Your refund of $20.00 has been issued.").done
