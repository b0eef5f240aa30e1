"""One shop a worker and version, as a process; every test starts it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envsim.content import load_entry
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.spec import SandboxSpec, find_spec
from tests.sandboxes.sites import versions

Shop = Callable[[str], Sandbox]
Person = Any  # sandboxes/oscar/oracles/person.py: content, so it is loaded and not imported
CUSTOMER, MANAGER = "ada.merriweather@example.com", "winifred.ashby@example.com"


@pytest.fixture(scope="session")
def spec() -> SandboxSpec:
    return find_spec("oscar")


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    """``shop("4.0")``: the sandbox of that version, started once."""
    with versions("oscar") as get:
        yield get


@pytest.fixture
def arrive(shop: Shop, spec: SandboxSpec) -> Callable[..., Person]:
    """``arrive(login)``: the first person at the default version right after a reset."""
    made = load_entry(spec.root, "oracles.person:arrive")
    return lambda login=None: made(shop(spec.default_variant or ""), login)  # type: ignore[operator]


@pytest.fixture
def customer(arrive: Callable[..., Person]) -> Person:
    return arrive(CUSTOMER)


@pytest.fixture
def manager(arrive: Callable[..., Person]) -> Person:
    return arrive(MANAGER)
