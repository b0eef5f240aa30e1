"""Tasks in which the customer acts too: who does without the customer's part, or takes it on trust, gets nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envsim.audit import audit_template
from envsim.env import TaskEnv
from envsim.goal import UserGoal
from envsim.policy import OraclePolicy
from envsim.rollout import run_episode
from envsim.task import Task
from envsim.task_template import find_template, load_tasks
from envsim.types import Action, JsonValue, Observation, Outcome, UserCall, UserTurn
from envsim.user.agenda import AgendaUser
from envsim.user.base import Hands
from envsim.user.persona import Kind, Persona, Population, builtin_populations, read_population

TEMPLATES = [t for t in load_tasks("desk") if t.id.startswith(("dual-", "wish-"))]
IDS = [template.id for template in TEMPLATES]
DUAL = [name for name in IDS if name.startswith("dual-")]
BOASTFUL = Population(name="boastful", kinds=(Kind(persona=Persona(claim_undone=1.0, check_first=0.0)),))
"""Who says 'done' to the first request of everything, and has done nothing."""
Envs = Callable[..., TaskEnv]


class TiedHands:
    """A session in which nothing works."""

    def tools(self) -> list[dict[str, JsonValue]]:
        return []

    def call(self, name: str, arguments: dict[str, JsonValue]) -> UserCall:
        return UserCall(action=Action.call(name, **arguments), result="", error="The page does not open.")


class TiedUser(AgendaUser):
    """An agenda user who can talk, and nothing else."""

    def reset(self, goal: UserGoal, seed: int, hands: Hands | None = None) -> UserTurn:
        return super().reset(goal, seed, TiedHands())


class Steps:
    """A policy with a way of its own, run by the oracle's interpreter."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps
        self.oracle = OraclePolicy()
        self.refused: list[str] = []

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        assert task is not None
        self.oracle.reset(task.model_copy(update={"oracle": self.steps}), seed, tools)

    def act(self, observation: Observation) -> Action:
        if observation.error or '"error"' in observation.result:
            self.refused.append(observation.error or observation.result)
        return self.oracle.act(observation)


@pytest.fixture(scope="module")
def env() -> Iterator[Envs]:
    """``env(population, user)``: one environment for each."""
    made: dict[Any, TaskEnv] = {}

    def get(population: Any = "default", user: Any = "agenda") -> TaskEnv:
        key = (population if isinstance(population, str) else population.name, user)
        if key not in made:
            maker = user if isinstance(user, str) else lambda: user(read_population("default"))
            made[key] = TaskEnv("desk", interface="tools", population=population, user=maker)
        return made[key]

    yield get
    for each in made.values():
        each.close()


def play(env: TaskEnv, name: str, policy: Any, seed: int) -> Outcome:
    return run_episode(env, policy, seed=seed, task=f"{name}@{seed}").outcome


def test_there_are_ten_and_five_split_by_template() -> None:
    assert len(DUAL) == 10
    assert Counter(template.split for template in TEMPLATES) == {"train": 10, "test": 5}
    for template in TEMPLATES:
        assert template.user is not None
        assert bool(template.user.get("abilities")) == template.id.startswith("dual-")
        assert {"state", "unchanged"} <= {check["kind"] for check in template.checks}


@pytest.mark.parametrize("name", IDS)
def test_instances_differ(name: str, env: Envs) -> None:
    view = env().world.seed_view()
    tasks = [find_template("desk", name).instantiate(seed, view) for seed in range(60)]
    assert len({task.user.model_dump_json() for task in tasks if task.user is not None}) >= 20


