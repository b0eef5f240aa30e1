"""The relay in front of an app of its own: what goes through, and what an app that misbehaves comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.guest.relay import Answer, exchange

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ask(serve: Serve, path: Path, **request: object) -> Answer:
    """One exchange with a server that `serve` is."""

    async def run() -> Answer:
        server = await asyncio.start_unix_server(serve, str(path))
        try:
            return await exchange(path, "GET", b"/", **request)  # type: ignore[arg-type]
        finally:
            server.close()
            path.unlink(missing_ok=True)

    return asyncio.run(run())


def answering(reply: bytes, seen: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(65536)
        if seen is not None:
            seen.append(data)
        writer.write(reply)
        writer.close()

    return serve


def test_a_request_arrives_as_it_was_but_for_its_connection(tmp_path: Path) -> None:
    seen: list[bytes] = []
    headers = [(b"host", b"app.test"), (b"cookie", b"a=1"), (b"connection", b"keep-alive"), (b"te", b"trailers")]
    ask(answering(b"HTTP/1.1 204 No Content\r\n\r\n", seen), tmp_path / "s", headers=headers)
    assert seen == [b"GET / HTTP/1.1\r\nhost: app.test\r\ncookie: a=1\r\nconnection: close\r\n\r\n"]


@given(st.binary(max_size=3000), st.sampled_from(["length", "chunks", "close"]))
def test_a_body_comes_whole_however_it_is_framed(body: bytes, framing: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part) + b"0\r\n\r\n"
    reply = {
        "length": head + b"content-length: %d\r\n\r\n" % len(body) + body,
        "chunks": head + b"transfer-encoding: chunked\r\n\r\n" + chunks,
        "close": head.replace(b"1.1", b"1.0") + b"\r\n" + body,
    }[framing]

    async def run() -> Answer:
        server = await asyncio.start_server(answering(reply), "127.0.0.1", 0)
        try:
            return await exchange(server.sockets[0].getsockname()[1], "GET", b"/")
        finally:
            server.close()

    answer = asyncio.run(run())
    assert (answer.status, answer.body, answer.complete) == (200, body, True)
    assert [value for name, value in answer.headers if name == b"set-cookie"] == [b"a=1", b"b=2"]
    assert b"transfer-encoding" not in dict(answer.headers)


def test_a_body_cut_short_is_known_as_such(tmp_path: Path) -> None:
    answer = ask(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), tmp_path / "s")
    assert (answer.body, answer.complete) == (b"abc", False)


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 two hundred\r\n\r\n"])
def test_what_is_no_answer_is_a_reset(reply: bytes, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError):
        ask(answering(reply), tmp_path / "s")


def test_what_cannot_be_a_request_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError, match="cannot be passed on"):
        ask(answering(b""), tmp_path / "s", headers=[(b"x", b"a\r\nb: c")])
