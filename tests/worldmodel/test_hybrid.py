"""The model while it is trusted, then the shop's own sandbox: the same session, or none at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError, UncertainError
from envsim.fidelity.episodes import extra_replays, sandbox_share
from envsim.policy import get_policy
from envsim.rollout import plan, run_jobs
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Task
from envsim.task_template import load_tasks
from envsim.testing.world import check_world
from envsim.trace import TraceReader
from envsim.types import Action, Transition
from worldmodel import dataset
from worldmodel.checkpoint import Model, load_model
from worldmodel.hybrid import FOLDER, HybridWorld
from worldmodel.session import Session, Situation
from worldmodel.train import Args, train
from worldmodel.trust import Trust
from worldmodel.world import ModelWorld

pytestmark = pytest.mark.xdist_group("shop-hybrid")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Of the shop, trained for two steps on a few sessions."""
    root = tmp_path_factory.mktemp("hybrid")
    options = {"app": "shop", "split": "train", "record": root / "traces"}
    run_jobs(plan(options, ["oracle"], 5, 0), options)
    train(Args(root / "traces", root / "model", steps=2, width=16, layers=1, heads=1, device="cpu"))
    return load_model(root / "model")


@pytest.fixture(scope="module")
def task(model: Model) -> Task:
    template = next(t for t in load_tasks("shop", "train", "browser") if "add" in t.id or "buy" in t.id)
    return template.instantiate(3, model.data.view(model.data.manifest["seed_view"]))


def shop(bugs: str | tuple[str, ...] = "production") -> SandboxWorld:
    return SandboxWorld(find_spec("shop"), runtime=InProcessRuntime(), bugs=bugs)


class Oracle(ModelWorld):
    """A model that is right, as it asks a sandbox, but doubts from request `doubts_at` on and is wrong at `lies_at`."""

    def __init__(self, model: Model, doubts_at: int, lies_at: int = 0) -> None:
        super().__init__(model)
        self.truth = shop()
        self.doubts_at, self.lies_at = doubts_at, lies_at
        self.requests = 0

    def reset(self, task: Task, seed: int) -> Transition:
        self.requests = 0
        first = self.truth.reset(task, seed)
        self._episode += 1
        self._seed, self._step = seed, 0
        self._session = Session("browser", self.truth.state())
        situation = self._session.open(task.start)
        self._session.answer(situation.request, first)
        return first

    def step(self, action: Action) -> Transition:
        self.said = self.truth.step(action)
        return super().step(action)

    def _answer(self, situation: Situation) -> Transition:
        self.requests += 1
        said = self.said
        if self.requests == self.lies_at:
            page = said.observation.page.replace("heading", "text", 1)
            said = said.model_copy(update={"observation": said.observation.model_copy(update={"page": page})})
        if self.requests >= self.doubts_at:
            return said.model_copy(update={"trust": 0.2, "trusted": False, "delta": ()})
        return said.model_copy(update={"trust": 0.9})

    def close(self) -> None:
        self.truth.close()


def walk(world: HybridWorld | SandboxWorld | ModelWorld, task: Task, steps: int = 8, seed: int = 3) -> list[Transition]:
    """A reset and what the noisy policy then does."""
    out = [world.reset(task, seed)]
    policy = get_policy("noisy")
    policy.reset(task, seed, world.tools())
    while len(out) <= steps:
        action = policy.act(out[-1].observation)
        out.append(world.step(action if action.kind == "call" else Action.call("goto", url="/cart")))
    return out


Make = Callable[..., HybridWorld]


@pytest.fixture
def make(model: Model, tmp_path: Path) -> Make:
    def hybrid(doubts_at: int, lies_at: int = 0) -> HybridWorld:
        return HybridWorld(Oracle(model, doubts_at, lies_at), shop, fallbacks=tmp_path / "kept")

    return hybrid


