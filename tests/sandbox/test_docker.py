"""What a container is, beyond what every sandbox is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from docker.models.containers import ContainerCollection
from typer.testing import CliRunner

from envsim.cli.sandbox import app
from envsim.errors import PrerequisiteError, SandboxLost
from envsim.page.transport import Request, WireFault
from envsim.sandbox.audit import audit
from envsim.sandbox.client import SocketControl
from envsim.sandbox.docker import DockerRuntime, DockerSandbox
from envsim.sandbox.image import connect, find_base
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.runtime import ResetRequest
from envsim.sandbox.spec import SandboxSpec

pytestmark = pytest.mark.docker


@pytest.fixture
def sandbox(notes: SandboxSpec) -> Iterator[DockerSandbox]:
    sandbox = DockerRuntime().start(notes)
    yield sandbox
    sandbox.close()


def test_every_safeguard_holds(sandbox: DockerSandbox) -> None:
    findings = audit(sandbox)
    assert len(findings) == 28
    assert [finding["item"] for finding in findings if not finding["held"]] == []


@pytest.mark.slow
def test_the_audit_sees_a_container_without_safeguards(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    create = ContainerCollection.create

    def careless(self: ContainerCollection, image: str, command: list[str], **options: Any) -> Any:
        for safeguard in ("hostname", "cap_drop", "security_opt", "read_only", "pids_limit", "mem_limit", "tmpfs"):
            del options[safeguard]
        del options["memswap_limit"]
        options["volumes"]["/"] = {"bind": str(notes.root.resolve()), "mode": "ro"}
        options |= {"security_opt": ["seccomp=unconfined"], "pid_mode": "host"}
        return create(
            self,
            image,
            command,
            **{**options, "network_mode": "host", "user": "0:0", "environment": {"API_KEY": "secret"}},
        )

    runtime = DockerRuntime()
    runtime.prepare(notes)
    monkeypatch.setattr(ContainerCollection, "create", careless)
    sandbox = runtime.start(notes)
    try:
        findings = audit(sandbox)
    finally:
        sandbox.close()
    assert [finding["item"] for finding in findings if finding["held"]] == [
        "kernel files masked and read-only",  # by the engine, unless it is told not to
        "control plane not reachable through the app",
        "spec, seed and oracles not served",
        "sockets in a folder only the owner can enter",
        "a link in place of the app's socket not followed",
    ]


def test_there_is_no_way_out(sandbox: DockerSandbox) -> None:
    code = (
        "import socket\n"
        "for target in ('1.1.1.1', '172.17.0.1', 'example.com'):\n"
        "    try:\n"
        "        socket.create_connection((target, 80), 2)\n"
        "    except OSError as error:\n"
        "        print(target, 'unreachable')\n"
    )
    result = sandbox.container.exec_run(["python", "-c", code])
    assert result.output.decode().splitlines() == [
        "1.1.1.1 unreachable",
        "172.17.0.1 unreachable",
        "example.com unreachable",
    ]


def test_a_link_planted_inside_leads_nowhere(sandbox: DockerSandbox) -> None:
    """As it would to the engine's own socket, which on this machine is root."""
    code = (
        "import os\n"
        "for name in ('app.sock', 'control.sock'):\n"
        "    os.unlink(f'/run/envsim/{name}')\n"
        "    os.symlink('/var/run/docker.sock', f'/run/envsim/{name}')\n"
    )
    assert sandbox.container.exec_run(["python", "-c", code]).exit_code == 0
    transport = sandbox.transport()
    with pytest.raises(WireFault, match="reset"):
        transport.send(Request("GET", "/version"))
    with pytest.raises(OSError, match=r"reset|closed|disconnected|BadStatus|Remote"):
        urlopen(f"{sandbox.url()}/version", timeout=5)
    control = SocketControl(sandbox.name, Path(sandbox.record.control))
    with pytest.raises(SandboxLost, match="is not a socket"):
        control.health()


