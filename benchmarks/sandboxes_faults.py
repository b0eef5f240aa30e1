"""24 classes of failure before the shop, 20 seeds each: does every episode end, typed, and scored by the truth?

    python benchmarks/sandboxes_faults.py [--quick] [--json]

Eighteen classes are faults in front of the app, six are bugs of the shop (see docs/faults.md). Each seed plays the
oracle on a task in whose solution the class shows, an errand that provokes it, a random walk and doing nothing. Every
episode is held to what `envsim.testing.try_failure` demands.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

from results import Goal

from envsim.policy import OraclePolicy
from envsim.state import StateView
from envsim.task import Interface, Task
from envsim.testing import failures, provoking, try_failure
from envsim.testing.faults import DEADLINE_S, Trial
from envsim.worlds import open_world

APP = "shop"
SEEDS = 20
_BUY = ['goto("/p/{product}")', {"when": "@button Add to cart", "do": ['click("@button Add to cart")']}]


class Errand(OraclePolicy):
    """Steps in the language of oracles, whatever the task: they show a failure, they solve nothing."""

    def __init__(self, steps: list[Any]) -> None:
        super().__init__()
        self._steps = steps

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`."""
        assert task is not None
        super().reset(task.model_copy(update={"oracle": tuple(self._steps)}), seed, tools)


def errands(view: StateView) -> dict[str, list[Any]]:
    """Class -> steps that lead to where it shows, in the shop as seeded."""
    product = min(view["products"])
    scarce = next(row for _, row in sorted(view["variants"].items()) if 1 <= row["stock"] <= 3)
    label = f"{scarce['label']}, only {scarce['stock']} left"
    choose = {"when": "@combobox Option", "do": [f'select_option("@combobox Option", "{label}")']}
    foreign = [number for number, row in sorted(view["orders"].items()) if row["customer"] != LOGIN][:4]
    buy = [_filled(step, product) for step in _BUY]
    # A tenth of its price is no whole number of cents, and three of them make that show.
    few = {row["product"] for row in view["variants"].values() if row["stock"] < 3 or row["extra_cents"]}
    odd = next(
        slug
        for slug, row in sorted(view["products"].items())
        if slug not in few and 3 * ((row["price_cents"] + 5) // 10) != (3 * row["price_cents"] + 5) // 10
    )
    return {
        "stale-cache": ['goto("/cart")', *buy, 'goto("/cart")'] * 4,
        "double-submit": buy * 6,
        "lying-toast": buy * 6,
        "csrf-rotation": buy * 6,
        "pagination": ['goto("/c/cookware?page=2")'] * 8,
        "rounding": [
            *[_filled(step, odd) for step in _BUY] * 3,
            'goto("/cart")',
            'fill("@textbox Coupon code", "WELCOME10")',
            'click("@button Apply coupon")',
        ],
        "stock-race": [f'goto("/p/{scarce["product"]}")', choose, *_BUY[1:]] * (scarce["stock"] + 1),
        "permission-drift": [f'goto("/account/orders/{number}")' for number in foreign],
    }


LOGIN = "maya.thornton@example.com"


def _filled(step: Any, product: str) -> Any:
    return step.replace("{product}", product) if isinstance(step, str) else step


@dataclass(frozen=True)
class Row:
    """What came of one class."""

    failure: str
    made_by: str
    episodes: int
    fired: int
    outcomes: dict[str, int]
    hangs: int
    problems: list[str]
    slowest_s: float


def run(quick: bool) -> list[Row]:
    """Every class over its seeds.

    Args:
        quick: Two seeds in place of twenty, here instead of in a process that could be given up.
    """
    seeds = range(2 if quick else SEEDS)
    if quick:
        view = _seed_view()
        return [_row(name, options, play_class(name, options, view, list(seeds)), 0) for name, options in _classes()]
    rows = []
    for name, options in _classes():
        # A class that hangs is given up with its process; the others still run.
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        future = pool.submit(_in_process, name, options, list(seeds))
        try:
            rows.append(_row(name, options, future.result(DEADLINE_S * 10), 0))
        except FutureTimeout:
            rows.append(_row(name, options, [], 1))
            for process in multiprocessing.active_children():
                process.kill()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return rows


def goals(rows: list[Row]) -> list[Goal]:
    """The one line of the table that they come to."""
    episodes, hangs = sum(row.episodes for row in rows), sum(row.hangs for row in rows)
    wrong = [f"{row.failure}: {problem}" for row in rows for problem in row.problems]
    silent = [row.failure for row in rows if not row.fired]
    measured = f"{len(rows)} classes, {episodes} episodes: {hangs} hangs, {len(wrong)} wrong or untyped"
    measured += f", never fired: {', '.join(silent)}" if silent else ""
    measured += "".join(f"; {problem}" for problem in wrong[:3])
    met = len(rows) >= 24 and not (hangs or wrong or silent)
    return [Goal(
        f"24 fault classes x {SEEDS} seeds", "0 hangs past deadline, 0 silently wrong rewards, every outcome typed",
        measured, met,
    )]  # fmt: skip


def _classes() -> list[tuple[str, dict[str, Any]]]:
    return sorted(failures(APP).items())


def _seed_view() -> StateView:
    world = open_world("sandbox", APP)
    try:
        return world.seed_view()
    finally:
        world.close()


def _in_process(name: str, options: dict[str, Any], seeds: list[int]) -> list[Trial]:
    return play_class(name, options, _seed_view(), seeds)


def play_class(name: str, options: dict[str, Any], view: StateView, seeds: list[int]) -> list[Trial]:
    """All episodes of one class."""
    shown: list[tuple[Interface, str | None]] = [*provoking(APP, name, options)] or [("browser", None)]
    steps = errands(view).get(name)
    trials = []
    for seed in seeds:
        interface, task = shown[seed % len(shown)]
        trials.append(try_failure(APP, name, options, seed=seed, interface=interface, task=task))
        trials += [try_failure(APP, name, options, policy=policy, seed=seed) for policy in ("random", "null")]
        if steps is not None:
            trials.append(try_failure(APP, name, options, policy=Errand(steps), seed=seed))
    return trials


def _row(name: str, options: dict[str, Any], trials: list[Trial], hangs: int) -> Row:
    outcomes: dict[str, int] = {}
    for trial in trials:
        kind = trial.outcome if trial.reward is None else f"{trial.outcome} {trial.reward:g}"
        outcomes[kind] = outcomes.get(kind, 0) + 1
    problems = [f"{trial.policy}, seed {trial.seed}: {problem}" for trial in trials for problem in trial.problems]
    made_by = "fault" if options["faults"] else f"bug {', '.join(options['bugs'])}"
    fired = sum(trial.fired > 0 for trial in trials)
    slowest = max((trial.wall_s for trial in trials), default=0.0)
    return Row(name, made_by, len(trials), fired, dict(sorted(outcomes.items())), hangs, problems, slowest)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 seeds instead of 20")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = run(arguments.quick)
    if arguments.json:
        print(json.dumps([row.__dict__ for row in rows], indent=2))
        return
    print("| class | made by | episodes | in which it fired | outcomes | hangs | wrong or untyped | slowest, s |")
    print("| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |")
    for row in rows:
        outcomes = ", ".join(f"{kind}: {count}" for kind, count in row.outcomes.items())
        cells = (row.failure, row.made_by, row.episodes, row.fired, outcomes, row.hangs, len(row.problems))
        print("| " + " | ".join(map(str, cells)) + f" | {row.slowest_s:.2f} |")
    for row in rows:
        for problem in row.problems:
            print(f"{row.failure}: {problem}")


if __name__ == "__main__":
    main()
