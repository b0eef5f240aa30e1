"""A model of the shop, barely trained, behind the same gymnasium id as the sandbox."""

import json
import sys

import gymnasium
import pytest

import worldmodel.world
from envsim.cli.main import main
from envsim.errors import ModelError
from envsim.fidelity.again import AGAIN
from envsim.fidelity.compare import BASELINES, WORLDS, Setup, compare
from envsim.rollout import plan, run_jobs
from envsim.task_template import load_tasks
from envsim.testing import check_world
from envsim.types import Action
from envsim.worlds import open_world
from worldmodel.predict import answer_batch
from worldmodel.train import Args, train
from worldmodel.world import load_world


@pytest.fixture(scope="module", params=["browser", "tools"])
def made(request, tmp_path_factory):
    """Interface and directory of a model trained for five steps on real sessions."""
    root = tmp_path_factory.mktemp("shop-model")
    options = {"app": "shop", "split": "train", "interface": request.param, "record": root / "traces"}
    run_jobs(plan(options, ["oracle", "random"], 6, 0), options)
    train(Args(root / "traces", root / "model", steps=5, width=32, layers=1, heads=2, device="cpu"))
    return request.param, root / "model"


def test_the_model_conforms_to_the_world_protocol(made):
    interface, model = made
    seed_view = load_world(model, "model", "shop", interface).seed_view()
    tasks = [template.instantiate(3, seed_view) for template in load_tasks("shop", None, interface)[:3]]
    check_world(lambda: load_world(model, "model", "shop", interface), tasks, steps=8)
    check_world(lambda: load_world(model, "nearest-neighbour", "shop", interface), tasks, steps=8)


def test_the_hybrid_conforms_too(made):
    interface, model = made
    seed_view = load_world(model, "model", "shop", interface).seed_view()
    tasks = [template.instantiate(3, seed_view) for template in load_tasks("shop", None, interface)[:2]]

    def hybrid():
        return open_world("hybrid", "shop", interface=interface, model=model, runtime="inprocess")

    check_world(hybrid, tasks, seeds=(0,), steps=6)
    world = hybrid()
    world.reset(tasks[0], 0)
    first = [tool["name"] for tool in world.tools()]
    world.step(Action.call("goto", url="/cart") if interface == "browser" else Action.call("get_cart"))
    assert world.fell_back, "nothing is inside the trust region of a model of five steps"
    assert [tool["name"] for tool in world.tools()] == first
    world.close()


def test_the_same_id_serves_the_model(made):
    interface, model = made
    env = gymnasium.make("envsim:envsim/Shop-v0", world="model", model=model, interface=interface, split="train")
    sandbox = gymnasium.make("envsim:envsim/Shop-v0", interface=interface, split="train")
    assert env.observation_space == sandbox.observation_space
    assert env.action_space == sandbox.action_space
    ours, theirs = env.reset(seed=5)[0], sandbox.reset(seed=5)[0]
    assert ours["goal"] == theirs["goal"]
    *_, truncated, info = env.step("noop()" if interface == "browser" else "list_categories()")
    assert not truncated
    assert 0 <= info["trust"] <= 1
    assert env.step("answer()")[4]["outcome"] == "policy"
    env.close()
    sandbox.close()


def test_members_share_one_model(made):
    interface, model = made
    envs = gymnasium.make_vec(
        "envsim:envsim/Shop-v0", num_envs=3, world="model", model=model, interface=interface, split="train"
    )
    observations, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert len({id(env.world.model) for env in envs.unwrapped.envs}) == 1
    envs.close()


def test_the_comparison_covers_every_world(made, tmp_path):
    interface, model = made
    setup = Setup("shop", model, tmp_path / "held-out", policies=("oracle",), episodes=2, interface=interface)
    before = set((model / "fallbacks").glob("*.jsonl"))
    report = compare(setup)
    names = [row.world for row in report.rows]
    assert names == ["sandbox", *WORLDS, AGAIN, *BASELINES]
    for row in report.rows[:4]:
        assert 0 <= row.page_exact <= 1
        assert 0 <= row.outcome_agreement <= 1
    # The oracle succeeds whatever chance does: the ceiling is 1 where nothing is to be foreseen.
    assert report.figure(AGAIN, "outcome_agreement").value == 1
    assert report.figure("hybrid", "sandbox_share").n
    assert set((model / "fallbacks").glob("*.jsonl")) == before, "held-out tasks are no training data"
    assert len(list((tmp_path / "held-out").glob("*.jsonl"))) == 2
    assert [row.world for row in compare(setup).rows] == names


