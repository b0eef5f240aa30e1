"""What goes wrong under a running sandbox ends in recovery or in a typed error within its deadline.

Reset, restart, recreate: each rung is tried once, and the episode after the trouble starts as the one before it did.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from envsim.errors import SandboxError, SandboxLost, SandboxStartError, SandboxTimeout
from envsim.page.sockets import connect_unix
from envsim.sandbox import forward, process, registry
from envsim.sandbox.pool import SandboxPool
from envsim.sandbox.process import ProcessSandbox
from envsim.sandbox.runtime import ResetRequest, get_runtime
from envsim.sandbox.spec import SandboxSpec, find_spec
from envsim.sandbox.world import SandboxWorld
from envsim.task import Task
from envsim.types import Action

TASK = Task(id="t@0", template="t", app="notes", interface="browser", split="train", goal="Look.")
DOCKER = [pytest.mark.docker, pytest.mark.xdist_group("docker")]
HELD = pytest.param("docker", marks=DOCKER)

TROUBLED = """
import os, sys
from .app import Notes as Plain
from envsim.guest.kit import Clone

class Notes(Plain):
    async def __call__(self, scope, receive, send):
        if scope["path"] == "/hog":
            kept = [os.urandom(1 << 20) * 8 for _ in range(1000)]
        elif scope["path"] == "/spin":
            while True:
                pass
        elif scope["path"] == "/exit":
            os._exit(3)
        elif scope["path"] == "/fill":
            try:
                with open("/tmp/junk", "wb") as junk:
                    while junk.write(bytes(1 << 20)):
                        pass
            except OSError as error:
                self.kit.cache["full"] = error.strerror
        elif scope["path"] == "/chatter":
            for _ in range(40):
                print("x" * (1 << 16), file=sys.stderr)
        await super().__call__(scope, receive, send)

def create(kit):
    notes = Notes(kit)
    return Clone(notes, notes.login)

def broken(kit):
    raise RuntimeError("a defect at the start")
