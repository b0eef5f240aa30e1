"""From our socket to an app's own: one request at a time, over TCP on loopback or over a unix socket.

Needs h11, which comes with uvicorn: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import h11

from envsim.guest.exchange import HOST
from envsim.guest.serve import MAX_BODY

MAX_ANSWER = 4 * MAX_BODY
"""Longest answer taken, in bytes."""
CHUNK = 65_536
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate te trailer transfer-encoding upgrade expect".split(b" ")
)

Address = int | Path
"""A port on loopback, or a unix socket."""
Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What an app answered."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    complete: bool = False
    """Whether all of the body came that was announced."""


async def connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection.

    Raises:
        OSError: Nobody listens there.
    """
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(str(address))
    return await asyncio.open_connection("127.0.0.1", address)


async def exchange(
    address: Address, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b""
) -> Answer:
    """Send one request on a connection of its own and read the whole answer.

    Args:
        address: Where the app listens.
        method: E.g. ``"GET"``.
        target: Path and query, percent-encoded.
        headers: Names in lower case. Those that concern one connection only are not passed on, either way.
        body: The whole body.

    Raises:
        OSError: Nobody listens, or the app hung up before it answered.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=CHUNK)
    data = _encode(connection, method, target, headers, body)
    reader, writer = await connect(address)
    try:
        with contextlib.suppress(ConnectionError):  # an app may answer, and hang up, before it has read all
            writer.write(data)
            await writer.drain()
        return await _read(reader, connection)
    finally:
        writer.close()


def _encode(
    connection: h11.Connection, method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> bytes:
    sent = [(name, value) for name, value in headers if name not in HOP_BY_HOP]
    names = {name for name, _ in sent}
    if b"host" not in names:
        sent.insert(0, (b"host", HOST.encode()))
    if (body or method not in ("GET", "HEAD")) and b"content-length" not in names:
        sent.append((b"content-length", str(len(body)).encode()))
    sent.append((b"connection", b"close"))
    try:
        data = connection.send(h11.Request(method=method, target=target, headers=sent)) or b""
        data += (connection.send(h11.Data(data=body)) or b"") if body else b""
        return data + (connection.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise ConnectionResetError(f"the request cannot be passed on: {error}") from None


async def _read(reader: asyncio.StreamReader, connection: h11.Connection) -> Answer:
    answer, chunks, size = Answer(), [], 0
    while True:
        try:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(CHUNK))
                continue
        except (h11.RemoteProtocolError, ConnectionError) as error:
            if not answer.status:
                raise ConnectionResetError(f"the app hung up or talks no HTTP: {error}") from None
            break  # cut short: what came is passed on as such
        if isinstance(event, h11.Response):
            answer.status = event.status_code
            answer.headers = [(name, value) for name, value in event.headers if name not in HOP_BY_HOP]
        elif isinstance(event, h11.Data):
            chunks.append(bytes(event.data))
            size += len(event.data)
            if size > MAX_ANSWER:
                break
        elif isinstance(event, h11.EndOfMessage):
            answer.complete = True
            break
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError("the app hung up without an answer")
    answer.body = b"".join(chunks)
    return answer
