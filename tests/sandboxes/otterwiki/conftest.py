"""One wiki a worker and version, as a process; every test starts it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from envsim.content import load_entry
from envsim.sandbox.process import ProcessRuntime
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, find_spec

Wiki = Callable[[str], Sandbox]


@pytest.fixture(scope="session")
def wiki() -> Iterator[Wiki]:
    """``wiki("2.26.1")``: the sandbox of that version, started once."""
    started: dict[str, Sandbox] = {}

    def get(variant: str) -> Sandbox:
        if variant not in started:
            started[variant] = ProcessRuntime().start(find_spec("otterwiki", variant=variant))
        return started[variant]

    yield get
    for sandbox in started.values():
        sandbox.close()


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
