"""Users played by whole models: one that obeys its prompt, and a real small one."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.goal import UserGoal
from envsim.testing import serve_chat
from envsim.testing.user import EXAMPLE, ExampleHands, NoisyAgent, check_user
from envsim.user.base import User
from envsim.user.chat import ChatUser
from envsim.user.chat_prompt import STOP, hidden_forms
from envsim.user.persona import Kind, Persona, Population
from envsim.user.utter import readable

PLAIN = Population(name="plain", kinds=(Kind(persona=Persona(misremember=0.0, mind_change=0.0)),))


class Obedient:
    """A model that does as the prompt says: tells a fact that is asked for by name, and leaves at the end."""

    name, parallel = "local:obedient", False

    def reply(self, messages: Sequence[dict[str, Any]], **options: Any) -> dict[str, Any]:
        system, last = str(messages[0]["content"]), str(messages[-1]["content"])
        wishes = re.findall(r"^- (You want to (.*?)\.(?: .*)?)$", system, re.MULTILINE)
        open_ones = [want for line, want in wishes if "has reported on this" not in line]
        facts = dict(re.findall(r"^- ([a-z ]+): (.*?)(?: \(you may bring this up\))?$", system, re.MULTILINE))
        told = [value for name, value in facts.items() if name in last.casefold()]
        if not open_ones:
            return {"role": "assistant", "content": f"Thanks. {STOP}"}
        return {
            "role": "assistant",
            "content": "It is " + ", ".join(told) + "." if told else f"I want to {open_ones[0]}.",
        }


def test_with_a_model_that_obeys_it_conforms_like_any_user() -> None:
    check_user(lambda: ChatUser(Obedient(), PLAIN), seeds=range(2))


@pytest.mark.parametrize("seed", range(6))
def test_no_prompt_holds_more_than_the_monitor_allows(seed: int) -> None:
    """Against an agent that asks for anything at any time: a value is told to the model only once it may be said."""
    prompts: list[str] = []

    class Watched(Obedient):
        def reply(self, messages: Sequence[dict[str, Any]], **options: Any) -> dict[str, Any]:
            prompts.append(str(messages[0]["content"]))
            return super().reply(messages, **options)

    user: User = ChatUser(Watched(), PLAIN)
    agent = NoisyAgent(EXAMPLE, seed)
    turn = user.reset(EXAMPLE, seed, ExampleHands())
    for _ in range(25):
        if turn.done:
            break
        turn = user.hear(agent.reply(turn))
        assert turn.fault == ""
        monitor = user.snapshot().monitor  # type: ignore[attr-defined]
        may = {n: f.value for n, f in EXAMPLE.facts.items() if f.reveal == "open" or n in monitor.asked}
        identity = {n for n, f in EXAMPLE.facts.items() if f.identity}
        if not identity <= monitor.told:
            may.pop("card", None)
        changed = user.snapshot().changed  # type: ignore[attr-defined]
        for form in hidden_forms(EXAMPLE, {**may, **changed}):
            shown = re.search(rf"(?<!\w){re.escape(form)}(?!\w)", prompts[-1])
            assert not shown or any(form in str(value) for value in (*may.values(), *changed.values())), form


def test_in_an_environment_it_acts_in_its_own_session_and_its_faults_are_nobodys_reward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(request: dict[str, Any]) -> Any:
        said = str(request["messages"][-1]["content"])
        if "mail" in said:
            function = {"name": "look_at_mail", "arguments": "{}"}
            return {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]}
        return "My number is 55501234." if "phone" in said or "Not sent" in said else "I need help."

    with serve_chat(answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        env = TaskEnv("desk", task="dual-code-cancel@1", interface="tools", user="chat:tiny")
        try:
            env.reset(seed=1)
            assert env.observation.messages[0].text == "I need help."
            *_, info = env.step('send_msg_to_user("Please look into your mail for the code.")')
            (made,) = info["user"]["calls"]
            assert (made["action"]["name"], made["error"]) == ("read_mail", "")
            assert '"messages"' in made["result"]
            _, reward, terminated, truncated, info = env.step('send_msg_to_user("And your phone number?")')
        finally:
            env.close()
    assert math.isnan(reward)
    assert (terminated, truncated, info["outcome"]) == (False, True, "sim_uncertain")
    assert "55501234" in info["reason"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("smollm2")
def test_a_real_small_model_plays_for_two_turns(small_chat: Any) -> None:
    """It often breaks the rules; then the turn says so, and otherwise nothing in it is made up."""
    goal = UserGoal.model_validate(
        {
            "facts": {"order_number": {"value": "W-10234", "reveal": "open"}, "email": {"value": "sara@example.com"}},
            "items": [{"id": "refund", "want": "return my kettle", "tells": ["order_number"], "needs": ["email"]}],
        }
    )
    user = ChatUser(small_chat, PLAIN)
    for turn in (user.reset(goal, 3), user.hear("Which order is it?")):
        assert turn.text or turn.fault
        assert "sara@example.com" not in turn.text, f"nobody asked for the {readable('email')}"
        assert turn.fault or not set(re.findall(r"W-\d+", turn.text)) - {"W-10234"}
