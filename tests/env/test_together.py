"""Episodes that run side by side: the same as alone, each with its own end, asked for in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from envsim.env import TaskEnv
from envsim.policy import Policy, RandomPolicy, ScriptedPolicy
from envsim.rollout import run_episode, run_together
from envsim.testing import FakeWorld
from envsim.types import Action
from envsim.world import World

JOBS = [("put-two", instance, seed) for instance in (1, 2) for seed in (5, 6, 7)]


class Batched(FakeWorld):
    """Notes how many answers it was asked for at once."""

    asked: list[int]

    def foresee(self, worlds: Sequence[World], actions: Sequence[Action]) -> None:
        assert len(worlds) == len(actions)
        self.asked.append(len(worlds))


def _envs(count: int) -> tuple[list[TaskEnv], list[int]]:
    asked: list[int] = []
    worlds = [Batched() for _ in range(count)]
    for world in worlds:
        world.asked = asked
    return [TaskEnv("shelf", interface="tools", world=world) for world in worlds], asked


@pytest.mark.parametrize("members", [1, 2, 4, 9])
def test_side_by_side_as_alone(shelf: Path, members: int) -> None:
    del shelf
    envs, asked = _envs(members)
    policies: list[Policy] = [RandomPolicy() for _ in envs]
    found = {number: rollout for number, _, rollout in run_together(envs, policies, JOBS)}
    alone = _envs(1)[0][0]
    for number, (task, instance, seed) in enumerate(JOBS):
        expected = run_episode(alone, RandomPolicy(), task=task, task_seed=instance, seed=seed)
        assert found[number] == expected
    assert len(found) == len(JOBS)
    assert max(asked, default=1) == min(members, len(JOBS))


def test_an_episode_that_fails_ends_alone_and_its_environment_goes_on(shelf: Path) -> None:
    del shelf
    envs, _ = _envs(2)
    envs[1].world.fail_at = 1  # type: ignore[attr-defined]
    policies: list[Policy] = [ScriptedPolicy(["look()"]) for _ in envs]
    ended = list(run_together(envs, policies, JOBS))
    assert sorted(number for number, *_ in ended) == list(range(len(JOBS)))
    for _, member, rollout in ended:
        assert rollout.outcome.kind == ("policy", "infra")[member]
        assert rollout.steps == (2, 1)[member]
    assert {member for _, member, _ in ended} == {0, 1}
