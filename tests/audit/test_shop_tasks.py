"""The shop's tasks, on the shop itself: sound, varied, and unforgiving to those who trust it blindly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.expressions import rows
from envsim.policy import NoisyPolicy, OraclePolicy
from envsim.rollout import run_episode
from envsim.task import Task
from envsim.task_template import TaskTemplate, find_template, load_tasks
from envsim.types import JsonValue

TEMPLATES = load_tasks("shop")
SEEDS = range(3)


@pytest.fixture(scope="module")
def envs() -> Iterator[dict[tuple[str, str], TaskEnv]]:
    made = {
        (interface, bugs): TaskEnv("shop", interface=interface, bugs=bugs)
        for interface in ("browser", "tools")
        for bugs in ("production", "none")
    }
    yield made  # type: ignore[misc]
    for env in made.values():
        env.close()


Envs = dict[tuple[str, str], TaskEnv]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_every_task_is_sound(template: TaskTemplate, envs: Envs) -> None:
    audited = audit_template(envs[template.interface, "production"], template.id, range(20))
    assert not audited.failures
    changes_something = any(check["kind"] == "state" for check in template.checks)
    shuffled = audited.means.pop("shuffled")
    assert shuffled is None or shuffled < 1.0
    assert audited.means == {
        "oracle": 1.0, "null": 0.0, "random": 0.0, "write_nothing": 0.0 if changes_something else None
    }  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_every_task_is_sound_without_bugs_too(template: TaskTemplate, envs: Envs) -> None:
    assert not audit_template(envs[template.interface, "none"], template.id, SEEDS).failures


def test_the_set_is_split_by_template_and_covers_both_interfaces() -> None:
    assert len(TEMPLATES) >= 20
    assert Counter(template.split for template in TEMPLATES) == {"train": 14, "test": 6}
    for split in ("train", "test"):
        assert {template.interface for template in TEMPLATES if template.split == split} == {"browser", "tools"}
    assert all("unchanged" in {check["kind"] for check in template.checks} for template in TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_instances_differ(template: TaskTemplate, envs: Envs) -> None:
    world = envs[template.interface, "none"].world
    view = world.seed_view()
    tasks = [template.instantiate(seed, view) for seed in range(60)]
    assert len({(task.goal, task.start.login) for task in tasks}) >= 20


def test_who_always_gives_up_is_wrong_about_orders_that_can_be_cancelled(envs: Envs) -> None:
    gives_up = 'report_infeasible(reason="x")'
    env = envs["tools", "production"]
    assert set(rewards(env, "tools-cancel-order", [gives_up], range(20))) == {0.0}
    looks = ["list_orders()", gives_up]
    assert set(rewards(env, "tools-cancel-order", looks, range(20))) == {0.0, 1.0}
    steps = ['get_order(number="{number}")', 'cancel_order(number="{number}")']
    assert set(rewards(envs["tools", "production"], "tools-cancel-order", steps, range(20))) == {0.0, 1.0}


def test_a_cancelled_order_gives_back_its_own_stock_and_no_other(envs: Envs) -> None:
    world = envs["browser", "none"].world
    task = find_template("shop", "cancel-latest-order").instantiate(3, world.seed_view())
    allowed = next(check["except"] for check in task.checks if check["kind"] == "unchanged")
    lines = [
        line for line in rows(world.seed_view()["order_lines"]) if str(line["order"]) == str(task.params["number"])
    ]
    assert {path for path in allowed if path.startswith("variants/")} == {
        f"variants/{line['sku']}/stock" for line in lines
    }


class Naive:
    """A policy with a solution of its own, run by the oracle's interpreter."""

    def __init__(self, *steps: Any) -> None:
        self._steps = steps
        self._oracle = OraclePolicy()

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        assert task is not None
        self._oracle.reset(task.model_copy(update={"oracle": self._steps}), seed, tools)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def act(self, observation: Any) -> Any:
        return self._oracle.act(observation)


def rewards(env: TaskEnv, task: str, steps: list[Any], seeds: range) -> list[float | None]:
    return [run_episode(env, Naive(*steps), seed=s, task=f"{task}@{s}").outcome.reward for s in seeds]


