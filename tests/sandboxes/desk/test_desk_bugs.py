"""The desk's bugs as an agent meets them, and the tasks that only whoever copes with them solves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.policy import OraclePolicy
from envsim.sandbox.oracle import run_oracle
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.types import JsonValue

Session = Any  # of conftest.py
STAFF, MAYA = "ruth.calloway@larkfield.example", "maya.thornton@example.com"
OWN = ("refund-timeout", "coupon-503", "redirect-unsaved", "note-lost", "accent-search", "code-late")
CUSTOMER_TOOLS = "/api/customer.json"


def test_the_desks_production_is_the_shops_and_its_own(spec: SandboxSpec) -> None:
    assert set(spec.production) == {*spec.origin.production, *OWN}


@pytest.mark.parametrize("bug", OWN)
def test_the_shops_oracles_hold_at_the_desk(sandbox: Sandbox, spec: SandboxSpec, bug: str) -> None:
    declared = next(b for b in spec.bugs if b.id == bug)
    assert run_oracle(sandbox, declared) == {"id": bug, "buggy": True, "fixed": True}


def test_a_late_code_arrives_and_a_second_one_voids_it(session: Callable[..., Session]) -> None:
    desk = session(STAFF, bugs={"code-late": 1.0})
    maya = session(MAYA, CUSTOMER_TOOLS)
    customer = desk.customer(MAYA)
    desk("send_code", customer_id=customer)
    arrived = [len(maya("read_mail", kind="code")["messages"]) for _ in range(3)]
    assert arrived == [0, 0, 1]
    code = maya("read_mail", kind="code")["messages"][0]["code"]
    desk("send_code", customer_id=customer)
    assert desk("check_code", customer_id=customer, code=code)["verified"] is False


def test_refunds_by_card_are_answered(session: Callable[..., Session]) -> None:
    desk = session(STAFF, bugs={"refund-timeout": 1.0})
    money = {"amount_cents": 100, "kind": "goodwill", "destination": "original_payment", "reason": "late"}
    assert desk("refund_order", number=desk.order(payment="card ending 4242", status="delivered"), **money)
    invoice = desk.order(payment="invoice", status="delivered")
    assert desk.refused("refund_order", number=invoice, **money) == (504, "timeout")
    assert len(desk.rows("refund_details", order=invoice)) == 1


def test_the_coupon_service_wakes_up_once(session: Callable[..., Session]) -> None:
    desk = session(STAFF, bugs={"coupon-503": 1.0})
    maya = desk.customer(MAYA)
    coupon = {"customer_id": maya, "kind": "percent", "value": 10, "reason": "late"}
    assert desk.refused("issue_coupon", **coupon) == (503, "unavailable")
    assert desk("get_customer", customer_id=maya)["coupons"] == []
    desk("issue_coupon", **coupon)
    desk("issue_coupon", **coupon)
    assert len(desk("get_customer", customer_id=maya)["coupons"]) == 2


def test_bugs_of_the_shop_reach_the_desk(session: Callable[..., Session]) -> None:
    desk = session(STAFF, bugs={"mojibake": 1.0, "cancel-keeps-stock": 1.0, "api-drift": 1.0, "page-skip": 1.0})
    number = desk.order(status="processing")
    address = {"name": "Zoë", "street": "1 A", "city": "B", "region": "C", "postcode": "1"}
    desk("change_order_address", number=number, **address)
    order = desk("get_order", number=number)
    assert order["ship_to"].startswith("ZoÃ«")
    assert "total_cents" not in order
    stock = desk.rows("variants")
    desk("cancel_order", number=number)
    assert desk.rows("variants") == stock
    pages = [desk("search_products", category="cookware", page=page) for page in (1, 2, 3)]
    assert sum(len(page["products"]) for page in pages) < pages[0]["total"]


# -- tasks -------------------------------------------------------------------------------------------


def _blind(steps: Sequence[Any], retry: bool) -> Iterator[Any]:
    """An oracle that trusts every answer of a tool: it does once what the oracle repeats until it has seen it done.

    With `retry` it repeats what was answered by an error, whatever may have come of it.
    """
    for step in steps:
        if not (isinstance(step, dict) and "do" in step) or _talks(step):
            yield step
        elif "until" in step:
            first = step["do"][0]
            call = first if isinstance(first, str) else first["do"][0]
            yield call
            if retry:
                yield {"when": "result.error", "do": [call]}


def _talks(step: dict[str, Any]) -> bool:
    return "send_msg_to_user" in str(step["do"])


def _reward(task: str, seed: int, *, bugs: str, change: Callable[[Sequence[JsonValue]], Sequence[Any]]) -> float:
    env = TaskEnv("desk", interface="tools", bugs=bugs)
    try:
        env.reset(seed=seed, options={"task": f"{task}@{seed}"})
        assert env.task is not None
        policy = OraclePolicy()
        policy.reset(env.task.model_copy(update={"oracle": tuple(change(env.task.oracle))}), seed, env.tools)
        while True:
            _, reward, ended, cut, _ = env.step(policy.act(env.observation))
            if ended or cut:
                return float(reward)
    finally:
        env.close()


@pytest.mark.parametrize(
    ("task", "retry"),
    [
        ("goodwill-invoice", True), ("apology-coupon", False), ("note-on-record", False), ("find-by-name", False),
        ("redirect-accents", False), ("redirect-office", False),
    ],
)  # fmt: skip
def test_who_does_not_cope_with_the_bug_fails_because_of_it(task: str, retry: bool) -> None:
    def blind(steps: Sequence[Any]) -> Sequence[Any]:
        return list(_blind(steps, retry))

    for seed in range(3):
        assert _reward(task, seed, bugs="production", change=blind) == 0.0
        assert _reward(task, seed, bugs="none", change=blind) == 1.0
        assert _reward(task, seed, bugs="production", change=lambda steps: steps) == 1.0