"""


@pytest.fixture(scope="module")
def troubled(notes: SandboxSpec, tmp_path_factory: pytest.TempPathFactory) -> SandboxSpec:
    """The notes, with paths that harm the sandbox."""
    folder = tmp_path_factory.mktemp("troubled") / "notes"
    shutil.copytree(notes.root, folder)
    (folder / "troubled.py").write_text(TROUBLED)
    return notes.model_copy(update={"app": "troubled:create", "root": folder})


def open_world(spec: SandboxSpec, runtime: str) -> SandboxWorld:
    return SandboxWorld(spec, runtime=get_runtime(runtime))


def go(world: SandboxWorld, path: str) -> Any:
    return world.step(Action.call("goto", url=path))


def hurry(world: SandboxWorld, seconds: float) -> None:
    """Short deadlines, as tests have no time."""
    sandbox = world._sandbox
    assert isinstance(sandbox, process.ProcessSandbox)
    sandbox.control._connection._timeout_s = seconds
    for transport in sandbox._transports:
        transport._connection._timeout_s = seconds


@pytest.mark.parametrize("runtime", ["process", HELD])
def test_an_app_that_ends_loses_the_episode_and_not_the_next(troubled: SandboxSpec, runtime: str) -> None:
    with closing(open_world(troubled, runtime)) as world:
        first = world.reset(TASK, 1)
        with pytest.raises(SandboxLost, match="ended with code 3"):
            go(world, "/exit")
        assert world.reset(TASK, 1) == first


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_that_runs_out_of_memory_says_so(troubled: SandboxSpec) -> None:
    with closing(open_world(troubled, "docker")) as world:
        first = world.reset(TASK, 1)
        started = time.monotonic()
        with pytest.raises(SandboxLost, match="ran out of memory"):
            go(world, "/hog")
        assert time.monotonic() - started < 60
        assert world.reset(TASK, 1) == first


def test_an_app_that_hangs_is_given_up_and_restarted(troubled: SandboxSpec) -> None:
    with closing(open_world(troubled, "process")) as world:
        first = world.reset(TASK, 1)
        hurry(world, 0.3)
        with pytest.raises(SandboxTimeout, match="did not answer"):
            go(world, "/spin")
        assert world.reset(TASK, 1) == first


def test_a_reset_that_fails_is_tried_in_a_restarted_sandbox_first(troubled: SandboxSpec) -> None:
    with closing(open_world(troubled, "process")) as world:
        first = world.reset(TASK, 1)
        sandbox = world._sandbox
        assert isinstance(sandbox, ProcessSandbox)
        old = sandbox.process
        os.kill(old.pid, signal.SIGKILL)
        assert world.reset(TASK, 1) == first
        assert world._sandbox is sandbox  # the same name, sockets and url
        assert sandbox.process.pid != old.pid
        # What cannot be restarted either is replaced.
        os.kill(sandbox.process.pid, signal.SIGKILL)
        shutil.rmtree(sandbox.record.folder)
        assert world.reset(TASK, 1) == first
        assert world._sandbox is not sandbox
        assert len([r for r in registry.records() if r.owner_pid == os.getpid() and r.name == sandbox.name]) == 0


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_container_restarts_in_its_place_and_is_replaced_once_it_is_gone(troubled: SandboxSpec) -> None:
    with closing(open_world(troubled, "docker")) as world:
        first = world.reset(TASK, 1)
        sandbox: Any = world._sandbox
        sandbox.container.kill()
        assert world.reset(TASK, 1) == first
        assert world._sandbox is sandbox
        sandbox.container.remove(force=True)
        assert world.reset(TASK, 1) == first
        assert world._sandbox is not sandbox


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_disk_that_is_full_inside_does_not_outlast_the_episode(troubled: SandboxSpec) -> None:
    with closing(open_world(troubled, "docker")) as world:
        first = world.reset(TASK, 1)
        go(world, "/fill")
        control = world._live().control
        assert world.step(Action.call("goto", url="/")).observation.page  # the app goes on
        assert world.reset(TASK, 1) == first
        data = control.export()
        control.load(data)
        assert world.reset(TASK, 1) == first


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_a_hosted_apps_disk_that_is_full_is_empty_after_the_ladder() -> None:
    spec = find_spec("ledger")
    sandbox = get_runtime("docker").start(spec)
    try:
        clean = [sandbox.control.reset(ResetRequest(seed=1)), sandbox.control.hash()]
        fill = "cd /state 2>/dev/null || cd /data; dd if=/dev/zero of=$PWD/junk bs=1M; exit 0"
        result = sandbox.container.exec_run(["sh", "-c", fill])  # type: ignore[attr-defined]
        assert b"No space left" in result.output
        try:
            again = [sandbox.control.reset(ResetRequest(seed=1)), sandbox.control.hash()]
        except SandboxError:
            again = []
        if again != clean:
            sandbox.restart()
            again = [sandbox.control.reset(ResetRequest(seed=1)), sandbox.control.hash()]
        assert again == clean
    finally:
        sandbox.close()


def test_a_log_without_end_does_not_fill_the_disk(troubled: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_FILE", 1 << 20)
    with closing(open_world(troubled, "process")) as world:
        first = world.reset(TASK, 1)
        for _ in range(3):
            go(world, "/chatter")
        sandbox = world._sandbox
        assert isinstance(sandbox, ProcessSandbox)
        assert (Path(sandbox.record.folder) / "log").stat().st_size <= 1 << 20
        assert world.reset(TASK, 1) == first
        assert world._sandbox is sandbox


FULL = """
import resource, sys
from envsim.errors import SandboxStartError
from envsim.sandbox.runtime import get_runtime
from envsim.sandbox.spec import find_spec

