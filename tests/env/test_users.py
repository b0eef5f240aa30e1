"""Environments with a user in them: what is heard, what counts, and whose fault a failure is.

The user here is a script: how users behave is under test elsewhere, what an environment makes of them here.
"""

import json
import math
from dataclasses import dataclass, field

import pytest
from gymnasium.error import ResetNeeded

from envsim.env import TaskEnv
from envsim.errors import ContentError, PrerequisiteError, SandboxLost, TraceError, UncertainError
from envsim.goal import Ability, Fact, Item, UserGoal
from envsim.reward.checks import Record, Verdict, evaluate
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Start, Task
from envsim.testing import FakeWorld
from envsim.trace import TraceReader
from envsim.types import Action, UserTurn
from envsim.vector import TaskVectorEnv

STAFF, MAYA = "ruth.calloway@larkfield.example", "maya.thornton@example.com"
GOAL = UserGoal(facts={"count": Fact(value=2)}, items=(Item(id="put", want="have mugs put on the shelf"),))


@dataclass
class Script:
    """Says its lines, one per turn; a dict is a call of its own tools, an `UserTurn` is given as it is."""

    lines: list = field(default_factory=list)
    heard: list = field(default_factory=list)

    def reset(self, goal, seed, hands=None):
        self.goal, self.hands, self.at, self.heard = goal, hands, 0, []
        return UserTurn(text="Hello, I want to have mugs put on the shelf.", acts=("greet",))

    def hear(self, text):
        self.heard.append(text)
        line = self.lines[self.at] if self.at < len(self.lines) else "Yes."
        self.at += 1
        if isinstance(line, dict):
            call = self.hands.call(**line)
            return UserTurn(text="I have done it.", calls=(call,))
        return line if isinstance(line, UserTurn) else UserTurn(text=line)

    def snapshot(self):
        return self.at

    def restore(self, token):
        self.at = token


@dataclass
class OneTask:
    """A source of a single task."""

    task: Task

    def choose(self, seed, wanted, world):
        return self.task

    def judge(self, task: Task, record: Record) -> Verdict:
        return evaluate(task, record)


def a_task(goal=GOAL, app="shelf", login=None, checks=None) -> Task:
    return Task(
        id="mugs@0", template="mugs", app=app, interface="tools", split="train", goal="Help the user.", user=goal,
        start=Start(login=login), max_steps=6,
        checks=checks or ({"kind": "state", "query": "after.items.mug.count", "eq": 3},),
    )  # fmt: skip


def make(*lines, world=None, **options) -> TaskEnv:
    script = Script(list(lines))
    env = TaskEnv("shelf", interface="tools", world=world or FakeWorld(), user=lambda: script, source=OneTask(a_task()),
                  **options)  # fmt: skip
    env.script = script
    return env


def test_the_opening_is_seen_first_and_an_answer_follows_what_is_said():
    env = make("Three, please.")
    observation, info = env.reset(seed=0)
    assert observation["messages"] == "user: Hello, I want to have mugs put on the shelf."
    assert info["user"]["acts"] == ["greet"]
    observation, reward, terminated, truncated, info = env.step('send_msg_to_user("How many?")')
    assert (observation["messages"], reward, terminated, truncated) == ("user: Three, please.", 0.0, False, False)
    assert env.script.heard == ["How many?"]
    observation, *_, info = env.step('put(name="mug", count=3)')
    assert observation["messages"] == ""
    assert "user" not in info


def test_a_user_that_leaves_ends_the_episode_and_the_checks_decide():
    for count, reward in ((3, 1.0), (4, 0.0)):
        env = make(UserTurn(text="Thanks, bye.", done=True))
        env.reset(seed=0)
        env.step(f'put(name="mug", count={count})')
        observation, got, terminated, truncated, info = env.step('send_msg_to_user("Done.")')
        assert (got, terminated, truncated, info["outcome"]) == (reward, True, False, "policy")
        assert observation["messages"] == "user: Thanks, bye."


def test_a_fault_of_the_simulator_is_never_the_agents(tmp_path):
    env = make(
        UserTurn(text="My number is 77.", fault="77 is neither in the goal nor in the conversation"), record=tmp_path
    )
    env.reset(seed=0)
    env.step('put(name="mug", count=3)')
    _, reward, terminated, truncated, info = env.step('send_msg_to_user("Your number?")')
    assert math.isnan(reward)
    assert (terminated, truncated, info["outcome"]) == (False, True, "sim_uncertain")
    assert "simulated user" in info["reason"]
    (trace,) = TraceReader(tmp_path)
    assert trace.steps[-1].user.fault == "77 is neither in the goal nor in the conversation"
    assert trace.end.outcome.reward is None


def test_a_fault_in_the_opening_is_no_start(tmp_path):
    env = make()
    env.script.reset = lambda goal, seed, hands=None: UserTurn(fault="nothing to say")
    with pytest.raises(UncertainError, match="nothing to say"):
        env.reset(seed=0)
    assert env.outcome.kind == "sim_uncertain"
    vector = TaskVectorEnv(num_envs=1, app="shelf", interface="tools", world=FakeWorld(), source=OneTask(a_task()),
                           user=lambda: env.script)  # fmt: skip
    _, infos = vector.reset(seed=0)
    assert infos["outcome"].tolist() == ["sim_uncertain"]


