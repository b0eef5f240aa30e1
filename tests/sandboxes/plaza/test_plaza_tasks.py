"""The site's tasks, on the site itself: sound, varied, and unforgiving to those who trust it blindly."""

from __future__ import annotations

from envsim.task_template import find_template
from tests.sandboxes.kits import Envs, FifteenTasks
from tests.sandboxes.sites import rewards


class TestTasks(FifteenTasks):
    app = "plaza"
    drawn, different = 15, 10


def test_who_comments_without_looking_fails_now_and_then(envs: Envs) -> None:
    loop = find_template("plaza", "comment-on-post").oracle[0]
    assert set(rewards(envs("browser", "none"), "comment-on-post", loop["do"][:3], range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "comment-on-post", loop["do"][:3], range(14))) == {0.0, 1.0}


def test_who_sends_again_after_every_error_comments_twice_now_and_then(envs: Envs) -> None:
    call = 'comment(post_id="{number}", body="{text}", parent_id="{parent}")'
    again = {
        "until": "result.comment_id",
        "do": [call, {"when": "!result.comment_id", "do": ["resume_session()"]}],
        "max": 9,
    }
    assert set(rewards(envs("tools", "none"), "tools-reply", [again], range(5))) == {1.0}
    assert set(rewards(envs("tools", "production"), "tools-reply", [again], range(24))) == {0.0, 1.0}


def test_who_trusts_that_a_message_was_sent_fails_now_and_then(envs: Envs) -> None:
    *way, loop = find_template("plaza", "message-member").oracle
    steps = [*way, *loop["do"]]
    assert set(rewards(envs("browser", "none"), "message-member", steps, range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "message-member", steps, range(12))) == {0.0, 1.0}


def test_who_trusts_that_removing_settles_the_reports_fails_now_and_then(envs: Envs) -> None:
    steps = find_template("plaza", "mod-remove").oracle[:-2]
    assert set(rewards(envs("browser", "none"), "mod-remove", steps, range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "mod-remove", steps, range(12))) == {0.0, 1.0}


def test_who_reads_the_time_in_their_own_zone_is_wrong(envs: Envs) -> None:
    steps = [step for step in find_template("plaza", "post-time").oracle if "Sign out" not in str(step)]
    zones = set(rewards(envs("browser", "production"), "post-time", steps, range(10)))
    assert 0.0 in zones


def test_who_changes_text_and_flair_at_once_loses_the_first(envs: Envs) -> None:
    loop, *_, choose, send = find_template("plaza", "edit-and-flair").oracle
    hasty = [*loop["do"][:3], loop["do"][0], choose, send]
    assert set(rewards(envs("browser", "none"), "edit-and-flair", hasty, range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "edit-and-flair", hasty, range(5))) == {0.0}