DISMISS = {"when": "@dialog", "do": ['click("@button No, thanks")']}


def test_who_trusts_the_second_page_of_a_listing_is_wrong(envs: Envs) -> None:
    steps = [
        'goto("/c/{category.key}?sort=price_asc&min={floor:amount}&page=2")',
        DISMISS,
        {"save": {"price": "@main >> link ->~/p/ + text"}, "pattern": r"(\$[\d,.]+\d)"},
        'answer("{saved.price}")',
    ]
    assert rewards(envs["browser", "none"], "next-cheapest", steps, range(8)) == [1.0] * 8
    assert rewards(envs["browser", "production"], "next-cheapest", steps, range(8)) == [0.0] * 8


def test_who_trusts_the_wishlist_loses_the_first_product(envs: Envs) -> None:
    # Three looks at the shop, so that its newsletter is out of the way.
    steps: list[Any] = ['goto("/")', 'goto("/")', DISMISS]
    steps += [
        step
        for place in (0, 1)
        for step in (f'goto("/p/{{pair.{place}.key}}")', DISMISS, 'click("@button Add to wishlist")')
    ]
    assert rewards(envs["browser", "none"], "wishlist-pair", steps, range(6)) == [1.0] * 6
    assert rewards(envs["browser", "production"], "wishlist-pair", steps, range(6)) == [0.0] * 6


def test_who_trusts_address_saved_fails_now_and_then(envs: Envs) -> None:
    until: dict[str, JsonValue] = find_template("shop", "edit-address").oracle[2]
    steps = ['click("@link ->/account")', 'click("@link Addresses")', *until["do"]]  # type: ignore[misc]
    assert rewards(envs["browser", "none"], "edit-address", steps, range(12)) == [1.0] * 12
    assert set(rewards(envs["browser", "production"], "edit-address", steps, range(12))) == {0.0, 1.0}


def test_who_orders_again_after_an_error_orders_twice(envs: Envs) -> None:
    retry = 'place_order(address_id="{saved.address}", shipping="{way.key}", payment="invoice", request_key="k")'
    *before, _ = find_template("shop", "tools-buy").oracle
    steps = [*before, {"until": "result.number", "do": [retry], "max": 8}]
    assert rewards(envs["tools", "none"], "tools-buy", steps, range(24)) == [1.0] * 24
    env = envs["tools", "production"]
    results = [run_episode(env, Naive(*steps), seed=s, task=f"tools-buy@{s}") for s in range(24)]
    failed = [item for item in results if item.outcome.reward == 0.0]
    assert failed
    assert all("count 1" in item.outcome.reason for item in failed)
    assert len(failed) < len(results)


def test_the_newsletter_is_not_what_was_asked_for(envs: Envs) -> None:
    steps = ['goto("/p/{product.key}")', 'goto("/p/{product.key}")', 'goto("/p/{product.key}")']
    steps += ['click("@button Subscribe")', *find_template("shop", "write-review").oracle[-4:]]
    env = envs["browser", "production"]
    reasons = [
        run_episode(env, Naive(*steps), seed=s, task=f"write-review@{s}").outcome.reason
        for s in range(6)
    ]  # fmt: skip
    assert any("newsletter was changed" in reason for reason in reasons)


def test_noisy_still_often_succeeds(envs: Envs) -> None:
    done = [
        run_episode(envs[t.interface, "production"], NoisyPolicy(), seed=s, task=f"{t.id}@{s}").outcome.reward
        for t in TEMPLATES
        for s in SEEDS
    ]
    assert 0.4 < sum(reward or 0.0 for reward in done) / len(done) < 1.0


@pytest.mark.browser
@pytest.mark.parametrize("task", ["buy-variant", "edit-address", "next-cheapest", "wishlist-pair"])
def test_oracles_solve_tasks_in_a_real_browser_too(task: str) -> None:
    env = TaskEnv("shop", driver="chromium")
    try:
        assert run_episode(env, OraclePolicy(), seed=3, task=f"{task}@3").outcome.reward == 1.0
    finally:
        env.close()
