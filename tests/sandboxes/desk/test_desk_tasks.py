"""The desk's single-control tasks: solved before every population of users, and of many instances."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.sandbox.runtime import Sandbox
from envsim.task_template import find_template

REFUSALS = (
    "refuse-adjustment", "refuse-big-goodwill", "refuse-late-return", "refuse-other-product", "refuse-shipped",
    "refuse-stranger",
)  # fmt: skip
BUGS = (
    "apology-coupon", "find-by-name", "goodwill-invoice", "note-on-record", "redirect-accents", "redirect-office",
)  # fmt: skip
PLAIN = ("exchange-option", "price-adjustment", "return-pieces")
TEMPLATES = (*REFUSALS, *BUGS, *PLAIN)


@pytest.fixture(scope="module", params=["default", "hasty", "muddled", "patient"])
def env(request: pytest.FixtureRequest) -> Iterator[TaskEnv]:
    made = TaskEnv("desk", population=request.param)
    yield made
    made.close()


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_oracle_solves_it_whoever_the_user_is(env: TaskEnv, template: str) -> None:
    for seed in (40, 41):
        env.reset(seed=seed, options={"task": f"{template}@{seed}"})
        policy = OraclePolicy()
        policy.reset(env.task, seed, env.tools)
        ended = cut = False
        while not (ended or cut):
            _, reward, ended, cut, info = env.step(policy.act(env.observation))
        assert reward == 1.0, (seed, info["outcome"], info["reason"], policy.stuck)
        assert not policy.stuck


@pytest.mark.parametrize("template", TEMPLATES)
def test_instances_end_differently(sandbox: Sandbox, template: str) -> None:
    view = sandbox.control.seed_view()
    tasks = [find_template("desk", template).instantiate(seed, view) for seed in range(40)]
    assert len({str(task.checks) for task in tasks}) >= 9
    assert len({task.user.items[0].want for task in tasks if task.user}) >= 3


@pytest.mark.parametrize("template", REFUSALS)
def test_a_refusal_that_looked_at_nothing_earns_nothing(env: TaskEnv, template: str) -> None:
    for last in ("answer()", 'report_infeasible(reason="policy")'):
        env.reset(seed=40, options={"task": f"{template}@40"})
        env.step('send_msg_to_user("I am sorry, but our policy does not allow that.")')
        if env.outcome is None:
            env.step(last)
        assert env.outcome is not None
        assert not env.outcome.success
