"""The tasks of the tracker: solvable, forkable, and one that Roundup's own bug gets in the way of."""

from __future__ import annotations

from contextlib import closing

import pytest

from envsim.content import list_templates
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from tests.sandboxes.sites import Trusting

AS_ASKED = [
    'goto("/issue?@template=search")',
    'select_option("@combobox #4", "{priority.name}")',
    'fill("@textbox #10", "Critical and urgent")',
    'click("@button Search #2")',
    'fill("@textbox #10", "{name}")',
    'click("@button Search #2")',
]
"""Trying the taken name first and then giving another one, as the form asks."""


def test_every_task_can_be_solved() -> None:
    with closing(TaskEnv("roundup")) as env:
        for template in list_templates("roundup"):
            outcome = run_episode(env, OraclePolicy(), seed=1, task=f"{template}@1").outcome
            assert outcome.reward == 1.0, f"{template}: {outcome.reason}"


@pytest.mark.parametrize(("variant", "reward"), [("2.5.0", 0.0), ("2.6.0", 1.0)])
def test_doing_as_the_form_asks_costs_a_search_in_the_one_version(variant: str, reward: float) -> None:
    with closing(TaskEnv("roundup", variant=variant)) as env:
        outcome = run_episode(env, Trusting(*AS_ASKED), seed=1, task="save-search@1").outcome
        assert outcome.kind == "policy"
        assert outcome.reward == reward, outcome.reason


@pytest.mark.slow
def test_a_fork_goes_on_where_the_episode_was() -> None:
    with closing(TaskEnv("roundup", task="take-over@1")) as env:
        env.reset(seed=1)
        env.step('fill("esmy3-2", "5")')
        before = env.step('click("epqxu")')[0]["page"]
        twins = env.fork(2)
        try:
            assert all(twin.observation.page == before for twin in twins)
            steps = ['select_option("ej2jf-2", "resolved")', 'click("em46j")']
            ends = [[twin.step(step)[0]["page"] for step in steps] for twin in [*twins, env]]
            assert ends[0] == ends[1] == ends[2] != [before, before]
            assert twins[0].world.state() == env.world.state()
            twins[0].step('goto("/keyword?@template=item")')
            assert env.observation.page == ends[2][-1]
        finally:
            for twin in twins:
                twin.close()
