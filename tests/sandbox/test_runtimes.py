"""One contract, three runtimes; and what each does when its sandbox dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envsim.errors import ContentError, PrerequisiteError, SandboxLost, SandboxStartError, SandboxTimeout
from envsim.page import sockets
from envsim.page.transport import Request, WireFault
from envsim.sandbox import registry, sweep
from envsim.sandbox.audit import LISTENING, _exposed, audit
from envsim.sandbox.client import SocketControl
from envsim.sandbox.inprocess import InProcessRuntime
from envsim.sandbox.oracle import run_oracle
from envsim.sandbox.owner import Owner
from envsim.sandbox.process import ProcessRuntime, ProcessSandbox
from envsim.sandbox.runtime import ResetRequest, Sandbox, get_runtime
from envsim.sandbox.seed import seed_database
from envsim.sandbox.spec import SandboxSpec, find_spec, load_spec
from envsim.testing import check_sandbox
from envsim.testing.sandbox import open_pages

RUNTIMES = ["inprocess", "process", pytest.param("docker", marks=pytest.mark.docker)]


def write_notes(sandbox: Sandbox, cookies: dict[str, str]) -> None:
    headers = (("cookie", f"session={cookies.get('session', '')}"), ("content-type", "application/json"))
    transport = sandbox.transport()
    for method, path, body in [
        ("POST", "/api/notes", b'{"text": "one"}'),
        ("PUT", "/api/notes/1", b'{"text": "two"}'),
        ("DELETE", "/api/notes/2", b""),
        ("GET", "/", b""),
    ]:
        transport.send(Request(method, path, headers, body))
    transport.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_conforms(runtime: str, notes: SandboxSpec) -> None:
    check_sandbox(get_runtime(runtime).start(notes), write_notes)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_clone_we_ship_conforms(runtime: str, repo: Path) -> None:
    clones = sorted((repo / "sandboxes").glob("*/sandbox.toml"))
    assert clones
    for spec in map(load_spec, clones):
        if not spec.own_process:  # the others are tested with their own packages, beside their bugs
            check_sandbox(get_runtime(runtime).start(spec))


def test_200_dirty_resets_of_the_shop_show_one_hash(repo: Path) -> None:
    spec = load_spec(repo / "sandboxes" / "shop" / "sandbox.toml")
    sandbox = get_runtime("inprocess").start(spec)
    request = ResetRequest(seed=4, bugs=spec.select_bugs("production"), login=spec.login)
    hashes, ends = set(), set()
    for _ in range(200):
        cookies = sandbox.control.reset(request)
        hashes.add(sandbox.control.hash())
        open_pages(sandbox, cookies)
        ends.add(sandbox.control.hash())
    sandbox.close()
    assert (len(hashes), len(ends)) == (1, 1)
    assert hashes != ends


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_broken_exchanges_look_the_same_everywhere(runtime: str, notes: SandboxSpec) -> None:
    sandbox = get_runtime(runtime).start(notes)
    transport = sandbox.transport()
    try:
        for path, kind in [("/drop", "reset"), ("/truncate", "truncated")]:
            with pytest.raises(WireFault) as caught:
                transport.send(Request("GET", path))
            assert caught.value.kind == kind
        crash = transport.send(Request("GET", "/crash"))
        assert (crash.status, crash.body) == (500, b"Internal Server Error")
        fine = transport.send(Request("HEAD", "/"))
        assert (fine.status, fine.body, fine.header("server"), fine.header("date")) == (200, b"", None, None)
    finally:
        sandbox.close()


def test_a_closed_sandbox_resets_connections(notes: SandboxSpec) -> None:
    sandbox = get_runtime("inprocess").start(notes)
    transport = sandbox.transport()
    sandbox.close()
    with pytest.raises(WireFault, match="reset"):
        transport.send(Request("GET", "/"))


@pytest.mark.parametrize("runtime", ["inprocess", "process"])
def test_oracles_tell_a_bug_from_its_absence(runtime: str, notes: SandboxSpec) -> None:
    sandbox = get_runtime(runtime).start(notes)
    try:
        for bug in notes.bugs:
            assert run_oracle(sandbox, bug) == {"id": bug.id, "buggy": True, "fixed": True}
        # The oracle of another bug must not be taken in by this one.
        other = notes.bugs[0].model_copy(update={"oracle": notes.bugs[1].oracle})
        assert run_oracle(sandbox, other) == {"id": other.id, "buggy": False, "fixed": True}
        missing = notes.bugs[0].model_copy(update={"oracle": "oracles:nothing"})
        with pytest.raises(ContentError, match="has no 'nothing'"):
            run_oracle(sandbox, missing)
    finally:
        sandbox.close()


@pytest.mark.parametrize(
    ("listening", "interfaces", "exposed"),
    [
        (["0100007F:1F40"], [], []),
        (["0100007F:1F40", "0100007F:1F41"], [], ["0100007F:1F41"]),  # another port
        (["00000000:1F40", f"{'0' * 32}:1F40"], [], []),  # all there is, is loopback
        (["00000000:1F40", "0100007F:1F40"], ["eth0"], ["00000000:1F40"]),
        (["0200007F:1F40", f"{'0' * 24}01000000:1F40", f"{'0' * 16}FFFF00000100007F:1F40"], ["eth0"], []),
        ([f"{'0' * 32}:1F40", "0500A8C0:1F40"], ["eth0"], [f"{'0' * 32}:1F40", "0500A8C0:1F40"]),
    ],
)
def test_a_port_is_open_to_loopback_alone(
    notes: SandboxSpec, listening: list[str], interfaces: list[str], exposed: list[str]
) -> None:
    facts: Any = {"listening": listening, "interfaces": interfaces}
    without, with_port = (SimpleNamespace(spec=spec) for spec in (notes, find_spec("tally")))
    assert _exposed(without, facts) == listening  # type: ignore[arg-type]
    assert _exposed(with_port, facts) == exposed  # type: ignore[arg-type]


def test_the_audit_says_what_a_process_does_not_hold(process_sandbox: ProcessSandbox) -> None:
    held = {finding["item"]: finding["held"] for finding in audit(process_sandbox)}
    assert not held["no connection to the host"]
    assert not held[LISTENING]
    assert not held["own limit on memory"]
    assert not held["no datagram to the host"]
    assert not held["no abstract socket of the host"]
    assert not held["nothing to write to but memory and the sockets"]
    assert not held["a fork bomb is stopped"]  # not tried: it would not be
    assert not held["processes of the host out of sight"]
    assert held["host environment not passed on"]
    assert held["control plane not reachable through the app"]
    assert held["spec, seed and oracles not served"]
    assert held["sockets in a folder only the owner can enter"]
    assert held["a link in place of the app's socket not followed"]


def test_the_audit_sees_a_link_that_is_followed(
    process_sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def follow(path: Path, status: os.stat_result) -> None:
        """No check: and the handle is of what the link leads to."""

    monkeypatch.setattr(sockets, "_check_socket", follow)
    monkeypatch.setattr(os, "O_NOFOLLOW", 0)
    held = {finding["item"]: finding["held"] for finding in audit(process_sandbox)}
    assert not held["a link in place of the app's socket not followed"]


LEAKY = """
from .app import Notes as Plain
from envsim.guest.kit import Clone

