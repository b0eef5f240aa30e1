"""Canaries: planted wherever gold is, found wherever they are served, and nowhere else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envsim.audit import audit_template
from envsim.audit.canary import PARAMETER, Watch, canary_of, forms, lines_of, plant, search
from envsim.audit.containment import search_sandbox
from envsim.audit.episode import Played, planted, play
from envsim.env import TaskEnv
from envsim.goal import Fact, Item, UserGoal
from envsim.policy import NullPolicy, OraclePolicy
from envsim.sandbox.runtime import ResetRequest, SetupCall, get_runtime
from envsim.sandbox.spec import find_spec
from envsim.state import canonical
from envsim.task import Task
from envsim.task_template import find_template
from envsim.types import Action, Message, Observation, Transition
from envsim.world import World
from envsim.worlds import open_world

TASK = "tools-sales"
GOAL = UserGoal(facts={"code": Fact(value="4711", reveal="authenticated")}, items=(Item(id="a", want="b"),))


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = TaskEnv("shop", interface="tools")
    yield made
    made.close()


@pytest.fixture(scope="module")
def task(env: TaskEnv) -> Task:
    return find_template("shop", TASK).instantiate(0, env.world.seed_view())


def test_every_place_of_gold_carries_the_canary_of_its_instance(task: Task) -> None:
    instance = plant(task.model_copy(update={"user": GOAL}))
    canary = canary_of(task)
    assert canary.isalnum()
    assert canary == canary.casefold()
    for part in (instance.params, instance.checks, instance.oracle, instance.user):
        assert canary in canonical(part if not isinstance(part, UserGoal) else part.model_dump(mode="json"))
    assert canary not in instance.goal + canonical(instance.start.model_dump(mode="json"))
    assert canary_of(task.model_copy(update={"id": f"{TASK}@1"})) != canary
    assert canary_of(task) == canary_of(instance)


def test_planting_changes_no_judgement(env: TaskEnv) -> None:
    with planted(env):
        done = play(env, OraclePolicy(), seed=0, task=f"{TASK}@0", blind=False)
        idle = play(env, NullPolicy(), seed=0, task=f"{TASK}@0")
    assert isinstance(done, Played)
    assert isinstance(idle, Played)
    assert PARAMETER in done.task.params
    assert (done.outcome.reward, idle.outcome.reward) == (1.0, 0.0)
    env.reset(seed=0)
    assert env.task is not None
    assert PARAMETER not in env.task.params


def test_what_an_agent_is_shown_is_searched_and_clean(env: TaskEnv) -> None:
    canary = audit_template(env, TASK, range(2)).canary
    assert canary.hits == 0
    assert canary.episodes == 2 * 4  # oracle, null, random, shuffled: there is no write to leave out
    assert canary.observations >= 3 * canary.episodes // 2
    assert canary.characters > 50_000


class Leaky:
    """A world that shows some part of its task, in some field and notation, after the first step."""

    def __init__(self, world: World, leak: Callable[[Task], dict[str, Any]]) -> None:
        self._world = world
        self._leak = leak

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def reset(self, task: Task, seed: int) -> Transition:
        self._task = task
        return self._world.reset(task, seed)

    def step(self, action: Action) -> Transition:
        transition = self._world.step(action)
        shown = transition.observation.model_copy(update=self._leak(self._task))
        return transition.model_copy(update={"observation": shown})


LEAKS: dict[str, Callable[[Task], dict[str, Any]]] = {
    "parameters in a result": lambda task: {"result": canonical(task.params)},
    "checks in a page": lambda task: {"page": f"text {json.dumps(canonical(task.checks))}"},
    "oracle in an error": lambda task: {"error": str(task.oracle)},
    "parameters in an address": lambda task: {"url": f"/?p={task.params[PARAMETER]}"},
    "parameters in a title": lambda task: {"title": str(task.params[PARAMETER]).upper()},
    "parameters in a message": lambda task: {"messages": (Message(role="user", text=str(task.params)),)},
    "base64": lambda task: {"result": base64.b64encode(canonical(task.params).encode()).decode()},
    "hex": lambda task: {"result": canonical(task.checks).encode().hex()},
    "backwards": lambda task: {"result": canonical(task.params)[::-1]},
    "the file itself": lambda task: {"result": "\n".join(map(str, find_template("shop", task.template).oracle))},
}


@pytest.mark.parametrize("leak", LEAKS)
def test_any_leak_of_gold_is_caught(leak: str) -> None:
    world = Leaky(open_world("sandbox", "shop", interface="tools"), LEAKS[leak])
    env = TaskEnv("shop", interface="tools", world=world)  # type: ignore[arg-type]
    try:
        audited = audit_template(env, TASK, [0])
    finally:
        env.close()
    assert audited.canary.hits > 0
    assert not audited.sound
    assert any("canary was shown in" in failure for failure in audited.failures)


def test_a_leak_into_the_tools_on_offer_is_caught(task: Task) -> None:
    watch = Watch()
    watch.begin(plant(task))
    watch.tools([{"name": "a", "description": canary_of(task)}])
    assert [hit.where for hit in watch.hits] == ["tools"]


def test_info_is_counted_and_no_failure(task: Task) -> None:
    watch = Watch()
    watch.begin(plant(task))
    watch.info({"delta": [["a", canary_of(task)]]})
    watch.info({"delta": []})
    watch.observe(Observation(page="text"), {"page": "text"})
    assert (watch.info_hits, watch.hits, watch.observations) == (1, [], 1)


def test_an_encoded_observation_that_says_more_is_searched(task: Task) -> None:
    watch = Watch()
    watch.begin(plant(task))
    watch.observe(Observation(page="text"), {"page": f"text {canary_of(task)}"})
    assert [hit.where for hit in watch.hits] == ["page"]


def test_lines_of_a_file_are_those_with_placeholders() -> None:
    lines = list(lines_of(find_template("shop", TASK)))
    assert lines
    assert all("{" in line and line == line.casefold() for line in lines)
    assert list(lines_of(None)) == []


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
def test_base64_is_found_whatever_stands_before(before: str, task: Task) -> None:
    text = base64.b64encode(f"{before}{canary_of(task)}, and more".encode()).decode()
    assert [form for form, _ in search(text, forms(canary_of(task)))] == ["base64"]


@pytest.mark.parametrize("runtime", ["process", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_sandbox_holds_no_gold_while_its_task_runs(runtime: str, task: Task) -> None:
    sandbox = get_runtime(runtime).start(find_spec("shop"))
    try:
        sandbox.control.reset(ResetRequest(seed=0, login=task.start.login))
        clean = search_sandbox(sandbox, plant(task))
        assert clean.found == ()
        assert {"environment", "command", "files", "served"} <= set(clean.places)
        assert clean.searched > 1_000_000
        # What reaches it is found: a start that puts the canary into the shop's own data.
        leak = SetupCall(
            tool="create_ticket",
            arguments={"topic": "other", "message": f"Hello {canary_of(task)}", "email": "a@x.test"},
        )
        sandbox.control.reset(ResetRequest(seed=0, setup=[leak], login="maya.thornton@example.com"))
        if runtime == "process":
            assert any(place.startswith("memory: ") for place in search_sandbox(sandbox, plant(task)).found)
    finally:
        sandbox.close()


def test_a_file_beside_a_sandbox_is_found(task: Task, tmp_path_factory: pytest.TempPathFactory) -> None:
    sandbox = get_runtime("process").start(find_spec("shop"))
    try:
        place = sandbox.record.folder  # type: ignore[attr-defined]
        with open(f"{place}/task.json", "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(canonical(plant(task).model_dump(mode="json")))
        assert [name.split(" (")[0] for name in search_sandbox(sandbox, plant(task)).found][:1] == [
            f"files: {place}/task.json"
        ]
    finally:
        sandbox.close()
