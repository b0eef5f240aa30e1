"""The gate alone, as a process: what it opens for, and when it ends. And frames of an engine's stream, however cut."""

from __future__ import annotations

import contextlib
import importlib
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.content import PACKAGE
from envsim.errors import ContentError
from envsim.guest.gate import challenge, digest_of, opening, proof_of
from envsim.page.sockets import TcpAddress
from envsim.sandbox.crossing import wanted_transport
from envsim.sandbox.engine_stream import Frames
from envsim.sandbox.gate import Bridge, Door, GateAddress
from envsim.sandbox.owner import Owner, container_labels

TOKEN = secrets.token_hex(32)


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    met: list[bytes]
    """What the socket of the control plane was sent, by connection."""

    def answer(self, line: bytes) -> bytes:
        """What comes back to `line` and a greeting."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(line)
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"hello")
            with contextlib.suppress(ConnectionError):
                return connection.recv(100)
        return b""


def start(folder: Path, *more: str) -> tuple[subprocess.Popen[bytes], int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-I", str(PACKAGE / "guest" / "gate.py"), "--digest", digest_of(TOKEN)]
    process = subprocess.Popen([*command, "--directory", str(folder), "--port", str(port), *more])
    door = Door(TcpAddress("127.0.0.1", port), TOKEN)
    end = time.monotonic() + 20
    while not door.is_there():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return process, port


@contextlib.contextmanager
def service(path: Path) -> Iterator[list[bytes]]:
    """Answers ``served`` to whatever it is sent first."""
    met: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    with connection:
                        met.append(connection.recv(100))
                        connection.sendall(b"served")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield met
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name, service(Path(name) / "control.sock") as met:
        process, port = start(Path(name))
        yield Running(process, port, Path(name), met)
        process.terminate()
        assert process.wait(10) == 0


def test_the_right_token_leads_to_the_socket_that_is_named(running: Running) -> None:
    assert running.answer(opening(TOKEN, "control.sock")) == b"served"
    assert running.met[-1] == b"hello"
    with GateAddress(Door(TcpAddress("127.0.0.1", running.port), TOKEN), "control.sock").connect(5) as connection:
        connection.sendall(b"again")
        assert connection.recv(100) == b"served"


WRONG = [
    b"\n",
    b"hello\n",
    b"GET /state HTTP/1.1\n",
    opening("", "control.sock"),
    opening("0" * 64, "control.sock"),
    opening(TOKEN[:-1], "control.sock"),
    opening(TOKEN + "0", "control.sock"),
    opening(digest_of(TOKEN), "control.sock"),
    opening(TOKEN, "other.sock"),
    opening(TOKEN, "./control.sock"),
    opening(TOKEN, "../control.sock"),
    opening(TOKEN, "control.sock extra"),
    b"open " + TOKEN.encode() + b"\n",
    b"x" * 100_000 + b"\n",
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("line", WRONG, ids=range(len(WRONG)))
def test_anything_else_is_closed_without_an_answer(running: Running, line: bytes) -> None:
    before = len(running.met)
    with service(running.folder / "other.sock") as met:
        assert running.answer(line) == b""
    (running.folder / "other.sock").unlink()
    assert (len(running.met), met) == (before, [])
    assert running.answer(opening(TOKEN, "control.sock")) == b"served"


def test_a_link_in_place_of_a_socket_is_not_followed(running: Running) -> None:
    place = running.folder / "app.sock"
    before = len(running.met)
    for target in ("control.sock", str(running.folder / "control.sock")):
        place.symlink_to(target)
        try:
            assert running.answer(opening(TOKEN, "app.sock")) == b""
        finally:
            place.unlink()
    place.write_bytes(b"")
    assert running.answer(opening(TOKEN, "app.sock")) == b""
    assert len(running.met) == before


def test_a_gate_is_known_by_its_proof_before_it_is_told_the_token(running: Running) -> None:
    there = TcpAddress("127.0.0.1", running.port)
    assert Door(there, TOKEN).is_there()
    assert not Door(there, secrets.token_hex(32)).is_there()
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = TcpAddress("127.0.0.1", server.getsockname()[1])

        def impostor() -> None:
            for _ in range(2):
                with server.accept()[0] as connection:
                    heard.append(connection.recv(1000))
                    connection.sendall(b"0" * 64 + b"\n")
                    with contextlib.suppress(OSError):
                        heard.append(connection.recv(1000))

        thread = threading.Thread(target=impostor)
        thread.start()
        assert not Door(other, TOKEN).is_there()
        # Nor later, when the gate that was there has ended and another program got its port.
        with pytest.raises(ConnectionRefusedError, match="somebody else"):
            GateAddress(Door(other, TOKEN), "control.sock").connect(5)
        thread.join()
    assert (heard[0][:6], heard[2][:6]) == (b"prove ", b"prove ")
    assert TOKEN.encode() not in b"".join(heard)
    assert not Door(other, TOKEN).is_there(0.5)


def test_a_proof_opens_nothing_by_itself(running: Running) -> None:
    before = len(running.met)
    for line in (opening("0" * 64, "control.sock"), b"prove 1\n", b"\n"):
        with socket.create_connection(("127.0.0.1", running.port), 5) as connection:
            connection.sendall(challenge("0") + line + b"hello")
            with connection.makefile("rb") as reader, contextlib.suppress(ConnectionError):
                assert reader.readline() == proof_of(digest_of(TOKEN), "0")
                assert reader.read() == b""
    assert len(running.met) == before


class Engine:
    """Of one network at a time, which somebody else may prune."""

    def __init__(self) -> None:
        self.networks = self
        self.made: list[str] = []
        self.pruned = False

    def create(self, name: str, **_: object) -> Engine:
        self.made.append(name)
        self.name = name
        return self

    def remove(self) -> None:
        if self.pruned:
            raise importlib.import_module("docker.errors").NotFound("no such network")


def test_a_network_that_somebody_pruned_is_made_again() -> None:
    engine = Engine()
    bridge = Bridge(engine)
    first = bridge.join()
    engine.pruned = True
    bridge.leave()
    assert bridge.join() != first
    assert len(engine.made) == 2


def test_it_ends_when_nobody_holds_it(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{name}/control.sock")
        server.listen()
        process, port = start(Path(name), "--grace", "2", "--lease", "0.2")
        with GateAddress(Door(TcpAddress("127.0.0.1", port), TOKEN), "control.sock").connect(5):
            held = server.accept()[0]
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
        held.close()
        assert process.wait(10) == 0


def test_without_the_token_nobody_holds_it(tmp_path: Path) -> None:
    process, port = start(tmp_path, "--grace", "1", "--lease", "0.2")
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), 5)) as idle:
        idle.sendall(b"open ")
        assert process.wait(10) == 0


def test_its_token_is_not_in_what_it_was_started_with(running: Running) -> None:
    for name in ("cmdline", "environ"):
        assert TOKEN.encode() not in Path(f"/proc/{running.process.pid}/{name}").read_bytes()


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300))), st.lists(st.integers(1, 50)))
def test_frames_come_apart_wherever_they_are_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(struct.pack(">BxxxL", kind, len(piece)) + piece for kind, piece in frames)
    reader, out = Frames(), b""
    for size in cuts:
        out += reader.feed(data[:size])
        data = data[size:]
    out += reader.feed(data)
    assert out == b"".join(piece for kind, piece in frames if kind == 1)


def test_a_transport_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVSIM_TRANSPORT", raising=False)
    assert (wanted_transport(), wanted_transport("auto"), wanted_transport("bridge")) == ("", "", "bridge")
    monkeypatch.setenv("ENVSIM_TRANSPORT", "engine")
    assert (wanted_transport(), wanted_transport("auto"), wanted_transport("bridge")) == ("engine", "engine", "bridge")
    monkeypatch.setenv("ENVSIM_TRANSPORT", "pigeon")
    with pytest.raises(ContentError, match=r"no transport 'pigeon'\. Choose one of: auto, sockets, bridge, engine"):
        wanted_transport()


def test_labels_of_another_machine_name_nobody_here() -> None:
    labels = container_labels()
    assert Owner.of_labels(labels) == Owner.current()
    assert Owner.of_labels({**labels, "envsim.owner_space": "elsewhere pid:[4026531836]"}) is None
    assert Owner.of_labels({}) is None
