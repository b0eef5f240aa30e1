"""24 classes of failure before the shop: every episode ends, is typed, and is scored by the truth.

The benchmark plays twenty seeds of each; here are a few, and proof that the kit finds what it looks for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.reward.checks import Verdict
from envsim.sandbox.declared import BugClass
from envsim.sandbox.world import SandboxWorld
from envsim.source import TemplateSource
from envsim.testing import failures, try_failure
from envsim.types import Transition

CLASSES: tuple[str, ...] = BugClass.__args__  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def bench(repo: Path) -> Iterator[ModuleType]:
    """The benchmark, which is no package: a script among others that import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repo / "benchmarks")
        yield importlib.import_module("sandboxes_faults")


def test_the_shop_can_have_every_class() -> None:
    assert set(failures("shop")) == set(CLASSES)


@pytest.mark.parametrize("failure", sorted(CLASSES))
def test_every_episode_under_a_class_is_typed_and_scored_by_the_truth(failure: str, bench: ModuleType) -> None:
    options = failures("shop")[failure]
    steps = bench.errands(bench._seed_view()).get(failure)
    policies: list[Any] = ["oracle", "null"] if steps is None else [bench.Errand(steps), "oracle"]
    # What needs a second page or a changed one shows in some task only: the benchmark looks for it.
    task = {"lost-update": "wishlist-pair", "partial-write": "cancel-latest-order", "timezone": "return-item"}.get(
        failure
    )
    trials = [
        try_failure("shop", failure, options, policy=policy, seed=seed, task=task)
        for policy in policies
        for seed in (0, 1, 2)
    ]
    assert [trial for trial in trials if trial.problems] == []
    assert sum(trial.fired for trial in trials) > 0


def test_a_wrong_reward_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def generous(self: TemplateSource, task: Any, record: Any) -> Verdict:
        calls.append(record)
        return Verdict(reward=1.0 if len(calls) == 1 else 0.0, results=())

    monkeypatch.setattr(TemplateSource, "judge", generous)
    trial = try_failure("shop", "modal", failures("shop")["modal"], policy="null")
    assert len(trial.problems) == 2
    assert any("the checks say 0" in problem for problem in trial.problems)


def test_a_change_nobody_told_of_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    step = SandboxWorld.step
    monkeypatch.setattr(SandboxWorld, "step", lambda self, action: silenced(step(self, action)))
    trial = try_failure("shop", "modal", {"bugs": "none", "faults": {}}, policy="oracle", task="buy-with-coupon")
    assert "the deltas do not lead to the state at the end" in trial.problems


def silenced(transition: Transition) -> Transition:
    return transition.model_copy(update={"delta": ()})


def test_a_failure_without_a_reason_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TaskEnv, "_limit", 1)
    trial = try_failure("shop", "modal", {"bugs": "none", "faults": {}}, task="buy-with-coupon")
    assert trial.problems == ("the oracle failed and no event says why",)
