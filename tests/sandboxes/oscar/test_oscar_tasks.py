"""The shop's tasks, at the shop itself: solved by their oracles in two versions, one of which gets in the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from envsim.task_template import TaskTemplate, find_template, load_tasks
from tests.sandboxes.sites import Trusting

pytestmark = [pytest.mark.xdist_group("oscar"), pytest.mark.timeout(600)]

TEMPLATES = load_tasks("oscar")
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = TaskEnv("oscar")
    yield made
    made.close()


@pytest.fixture(scope="module")
def newest() -> Iterator[TaskEnv]:
    made = TaskEnv("oscar", variant="4.2.1")
    yield made
    made.close()


@each_template
def test_the_oracle_solves_it(template: TaskTemplate, env: TaskEnv) -> None:
    assert run_episode(env, OraclePolicy(), seed=3, task=template.id).outcome.reward == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(("task", "dropped"), [("broken-bookmark", 0), ("reorder-engraved", -1)])
def test_who_does_not_see_the_error_page_coming_fails_where_the_bug_is(
    task: str, dropped: int, env: TaskEnv, newest: TaskEnv
) -> None:
    steps = list(find_template("oscar", task).oracle)
    assert "Server Error" in str(steps.pop(dropped))
    rewards = [run_episode(world, Trusting(*steps), seed=3, task=task).outcome.reward for world in (env, newest)]
    assert rewards == [0.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["change-address", "staff-hide-product"])
def test_two_instances_are_sound(task: str, env: TaskEnv) -> None:
    assert not audit_template(env, task, range(2)).failures


@each_template
def test_instances_differ_and_say_what_may_change(template: TaskTemplate, env: TaskEnv) -> None:
    view = env.world.seed_view()
    tasks = [template.instantiate(seed, view) for seed in range(20)]
    assert len({(task.goal, task.start.login) for task in tasks}) >= 10
    assert "unchanged" in {check["kind"] for check in template.checks}


def test_there_are_nine_in_both_splits() -> None:
    assert len(TEMPLATES) == 9
    assert {template.split for template in TEMPLATES} == {"train", "test"}
