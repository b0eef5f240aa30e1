"""One forum a worker and version, as a process; every test starts it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from envsim.content import load_entry
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, find_spec
from tests.sandboxes.sites import versions

Forum = Callable[[str], Sandbox]


@pytest.fixture(scope="session")
def forum() -> Iterator[Forum]:
    """``forum("0.14.3")``: the sandbox of that version, started once."""
    with versions("spirit") as get:
        yield get


@pytest.fixture(scope="session")
def current(forum: Forum) -> Sandbox:
    return forum("0.14.3")


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return find_spec("spirit")


@pytest.fixture
def member(current: Sandbox, spec: SandboxSpec):
    """``member(login)``: somebody at the forum right after a reset."""
    made = load_entry(spec.root, "oracles.visits:Member")
    return lambda login="goran.garba@example.com": made(current, login)  # type: ignore[operator]