def test_after_the_fallback_it_is_the_sandbox(make: Make, task: Task, tmp_path: Path) -> None:
    world, real = make(doubts_at=3), shop()
    ours, truth = walk(world, task), walk(real, task)
    assert [t.observation for t in ours] == [t.observation for t in truth]
    assert world.state() == real.state()
    fell = [i for i, t in enumerate(ours) if any(e.kind == "fallback" for e in t.events)]
    assert len(fell) == 1, "it stays where it fell"
    at = fell[0]
    assert world.fell_back
    assert 3 <= at < 8
    assert {t.trust for t in ours[1:at]} <= {0.9, 1.0}
    assert {t.trust for t in ours[at:]} == {1.0}
    assert "trust 0.200" in ours[at].events[-1].detail
    assert ours[at + 1 :] == truth[at + 1 :]
    world.close()
    (trace,) = TraceReader(tmp_path / "kept")
    assert [s.observation for s in trace.steps] == [t.observation for t in truth]
    assert [s.delta for s in trace.steps][1:] == [t.delta for t in truth][1:]
    kept = trace.header.meta["fallback"]
    assert isinstance(kept, dict)
    assert (kept["step"], kept["agreed"], kept["trust"]) == (at, True, 0.2)
    assert Transition.model_validate(kept["predicted"]).observation == truth[at].observation
    real.close()


def test_a_wrong_belief_is_put_right_by_the_step_that_falls_back(make: Make, task: Task) -> None:
    world = make(doubts_at=2)
    oracle = world.model
    world.reset(task, 0)
    oracle._live().state = {**oracle.state(), "carts": {"nobody": {"qty": 1}}}
    before = world.state()
    last = [world.step(Action.call("goto", url=url)) for url in ("/cart", "/c/lighting")][-1]
    assert world.fell_back
    assert ["carts/nobody"] in [list(change) for change in last.delta]
    assert before["carts"] != world.state()["carts"]
    world.close()


def test_what_the_agent_never_should_have_seen_ends_the_episode(make: Make, task: Task, tmp_path: Path) -> None:
    world = make(doubts_at=3, lies_at=2)
    env = TaskEnv("shop", world=world, split="train", record=tmp_path / "traces")
    env.reset(seed=3, options={"task": task.template})
    for url in ("/cart", "/c/lighting", "/", "/cart"):
        _, reward, _, truncated, info = env.step(Action.call("goto", url=url))
        if truncated:
            break
    assert info["outcome"] == "sim_uncertain"
    assert "something else" in info["reason"]
    assert reward != reward, "NaN"
    assert not info["trusted"]
    with pytest.raises(UncertainError, match="something else"):
        world.step(Action.call("goto", url="/"))
    (trace,) = TraceReader(tmp_path / "kept")
    kept = trace.header.meta["fallback"]
    assert isinstance(kept, dict)
    assert (kept["agreed"], kept["shown_otherwise"]) == (False, [2])
    assert len(trace.steps) == 3, "the real steps up to where the agent was misled"
    assert env.reset(seed=4)[1]["step"] == 0
    env.close()


def test_a_mistake_the_agent_has_left_behind_does_not_end_it(make: Make, task: Task) -> None:
    world = make(doubts_at=4, lies_at=2)
    world.reset(task, 3)
    last = [world.step(Action.call("goto", url=url)) for url in ("/cart", "/c/lighting", "/", "/cart")][-1]
    assert world.fell_back
    assert last.events[-1].detail.endswith("1 shown otherwise")
    world.close()


def test_pairs_are_kept_once_and_can_be_trained_on(make: Make, task: Task, tmp_path: Path) -> None:
    world = make(doubts_at=2)
    for _ in range(2):
        walk(world, task, 4)
    for seed in (4, 5):
        walk(world, task, 4, seed)
    world.close()
    kept = tmp_path / "kept"
    traces = list(TraceReader(kept))
    assert len(traces) == 3
    assert all(trace.end is not None and trace.header.world == "sandbox" for trace in traces)
    data = dataset.build(kept, tmp_path / "dataset", held_out=0.0)
    assert data.manifest["sessions"] == 3
    assert not any("fallback" in line for sample in data.samples for line in sample.target)


