"""What the probe tries succeeds where it can: an attempt that always failed would prove nothing."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from envsim.guest import attempts


@pytest.fixture
def name_server() -> Iterator[int]:
    """The port of a name server on this machine that answers one question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def answer() -> None:
            question, sender = server.recvfrom(512)
            server.sendto(question[:2] + b"\x81\x80" + question[4:], sender)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_name_server_that_answers_is_noticed(name_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert attempts.answers_dns("127.0.0.1", name_server)
    monkeypatch.setattr(attempts, "DNS_S", 0.05)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert not attempts.answers_dns("127.0.0.1", silent.getsockname()[1])
        assert silent.recv(512).endswith(b"\x07example\x03com\x00\x00\x01\x00\x01")


def test_name_servers_are_read_as_the_resolver_reads_them(tmp_path: Path) -> None:
    config = tmp_path / "resolv.conf"
    config.write_text("# nameserver 9.9.9.9\nsearch example.test\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
    assert attempts.resolvers(config) == ["192.0.2.1", "2001:db8::1"]
    assert attempts.resolvers(tmp_path / "missing") == ["127.0.0.1"]


def test_datagrams_and_abstract_sockets_arrive() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        attempts.send_datagrams(["203.0.113.300:1", f"127.0.0.1:{receiver.getsockname()[1]}"])
        assert receiver.recv(100) == b"envsim probe"
    with closing(socket.socket(socket.AF_UNIX)) as nearby:
        nearby.bind("\0envsim-test-abstract")
        nearby.listen()
        assert attempts.reaches_abstract("envsim-test-abstract")
    assert not attempts.reaches_abstract("envsim-test-abstract")


def test_a_device_beside_the_standard_ones_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(attempts.os, "mknod", lambda *arguments: made.append(arguments))
    assert attempts.devices()[-1] == "made"
    assert stat.S_ISBLK(made[0][1])

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(attempts.os, "mknod", refuse)
    monkeypatch.setattr(attempts, "_DEVICES", frozenset())
    assert "/dev/null" in attempts.devices()
    assert "made" not in attempts.devices()


def test_mounts_that_take_writes_are_told_from_those_that_do_not(tmp_path: Path) -> None:
    assert any(mount.startswith(("/ ", "/tmp ", "/home ", "/dev/shm ")) for mount in attempts.writable_mounts())
    assert attempts._takes_writes(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not attempts._takes_writes(tmp_path / "missing")
    assert not attempts._takes_writes(Path("/proc"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may start a process as somebody else")
def test_a_program_that_runs_as_another_user_is_noticed(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain", tmp_path / "other"
    for path in (plain, other):
        path.write_bytes(Path("/bin/sleep").read_bytes())
        path.chmod(0o755)
    os.chown(other, 12345, -1)
    other.chmod(0o4755)
    assert not attempts._runs_as_another(str(plain))
    # Many times: a program's ids change after Popen has returned.
    assert all(attempts._runs_as_another(str(other)) for _ in range(50))
    assert not attempts._runs_as_another(str(tmp_path / "missing"))


def test_a_limit_on_memory_shows() -> None:
    tried = subprocess.run(
        [sys.executable, attempts.__file__, "hog"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20)),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert tried.stdout == "refused\n"


def test_who_is_killed_for_it_is_told_from_who_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], -signal.SIGKILL, "", "")
    monkeypatch.setattr(attempts.subprocess, "run", lambda *_, **__: ended)
    assert attempts.try_apart("hog") == "killed"


@pytest.mark.parametrize(("allowed", "expected"), [(5, "5"), (100, "no end")])
def test_a_fork_bomb_ends_at_a_limit_and_leaves_nobody(
    allowed: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []

    def fork() -> int:
        if len(alive) == allowed:
            raise BlockingIOError
        alive.append(len(alive) + 1000)
        return alive[-1]

    killed: list[int] = []
    monkeypatch.setattr(attempts, "FORKS", 20)
    monkeypatch.setattr(attempts.os, "fork", fork)
    monkeypatch.setattr(attempts.os, "kill", lambda pid, number: killed.append(pid))
    monkeypatch.setattr(attempts.os, "waitpid", lambda pid, options: (pid, 0))
    assert attempts._forks() == expected
    assert killed == alive
