"""WSGI as its specification has it (PEP 3333), behind ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from envsim.guest.exchange import http_scope
from envsim.guest.wsgi import wsgi_to_asgi

OK = [("Content-Type", "text/plain")]


def ask(
    app: Callable[..., Any], method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, dict, bytes, list]:
    """Status, headers, body, and what was entered and left around the request."""
    seen: list[str] = []
    sent: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    @contextlib.contextmanager
    def around(scope: Any) -> Iterator[None]:
        seen.append("in")
        try:
            yield
        finally:
            seen.append("out")

    async def receive() -> dict[str, Any]:
        return waiting.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = http_scope(method, "/a%20b?x=1", headers.items(), body)
    asyncio.run(wsgi_to_asgi(app, around)(scope, receive, send))
    answered = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]), seen


def test_a_body_in_pieces_is_closed_within_the_request() -> None:
    events: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"one "
            yield b""
            yield b"two"

        def close(self) -> None:
            events.append("closed")

    def app(environ, start_response):
        start_response("201 Created", OK)
        return Body()

    status, headers, body, seen = ask(app)
    assert (status, body, headers["content-length"], events) == (201, b"one two", "7", ["closed"])
    assert seen == ["in", "out"]


def test_write_comes_before_what_is_returned() -> None:
    def app(environ, start_response):
        write = start_response("200 OK", OK)
        write(environ["PATH_INFO"].encode())
        return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]

    assert ask(app, "POST", b"body")[2] == b"/a bbody"


def test_an_answer_can_be_replaced_while_nothing_of_it_was_sent() -> None:
    def app(environ, start_response):
        start_response("200 OK", OK)
        try:
            raise KeyError("x")
        except KeyError:
            start_response("500 Oh", [("X-Second", "yes")], sys.exc_info())
        return [b"sorry"]

    status, headers, body, _ = ask(app)
    assert (status, headers.get("x-second"), body) == (500, "yes", b"sorry")


def test_once_something_was_sent_the_error_passes() -> None:
    def app(environ, start_response):
        start_response("200 OK", OK)(b"half")
        try:
            raise KeyError("x")
        except KeyError:
            start_response("500 Oh", OK, sys.exc_info())
        return []

    with pytest.raises(KeyError):
        ask(app)


@pytest.mark.parametrize(
    ("app", "message"),
    [
        (lambda environ, start: [], "without calling"),
        (lambda environ, start: [b"x"], "before calling"),
        (lambda environ, start: [start("200 OK", OK), start("200 OK", OK)], "called twice"),
    ],
)
def test_what_no_server_would_take_is_an_error(app: Callable[..., Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        ask(app)


@pytest.mark.parametrize(
    ("method", "status", "body"), [("HEAD", "200 OK", b""), ("GET", "204 No", b""), ("GET", "304 No", b"")]
)
def test_answers_that_have_no_body_get_none(method: str, status: str, body: bytes) -> None:
    def app(environ, start_response):
        start_response(status, [("Content-Length", "4"), ("Connection", "close")])
        return [b"text"]

    _, headers, got, _ = ask(app, method)
    assert got == body
    assert "connection" not in headers


def test_a_body_shorter_than_promised_drops_the_connection_and_a_longer_one_is_cut() -> None:
    def app(length: str):
        def inner(environ, start_response):
            start_response("200 OK", [("Content-Length", length)])
            return [b"four"]

        return inner

    with pytest.raises(ConnectionResetError):
        ask(app("5"))
    assert ask(app("3"))[2] == b"fou"


def test_an_endless_answer_drops_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envsim.guest.wsgi.MAX_ANSWER", 1000)

    def app(environ, start_response):
        start_response("200 OK", OK)
        while True:
            yield b"x" * 100

    with pytest.raises(ConnectionResetError):
        ask(app)
