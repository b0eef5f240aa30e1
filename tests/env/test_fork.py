"""Forks: what is stepped alike is alike in every byte, what is stepped apart never meets."""

import copy

import gymnasium
import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError, UncertainError
from envsim.policy import get_policy
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec
from envsim.testing import FakeWorld
from envsim.trace import TraceReader
from envsim.user.agenda import AgendaUser
from envsim.user.persona import read_population
from envsim.vector import TaskVectorEnv

BROWSE = ['goto("/search?q=lamp")', 'goto("/cart")', 'goto("/account")', 'goto("/")', "go_back()"]
BUY = [
    'search_products(text="kettle")',
    'add_to_cart(sku="CO004-1", qty=2)',
    "get_cart()",
    'add_to_cart(sku="CO012-2", qty=1)',
    "get_cart()",
]
TALK = ['send_msg_to_user("Hello! What can I do for you?")', 'send_msg_to_user("What is your order number?")']
SETUPS = {
    "pages": ({"app": "shop", "bugs": "all"}, BROWSE),
    "faults": ({"app": "shop", "faults": "all"}, BROWSE),
    "tools": ({"app": "shop", "interface": "tools", "bugs": "all"}, BUY),
    "user": ({"app": "desk", "task": "dual-coupon-cart"}, [*TALK, *TALK, *TALK[1:]]),
    "process": ({"app": "shop", "runtime": "process", "bugs": "all"}, BROWSE),
    "docker": ({"app": "shop", "runtime": "docker", "faults": "all"}, BROWSE),
    "chromium": ({"app": "shop", "driver": "chromium"}, BROWSE[:3]),
}
MARKS = {
    "docker": [pytest.mark.docker, pytest.mark.xdist_group("docker")],
    "chromium": [pytest.mark.browser, pytest.mark.xdist_group("chromium")],
}


def go(env, actions):
    return [env.step(action) for action in actions]


def middle(options):
    env = TaskEnv(**options)
    env.reset(seed=11)
    return env


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [])) for name in SETUPS])
def test_forks_go_the_way_their_original_goes_and_leave_each_other_alone(name):
    options, actions = SETUPS[name]
    env, untouched = middle(options), middle(options)
    forks = []
    try:
        assert go(env, actions[:2]) == go(untouched, actions[:2])
        forks = env.fork(3)
        assert [fork.observation for fork in forks] == [env.observation] * 3
        # One goes elsewhere, and first.
        astray = go(forks[2], list(reversed(actions)))
        ahead = go(forks[0], actions[2:])
        assert go(env, actions[2:]) == ahead == go(forks[1], actions[2:])
        assert go(untouched, actions[2:]) == ahead  # as if there had never been a fork
        assert astray[-1] != ahead[-1]
        assert forks[0].world.state() == forks[1].world.state() == env.world.state() == untouched.world.state()
    finally:
        for each in (env, untouched, *forks):
            each.close()


@pytest.mark.parametrize(
    "options",
    [{}, pytest.param({"driver": "chromium"}, marks=MARKS["chromium"])],
    ids=["http", "chromium"],
)
def test_what_was_typed_and_where_the_agent_was_is_forked_too(options):
    env = middle({"app": "shop", "bugs": "none", **options})
    try:
        go(env, ['goto("/search?q=lamp")', 'goto("/")'])
        box = next(line for line in env.observation.page.splitlines() if "searchbox" in line)
        ref = box.split("[", 1)[1].split("]", 1)[0]
        env.step(f'fill("{ref}", "half a wo")')
        (fork,) = env.fork(1)
        assert "half a wo" in fork.observation.page
        assert fork.step("noop()")[0] == env.step("noop()")[0]
        assert "half a wo" in fork.observation.page
        assert fork.step("go_back()")[0] == env.step("go_back()")[0]
        assert "lamp" in fork.observation.url
        fork.close()
    finally:
        env.close()


