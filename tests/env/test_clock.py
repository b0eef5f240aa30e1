"""Tasks that start at a time of their own, over two changes of the clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.task_template import find_template

TASK = """
id = "late"
title = "A question about tonight"
app = "evenings"
interface = "tools"
split = "train"
goal = "Is {home.title} still to be had tonight?"
oracle = ['answer("yes")']

[params.home]
from = "homes"
where = "row.place == 'lisbon' && row.instant == `1` && row.min_nights == `1`"

[params.day]
choices = ["2026-03-28"]

[start]
login = "maya.okonkwo@example.com"
clock = %s

[[checks]]
kind = "answered"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root of its own with an app like `stays` and one task."""
    (tmp_path / "sandboxes/evenings").mkdir(parents=True)
    (tmp_path / "tasks/evenings").mkdir(parents=True)
    (tmp_path / "sandboxes/evenings/sandbox.toml").write_text('base = "stays"\nname = "evenings"\ntitle = "Evenings"\n')
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    write(tmp_path, '"2026-03-28T23:30:00+00:00"')
    return tmp_path


def write(root: Path, clock: str) -> None:
    (root / "tasks/evenings/late.toml").write_text(TASK % clock)


@pytest.fixture
def env(root: Path) -> Iterator[TaskEnv]:
    made = TaskEnv("evenings", task="late", interface="tools", bugs="none")
    yield made
    made.close()


def too_late(env: TaskEnv, place: str, night: str, clock: str | None = None) -> bool:
    """Whether it is already past `night` in `place` when the episode begins."""
    env.reset(seed=3, options={"clock": clock})
    homes = env.world.seed_view()["homes"]
    slug = min(s for s, home in homes.items() if home["place"] == place and home["min_nights"] == 1)
    following = f"{night[:-2]}{int(night[-2:]) + 1:02d}"
    env.step(f'quote_stay(slug="{slug}", check_in="{night}", check_out="{following}", guests=1)')
    answer = json.loads(env.observation.result)
    return isinstance(answer, dict) and answer.get("error", {}).get("code") == "in_the_past"


def test_a_task_starts_at_its_own_time(env: TaskEnv) -> None:
    # The app's own clock stands on 2 March; in Lisbon it is half past eleven at night, and summer time begins at one.
    assert not too_late(env, "lisbon", "2026-03-28")
    assert too_late(env, "lisbon", "2026-03-27")
    assert env.task is not None
    assert env.task.start.clock == "2026-03-28T23:30:00+00:00"


@pytest.mark.parametrize(
    ("place", "night", "before", "after"),
    [
        # Lisbon, 29 March: clocks go from 01:00 to 02:00, so the day ends at 23:00 UTC.
        ("lisbon", "2026-03-29", "2026-03-29T22:50:00+00:00", "2026-03-29T23:10:00+00:00"),
        # New Zealand, 5 April: clocks go back at 03:00, so the day began at 11:00 UTC and ends at 12:00.
        ("queenstown", "2026-04-04", "2026-04-04T10:50:00+00:00", "2026-04-04T11:10:00+00:00"),
        ("queenstown", "2026-04-05", "2026-04-05T11:50:00+00:00", "2026-04-05T12:10:00+00:00"),
    ],
)
def test_days_end_by_the_wall_clock_when_clocks_change(
    env: TaskEnv, place: str, night: str, before: str, after: str
) -> None:
    assert [too_late(env, place, night, clock) for clock in (before, after)] == [False, True]


def test_the_shift_of_dates_shows_only_across_the_change(root: Path) -> None:
    env = TaskEnv("evenings", task="late", interface="tools", bugs=("dst-shift",))
    shown = {}
    try:
        for clock in ("2026-03-28T12:00:00+00:00", "2026-03-29T12:00:00+00:00"):
            env.reset(seed=3, options={"clock": clock})
            homes = env.world.seed_view()["homes"]
            slug = min(s for s, home in homes.items() if home["place"] == "lisbon" and home["instant"])
            env.step("list_cards()")
            card = json.loads(env.observation.result)["cards"][0]["id"]
            for day in range(10, 24, 4):
                env.step(f'book_stay(slug="{slug}", check_in="2026-04-{day}", check_out="2026-04-{day + 4}", '
                         f'guests=1, card_id={card})')  # fmt: skip
                answer = json.loads(env.observation.result)
                if "check_in" in answer:
                    shown[clock] = (answer["check_in"], f"2026-04-{day}")
                    break
    finally:
        env.close()
    (winter, booked), (summer, same) = shown.values()
    assert winter < booked  # read with that day's offset, a day too early
    assert summer == same


def test_a_time_may_be_written_as_toml_has_it_or_be_drawn(root: Path) -> None:
    write(root, "2026-03-29T00:30:00Z")
    view = {"homes": {"a": {"title": "A", "place": "lisbon", "instant": 1, "min_nights": 1}}}
    assert find_template("evenings", "late").instantiate(1, view).start.clock == "2026-03-29T00:30:00+00:00"
    write(root, '"{day}T00:30:00"')
    assert find_template("evenings", "late").instantiate(1, view).start.clock == "2026-03-28T00:30:00+00:00"


@pytest.mark.parametrize("clock", ['"tomorrow"', '"{home.title}"'])
def test_what_is_no_time_is_refused(root: Path, clock: str) -> None:
    write(root, clock)
    view = {"homes": {"a": {"title": "A", "place": "lisbon", "instant": 1, "min_nights": 1}}}
    with pytest.raises(ContentError, match=r"late.toml.*is not an ISO 8601 time"):
        find_template("evenings", "late").instantiate(1, view)


def test_an_option_that_is_no_time_is_refused_and_the_environment_goes_on(env: TaskEnv) -> None:
    with pytest.raises(ContentError, match="The clock 'noon' is not an ISO 8601 time"):
        env.reset(seed=1, options={"clock": "noon"})
    env.reset(seed=1)
    assert env.task is not None
