"""The reliability surface: what it counts, that it resumes, and rewording that keeps what a task is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.fidelity.rewording import RewordedSource, reword
from envsim.fidelity.robustness import Grid, Study, measure, point, shade, write_surface
from envsim.rollout import Rollout
from envsim.sandbox.faults import read_faults
from envsim.types import Outcome

GOAL = (
    'Put the cheapest article of "Garden tools" into the cart, ship it to maya@example.com for $49.00 with express '
    "delivery."
)


def won(reward: float | None) -> Rollout:
    return Rollout("p", "t", 0, 1, Outcome(kind="infra" if reward is None else "policy", reward=reward))


def test_a_point_is_pass_hat_k_over_tasks() -> None:
    trials = [(0, won(1.0)), (0, won(1.0)), (1, won(1.0)), (1, won(0.0)), (2, won(None)), (2, won(1.0)), (3, None)]
    one, two, three = point((1, 2, 3), 0.1, 0.5, trials)
    assert (one.estimate.value, one.estimate.n) == (pytest.approx((1 + 0.5 + 1) / 3), 3)
    assert (two.estimate.value, two.estimate.n) == (0.5, 2)
    assert three.estimate.n == 0
    assert {cell.unscored for cell in (one, two, three)} == {2}


def test_certainty_needs_tasks() -> None:
    (cell,) = point((1,), 0, 0, [(index, won(1.0)) for index in range(4)])
    assert cell.estimate.value == 1.0
    assert cell.estimate.low < 0.6


@pytest.mark.parametrize(
    "bad", [{"ks": (0,)}, {"epsilons": (1.5,)}, {"lambdas": (-1.0,)}, {"ks": ()}, {"lambdas": (float("nan"),)}]
)
def test_a_grid_off_the_scale_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ContentError):
        Grid(**bad)


def test_words_that_carry_the_task_stay() -> None:
    seen = {reword(GOAL, 1.0, seed, frozenset({"express"})) for seed in range(20)}
    assert len(seen) > 5
    for text in seen:
        for part in ('"Garden tools"', "maya@example.com", "$49.00", "express", "Put "):
            assert part in text
        assert "cheapest" not in text
        assert "least expensive" in text


@given(goal=st.text(max_size=200), epsilon=st.floats(0, 1), seed=st.integers(0, 10_000))
def test_any_goal_can_be_reworded(goal: str, epsilon: float, seed: int) -> None:
    text = reword(goal, epsilon, seed)
    assert text == reword(goal, epsilon, seed)
    assert [c for c in text if c.isdigit()] == [c for c in goal if c.isdigit()]
    assert epsilon > 0 or text == goal


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_epsilon_is_a_probability(epsilon: float) -> None:
    with pytest.raises(ContentError):
        reword(GOAL, epsilon, 0)


def test_a_reworded_task_is_the_same_task() -> None:
    plain, other = TaskEnv("shop"), TaskEnv("shop", source=RewordedSource("shop", 1.0, "browser"))
    try:
        for seed in range(5):
            plain.reset(seed=seed)
            other.reset(seed=seed)
            assert plain.task is not None
            assert other.task is not None
            assert other.task.goal != plain.task.goal
            assert other.task.model_copy(update={"goal": plain.task.goal}) == plain.task
            for value in plain.task.params.values():
                if isinstance(value, str) and value in plain.task.goal:
                    assert value in other.task.goal
    finally:
        plain.close()
        other.close()


def study(root: Path, policy: str = "oracle") -> Study:
    options = {"app": "shop", "interface": "browser", "task": None, "split": None, "bugs": "none"}
    return Study(options, policy, Grid((1, 2), (0.0, 0.5), (0.0, 4.0)), read_faults("production"), 3, 0, root)


def test_a_surface_falls_with_faults_and_resumes(tmp_path: Path) -> None:
    steps: list[int] = []
    surface = measure(study(tmp_path), on_done=steps.append)
    assert sum(steps) == study(tmp_path).total == 24
    assert surface.at(1, 0.0, 0.0).estimate.value == surface.at(2, 0.5, 0.0).estimate.value == 1.0
    assert surface.at(1, 0.0, 4.0).estimate.value < 1.0
    kept = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))}
    victim = next(iter(kept))
    victim.write_bytes(kept[victim][:-40])
    assert measure(study(tmp_path)) == surface
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*.jsonl"))} == kept


def test_the_report_shows_every_point(tmp_path: Path) -> None:
    surface = measure(study(tmp_path, "null"))
    page = write_surface(surface, tmp_path).read_text("utf-8")
    assert page.count("<rect") == len(surface.cells) == 8
    assert page.count(f'fill="{shade(0.0)}"') == 8
    assert "http" not in page
    read = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [cell["estimate"]["value"] for cell in read["cells"]] == [0.0] * 8


def test_shades_run_from_red_to_green() -> None:
    assert shade(0.0) == "#b42318"
    assert shade(1.0) == "#0f766e"
    assert shade(float("nan")) == "#d0d5dd"


def test_the_command_prints_the_surface_and_refuses_what_is_none(cli: Any, tmp_path: Path) -> None:
    small = ("robustness", "--app", "shop", "--policy", "null", "--k", "1", "--epsilon", "0", "-n", "2", "-j", "1")
    done = cli("envsim", *small, "--lambda", "0,1", "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert [(row["k"], row["lambda"], row["R"], row["tasks"]) for row in json.loads(done.stdout)["surface"]] == [
        (1, 0.0, 0.0, 2),
        (1, 1.0, 0.0, 2),
    ]
    bad = cli("envsim", *small, "--lambda", "much", "-o", tmp_path)
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
