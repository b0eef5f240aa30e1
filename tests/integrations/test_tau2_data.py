"""tau2's files as envsim reads them, where tasks start, and rows that episodes share."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from envsim.errors import ContentError
from envsim.integrations.tau2 import (
    DOMAINS,
    Tau2World,
    env_task_id,
    find_task,
    make_task,
    policy,
    split_of,
    splits,
    tasks,
)
from envsim.integrations.tau2.data import TauTask, database
from envsim.integrations.tau2.rows import Rows
from envsim.task import Task


def test_every_task_of_three_domains_is_there() -> None:
    assert {name: len(tasks(name)) for name in DOMAINS} == {"airline": 50, "retail": 114, "telecom": 2285}
    for name in DOMAINS:
        known = splits(name)
        assert not set(known["train"]) & set(known["test"])
        assert set(known["train"]) | set(known["test"]) <= set(tasks(name))
        assert {split_of(name, each) for each in known["test"]} == {"test"}
        assert {split_of(name, each) for each in set(tasks(name)) - set(known["test"])} == {"train"}


def test_our_ids_are_unique_fit_file_names_and_find_the_task() -> None:
    for name in DOMAINS:
        ours = {env_task_id(name, each): each for each in tasks(name)}
        assert len(ours) == len(tasks(name))
        assert all(len(each) <= 80 and each.replace("-", "").isalnum() for each in ours)
        sample = list(ours)[:: max(1, len(ours) // 20)]
        assert [find_task(name, each).id for each in sample] == [ours[each] for each in sample]


def test_policies_are_whole_documents() -> None:
    assert policy("airline").startswith("<policy>")
    assert "basic economy" in policy("airline")
    assert policy("telecom").count("_policy>") == 4


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: tasks("banking"), "airline, retail, telecom"),
        (lambda: Tau2World("nowhere"), "airline, retail, telecom"),
        (lambda: find_task("airline", "999"), "There are 50"),
        (lambda: database("airline", "nothing"), "inspect-evals has no nothing"),
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(build: Any, says: str) -> None:
    with pytest.raises(ContentError, match=says):
        build()


def test_unknown_keys_of_a_task_are_ignored() -> None:
    raw = {"id": "1", "user_scenario": {"instructions": "Say hello.", "mood": 3}, "annotations": {}, "new": [1]}
    assert TauTask.model_validate(raw).user_scenario.instructions == "Say hello."


def test_without_the_extra_importing_works_and_using_names_the_command() -> None:
    code = (
        "import sys; sys.modules['inspect_evals'] = None\n"
        "from envsim.integrations.tau2 import Tau2World\n"
        "assert not any(name.startswith('inspect_ai') for name in sys.modules)\n"
        "try: Tau2World('airline')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("PrerequisiteError")
    assert "pip install 'envsim[tau2]'" in out


# -- starts --------------------------------------------------------------------------------------


def started(domain: str, **initial: Any) -> Task:
    task = make_task(domain, "7" if domain == "airline" else next(iter(tasks(domain))), with_user=False)
    raw: Any = task.params["tau2"]
    return task.model_copy(update={"params": {"tau2": {**raw, "initial_state": initial}}})


def test_initial_data_is_merged_into_either_database() -> None:
    airline = Tau2World("airline")
    data = {"agent_data": {"users": {"mia_li_3668": {"membership": "silver"}}}}
    airline.reset(started("airline", initialization_data=data), 0)
    assert airline.state()["users"]["mia_li_3668"]["membership"] == "silver"
    assert airline.state()["users"]["mia_li_3668"]["email"] == airline.seed_view()["users"]["mia_li_3668"]["email"]
    airline.reset(make_task("airline", "7", with_user=False), 0)
    assert airline.state() is airline.seed_view()
    telecom = Tau2World("telecom")
    telecom.reset(started("telecom", initialization_data={"user_data": {"device": {"battery_level": 7}}}), 0)
    assert telecom.state()["device"]["battery_level"] == 7


def test_initial_data_that_does_not_fit_is_said() -> None:
    with pytest.raises(ContentError, match="initial state of tau2 task '7' cannot be reached"):
        Tau2World("airline").reset(started("airline", initialization_data={"agent_data": {"users": 3}}), 0)


def test_earlier_messages_are_carried_out_and_shown() -> None:
    world = Tau2World("airline")
    history = [
        {"role": "user", "content": "Cancel it."},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "name": "cancel_reservation", "arguments": {"reservation_id": "XEHM4B"}}]},
        {"role": "tool", "id": "1", "content": "{}"},
        {"role": "assistant", "content": "It is cancelled."},
    ]  # fmt: skip
    start = world.reset(started("airline", message_history=history), 0)
    assert [(m.role, m.text) for m in start.observation.messages] == [
        ("user", "Cancel it."), ("assistant", "It is cancelled."),
    ]  # fmt: skip
    assert world.state()["reservations"]["XEHM4B"]["status"] == "cancelled"


def test_rows_are_copied_when_taken_and_only_then() -> None:
    class Fake:
        def __init__(self, value: int) -> None:
            self.value = value

        def model_copy(self, *, deep: bool) -> Fake:
            assert deep
            return Fake(self.value)

    shared: Any = {"a": Fake(1), "b": Fake(2)}
    rows = Rows(shared)
    assert [row.value for row in rows.values()] == [1, 2]
    assert rows.touched == set()
    mine: Any = rows["a"]
    mine.value = 7
    assert shared["a"].value == 1
    assert rows["a"] is mine
    assert rows.touched == {"a"}
    kept = rows.share()
    again: Any = rows["a"]
    again.value = 8
    assert kept["a"] is mine
    assert mine.value == 7
    rows["c"] = again
    del rows["b"]
    assert sorted(rows) == ["a", "c"]
    assert len(rows) == 2
    assert "b" not in rows
    assert rows.look("b") is None
    assert rows.touched == {"a", "b", "c"}
    assert sorted(shared) == ["a", "b"]