def test_bugs_that_have_fired_go_on_counting():
    env = middle({"app": "shop", "interface": "tools", "bugs": "all"})
    try:
        fired = [event for *_, info in go(env, BUY) for event in info["events"]]
        (fork,) = env.fork(1)
        again = [go(each, BUY) for each in (fork, env)]
        assert again[0] == again[1]
        assert fired + [event for *_, info in again[0] for event in info["events"]]
        fork.close()
    finally:
        env.close()


def test_a_forked_episode_is_judged_by_its_own_end():
    env = TaskEnv("shop", interface="tools", task="tools-buy")
    env.reset(seed=5)
    try:
        policy = get_policy("oracle")
        policy.reset(env.task, 5, env.tools)
        action = policy.act(env.observation)
        while action.kind != "answer":
            env.step(action)
            action = policy.act(env.observation)
        right, wrong = env.fork(2)
        *_, terminated, _, info = right.step(action)
        assert (terminated, info["success"]) == (True, True)
        *_, terminated, _, info = wrong.step('report_infeasible("no")')
        assert (terminated, info["success"]) == (True, False)
        assert env.outcome is None
        *_, info = env.step(action)
        assert info["success"]
        # Both are environments like any other.
        assert right.reset(seed=9)[0] == wrong.reset(seed=9)[0] == env.reset(seed=9)[0]
        assert right.reset()[0] == env.reset()[0]
        right.close()
        wrong.close()
    finally:
        env.close()


def test_a_fork_has_a_trace_of_its_own_with_all_that_came_before(tmp_path):
    env = TaskEnv("shop", record=tmp_path)
    env.reset(seed=2, options={"session": "parent"})
    env.step('goto("/cart")')
    first, second = env.fork(2)
    (nested,) = first.fork(1)
    for number, each in enumerate((env, first, second, nested)):
        each.step(f'goto("/search?q={number}")')
        each.step("answer(1)")
        each.close()
    traces = {trace.header.session: trace for trace in TraceReader(tmp_path)}
    assert sorted(traces) == ["parent", "parent+1", "parent+1+1", "parent+2"]
    assert traces["parent+2"].header.meta["fork"] == {"session": "parent", "steps": 2}
    assert traces["parent+1+1"].header.meta["fork"] == {"session": "parent+1", "steps": 2}
    parent = traces["parent"]
    for trace in traces.values():
        assert (trace.steps[:2], trace.state, trace.end.outcome.kind) == (parent.steps[:2], parent.state, "policy")
    assert len({trace.steps[2].observation.url for trace in traces.values()}) == 4


def test_forks_that_are_closed_leave_their_sandboxes_warm_for_the_next():
    env = middle({"app": "shop"})
    try:
        names = set()
        for _ in range(3):
            forks = env.fork(3)
            names |= {fork.world._sandbox.name for fork in forks}
            for fork in forks:
                fork.close()
            env.world._own_pool.wait(3)
        assert len(names) == 3
        assert env.world._own_pool.recreated == 0
    finally:
        env.close()


def test_a_fork_outlives_the_original_and_its_sandbox_is_closed_with_it():
    env = middle({"app": "shop", "runtime": "process"})
    (fork,) = env.fork(1)
    env.close()
    assert fork.step('goto("/cart")')[0]["url"].endswith("/cart")
    process = fork.world._sandbox._sandbox.process
    fork.close()
    assert process.poll() is not None
    observation, _ = env.reset(seed=1)  # a closed environment can be used again, as always
    assert observation["page"]
    env.close()


def test_a_fork_whose_sandbox_dies_gets_another():
    env = middle({"app": "shop", "runtime": "process"})
    try:
        (probe,) = env.fork(1)
        victim = probe.world._sandbox._sandbox.process
        probe.close()
        env.world._own_pool.wait(1)
        victim.kill()
        (fork,) = env.fork(1)
        assert fork.step('goto("/cart")')[0] == env.step('goto("/cart")')[0]
        assert env.world._own_pool.recreated == 1
        fork.close()
    finally:
        env.close()


