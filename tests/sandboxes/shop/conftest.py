"""One in-process shop a test session; every test starts it over with `session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, load_spec

SHOP = Path(__file__).resolve().parents[3] / "sandboxes" / "shop"

Session = Any  # sandboxes/shop/oracles/browsing.py: content, so it is loaded and not imported


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return load_spec(SHOP / "sandbox.toml")


@pytest.fixture(scope="session")
def shop(spec: SandboxSpec) -> Iterator[Sandbox]:
    sandbox = InProcessRuntime().start(spec)
    yield sandbox
    sandbox.close()


@pytest.fixture
def session(shop: Sandbox) -> Callable[..., Session]:
    """``session(login=...)``: the shop right after a reset, with one visitor."""
    make = load_entry(SHOP, "oracles.browsing:Session")
    return lambda **options: make(shop, **options)  # type: ignore[operator]


@pytest.fixture
def customer(session: Callable[..., Session]) -> Session:
    return session(login="maya.thornton@example.com")


@pytest.fixture
def guest(session: Callable[..., Session]) -> Session:
    return session(login=None)


@pytest.fixture
def staff(session: Callable[..., Session]) -> Session:
    return session(login="ruth.calloway@larkfield.example")
