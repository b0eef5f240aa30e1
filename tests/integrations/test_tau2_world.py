"""tau2's domains as worlds: data, tools, errors, both sides, forks, and the same bytes everywhere."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envsim.errors import ContentError, UncertainError
from envsim.integrations.tau2 import (
    DOMAINS,
    Call,
    Tau2World,
    find_task,
    make_task,
    tasks,
)
from envsim.integrations.tau2.backend import _base, _parse
from envsim.integrations.tau2.data import database
from envsim.integrations.tau2.replay import gold_calls
from envsim.policy import get_policy
from envsim.state import apply, canonical, diff, state_hash
from envsim.task import Task
from envsim.testing import check_world
from envsim.types import Action, Observation
from envsim.world import DualControlWorld, World

FIRST = {"airline": "7", "retail": "0", "telecom": "[mobile_data_issue]data_usage_exceeded[PERSONA:Easy]"}
SUSPENDED = "[service_issue]overdue_bill_suspension[PERSONA:Easy]"
BROKEN_VPN = "[mobile_data_issue]bad_vpn[PERSONA:None]"


def run_python(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **env}
    )
    return done.stdout if done.returncode == 0 else done.stderr


# -- the protocol --------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", DOMAINS)
def test_conforms(domain: str) -> None:
    check_world(lambda: Tau2World(domain), [make_task(domain, FIRST[domain])], seeds=(0,), steps=8)


def test_is_a_dual_control_world_with_tools_for_telecoms_user_only(begin: Any) -> None:
    worlds = {name: begin(name, FIRST[name]) for name in DOMAINS}
    assert all(isinstance(world, World) and isinstance(world, DualControlWorld) for world in worlds.values())
    assert {name: (len(w.tools()), len(w.user_tools())) for name, w in worlds.items()} == {
        "airline": (14, 0), "retail": (15, 0), "telecom": (13, 30),
    }  # fmt: skip
    for tool in worlds["airline"].tools():
        assert tool["description"]
        assert json.loads(json.dumps(tool))["parameters"]["type"] == "object"


def test_a_task_of_another_domain_or_benchmark_is_refused(begin: Any) -> None:
    airline = begin("airline", "7")
    with pytest.raises(ContentError, match="no tau2 task"):
        airline.reset(Task(id="a", template="a", app="a", interface="tools", split="train", goal=""), 0)
    with pytest.raises(ContentError, match="cannot be reached"):
        airline.reset(make_task("telecom", SUSPENDED, with_user=False), 0)


@pytest.mark.parametrize("domain", DOMAINS)
def test_deltas_say_all_that_changed_and_the_view_is_the_database(begin: Any, carry_out: Any, domain: str) -> None:
    ids = list(tasks(domain))
    for tau_id in ids[:: max(1, len(ids) // 5)]:
        world = begin(domain, tau_id)
        view = world.state()
        for call in gold_calls(find_task(domain, tau_id)):
            view = apply(view, carry_out(world, call).delta)
        assert diff(view, world.state()) == []
        if domain != "telecom":
            rows = world._backend._rows
            whole = {
                name: {key: row.model_dump(mode="json", warnings=False) for key, row in each.items()}
                for name, each in rows.items()
            }
            assert canonical(world.state()) == canonical(whole)


@pytest.mark.parametrize("domain", ["airline", "retail"])
def test_no_tool_changes_the_rows_that_episodes_share(begin: Any, carry_out: Any, domain: str) -> None:
    explorer = get_policy("random")
    world = begin(domain, FIRST[domain])
    explorer.reset(None, 5, world.tools())
    seen = Observation()
    for _ in range(60):
        action = explorer.act(seen)
        seen = world.step(action).observation if action.kind == "call" else seen
    for tau_id in list(tasks(domain))[::10]:
        for call in gold_calls(find_task(domain, tau_id)):
            carry_out(begin(domain, tau_id), call)
    rows, view = _base(domain)
    assert state_hash(view) == state_hash(_parse(domain, database(domain, "db"))[1])
    shared = {name: {key: row.model_dump(mode="json") for key, row in each.items()} for name, each in rows.items()}
    assert canonical(shared) == canonical(view)


# -- errors --------------------------------------------------------------------------------------


def test_what_a_tool_refuses_is_a_result_as_in_recorded_sessions(begin: Any) -> None:
    world = begin("airline", "7")
    for action, text in [
        (Action.call("get_user_details", user_id="nobody"), "Error: User nobody not found"),
        (Action.call("calculate", expression="1/0"), "Error: Cannot evaluate expression: division by zero"),
        (Action.call("calculate", expression="__import__('os')"), "Error: Invalid characters in expression"),
    ]:
        answer = world.step(action)
        assert (answer.observation.result, answer.observation.error, answer.delta) == (text, "", ())


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (Action.call("no_such_tool"), "Tool no_such_tool not found"),
        (Action.call("get_user_details"), "'user_id' is a required property"),
        (Action.call("get_user_details", user_id=3), "3 is not of type 'string'"),
        (Action.call("get_user_details", user_id="a", extra=1), "'extra' was unexpected"),
        (Action.call("initialize"), "Tool initialize not found"),
        (Action.call("_get_user", user_id="mia_li_3668"), "Tool _get_user not found"),
    ],
)
def test_what_is_no_call_is_an_error_and_changes_nothing(begin: Any, action: Action, says: str) -> None:
    world = begin("airline", "7")
    before = world.state()
    answer = world.step(action)
    assert says in answer.observation.error
    assert not answer.observation.result
    assert world.state() is before
    assert world.calls[-1] == Call("assistant", action.name, action.arguments)


def test_whole_numbers_may_be_written_as_floats(begin: Any) -> None:
    """As in the original, which converts them; unconverted they would be another database."""
    world = begin("airline", "7")
    reservation = world.state()["reservations"]["XEHM4B"]
    payment = reservation["payment_history"][0]["payment_id"]
    arguments = {"reservation_id": "XEHM4B", "total_baggages": 2.0, "nonfree_baggages": 0.0, "payment_id": payment}
    answer = world.step(Action(kind="call", name="update_reservation_baggages", arguments=arguments))
    assert json.loads(answer.observation.result)["total_baggages"] == 2
    assert json.dumps(world.state()["reservations"]["XEHM4B"]["total_baggages"]) == "2"


# -- both sides of telecom -----------------------------------------------------------------------


def test_the_phone_follows_the_line_and_a_payment_the_bill(begin: Any) -> None:
    world = begin("telecom", SUSPENDED)
    (call,) = [each for each in gold_calls(find_task("telecom", SUSPENDED)) if each.name == "send_payment_request"]
    customer, bill = str(call.arguments["customer_id"]), str(call.arguments["bill_id"])
    assert not world.state()["surroundings"]["line_active"]
    asked = world.step(Action(kind="call", name=call.name, arguments=call.arguments))
    assert {change[0] for change in asked.delta} == {f"bills/{bill}/status", "surroundings/payment_request"}
    assert bill in world.user_step(Action.call("check_payment_request")).observation.result
    paid = world.user_step(Action.call("make_payment"))
    assert (f"bills/{bill}/status", "Paid") in paid.delta
    assert ("surroundings/payment_request", None) in paid.delta
    line = next(key for key, row in world.state()["lines"].items() if row["status"] == "Suspended")
    resumed = world.step(Action.call("resume_line", customer_id=customer, line_id=line))
    assert ("surroundings/line_active", True) in resumed.delta
    world.user_step(Action.call("reboot_device"))
    assert world.state()["device"]["network_connection_status"] == "connected"


def test_neither_side_has_the_others_tools_nor_the_environments_functions(begin: Any) -> None:
    world = begin("telecom", SUSPENDED)
    for side, name in [
        (world.step, "toggle_data"), (world.user_step, "resume_line"), (world.step, "_set_bill_to_paid"),
        (world.step, "set_data_usage"), (world.user_step, "turn_data_on"), (world.user_step, "assert_can_send_mms"),
    ]:  # fmt: skip
        assert side(Action.call(name)).observation.error == f"Tool {name} not found"


def test_new_bills_have_ids_that_the_seed_determines(begin: Any) -> None:
    refuel = Action.call("refuel_data", customer_id="C1002", line_id="L1004", gb_amount=2)

    def new_bill(seed: int) -> set[str]:
        world = begin("telecom", FIRST["telecom"], seed)
        before = set(world.state()["bills"])
        world.step(refuel)
        found = set(world.state()["bills"]) - before
        assert found <= set(world.state()["customers"]["C1002"]["bill_ids"])
        return found

    assert len(new_bill(3)) == 1
    assert new_bill(3) == new_bill(3) != new_bill(4)
    # The next one, of another customer, has another id.
    world = begin("telecom", FIRST["telecom"], 3)
    before = len(world.state()["bills"])
    world.step(refuel)
    world.step(Action.call("refuel_data", customer_id="C1003", line_id="L1009", gb_amount=2))
    assert len(world.state()["bills"]) == before + 2


def test_a_token_of_another_world_is_refused(begin: Any) -> None:
    token = begin("airline", "7").snapshot()
    for wrong in (token, None, (), "telecom"):
        world = begin("telecom", FIRST["telecom"])
        before = world.state()
        with pytest.raises(UncertainError, match="not from a world of telecom"):
            world.restore(wrong)
        assert world.state() == before


# -- forks and determinism -----------------------------------------------------------------------

PHONE = st.sampled_from(
    ["toggle_airplane_mode", "toggle_data", "toggle_roaming", "reboot_device", "connect_vpn", "disconnect_vpn",
     "reseat_sim_card", "reset_apn_settings", "run_speed_test", "check_vpn_status", "toggle_wifi_calling"]
).map(lambda name: Call("user", name, {}))  # fmt: skip
DESK = st.sampled_from(
    [
        Call("assistant", "refuel_data", {"customer_id": "C1002", "line_id": "L1004", "gb_amount": 1.5}),
        Call("assistant", "enable_roaming", {"customer_id": "C1001", "line_id": "L1002"}),
        Call("assistant", "suspend_line", {"customer_id": "C1001", "line_id": "L1002", "reason": "asked"}),
        Call("assistant", "resume_line", {"customer_id": "C1001", "line_id": "L1002"}),
        Call("assistant", "nothing_of_the_kind", {}),
    ]
)
FLIGHTS = st.sampled_from(
    [
        Call("assistant", "cancel_reservation", {"reservation_id": "XEHM4B"}),
        Call("assistant", "cancel_reservation", {"reservation_id": "59XX6W"}),
        Call("assistant", "send_certificate", {"user_id": "daiki_muller_1116", "amount": 100}),
        Call("assistant", "get_user_details", {"user_id": "daiki_muller_1116"}),
        *gold_calls(find_task("airline", "7")),
    ]
)
SCRIPTS = st.one_of(
    st.tuples(st.just("telecom"), st.just(BROKEN_VPN), st.lists(PHONE | DESK, max_size=8), st.lists(PHONE | DESK)),
    st.tuples(st.just("airline"), st.just("7"), st.lists(FLIGHTS, max_size=5), st.lists(FLIGHTS, max_size=5)),
)


CHARGES = [
    Call("assistant", "refuel_data", {"customer_id": "C1002", "line_id": "L1004", "gb_amount": 1.5}),
    Call("assistant", "refuel_data", {"customer_id": "C1003", "line_id": "L1009", "gb_amount": 2}),
]
"""Of customers without a draft bill: each makes a bill, whose id must not depend on forks."""


@settings(max_examples=20)
@given(SCRIPTS)
@example(("telecom", BROKEN_VPN, CHARGES[:1], CHARGES[1:]))
@example(("airline", "7", [], gold_calls(find_task("airline", "7"))))
def test_a_fork_goes_on_as_if_nothing_had_happened(script: tuple[str, str, list[Call], list[Call]]) -> None:
    domain, tau_id, before, after = script
    world, twin = Tau2World(domain), Tau2World(domain)
    for each in (world, twin):
        each.reset(make_task(domain, tau_id, with_user=False), 9)

    def play(where: Tau2World, calls: list[Call]) -> list[Any]:
        step = {"assistant": where.step, "user": where.user_step}
        return [step[c.side](Action(kind="call", name=c.name, arguments=c.arguments)) for c in calls]

    assert play(world, before) == play(twin, before)
    token, forked_at = world.snapshot(), world.state()
    expected = play(twin, after)
    for _ in range(2):
        assert diff(world.state(), forked_at) == []
        assert play(world, after) == expected
        assert diff(world.state(), twin.state()) == []
        assert world.calls == twin.calls
        world.restore(token)


def digest(telecom: str) -> str:
    """Of the gold episodes of two tasks: every transition, the last state, the tools."""
    out: list[Any] = []
    for domain, tau_id in [("retail", "5"), ("telecom", telecom)]:
        world = Tau2World(domain)
        out.append(world.reset(make_task(domain, tau_id, with_user=False), 4).model_dump(mode="json"))
        for call in gold_calls(find_task(domain, tau_id)):
            step = world.step if call.side == "assistant" else world.user_step
            out.append(step(Action(kind="call", name=call.name, arguments=call.arguments)).model_dump(mode="json"))
        out += [world.state(), world.tools(), world.user_tools()]
    return state_hash(out)


DIGEST = """
from typing import Any
from envsim.integrations.tau2 import Tau2World, make_task, find_task
from envsim.integrations.tau2.replay import gold_calls
from envsim.state import state_hash
from envsim.types import Action
{source}
print(digest({telecom!r}))
"""


def test_every_process_gives_the_same_bytes() -> None:
    code = DIGEST.format(source=inspect.getsource(digest), telecom=FIRST["telecom"])
    assert run_python(code, PYTHONHASHSEED="77") == f"{digest(FIRST['telecom'])}\n"