spec = find_spec("notes")
runtime = get_runtime({runtime!r})
{prepare}
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # every write to a file fails, as on a disk that is full
try:
    runtime.start(spec)
except SandboxStartError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("runtime", "prepare", "words"),
    [
        ("process", "runtime.start(spec).close()", "cannot be put on record: File too large"),
        ("process", "", "has nowhere to be: "),
        pytest.param("docker", "runtime.start(spec).close()", "cannot be put on record: File too large", marks=DOCKER),
    ],
)
def test_a_full_disk_of_ours_is_an_error_with_advice_and_leaves_nothing(runtime: str, prepare: str, words: str) -> None:
    code = FULL.format(runtime=runtime, prepare=prepare)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        env = {**os.environ, "TMPDIR": folder}
        program = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert words in program.stdout, program.stderr
        assert "Free some space, or set TMPDIR and ENVSIM_CACHE" in program.stdout
        assert list(Path(folder).iterdir()) == []
    assert not [record for record in registry.records() if record.folder.startswith(folder)]
    assert not [path for path in registry.run_dir().iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("runtime", ["inprocess", "process", HELD])
def test_an_app_that_crashes_at_its_start_is_told_with_its_reason(troubled: SandboxSpec, runtime: str) -> None:
    broken = troubled.model_copy(update={"app": "troubled:broken"})
    before = registry.records()
    world = open_world(broken, runtime)
    with closing(world), pytest.raises(SandboxStartError, match="a defect at the start"):
        world.reset(TASK, 1)
    pool = SandboxPool(get_runtime(runtime), broken, limit=2)
    with closing(pool), pytest.raises(SandboxStartError, match="a defect at the start"):
        pool.start(broken)
    assert registry.records() == before


def test_no_free_port_is_an_error_of_ours(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*args: object, **options: object) -> Any:
        raise OSError(98, "Address already in use")

    sandbox = get_runtime("process").start(notes)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(forward.socket, "create_server", taken)
            with pytest.raises(SandboxError, match=r"no loopback port: Address already in use\. Close"):
                sandbox.url()
        assert sandbox.url().startswith("http://127.0.0.1:")
    finally:
        sandbox.close()


def test_urls_of_two_sandboxes_never_share_a_port(notes: SandboxSpec) -> None:
    first, second = get_runtime("process").start(notes), get_runtime("inprocess").start(notes)
    try:
        port = int(first.url().rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port))
        assert second.url() != first.url()
    finally:
        first.close()
        second.close()


ENGINE = ["docker", "--host", "unix:///var/run/docker.sock"]


class Relay:
    """Stands before the engine's socket; while it is down every exchange breaks, as with an engine that restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.up = True
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def down(self) -> None:
        self.up = False
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def close(self) -> None:
        self.down()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self.up:
                near.close()
                continue
            far = connect_unix(Path("/var/run/docker.sock").resolve(), 5)
            far.settimeout(None)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65_536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
def test_an_engine_that_restarts_costs_one_episode(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/var/run/docker.sock").exists():
        pytest.skip("the engine is not at /var/run/docker.sock")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/engine.sock")
        with closing(Relay(Path(folder) / "engine.sock")) as relay, closing(open_world(notes, "docker")) as world:
            first = world.reset(TASK, 1)
            sandbox: Any = world._sandbox
            container = sandbox.container.id
            # It goes down and takes its containers with it.
            relay.down()
            subprocess.run([*ENGINE, "kill", container], capture_output=True, check=True)
            with pytest.raises(SandboxLost, match="is gone"):
                go(world, "/")
            with pytest.raises(SandboxError, match="docker info"):
                world.reset(TASK, 1)
            relay.up = True
            assert world.reset(TASK, 1) == first
            names = subprocess.run([*ENGINE, "ps", "--all", "--no-trunc", "--quiet"], capture_output=True, check=True)
            assert container not in names.stdout.decode()  # what could not be removed while it was away is gone too
