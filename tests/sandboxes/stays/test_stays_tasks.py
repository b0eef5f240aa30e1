"""The site's tasks, on the site itself: sound, varied, and unforgiving to those who trust it blindly."""

from __future__ import annotations

import pytest

from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from envsim.task_template import find_template
from tests.sandboxes.kits import Envs, FifteenTasks
from tests.sandboxes.sites import rewards


class TestTasks(FifteenTasks):
    app = "stays"
    seeds = 2
    drawn, different = 30, 12


def test_who_trusts_that_a_message_was_sent_fails_now_and_then(envs: Envs) -> None:
    *way, loop = find_template("stays", "message-host").oracle
    steps = [*way, *loop["do"]]
    assert set(rewards(envs("browser", "none"), "message-host", steps, range(10))) == {1.0}
    assert set(rewards(envs("browser", "production"), "message-host", steps, range(10))) == {0.0, 1.0}


def test_who_trusts_that_a_cancelled_trip_is_refunded_fails_now_and_then(envs: Envs) -> None:
    steps = find_template("stays", "cancel-trip").oracle[:-1]
    assert set(rewards(envs("browser", "none"), "cancel-trip", steps, range(10))) == {1.0}
    assert set(rewards(envs("browser", "production"), "cancel-trip", steps, range(10))) == {0.0, 1.0}


def test_who_edits_a_calendar_twice_in_a_row_loses_the_first_edit(envs: Envs) -> None:
    steps = [step for step in find_template("stays", "host-calendar").oracle if "Month" not in str(step)]
    assert set(rewards(envs("browser", "none"), "host-calendar", steps, range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "host-calendar", steps, range(5))) == {0.0}


def test_who_books_again_after_an_error_books_twice(envs: Envs) -> None:
    *before, _ = find_template("stays", "tools-book").oracle
    call = (
        'book_stay(slug="{saved.slug}", check_in="{dates.in}", check_out="{dates.out}", guests="{party}",'
        ' card_id="{saved.card}", request_key="mine")'
    )
    steps = [*before, {"until": "result.number", "do": [call], "max": 8}]
    assert set(rewards(envs("tools", "none"), "tools-book", steps, range(16))) == {1.0}
    assert set(rewards(envs("tools", "production"), "tools-book", steps, range(16))) == {0.0, 1.0}


def test_who_reads_the_second_page_finds_the_twelfth_home_again(envs: Envs) -> None:
    steps = [
        'goto("/search?place={place.key}&sort=price_asc&page=2")',
        *[step for step in find_template("stays", "next-cheapest-home").oracle if "until" in step][:1],
        {"save": {"rate": "@main >> link ->~/stay/ + text + text"}, "pattern": r"(\$[\d,.]*\d)"},
        'answer("{saved.rate}")',
    ]
    assert set(rewards(envs("browser", "none"), "next-cheapest-home", steps, range(5))) == {1.0}
    assert set(rewards(envs("browser", "production"), "next-cheapest-home", steps, range(5))) == {0.0}


@pytest.mark.browser
@pytest.mark.parametrize("task", ["book-stay", "cancel-trip", "host-calendar"])
def test_oracles_solve_tasks_in_a_real_browser_too(task: str) -> None:
    env = TaskEnv("stays", driver="chromium")
    try:
        assert run_episode(env, OraclePolicy(), seed=4, task=f"{task}@4").outcome.reward == 1.0
    finally:
        env.close()
