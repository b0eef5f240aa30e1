"""TaskVectorEnv: strings come back right and a failing member fails alone."""

import math
import threading

import gymnasium
import numpy as np
import pytest

import envsim.vector
from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxLost
from envsim.registration import register_all
from envsim.testing import FakeWorld, serve_chat


@pytest.fixture
def envs(shelf, monkeypatch):
    """Sixteen members, each with a world of its own."""

    def member(**options):
        return TaskEnv(**options, world=FakeWorld(shelf={"mug": 2, "café ☕": 1}))

    monkeypatch.setattr(envsim.vector.TaskVectorEnv, "member", staticmethod(member))
    register_all()
    envs = gymnasium.make_vec("envsim/Shelf-v0", num_envs=16, interface="tools")
    yield envs
    envs.close()
    gymnasium.registry.pop("envsim/Shelf-v0")


def test_make_vec_returns_the_same_strings_as_single_environments(envs):
    assert isinstance(envs.unwrapped, envsim.vector.TaskVectorEnv)
    observations, _ = envs.reset(seed=100)
    assert envs.observation_space.contains(observations)
    for i in range(16):
        single = TaskEnv("shelf", interface="tools", world=FakeWorld(shelf={"mug": 2, "café ☕": 1}))
        expected, _ = single.reset(seed=100 + i)
        assert {key: values[i] for key, values in observations.items()} == expected
    assert len(set(observations["goal"])) > 1


def test_spaces_can_be_sampled_and_random_actions_survive(envs):
    envs.reset(seed=0)
    envs.action_space.seed(0)
    observations, rewards, *_ = envs.step(envs.action_space.sample())
    assert rewards.shape == (16,)
    assert all(observations["error"])


@pytest.mark.parametrize("failure", [SandboxLost("gone. Reset."), RuntimeError("a defect")])
def test_a_crashed_member_is_infra_and_the_rest_go_on(envs, failure):
    envs.reset(seed=0)
    broken = envs.unwrapped.envs[3].world

    def fail(action):
        raise failure

    broken.step = fail
    _, rewards, terminated, truncated, infos = envs.step(["look()"] * 16)
    assert math.isnan(rewards[3])
    assert not np.isnan(np.delete(rewards, 3)).any()
    assert truncated.tolist() == [i == 3 for i in range(16)]
    assert not terminated.any()
    assert infos["outcome"][3] == "infra"
    assert infos["_outcome"].tolist() == [i == 3 for i in range(16)]
    del broken.step
    _, rewards, _, truncated, infos = envs.step(["look()"] * 16)
    assert infos["step"].tolist() == [0 if i == 3 else 2 for i in range(16)]
    assert not np.isnan(rewards).any()
    assert not truncated.any()


def test_a_member_whose_reset_fails_is_tried_again(envs):
    envs.reset(seed=0)
    world = envs.unwrapped.envs[0].world
    works, world.reset = world.reset, lambda task, seed: (_ for _ in ()).throw(SandboxLost("gone. Wait."))
    envs.step(["answer()"] * 16)
    _, rewards, _, truncated, _ = envs.step(["look()"] * 16)
    assert math.isnan(rewards[0])
    assert truncated.tolist() == [i == 0 for i in range(16)]
    world.reset = works
    _, rewards, _, truncated, _ = envs.step(["look()"] * 16)
    assert not np.isnan(rewards).any()
    assert not truncated.any()


def test_one_action_per_member(envs):
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="16"):
        envs.step(["look()"])


def test_a_member_that_cannot_start_is_infra_from_the_reset_on(envs):
    world = envs.unwrapped.envs[2].world
    works, world.reset = world.reset, lambda task, seed: (_ for _ in ()).throw(SandboxLost("gone. Wait."))
    observations, infos = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert infos["outcome"][2] == "infra"
    assert observations["goal"][2] == ""
    assert all(goal for i, goal in enumerate(observations["goal"]) if i != 2)
    world.reset = works
    observations, rewards, *_ = envs.step(["look()"] * 16)
    assert all(observations["goal"])
    assert not np.isnan(rewards).any()


def test_a_close_that_fails_loses_one_member_only(envs):
    envs.reset(seed=0)
    world = envs.unwrapped.envs[1].world

    def fail(*_):
        raise RuntimeError("a defect")

    world.step, world.close = fail, fail
    _, rewards, *_ = envs.step(["look()"] * 16)
    assert np.flatnonzero(np.isnan(rewards)).tolist() == [1]
    del world.step, world.close


def test_stepping_before_the_first_reset_is_refused(envs):
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(["look()"] * 16)


def test_one_world_is_not_shared_by_members(shelf):
    with pytest.raises(ContentError, match="cannot be shared"):
        envsim.vector.TaskVectorEnv(app="shelf", interface="tools", num_envs=2, world=FakeWorld())


def test_members_do_not_wait_for_each_others_chat_users(monkeypatch):
    together = threading.Barrier(3)

    def answer(request):
        together.wait(timeout=30)  # one after another, none would ever be answered
        return "Go on." if len(request["messages"]) > 2 else "I need help."

    with serve_chat(answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        envs = gymnasium.make_vec("envsim:envsim/Desk-v0", num_envs=3, user="chat:tiny", task="dual-code-cancel")
        try:
            envs.reset(seed=1)
            observations, *_ = envs.step(['send_msg_to_user("Hello?")'] * 3)
        finally:
            envs.close()
    assert observations["messages"] == ("user: Go on.",) * 3
