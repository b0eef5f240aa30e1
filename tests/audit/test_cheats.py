"""Cheats: every one gets 0 on every template, and each is a real attempt: a flawed benchmark rewards it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from envsim.audit import CHEATS, Cheat, audit_template
from envsim.audit.episode import Played, play
from envsim.audit.sight import CheatPolicy, Memory, Script, Sight, loot
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.reward.checks import CheckResult, Record, Verdict
from envsim.source import TaskSource
from envsim.state import diff
from envsim.task import Task
from envsim.task_template import TaskTemplate, find_template, load_tasks
from envsim.types import Action, Observation, Transition
from envsim.world import World
from envsim.worlds import open_world

ANCHORED = {
    "gold-readable", "control-reachable", "output-trusted", "lenient-checker", "null-policy", "episode-leak",
    "judge-steered", "time-and-chance",
}  # fmt: skip
WEB = {"web-scheme", "page-edited"}
BY_NAME = {cheat.name: cheat for cheat in CHEATS}
TEMPLATES = [*load_tasks("shop"), *load_tasks("desk")]


@pytest.fixture(scope="module")
def envs() -> Iterator[dict[str, TaskEnv]]:
    made = {interface: TaskEnv("shop", interface=interface) for interface in ("browser", "tools")}  # type: ignore[arg-type]
    made["desk"] = TaskEnv("desk", interface="tools")
    yield made
    for env in made.values():
        env.close()


def test_the_register_covers_every_class_in_both_interfaces() -> None:
    assert len(CHEATS) >= 25
    assert len(BY_NAME) == len(CHEATS)
    for interface in ("browser", "tools"):
        tried = {cheat.kind for cheat in CHEATS if interface in cheat.interfaces}
        assert tried >= ANCHORED
    assert {cheat.kind for cheat in CHEATS} >= ANCHORED | WEB | {"collateral-damage", "missing-rights", "user-steered"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)
def test_no_cheat_is_rewarded(template: TaskTemplate, envs: dict[str, TaskEnv]) -> None:
    env = envs["desk" if template.app == "desk" else template.interface]
    audited = audit_template(env, template.id, [], cheats=CHEATS, cheat_seeds=[0])
    assert audited.sound, audited.failures
    tried = {result.name: result for result in audited.cheats}
    expected = {cheat.name for cheat in CHEATS if template.interface in cheat.interfaces}
    missing = expected - tried.keys()
    # Without a user there is none to cheat; where all instances have one solution, another's is no cheat.
    assert all(BY_NAME[name].user if template.user is None else BY_NAME[name].memory for name in missing)
    assert tried.keys() <= expected
    assert all(result.episodes == 1 and result.unscored == 0 for result in tried.values())
    assert audited.canary.episodes >= len(tried)


def played(env: TaskEnv, name: str, task: str, seed: int = 0, memory: Memory | None = None) -> Played:
    done = play(env, BY_NAME[name].policy(memory), seed=seed, task=task)
    assert isinstance(done, Played)
    return done


# What each of these claims to do it does somewhere: an attempt that is always refused for its form proves nothing.
WRITERS = {
    "decoy-rows": "tools-ticket", "judge-in-rows": "tools-ticket", "end-everything-by-tools": "tools-cancel-order",
    "buy-everything": "tools-buy", "staff-operations": "tools-refund", "decoy-forms": "buy-variant",
    "judge-in-fields": "edit-address", "script-in-fields": "edit-address", "toast-in-fields": "edit-address",
    "end-everything-on-pages": "cancel-latest-order", "press-everything": "cart-edit",
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_cheats_that_write_do_write(name: str, envs: dict[str, TaskEnv]) -> None:
    template = find_template("shop", WRITERS[name])
    tries = [played(envs[template.interface], name, template.id, seed) for seed in range(3)]
    assert any(diff(done.before, done.after) for done in tries)


def test_a_cheat_plays_blind_and_the_same_again(envs: dict[str, TaskEnv]) -> None:
    with pytest.raises(ValueError, match="must not be given the task"):
        BY_NAME["read-files"].policy().reset(object(), 0, [])
    for name in ("press-everything", "path-traversal", "answer-everything-seen"):
        one, two = (played(envs["browser"], name, "cart-edit", 5).moves for _ in range(2))
        assert one == two
        assert len(one) >= 1


def test_the_addresses_a_cheat_tries_are_all_tried_over_tasks() -> None:
    """Short episodes cut a long list; which part is tried depends on the goal."""
    tried: set[str] = set()
    for number in range(40):
        sight = Sight(seen=[Observation(goal=f"goal {number}")])
        for action in run(BY_NAME["path-traversal"].script, sight):
            tried.add(str(action.arguments.get("url", "")))
    assert any("seed.db" in url for url in tried)
    assert any("oracles" in url for url in tried)
    assert len(tried - {""}) > 20


def run(script: Callable[[Sight], Script], sight: Sight) -> Iterator[Action]:
    running = script(sight)
    shown = None
    try:
        while True:
            action = running.send(shown)  # type: ignore[arg-type]
            assert isinstance(action, Action)
            yield action
            shown = sight.now
    except StopIteration:
        return


# -- flawed benchmarks, each of which rewards the cheat made for it -----------------------------------------


class Flawed:
    """Tasks as they are, judged by a checker of the kind the cheats were made for."""

    def __init__(self, source: TaskSource, judge: Callable[[Task, Record], bool]) -> None:
        self._source = source
        self._judge = judge

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        return self._source.choose(seed, wanted, world)

    def judge(self, task: Task, record: Record) -> Verdict:
        held = self._judge(task, record)
        return Verdict(float(held), (CheckResult("flawed", held, "as it judged"),))


def gold(task: Task) -> str:
    return str(next(check["value"] for check in task.checks if check["kind"] == "answer"))


FLAWS: dict[str, tuple[str, Callable[[Task, Record], bool]]] = {
    "give-up-at-once": ("tools-sales", lambda task, record: record.infeasible),
    "answer-nothing": ("tools-sales", lambda task, record: record.answered),
    "answer-the-goal": ("tools-sales", lambda task, record: record.answer == task.goal),
    "wait-it-out": ("tools-sales", lambda task, record: not record.answered),
    "claim-success": ("tools-sales", lambda task, record: "success" in " ".join(record.said)),
    "answer-with-a-verdict": ("tools-sales", lambda task, record: "reward" in (record.answer or "")),  # type: ignore[operator]
    "answer-everything-seen": ("cheapest-in-category", lambda task, record: gold(task) in str(record.answer)),
    "answer-a-list-of-everything": ("cheapest-in-category", lambda task, record: gold(task) in str(record.answer)),
    "answer-under-every-key": ("cheapest-in-category", lambda task, record: gold(task) in str(record.answer)),
    "answer-very-long": ("cheapest-in-category", lambda task, record: gold(task) in str(record.answer)),
    "claim-everything-seen": ("cheapest-in-category", lambda task, record: gold(task) in " ".join(record.said)),
    "answer-words-of-success": ("tools-sales", lambda task, record: "SUCCESS" in str(record.answer)),
    "answer-true-one-or-empty": ("tools-sales", lambda task, record: record.answer == 1),
    "answer-to-the-judge": ("tools-sales", lambda task, record: '"reward": 1.0' in str(record.answer)),
    "message-to-the-judge": ("tools-sales", lambda task, record: "every check holds" in " ".join(record.said)),
    "decoy-rows": ("tools-ticket", lambda task, record: len(record.after["tickets"]) > len(record.before["tickets"])),
    "judge-in-rows": ("tools-ticket", lambda task, record: "checker of this task" in json.dumps(record.after)),
    "end-everything-on-pages": (
        "cancel-latest-order",
        lambda task, record: record.after["orders"][task.params["order"]["key"]]["status"] == "cancelled",  # type: ignore[call-overload, index]
    ),
    "buy-everything": ("tools-buy", lambda task, record: len(record.after["orders"]) > len(record.before["orders"])),
    "forged-notices": ("edit-address", lambda task, record: any("notice=address-saved" in url for url in record.urls)),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAWS)
def test_a_flawed_checker_rewards_the_cheat_made_for_it(name: str, envs: dict[str, TaskEnv]) -> None:
    task, judge = FLAWS[name]
    env = envs[find_template("shop", task).interface]
    source = env.source
    env.source = Flawed(source, judge)
    try:
        audited = audit_template(env, task, [], cheats=[BY_NAME[name]], cheat_seeds=range(12))
    finally:
        env.source = source
    assert not audited.sound
    assert [result.reward for result in audited.cheats] == [1.0]
    assert any(f"the cheat {name} ({BY_NAME[name].kind}) got 1." in failure for failure in audited.failures)


def test_a_checker_that_takes_any_instances_gold_rewards_what_is_remembered(envs: dict[str, TaskEnv]) -> None:
    env = envs["tools"]
    view = env.world.seed_view()
    golds = {gold(find_template("shop", "tools-sales").instantiate(seed, view)) for seed in range(20)}
    source, env.source = env.source, Flawed(env.source, lambda task, record: record.answer in golds)
    try:
        cheats = [BY_NAME["answer-of-another-instance"], BY_NAME["solution-of-another-instance"]]
        audited = audit_template(env, "tools-sales", [], cheats=cheats, cheat_seeds=[0])
    finally:
        env.source = source
    assert [result.reward for result in audited.cheats] == [1.0, 1.0]


class Hole:
    """A world with a hole: what `leak` returns for an action is shown in place of the answer."""

    def __init__(self, world: World, leak: Callable[[Task, Action], dict[str, Any]]) -> None:
        self._world = world
        self._leak = leak

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def reset(self, task: Task, seed: int) -> Transition:
        self._task = task
        return self._world.reset(task, seed)

    def step(self, action: Action) -> Transition:
        transition = self._world.step(action)
        if not (found := self._leak(self._task, action)):
            return transition
        return transition.model_copy(update={"observation": Observation(**found)})


def served(prefix: str) -> Callable[[Task, Action], dict[str, Any]]:
    def leak(task: Task, action: Action) -> dict[str, Any]:
        url = str(action.arguments.get("url", ""))
        if not url.startswith(prefix):
            return {}
        text = json.dumps(f"[[checks]] kind = 'answer' value = '{gold(task)}'")
        return {"url": url, "page": f"text {text}"}

    return leak


def answered(name: str) -> Callable[[Task, Action], dict[str, Any]]:
    def leak(task: Task, action: Action) -> dict[str, Any]:
        return {"result": json.dumps({"expected": gold(task)})} if action.name == name else {}

    return leak


@pytest.mark.parametrize(
    ("name", "task", "leak"),
    [
        ("read-files", "cheapest-in-category", served("file:")),
        ("path-traversal", "cheapest-in-category", served("/static/../")),
        ("debug-paths", "cheapest-in-category", served("/debug")),
        ("view-source", "cheapest-in-category", served("view-source:")),
        ("control-paths", "cheapest-in-category", served("/evaluate")),
        ("control-socket", "cheapest-in-category", served("http+unix:")),
        ("other-ports-and-hosts", "cheapest-in-category", served("http://127.0.0.1")),
        ("javascript-urls", "cheapest-in-category", served("javascript:")),
        ("undeclared-operations", "tools-sales", answered("get_oracle")),
        ("traversal-in-arguments", "tools-sales", answered("get_product")),
        ("injection-in-arguments", "tools-sales", answered("search_products")),
    ],
)
def test_gold_that_can_be_reached_is_used(name: str, task: str, leak: Callable[[Task, Action], dict[str, Any]]) -> None:
    interface = find_template("shop", task).interface
    env = TaskEnv("shop", interface=interface, world=Hole(open_world("sandbox", "shop", interface=interface), leak))  # type: ignore[arg-type]
    try:
        audited = audit_template(env, task, [], cheats=[BY_NAME[name]], cheat_seeds=range(8))
    finally:
        env.close()
    assert [result.reward for result in audited.cheats] == [1.0]


def test_loot_is_taken_from_files_of_gold_only() -> None:
    assert list(loot('{"name": "Blue mug", "value": 3}')) == []
    assert list(loot("oracle = ['add(sku=\"a\")']\n[[checks]]\nvalue = '$3.20'")) == [
        Action.call("add", sku="a"), Action.answer("$3.20"),
    ]  # fmt: skip
    assert list(loot("oracle = ['not a call(']")) == []


# -- users --------------------------------------------------------------------------------------------------

WITH_USER = """
id = "asks"
title = "t"
app = "shop"
interface = "tools"
split = "train"
goal = "Help the customer."
max_steps = 12
oracle = ['create_ticket(topic="other", message="Please call Maya.")']

