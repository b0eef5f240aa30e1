"""``envsim/Tau2-v0``: episodes with the seeded user, both sides of telecom, traces, and what a user knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envsim.errors import ContentError
from envsim.goal import UserGoal
from envsim.integrations.tau2 import (
    DOMAINS,
    GoldReplay,
    Tau2Env,
    env_task_id,
    find_task,
    make_task,
    policy,
    replay_gold,
    splits,
    tasks,
    user_goal,
)
from envsim.integrations.tau2.data import GoldAction, Instructions
from envsim.integrations.tau2.phone import request
from envsim.integrations.tau2.replay import gold_calls, gold_said
from envsim.integrations.tau2.user import first_person
from envsim.policy import get_policy
from envsim.state import canonical
from envsim.trace import TraceReader
from envsim.types import Action
from envsim.user.understand import Reader

ID = "envsim:envsim/Tau2-v0"


def asked_for(action: GoldAction) -> str:
    return request(action.name, action.arguments)


# -- the environment -----------------------------------------------------------------------------


def test_making_one_by_its_id_shows_the_policy_and_a_user_with_a_wish() -> None:
    env = gymnasium.make(ID, domain="telecom", split="test")
    observation, info = env.reset(seed=3)
    assert observation["goal"] == policy("telecom")
    assert observation["messages"].startswith("user: ")
    assert info["task"] in {env_task_id("telecom", each) for each in splits("telecom")["test"]}
    again, _ = env.reset(seed=3)
    assert again == observation
    observation, reward, terminated, truncated, info = env.step('get_customer_by_phone(phone_number="555-123-2002")')
    assert '"customer_id":"C1001"' in observation["result"]
    assert (reward, terminated, truncated) == (0.0, False, False)
    observation, reward, terminated, truncated, info = env.step("answer()")
    assert (reward, terminated, info["outcome"], info["success"]) == (0.0, True, "policy", False)
    assert info["reason"].startswith("ENV_ASSERTION: assert_")
    env.close()


def test_passes_gymnasiums_own_check() -> None:
    env = gymnasium.make(ID, domain="airline", task="7")
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"domain": "banking"}, "Use one of: airline, retail, telecom"),
        ({"split": "dev"}, "no split 'dev'. Use one of: base, test, train"),
        ({"task": "999"}, "no task '999'"),
        ({"user": "nobody"}, "no simulated user 'nobody'"),
    ],
)
def test_what_does_not_exist_is_said(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ContentError, match=says):
        Tau2Env(**arguments).reset(seed=0)


def test_an_agent_that_works_alone_and_one_that_does_nothing_where_tau2_rewards_it() -> None:
    env = Tau2Env("airline", task="0", user=None)
    observation, _ = env.reset(seed=0)
    assert observation["messages"] == ""
    assert env.task is not None
    assert env.task.user is None
    assert env.step("answer()")[1] == 1.0  # as tau2 itself: kept, see benchmarks/RESULTS.md
    env.reset(seed=0, options={"task": "airline-7"})
    assert env.step("answer()")[1] == 0.0


def test_natural_language_assertions_end_an_episode_unscored() -> None:
    env = Tau2Env("airline", task="0", user=None)
    task = make_task("airline", "0", with_user=False)
    raw: Any = task.params["tau2"]
    criteria = {**raw["evaluation_criteria"], "reward_basis": ["NL_ASSERTION"]}
    judged = task.model_copy(update={"params": {"tau2": {**raw, "evaluation_criteria": criteria}}})
    choose = env.source.choose
    env.source.choose = lambda *args: choose(*args) and judged  # type: ignore[method-assign]
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step("answer()")
    assert np.isnan(reward)
    assert (terminated, truncated, info["outcome"]) == (False, True, "sim_uncertain")


def test_a_vector_of_them() -> None:
    envs = gymnasium.make_vec(ID, num_envs=2, domain="retail", user=None)
    observations, infos = envs.reset(seed=5)
    assert len(observations["goal"]) == 2
    assert len(set(infos["task"])) == 2
    _, rewards, terminated, _, _ = envs.step(["answer()", 'get_user_details(user_id="nobody")'])
    assert terminated.tolist() == [True, False]
    assert rewards.tolist() == [0.0, 0.0]
    envs.close()


def test_traces_hold_the_conversation_and_what_each_side_changed(tmp_path: Path) -> None:
    env = Tau2Env("telecom", task="[mobile_data_issue]data_saver_mode_on[PERSONA:Easy]", record=tmp_path, policy="me")
    env.reset(seed=0)
    for _ in range(3):
        if env.step(Action.say(request("toggle_data_saver_mode", {})))[4]["delta"]:
            break
    env.step("answer()")
    env.close()
    (trace,) = TraceReader(tmp_path)
    assert (trace.header.app, trace.header.world, trace.header.interface) == ("tau2-telecom", "tau2", "tools")
    assert len(trace.header.tools) == 13
    (turn,) = [step for step in trace.steps if step.user is not None and step.user.calls]
    assert turn.user is not None
    assert [call.action.name for call in turn.user.calls] == ["toggle_data_saver_mode"]
    assert turn.delta == (("device/data_saver_mode", False),)
    assert trace.end is not None
    assert trace.end.outcome.reward == 1.0


# -- with the seeded user ------------------------------------------------------------------------


def act_out(env: Tau2Env, tau_id: str) -> None:
    """The gold solution as an agent that talks: it asks for facts, and for what only the user can do."""
    tau = find_task(env.domain, tau_id)
    assert env.task is not None
    assert env.task.user is not None
    script: list[GoldAction | str] = []
    if env.domain != "telecom":
        script += [f"Could you please tell me your {name.replace('_', ' ')}?" for name in env.task.user.facts]
    assert tau.evaluation_criteria is not None
    script += [*(tau.evaluation_criteria.actions or ()), " ".join(f"The total is {text}." for text in gold_said(tau))]
    script += ["All of that has been done. Is there anything else I can help you with?"] * 6
    for each in script:
        if isinstance(each, str):
            ended = bool(each) and any(env.step(Action.say(each))[2:4])
        elif each.requestor == "user":
            # Some users say they have done what they have not: asked again, they do it.
            while not ended_by_doing(env, each):
                pass
            ended = env.outcome is not None
        else:
            ended = any(env.step(Action(kind="call", name=each.name, arguments=each.arguments))[2:4])
        if ended:
            return
    env.step("answer()")


def ended_by_doing(env: Tau2Env, action: GoldAction) -> bool:
    """Ask once; whether the user did it, or left."""
    before = len(env.world.calls)  # type: ignore[attr-defined]
    env.step(Action.say(asked_for(action)))
    made = env.world.calls[before:]  # type: ignore[attr-defined]
    return env.outcome is not None or any(call.name == action.name and call.side == "user" for call in made)


TELECOM = list(tasks("telecom"))[::250]


@pytest.mark.parametrize("tau_id", TELECOM)
def test_telecom_is_solved_by_two_the_agent_and_a_user_with_hands(tau_id: str) -> None:
    env = Tau2Env("telecom", task=tau_id)
    env.reset(seed=len(tau_id))
    act_out(env, tau_id)
    assert env.outcome is not None
    assert (env.outcome.kind, env.outcome.reward) == ("policy", 1.0), env.outcome


@pytest.mark.parametrize("domain", ["airline", "retail"])
def test_users_of_airline_and_retail_play_without_a_fault(domain: str) -> None:
    env = Tau2Env(domain)
    ids = list(tasks(domain))[::6]
    for seed, tau_id in enumerate(ids):
        env.reset(seed=seed, options={"task": tau_id})
        act_out(env, tau_id)
        assert env.outcome is not None
        assert (env.outcome.kind, env.outcome.reward) == ("policy", 1.0), (tau_id, env.outcome)


@pytest.mark.parametrize(("domain", "every"), [("airline", 4), ("retail", 8), ("telecom", 200)])
def test_the_oracle_is_the_gold_solution_and_passes(domain: str, every: int) -> None:
    env = Tau2Env(domain)
    for seed, tau_id in enumerate(list(tasks(domain))[::every]):
        env.reset(seed=seed, options={"task": tau_id})
        oracle = get_policy("oracle")
        oracle.reset(env.task, seed, env.tools)
        while env.outcome is None:
            env.step(oracle.act(env.observation))
        assert env.outcome.reward == 1.0, (tau_id, env.outcome, getattr(oracle, "stuck", ""))
        assert env.world.calls == gold_calls(find_task(domain, tau_id)) or domain == "telecom"


def test_an_episode_is_the_same_twice() -> None:
    env = Tau2Env("retail", task="0")
    runs = []
    for _ in range(2):
        first, info = env.reset(seed=11)
        steps = [env.step(Action.say(text)) for text in ("What is your zip code?", "Which items?", "Anything else?")]
        runs.append(canonical([first, info, [list(step[:4]) for step in steps]]))
    assert runs[0] == runs[1]


# -- what a user knows ---------------------------------------------------------------------------


def goals() -> list[tuple[str, str, UserGoal]]:
    return [(name, each, user_goal(name, tau)) for name in ("airline", "retail") for each, tau in tasks(name).items()]


def test_every_task_has_a_user_with_a_wish_of_its_own_words() -> None:
    for domain, tau_id, goal in goals():
        assert goal.items[0].want, (domain, tau_id)
        told = find_task(domain, tau_id).user_scenario.instructions
        assert isinstance(told, Instructions)
        assert told.reason_for_call in goal.scenario
        assert "name" in goal.facts or "user_id" in goal.facts, (domain, tau_id)
        assert goal.facts.keys().isdisjoint(goal.unknown)
        assert not any("{" in item.want or " you " in f" {item.want} " for item in goal.items), (domain, tau_id)
    assert all(user_goal("telecom", tau).abilities for tau in list(tasks("telecom").values())[::100])


def test_no_user_knows_an_id_that_its_scenario_does_not_hold() -> None:
    for domain, tau_id, goal in goals():
        known = canonical([fact.value for fact in goal.facts.values()] + [item.want for item in goal.items])
        for call in gold_calls(find_task(domain, tau_id)):
            for name in ("reservation_id", "order_id", "item_ids", "new_item_ids", "payment_method_id", "payment_id"):
                values = call.arguments.get(name, [])
                for value in values if isinstance(values, list) else [values]:
                    assert str(value) not in known or str(value) in goal.scenario, (domain, tau_id, value)


def test_a_user_can_tell_what_the_gold_actions_need() -> None:
    goal = user_goal("retail", find_task("retail", "0"))
    facts = {name: fact.value for name, fact in goal.facts.items()}
    assert facts["name"] == "Yusuf Rossi"
    assert facts["zip"] == "19122"
    assert facts["order_number"] == "#W2378156"
    assert facts["payment_method"] == "the mastercard card ending in 2478"
    assert "switch type: clicky" in str(facts["new_items"])
    assert goal.items[0].want == "exchange the Mechanical Keyboard and Smart Thermostat of my order #W2378156"
    assert goal.items[0].tells == ("order_number", "items")
    assert "email" in goal.unknown


def test_instructions_become_the_users_own_words() -> None:
    assert first_person("You want to return your lamp; if they ask you, you are Ann.") == (
        "I want to return my lamp; if they ask I, I am Ann."
    )
    assert first_person("Let the agent send you\nyour bill.") == "Let the agent send me my bill."


def test_an_agent_can_ask_for_every_user_action_that_a_gold_solution_has() -> None:
    wanted = {
        (action.name, canonical(action.arguments)): action
        for tau in tasks("telecom").values()
        for action in (tau.evaluation_criteria and tau.evaluation_criteria.actions) or ()
        if action.requestor == "user"
    }
    assert len(wanted) == 13
    goal = user_goal("telecom", find_task("telecom", TELECOM[0]))
    reader = Reader(goal)
    for (name, arguments), action in wanted.items():
        (ability,) = reader.read(asked_for(action)).about("do")
        assert (goal.abilities[ability].tool, canonical(goal.abilities[ability].arguments)) == (name, arguments)


def test_looking_is_not_touching() -> None:
    reader = Reader(user_goal("telecom", find_task("telecom", TELECOM[0])))
    for text, ability in [
        ("Please check your status bar.", "check_status_bar"),
        ("Could you check the APN settings?", "check_apn_settings"),
        ("Please check whether Wi-Fi calling is on.", None),
        ("Please run a speed test.", "run_speed_test"),
        ("Do not turn off airplane mode.", None),
    ]:
        assert reader.read(text).about("do") == ([ability] if ability else [])


def test_replays_name_what_was_refused() -> None:
    (replayed,) = replay_gold("retail", ["2"])
    assert isinstance(replayed, GoldReplay)
    assert replayed.reward == 1.0
    assert replayed.refused == ("get_product_details: Error: Product not found",)
    assert {name for name in DOMAINS if replay_gold(name, [])} == set()
