"""TaskEnv over a world in memory: how episodes begin, go wrong and end."""

import math
from pathlib import Path

import gymnasium
import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxLost, UncertainError
from envsim.policy import get_policy
from envsim.rollout import run_episode
from envsim.testing import FakeWorld
from envsim.trace import TraceReader
from envsim.types import Action, Transition


def make(shelf: Path, world: FakeWorld | None = None, **options) -> TaskEnv:
    return TaskEnv("shelf", interface="tools", world=world or FakeWorld(), **options)


def solve(env: TaskEnv) -> tuple:
    item = env.task.params["item"]
    env.step(f'put(name="{item}", count=2)')
    return env.step("answer()")


def test_a_solved_task_is_worth_one(shelf):
    env = make(shelf)
    observation, info = env.reset(seed=1)
    assert observation["goal"] == f"Put two {env.task.params['item']} on the shelf."
    assert info == {
        "task": env.task.id,
        "step": 0,
        "trust": 1.0,
        "trusted": True,
        "odds": 1.0,
        "delta": [],
        "events": [],
    }
    _, reward, terminated, truncated, info = solve(env)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info["outcome"] == "policy"
    assert info["success"] is True


def test_answering_without_acting_is_worth_nothing_and_says_why(shelf):
    env = make(shelf)
    env.reset(seed=1)
    _, reward, terminated, _, info = env.step("answer()")
    assert (reward, terminated, info["success"]) == (0.0, True, False)
    assert "added.items" in info["reason"]


def test_the_step_limit_truncates_and_still_judges(shelf):
    env = make(shelf)
    env.reset(seed=1)
    item = env.task.params["item"]
    env.step(f'put(name="{item}", count=2)')
    for _ in range(2):
        assert env.step("look()")[2:4] == (False, False)
    _, reward, terminated, truncated, info = env.step("look()")
    assert (reward, terminated, truncated, info["outcome"]) == (1.0, False, True, "policy")


@pytest.mark.parametrize(
    "action", ["", "((", "look", "a.b()", "{", '{"kind": "fly"}', "x" * 20_000, "look(*[1])", "\x00"]
)
def test_a_malformed_action_is_an_observation_and_costs_a_step(shelf, action):
    env = make(shelf)
    before, _ = env.reset(seed=1)
    observation, reward, terminated, truncated, info = env.step(action)
    assert observation["error"]
    assert observation | {"error": ""} == before
    assert (reward, terminated, truncated, info["step"]) == (0.0, False, False, 1)


def test_infrastructure_failure_is_never_reward_zero_and_the_next_reset_works(shelf):
    world = FakeWorld(fail_at=1)
    env = make(shelf, world)
    env.reset(seed=1)
    _, reward, terminated, truncated, info = env.step("look()")
    assert math.isnan(reward)
    assert (terminated, truncated, info["outcome"], info["success"]) == (False, True, "infra", False)
    world.fail_at = None
    env.reset(seed=1)
    assert solve(env)[1] == 1.0


def test_a_world_that_cannot_go_on_is_uncertain_not_wrong(shelf):
    class Lost(FakeWorld):
        def step(self, action: Action) -> Transition:
            raise UncertainError("Never seen. Record it.")

    env = make(shelf, Lost())
    env.reset(seed=1)
    _, reward, _, truncated, info = env.step("look()")
    assert math.isnan(reward)
    assert (truncated, info["outcome"], info["reason"]) == (True, "sim_uncertain", "Never seen. Record it.")


def test_stepping_an_ended_episode_is_refused(shelf):
    env = make(shelf)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look()")
    env.reset(seed=1)
    env.step("answer()")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look()")


def test_seeds_choose_the_instance_and_a_first_seed_fixes_the_sequence(shelf):
    def goals() -> list[str]:
        env = make(shelf)
        return [env.reset(seed=5)[0]["goal"]] + [env.reset()[0]["goal"] for _ in range(6)]

    assert goals() == goals()
    assert len(set(goals())) > 1


