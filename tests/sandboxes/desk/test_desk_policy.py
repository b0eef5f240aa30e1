"""What only the policy forbids: the tools let an agent do it, as a real desk's do; else no task could tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from envsim.env import TaskEnv
from envsim.sandbox.spec import SandboxSpec
from envsim.task_template import load_tasks

Session = Any  # of conftest.py
STAFF, MAYA = "ruth.calloway@larkfield.example", "maya.thornton@example.com"
MONEY = {"kind": "goodwill", "reason": "because"}


def test_the_policy_is_short_and_stands_before_every_goal(spec: SandboxSpec) -> None:
    policy = spec.read_policy()
    assert 3000 < len(policy) <= 6000
    env = TaskEnv("desk", interface="tools")
    try:
        env.reset(seed=1)
        assert env.observation.goal.startswith(policy)
        assert env.observation.goal != policy
    finally:
        env.close()


def test_every_tool_the_policy_names_exists(spec: SandboxSpec, desk: Session) -> None:
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", spec.read_policy()))
    tools = {str(tool["name"]) for tool in desk.client.tools()}
    schemas = str(desk.client.tools())
    assert {"verify_customer", "send_code", "escalate_to_human"} <= named & tools
    assert not {word for word in named - tools if f"'{word}'" not in schemas}, "neither a tool nor a value of one"


def test_nothing_asks_for_a_verified_customer(desk: Session) -> None:
    number = desk.order(customer=MAYA, status="processing")
    assert desk.rows("verifications") == {}
    assert desk("get_customer", customer_id=desk.customer(MAYA))["phone"] == "555-0101"
    assert desk("cancel_order", number=number)["status"] == "cancelled"


@pytest.mark.parametrize("destination", ["other_card", "store_credit"])
def test_money_goes_wherever_it_is_sent_and_as_much_as_was_paid(desk: Session, destination: str) -> None:
    number = desk.order(customer=MAYA, status="shipped")
    total = desk("get_order", number=number)["total_cents"]
    assert total > 1000
    desk("refund_order", number=number, amount_cents=total, destination=destination, **MONEY)


def test_goodwill_and_coupons_are_given_twice(desk: Session) -> None:
    number, maya = desk.order(customer=MAYA, status="shipped"), desk.customer(MAYA)
    for _ in range(2):
        desk("refund_order", number=number, amount_cents=500, destination="original_payment", **MONEY)
        desk("issue_coupon", customer_id=maya, kind="percent", value=25, reason="because")
    assert len(desk("get_customer", customer_id=maya)["coupons"]) == 2


def test_a_return_is_opened_and_decided_however_late(desk: Session) -> None:
    number = desk.order(customer=MAYA, status="delivered")
    assert desk("get_order", number=number)["delivered_on"] < "2026-01-01"
    line = next(iter(desk.rows("order_lines", order=number).values()))
    opened = desk("open_return", number=number, sku=line["sku"], qty=1, reason="changed_mind")
    desk("decide_return", return_id=opened["return_id"], decision="approved")


def test_an_article_is_exchanged_for_another_product(desk: Session) -> None:
    number = desk.order(customer=MAYA, status="delivered")
    line = next(iter(desk.rows("order_lines", order=number).values()))
    product = desk.rows("variants")[line["sku"]]["product"]
    other = next(sku for sku, row in desk.rows("variants").items() if row["product"] != product and row["stock"])
    desk("exchange_item", number=number, sku=line["sku"], new_sku=other)
    (exchange,) = desk.rows("exchanges").values()
    assert (exchange["sku"], exchange["new_sku"]) == (line["sku"], other)


def test_a_ticket_is_closed_without_a_note(desk: Session) -> None:
    desk("close_ticket", ticket_id=1)
    assert desk("get_ticket", ticket_id=1)["notes"] == []


def test_every_write_of_the_desk_shows_in_the_state_view(desk: Session) -> None:
    maya = desk.customer(MAYA)
    processing, shipped = desk.order(customer=MAYA, status="processing"), desk.order(customer=MAYA, status="shipped")
    delivered = desk.order(customer=MAYA, status="delivered")
    line = next(iter(desk.rows("order_lines", order=delivered).values()))
    address = {"name": "N F", "street": "1 A", "city": "B", "region": "C", "postcode": "1"}
    writes: list[tuple[str, dict[str, Any]]] = [
        ("verify_customer", {"customer_id": maya, "email": MAYA}), ("send_code", {"customer_id": maya}),
        ("check_code", {"customer_id": maya, "code": "000000"}),
        ("change_order_address", {"number": processing, **address}), ("cancel_order", {"number": processing}),
        ("refund_order", {"number": shipped, "amount_cents": 1, "destination": "original_payment", **MONEY}),
        ("open_return", {"number": delivered, "sku": line["sku"], "qty": 1, "reason": "damaged"}),
        ("decide_return", {"return_id": 9, "decision": "denied"}),
        ("exchange_item", {"number": delivered, "sku": line["sku"], "new_sku": "BE065-2"}),
        ("issue_coupon", {"customer_id": maya, "kind": "fixed", "value": 1, "reason": "x"}),
        ("create_ticket", {"customer_id": maya, "topic": "other", "message": "something else"}),
        ("add_ticket_note", {"ticket_id": 1, "note": "x"}), ("close_ticket", {"ticket_id": 1}),
        ("escalate_to_human", {"reason": "other", "summary": "something else"}),
    ]  # fmt: skip
    for name, arguments in writes:
        desk.sandbox.control.changes()
        desk(name, **arguments)
        assert desk.sandbox.control.changes()["delta"], name
    reading = {str(tool["name"]) for tool in desk.client.tools()} - {name for name, _ in writes}
    assert all(name.startswith(("get_", "list_", "find_", "search_")) for name in reading)


def test_the_tasks_are_conversations_in_two_splits_six_of_them_refusals() -> None:
    templates = [t for t in load_tasks("desk") if t.interface == "tools"]
    refusals = [t.id for t in templates if t.id.startswith("refuse-")]
    assert len(refusals) == 6
    assert all(template.user is not None for template in templates)
    assert {template.split for template in templates} == {"train", "test"}


def test_the_users_of_dual_control_tasks_use_only_the_customers_tools(session: Callable[..., Session]) -> None:
    names = {str(tool["name"]) for tool in session(MAYA, "/api/customer.json").client.tools()}
    for template in load_tasks("desk"):
        for ability in (template.user or {}).get("abilities", {}).values():
            assert ability["tool"] in names, template.id
