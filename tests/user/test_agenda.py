"""The agenda user: the protocol, every population, and each decision point at its extremes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.testing import NonConformance, check_user
from envsim.testing.user import EXAMPLE, CompetentAgent, ExampleHands, NoisyAgent, play, transcript
from envsim.types import UserTurn
from envsim.user.agenda import AgendaUser
from envsim.user.persona import Kind, Persona, Population, builtin_populations, read_population

POPULATIONS = builtin_populations()


def default() -> AgendaUser:
    return AgendaUser(read_population("default"))


def one(**rates) -> AgendaUser:
    """A user whose every optional decision is off but those given."""
    optional = (
        "volunteer hesitate misremember claim_undone check_first push_back ask_repeat combine early_second drift "
        "confirm_wait impatience greet thank bye say_limit mind_change"
    )
    calm = dict.fromkeys(optional.split(), 0.0)
    persona = Persona.model_validate(
        {**calm, "thorough": 1, "notice": 1, "disclose": [0, 1], "disclose_first": [1], **rates}
    )
    return AgendaUser(Population(name="one", kinds=(Kind(persona=persona),)))


def goal(**fields) -> UserGoal:
    return UserGoal.model_validate(
        {"items": [{"id": "refund", "want": "return my mug", "done_words": ["refund"]}], **fields}
    )


@pytest.mark.parametrize("population", POPULATIONS)
def test_every_population_conforms(population):
    check_user(lambda: AgendaUser(read_population(population)), seeds=range(3))


def test_a_new_process_gives_the_same_bytes():
    check_user(default, seeds=[0], entry="envsim.user.factory:get_user")


@pytest.mark.parametrize("population", POPULATIONS)
def test_a_competent_agent_settles_everything(population):
    user = AgendaUser(read_population(population))
    for seed in range(12):
        episode = list(play(user, CompetentAgent(EXAMPLE), EXAMPLE, seed, ExampleHands()))
        assert set(user.statuses.values()) == {"done"}, (seed, [(said, turn.text) for said, turn in episode])
        assert episode[-1][1].done
        assert not {"give_up", "transferred"} & set(episode[-1][1].decisions)


@pytest.mark.parametrize("population", POPULATIONS)
def test_noise_breaks_no_invariant(population):
    user = AgendaUser(read_population(population))
    for seed in range(75):
        for said, turn in play(user, NoisyAgent(EXAMPLE, seed), EXAMPLE, seed, ExampleHands()):
            assert turn.fault == "", (seed, said, turn)
        assert turn.done


LINES = st.one_of(
    st.text(max_size=60),
    st.integers(0, 10_000).map(lambda seed: NoisyAgent(EXAMPLE, seed).reply(UserTurn())),
    st.sampled_from(["Shall I go ahead?", "Done.", "I cannot do that.", "Your zip code?", "Please check your inbox."]),
)


@given(st.lists(LINES, max_size=14), st.integers(0, 50), st.sampled_from(POPULATIONS), st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_said_no_turn_breaks_an_invariant_and_a_fork_goes_the_same_way(lines, seed, population, data):
    user = AgendaUser(read_population(population))
    turns = [user.reset(EXAMPLE, seed, ExampleHands())]
    cut = data.draw(st.integers(0, len(lines)))
    token = None
    for at, line in enumerate(lines):
        token = user.snapshot() if at == cut else token
        turns.append(user.hear(line))
    assert [turn.fault for turn in turns] == [""] * len(turns)
    ended = [turn.done for turn in turns]
    assert ended == sorted(ended)
    if token is not None:
        user.restore(token)
        assert [user.hear(line) for line in lines[cut:]] == turns[cut + 1 :]


def test_the_kit_finds_a_user_that_leaks_invents_repeats_or_never_leaves():
    class Bad(AgendaUser):
        def __init__(self, change):
            super().__init__(read_population("patient"))
            self.change = change

        def hear(self, text):
            return self.change(super().hear(text))

    def saying(text):
        return lambda turn: turn.model_copy(update={"text": f"{turn.text} {text}"})

    for change, expected in (
        (saying("My zip is 90210."), "it told the zip code"),
        (saying("My number is 555-0199."), "in neither the goal"),
        (lambda turn: turn.model_copy(update={"done": False, "text": turn.text or "Hm."}), "never leaves"),
        (lambda turn: turn.model_copy(update={"fault": "oh"}), "it reports 'oh'"),
    ):
        with pytest.raises(NonConformance, match=expected):
            check_user(lambda change=change: Bad(change), seeds=[1])
    count = iter(range(10_000))
    with pytest.raises(NonConformance, match="differ"):
        check_user(lambda: Bad(saying("well " * next(count))), seeds=[1])


def test_an_episode_must_have_begun_and_a_snapshot_be_one():
    with pytest.raises(ContentError, match="reset"):
        default().hear("Hello?")
    user = default()
    user.reset(EXAMPLE, 0, ExampleHands())
    with pytest.raises(ContentError, match="snapshot"):
        user.restore(7)


def test_traits_of_the_goal_override_the_persona():
    user = one()
    user.reset(goal(traits={"greet": 1.0, "patience": 3}), 0)
    assert (user.persona.greet, user.persona.patience) == (1.0, 3)
    with pytest.raises(ContentError, match="no trait 'grete'"):
        user.reset(goal(traits={"grete": 1.0}), 0)
    with pytest.raises(ContentError, match="'greet' does not fit"):
        user.reset(goal(traits={"greet": 2.0}), 0)


def test_facts_are_told_when_asked_and_no_sooner():
    user = one()
    want = goal(facts={"size": {"value": "XL"}, "colour": {"value": "red"}})
    assert user.reset(want, 0).acts == ("wish:refund",)
    assert user.hear("Which size do you need?").acts == ("inform:size",)
    assert user.hear("And the size and the colour?").acts == ("inform:colour", "inform:size")
    assert "XL" in user.hear("The size?").text


def test_what_is_told_is_not_told_twice_in_one_turn():
    user = one(volunteer=1)
    user.reset(goal(facts={"email": {"value": "ann@example.com", "reveal": "open"}}), 0)
    turn = user.hear("What is your e-mail address?")
    assert turn.text.count("ann@example.com") == 1
    user.reset(goal(facts={"email": {"value": "ann@example.com", "reveal": "open"}}), 0)
    assert "volunteer:email" in user.hear("One moment.").acts


def test_disclosure_is_what_the_persona_says():
    want = goal(facts={n: {"value": f"{n}-1"} for n in ("alpha", "beta", "gamma")})
    for thorough, told in ((1.0, 3), (0.0, 1)):
        user = one(thorough=thorough)
        user.reset(want, 0)
        assert len(user.hear("I need the alpha, the beta and the gamma.").acts) == told
    assert user.hear("Go on.").acts[0] == "inform:beta"  # what was asked stays on the agenda


def test_what_the_user_does_not_know_it_says_so():
    user = one()
    user.reset(goal(unknown={"tracking_number": ["tracking"]}), 0)
    assert user.hear("What is the tracking number?").acts == ("unknown:tracking_number",)


def test_secrets_wait_for_verification():
    facts = {"email": {"value": "a@b.io", "identity": True}, "card": {"value": "4417", "reveal": "authenticated"}}
    user = one()
    user.reset(goal(facts=facts), 0)
    assert user.hear("Your card?").acts == ("withhold:card",)
    assert user.hear("Your email?").acts == ("inform:email",)
    assert "4417" in user.hear("Thank you, you are verified. One moment.").text


def test_a_fact_misremembered_is_put_right_when_nothing_matches():
    facts = {"order_number": {"value": "W-10", "wrong": "W-77"}}
    user = one(misremember=1)
    user.reset(goal(facts=facts), 0)
    assert "W-77" in user.hear("Your order number?").text
    turn = user.hear("I can't find any order with that order number.")
    assert turn.acts == ("correct:order_number",)
    assert "W-10" in turn.text
    assert "W-10" in user.hear("The order number again, please?").text


def test_a_proposal_beyond_a_limit_is_turned_down():
    user = one()
    item = {"id": "refund", "want": "return my mug", "limits": [{"about": "the fee", "at_most": 5}]}
    user.reset(goal(items=[item]), 0)
    turn = user.hear("You get $30.00 back, and the fee is $9. Shall I go ahead?")
    assert turn.acts == ("negate", "limit:refund")
    assert "$5" in turn.text
    assert user.hear("You get $30.00 back, and the fee is $5.00. Shall I go ahead?").acts == ("affirm",)
    assert user.statuses == {"refund": "attempted"}


def test_a_refusal_is_argued_with_and_then_accepted():
    user = one(push_back=1, push_back_most=2)
    user.reset(goal(), 0)
    acts = [user.hear("I'm sorry, I cannot refund that.").acts[0] for _ in range(3)]
    assert acts == ["push_back:refund", "push_back:refund", "accept_refusal:refund"]
    assert user.statuses == {"refund": "refused"}


def test_an_alternative_is_taken_where_the_goal_says_so():
    item = {"id": "refund", "want": "return my mug", "done_words": ["refund"]}
    said = "I cannot refund you. Would you like store credit instead?"
    for settles, expected, status in (([], "negate", "refused"), (["store credit"], "affirm", "attempted")):
        user = one()
        user.reset(goal(items=[{**item, "settles_for": settles}]), 0)
        assert expected in user.hear(said).acts
        assert user.statuses == {"refund": status}


def test_insurance_is_not_bought():
    user = one()
    user.reset(goal(), 0)
    assert user.hear("Would you like to purchase travel insurance?").acts == ("negate",)


def test_a_change_of_mind_comes_before_the_item_is_done():
    facts = {"street": {"value": "1 Elm Road"}}
    change = {"fact": "street", "value": "2 Oak Lane", "say": "Actually, {value} please."}
    for when in ("told", "confirm"):
        user = one()
        user.reset(goal(facts=facts, changes=[{**change, "when": when}]), 0)
        assert "1 Elm Road" in user.hear("Which street?").text
        turn = user.hear("1 Elm Road. Shall I go ahead with the refund?")
        assert (turn.text, turn.acts) == ("Actually, 2 Oak Lane please.", ("change:street",))
        assert user.hear("1 Elm Road then. Shall I go ahead with the refund?").acts == ("object:street",)
        assert user.hear("2 Oak Lane. Shall I go ahead with the refund?").acts == ("affirm",)


def test_second_wishes_come_second():
    items = [
        {"id": "refund", "want": "return my mug", "done_words": ["refund"]},
        {"id": "cancel", "want": "cancel my subscription", "after": ["refund"], "done_words": ["cancel"]},
    ]
    user = one()
    user.reset(goal(items=items), 0)
    assert user.hear("Is there anything else?").acts == ("restate:refund",)
    assert user.hear("The refund has been issued.").acts == ("wish_next:cancel",)
    turn = user.hear("I have cancelled it. Anything else?")
    assert (turn.done, turn.acts) == (True, ("nothing_else",))
    early = one(early_second=1)
    early.reset(goal(items=items), 0)
    assert "wish_next:cancel" in early.hear("One moment.").acts


def test_a_report_without_what_was_to_be_learned_is_answered_by_asking_for_it():
    item = {"id": "parcel", "want": "track my parcel", "learns": ["arrival_date"], "done_words": ["tracked"]}
    user = one()
    user.reset(goal(items=[item], unknown={"arrival_date": ["arrive"]}), 0)
    assert user.hear("I have tracked your parcel.").acts == ("ask:arrival_date",)
    assert user.hear("It will arrive on March 9, 2026. I have tracked it.").done


def test_what_was_not_done_is_not_accepted_by_who_looks():
    look = {"tool": "order", "path": "status", "equals": "refunded"}
    item = {"id": "refund", "want": "return my mug", "done_words": ["refund"], "check": look}

    class Shop(ExampleHands):
        status = "open"

        def call(self, name, arguments):
            return super().call(name, arguments).model_copy(update={"result": json.dumps({"status": self.status})})

    user, shop = one(check_first=1), Shop()
    user.reset(goal(items=[item], login="a@b.io"), 0, shop)
    turn = user.hear("I have issued the refund.")
    assert (turn.acts, turn.done, len(turn.calls)) == (("contradict:refund",), False, 1)
    shop.status = "refunded"
    assert user.hear("I have issued the refund.").done


def test_the_user_acts_on_what_the_agent_asks_and_tells_what_it_found():
    user = one()
    hands = ExampleHands()
    user.reset(EXAMPLE, 0, hands)
    turn = user.hear("Could you check your inbox?")
    assert turn.acts[0] == "did:inbox"
    assert turn.text.startswith("I found a mail with the code K7-220.")
    assert "K7-220" in user.hear("What is the code?").text
    assert user.hear("Please redeem the voucher.").acts == ("what_exactly:voucher",)
    assert user.hear('Please redeem the voucher "SAVE10".').acts == ("did:voucher",)
    assert user.hear("Please redeem the voucher once more.").acts == ("did:voucher",)
    assert hands.redeemed == ["SAVE10", "SAVE10"]


def test_a_code_asked_for_is_fetched():
    user = one()
    user.reset(EXAMPLE, 0, ExampleHands())
    turn = user.hear("What is the code that we sent you?")
    assert [call.action.name for call in turn.calls] == ["messages"]
    assert "K7-220" in turn.text


def test_who_claims_what_it_did_not_do_does_it_when_asked_again():
    user, hands = one(claim_undone=1), ExampleHands()
    user.reset(EXAMPLE, 0, hands)
    turn = user.hear('Please redeem the voucher "SAVE10".')
    assert (turn.acts[0], turn.calls, hands.redeemed) == ("claim:voucher", (), [])
    turn = user.hear('I don\'t see it. Could you redeem the voucher "SAVE10"?')
    assert turn.acts[0] == "admit:voucher"
    assert hands.redeemed == ["SAVE10"]


def test_without_hands_nothing_is_pretended():
    user = one()
    user.reset(EXAMPLE, 0)
    assert user.hear("Could you check your inbox?").acts[0] == "cannot:inbox"


def test_what_is_owed_is_told_when_it_is_only_named():
    fields = {
        "facts": {
            "email": {"value": "ann@example.com", "identity": True, "reveal": "asked"},
            "size": {"value": "large", "reveal": "asked"},
            "colour": {"value": "teal", "reveal": "asked"},
        },
        "items": [{"id": "refund", "want": "return my mug", "done_words": ["refund"], "needs": ["size"]}],
    }
    user = one(ask_repeat=1)
    user.reset(goal(**fields), 0)
    assert user.hear("Please drop the colour in your next message.").acts == ("repeat",)  # nobody needs it
    assert user.hear("Please drop the size in your next message.").acts == ("inform:size",)
    assert user.hear("Might I trouble you for the email?").acts == ("inform:email",)
    assert user.hear("Please drop the email in your next message.").acts == ("repeat",)  # it was told


def test_a_question_that_was_not_understood_is_asked_back():
    user = one(ask_repeat=0)
    user.reset(goal(unknown={"delivery_date": ["delivery"]}), 0)
    assert user.hear("Are the gremlins purple?").acts == ("repeat",)
    assert user.hear("Is it the purple delivery van that the neighbours love so much?").acts == ("no_idea",)
    assert user.hear("Do you know the delivery date?").acts == ("unknown:delivery_date",)


def test_a_wall_of_text_moves_nobody():
    wall = "Our rules. " * 200 + "What is your e-mail address? I have done the refund."
    user = one(ask_repeat=1)
    user.reset(goal(facts={"email": {"value": "ann@example.com"}}), 0)
    turn = user.hear(wall)
    assert (turn.acts, turn.done, turn.fault, user.statuses) == (("repeat",), False, "", {"refund": "open"})
    assert "ann@example.com" in user.hear("What is your e-mail address?").text


def test_the_patient_and_the_impatient():
    for after in (2, 5):
        user = one(give_up_after=after, give_up=1)
        user.reset(goal(), 0)
        turns = []
        while not (turns and turns[-1].done):
            turns.append(user.hear("Hm."))
        assert len(turns) == after
        assert turns[-1].decisions == ("give_up",)
    user = one(give_up_after=3, give_up=0)  # who would never decide to leave does so in the end
    user.reset(goal(), 0)
    assert [user.hear("Hm.").done for _ in range(6)] == [False] * 5 + [True]
    user = one(patience=1, impatience=1)
    user.reset(goal(), 0)
    assert "impatient" not in user.hear("One moment.").acts
    assert "impatient" in user.hear("One moment.").acts


def test_a_transfer_ends_it():
    user = one()
    user.reset(goal(), 0)
    turn = user.hear("I am transferring you to a human agent now.")
    assert (turn.done, "transferred" in turn.decisions, user.statuses) == (True, True, {"refund": "refused"})
    assert user.hear("Hello?") == UserTurn(done=True)


@pytest.mark.parametrize("act", ["greet", "thank", "bye", "drift", "confirm_wait"])
def test_habits_are_all_or_nothing_at_their_extremes(act):
    shown = {"thank": "thanks", "confirm_wait": "wait"}.get(act, act)
    for rate in (0, 1):
        user = one(**{act: rate})
        turns = [user.reset(goal(), 5), user.hear("Shall I go ahead?"), user.hear("The refund is done.")]
        assert any(shown in turn.acts for turn in turns) == bool(rate)


def test_a_value_nobody_can_say_is_refused():
    with pytest.raises(ContentError, match="cannot say"):
        one().reset(goal(facts={"thing": {"value": {"a": 1}}}), 0)


def test_seeds_differ_and_a_seed_does_not():
    assert transcript(default, [1]) == transcript(default, [1])
    assert len({transcript(default, [seed]) for seed in range(6)}) == 6
