"""The desk's tasks served by an agent with other words than their oracle's: no customer may hang on one wording."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.task_template import find_template, load_tasks

IDS = [t.id for t in load_tasks("desk") if t.id.startswith(("dual-", "wish-"))]

WORDS = {
    "To make sure who is writing, could you please tell me the e-mail address and the phone number of your account?": (
        "Sure, I can help with that! To verify your identity, may I have the email address and "
        "phone number on your account?"
    ),
    "To make sure who is writing, could you please tell me the e-mail address and the postcode of your account?": (
        "I'd be happy to help! For security, please provide your email address and postcode."
    ),
    "To find your account, could you please tell me your e-mail address?": (
        "Happy to help! What's the email address on your account?"
    ),
    (
        "To verify that it is you, I have sent a one-time code to the address of your account. "
        "What is the code that you received?"
    ): ("I've just emailed a six-digit verification code to you. Could you read it out to me?"),
    "What is the reason for the return?": ("Could you let me know why you'd like to return it?"),
    "I have opened the return. The label is in your mail.": (
        "I've created the return for you. You'll find the label in your inbox."
    ),
    (
        "Please hand the parcel in at a shop of the carrier, and confirm it in your account with "
        "the label {saved.label}."
    ): (
        "Next, please drop the parcel off at the carrier and confirm the drop-off in your account "
        "using label code {saved.label}."
    ),
    "Which return number does your account show after you confirm the label {saved.label}?": (
        "What return number do you see in your account for label {saved.label}?"
    ),
    "Your parcel is now confirmed as handed in.": ("Great, your parcel is on its way to us."),
    "What is the new address that the order should go to?": ("What address should we ship it to instead?"),
    "Only you can change a saved address. Please sign in, open your address book and enter {new.text} there.": (
        "I can't edit saved addresses myself. Please log in, go to My Account > Addresses, and "
        "update your default address to {new.text}."
    ),
    "I still see the old address in your account. Please open your address book and save {new.text} once more.": (
        "Unfortunately I still see the old one. Could you try saving {new.text} again?"
    ),
    "The new address has been saved in your account.": ("Perfect, I can see your saved address has been updated."),
    "The order number of the {product.name} is {line.order}.": ("The {product.name} was part of order #{line.order}."),
    "Then please sign in, open order {line.order} in your account and enter the return there.": (
        "You can start the return yourself: go to Orders, open order {line.order} and click Request return."
    ),
    "I do not see a return yet. Please open order {line.order} in your account and enter the return once more.": (
        "I can't see it yet. Could you please submit the return request for order {line.order} once more?"
    ),
    "Your return has been received.": ("I can see the return request has been submitted, thank you."),
    "What is the product called?": ("Could you tell me the name of the item?"),
    "The number of pieces left of the {product.name} in {variant.label} is {saved.left}.": (
        "We currently have {saved.left} units of it in {variant.label}."
    ),
    "Only you can change your wishlist: please open it and remove the {product.name}.": (
        "I can't edit your wishlist, but you can delete it yourself from the wishlist page."
    ),
    "Has it gone?": ("Is it still showing on your wishlist?"),
    "How much may it cost at most?": ("What's your budget?"),
    "The {product.name} in {variant.label} costs {saved.price}. Would that be all right?": (
        "The {variant.label} is {saved.price}. Would you like to go with that one?"
    ),
    "Only you can change your cart: please sign in and add the article {saved.sku} to it, once.": (
        "Please add article {saved.sku} to your cart."
    ),
    "Which article number does your cart show now that {saved.sku} was added?": (
        "What does your cart show, {saved.sku}?"
    ),
    "What does the error message say?": ("What error do you get when you enter it?"),
    "Only you can change your cart: please sign in and enter the code {saved.code} there.": (
        "Please enter {saved.code} in your cart."
    ),
    "Which coupon code does your cart show now that {saved.code} was entered?": (
        "Which coupon is applied in your cart now?"
    ),
    "Articles can be returned within a window of 30 days after delivery.": (
        "You can return items within 30 days of delivery."
    ),
    "That is still in time. Please sign in, open the order in your account and start the return there.": (
        "Great, that's still within the window! Just sign in, open your order, and click on 'Request a return'."
    ),
    "Which return number does your account show?": ("What return number do you see?"),
    "Shall I go ahead?": ("Would you like me to proceed?"),
}
"""What an oracle says -> what a language model might."""


def reworded(step: Any) -> Any:
    """`step` of an oracle in other words."""
    if isinstance(step, str):
        for said, instead in WORDS.items():
            step = step.replace(said, instead)
        return step
    if isinstance(step, dict):
        return {key: reworded(item) for key, item in step.items()}
    return [reworded(item) for item in step] if isinstance(step, list | tuple) else step


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = TaskEnv("desk", interface="tools", population="muddled")
    yield made
    made.close()


@pytest.mark.parametrize("name", IDS)
def test_other_words_lead_to_the_same_end(name: str, env: TaskEnv) -> None:
    oracle = find_template("desk", name).oracle
    assert reworded(oracle) != list(oracle)
    for seed in range(3):
        env.reset(seed=seed, options={"task": f"{name}@{seed}"})
        assert env.task is not None
        policy = OraclePolicy()
        policy.reset(env.task.model_copy(update={"oracle": tuple(reworded(oracle))}), seed, env.tools)
        said: list[str] = []
        while env.outcome is None:
            said += [f"user: {message.text}" for message in env.observation.messages]
            action = policy.act(env.observation)
            said.append(f"agent: {action.text or action.name}")
            env.step(action)
        assert env.outcome.reward == 1.0, "\n".join([env.outcome.reason, policy.stuck, *said])


def test_every_wording_is_of_some_oracle() -> None:
    texts = str([find_template("desk", name).oracle for name in IDS])
    assert [said for said in WORDS if said not in texts] == []
