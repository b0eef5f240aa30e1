"""One in-process desk a test session; every test starts it over with `desk`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import ResetRequest, Sandbox
from envsim.sandbox.spec import SandboxSpec, load_spec
from envsim.sandbox.tools import ToolClient

REPO = Path(__file__).resolve().parents[3]
STAFF, MAYA, DANIEL = "ruth.calloway@larkfield.example", "maya.thornton@example.com", "daniel.okafor@example.com"


@dataclass
class Session:
    """One account with the tools of one OpenAPI document."""

    sandbox: Sandbox
    client: ToolClient
    called: set[str] = field(default_factory=set)

    def __call__(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The answer of a tool that must not be refused."""
        answer = self.raw(name, **arguments)
        assert "error" not in answer, (name, answer)
        self.called.add(name)
        return answer

    def raw(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The answer of a tool, refusals with their status."""
        reply = self.client.call(name, arguments)
        assert not reply.error, reply.error
        answer: dict[str, Any] = json.loads(reply.result)
        return answer

    def refused(self, name: str, /, **arguments: Any) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.raw(name, **arguments)
        return answer["status"], answer["error"]["code"]

    def rows(self, collection: str, **having: Any) -> dict[str, dict[str, Any]]:
        """Rows of the state view whose columns have these values."""
        found = self.sandbox.control.state()[collection]
        return {key: row for key, row in found.items() if all(row[k] == v for k, v in having.items())}

    def customer(self, email: str) -> int:
        """The id of a customer."""
        (found,) = self("find_customer", email=email)["customers"]
        return int(found["customer_id"])

    def order(self, **having: Any) -> int:
        """The lowest number of an order whose row of the state view has these values."""
        return int(min(self.rows("orders", **having)))


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return load_spec(REPO / "sandboxes" / "desk" / "sandbox.toml")


@pytest.fixture(scope="session")
def sandbox(spec: SandboxSpec) -> Iterator[Sandbox]:
    running = InProcessRuntime().start(spec)
    yield running
    running.close()


@pytest.fixture
def session(sandbox: Sandbox, spec: SandboxSpec) -> Iterator[Callable[..., Session]]:
    """``session(login, document)``: an account with tools; the first call resets the shop, with that call's bugs."""
    opened: list[ToolClient] = []
    cookies: dict[str | None, dict[str, str]] = {None: {}}

    def sign_in(login: str | None, document: str = str(spec.tools), bugs: dict[str, float] | None = None) -> Session:
        if not opened:
            sandbox.control.reset(ResetRequest(seed=3, bugs=bugs or {}))
        opened.append(ToolClient(sandbox.transport(), document))
        if login is not None and login not in cookies:
            cookies[login] = dict(sandbox.control.sign_in(login))
        opened[-1].cookies = dict(cookies[login])
        return Session(sandbox, opened[-1])

    yield sign_in
    for client in opened:
        client.close()


@pytest.fixture
def desk(session: Callable[..., Session]) -> Session:
    return session(STAFF)
