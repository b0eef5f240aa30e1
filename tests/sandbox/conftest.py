"""The notes clone as an app of a user's own root, and a cache of this test run's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.sandbox.venvs import prepare

CONTENT = Path(__file__).parent / "content"


@pytest.fixture(scope="session", autouse=True)
def user_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sets ENVSIM_PATH to the tests' content and ENVSIM_CACHE to an empty folder; gives the latter."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVSIM_PATH", str(CONTENT))
        patch.setenv("ENVSIM_CACHE", str(cache))
        # Wheels do not depend on anything under test: keep them out of the empty cache's cost.
        shared = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "envsim" / "wheels"
        shared.mkdir(parents=True, exist_ok=True)
        (cache / "wheels").symlink_to(shared)
        packages = shared.with_name("debs")
        packages.mkdir(exist_ok=True)
        (cache / "debs").symlink_to(packages)
        environments = shared.with_name("venvs")  # nor do virtual environments
        environments.mkdir(exist_ok=True)
        (cache / "venvs").symlink_to(environments)
        yield cache


@pytest.fixture(scope="session")
def notes(user_root: Path) -> SandboxSpec:
    """The notes clone, found the way a user's own would be."""
    return find_spec("notes")


@pytest.fixture
def process_sandbox(notes: SandboxSpec) -> Iterator[ProcessSandbox]:
    """A notes sandbox in a process of its own."""
    sandbox = ProcessRuntime().start(notes)
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session")
def ledger_python(user_root: Path) -> Path:
    """Interpreter of the ledger's own environment; the first test that needs one waits for pip."""
    return prepare(find_spec("ledger"))[0]


@pytest.fixture(scope="session")
def ledger(ledger_python: Path) -> Iterator[ProcessSandbox]:
    """A running ledger; whoever uses it resets it first."""
    sandbox = ProcessRuntime().start(find_spec("ledger"))
    yield sandbox
    sandbox.close()
