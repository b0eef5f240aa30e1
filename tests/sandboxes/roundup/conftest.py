"""One tracker in a process of its own for all tests of a worker; every test starts it over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.spec import SandboxSpec, load_spec

ROUNDUP = Path(__file__).resolve().parents[3] / "sandboxes" / "roundup"


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return load_spec(ROUNDUP / "sandbox.toml")


@pytest.fixture(scope="session")
def tracker(spec: SandboxSpec) -> Iterator[ProcessSandbox]:
    sandbox = ProcessRuntime().start(spec)
    yield sandbox
    sandbox.close()