@pytest.mark.parametrize("name", IDS)
def test_an_agent_that_listens_serves_every_kind_of_customer(name: str, env: Envs) -> None:
    for population in [*builtin_populations(), BOASTFUL]:
        outcome = play(env(population), name, OraclePolicy(), 1)
        assert (outcome.kind, outcome.reward) == ("policy", 1.0), (population, outcome.reason)


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_every_task_is_sound(name: str, env: Envs) -> None:
    audited = audit_template(env(), name, range(20))
    assert not audited.failures
    assert (audited.means["oracle"], audited.means["null"], audited.means["random"]) == (1.0, 0.0, 0.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", IDS)
def test_no_kind_of_customer_is_beyond_help(name: str, env: Envs) -> None:
    for population in builtin_populations():
        outcomes = [play(env(population), name, OraclePolicy(), seed) for seed in range(20)]
        assert {(outcome.kind, outcome.reward) for outcome in outcomes} == {("policy", 1.0)}, population


@pytest.mark.parametrize("name", DUAL)
def test_without_the_customers_own_doing_nothing_is_earned(name: str, env: Envs) -> None:
    for seed in range(3):
        outcome = play(env(user=TiedUser), name, OraclePolicy(), seed)
        assert (outcome.kind, outcome.reward) == ("policy", 0.0)


# What staff can do alone, with all the knowledge of the task's author, and what is then missing.
PROVE = ['find_customer(email="{order.customer}")', {"save": {"id": "result.customers[0].customer_id"}},
         'get_customer(customer_id="{saved.id}")', {"save": {"phone": "result.phone"}},
         'verify_customer(customer_id="{saved.id}", email="{order.customer}", phone="{saved.phone}")']  # fmt: skip
RETURN = 'open_return(number="{line.order}", sku="{line.sku}", qty="{line.qty}", reason="{why.key}")'
ALONE: dict[str, tuple[list[Any], str]] = {
    "dual-code-cancel": (
        [*PROVE, 'send_code(customer_id="{saved.id}")', 'cancel_order(number="{number}")',
         'send_msg_to_user("I cancelled it: {order.total_cents:money}.")'], "verifications",
    ),
    "dual-code-goodwill": (
        [*PROVE, 'refund_order(number="{line.order}", amount_cents="{most_cents}", kind="goodwill",'
         ' destination="original_payment", reason="scratch")'], "verifications",
    ),
    "dual-code-parcel": ([*PROVE, RETURN], "return_labels"),
    "dual-return-parcel": (
        [*PROVE, RETURN, {"save": {"return": "result.return_id"}}], "return_labels",
    ),
    "dual-address-book": (
        [*PROVE, {"save": {"number": "to_number(order.key)"}}, {"until": "result.ship_to == ship_to", "max": 12, "do": [
            'change_order_address(number="{saved.number}", name="{name}", street="{new.street}", city="{new.city}",'
            ' region="{new.region}", postcode="{new.postcode}")', 'get_order(number="{saved.number}")']}], "addresses",
    ),
    "dual-own-return": ([*PROVE, RETURN, 'send_msg_to_user("It is order {line.order}.")'], "mail/"),
    "dual-anonymous-return": ([RETURN, 'send_msg_to_user("You had 30 days. It is return {return_id}.")'], "mail/"),
    "dual-wishlist-stock": (
        ['get_product(slug="{product.key}")', 'send_msg_to_user("There are {variant.stock}.")'], "wishlist",
    ),
    "dual-cart-budget": (
        ['get_product(slug="{product.key}")', 'send_msg_to_user("It is {product.price_cents:money}.")'], "cart_lines",
    ),
    "dual-coupon-cart": (
        [*PROVE, 'send_msg_to_user("It was valid until 2026-01-31, and needs $80.00, $120.00, $25.00.")',
         {"until": "result.code", "max": 3, "do": [
             'issue_coupon(customer_id="{saved.id}", kind="percent", value=10, reason="x", order_number="{number}")']}],
        "carts",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DUAL)
def test_staff_alone_get_nothing_whatever_they_know(name: str, env: Envs) -> None:
    steps, missing = ALONE[name]
    for seed in range(3):
        policy = Steps(*steps)
        outcome = play(env(user=TiedUser), name, policy, seed)
        # What it could do it did: nothing was refused but by a bug that a second try gets over.
        assert not policy.oracle.stuck
        assert all("coupon" in text for text in policy.refused), policy.refused
        assert outcome.reward == 0.0
        assert missing in outcome.reason


@pytest.mark.parametrize("name", ["dual-address-book", "dual-own-return", "dual-return-parcel", "dual-wishlist-stock"])
def test_who_takes_done_for_done_gets_nothing(name: str, env: Envs) -> None:
    *steps, proof, farewell = find_template("desk", name).oracle
    assert "until" in proof
    for seed in range(3):
        assert play(env(BOASTFUL), name, OraclePolicy(), seed).reward == 1.0
        assert play(env(BOASTFUL), name, Steps(*steps, farewell), seed).reward == 0.0


EPISODES = """
import hashlib, json, sys
from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
env = TaskEnv("desk", interface="tools", population="muddled")
seen = hashlib.sha256()
for name in sys.argv[1:]:
    encoded, _ = env.reset(seed=5, options={"task": name + "@5"})
    policy = OraclePolicy()
    policy.reset(env.task, 5, [])
    while env.outcome is None:
        seen.update(json.dumps(encoded, sort_keys=True, default=str).encode())
        encoded, *_, info = env.step(policy.act(env.observation))
        seen.update(json.dumps(info, sort_keys=True, default=str).encode())
env.close()
print(seen.hexdigest())
"""


@pytest.mark.slow
def test_an_episode_is_the_same_to_the_byte_in_another_process() -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", EPISODES, *IDS], env={**os.environ, "PYTHONHASHSEED": number},
            capture_output=True, text=True, check=True, timeout=120,
        ).stdout.strip()
        for number in ("1", "2")
    ]  # fmt: skip
    assert len(digests[0]) == 64
    assert digests[0] == digests[1]