def test_an_instance_can_be_named(shelf):
    env = make(shelf, task="put-two@3")
    assert {env.reset(seed=seed)[0]["goal"] for seed in range(4)} == {"Put two bowls on the shelf."}
    assert env.reset(seed=0, options={"task": "put-two@4"})[1]["task"] == "put-two@4"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "nope"}, "put-two"),
        ({"split": "test"}, "no test tools tasks"),
        ({"split": "dev"}, "'train' or 'test'"),
        ({"render_mode": "gif"}, "ansi"),
        ({"render_mode": "rgb_array"}, "chromium"),
        ({"world": "dream"}, "sandbox"),
        ({"world": "model"}, "worldmodel train"),
    ],
)
def test_bad_arguments_say_what_to_do(shelf, options, words):
    with pytest.raises(ContentError, match=words):
        TaskEnv("shelf", **{"interface": "tools", "world": FakeWorld()} | options)


def test_unknown_app_lists_those_there_are(shelf):
    with pytest.raises(ContentError, match="shelf"):
        TaskEnv("no-such-app")


def test_ansi_shows_what_the_agent_sees(shelf):
    env = make(shelf, render_mode="ansi")
    env.reset(seed=1)
    assert '"mug"' in env.render()
    env.step("((")
    assert "error:" in env.render()


def test_a_trace_holds_the_episode(shelf, tmp_path):
    env = make(shelf, record=tmp_path / "traces", policy="tester")
    env.reset(seed=1)
    env.step("((")
    solve(env)
    env.reset(seed=1)  # a second episode of the same name, never finished
    env.close()
    finished, unfinished = TraceReader(tmp_path / "traces")
    assert [step.index for step in finished.steps] == [0, 1, 2, 3]
    assert finished.steps[1].raw == "(("
    assert finished.steps[2].delta == ((f"items/{env.task.params['item']}", {"count": 2}),)
    assert finished.end.outcome.reward == 1.0
    assert finished.state == FakeWorld().seed_view()
    assert finished.header.policy == "tester"
    assert unfinished.end is None


def test_the_oracle_runs_through_the_one_loop(shelf):
    env = make(shelf)
    result = run_episode(env, get_policy("oracle"), seed=2, name="oracle")
    assert (result.outcome.reward, result.steps, result.policy) == (1.0, 2, "oracle")
    assert run_episode(env, get_policy("null"), seed=2).outcome.reward == 0.0


def test_a_reset_that_fails_is_a_typed_rollout_and_refuses_steps(shelf):
    class Gone(FakeWorld):
        def reset(self, task, seed):
            raise UncertainError("Never seen. Record it.")

    env = make(shelf, Gone())
    with pytest.raises(UncertainError):
        env.reset(seed=1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look()")
    result = run_episode(env, get_policy("oracle"), seed=1)
    assert (result.steps, result.outcome.kind, result.outcome.reward) == (0, "sim_uncertain", None)


@pytest.mark.parametrize("part", ["seed_view", "state"])
def test_a_world_that_fails_anywhere_in_a_reset_gives_a_typed_rollout(shelf, part):
    class Gone(FakeWorld):
        pass

    def fail(self):
        raise SandboxLost("gone. Reset to get another.")

    world = Gone()
    setattr(Gone, part, fail)
    result = run_episode(make(shelf, world), get_policy("oracle"), seed=1)
    assert (result.steps, result.outcome.kind, result.outcome.reward) == (0, "infra", None)


def test_a_refused_reset_leaves_no_old_episode_to_step(shelf):
    env = make(shelf)
    env.reset(seed=1)
    with pytest.raises(ContentError):
        env.reset(options={"task": "nope"})
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look()")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_step_limit_leaves_a_step(shelf, limit):
    with pytest.raises(ContentError, match="max_steps"):
        make(shelf, max_steps=limit)
