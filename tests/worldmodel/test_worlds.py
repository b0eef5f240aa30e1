"""Worlds made from traces: deterministic, forkable, honest about what they cannot answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from envsim.errors import ContentError, ModelError, UncertainError
from envsim.page.lines import parse_lines
from envsim.task import Start, Task
from envsim.testing.world import check_world
from envsim.trace import TraceReader
from envsim.types import Action, Transition
from envsim.world import World
from worldmodel import train
from worldmodel.checkpoint import load_model
from worldmodel.rules.programs import Outcome, Programs
from worldmodel.session import Situation
from worldmodel.train import Args
from worldmodel.world import ModelWorld, ReplayWorld, load_world


@pytest.fixture(scope="module")
def model(tiny_traces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("worlds") / "model"
    return train.train(Args(tiny_traces, out, epochs=3, width=48, layers=2, heads=3, batch_tokens=2048, device="cpu"))


def task(url: str = "/") -> Task:
    return Task(id="t@0", template="t", app="tiny", interface="browser", split="test", goal="", start=Start(url=url))


def wander(world: World, steps: int = 6) -> list[Transition]:
    out = [world.reset(task(), 3)]
    for i in range(steps):
        links = [line for line in parse_lines(out[-1].observation.page) if line.role in ("link", "button")]
        out.append(world.step(Action.call("click", bid=links[i % len(links)].ref if links else "enone")))
    return out


def test_both_are_worlds(model: Path) -> None:
    for kind in ("model", "replay"):
        world = load_world(model, kind=kind, app="tiny")
        assert isinstance(world, World)
        assert world.kind == kind
        assert {tool["name"] for tool in world.tools()} >= {"click", "fill", "goto"}
        assert world.seed_view()["carts"] == {"me": {}}
        world.close()
        world.close()


def test_the_model_conforms(model: Path) -> None:
    check_world(lambda: load_world(model), [task(), task("/c/oak")], seeds=(0,), steps=6)


def test_two_processes_would_agree(model: Path) -> None:
    assert wander(load_world(model)) == wander(load_world(model))


def test_a_recorded_start_is_the_recorded_page(model: Path, tiny_traces: Path) -> None:
    recorded = next(iter(TraceReader(tiny_traces))).steps[0].observation
    for kind in ("model", "replay"):
        assert load_world(model, kind=kind).reset(task(), 0).observation == recorded


def test_an_unseen_start_is_predicted_or_declined(model: Path) -> None:
    assert load_world(model).reset(task("/p/copper-kettle"), 0).observation.page
    with pytest.raises(UncertainError, match="No recorded session"):
        load_world(model, kind="replay").reset(task("/p/copper-kettle"), 0)


def test_a_snapshot_forks_the_whole_episode(model: Path) -> None:
    world = load_world(model)
    wander(world, 2)
    token, state = world.snapshot(), world.state()
    follow = [Action.call("goto", url=url) for url in ("/c/copper", "/p/copper-kettle", "/cart")]
    first = [world.step(action) for action in follow]
    world.restore(token)
    assert world.state() == state
    assert [world.step(action) for action in follow] == first
    world.reset(task(), 3)
    with pytest.raises(UncertainError, match="token"):
        world.restore(token)


def test_impossible_actions_are_answered_not_raised(model: Path) -> None:
    world = load_world(model)
    before = world.reset(task(), 0).observation
    after = world.step(Action.call("click", bid="enope"))
    assert "There is no element" in after.observation.error
    assert after.observation.page == before.page
    assert world.step(Action.say("hello")).observation.page == before.page
    assert world.step(Action.call("launch")).observation.error


def test_the_believed_state_follows_predicted_deltas(model: Path) -> None:
    world = load_world(model)
    world.reset(task(), 0)
    world.step(Action.call("goto", url="/c/oak"))
    shown = world.step(Action.call("goto", url="/p/oak-kettle")).observation
    button = next(line for line in parse_lines(shown.page) if line.name == "Add to cart" and line.role == "button")
    changed = world.step(Action.call("click", bid=button.ref))
    cart = world.state()["carts"]["me"]
    assert changed.delta
    assert changed.delta[0][0] == f"carts/me/{next(iter(cart))}"
    assert 0 <= changed.trust <= 1
    assert world.seed_view()["carts"] == {"me": {}}, "the seed view must not be touched"


def test_out_of_order_calls_say_so(model: Path) -> None:
    world = load_world(model)
    with pytest.raises(UncertainError, match="reset"):
        world.step(Action.call("noop"))


def test_wrong_requests_for_a_world_are_refused(model: Path) -> None:
    with pytest.raises(ModelError, match="not of 'shop'"):
        load_world(model, app="shop")
    with pytest.raises(ModelError, match="tools"):
        ModelWorld(model, interface="tools")
    with pytest.raises(ContentError, match="no learned world"):
        load_world(model, kind="dream")
    with pytest.raises(ModelError, match="There is no model"):
        ReplayWorld(model / "nope")


def test_drift_is_told_once_and_kept_out_of_what_is_learned(model: Path) -> None:
    loaded = load_world(model).model
    always = replace(loaded, trust=replace(loaded.trust, usual=(1.0, 0.0)))
    world = ModelWorld(always)
    events = [t.events for t in wander(world, 10)]
    told = [e for found in events for e in found if e.kind == "drift"]
    assert len(told) == 1
    assert "on held-out sessions 1.00" in told[0].detail
    assert not any("drift" in line for _, lines in world._live().past for line in lines)
    never = ModelWorld(replace(loaded, trust=replace(loaded.trust, usual=(0.0, 0.0))))
    assert not any(e.kind == "drift" for t in wander(never, 10) for e in t.events)


def test_a_bug_that_fires_three_times_in_ten_does_so_in_the_world(model: Path) -> None:
    """What a world answers is drawn from the rules' distribution, and by its seed alone."""
    loaded = load_model(model)
    rules = loaded.memory.rules
    assert rules is not None

    class Buggy(Programs):
        def outcomes(self, situation: Situation) -> tuple[Outcome, ...]:
            usual = rules.outcome(situation)
            assert usual is not None
            return (replace(usual, p=0.7), replace(usual, p=0.3, events=("bug:rare",)))

    loaded.memory.rules = Buggy(rules.relations, rules.known)
    world, fired = ModelWorld(loaded), []
    for seed in range(60):
        world.reset(task(), seed)
        events = world.step(Action.call("goto", url="/c/oak")).events
        world.reset(task(), seed)
        assert world.step(Action.call("goto", url="/c/oak")).events == events
        fired.append([event.id for event in events] == ["rare"])
    assert 8 <= sum(fired) <= 29, "95 in 100 of 60 draws at 0.3, twice as wide"