def test_what_cannot_be_forked_says_so(shelf):
    env = TaskEnv("shelf", interface="tools", world=FakeWorld())
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.fork(1)
    env.reset(seed=0)
    with pytest.raises(ContentError, match="0 forks are none"):
        env.fork(0)
    env.world.export = None
    plain = copy.copy(env)
    plain.world = type("Plain", (), {"kind": "plain"})()
    with pytest.raises(ContentError, match=r"kind 'plain' cannot be forked: .* Use world=\"sandbox\""):
        plain.fork(1)
    env.step("answer()")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.fork(1)


def test_a_user_that_cannot_be_forked_says_so_and_leaves_nothing():
    class Single:
        def __init__(self):
            self._user = AgendaUser(read_population("default"))

        def __getattr__(self, name):
            if name == "fork":
                raise AttributeError(name)
            return getattr(self._user, name)

    env = TaskEnv("desk", task="dual-coupon-cart", user=Single)
    env.reset(seed=1)
    try:
        with pytest.raises(ContentError, match=r"A Single cannot be forked\. Give it fork\(hands\)"):
            env.fork(2)
        assert env.world._own_pool.used == 0
        assert env.step("noop()")
    finally:
        env.close()


def test_worlds_take_over_only_what_fits():
    env = middle({"app": "shop"})
    other = middle({"app": "shop", "interface": "tools"})
    try:
        with pytest.raises(UncertainError, match="no episode of shop tools http"):
            other.world.load(env.world.export())
        with pytest.raises(UncertainError, match="no episode of shop browser http"):
            env.world.load(b"noise")
        assert env.step('goto("/cart")')[0]["url"].endswith("/cart")
    finally:
        env.close()
        other.close()


def test_members_become_a_group_and_go_their_own_ways():
    envs = TaskVectorEnv(app="shop", interface="tools", num_envs=4)
    try:
        envs.reset(seed=[1, 2, 3, 4])
        envs.step([BUY[0]] * 4)
        batch = envs.fork(2, into=[0, 3])
        assert batch["goal"][0] == batch["goal"][2] == batch["goal"][3] != batch["goal"][1]
        batch, *_, infos = envs.step([BUY[1], BUY[1], BUY[1], "get_cart()"])
        assert batch["result"][0] == batch["result"][2] != batch["result"][3]
        assert infos["step"].tolist() == [2] * 4
        assert envs.envs[0].world.state() == envs.envs[2].world.state() != envs.envs[3].world.state()
        *_, infos = envs.step(["answer()"] * 4)
        envs.step(["noop()"] * 4)  # resets all: every member goes on with its own seeds
        assert len({env.task.id for env in envs.envs}) > 1
    finally:
        envs.close()


def test_members_share_one_pool_and_close_it():
    envs = TaskVectorEnv(app="shop", runtime="process", num_envs=3)
    envs.reset(seed=0)
    assert (envs.warm.used, envs.warm.idle) == (3, 0)
    processes = [env.world._sandbox._sandbox.process for env in envs.envs]
    forks = envs.envs[0].fork(2)
    assert envs.warm.used == 5
    processes += [fork.world._sandbox._sandbox.process for fork in forks]
    for fork in forks:
        fork.close()
    envs.close()
    assert all(process.poll() is not None for process in processes)


def test_a_pool_of_ones_own_serves_environments():
    with_pool = SandboxPool(get_runtime("inprocess"), find_spec("shop"), limit=2)
    env = TaskEnv("shop", runtime=with_pool)
    plain = TaskEnv("shop")
    try:
        assert env.reset(seed=4)[0] == plain.reset(seed=4)[0]
        with pytest.raises(ContentError, match="at most 2"):
            env.fork(3)
        env.close()
        with_pool.wait(1)
        assert env.reset(seed=4)[0] == plain.reset(seed=4)[0]
    finally:
        env.close()
        plain.close()
        with_pool.close()
