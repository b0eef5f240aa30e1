"""Faults before real clones, through environments: fired, recorded, the same everywhere, and never a wrong reward."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.page.lines import parse_lines
from envsim.policy import get_policy
from envsim.sandbox.faults import FAULTS, Schedule, read_faults
from envsim.testing import FakeWorld, check_world
from envsim.trace import TraceReader
from envsim.types import Action
from envsim.worlds import open_world

STORM = dict.fromkeys(FAULTS, 0.06)
WALK = [
    "/",
    "/c/cookware",
    "/c/cookware?page=2",
    "/search?q=linen",
    "/cart",
    "/account",
    "/help",
    "/login",
    "/c/cookware",
]


def episode(env: TaskEnv, seed: int, policy: str = "oracle", task: str | None = None) -> list[dict[str, Any]]:
    """Every step of one episode: what was seen and what was true."""
    chosen = get_policy(policy)
    _, info = env.reset(seed=seed, options={"task": task} if task else None)
    chosen.reset(env.task, seed, env.tools)
    steps = [{"seen": env.observation.model_dump(), "events": info["events"], "delta": info["delta"]}]
    while env.outcome is None:
        *_, info = env.step(chosen.act(env.observation))
        steps.append({"seen": env.observation.model_dump(), "events": info["events"], "delta": info["delta"]})
    return [*steps, {"outcome": env.outcome.model_dump()}]


def faults_of(steps: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for step in steps for event in step.get("events", ()) if event["kind"] == "fault"]


def walked(driver: str, seed: int, faults: Any, steps: int = 26) -> list[dict[str, Any]]:
    """A walk through the shop that fills, sends and clicks whatever the seed says."""
    env = TaskEnv("shop", faults=faults, bugs="none", driver=driver, max_steps=steps + 1)
    policy = get_policy("random")
    seen = []
    try:
        env.reset(seed=seed)
        policy.reset(env.task, seed, env.tools)
        for at in range(steps):
            action = f'goto("{WALK[at % len(WALK)]}")' if at % 3 == 0 else policy.act(env.observation)
            if not isinstance(action, str) and action.kind != "call":
                action = 'goto("/cart")'
            if not isinstance(action, str) and action.name == "report_infeasible":
                action = 'goto("/")'
            *_, info = env.step(action)
            assert env.outcome is None
            seen.append({"seen": env.observation.model_dump(), "events": info["events"], "delta": info["delta"]})
    finally:
        env.close()
    return seen


# What makes a fault possible that a look around does not: pages, and a page that has changed since.
PROVOKED = {
    "duplicate-delivery": ["goto('/p/{slug}')", "Add to cart"],
    "page-skip": ["goto('/c/cookware?page=2')"],
    "stale-response": ["goto('/cart')", "goto('/p/{slug}')", "Add to cart", "goto('/cart')"],
    "lying-toast": ["goto('/p/{slug}')", "Add to cart"],
    "csrf-rotation": ["goto('/p/{slug}')", "Add to cart"],
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_fires_in_the_shop(name: str) -> None:
    env = TaskEnv("shop", faults={name: 1.0}, bugs="none")
    try:
        env.reset(seed=0)
        slug = next(slug for slug, product in env.world.state()["products"].items() if product)
        fired = []
        for step in PROVOKED.get(name, ["goto('/search?q=linen')"]):
            action = step.format(slug=slug)
            if step == "Add to cart":
                line = next(line for line in parse_lines(env.observation.page) if line.ref and line.name == step)
                action = f'click("{line.ref}")'
            *_, info = env.step(action)
            assert env.outcome is None
            fired += [event["id"] for event in info["events"]]
    finally:
        env.close()
    assert set(fired) == {name}


def test_faults_reach_the_trace_but_not_the_agent(tmp_path: Path) -> None:
    env = gymnasium.make("envsim:envsim/Shop-v0", faults={"server-error": 0.5}, record=tmp_path, bugs="none")
    try:
        steps = episode(env.unwrapped, 0)
    finally:
        env.close()
    (path,) = tmp_path.glob("*.jsonl")
    trace = TraceReader(path).read(path)
    assert trace.header.meta["faults"] == {"rates": {"server-error": 0.5}, "patience_s": 10.0}
    recorded = [event.id for step in trace.steps for event in step.events if event.kind == "fault"]
    assert recorded == faults_of(steps) != []
    assert "before the app was asked" not in "".join(json.dumps(step["seen"]) for step in steps[:-1])


def test_the_first_page_is_spared() -> None:
    env = TaskEnv("shop", faults={"connection-reset": 1.0})
    try:
        env.reset(seed=0)
        assert "reset" not in env.observation.page
        env.step('goto("/cart")')
        assert "Error: reset" in env.observation.page
    finally:
        env.close()


DIGEST = """
import hashlib, json
from tests.sandbox.test_faults_env import STORM, walked
print(hashlib.sha256(json.dumps([walked("http", s, STORM) for s in (1, 2)], sort_keys=True).encode()).hexdigest())
"""


def test_the_same_seed_meets_the_same_faults_in_another_process(repo: Path) -> None:
    ours = [walked("http", seed, STORM) for seed in (1, 2)]
    assert all(faults_of(steps) for steps in ours)
    out = subprocess.run([sys.executable, "-c", DIGEST], cwd=repo, capture_output=True, text=True, check=True).stdout
    assert out.strip() == hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("interface", ["browser", "tools"])
def test_a_world_with_faults_is_a_world(interface: Any) -> None:
    env = TaskEnv("shop", interface=interface, faults=STORM)
    try:
        env.reset(seed=0)
        chosen = env.task
    finally:
        env.close()
    assert chosen is not None
    check_world(lambda: open_world("sandbox", "shop", interface=interface, faults=STORM), [chosen], seeds=(0,), steps=8)


def test_tools_meet_wire_faults_only() -> None:
    env = TaskEnv("shop", interface="tools", faults=dict.fromkeys(FAULTS, 0.3), bugs="none")
    try:
        fired = {name for seed in range(8) for name in faults_of(episode(env, seed))}
    finally:
        env.close()
    assert fired
    assert {FAULTS[name].layer for name in fired} == {"wire"}


def test_without_a_session_nothing_changes_in_the_app() -> None:
    env = TaskEnv("shop", faults={"session-expiry": 1.0}, bugs="none")
    try:
        env.reset(seed=0)
        for path in WALK:
            *_, info = env.step(f'goto("{path}")')
            assert [event["id"] for event in info["events"]][:1] == ["session-expiry"]
            assert info["delta"] == []
    finally:
        env.close()


def test_a_failure_after_a_request_was_delivered_twice_is_nobodys() -> None:
    env = TaskEnv("shop", faults={"duplicate-delivery": 1.0}, bugs="all")
    kinds = set()
    try:
        for seed in range(6):
            steps = episode(env, seed)
            twice = "duplicate-delivery" in faults_of(steps)
            outcome = steps[-1]["outcome"]
            kinds.add((twice, outcome["kind"], outcome["reward"]))
            assert not (twice and outcome["reward"] == 0.0)
        env.reset(seed=0)
        env.step('goto("/cart")')
        *_, reward, _, _, info = env.step("answer()")
        assert (reward, info["outcome"]) == (0.0, "policy")
    finally:
        env.close()
    assert (True, "infra", None) in kinds


@pytest.mark.parametrize("faults", ["storm", {"latency": 2.0}])
def test_bad_faults_are_refused_when_made(faults: Any) -> None:
    with pytest.raises(ContentError):
        TaskEnv("shop", faults=faults)


def test_only_sandboxes_have_a_wire() -> None:
    with pytest.raises(ContentError, match="no wire"):
        TaskEnv("shop", world="model", faults="production")
    with pytest.raises(ContentError, match="of your own"):
        TaskEnv("shop", world=FakeWorld(), faults="production")


@pytest.mark.browser
@pytest.mark.parametrize("seed", [1, 2])
def test_both_drivers_meet_the_same_faults_and_show_the_same(seed: int) -> None:
    faults = dict.fromkeys(FAULTS, 0.08)
    http, chromium = (walked(driver, seed, faults) for driver in ("http", "chromium"))
    assert len(set(faults_of(http))) > 3
    for at, (ours, theirs) in enumerate(zip(http, chromium, strict=True)):
        assert ours == theirs, f"step {at}"


DRIVERS = ["http", pytest.param("chromium", marks=pytest.mark.browser)]


def named(env: TaskEnv, role: str, name: str = "") -> str:
    """The ref of an element on the page."""
    return next(
        line.ref for line in parse_lines(env.observation.page) if line.role == role and name in line.name and line.ref
    )


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_dialog_can_be_closed_and_the_page_is_behind_it(driver: str) -> None:
    env = TaskEnv("shop", faults={"modal": 1.0}, bugs="none", driver=driver)
    try:
        env.reset(seed=0)
        env.step('goto("/help")')
        assert env.observation.page.startswith("dialog")
        *_, info = env.step(f'click("{named(env, "button", "Close")}")')
        assert info["events"] == []
        assert 'link "Returns"' in env.observation.page
        assert "dialog" not in env.observation.page
    finally:
        env.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_challenge_can_be_solved(driver: str) -> None:
    # A seed whose schedule is due at the first page and not at the one after the challenge.
    rates = read_faults({"captcha": 0.5})
    seed = next(s for s in range(99) if [bool(Schedule(rates, s).due(n)) for n in range(3)] == [True, False, False])
    env = TaskEnv("shop", faults=rates, bugs="none", driver=driver)
    try:
        env.reset(seed=seed)
        env.step('goto("/help")')
        lines = env.observation.page
        numbers = [int(word.strip('?"')) for word in lines.split() if word.strip('?"').isdigit()]
        env.step(f'fill("{named(env, "textbox")}", "{sum(numbers[:2])}")')
        *_, info = env.step(f'click("{named(env, "button", "Continue")}")')
        assert [event["detail"] for event in info["events"]] == ["solved"]
        assert (env.observation.url, "One more step" in env.observation.page) == ("/help", False)
    finally:
        env.close()


def test_a_fork_meets_the_same_faults_again() -> None:
    world = open_world("sandbox", "shop", bugs="none", faults=dict.fromkeys(FAULTS, 0.2))
    env = TaskEnv("shop", bugs="none")
    try:
        env.reset(seed=3)
        assert env.task is not None
        world.reset(env.task, 3)
        for path in WALK[:4]:
            world.step(Action.call("goto", url=path))
        token = world.snapshot()
        runs = []
        for _ in range(2):
            world.restore(token)
            runs.append([world.step(Action.call("goto", url=path)) for path in WALK])
        assert runs[0] == runs[1]
        assert any(transition.events for transition in runs[0])
    finally:
        env.close()
        world.close()