class Notes(Plain):
    async def __call__(self, scope, receive, send):
        if scope["path"] == "/state":
            await self._start(send, 200, b"application/json", [])
            body = __import__("json").dumps(self.kit.view()).encode()
            await send({"type": "http.response.body", "body": body})
        elif scope["path"].endswith("/oracles.py"):
            await self._start(send, 200, b"text/plain", [])
            body = __import__("pathlib").Path(__file__).with_name("oracles.py").read_bytes()
            await send({"type": "http.response.body", "body": body})
        else:
            await super().__call__(scope, receive, send)

def create(kit):
    notes = Notes(kit)
    return Clone(notes, notes.login)
"""


def test_the_audit_sees_an_app_that_serves_its_state_and_its_oracles(notes: SandboxSpec, tmp_path: Path) -> None:
    for path in notes.root.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "leaky.py").write_text(LEAKY)
    sandbox = get_runtime("inprocess").start(notes.model_copy(update={"app": "leaky:create", "root": tmp_path}))
    try:
        held = {finding["item"]: finding["held"] for finding in audit(sandbox)}
    finally:
        sandbox.close()
    assert not held["control plane not reachable through the app"]
    assert not held["spec, seed and oracles not served"]


def test_secrets_of_the_owner_do_not_reach_a_process(notes: SandboxSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    sandbox = ProcessRuntime().start(notes)
    try:
        environment = Path(f"/proc/{sandbox.process.pid}/environ").read_bytes()
    finally:
        sandbox.close()
    assert b"s3cret" not in environment


def test_a_killed_sandbox_is_lost_at_every_call(process_sandbox: ProcessSandbox) -> None:
    os.kill(process_sandbox.process.pid, signal.SIGKILL)
    control = process_sandbox.control
    calls = [control.health, control.state, control.changes, control.hash, control.snapshot]
    for call in [*calls, lambda: control.reset(ResetRequest()), lambda: control.restore("s1")]:
        started = time.monotonic()
        with pytest.raises(SandboxLost, match="ended with code -9"):
            call()
        assert time.monotonic() - started < 5


def test_a_hung_sandbox_times_out(process_sandbox: ProcessSandbox) -> None:
    record = process_sandbox.record
    control = SocketControl(record.name, Path(record.control), timeout_s=0.2)
    os.kill(process_sandbox.process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(SandboxTimeout, match=r"did not answer /state within 0\.2 s"):
            control.state()
    finally:
        os.kill(process_sandbox.process.pid, signal.SIGCONT)
        control.close()


def test_a_sandbox_that_cannot_start_says_why(notes: SandboxSpec, user_root: Path) -> None:
    broken = notes.model_copy(update={"app": "app:nothing"})
    before = {path.name for path in registry.run_dir().iterdir()}
    with pytest.raises(SandboxStartError, match="has no 'nothing'"):
        ProcessRuntime().start(broken)
    assert {path.name for path in registry.run_dir().iterdir()} == before


def test_closing_removes_process_folder_and_record(notes: SandboxSpec) -> None:
    sandbox = ProcessRuntime().start(notes)
    folder = Path(sandbox.record.folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert registry.find(sandbox.name) == sandbox.record
    sandbox.close()
    assert sandbox.process.returncode == 0
    assert not folder.exists()
    with pytest.raises(ContentError, match="No sandbox is called"):
        registry.find(sandbox.name)


def test_an_owner_is_told_from_a_later_process_with_its_pid() -> None:
    me = Owner.current()
    assert me.alive()
    assert not Owner(me.pid, me.start + 1).alive()
    assert Owner.of(2**22 + 1) is None


def test_a_seed_database_is_built_once_per_content(notes: SandboxSpec, tmp_path: Path) -> None:
    first = seed_database(notes)
    stamp = first.stat().st_mtime_ns
    assert seed_database(notes) == first
    assert first.stat().st_mtime_ns == stamp
    for path in notes.root.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "extra.txt").write_text("more")
    assert seed_database(notes.model_copy(update={"root": tmp_path})) != first


def test_unknown_runtimes_are_refused() -> None:
    with pytest.raises(ContentError, match="Choose one of: inprocess, process, docker"):
        get_runtime("podman")


def test_it_works_inside_a_running_event_loop(notes: SandboxSpec) -> None:
    async def episode() -> int:
        sandbox = InProcessRuntime().start(notes)
        sandbox.control.reset(ResetRequest(login=notes.login))
        transport = sandbox.transport()
        status = transport.send(Request("GET", "/")).status
        transport.close()
        sandbox.close()
        return status

    assert asyncio.run(episode()) == 200


@pytest.mark.parametrize("runtime", ["inprocess", "process"])
def test_a_client_that_never_reads_holds_up_nobody(runtime: str, notes: SandboxSpec) -> None:
    sandbox = get_runtime(runtime).start(notes)
    sandbox.control.reset(ResetRequest())
    transport = sandbox.transport()
    for _ in range(3):
        transport.send(Request("POST", "/add", (), b"text=" + b"x" * 2_000_000))
    port = int(sandbox.url().rpartition(":")[2])
    try:
        with (
            socket.create_connection(("127.0.0.1", port)) as idle,
            socket.create_connection(("127.0.0.1", port)) as slow,
        ):
            idle.sendall(b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n")  # 6 MB that nobody takes
            slow.sendall(b"POST /add HTTP/1.1\r\nhost: app.test\r\ncontent-length: 9\r\n\r\ntex")  # never sent in full
            time.sleep(0.2)
            started = time.monotonic()
            assert len(sandbox.control.state()["notes"]) == 6
            assert transport.send(Request("GET", "/openapi.json")).status == 200
            assert time.monotonic() - started < 5
    finally:
        sandbox.close()


def test_without_the_docker_package_only_docker_is_missing(monkeypatch: pytest.MonkeyPatch, notes: SandboxSpec) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'envsim\[docker\]'"):
        get_runtime("docker")
    assert sweep.gc() == []
    get_runtime("process").start(notes).close()


def test_closing_does_not_wait_for_a_request_that_waits(notes: SandboxSpec) -> None:
    sandbox = InProcessRuntime().start(notes)
    port = int(sandbox.url().rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        with sandbox._lock:  # someone else's step is under way
            client.sendall(b"GET / HTTP/1.1\r\nhost: app.test\r\n\r\n")
            time.sleep(0.2)
            closer = threading.Thread(target=sandbox.close, daemon=True)
            closer.start()
            time.sleep(0.2)
        closer.join(20)
        assert not closer.is_alive()
        # The lock is free: nobody took it on behalf of the request that was dropped.
        assert sandbox._lock.acquire(blocking=False)


def test_a_state_that_comes_as_a_delta_is_the_state(process_sandbox: ProcessSandbox) -> None:
    control = process_sandbox.control
    other = SocketControl(process_sandbox.name, Path(process_sandbox.record.control))
    with closing(other):
        cookies = control.reset(ResetRequest(seed=1, login="ann@example.test"))
        header = (("cookie", f"session={cookies['session']}"), ("content-type", "application/json"))
        with closing(process_sandbox.transport()) as transport:
            for number in range(4):
                body = json.dumps({"text": f"note {number}"}).encode()
                assert transport.send(Request("POST", "/api/notes", header, body)).status < 300
                # Two who ask in turn, and one who asks every time: nobody is told what changed since another asked.
                told = [control.state(), *([other.state()] if number % 2 else []), control.state()]
                whole = control._ask("GET", "/state")
                assert all(view == whole for view in told)
                assert f"note {number}" in {note["text"] for note in whole["notes"].values()}
        control.reset(ResetRequest(seed=1))
        assert control.state() == control.seed_view() == other.state()


def test_a_state_of_which_nothing_changed_is_not_sent_again(process_sandbox: ProcessSandbox) -> None:
    control = process_sandbox.control
    control.reset(ResetRequest(seed=1))
    first = control.state()
    asked: list[Any] = []
    exchange = control._exchange

    def watched(*arguments: Any) -> tuple[int, bytes]:
        asked.append(exchange(*arguments))
        return asked[-1]

    control._exchange = watched  # type: ignore[method-assign]
    assert control.state() == first
    assert json.loads(asked[0][1])["delta"] == []
