"""Apps that try to hold up or fill up whoever asks them, or to be something else."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from envsim.errors import SandboxLost, SandboxTimeout
from envsim.page.sockets import MAX_ANSWER, connect_unix
from envsim.page.transport import AsgiTransport, Request, SocketTransport, Transport, WireFault
from envsim.sandbox.client import SocketControl

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
Answer = Callable[[socket.socket], None]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[Answer], Path]]:
    """``served(answer)``: a unix socket on which one request is read and `answer` called."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(tmp_path / "s"))
    server.listen()
    threads: list[threading.Thread] = []

    def start(answer: Answer) -> Path:
        def serve() -> None:
            with server.accept()[0] as connection, suppress(OSError):
                connection.recv(65_536)
                answer(connection)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return tmp_path / "s"

    yield start
    for thread in threads:
        thread.join(30)
    server.close()


def fault(transport: Transport) -> str:
    with closing(transport), pytest.raises(WireFault) as caught:
        transport.send(Request("GET", "/"))
    return caught.value.kind


def dribble(connection: socket.socket) -> None:
    connection.sendall(HEAD % 1_000)
    for _ in range(1_000):
        connection.sendall(b"x")
        time.sleep(0.05)


def dribble_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1_000):
        connection.sendall(b"x")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    connection.sendall(HEAD % (MAX_ANSWER + 2))
    for _ in range(MAX_ANSWER // 65_536 + 1):
        connection.sendall(b"x" * 65_536)


def send_without_end(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize("answer", [dribble, dribble_headers])
def test_a_byte_now_and_then_does_not_extend_the_deadline(served: Callable[[Answer], Path], answer: Answer) -> None:
    started = time.monotonic()
    with (
        closing(SocketTransport(socket=served(answer), timeout_s=0.3)) as transport,
        pytest.raises(WireFault) as caught,
    ):
        transport.send(Request("GET", "/"))
    assert caught.value.kind == "timeout"
    assert time.monotonic() - started < 10  # of 50 s that it would last


def test_over_tcp_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection, suppress(OSError):
                dribble(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with (
            closing(SocketTransport(base_url=url, timeout_s=0.3)) as transport,
            pytest.raises(WireFault, match="timeout"),
        ):
            transport.send(Request("GET", "/"))
        thread.join()


@pytest.mark.parametrize("answer", [flood, send_without_end])
def test_more_than_is_read_arrives_truncated(served: Callable[[Answer], Path], answer: Answer) -> None:
    assert fault(SocketTransport(socket=served(answer))) == "truncated"


@pytest.mark.parametrize("size", [MAX_ANSWER, MAX_ANSWER + 1])
def test_the_longest_answer_is_the_same_in_process(served: Callable[[Answer], Path], size: int) -> None:
    async def app(scope: object, receive: object, send: Callable[..., object]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[misc]
        await send({"type": "http.response.body", "body": b"x" * size})  # type: ignore[misc]

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD % size)
        connection.sendall(b"x" * size)

    for transport in (AsgiTransport(app), SocketTransport(socket=served(answer))):  # type: ignore[arg-type]
        with closing(transport):
            if size <= MAX_ANSWER:
                assert len(transport.send(Request("GET", "/")).body) == size
            else:
                with pytest.raises(WireFault, match="truncated"):
                    transport.send(Request("GET", "/"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HEAD % 10**18 + b"short", "truncated"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nabcde\r\n", "reset"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", "truncated"),
        (b"nonsense", "reset"),
        (b"", "reset"),
    ],
)
def test_malformed_answers_are_faults_of_the_app(served: Callable[[Answer], Path], answer: bytes, kind: str) -> None:
    with (
        closing(SocketTransport(socket=served(lambda connection: connection.sendall(answer)))) as transport,
        pytest.raises(WireFault) as caught,
    ):
        transport.send(Request("GET", "/"))
    assert caught.value.kind == kind


def test_a_control_plane_that_dribbles_or_floods_is_an_error_of_ours(served: Callable[[Answer], Path]) -> None:
    with closing(SocketControl("x", served(dribble), timeout_s=0.3)) as control, pytest.raises(SandboxTimeout):
        control.health()
    with closing(SocketControl("x", served(flood))) as control, pytest.raises(SandboxLost, match="more than"):
        control.health()


def test_only_a_socket_is_connected_to(tmp_path: Path, served: Callable[[Answer], Path]) -> None:
    path = served(lambda connection: connection.sendall(b"here"))
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(path)
    file.touch()
    for wrong in (link, file, tmp_path):
        with pytest.raises(ConnectionRefusedError, match="is not a socket"):
            connect_unix(wrong, 1)
    with pytest.raises(FileNotFoundError):
        connect_unix(tmp_path / "nothing", 1)
    with connect_unix(path, 1) as connection:
        connection.sendall(b"hello")
        assert connection.recv(4) == b"here"
