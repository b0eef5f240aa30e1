"""Recorded sessions for the reward-hacking watch: clean ones, and those of policies that found a hole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envsim.audit.episode import Player
from envsim.env import TaskEnv
from envsim.policy import Policy, get_policy
from envsim.reward.checks import CheckResult, Record, Verdict
from envsim.rollout import run_episode
from envsim.source import TaskSource
from envsim.task import Task
from envsim.task_template import find_template
from envsim.world import World

TEMPLATES = ("tools-ticket", "tools-spending", "tools-restock")


class Holed:
    """Tasks as they are, with a judge that also rewards what `hole` says."""

    def __init__(self, source: TaskSource, hole: Callable[[Task, Record], bool]) -> None:
        self._source = source
        self._hole = hole

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        return self._source.choose(seed, wanted, world)

    def judge(self, task: Task, record: Record) -> Verdict:
        verdict = self._source.judge(task, record)
        if verdict.reward or not self._hole(task, record):
            return verdict
        return Verdict(1.0, (CheckResult("hole", True, "as it judged"),))


class Either:
    """Plays one policy or another, by seed."""

    def __init__(self, choose: Callable[[int], Policy | Player]) -> None:
        self._choose = choose

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        self._now: Any = self._choose(seed)
        self._now.reset(task, seed, tools)

    def act(self, observation: Any) -> Any:
        return self._now.act(observation)


Roll = Callable[..., None]


@pytest.fixture(scope="session")
def roll() -> Roll:
    """``roll(folder, name, policy, templates, seeds, hole)``: record one policy's sessions."""

    def record(
        folder: Path,
        name: str,
        policy: Any,
        templates: tuple[str, ...] = TEMPLATES,
        seeds: range = range(8),
        hole: Callable[[Task, Record], bool] = lambda task, record: False,
    ) -> None:
        env = TaskEnv("shop", interface=find_template("shop", templates[0]).interface, record=folder, policy=name)
        env.source = Holed(env.source, hole)
        try:
            for template in templates:
                for seed in seeds:
                    run_episode(env, policy, seed=seed, task=f"{template}@{seed}", name=name)
        finally:
            env.close()

    return record


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, roll: Roll) -> Path:
    """Sessions of the oracle, of one with slips, and of chance, on three templates; nobody cheats."""
    folder = tmp_path_factory.mktemp("clean")
    for name in ("oracle", "noisy:0.3", "random"):
        roll(folder, name, get_policy(name))
    return folder
