"""What the tests of every app find: its environments, started once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandboxes.kits import Envs, envs_of


@pytest.fixture(scope="module")
def envs(request: pytest.FixtureRequest) -> Iterator[Envs]:
    """``envs("browser", bugs="none")``, of the app that the folder of the tests is called after."""
    yield from envs_of(request.path.parent.name)
