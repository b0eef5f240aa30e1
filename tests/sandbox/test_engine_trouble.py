"""Owners killed in the middle of a start, engines that fail, and images of earlier versions."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import PrerequisiteError, SandboxError, SandboxLost, SandboxStartError
from envsim.sandbox import image, registry, served, sweep
from envsim.sandbox.spec import SandboxSpec

# One worker sweeps containers: another's sweep could meet an owner that a test here has just killed.
pytestmark = pytest.mark.xdist_group("docker")

RUNTIMES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder of this test's own whose path leaves room for a socket's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_an_engine_that_takes_nobody_in_is_not_waited_for(short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "KNOCK_S", 0.05)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short_tmp}/engine")
    with socket.socket(socket.AF_UNIX) as engine, socket.socket(socket.AF_UNIX) as first:
        engine.bind(f"{short_tmp}/engine")
        engine.listen(0)
        first.connect(f"{short_tmp}/engine")  # its queue is full now, and it accepts none of it
        with pytest.raises(PrerequisiteError, match="No Docker engine answers at"):
            image.connect()


DYING = """
import os, signal
from envsim.content import find_app
from envsim.sandbox import docker, process, registry
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import load_spec

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

def die_later(record, write=registry.write):
    write(record) if not (record.pid or record.container_id) else die()

{patch}
get_runtime({runtime!r}).start(load_spec(find_app("notes") / "sandbox.toml"))
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("patch", ["process._spawn = docker._create = die", "registry.write = die_later"])
def test_killed_in_the_middle_of_a_start_it_leaves_nothing_after_gc(
    user_root: Path, short_tmp: Path, runtime: str, patch: str
) -> None:
    code = DYING.format(patch=patch, runtime=runtime)
    program = subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(short_tmp)}, check=False)
    assert program.returncode == -signal.SIGKILL
    left = [path.name for path in short_tmp.iterdir() if path.name.startswith("envsim-")]
    assert len(left) == 1
    swept = sweep.gc()
    assert any(name.startswith("notes-") for name in swept)
    assert not (short_tmp / left[0]).exists()
    assert not {record.name for record in registry.records()} & set(swept)


def test_names_differ_where_pids_and_counts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 7)
    names = set()
    for _ in range(3):
        monkeypatch.setattr(served, "_numbers", iter([1]))
        names.add(served.new_name("shop"))
    assert len(names) == 3
    assert all(name.startswith("shop-7-1-") for name in names)


def _ours(client: Any) -> list[Any]:
    found: list[Any] = client.containers.list(all=True, filters={"label": f"envsim.owner_pid={os.getpid()}"})
    return found


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: object, **options: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("left_behind", [False, True])
def test_asking_an_engine_that_is_not_there_leaves_no_socket_open(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch, left_behind: bool
) -> None:
    place = short_tmp / "engine.sock"
    if left_behind:
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(place))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    gc.collect()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(PrerequisiteError, match=f"No Docker engine answers at unix://{place}"):
            image.connect()
        gc.collect()
    assert not [str(warning.message) for warning in told if warning.category is ResourceWarning]


@pytest.mark.docker
def test_an_engine_that_fails_is_an_error_of_ours(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    import docker.errors
    import requests
    from docker.models.containers import Container, ContainerCollection

    from envsim.sandbox.docker import DockerRuntime, sweep_containers

    gone = requests.exceptions.ConnectionError("the engine went away")
    runtime = DockerRuntime()
    runtime.prepare(notes)
    before = set(registry.run_dir().iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(ContainerCollection, "create", failing(docker.errors.APIError("no space left on device")))
        with pytest.raises(SandboxStartError, match=r"notes container cannot be started: no space left .* docker info"):
            runtime.start(notes)
    with monkeypatch.context() as patch:
        patch.setattr(ContainerCollection, "list", failing(gone))
        with pytest.raises(SandboxError, match="cannot be listed: the engine went away"):
            sweep_containers(runtime._client)
    assert set(registry.run_dir().iterdir()) == before
    with monkeypatch.context() as patch:
        patch.setattr(Container, "start", failing(docker.errors.APIError("no such cgroup")))
        with pytest.raises(SandboxStartError, match="no such cgroup"):
            runtime.start(notes)
        assert not _ours(runtime._client)
        patch.setattr(Container, "remove", failing(gone))
        with pytest.raises(SandboxStartError, match="no such cgroup"):
            runtime.start(notes)
        assert len(_ours(runtime._client)) == 1
    sandbox = runtime.start(notes)  # with the engine well again, it takes away what was left
    try:
        assert [container.id for container in _ours(runtime._client)] == [sandbox.container.id]
        with monkeypatch.context() as patch:
            for name in ("exec_run", "logs", "reload"):
                patch.setattr(Container, name, failing(gone))
            for call in (sandbox.log, lambda: sandbox.probe([], [], [])):
                with pytest.raises(SandboxLost, match="the engine went away"):
                    call()
            sandbox.container.kill()
            with pytest.raises(SandboxLost, match=f"{sandbox.name} is gone: .*the engine went away"):
                sandbox.control.state()
        with monkeypatch.context() as patch:
            patch.setattr(Container, "remove", failing(gone))
            with pytest.raises(SandboxLost, match="cannot be removed: the engine went away"):
                sandbox.close()
        assert set(registry.run_dir().iterdir()) == before
    finally:
        sandbox.container.remove(force=True)


@pytest.mark.docker
def test_a_base_image_whose_python_cannot_be_started_leaves_no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    import docker.errors
    from docker.models.containers import Container, ContainerCollection

    made, create = [], ContainerCollection.create
    with closing(image.connect()) as client, monkeypatch.context() as patch:
        patch.setattr(ContainerCollection, "create", lambda *a, **k: made.append(create(*a, **k)) or made[-1])
        patch.setattr(Container, "start", failing(docker.errors.APIError("no such program")))
        with pytest.raises(PrerequisiteError, match="There is no python3 in the base image"):
            image._wheels(client, image.find_base(client), b"")
        (container,) = made
        with pytest.raises(docker.errors.NotFound):
            client.containers.get(container.id)


@pytest.mark.docker
@pytest.mark.timeout(600)  # an engine takes a second, and more, for each image of earlier versions that lies there
def test_gc_removes_images_of_earlier_versions(notes: SandboxSpec, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    shutil.copytree(notes.root, folder)
    earlier = notes.model_copy(update={"root": folder})
    with closing(image.connect()) as client:
        current = image.ensure_image(client, notes)
        (folder / "app.py").write_text((folder / "app.py").read_text() + "\n# an earlier version\n")
        old = image.ensure_image(client, earlier)
        (folder / "app.py").write_text((folder / "app.py").read_text() + "\n# one more\n")
        in_use = image.ensure_image(client, earlier)
        container = client.containers.create(in_use)
        untagged = container.commit().id
        try:
            removed = sweep.gc_images()
            assert {old, untagged} <= set(removed)
            assert not {current, in_use} & set(removed)
            assert client.images.get(current)
            assert client.images.get(in_use)
        finally:
            container.remove()
        # One that cannot be read now may be the only one that any of its images is of.
        (tmp_path / "sandboxes" / "notes").mkdir(parents=True)
        (tmp_path / "sandboxes" / "notes" / "sandbox.toml").write_text("name = 1\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ENVSIM_PATH", f"{tmp_path}{os.pathsep}{os.environ['ENVSIM_PATH']}")
            assert in_use not in sweep.gc_images()
        assert in_use in sweep.gc_images()
