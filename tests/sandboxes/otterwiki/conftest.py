"""One wiki a worker and version, as a process; every test starts it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from envsim.content import load_entry
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, find_spec
from tests.sandboxes.sites import versions

Wiki = Callable[[str], Sandbox]


@pytest.fixture(scope="session")
def wiki() -> Iterator[Wiki]:
    """``wiki("2.26.1")``: the sandbox of that version, started once."""
    with versions("otterwiki") as get:
        yield get


@pytest.fixture(scope="session")
def current(wiki: Wiki) -> Sandbox:
    return wiki("2.26.1")


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return find_spec("otterwiki")


@pytest.fixture
def member(current: Sandbox, spec: SandboxSpec):
    """``member(login)``: somebody at the wiki right after a reset."""
    made = load_entry(spec.root, "oracles.visits:Member")
    return lambda login="tomas.hruby@example.com": made(current, login)  # type: ignore[operator]
