"""Oracles with one flaw each: what a slip is, and that the ladder goes down."""

import pytest

from envsim.env import TaskEnv
from envsim.errors import ContentError
from envsim.page.lines import Line, assign_refs, format_lines
from envsim.policy import LADDER, FlawedPolicy, get_policy
from envsim.rollout import plan, run_episode
from envsim.task import Task
from envsim.types import Action, Observation

LINES = assign_refs(
    [Line("textbox", "Name"), Line("combobox", "Size", states={"options": "S | M"}), Line("button", "Save"),
     Line("button", "Cancel")]
)  # fmt: skip
PAGE = Observation(url="/", page=format_lines(LINES))
STEPS = ('fill("@textbox Name", "x1")', 'select_option("@combobox Size", "S")', 'click("@button Save")')
TASK = Task(id="t@0", template="t", app="x", interface="browser", split="train", goal="", oracle=STEPS)
TOOLS = Task(
    id="t@0", template="t", app="x", interface="tools", split="train", goal="", oracle=('buy(n=1, who="Ann")',)
)


def actions(name: str, task: Task, seen: Observation) -> list[str]:
    policy = get_policy(name)
    assert isinstance(policy, FlawedPolicy)
    policy.reset(task, 0, [])
    out: list[str] = []
    while not out or out[-1] != "answer()":
        out.append(policy.act(seen).to_call())
    return out


def call(name: str, line: int, **more: str) -> str:
    return Action.call(name, bid=LINES[line].ref, **more).to_call()


def test_without_slips_it_is_the_oracle() -> None:
    expected = [call("fill", 0, value="x1"), call("select_option", 1, options="S"), call("click", 2), "answer()"]
    for kind in ("hasty", "forgetful", "clumsy", "careless"):
        assert actions(f"{kind}:0", TASK, PAGE) == expected


def test_every_flaw_is_its_own() -> None:
    assert actions("hasty:1", TASK, PAGE) == ["answer()"]
    # What is left out is every other step: what it does instead is the next.
    assert actions("forgetful:1", TASK, PAGE) == [call("select_option", 1, options="S"), "answer()"]
    # A textbox and a combobox have no neighbour of their role.
    assert actions("clumsy:1", TASK, PAGE)[2] == call("click", 3)
    careless = actions("careless:1", TASK, PAGE)
    assert careless[:3] == [call("fill", 0, value="x2"), call("select_option", 1, options="M"), call("click", 2)]


def test_flaws_of_tool_calls() -> None:
    nothing = Observation(result="{}")
    assert actions("clumsy:1", TOOLS, nothing) == ["buy(who='Ann')".replace("'", '"'), "answer()"]
    assert actions("careless:1", TOOLS, nothing) == ['buy(n=2, who="Ann")', "answer()"]


def test_the_same_seed_slips_alike() -> None:
    assert actions("clumsy:0.5", TASK, PAGE) == actions("clumsy:0.5", TASK, PAGE)


@pytest.mark.parametrize("name", ["hasty:2", "careless:x", "clumsy:-1"])
def test_a_rate_is_a_probability(name: str) -> None:
    with pytest.raises(ContentError, match="from 0 to 1"):
        get_policy(name)


def test_the_ladder_has_rungs_that_succeed_and_rungs_that_fail() -> None:
    assert len(LADDER) >= 8
    assert len(set(LADDER)) == len(LADDER)
    options = {"app": "shop", "split": "train"}
    env = TaskEnv(**options)
    rates = {}
    for name in ("oracle", "clumsy:0.1", "hasty:0.2"):
        assert name in LADDER
        jobs = plan(options, [name], 8, 0)
        rates[name] = sum(run_episode(env, get_policy(name), seed=job.seed).outcome.success for job in jobs)
    env.close()
    assert rates["oracle"] > rates["clumsy:0.1"] > rates["hasty:0.2"]
