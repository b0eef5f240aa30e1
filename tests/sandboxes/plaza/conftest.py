"""One in-process discussion site a test session; every test starts it over with `session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, load_spec

PLAZA = Path(__file__).resolve().parents[3] / "sandboxes" / "plaza"
MEMBER = "marisol.vega@example.com"

Session = Any  # sandboxes/plaza/oracles/browsing.py: content, so it is loaded and not imported
Open = Callable[..., Session]


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return load_spec(PLAZA / "sandbox.toml")


@pytest.fixture(scope="session")
def plaza(spec: SandboxSpec) -> Iterator[Sandbox]:
    sandbox = InProcessRuntime().start(spec)
    yield sandbox
    sandbox.close()


@pytest.fixture
def session(plaza: Sandbox) -> Open:
    """``session(login=..., clock=...)``: the site right after a reset, with one visitor."""
    made = load_entry(PLAZA, "oracles.browsing:Session")
    return lambda login=MEMBER, clock=None: made(plaza, login, clock)  # type: ignore[operator]


@pytest.fixture
def member(session: Open) -> Session:
    return session()