def test_snapshots_reach_across_the_fallback(make: Make, task: Task) -> None:
    world = make(doubts_at=2)
    oracle = world.model
    assert isinstance(oracle, Oracle)
    world.reset(task, 0)
    world.step(Action.call("goto", url="/cart"))
    early, at, truth = world.snapshot(), oracle.requests, oracle.truth.snapshot()
    first = world.step(Action.call("goto", url="/c/lighting"))
    late, state = world.snapshot(), world.state()
    for _ in range(2):
        world.restore(early)
        assert not world.fell_back
        oracle.requests = at
        oracle.truth.restore(truth)
        assert world.step(Action.call("goto", url="/c/lighting")) == first
        world.restore(late)
        assert world.fell_back
        assert world.state() == state
    world.reset(task, 0)
    with pytest.raises(UncertainError, match="token"):
        world.restore(late)
    world.close()


@pytest.mark.parametrize("threshold", [2.0, 0.0])
def test_it_conforms(model: Model, task: Task, threshold: float) -> None:
    """Falling back at the first request, and never."""
    check_world(lambda: HybridWorld(ModelWorld(model), shop, threshold=threshold), [task], seeds=(0,), steps=5)


def test_sandboxes_go_back_to_their_pool(model: Model, task: Task) -> None:
    pool = SandboxPool(InProcessRuntime(), find_spec("shop"))
    oracle = Oracle(model, doubts_at=1)
    world = HybridWorld(oracle, lambda: SandboxWorld(find_spec("shop"), runtime=pool), keep=False)
    world.reset(task, 0)
    assert pool.used == 0, "none is taken before it is needed"
    world.step(Action.call("goto", url="/cart"))
    assert pool.used == 1
    world.reset(task, 0)
    assert pool.used == 0
    world.close()
    pool.close()


def test_the_id_serves_it_alone_and_in_a_vector(model: Model) -> None:
    """Nothing is inside this model's trust region: whatever it has to predict falls back."""
    assert model.trust.threshold is None
    options = {"model": model.root, "runtime": "inprocess", "split": "train"}
    env = gymnasium.make("envsim:envsim/Shop-v0", world="hybrid", **options)
    real = gymnasium.make("envsim:envsim/Shop-v0", split="train")
    first, info = env.reset(seed=5)
    assert first == real.reset(seed=5)[0]
    ours, theirs = env.step('goto(url="/cart")'), real.step('goto(url="/cart")')
    assert ours[0] == theirs[0]
    assert [e["kind"] for e in (*info["events"], *ours[4]["events"])].count("fallback") == 1
    assert env.step("answer()")[4]["outcome"] == "policy"
    env.close()
    real.close()
    envs = gymnasium.make_vec("envsim:envsim/Shop-v0", num_envs=2, world="hybrid", **options)
    envs.reset(seed=5)
    assert envs.unwrapped.warm.idle == 0, "none is warmed before it is needed"
    observations, *_ = envs.step(['goto(url="/cart")'] * 2)
    assert observations["page"][0] == ours[0]["page"]
    envs.close()
    assert list((model.root / FOLDER).glob("*.jsonl"))


def test_rollouts_in_it_record_trust_and_the_fallback(model: Model, tmp_path: Path) -> None:
    options = {"app": "shop", "split": "train", "world": "hybrid", "model": model.root, "record": tmp_path / "traces"}
    (rollout,) = run_jobs(plan(options, ["random"], 1, 5), options)
    (trace,) = TraceReader(tmp_path / "traces")
    assert trace.header.world == "hybrid"
    assert rollout.outcome.kind in ("policy", "sim_uncertain")
    fell = [step.index for step in trace.steps if any(e.kind == "fallback" for e in step.events)]
    assert len(fell) <= 1
    assert all(step.trust == 1.0 for step in trace.steps[fell[0] :]) if fell else trace.steps[-1].trust == 0.0


def test_other_bugs_than_the_model_learned_are_refused(model: Model) -> None:
    with pytest.raises(ContentError, match="other bugs"):
        TaskEnv("shop", world="hybrid", model=model.root, bugs="none")
    with pytest.raises(ContentError, match="needs a model"):
        TaskEnv("shop", world="hybrid")
    with pytest.raises(ContentError, match="no wire"):
        TaskEnv("shop", world="hybrid", model=model.root, faults="production")


def test_a_trusted_model_needs_no_sandbox(model: Model, task: Task) -> None:
    sure = replace(model, trust=Trust(threshold=0.0))

    def none() -> SandboxWorld:
        raise AssertionError("no sandbox is to be made")

    world = HybridWorld(ModelWorld(sure), none)
    assert walk(world, task, 4) == walk(ModelWorld(sure), task, 4)
    world.close()


