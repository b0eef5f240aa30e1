"""The plain agenda-based user: a stack, fixed rates, one template per act."""

from __future__ import annotations

import pytest

from envsim.errors import ContentError
from envsim.goal import Change
from envsim.types import UserTurn
from envsim.user.abus import LONGEST, AbusUser
from envsim.user.ear import Detector, Ear
from tests.user.conversations import goal

EAR = Ear(
    detectors={
        "request:people": Detector(bias=-1.0, weights={"people": 9.0}),
        "nooffer": Detector(bias=-1.0, weights={"none": 9.0}),
        "request:price": Detector(bias=-1.0, weights={"price": 9.0}),
    }
)


def play(seed: int, *replies: str) -> list[UserTurn]:
    user = AbusUser(EAR)
    turns = [user.reset(goal(seed), seed)]
    while not turns[-1].done:
        turns.append(user.hear(replies[min(len(turns), len(replies)) - 1]))
    return turns


@pytest.mark.parametrize("seed", range(12))
def test_it_tells_everything_asks_everything_and_leaves(seed: int) -> None:
    turns = play(seed, "Fine.")
    acts = {act for turn in turns for act in turn.acts}
    assert acts >= {f"inform:{name}" for name in goal(seed).facts}
    assert "request:restaurant_phone" in acts
    assert turns[0].acts[-1] == "want:restaurant" or "want:restaurant" in turns[0].acts
    assert turns[-1].acts == ("bye", "thank")
    assert len(turns) <= LONGEST
    assert turns == play(seed, "Fine."), "the same for the same seed"


def test_what_is_asked_for_comes_first() -> None:
    user = AbusUser(EAR)
    user.reset(goal(1), 1)
    assert "inform:restaurant_people" in user.hear("How many people?").acts
    assert "dontcare:restaurant_price" in user.hear("What price?").acts


def test_a_refusal_brings_up_the_second_choice() -> None:
    wanted = goal(1).model_copy(
        update={"changes": (Change(fact="restaurant_food", value="korean", say="How about {value}?"),)}
    )
    user = AbusUser(EAR)
    user.reset(wanted, 1)
    user.hear("Fine.")
    user.hear("Fine.")
    assert "korean" in user.hear("There is none.").text


def test_a_snapshot_is_gone_back_to() -> None:
    user = AbusUser(EAR)
    user.reset(goal(2), 2)
    token = user.snapshot()
    first = user.hear("How many people?")
    user.restore(token)
    assert user.hear("How many people?") == first
    with pytest.raises(ContentError, match="no snapshot"):
        user.restore(3)
    with pytest.raises(ContentError, match="Call reset"):
        AbusUser(EAR).hear("Hello")
