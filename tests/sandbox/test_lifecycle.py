"""Nothing outlives its owner: kept sandboxes, killed owners, sweeps."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest

from envsim.errors import ContentError
from envsim.sandbox import keeper, registry, sweep
from envsim.sandbox.image import build_context, connect, ensure_image
from envsim.sandbox.owner import Owner
from envsim.sandbox.registry import Record
from envsim.sandbox.spec import SandboxSpec, load_spec

# One worker sweeps containers: another's sweep could meet an owner that a test here has just killed.
pytestmark = pytest.mark.xdist_group("docker")

RUNTIMES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(autouse=True)
def own_registry(user_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A registry of this test's own, so that `down --all` meets nobody else's sandboxes."""
    for folder in ("seeds", "guest", "wheels", "engines"):
        (user_root / folder).mkdir(exist_ok=True)
        (tmp_path / folder).symlink_to(user_root / folder)
    monkeypatch.setenv("ENVSIM_CACHE", str(tmp_path))
    yield
    sweep.take_down(registry.records())


def launch(count: int, runtime: str) -> list[Record]:
    up = keeper.launch(
        "notes", count=count, runtime=runtime, seed=1, bugs="none", base=None, listener=lambda report: None
    )
    keys = {"name", "app", "url", "runtime", "container_id", "control", "transport"}
    assert [set(record) for record in up] == [keys] * count
    return registry.records()


def wait_until(condition: Callable[[], bool], within_s: float = 20) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def containers(name: str) -> list[str]:
    with closing(connect()) as client:
        found = client.containers.list(all=True, filters={"label": f"envsim.name={name}"}, ignore_removed=True)
        return [container.id for container in found]


def is_gone(record: Record) -> bool:
    if record.runtime == "docker" and containers(record.name):
        return False
    if record.pid and Owner(record.pid, record.pid_start).alive():
        return False
    return not Path(record.folder).exists() and record.name not in [known.name for known in registry.records()]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_up_and_down(runtime: str) -> None:
    first, second = launch(2, runtime)
    for record in (first, second):
        with urlopen(record.url, timeout=5) as reply:
            assert b"Buy milk" in reply.read()
    sweep.take_down([first])
    assert is_gone(first)
    with urlopen(second.url, timeout=5) as reply:
        assert reply.status == 200
    sweep.take_down([second])
    assert is_gone(second)
    wait_until(lambda: not second.owner.alive())


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_gc_removes_what_a_killed_owner_left(runtime: str) -> None:
    records = launch(2, runtime)
    os.kill(records[0].owner_pid, signal.SIGKILL)
    wait_until(lambda: not records[0].owner.alive())
    assert set(sweep.gc()) >= {record.name for record in records}
    assert all(is_gone(record) for record in records)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_sweeps_at_once_each_leave_nothing(runtime: str) -> None:
    records = launch(3, runtime)
    os.kill(records[0].owner_pid, signal.SIGKILL)
    wait_until(lambda: not records[0].owner.alive())

    def sweep_and_look(_: int) -> bool:
        sweep.gc()
        return all(is_gone(record) for record in records)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(sweep_and_look, range(4)))


def test_gc_leaves_the_living_alone() -> None:
    (record,) = launch(1, "process")
    assert record.name not in sweep.gc()
    with urlopen(record.url, timeout=5) as reply:
        assert reply.status == 200


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_lease_ends_a_sandbox_whose_owner_was_killed(runtime: str) -> None:
    """Without any sweep: the machine may never run envsim again."""
    (record,) = launch(1, runtime)
    os.kill(record.owner_pid, signal.SIGKILL)

    def ended() -> bool:
        if runtime == "process":
            return not Owner(record.pid, record.pid_start).alive()
        with closing(connect()) as client:
            return bool(client.containers.get(record.container_id).status == "exited")

    wait_until(ended, within_s=30)


def test_sigterm_makes_the_keeper_clean_up() -> None:
    records = launch(2, "process")
    os.kill(records[0].owner_pid, signal.SIGTERM)
    wait_until(lambda: all(is_gone(record) for record in records))


def test_a_program_that_forgets_to_close_leaves_nothing() -> None:
    code = (
        "from envsim.content import find_app; from envsim.sandbox.runtime import get_runtime;"
        "from envsim.sandbox.spec import load_spec;"
        "sandbox = get_runtime('process').start(load_spec(find_app('notes') / 'sandbox.toml'));"
        "print(sandbox.record.folder)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(result.stdout.strip()).exists()
    assert registry.records() == []


def test_a_keeper_that_fails_reports_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(__file__).parent / "content" / "sandboxes" / "notes"
    broken = tmp_path / "root" / "sandboxes" / "notes"
    shutil.copytree(source, broken)
    (broken / "app.py").write_text("raise RuntimeError('no such luck')\n")
    monkeypatch.setenv("ENVSIM_PATH", str(tmp_path / "root"))
    with pytest.raises(Exception, match="no such luck"):
        keeper.launch("notes", count=2, runtime="process", seed=0, bugs="none", base=None, listener=lambda report: None)
    assert registry.records() == []


def test_a_torn_record_is_left_alone() -> None:
    (registry.run_dir() / "torn.json").write_text('{"name": "torn"')
    assert registry.records() == []
    with pytest.raises(ContentError, match="No sandbox is called 'torn'"):
        registry.find("torn")


@pytest.mark.docker
def test_an_image_is_built_once_per_content(notes: SandboxSpec, tmp_path: Path) -> None:
    said: list[str] = []
    with closing(connect()) as client:
        tag = ensure_image(client, notes)
        assert ensure_image(client, notes, progress=said.append) == tag
        assert said == []
        folder = tmp_path / "notes"
        shutil.copytree(notes.root, folder)
        same = notes.model_copy(update={"root": folder})
        assert ensure_image(client, same, progress=said.append) == tag
        (folder / "app.py").write_text((folder / "app.py").read_text() + "\n# changed\n")
        changed = ensure_image(client, same, progress=said.append)
        client.images.remove(changed)
    assert changed != tag
    assert said[-1] == f"building {changed}"


@pytest.mark.docker
def test_the_image_holds_no_gold(notes: SandboxSpec) -> None:
    with closing(connect()) as client:
        listing = client.containers.run(
            ensure_image(client, notes), ["-c", "find /opt/app"], entrypoint="sh", remove=True, network_mode="none"
        ).decode()
    assert "/opt/app/app.py" in listing
    for hidden in ("sandbox.toml", "oracles", "Dockerfile"):
        assert hidden not in listing


def test_no_file_of_the_shops_oracles_or_their_helpers_goes_into_an_image(repo: Path) -> None:
    spec = load_spec(repo / "sandboxes" / "shop" / "sandbox.toml")
    names = [name for name in build_context(spec) if name.startswith("app/")]
    assert "app/app/main.py" in names
    assert "app/seed/__init__.py" in names
    assert {name.split("/")[1] for name in names} == {"app", "seed"}
    staff = b"ruth.calloway@larkfield.example"
    assert all(staff not in content for name, content in build_context(spec).items() if name.startswith("app/app/"))


def test_oracles_beside_the_app_are_refused(notes: SandboxSpec) -> None:
    declared = notes.model_dump(by_alias=True)
    declared["bugs"][0]["oracle"] = "app.checks:lost_edit"
    with pytest.raises(ValueError, match="oracles lie in 'app' with the app; move them"):
        SandboxSpec.model_validate(declared)
