"""A loopback port for something that has none: an app behind a unix socket or a gate, or an ASGI app in this process.

Only the app is ever forwarded.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from envsim.errors import SandboxError
from envsim.guest.kit import Asgi
from envsim.guest.serve import make_server
from envsim.page.sockets import Address

CHUNK = 65_536
READY_S = 10.0
CONNECT_S = 2.0


class Forwarder:
    """Runs a loopback listener on a thread of its own until closed.

    Args:
        target: An address to relay bytes to, or an ASGI app to serve.

    Raises:
        SandboxError: No port is to be had.
    """

    def __init__(self, target: Address | Asgi) -> None:
        self._target = target
        try:
            # Port 0: the system picks one that is free.
            self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        except OSError as error:
            raise SandboxError(f"There is no loopback port: {error.strerror}. Close sandboxes that are done.") from None
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"forward {self.url}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and drop every connection; safe to call twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(READY_S)
        self._socket.close()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._relay() if isinstance(self._target, Address) else self._serve())
            self._loop.run_until_complete(_end_tasks())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _serve(self) -> None:
        assert not isinstance(self._target, Address)
        server = make_server(self._target)
        task = asyncio.create_task(server.serve(sockets=[self._socket]))
        await self._stop.wait()
        server.should_exit = server.force_exit = True
        await task

    async def _relay(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                await self._connect(reader, writer)
            except (OSError, asyncio.CancelledError):
                pass  # either side may hang up at any time
            finally:
                connections.discard(task)
                writer.close()

        server = await asyncio.start_server(accept, sock=self._socket)
        await self._stop.wait()
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(self._target, Address)
        inner = self._target.connect(CONNECT_S)
        inner_reader, inner_writer = await asyncio.open_connection(sock=inner)
        try:
            ways = [_copy(reader, inner_writer), _copy(inner_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            # The app closing ends the exchange; a browser that has only finished sending does not.
            await asyncio.wait([tasks[1]])
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            inner_writer.close()


async def _end_tasks() -> None:
    """Cancel what still runs, so that nothing is left that holds a lock or a socket."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)  # transports close their sockets one turn later


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
