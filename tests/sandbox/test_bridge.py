"""Containers that are reached through a gate, on a real engine; and how it is found out that they must be."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from envsim.errors import PrerequisiteError, SandboxError
from envsim.page.transport import Request
from envsim.sandbox import bundle, crossing, keeper, registry, sweep
from envsim.sandbox.audit import audit
from envsim.sandbox.client import SocketControl
from envsim.sandbox.docker import DockerRuntime, DockerSandbox
from envsim.sandbox.gate import Gate, control_address
from envsim.sandbox.image import connect
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.owner import container_labels
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec
from envsim.testing import check_sandbox

# One worker sweeps containers: another's sweep could meet an owner that a test here has just killed.
pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]

ENGINE = Path("/var/run/docker.sock")


@pytest.fixture(scope="module")
def runtime(user_root: Path) -> DockerRuntime:
    return DockerRuntime(transport="bridge")


@pytest.fixture(scope="module")
def boxed(runtime: DockerRuntime, notes: SandboxSpec) -> Iterator[DockerSandbox]:
    """A notes sandbox behind a gate on a bridge; whoever uses it resets it first."""
    sandbox = runtime.start(notes)
    yield sandbox
    sandbox.close()


def held_by_engine(label: str) -> list[str]:
    """Names of what the engine holds with this label: containers, volumes, networks."""
    with closing(connect()) as client:
        found = [*client.containers.list(all=True, filters={"label": label}, ignore_removed=True)]
        found += [*client.volumes.list(filters={"label": label}), *client.networks.list(filters={"label": label})]
        return sorted(each.name for each in found)


def inside(container: Any, code: str) -> str:
    result = container.exec_run(["python3", "-c", code])
    assert result.exit_code == 0, result.output
    return str(result.output.decode())


def test_conforms(notes: SandboxSpec) -> None:
    check_sandbox(DockerRuntime(transport="bridge").start(notes))
    assert held_by_engine(f"envsim.owner_pid={os.getpid()}") == []


def test_every_safeguard_holds(boxed: DockerSandbox) -> None:
    findings = audit(boxed)
    assert [finding["item"] for finding in findings if not finding["held"]] == []
    items = {finding["item"] for finding in findings}
    assert len(items) == 30
    assert items > {"no network interface but loopback", "the gate opens for its token alone"}
    with closing(boxed.transport()) as transport:
        assert transport.send(Request("GET", "/")).status == 200  # what was planted is gone


def test_the_state_is_the_same_as_in_process(boxed: DockerSandbox, notes: SandboxSpec) -> None:
    other = InProcessRuntime().start(notes)
    request = ResetRequest(seed=11, bugs=notes.select_bugs("production"), login=notes.login)
    seen = []
    try:
        for each in (boxed, other):
            each.control.reset(request)
            with closing(each.transport()) as transport:
                reply = transport.send(Request("POST", "/add", (), b"text=hello"))
            seen.append((reply, each.control.hash(), each.control.export()))
    finally:
        other.close()
    assert seen[0] == seen[1]


def test_a_gate_reaches_no_other_and_nothing_beyond(
    runtime: DockerRuntime, boxed: DockerSandbox, notes: SandboxSpec
) -> None:
    other = runtime.start(notes)
    try:
        gates = [each.crossing._container for each in (boxed, other) if isinstance(each.crossing, Gate)]
        for gate in gates:
            gate.reload()
        addresses = [next(iter(gate.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"] for gate in gates]
        code = (
            "import socket\n"
            f"for target in ({addresses[1]!r}, '1.1.1.1', 'example.com'):\n"
            "    try:\n"
            "        socket.create_connection((target, 8000), 0.5)\n"
            "    except OSError as error:\n"
            "        print(target, 'unreachable')\n"
        )
        said = [f"{target} unreachable" for target in (addresses[1], "1.1.1.1", "example.com")]
        assert inside(gates[0], code).splitlines() == said
        # The network is one without masquerading, and there is one for both.
        (network,) = {name for gate in gates for name in gate.attrs["NetworkSettings"]["Networks"]}
        with closing(connect()) as client:
            options = client.networks.get(network).attrs["Options"]
        assert options["com.docker.network.bridge.enable_ip_masquerade"] == "false"
        assert options["com.docker.network.bridge.enable_icc"] == "false"
        bound = [port for gate in gates for port in gate.attrs["NetworkSettings"]["Ports"]["8000/tcp"]]
        assert {port["HostIp"] for port in bound} == {"127.0.0.1"}
    finally:
        other.close()


def test_the_app_finds_the_token_nowhere(boxed: DockerSandbox) -> None:
    code = (
        "from pathlib import Path\n"
        "for path in [*Path('/proc').glob('[0-9]*/environ'), *Path('/proc').glob('[0-9]*/cmdline')]:\n"
        "    print(path.read_bytes())\n"
        "print([path.name for path in Path('/run/envsim').iterdir()])\n"
    )
    found = inside(boxed.container, code)
    assert "app.sock" in found
    assert isinstance(boxed.crossing, Gate)
    assert boxed.crossing.door.token not in found
    record = (registry.run_dir() / f"{boxed.name}.json").read_text()
    assert boxed.crossing.door.token not in record


CARELESS = {
    "return hmac.compare_digest(digest_of(token), self._digest)": "return True",
    "os.O_PATH | os.O_NOFOLLOW": "os.O_PATH",
}


@pytest.mark.slow
def test_the_audit_sees_a_gate_that_opens_for_anyone(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    files = bundle.gate_files()
    code = files["gate.py"].decode()
    for careful, careless in CARELESS.items():
        assert careful in code
        code = code.replace(careful, careless)
    monkeypatch.setattr("envsim.sandbox.image.gate_files", lambda: {**files, "gate.py": code.encode()})
    sandbox = DockerRuntime(transport="bridge").start(notes)
    try:
        Path(sandbox.record.folder).chmod(0o755)
        not_held = {finding["item"] for finding in audit(sandbox) if not finding["held"]}
    finally:
        sandbox.close()
    assert not_held == {
        "the gate opens for its token alone",
        "the gate's token in a folder only the owner can enter",
        "a link in place of the app's socket not followed",
    }


def test_a_restart_brings_back_the_gate_too(notes: SandboxSpec) -> None:
    sandbox = DockerRuntime(transport="bridge").start(notes)
    try:
        url, transport = sandbox.url(), sandbox.transport()
        assert transport.send(Request("GET", "/")).status == 200
        assert isinstance(sandbox.crossing, Gate)
        sandbox.crossing._container.kill()
        with pytest.raises(SandboxError):
            sandbox.control.health()
        sandbox.restart()
        assert sandbox.url() == url
        assert transport.send(Request("GET", "/")).status == 200
        with urlopen(url, timeout=5) as reply:
            assert reply.status == 200
        # Another process finds it where it is now.
        with closing(SocketControl("x", control_address(registry.find(sandbox.name)))) as control:
            assert control.health()["app"] == "notes"
        transport.close()
    finally:
        sandbox.close()


def launch(transport: str) -> registry.Record:
    records = keeper.launch(
        "notes", count=1, runtime="docker", seed=1, bugs="none", base=None, listener=lambda _: None, transport=transport
    )  # fmt: skip
    return registry.find(records[0]["name"])


def command_line(*words: str) -> Any:
    """What ``sandbox`` answers, run as a process of its own."""
    command = [sys.executable, "-m", "envsim.cli.sandbox", *words, "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_up_ps_reset_and_down() -> None:
    record = launch("bridge")
    owned = f"envsim.owner_pid={record.owner_pid}"
    try:
        assert record.transport == "bridge"
        assert record.control.startswith("tcp://127.0.0.1:")
        (row,) = (row for row in command_line("ps") if row["name"] == record.name)
        assert (row["transport"], row["state"]) == ("bridge", "up")
        assert len(command_line("reset", record.name)["hash"]) == 64
        with urlopen(record.url, timeout=10) as reply:
            assert b"Buy milk" in reply.read()
        assert len(held_by_engine(owned)) == 4  # two containers, a volume, a network
    finally:
        command_line("down", record.name)
    assert not Path(record.folder).exists()
    assert held_by_engine(f"envsim.name={record.name}") == []
    end = time.monotonic() + 10
    while held_by_engine(owned) and time.monotonic() < end:
        time.sleep(0.1)
    assert held_by_engine(owned) == []


def test_gc_sweeps_all_that_a_killed_owner_left() -> None:
    record = launch("bridge")
    os.kill(record.owner_pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while record.owner.alive() and time.monotonic() < end:
        time.sleep(0.05)
    owned = f"envsim.owner_pid={record.owner_pid}"
    assert len(held_by_engine(owned)) == 4
    assert record.name in sweep.gc()
    assert held_by_engine(owned) == []
    assert not Path(record.folder).exists()


HURRIED = """
import time
from envsim.sandbox import docker, gate
from envsim.sandbox.spec import find_spec
docker.LEASE_S = 0.5
gate.LEASE_S = 1.0
sandboxes = [docker.DockerRuntime(transport=name).start(find_spec("notes")) for name in ("bridge", "engine")]
print(*(sandbox.name for sandbox in sandboxes), flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_the_lease_ends_both_containers_of_a_killed_owner() -> None:
    """Without any sweep: the machine may never run envsim again."""
    with subprocess.Popen([sys.executable, "-c", HURRIED], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        names = program.stdout.readline().split()
        with closing(connect()) as client:

            def statuses() -> list[str]:
                labels = [{"label": f"envsim.name={name}"} for name in names]
                found = [client.containers.list(all=True, filters=label, ignore_removed=True) for label in labels]
                return [container.status for containers in found for container in containers]

            time.sleep(3)  # longer than the leases, which are held
            assert statuses() == ["running"] * 4
            program.kill()
            end = time.monotonic() + 20
            while statuses() != ["exited"] * 4 and time.monotonic() < end:
                time.sleep(0.2)
            last = statuses()
    sweep.gc()
    assert last == ["exited"] * 4


# -- which one it is -----------------------------------------------------------------------------------

FIND = """
from envsim.sandbox.docker import DockerRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import find_spec
from envsim.page.transport import Request
sandbox = DockerRuntime().start(find_spec("notes"))
sandbox.control.reset(ResetRequest(seed=3))
print(sandbox.record.transport, sandbox.transport().send(Request("GET", "/")).status, sandbox.control.hash())
sandbox.close()
"""


def elsewhere(*apart: str) -> list[str]:
    """What `FIND` says where the engine has other files than ours, and with ``--net`` another loopback.

    As an engine in a virtual machine, and one on another host, are to us.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        script = f'mount -t tmpfs none {folder} && exec "$0" -c "$1"'
        command = ["unshare", "--map-root-user", "--mount", *apart, "sh", "-c", script, sys.executable, FIND]
        tried = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "TMPDIR": folder}, check=False
        )  # fmt: skip
        if "unshare:" in tried.stderr or "mount:" in tried.stderr:
            pytest.skip(f"no namespaces here: {tried.stderr[:200]}")
        assert tried.returncode == 0, tried.stderr
        assert list(Path(folder).iterdir()) == []  # nothing of ours was made where the engine is
    return tried.stdout.split()


@pytest.mark.slow
def test_it_is_found_out_what_crosses(notes: SandboxSpec) -> None:
    with closing(InProcessRuntime().start(notes)) as other:
        other.control.reset(ResetRequest(seed=3))
        with closing(other.transport()) as transport:
            transport.send(Request("GET", "/"))
        same = ["200", other.control.hash()]
    assert elsewhere() == ["bridge", *same]
    assert elsewhere("--net") == ["engine", *same]


def test_what_was_found_is_kept_until_it_is_tried_again(
    notes: SandboxSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    with closing(connect()) as client:
        image = DockerRuntime().prepare(notes)
        (tmp_path / "run").mkdir()
        monkeypatch.setenv("ENVSIM_CACHE", str(tmp_path))
        monkeypatch.setattr(crossing, "sockets_cross", lambda *_: bool(tried.append("sockets")))
        monkeypatch.setattr(crossing, "_ports_cross", lambda *_: not tried.append("ports"))
        assert [crossing.find_transport(client, image) for _ in range(2)] == ["bridge", "bridge"]
        assert tried == ["sockets", "ports"]
        monkeypatch.setattr(crossing, "_ports_cross", lambda *_: False)
        assert crossing.find_transport(client, image) == "bridge"
        assert crossing.find_transport(client, image, again=True) == "engine"
        monkeypatch.setattr(crossing, "sockets_cross", lambda *_: True)
        assert crossing.find_transport(client, image, again=True) == "sockets"


def test_a_socket_in_a_folder_of_ours_is_really_tried(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    image = DockerRuntime().prepare(notes)
    with closing(connect()) as client:
        assert crossing.sockets_cross(client, image)
        with monkeypatch.context() as patch:
            patch.setattr(crossing, "_PROBE", "print('up, and no socket')")
            assert not crossing.sockets_cross(client, image)
        with monkeypatch.context() as patch:
            # An engine with other files than ours: the folder is not there.
            patch.setattr(crossing.SharedFolder, "where", property(lambda self: "/nowhere/at/all/control.sock"))
            assert not crossing.sockets_cross(client, image)
    assert held_by_engine("envsim.name=probe") == []
    assert not [record for record in registry.records() if record.app == "probe"]


@contextlib.contextmanager
def engine_over_tcp() -> Iterator[int]:
    """The engine's socket on a port of loopback."""
    code = (
        "import sys; from pathlib import Path; from envsim.page.sockets import UnixAddress;"
        "from envsim.sandbox.forward import Forwarder;"
        "print(Forwarder(UnixAddress(Path(sys.argv[1]))).url, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(ENGINE.resolve())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forwarder:
        assert forwarder.stdout is not None
        yield int(forwarder.stdout.readline().rpartition(":")[2])
        forwarder.kill()


@pytest.mark.slow
def test_an_engine_over_tcp(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ENGINE.exists():
        pytest.skip("the engine is not at /var/run/docker.sock")
    with engine_over_tcp() as port:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        sandbox = DockerRuntime(transport="engine").start(notes)
        assert sandbox.record.control.startswith("engine://")
        assert len(command_line("reset", sandbox.name)["hash"]) == 64
        check_sandbox(sandbox)
        assert held_by_engine(f"envsim.name={sandbox.name}") == []
    with pytest.raises(PrerequisiteError, match=rf"No Docker engine answers at tcp://127.0.0.1:{port}"):
        connect()


def test_pids_of_another_machine_are_not_looked_up(notes: SandboxSpec) -> None:
    dead = {**container_labels(), "envsim.owner_pid": str(2**22 + 1)}
    far = {**dead, "envsim.name": "far-away", "envsim.owner_space": "another machine"}
    with closing(connect()) as client:
        volume = client.volumes.create("envsim-far-away", labels=far)
        client.volumes.create("envsim-near-by", labels=dead)
        try:
            sweep.gc()
            left = client.volumes.list(filters={"label": f"envsim.owner_pid={2**22 + 1}"})
            assert [each.name for each in left] == ["envsim-far-away"]
        finally:
            volume.remove()
