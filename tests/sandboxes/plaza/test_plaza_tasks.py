"""The site's tasks, on the site itself: sound, varied, and unforgiving to those who trust it blindly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.task_template import TaskTemplate, find_template, load_tasks
from tests.sandboxes.sites import rewards

TEMPLATES = load_tasks("plaza")
Envs = dict[tuple[str, str], TaskEnv]
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)


@pytest.fixture(scope="module")
def envs() -> Iterator[Envs]:
    pairs = [(interface, bugs) for interface in ("browser", "tools") for bugs in ("production", "none")]
    made = {(interface, bugs): TaskEnv("plaza", interface=interface, bugs=bugs) for interface, bugs in pairs}  # type: ignore[arg-type]
    yield made  # type: ignore[misc]
    for env in made.values():
        env.close()


@each_template
@pytest.mark.parametrize("bugs", ["production", "none"])
def test_an_instance_is_sound(template: TaskTemplate, bugs: str, envs: Envs) -> None:
    assert not audit_template(envs[template.interface, bugs], template.id, range(1)).failures


@pytest.mark.slow
@pytest.mark.timeout(300)
@each_template
def test_twenty_instances_are_sound(template: TaskTemplate, envs: Envs) -> None:
    audited = audit_template(envs[template.interface, "production"], template.id, range(20))
    assert not audited.failures
    means = audited.means
    assert (means["oracle"], means["null"], means["random"]) == (1.0, 0.0, 0.0)


def test_there_are_fifteen_in_both_splits_and_interfaces() -> None:
    assert Counter(t.interface for t in TEMPLATES) == {"browser": 10, "tools": 5}
    assert Counter(t.split for t in TEMPLATES) == {"train": 10, "test": 5}
    assert all("unchanged" in {check["kind"] for check in t.checks} for t in TEMPLATES)
    assert all(len(t.goal) >= 2 for t in TEMPLATES)


@each_template
def test_instances_differ(template: TaskTemplate, envs: Envs) -> None:
    view = envs[template.interface, "none"].world.seed_view()
    tasks = [template.instantiate(seed, view) for seed in range(15)]
    assert len({(task.goal, task.start.login) for task in tasks}) >= 10


def test_who_comments_without_looking_fails_now_and_then(envs: Envs) -> None:
    loop = find_template("plaza", "comment-on-post").oracle[0]
    assert set(rewards(envs["browser", "none"], "comment-on-post", loop["do"][:3], range(5))) == {1.0}
    assert set(rewards(envs["browser", "production"], "comment-on-post", loop["do"][:3], range(14))) == {0.0, 1.0}


def test_who_sends_again_after_every_error_comments_twice_now_and_then(envs: Envs) -> None:
    call = 'comment(post_id="{number}", body="{text}", parent_id="{parent}")'
    again = {
        "until": "result.comment_id",
        "do": [call, {"when": "!result.comment_id", "do": ["resume_session()"]}],
        "max": 9,
    }
    assert set(rewards(envs["tools", "none"], "tools-reply", [again], range(5))) == {1.0}
    assert set(rewards(envs["tools", "production"], "tools-reply", [again], range(24))) == {0.0, 1.0}


def test_who_trusts_that_a_message_was_sent_fails_now_and_then(envs: Envs) -> None:
    *way, loop = find_template("plaza", "message-member").oracle
    steps = [*way, *loop["do"]]
    assert set(rewards(envs["browser", "none"], "message-member", steps, range(5))) == {1.0}
    assert set(rewards(envs["browser", "production"], "message-member", steps, range(12))) == {0.0, 1.0}


def test_who_trusts_that_removing_settles_the_reports_fails_now_and_then(envs: Envs) -> None:
    steps = find_template("plaza", "mod-remove").oracle[:-2]
    assert set(rewards(envs["browser", "none"], "mod-remove", steps, range(5))) == {1.0}
    assert set(rewards(envs["browser", "production"], "mod-remove", steps, range(12))) == {0.0, 1.0}


def test_who_reads_the_time_in_their_own_zone_is_wrong(envs: Envs) -> None:
    steps = [step for step in find_template("plaza", "post-time").oracle if "Sign out" not in str(step)]
    zones = set(rewards(envs["browser", "production"], "post-time", steps, range(10)))
    assert 0.0 in zones


def test_who_changes_text_and_flair_at_once_loses_the_first(envs: Envs) -> None:
    loop, *_, choose, send = find_template("plaza", "edit-and-flair").oracle
    hasty = [*loop["do"][:3], loop["do"][0], choose, send]
    assert set(rewards(envs["browser", "none"], "edit-and-flair", hasty, range(5))) == {1.0}
    assert set(rewards(envs["browser", "production"], "edit-and-flair", hasty, range(5))) == {0.0}
