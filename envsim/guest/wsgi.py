"""A WSGI app (PEP 3333) as an ASGI one, run to its end on the thread that asks.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from envsim.guest.exchange import HOST, Message, Receive, Send
from envsim.guest.kit import Asgi
from envsim.guest.serve import MAX_BODY, read_body

Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Environ = dict[str, Any]
Wsgi = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]

MAX_ANSWER = 4 * MAX_BODY
"""Longest answer taken, in bytes: one app must not fill the memory of its sandbox."""
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
)


def wsgi_to_asgi(app: Wsgi, around: Callable[[Message], AbstractContextManager[None]]) -> Asgi:
    """`app`, each request answered within ``around(scope)``, iteration and `close` of its body included."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            raise ConnectionResetError
        with around(scope):
            answer = _Answer()
            answer.run(app, _environ(scope, body))
        await answer.send(send, scope["method"])

    return serve


def _environ(scope: Message, body: bytes) -> Environ:
    # By name as the client knows it: what the server listens on is a socket's path.
    named = next((value.decode("latin-1") for key, value in scope["headers"] if key == b"host"), HOST)
    host, _, port = named.partition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # WSGI holds bytes in text, each of them one character.
        "PATH_INFO": scope["path"].encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_key, raw_value in scope["headers"]:
        name, value = raw_key.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    if "CONTENT_LENGTH" in environ or body:
        environ["CONTENT_LENGTH"] = str(len(body))  # also where it came in chunks
    return environ


class _Answer:
    """What an app says through `start_response`, `write` and its iterable."""

    def __init__(self) -> None:
        self._status = ""
        self._headers: Headers = []
        self._chunks: list[bytes] = []
        self._size = 0

    def run(self, app: Wsgi, environ: Environ) -> None:
        """Call `app` and take its whole body."""
        chunks = app(environ, self._start)
        try:
            for chunk in chunks:
                self._write(chunk)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        if not self._status:
            raise RuntimeError("the app returned without calling start_response")

    def _start(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], object]:
        if exc_info is not None:
            try:
                if self._size:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # breaks the circle through this frame
        elif self._status:
            raise RuntimeError("start_response was called twice")
        self._status, self._headers = status, list(headers)
        return self._write

    def _write(self, chunk: bytes) -> None:
        if chunk and not self._status:
            raise RuntimeError("the app sent a body before calling start_response")
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise ConnectionResetError

    async def send(self, send: Send, method: str) -> None:
        """Send it on; as a server would, without the body of a HEAD and with a length if there is none."""
        status = int(self._status.split(" ", 1)[0])
        # Django begins its cookies with a space, which is no part of a value (RFC 9110, 5.5).
        headers = [(key.lower(), value.strip(" \t")) for key, value in self._headers if key.lower() not in HOP_BY_HOP]
        empty = method == "HEAD" or status in (204, 304) or status < 200
        body = b"" if empty else b"".join(self._chunks)
        declared = next((int(value) for key, value in headers if key == "content-length" and value.isdigit()), None)
        if declared is None and not empty:
            headers.append(("content-length", str(len(body))))
        raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        short = not empty and declared is not None and declared > len(body)
        body = body if empty or declared is None else body[:declared]
        await send({"type": "http.response.body", "body": body, "more_body": short})
        if short:
            raise ConnectionResetError  # as a server that has no more to send
