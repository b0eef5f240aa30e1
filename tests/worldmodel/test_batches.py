"""Worlds of one model answer in batches, and as they would alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import worldmodel.world
from envsim.page.lines import parse_lines
from envsim.task import Start, Task
from envsim.types import Action, Transition
from envsim.world import BatchedWorld
from worldmodel.hybrid import HybridWorld
from worldmodel.predict import answer_batch
from worldmodel.world import ModelWorld, load_world


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Path:
    return tiny_model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many answers were asked for at once, each time."""
    sizes: list[int] = []

    def counted(model, situations, keys):  # type: ignore[no-untyped-def]
        sizes.append(len(situations))
        return answer_batch(model, situations, keys)

    monkeypatch.setattr(worldmodel.world, "answer_batch", counted)
    return sizes


def start(world: ModelWorld, seed: int) -> Transition:
    task = Task(id="t@0", template="t", app="tiny", interface="browser", split="test", goal="", start=Start(url="/"))
    return world.reset(task, seed)


def click(page: str, number: int) -> Action:
    links = [line for line in parse_lines(page) if line.role in ("link", "button")]
    return Action.call("click", bid=links[number % len(links)].ref if links else "enone")


def walk(worlds: Sequence[ModelWorld], foresee: bool) -> list[list[Transition]]:
    seen = [[start(world, seed)] for seed, world in enumerate(worlds)]
    for step in range(5):
        actions = [click(told[-1].observation.page, step + 3 * number) for number, told in enumerate(seen)]
        if foresee:
            worlds[0].foresee(worlds, actions)
        for world, told, action in zip(worlds, seen, actions, strict=True):
            told.append(world.step(action))
    return seen


def test_foreseen_answers_are_those_given_alone(model: Path, asked: list[int]) -> None:
    def worlds() -> list[ModelWorld]:
        return [ModelWorld(load_world(model).model) for _ in range(3)]

    alone = walk(worlds(), foresee=False)
    assert set(asked) == {1}
    asked.clear()
    together = walk(worlds(), foresee=True)
    assert max(asked) == 3
    assert len(asked) < 3 * 5
    for ours, theirs in zip(together, alone, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert (a.observation, a.delta, a.events) == (b.observation, b.delta, b.events)
            assert a.trust == pytest.approx(b.trust, abs=1e-4)


def test_what_was_foreseen_holds_for_that_action_in_that_session_alone(model: Path) -> None:
    def world() -> ModelWorld:
        found = ModelWorld(load_world(model).model)
        start(found, 1)
        return found

    ours, other, away = world(), world(), Action.call("goto", url="/cart")
    ours.foresee([ours, other], [Action.call("goto", url="/c/oak")] * 2)
    assert ours.step(away) == world().step(away), "another action"
    ours.foresee([ours], [away])
    start(ours, 1)
    assert ours.step(away) == world().step(away), "after another reset"
    token = other.snapshot()
    other.foresee([other], [away])
    other.restore(token)
    assert other.step(away) == world().step(away), "after going back"


def test_both_kinds_are_batched(model: Path) -> None:
    world = ModelWorld(load_world(model).model)
    assert isinstance(world, BatchedWorld)
    assert isinstance(HybridWorld(world, lambda: world), BatchedWorld)


def test_nobody_asks_anything_of_the_app(model: Path, asked: list[int]) -> None:
    worlds = [ModelWorld(load_world(model).model) for _ in range(2)]
    for world in worlds:
        start(world, 1)
    before = list(asked)
    worlds[0].foresee(worlds, [Action.call("noop")] * 2)
    assert [world.step(Action.call("noop")).observation.error for world in worlds] == ["", ""]
    assert asked == [*before, 0]