class Otherwise(Oracle):
    """An oracle whose chance is another than the episode's."""

    def __init__(self, model: Model, doubts_at: int) -> None:
        super().__init__(model, doubts_at)
        self.truth = shop(("slow-reviews",))

    def reset(self, task: Task, seed: int) -> Transition:
        return super().reset(task, seed + 1000)


def look(env: TaskEnv, task: Task, seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Infos and pages of an episode that looks at reviews, which load slowly three times in ten, four times."""
    _, info = env.reset(seed=seed, options={"task": task.template})
    infos, pages = [info], [env.observation.page]
    for _ in range(4):
        *_, truncated, info = env.step(Action.call("goto", url="/p/alba-steel-saucepan"))
        infos.append(info)
        pages.append(env.observation.page)
        if truncated:
            break
    return infos, pages


def again(infos: list[dict[str, Any]]) -> list[str]:
    return [event["detail"] for info in infos for event in info["events"] if event["id"] == "again"]


def test_a_sandbox_is_asked_for_other_chance_until_it_shows_what_was_shown(
    model: Model, task: Task, tmp_path: Path
) -> None:
    def open_env(tries: int, name: str) -> TaskEnv:
        oracle = Otherwise(model, doubts_at=4)
        world = HybridWorld(oracle, lambda: shop(("slow-reviews",)), tries=tries, fallbacks=tmp_path / f"kept-{name}")
        return TaskEnv("shop", world=world, split="train", record=tmp_path / name)

    never, env, twin = open_env(0, "never"), open_env(16, "again"), open_env(16, "twin")
    without = {seed: look(never, task, seed)[0] for seed in range(5)}
    assert not any(map(again, without.values()))
    lost = [seed for seed, infos in without.items() if infos[-1].get("outcome") == "sim_uncertain"]
    assert 2 <= len(lost) <= 4, "chance falls otherwise in some"
    found = {seed: look(env, task, seed) for seed in lost}
    held = [seed for seed, (infos, _) in found.items() if infos[-1].get("outcome") != "sim_uncertain"]
    assert len(held) >= len(lost) / 2
    infos, pages = found[held[-1]]
    assert again(infos)[-1].endswith("3 of 3 actions replayed")
    assert infos[-1]["events"][-1]["detail"].endswith("0 shown otherwise")
    assert (look(env, task, held[-1])[1], env.world.state()) == (look(twin, task, held[-1])[1], twin.world.state())
    assert twin.observation.page == pages[-1], "as seed and actions have it, in another world, too"
    for each in (never, env, twin):
        each.close()
    # What is kept to learn from is the episode's own chance, up to where the sandbox stood when it was asked again.
    kept = {trace.header.seed: trace for trace in TraceReader(tmp_path / "kept-again")}
    assert kept.keys() == set(lost)
    assert {(len(t.steps), t.header.meta["fallback"]["agreed"]) for t in kept.values()} == {(4, False)}  # type: ignore[index, call-overload]
    traces = [trace for trace in TraceReader(tmp_path / "again") if trace.header.seed == held[0]]
    assert extra_replays(traces).value == len(again(found[held[0]][0]))
    assert sandbox_share(traces).value == 0.25


def test_where_no_chance_shows_it_the_episode_ends(model: Model, task: Task) -> None:
    world = HybridWorld(Otherwise(model, doubts_at=4), lambda: shop(("slow-reviews",)), tries=3)
    oracle = world.model
    assert isinstance(oracle, Otherwise)
    env = TaskEnv("shop", world=world, split="train")
    found = {}
    for seed in range(12):
        oracle.lies_at = 2
        infos, _ = look(env, task, seed)
        found[seed] = (infos[-1].get("outcome"), len(again(infos)))
        if found[seed] == ("sim_uncertain", 3):
            break
    env.close()
    # The third page but one is wrong whatever chance does. What it did is asked where it made a difference before.
    assert set(found.values()) <= {("sim_uncertain", 3), ("sim_uncertain", 0), (None, 0)}
    assert ("sim_uncertain", 3) in found.values()