def test_traces_keep_the_users_hidden_half(tmp_path):
    env = make(UserTurn(text="Three.", acts=("inform:count",), decisions=("misremember",)), record=tmp_path)
    env.reset(seed=0)
    env.step('send_msg_to_user("How many?")')
    env.step("answer()")
    (trace,) = TraceReader(tmp_path)
    assert [step.user.text if step.user else None for step in trace.steps] == [
        "Hello, I want to have mugs put on the shelf.", "Three.", None,
    ]  # fmt: skip
    assert trace.steps[1].user.decisions == ("misremember",)
    assert UserGoal.model_validate(trace.header.meta["user"]["goal"]) == GOAL


def test_a_world_without_a_second_session_refuses_a_user_that_acts():
    goal = GOAL.model_copy(update={"login": "ann"})
    env = TaskEnv("shelf", interface="tools", world=FakeWorld(), user=Script, source=OneTask(a_task(goal)))
    with pytest.raises(ContentError, match="session of its own"):
        env.reset(seed=0)
    with pytest.raises(ResetNeeded):  # and not an episode that nobody has opened, judged as the agent's
        env.step("answer()")


def test_a_users_model_that_is_lost_ends_the_episode_without_a_result(tmp_path):
    env = make(record=tmp_path)
    env.reset(seed=0)

    def lost(text):
        raise PrerequisiteError("The chat endpoint did not answer.", command="curl")

    env.script.hear = lost
    with pytest.raises(PrerequisiteError, match="did not answer"):
        env.step('send_msg_to_user("How many?")')
    with pytest.raises(ResetNeeded):  # the turn is half done: it cannot be taken again
        env.step('put(name="mug", count=3)')
    assert env.outcome is None
    env.close()
    (trace,) = TraceReader(tmp_path)
    assert trace.end is None  # so a rollout that resumes runs it again


def test_a_trace_that_cannot_be_kept_is_no_start(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    env = make(record=tmp_path / "file")
    with pytest.raises(TraceError):
        env.reset(seed=0)
    with pytest.raises(ResetNeeded):
        env.step("answer()")


def test_an_unknown_user_is_named_when_it_is_needed():
    env = TaskEnv("shelf", interface="tools", world=FakeWorld(), user="butler", source=OneTask(a_task()))
    with pytest.raises(ContentError, match="'butler'"):
        env.reset(seed=0)


# -- dual control: the real shop --------------------------------------------------------------------


def desk(*lines, record=None) -> TaskEnv:
    goal = UserGoal(
        items=(Item(id="wish", want="have my wishlist emptied"),),
        login=MAYA,
        abilities={"see": Ability(tool="list_wishlist", ask=("wishlist",))},
    )
    task = a_task(goal, "shop", STAFF, ({"kind": "state", "query": "added.wishlist", "count": 1},))
    spec = find_spec("shop")
    world = SandboxWorld(spec, runtime=get_runtime("inprocess"), interface="tools", bugs="none")
    script = Script(list(lines))
    env = TaskEnv("shop", interface="tools", world=world, user=lambda: script, source=OneTask(task), record=record)
    env.script = script
    return env


def test_agent_and_user_act_on_one_state_in_sessions_of_their_own(tmp_path):
    add = {"name": "add_to_wishlist", "arguments": {"slug": ""}}
    env = desk(add, {"name": "list_wishlist", "arguments": {}}, record=tmp_path)
    try:
        env.reset(seed=0)
        view = env.world.state()
        owned = {row["product"] for row in view["wishlist"].values() if row["customer"] == MAYA}
        add["arguments"]["slug"] = slug = next(key for key in sorted(view["products"]) if key not in owned)
        observation, *_, info = env.step('send_msg_to_user("Please remember it yourself.")')
        assert info["delta"] == [[f"wishlist/{MAYA} {slug}", {"customer": MAYA, "product": slug}]]
        assert observation["result"] == ""
        # The agent's own session is staff's: what it can do the user cannot, and the other way round.
        observation, *_ = env.step("staff_list_refunds()")
        assert "refunds" in json.loads(observation["result"])
        *_, info = env.step('send_msg_to_user("What is on it now?")')
        (call,) = info["user"]["calls"]
        assert slug in call["result"]
        assert info["delta"] == []  # what it did in an earlier turn is not told twice
        assert json.loads(env.world.user_step(call_of("staff_list_refunds")).observation.result)["status"] == 403
        _, reward, *_ = env.step("answer()")
        assert reward == 1.0
    finally:
        env.close()


def test_a_fork_returns_the_users_session_too():
    env = desk()
    try:
        env.reset(seed=0)
        token, before = env.world.snapshot(), env.world.state()
        slug = sorted(before["products"])[0]
        first = env.world.user_step(call_of("add_to_wishlist", slug=slug))
        env.world._user.open("", {})  # signed out
        assert json.loads(env.world.user_step(call_of("list_wishlist")).observation.result)["status"] == 401
        env.world.restore(token)
        assert env.world.state() == before
        assert env.world.user_step(call_of("add_to_wishlist", slug=slug)) == first
    finally:
        env.close()


def test_a_sandbox_lost_under_the_user_is_infrastructure():
    env = desk({"name": "list_wishlist", "arguments": {}})
    try:
        env.reset(seed=0)

        def die(action):
            raise SandboxLost("The sandbox is gone. Start another.")

        env.world.user_step = die
        _, reward, _, truncated, info = env.step('send_msg_to_user("What is on it?")')
        assert math.isnan(reward)
        assert (truncated, info["outcome"]) == (True, "infra")
    finally:
        env.close()


def call_of(name, **arguments):
    return Action.call(name, **arguments)
