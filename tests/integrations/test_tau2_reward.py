"""tau2's rewards: ours against the original's on gold, wrong, silent and random episodes; each component by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envsim.errors import ContentError, UncertainError
from envsim.integrations.tau2 import Call, TauTask, find_task, judge, make_task, replay_gold, tasks
from envsim.integrations.tau2.data import GoldAction
from envsim.integrations.tau2.reference import original
from envsim.integrations.tau2.replay import gold_calls, gold_said
from envsim.integrations.tau2.reward import missing_actions, unsaid
from envsim.policy import get_policy
from envsim.types import Observation

SOME = {
    "airline": ["7", "17"],
    "retail": ["0", "5", "36", "62", "105"],
    "telecom": [
        "[mobile_data_issue]bad_vpn[PERSONA:None]",
        "[service_issue]overdue_bill_suspension[PERSONA:Easy]",
        "[service_issue]contract_end_suspension[PERSONA:Hard]",
        "[mms_issue]break_app_both_permissions[PERSONA:Hard]",
        "[mobile_data_issue]data_usage_exceeded[PERSONA:Easy]",
        "[service_issue]lock_sim_card_pin[PERSONA:Hard]",
    ],
}
PAIRS = [(domain, tau_id) for domain, ids in SOME.items() for tau_id in ids]
NULL = {
    "airline": [
        "0",
        "1",
        "4",
        "5",
        "6",
        "10",
        "13",
        "26",
        "28",
        "31",
        "34",
        "36",
        "41",
        "43",
        "45",
        "46",
        "47",
        "48",
        "49",
    ],
    "retail": ["10", "12", "25", "50", "57", "65", "105"],
}
"""Rewarded for nothing by tau2 itself: their gold solution writes nothing and tells nothing."""


# -- against the original ------------------------------------------------------------------------


@pytest.mark.parametrize(("domain", "tau_id"), PAIRS)
def test_a_gold_solution_gets_what_the_original_gives(domain: str, tau_id: str, scratch: Path) -> None:
    (gold,) = replay_gold(domain, [tau_id])
    theirs = original(domain, tau_id, gold.calls, gold.said)
    assert (gold.reward, theirs.reward) == (1.0, 1.0), (gold.reason, theirs.reason)
    assert gold.results == theirs.results


@pytest.mark.parametrize(("domain", "tau_id"), [("airline", "17"), *PAIRS[2:]])
def test_a_solution_less_its_last_call_gets_what_the_original_gives(
    domain: str, tau_id: str, begin: Any, carry_out: Any, scratch: Path
) -> None:
    tau = find_task(domain, tau_id)
    calls, said = gold_calls(tau)[:-1], gold_said(tau)
    world = begin(domain, tau_id)
    for call in calls:
        carry_out(world, call)
    assert judge(tau, world, said).reward == original(domain, tau_id, calls, said).reward


@pytest.mark.parametrize(
    ("domain", "tau_id", "seed"),
    [("airline", "7", 1), *((d, t, seed) for d in ("retail", "telecom") for t in SOME[d][:2] for seed in (2, 3))],
)
def test_a_random_agent_gets_what_the_original_gives(
    domain: str, tau_id: str, seed: int, begin: Any, carry_out: Any, scratch: Path
) -> None:
    """Results too: refusals, arguments that do not fit, tools that are not there."""
    world, policy = begin(domain, tau_id), get_policy("random")
    sides = [("assistant", world.tools()), ("user", world.user_tools())]
    results, seen = [], Observation()
    for side, tools in sides:
        policy.reset(None, seed, tools)
        for _ in range(12 if tools else 0):
            action = policy.act(seen)
            if action.kind == "call" and action.name not in ("report_infeasible", "refuel_data"):
                seen = carry_out(world, Call(side, action.name, action.arguments)).observation
                results.append(f"Error: {seen.error}" if seen.error else seen.result)
    tau = find_task(domain, tau_id)
    theirs = original(domain, tau_id, world.calls, ("I have done it.",))
    assert judge(tau, world, ("I have done it.",)).reward == theirs.reward
    pairs = [(a, b) for a, b in zip(results, theirs.results, strict=True) if b != "Error: the tool raised"]
    assert pairs
    assert [a[:1000] for a, _ in pairs] == [b[:1000] for _, b in pairs]


def test_tasks_that_reward_nothing_are_those_of_the_original(begin: Any) -> None:
    for domain, expected in NULL.items():
        got = [tau_id for tau_id, tau in tasks(domain).items() if judge(tau, begin(domain, tau_id), ()).reward == 1.0]
        assert got == expected
        for tau_id in got:
            assert not gold_said(find_task(domain, tau_id))


def test_every_gold_solution_of_airline_and_retail_is_rewarded() -> None:
    for domain, count in (("airline", 50), ("retail", 114)):
        replays = replay_gold(domain)
        assert len(replays) == count
        assert [each.task for each in replays if each.reward != 1.0] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_gold_solution_of_telecom_is_rewarded_and_none_is_for_nothing() -> None:
    replays = replay_gold("telecom")
    assert len(replays) == 2285
    assert {(each.reward, each.null_reward) for each in replays} == {(1.0, 0.0)}


# -- component by component ----------------------------------------------------------------------


def test_one_write_too_many_or_another_value_is_no_match(begin: Any, carry_out: Any) -> None:
    tau = find_task("airline", "7")
    extra = Call("assistant", "send_certificate", {"user_id": "daiki_muller_1116", "amount": 1})
    world = begin("airline", "7")
    for call in (*gold_calls(tau), extra):
        carry_out(world, call)
    verdict = judge(tau, world, gold_said(tau))
    assert verdict.reward == 0.0
    assert verdict.reason.startswith("DB: users/daiki_muller_1116/payment_methods/certificate_")
    assert [(each.kind, each.held) for each in verdict.results] == [("DB", False), ("COMMUNICATE", True)]
    assert judge(tau, begin("airline", "7"), ()).reason.startswith("DB: reservations/")


def test_what_must_be_said_is_found_in_any_case_and_without_commas() -> None:
    assert unsaid(["1628"], ["The total is $1,628."]) == []
    assert unsaid(["Gold"], ["you are GOLD", "bye"]) == []
    assert unsaid(["1,628"], ["The total is $1,628."]) == ["1,628"]  # the original drops commas on one side only
    assert unsaid(["44", "45"], ["44 dollars"]) == ["45"]
    assert unsaid(["a b"], ["a", "b"]) == ["a b"]


@pytest.mark.parametrize(
    ("action", "call", "counts"),
    [
        ({"name": "f", "arguments": {"a": [1, 2]}}, Call("assistant", "f", {"a": [2, 1]}), True),
        ({"name": "f", "arguments": {"a": 1}}, Call("assistant", "f", {"a": 1.0}), True),
        ({"name": "f", "arguments": {"a": 1}}, Call("assistant", "f", {"a": 1, "b": 2}), False),
        ({"name": "f", "arguments": {"a": 1}}, Call("user", "f", {"a": 1}), False),
        ({"name": "f", "arguments": {"a": 1}, "requestor": "user"}, Call("user", "f", {"a": 1}), True),
        ({"name": "f", "arguments": {"a": 1, "b": 2}, "compare_args": ["a"]}, Call("assistant", "f", {"a": 1}), True),
        ({"name": "f", "arguments": {"a": 1}, "compare_args": []}, Call("assistant", "f", {}), True),
        ({"name": "f", "arguments": {}}, Call("assistant", "my_f", {}), True),
        ({"name": "f", "arguments": {}}, Call("assistant", "of", {}), False),
        (
            {"name": "transfer_to_human_agents", "arguments": {"summary": "x"}},
            Call("assistant", "transfer_to_human_agents", {"summary": "y"}),
            True,
        ),
    ],
)
def test_which_calls_fulfil_a_gold_action(action: dict[str, Any], call: Call, counts: bool) -> None:
    assert (missing_actions([GoldAction.model_validate(action)], [call]) == []) is counts


def with_criteria(domain: str, tau_id: str, **changes: Any) -> TauTask:
    tau = find_task(domain, tau_id)
    assert tau.evaluation_criteria is not None
    return tau.model_copy(update={"evaluation_criteria": tau.evaluation_criteria.model_copy(update=changes)})


def test_a_transfer_counts_by_side_and_only_if_it_was_called(begin: Any, carry_out: Any) -> None:
    tau_id = "[service_issue]lock_sim_card_pin[PERSONA:Hard]"
    tau = find_task("telecom", tau_id)
    assert tau.evaluation_criteria is not None
    assert tau.evaluation_criteria.reward_basis == ("ENV_ASSERTION", "ACTION")
    world = begin("telecom", tau_id)
    assert judge(tau, world, ()).reason.startswith("ACTION: nobody called transfer_to_human_agents")
    carry_out(world, Call("assistant", "transfer_to_human_agents", {"summary": "The SIM card is locked."}))
    assert judge(tau, world, ()).reward == 1.0


def test_natural_language_assertions_are_unscorable_not_passed(begin: Any) -> None:
    with pytest.raises(UncertainError, match="need a language model"):
        judge(with_criteria("airline", "0", reward_basis=("DB", "NL_ASSERTION")), begin("airline", "0"), ())
    assert not [
        tau_id
        for domain in SOME
        for tau_id, tau in tasks(domain).items()
        if tau.evaluation_criteria is None or "NL_ASSERTION" in tau.evaluation_criteria.reward_basis
    ]


def test_broken_criteria_are_content_errors(begin: Any) -> None:
    with pytest.raises(ContentError, match="'MOOD' in its reward_basis"):
        judge(with_criteria("airline", "0", reward_basis=("MOOD",)), begin("airline", "0"), ())
    tau_id = SOME["telecom"][0]
    wrong = with_criteria("telecom", tau_id).evaluation_criteria
    assert wrong is not None
    assert wrong.env_assertions is not None
    bad = wrong.env_assertions[0].model_copy(update={"arguments": {"no_such": 1}})
    with pytest.raises(ContentError, match="raised TypeError"):
        judge(with_criteria("telecom", tau_id, env_assertions=(bad,)), begin("telecom", tau_id), ())


def test_without_criteria_or_gold_actions_there_is_nothing_to_fail(begin: Any) -> None:
    world = begin("airline", "7")
    assert judge(find_task("airline", "7").model_copy(update={"evaluation_criteria": None}), world, ()).reward == 1.0
    assert judge(with_criteria("airline", "7", actions=None, communicate_info=None), world, ()).reward == 1.0
    assert judge(with_criteria("airline", "7", actions=(), communicate_info=None), world, ()).reward == 1.0


def test_tasks_of_ours_carry_the_whole_of_theirs() -> None:
    for domain, tau_id in PAIRS:
        task = make_task(domain, tau_id)
        assert TauTask.model_validate(task.params["tau2"]) == find_task(domain, tau_id)
        assert (task.app, task.interface, task.max_steps) == (f"tau2-{domain}", "tools", 200)