def test_the_state_is_the_same_as_in_process(sandbox: DockerSandbox, notes: SandboxSpec) -> None:
    other = InProcessRuntime().start(notes)
    request = ResetRequest(seed=11, bugs=notes.select_bugs("production"), login=notes.login)
    try:
        hashes = []
        for each in (sandbox, other):
            each.control.reset(request)
            transport = each.transport()
            transport.send(Request("POST", "/add", (), b"text=hello"))
            transport.close()
            hashes.append((each.control.hash(), each.control.state()))
    finally:
        other.close()
    assert hashes[0] == hashes[1]


def test_closing_leaves_no_container(notes: SandboxSpec) -> None:
    sandbox = DockerRuntime().start(notes)
    sandbox.close()
    with closing(connect()) as client:
        assert (
            client.containers.list(all=True, filters={"label": f"envsim.name={sandbox.name}"}, ignore_removed=True)
            == []
        )


def test_a_killed_container_is_lost(sandbox: DockerSandbox) -> None:
    sandbox.container.kill()
    with pytest.raises(SandboxLost, match="ended with code 137"):
        sandbox.control.state()
    sandbox.container.remove(force=True)
    with pytest.raises(SandboxLost, match="its container was removed"):
        sandbox.control.state()


def test_a_killed_program_leaves_nothing_after_the_next_start(notes: SandboxSpec) -> None:
    code = (
        "import time; from envsim.content import find_app; from envsim.sandbox.runtime import get_runtime;"
        "from envsim.sandbox.spec import load_spec;"
        "sandbox = get_runtime('docker').start(load_spec(find_app('notes') / 'sandbox.toml'));"
        "print(sandbox.name, flush=True); time.sleep(60)"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    name = program.stdout.readline().strip()
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    program.stdout.close()
    with closing(connect()) as client:
        assert len(client.containers.list(all=True, filters={"label": f"envsim.name={name}"}, ignore_removed=True)) == 1
        DockerRuntime()
        assert client.containers.list(all=True, filters={"label": f"envsim.name={name}"}, ignore_removed=True) == []


QUESTIONS = {
    "files": "with debs._created(client, base): time.sleep(60)",
    "python": "ask_python(client, base, 'import time; time.sleep(60)')",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_killed_program_leaves_no_container_it_asked_about_an_image(question: str) -> None:
    code = (
        "import time; from envsim.sandbox import debs;"
        "from envsim.sandbox.image import ask_python, connect, find_base;"
        "client = connect(); base = find_base(client)\n" + QUESTIONS[question]
    )
    program = subprocess.Popen([sys.executable, "-c", code])
    ours = {"label": f"envsim.owner_pid={program.pid}"}
    with closing(connect()) as client:
        while not (found := client.containers.list(all=True, filters=ours, ignore_removed=True)):
            assert program.poll() is None
            time.sleep(0.05)
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        (container,) = found
        assert container.name not in CliRunner().invoke(app, ["ps"]).stdout
        assert container.name in CliRunner().invoke(app, ["gc"]).stdout
        assert client.containers.list(all=True, filters=ours, ignore_removed=True) == []


def test_sandboxes_do_not_share_state(notes: SandboxSpec) -> None:
    runtime = DockerRuntime()
    runtime.prepare(notes)
    sandboxes = [runtime.start(notes) for _ in range(3)]
    try:
        transport = sandboxes[0].transport()
        transport.send(Request("POST", "/add", (), b"text=mine"))
        transport.close()
        counts = [len(sandbox.control.state()["notes"]) for sandbox in sandboxes]
    finally:
        for sandbox in sandboxes:
            sandbox.close()
    assert counts == [4, 3, 3]


def test_a_base_image_that_is_not_to_be_had_is_named() -> None:
    with (
        closing(connect()) as client,
        pytest.raises(PrerequisiteError, match="nothing:1 is not here and cannot"),
    ):
        find_base(client, "nowhere/nothing:1")