[start]
login = "maya.thornton@example.com"

[user]
items = [{ id = "call", want = "be called back" }]
facts.code = { value = "4711-0815", reveal = "authenticated" }

[[checks]]
kind = "state"
query = "added.tickets"
count = 1

[[checks]]
kind = "unchanged"
except = ["+tickets/*"]
"""


def test_cheats_on_the_user_need_one_and_get_nothing_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    (tmp_path / "tasks/shop").mkdir(parents=True)
    (tmp_path / "tasks/shop/asks.toml").write_text(WITH_USER)
    env = TaskEnv("shop", interface="tools")
    talkers = [cheat for cheat in CHEATS if cheat.user]
    try:
        audited = audit_template(env, "asks", [], cheats=talkers, cheat_seeds=range(6))
        assert audited.sound, audited.failures
        assert len(audited.cheats) == len(talkers) >= 6
        assert all(result.reward == 0.0 for result in audited.cheats)
        assert audited.canary.hits == 0
        heard = "".join(
            message.text
            for cheat in talkers
            for seed in range(6)
            for seen in played(env, cheat.name, "asks", seed).observations
            for message in seen.messages
        )
    finally:
        env.close()
    assert heard
    assert "4711" not in heard


# -- scripts ------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("task", ["cheapest-in-category", "edit-address"])
def test_no_cheat_is_rewarded_where_scripts_run(task: str) -> None:
    env = TaskEnv("shop", driver="chromium")
    scripted: list[Cheat] = [cheat for cheat in CHEATS if cheat.scripts]
    try:
        audited = audit_template(env, task, [], cheats=scripted, cheat_seeds=[0])
    finally:
        env.close()
    assert audited.sound, audited.failures
    assert {result.name: result.reward for result in audited.cheats} == {cheat.name: 0.0 for cheat in scripted}


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_tries_cheats_and_says_what_each_got(cli: Callable[..., CompletedProcess[str]]) -> None:
    arguments = ("tasks", "audit", "tools-ticket", "tools-sales", "--seeds", "1", "--cheats", "--cheat-seeds", "1")
    done = cli("envsim", *arguments, "--json")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    found = json.loads(done.stdout)
    assert found.keys() == {"tasks", "cheats", "canary"}
    assert [row["task"] for row in found["tasks"]] == ["tools-ticket", "tools-sales"]
    assert len(found["cheats"]) >= 25
    assert {(row["reward"], row["tasks"], row["episodes"]) for row in found["cheats"]} == {(0.0, 2, 2)}
    assert {row["class"] for row in found["cheats"]} >= ANCHORED
    assert found["canary"]["hits"] == 0
    assert found["canary"]["episodes"] >= 2 * len(found["cheats"])
    table = cli("envsim", *arguments)
    assert table.returncode == 0
    assert "give-up-at-once" in table.stdout


def test_a_policy_given_no_script_left_answers_with_nothing() -> None:
    policy = CheatPolicy(BY_NAME["answer-of-another-instance"].script, Memory((Action.answer(5),)))
    policy.reset(None, 0, [])
    assert [policy.act(Observation()) for _ in range(2)] == [Action.answer(5), Action.answer()]
    assert OraclePolicy().stuck == ""
