"""The bent oracles: what they leave out and mix, to which instances they apply, and that they find unsound tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from envsim.audit import audit, audit_template
from envsim.audit.episode import Move, Played, play
from envsim.audit.replays import Replay, effect, ends, shuffled, without, writes
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.task import Task
from envsim.types import Action, Observation, Outcome

TASK = """
id = "{id}"
title = "t"
app = "shop"
interface = "tools"
split = "train"
goal = "g"
oracle = {oracle}

[start]
login = "maya.thornton@example.com"

[[checks]]
{check}
"""
TICKET = """create_ticket(topic="order", message="Please call me back tomorrow.")"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path))
    (tmp_path / "tasks/shop").mkdir(parents=True)

    def add(name: str, oracle: list[str], check: str) -> str:
        (tmp_path / f"tasks/shop/{name}.toml").write_text(TASK.format(id=name, check=check, oracle=oracle))
        return name

    return add


@pytest.fixture(scope="module")
def env() -> Iterator[TaskEnv]:
    made = TaskEnv("shop", interface="tools")
    yield made
    made.close()


def solved(env: TaskEnv, task: str, seed: int = 0) -> Played:
    done = play(env, OraclePolicy(), seed=seed, task=task, blind=False)
    assert isinstance(done, Played)
    assert done.outcome.success
    return done


def test_writes_are_told_by_their_deltas(env: TaskEnv) -> None:
    done = solved(env, "tools-ticket@1")
    names = [move.action.name for move in done.moves if isinstance(move.action, Action)]
    assert [names[at] for at in writes(done)] == ["create_ticket"]
    left = without(done, writes(done))
    assert [action.name for action in left if isinstance(action, Action)] == ["list_orders", ""]


def test_a_write_in_place_of_the_one_left_out_is_left_out_too(env: TaskEnv) -> None:
    done = solved(env, "tools-buy@0")
    assert len(writes(done)) >= 2
    audited = audit_template(env, "tools-buy", range(6))
    assert audited.sound, audited.failures
    assert audited.means["write_nothing"] == 0.0


def test_a_task_whose_write_nobody_checks_is_refused(write: Callable[..., str]) -> None:
    check = 'kind = "said"\nvalue = "done"'
    (audited,) = audit("shop", [write("careless", [TICKET, 'send_msg_to_user("done")'], check)], seeds=1)
    assert audited.means["write_nothing"] == 1.0, audited.failures
    assert "seed 0: write_nothing got 1, not 0: every check holds." in audited.failures


def test_a_task_that_changes_nothing_has_nothing_to_leave_out(write: Callable[..., str]) -> None:
    check = 'kind = "answer"\ntype = "number"\nvalue = 320'
    (audited,) = audit("shop", [write("asks", ["search_products()", "answer(320)"], check)], seeds=1)
    assert audited.means["write_nothing"] is None
    assert audited.sound


def test_a_task_blind_to_a_lost_write_is_refused(write: Callable[..., str]) -> None:
    """Removed before it was added, a product stays on the wishlist: a check that does not look takes any order."""
    steps = [TICKET, 'add_to_wishlist(slug="alba-steel-saucepan")', 'remove_from_wishlist(slug="alba-steel-saucepan")']
    check = 'kind = "state"\nquery = "added.tickets"\ncount = 1'
    (audited,) = audit("shop", [write("orderless", steps, check)], seeds=6)
    assert audited.means["shuffled"] == 1.0
    assert any("in a wrong order pass on all" in failure for failure in audited.failures)
    both = f'{check}\n[[checks]]\nkind = "unchanged"\nexcept = ["+tickets/*"]'
    (audited,) = audit("shop", [write("ordered", steps, both)], seeds=6)
    assert audited.means["shuffled"] == 0.0
    assert not any("in a wrong order" in failure for failure in audited.failures)


def played(*actions: Action) -> Played:
    task = Task(id="t@0", template="t", app="shop", interface="tools", split="train", goal="")
    moves = tuple(Move(action, Observation()) for action in actions)
    return Played(task, Outcome(kind="policy", reward=1.0), Observation(), moves, {}, {})


def test_the_ending_stays_at_the_end_and_the_rest_is_another_order() -> None:
    steps = [Action.call("a"), Action.call("b"), Action.say("c"), Action.answer(4)]
    for seed in range(20):
        mixed = shuffled(played(*steps), seed)
        assert mixed[-1] == steps[-1]
        assert mixed != steps
        assert sorted(map(repr, mixed)) == sorted(map(repr, steps))
    assert len({tuple(map(repr, shuffled(played(*steps), seed))) for seed in range(20)}) > 2
    assert shuffled(played(*steps), 3) == shuffled(played(*steps), 3)
    assert shuffled(played(Action.answer(4)), 0) == [Action.answer(4)]
    assert [ends(step) for step in steps] == [False, False, False, True]


def test_effect_forgets_when_and_keeps_what() -> None:
    before = {"orders": {"1": {"status": "paid"}}, "wishlist": {"a": {}}}
    one = {"orders": {"1": {"status": "paid"}, "2": {"at": "09:00"}}, "wishlist": {"a": {}}}
    two = {"orders": {"1": {"status": "paid"}, "7": {"at": "10:00"}}, "wishlist": {"a": {}}}
    assert effect(before, one) == effect(before, two) == {"+orders": 1}
    gone = {"orders": {"1": {"status": "lost"}}, "wishlist": {}}
    assert effect(before, gone) == {"orders/1/status": "lost", "wishlist/a": "removed"}
    assert effect(before, before) == {}


def test_a_replay_ends_by_answering_with_nothing() -> None:
    replay = Replay([Action.call("a")])
    replay.reset(None, 0, [])
    assert [replay.act(Observation()) for _ in range(3)] == [Action.call("a"), Action.answer(), Action.answer()]
