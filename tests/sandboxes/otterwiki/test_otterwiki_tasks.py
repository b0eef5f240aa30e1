"""The wiki's tasks, on the wiki itself: sound and varied. More instances: ``envsim tasks audit --app otterwiki``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.task_template import TaskTemplate, load_tasks

pytestmark = [pytest.mark.xdist_group("otterwiki"), pytest.mark.timeout(300)]

TEMPLATES = load_tasks("otterwiki")
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = TaskEnv("otterwiki", runtime="process")
    yield made
    made.close()


@each_template
def test_one_instance_is_sound(template: TaskTemplate, env: TaskEnv) -> None:
    assert not audit_template(env, template.id, range(1)).failures


@each_template
def test_instances_differ(template: TaskTemplate, env: TaskEnv) -> None:
    view = env.world.seed_view()
    tasks = [template.instantiate(seed, view) for seed in range(20)]
    assert len({(task.goal, task.start.login) for task in tasks}) >= 8


def test_templates_are_in_both_splits_and_judge_what_else_changed() -> None:
    assert {template.split for template in TEMPLATES} == {"train", "test"}
    assert all("unchanged" in {check["kind"] for check in template.checks} for template in TEMPLATES)
