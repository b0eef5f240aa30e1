"""The shop through `gymnasium.make`: gymnasium's own checks, our kit, and determinism across processes."""

import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envsim.env import TaskEnv
from envsim.errors import ContentError, SandboxLost
from envsim.rollout import is_complete, plan, run_jobs
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task_template import load_tasks
from envsim.testing import check_world

ID = "envsim:envsim/Shop-v0"


@pytest.mark.parametrize("interface", ["browser", "tools"])
def test_gymnasiums_own_check_passes_without_warnings(interface):
    env = gymnasium.make(ID, interface=interface)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=True)
    finally:
        env.close()


def test_make_vec_of_sixteen_steps_real_clones():
    envs = gymnasium.make_vec(ID, num_envs=16, split="train")
    try:
        observations, _ = envs.reset(seed=0)
        assert envs.observation_space.contains(observations)
        assert all("button" in page for page in observations["page"])
        victim = envs.unwrapped.envs[5].world

        def die(action):
            victim.close()
            raise SandboxLost("The sandbox is gone. Reset to get another.")

        victim.step = die
        _, rewards, _, truncated, infos = envs.step(['goto("/")'] * 16)
        assert np.flatnonzero(np.isnan(rewards)).tolist() == [5]
        assert np.flatnonzero(truncated).tolist() == [5]
        assert infos["outcome"][5] == "infra"
        del victim.step
        observations, rewards, *_ = envs.step(['goto("/")'] * 16)
        assert not np.isnan(rewards).any()
        assert all("button" in page for page in observations["page"])
    finally:
        envs.close()


def worlds(interface: str, runtime: str = "inprocess", driver: str = "http"):
    spec = find_spec("shop")
    return lambda: SandboxWorld(
        spec, runtime=get_runtime(runtime), interface=interface, driver=driver, bugs="production"
    )


def some_tasks(interface: str, count: int):
    world = worlds(interface)()
    try:
        return [template.instantiate(3, world.seed_view()) for template in load_tasks("shop", None, interface)[:count]]
    finally:
        world.close()


@pytest.mark.parametrize("interface", ["browser", "tools"])
def test_the_sandbox_world_conforms(interface):
    check_world(worlds(interface), some_tasks(interface, 4), seeds=(0, 1), steps=12)


def test_the_sandbox_world_conforms_across_a_process_boundary():
    check_world(worlds("browser", "process"), some_tasks("browser", 1), seeds=(0,))


@pytest.mark.docker
def test_the_sandbox_world_conforms_in_a_container():
    check_world(worlds("browser", "docker"), some_tasks("browser", 1), seeds=(0,))


@pytest.mark.browser
@pytest.mark.xdist_group("chromium")
def test_the_sandbox_world_conforms_through_chromium():
    check_world(worlds("browser", driver="chromium"), some_tasks("browser", 1), seeds=(0,), steps=5)


@pytest.mark.browser
@pytest.mark.xdist_group("chromium")
def test_pixels_are_pixels():
    env = TaskEnv("shop", driver="chromium", render_mode="rgb_array", screenshot=True)
    try:
        observation, _ = env.reset(seed=0)
        assert env.observation_space.contains(observation)
        assert observation["screenshot"].std() > 10
        assert (env.render() == observation["screenshot"]).mean() > 0.99
    finally:
        env.close()


def rollout(out) -> None:
    command = [sys.executable, "-m", "envsim.cli", "rollout", "--app", "shop", "--policy", "oracle,noisy,random",
               "--episodes", "3", "--seed", "11", "--out", str(out), "--workers", "1"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=100)


def test_two_processes_write_the_same_bytes_for_a_seed(tmp_path):
    for name in ("a", "b"):
        rollout(tmp_path / name)
    files = {name: {p.name: p.read_bytes() for p in sorted((tmp_path / name).glob("*.jsonl"))} for name in ("a", "b")}
    assert len(files["a"]) == 9
    assert files["a"] == files["b"]


def test_an_interrupted_rollout_resumes(tmp_path):
    options = {"app": "shop", "split": "train", "record": tmp_path, "max_steps": 4}
    jobs = plan(options, ["random", "random"], 3, 5)
    first = run_jobs(jobs, options)
    paths = [tmp_path / f"{job.session}.jsonl" for job in jobs]
    whole = [path.read_bytes() for path in paths]
    paths[0].unlink()
    paths[1].write_bytes(whole[1][: len(whole[1]) // 2])
    assert [is_complete(path) for path in paths] == [False, False, True]
    again = run_jobs(jobs, options)
    assert [path.read_bytes() for path in paths] == whole
    assert again == first[:2]


def test_a_recording_is_only_taken_for_another_of_the_same_input(tmp_path):
    options = {"app": "shop", "split": "train", "max_steps": 2}
    other = options | {"bugs": "none"}
    names = {job.session for job in plan(options, ["random"], 2, 5)}
    assert names == {job.session for job in plan(options | {"record": tmp_path}, ["random"], 2, 5)}
    assert not names & {job.session for job in plan(other, ["random"], 2, 5)}
    assert len(run_jobs(plan(options, ["null"], 2, 5), options | {"record": tmp_path})) == 2
    assert len(run_jobs(plan(other, ["null"], 2, 5), other | {"record": tmp_path})) == 2
    assert len(list(tmp_path.glob("*.jsonl"))) == 4


def test_a_users_model_elsewhere_is_another_user(monkeypatch):
    options = {"app": "desk", "user": "chat:tiny"}
    names = []
    for endpoint in ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"):
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint)
        names.append(plan(options, ["oracle"], 1, 0)[0].session)
    assert names[0] != names[1]


def test_a_file_in_the_way_of_a_recording_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    options = {"app": "shop", "record": tmp_path / "file" / "traces"}
    with pytest.raises(ContentError, match="not a directory"):
        run_jobs(plan(options, ["null"], 1, 0), options)


def test_an_error_in_a_worker_stops_the_rest(tmp_path):
    script = tmp_path / "script"
    script.write_text("answer()")
    options = {"app": "shop", "split": "train", "record": tmp_path / "traces"}
    jobs = plan(options, [f"scripted:{script}"], 1, 0) + plan(options, ["null"], 400, 0)
    script.unlink()
    with pytest.raises(ContentError, match="script"):
        run_jobs(jobs, options, workers=2)
    assert len(list((tmp_path / "traces").glob("*.jsonl"))) < 300
