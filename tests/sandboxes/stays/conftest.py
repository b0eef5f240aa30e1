"""One in-process booking site a test session; every test starts it over with `session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, load_spec

STAYS = Path(__file__).resolve().parents[3] / "sandboxes" / "stays"
GUEST = "maya.okonkwo@example.com"
HOST = "tomas.ferreira@example.com"

Session = Any  # sandboxes/stays/oracles/browsing.py: content, so it is loaded and not imported
Open = Callable[..., Session]


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return load_spec(STAYS / "sandbox.toml")


@pytest.fixture(scope="session")
def stays(spec: SandboxSpec) -> Iterator[Sandbox]:
    sandbox = InProcessRuntime().start(spec)
    yield sandbox
    sandbox.close()


@pytest.fixture
def session(stays: Sandbox) -> Open:
    """``session(login=..., clock=...)``: the site right after a reset, with one visitor."""
    made = load_entry(STAYS, "oracles.browsing:Session")
    return lambda login=GUEST, clock=None: made(stays, login, clock)  # type: ignore[operator]


@pytest.fixture
def guest(session: Open) -> Session:
    return session()


@pytest.fixture
def host(session: Open) -> Session:
    return session(HOST)