def test_a_model_of_another_app_is_refused(made, monkeypatch, tmp_path):
    _, model = made
    with pytest.raises(ModelError, match="shop"):
        load_world(model, "model", "wiki", "browser")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs a command line of `envsim`: exit code, stdout, stderr."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["envsim", *map(str, args)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("made", ["tools"], indirect=True)
def test_gates_and_baselines_by_the_command_line(made, cli, tmp_path):
    _, model = made
    out = tmp_path / "report"
    line = [
        "fidelity",
        "--model",
        model,
        "--interface",
        "tools",
        "-o",
        out,
        "-n",
        3,
        "--policies",
        "oracle,hasty:0.2,null",
    ]
    line += ["--worlds", "model", "--extra", 1]
    code, table, log = cli(*line, "--require", "parse_rate>=1", "--require", "model.unscored<=0")
    assert code == 0
    assert "state-delta exact match" in table
    report = json.loads((out / "report.json").read_text())
    assert set(report["figures"]["model"]) - {"ppi_gain"} >= {
        "delta_exact_large",
        "mmrv",
        "bugs_invented",
        "trust_auroc",
    }
    assert report["powered"]["model"][-1]["extra"] == 1
    episodes = {path: path.stat().st_mtime_ns for path in out.rglob("*.jsonl")}
    assert len(episodes) == 9 + 9 + 12  # the sandbox's, twice, and the model's with those it ran alone

    # A second run takes every stage from the first: the same figures, nothing run again but what is missing.
    gone = sorted(episodes)[-1]
    gone.unlink()
    code, _, log = cli(*line, "--require", "page_exact>=0.999")
    assert (code, "error: model: page_exact is" in log) == (1, True)
    assert {path for path, then in episodes.items() if path.stat().st_mtime_ns != then} == {gone}
    assert json.loads((out / "report.json").read_text()) == report

    (tmp_path / "before.json").write_text(json.dumps(report))
    code, table, _ = cli(*line, "--baseline", tmp_path / "before.json")
    assert (code, "since the baseline" in table) == (0, True)
    report["figures"]["model"]["delta_exact"] = {"value": 1.5, "low": 1.4, "high": 1.6, "n": 9}
    (tmp_path / "before.json").write_text(json.dumps(report))
    code, table, log = cli(*line, "--baseline", tmp_path / "before.json")
    assert (code, "Worse than the baseline: delta_exact was 1.500" in log) == (1, True)
    assert "fell" in table

    code, _, log = cli(*line, "--require", "accuracy>=1")
    assert (code, "rank_correlation, mmrv" in log) == (2, True)
    code, _, log = cli(*line, "--tolerance", "0.1")
    assert (code, "Give --baseline" in log) == (2, True)
    code, _, log = cli(*line[:-4], "--worlds", "dream")
    assert (code, "'dream'" in log) == (2, True)


def test_a_vector_of_environments_asks_the_model_once_a_step(made, monkeypatch):
    interface, model = made
    asked = []

    def counted(model, situations, keys):
        asked.append(len(situations))
        return answer_batch(model, situations, keys)

    monkeypatch.setattr(worldmodel.world, "answer_batch", counted)
    options = {"world": "model", "model": model, "split": "train", "interface": interface}
    envs = gymnasium.make_vec("envsim:envsim/Shop-v0", num_envs=3, **options)
    envs.reset(seed=5)
    asked.clear()
    call = 'goto(url="/cart")' if interface == "browser" else "get_cart()"
    observations, *_ = envs.step([call, call, "not an action"])
    assert asked == [2]
    assert observations["page" if interface == "browser" else "result"][0]
    assert observations["error"][2]
    envs.close()
