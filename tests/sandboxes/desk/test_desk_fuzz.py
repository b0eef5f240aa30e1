"""Whatever an agent calls in whatever order: no crash, no money from nowhere, no stock below zero."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec
from envsim.sandbox.tools import ToolClient

STAFF = "ruth.calloway@larkfield.example"
NUMBERS = st.sampled_from([100201, 100206, 100222, 100229, 100237, 1])
SKUS = st.sampled_from(["BE085-4", "BE085-1", "TR243-1", "FU139-2", "BE078-1", "BE078-2", "nothing"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": NUMBERS, "order_number": NUMBERS, "sku": SKUS, "new_sku": SKUS, "qty": st.integers(1, 4),
    "customer_id": st.integers(0, 12), "ticket_id": st.integers(0, 5), "return_id": st.integers(0, 10),
    "amount_cents": st.integers(1, 60_000), "value": st.integers(-1, 200), "slug": st.sampled_from(["x", "oak-lamp"]),
}  # fmt: skip


def _arguments(tool: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    out = {}
    for name in tool["parameters"]["required"]:
        schema = tool["parameters"]["properties"][name]
        if "enum" in schema:
            out[name] = data.draw(st.sampled_from(schema["enum"]))
        else:
            out[name] = data.draw(VALUES.get(name, st.text(max_size=40)))
    return out


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_calls_in_any_order(sandbox: Sandbox, spec: SandboxSpec, data: st.DataObject) -> None:
    bugs = spec.select_bugs(data.draw(st.sampled_from(["production", "none", "all"])))
    client = ToolClient(sandbox.transport(), str(spec.tools))
    client.cookies = dict(sandbox.control.reset(ResetRequest(seed=5, bugs=bugs, login=STAFF)))
    tools = client.tools()
    for _ in range(data.draw(st.integers(1, 12))):
        tool = data.draw(st.sampled_from(tools))
        answer = json.loads(client.call(str(tool["name"]), _arguments(tool, data)).result)
        assert answer.get("status") != 500, (tool["name"], answer)
    client.close()
    view, seeded = sandbox.control.state(), sandbox.control.seed_view()
    assert all(row["stock"] >= 0 for row in view["variants"].values())
    before, after = _refunded(seeded), _refunded(view)
    for number in after:
        if after[number] != before.get(number, 0):
            assert after[number] <= view["orders"][str(number)]["total_cents"]


def _refunded(view: Any) -> dict[int, int]:
    """Cents paid back or about to be, by order."""
    sums: dict[int, int] = {}
    for row in view["refunds"].values():
        if row["status"] != "denied":
            sums[row["order"]] = sums.get(row["order"], 0) + row["amount_cents"]
    return sums
