"""What a user understands of an agent: protocol-like lines, prose of models, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.goal import UserGoal
from envsim.user.understand import KINDS, Reader
from envsim.user.values import keys, says_value, value_in
from envsim.user.words import MAX_CHARS, sentences, stem, values

GOAL = UserGoal.model_validate(
    {
        "facts": {
            "email": {"value": "sara@example.com"},
            "order_number": {"value": "W-10234", "ask": ["order", "which order"]},
            "zip_code": {"value": "90210"},
            "reason": {"value": "it is too small"},
            "size": {"value": "large", "ask": ["which size"]},
            "date_of_birth": {"value": "1990-05-01", "type": "date"},
        },
        "unknown": {"delivery_date": ["arrive", "delivery"], "tracking_number": ["tracking"]},
        "items": [
            {"id": "refund", "want": "return my blue mug", "done_words": ["refund", "return"]},
            {"id": "cancel", "want": "cancel the other order", "done_words": ["cancel"]},
            {"id": "call", "want": "be rung up about the warranty"},
        ],
        "abilities": {"restart": {"tool": "restart", "ask": ["restart your router", "turn the router off and on"]}},
        "login": "sara@example.com",
    }
)
READER = Reader(GOAL)


def acts(text):
    return {f"{act.kind}:{act.about}" if act.about else act.kind for act in READER.read(text).acts}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Could you please provide your email address?", {"request:email"}),
        ("May I have your order number and zip code?", {"request:order_number", "request:zip_code"}),
        ("I'll need your **e-mail** to look up your order.", {"request:email"}),
        ("To look up your order, please provide your postal code.", {"request:zip_code"}),
        ("To verify you, please tell me:\n1. Your email\n2. Your zip", {"request:email", "request:zip_code"}),
        ("Please confirm your email address.", {"request:email"}),
        ("What is the number of your order?", {"request:order_number"}),
        ("Order number?", {"request:order_number"}),
        ("When were you born?", {"request:date_of_birth"}),
        ("Why are you returning it?", {"request:reason"}),
        ("Would you like it in small or large?", {"request:size"}),
        ("Do you know the tracking number?", {"request:tracking_number"}),
        ("Can you share the email associated with your order?", {"request:email"}),
        ("Would you mind telling me your email and zip code?", {"request:email", "request:zip_code"}),
        ("Would you be able to provide your order number?", {"request:order_number"}),
        ("Could you let me have your zip code?", {"request:zip_code"}),
        ("Could you help me with your email?", {"request:email"}),
        ("First things first: your email and zip code, please.", {"request:email", "request:zip_code"}),
        ("Order number, please.", {"request:order_number"}),
        ("I'll have to ask you for your email.", {"request:email"}),
        ("We must ask for your zip code.", {"request:zip_code"}),
        ("Could you share what prompted the return?", {"request:reason"}),
        ("May I know your registered email and zip code?", {"request:email", "request:zip_code"}),
        ("Would it be possible to get your email?", {"request:email"}),
        ("Have a look at the card and tell me the order number.", {"request:order_number"}),
        ("We verify you by email and postcode - could you send both?", {"request:email", "request:zip_code"}),
        ("Please send what I need to verify you: email and zip code.", {"request:email", "request:zip_code"}),
        ("Would you send the one I can look up: email, zip code, anything?", {"request:email"}),
    ],
)
def test_requests(text, expected):
    assert {act for act in acts(text) if act.startswith("request")} == expected


@pytest.mark.parametrize(
    "text",
    [
        "I don't need your email.",
        "There is no need to send me your zip code.",
        "I have found your order number in our system.",
        "Please never share your email with anybody.",
        "Thank you for your email.",
    ],
)
def test_what_names_a_fact_and_asks_for_nothing(text):
    assert not READER.read(text).has("request")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please drop the order number in your next message.", {"order_number"}),
        ("Might I trouble you for the email you signed up with?", {"email"}),
        ("Your zip code would be helpful.", {"zip_code"}),
        ("And then your zip code.", {"zip_code"}),
        ("I have found your e-mail address.", set()),
        ("Your zip code was updated.", set()),
        ("We verify customers by email and zip code.", set()),
        ("Orders are looked up by email.", set()),
        ("I will please the email team.", set()),
        ("I'll send the label to your email.", set()),
        ("Did you receive the email?", set()),
        ("Please do not mention your email.", set()),
        ("Please keep the order number for your records.", set()),
        ("Please print the label from your email.", set()),
        ("Just the email sara@example.com.", set()),
        ("Could you please provide your email?", set()),  # that is a request already
    ],
)
def test_a_fact_that_is_named_and_no_more(text, expected):
    assert set(READER.read(text).about("mention")) == expected


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Your refund has been processed.", {"refund"}),
        ("I've cancelled the other order for you.", {"cancel"}),
        ("The order was successfully canceled!", {"cancel"}),
        ("I have returned the mug and cancelled the order.", {"refund", "cancel"}),
        ("Your refund of $34.50 has now been issued to your card.", {"refund"}),
        ("Refunded. Anything else?", {"refund"}),
        ("All done!", {"*"}),
        ("That's taken care of.", {""}),
        ("Both the refund and the cancellation have been completed.", {"refund", "cancel"}),
        ("I've opened the return for your mug.", {"refund"}),
        ("Your return has been registered.", {"refund"}),
        ("The refund has gone through.", {"refund"}),
        ("We went ahead and refunded the mug.", {"refund"}),
    ],
)
def test_reports_of_success(text, items):
    assert {act.about for act in READER.read(text).acts if act.kind == "claim"} == items


@pytest.mark.parametrize(
    "text",
    [
        "I have not cancelled the order.",
        "Your refund has not been processed yet.",
        "I haven't refunded anything.",
        "None of your orders have been cancelled.",
        "Once the refund has been processed, you will get a mail.",
        "I will refund you.",
        "Your refund will be processed.",
        "Shall I cancel the order?",
        "Have I cancelled the right order?",
        "The refund failed.",
        "I was unable to cancel the order.",
        "If I have cancelled it, you will see it.",
        "I have found your order.",
        "I have checked the warranty.",
        "I have opened your file.",
        "I have to ask you for something first.",
        "I have one more question.",
        "It has been my pleasure.",
        "Refunded purchases show in your account.",
        "Here is what I will do:\n- The mug gets returned, its price was refunded once",
        "I would add a note that the refund was issued.",
    ],
)
def test_no_report_of_success(text):
    assert not READER.read(text).has("claim")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Shall I refund $34.50 to your card?", "confirm:refund"),
        ("Would you like me to go ahead with the cancellation?", "confirm:cancel"),
        ("Please confirm if you would like to proceed.", "confirm"),
        ("Is that correct?", "confirm"),
        ("Just reply 'yes' to proceed.", "confirm"),
        ("Would you like travel insurance as well?", "extra"),
        ("Would you like me to transfer you to a human agent?", "extra"),
        ("Unfortunately, I cannot refund this.", "refuse:refund"),
        ("I'm afraid that's not possible under our policy.", "refuse"),
        ("The mug is non-refundable.", "refuse:refund"),
        ("I can't process the refund until you give me your email.", "blocked:refund"),
        ("I cannot continue without your order number.", "blocked:cancel"),
        ("I couldn't find an account with that email.", "not_found:email"),
        ("I was unable to verify your identity.", "unverified"),
        ("Thank you, your identity has been verified.", "verified"),
        ("I've been able to verify your account.", "verified"),
        ("Perfect, that checks out.", "verified"),
        ("Please restart your router.", "do:restart"),
        ("Could you try to turn the router off and on?", "do:restart"),
        ("Your delivery date is Friday.", "inform:delivery_date"),
        ("It will arrive on March 9, 2026.", "inform:delivery_date"),
        ("One moment please.", "wait"),
        ("Is there anything else I can help you with?", "more"),
        ("How can I help you today?", "help"),
        ("Hello!", "greet"),
        ("Have a great day!", "bye"),
        ("I am transferring you to a human agent.", "transfer"),
        ("I'm sorry about that.", "apology"),
        ("Let me know if you'd like me to go ahead.", "confirm"),
        ("Happy for me to do that?", "confirm"),
        ("Does that fit what you had in mind?", "confirm"),
        ("How does that sound?", "confirm"),
        ("I'd cancel it today, okay with you?", "confirm:cancel"),
        ("I'll do it once you confirm.", "confirm"),
        ("Do I have your permission to refund it?", "confirm:refund"),
        ("I'm sorry, a refund isn't possible.", "refuse:refund"),
        ("The return window has already closed.", "refuse:refund"),
        ("Returns are only accepted within 30 days.", "refuse:refund"),
        ("There's no account with this email.", "not_found:email"),
        ("That zip code isn't in our system.", "not_found:zip_code"),
        ("I'm not finding anything, my search came back empty.", "not_found"),
        ("The zip code does not match our records.", "not_found:zip_code"),
        ("Is that everything for today?", "more"),
        ("I can't do that from here, so please restart your router.", "do:restart"),
        ("You'll need to restart your router.", "do:restart"),
        ("Please restart your router and let me know your zip code.", "request:zip_code"),
        ("Please restart your router and let me know your zip code.", "do:restart"),
        ("Is that within your limits?", "confirm"),
        ("Is that something you'd like?", "confirm"),
        ("Something went wrong, let me try again.", "failed"),
        ("What colour is the sky?", "question"),
    ],
)
def test_other_acts(text, expected):
    assert expected in acts(text)


def test_what_was_logged_about_a_wish_does_not_close_it():
    assert "claim:refund" in acts("The return has been logged.")
    assert "claim:refund" not in acts("Your complaint about the return has been logged.")
    assert "claim:refund" not in acts("I have logged in to see your return.")


def test_what_is_not_done_here_is_refused():
    assert "refuse:refund" in acts("We don't do returns of opened articles.")
    assert "refuse:refund" in acts("This is outside our 30-day return window.")


def test_a_moment_ago_is_no_wait():
    assert "wait" not in acts("It left a moment ago.")
    assert "wait" in acts("A moment, please.")


def test_a_condition_reports_nothing():
    assert not READER.read("If you cannot find it, we cannot refund you.").has("refuse", "not_found")


def test_a_refusal_of_something_else_refuses_nothing_the_user_wants():
    assert READER.read("I'm unable to share details of other accounts.").about("refuse") == ["?"]


@pytest.mark.parametrize(
    "text",
    ["Could you tell me whether you can restart your router?", "Please confirm if restart your router is shown."],
)
def test_what_is_to_be_told_is_not_to_be_done(text):
    assert not READER.read(text).has("do")


def test_whether_something_is_so_is_no_proposal():
    assert not READER.read("Could you confirm whether it is no longer on your list?").has("confirm")
    assert READER.read("Could you confirm if you want me to proceed?").has("confirm")


def test_a_deed_of_the_user_is_not_a_request_for_it_when_negated():
    assert not READER.read("You need not restart your router.").has("do")


def test_model_prose_with_several_acts():
    heard = READER.read(
        "Thank you, Sara. I found your order.\n\nHere are the details:\n- **Item:** blue mug\n- **Refund:** $12.00\n\n"
        "Please confirm if you would like me to proceed. I'll also need your zip code."
    )
    assert heard.about("request") == ["zip_code"]
    assert heard.has("confirm")
    assert not heard.has("claim", "refuse")


@given(st.text(max_size=400))
def test_any_text_is_read(text):
    heard = READER.read(text)
    assert {act.kind for act in heard.acts} <= set(KINDS)
    assert heard == READER.read(text)


PHRASES = st.sampled_from(
    [
        "please",
        "your email",
        "not",
        "refund",
        "has been",
        "?",
        ".",
        "\n- ",
        "$5",
        "cannot",
        "if",
        "order",
        "Shall I",
        "done",
        ":",
    ]
)


@given(st.lists(PHRASES, max_size=25))
def test_any_mixture_of_cues_is_read(parts):
    known = {*GOAL.facts, *GOAL.unknown, *GOAL.abilities, *(item.id for item in GOAL.items), "", "*", "?"}
    assert {act.about for act in READER.read(" ".join(parts)).acts} <= known


def test_what_is_beyond_the_limit_is_not_read():
    assert READER.read("x " * MAX_CHARS + "Could you give me your email?").acts == ()


@pytest.mark.parametrize("word", ["cancel", "cancelled", "canceled", "cancelling", "cancels", "cancellation"])
def test_forms_of_a_word_are_one(word):
    assert stem(word) == stem("cancel")


def test_sentences_of_lists_know_what_they_hang_on():
    lines = sentences("Please send me:\n1. your email\n* the zip\nThanks.")
    assert [(line.text, line.lead) for line in lines] == [
        ("Please send me:", ""), ("your email", "Please send me:"), ("the zip", "Please send me:"), ("Thanks.", ""),
    ]  # fmt: skip


def test_values_of_each_kind():
    text = 'It cost $1,234.50 on March 2, 2026; mail bob@x.io about #W-77, say "open sesame" to Mr Bean and John Smith.'
    assert set(values(text)) == {
        ("money", "$1,234.50"), ("date", "March 2, 2026"), ("email", "bob@x.io"), ("code", "#W-77"),
        ("quoted", "open sesame"), ("name", "Mr Bean"), ("name", "John Smith"),
    }  # fmt: skip


@given(st.text(max_size=300))
def test_values_of_any_text(text):
    assert keys(text) == keys(text)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("money", 34.5, "That is $34.50."),
        ("money", 1200, "It costs 1,200 dollars."),
        ("date", "2026-03-02", "on March 2, 2026"),
        ("date", "2026-03-02", "since 2026-03-02"),
        ("text", "12 Oak Street, Springfield", "to 12 Oak Street Springfield please"),
        ("name", "O'Brien", "Mr. O'Brien"),
        ("number", 3, "take 3 of them"),
        ("text", "sara@example.com", "it's Sara@Example.com!"),
    ],
)
def test_a_value_is_found_in_any_notation(kind, value, text):
    assert says_value(kind, value, text)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("money", 34.5, "That is $3.50."),
        ("text", "W-10234", "W-102345"),
        ("date", "2026-03-02", "March 3, 2026"),
        ("number", 3, "33"),
        ("boolean", True, "yes"),
        ("text", "Oak", "soaked"),
    ],
)
def test_another_value_is_not(kind, value, text):
    assert not says_value(kind, value, text)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ('Please enter the code "AB 12" now', "text", "AB 12"),
        ("Please enter K7-220.", "text", "K7-220"),
        ("Set it to 12 Oak Street.", "money", None),
        ("Set the limit to $45.50 please", "money", "$45.50"),
        ("Change the name to Oak Street", "text", "Oak Street"),
        ("Just do it", "text", None),
    ],
)
def test_the_value_an_agent_gives(text, kind, expected):
    assert value_in(text, kind) == expected
