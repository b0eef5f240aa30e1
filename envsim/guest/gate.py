"""The way to a sandbox whose sockets cannot be shared with its owner: ``python3 gate.py --digest HEX``.

It runs in a container of its own, beside the app's, which keeps having no network: all that the two share is the
folder of the sockets. A connection to its one port begins with a line, and only then is anything done:

- ``open TOKEN NAME``: bytes go to and from the unix socket NAME, if the token is right. Else it is closed.
- ``prove NONCE``: answered with a MAC, so that an owner knows whom it is about to tell the token, in the next line.

The gate knows the token's SHA-256 only: neither its command line nor anything else here can open it. When nobody
has come with the token for some seconds it exits, as the sandbox behind it does.

Standard library only, and nothing else of envsim: with `pipe` it is all that is in its image.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import os
import signal
import socket
import stat
import time
from pathlib import Path

PORT = 8000
"""Where it listens, inside."""
SOCKETS = ("app.sock", "control.sock")
LINE_S = 10.0
"""Longest wait for the first line, in seconds."""
REST_S = 60.0
"""How long the answer of a peer may go on after the other side has finished sending, in seconds."""
CHUNK = 65_536
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""An owner whose machine is switched off is found to be gone after half a minute."""


def digest_of(token: str) -> str:
    """What a gate knows of its token (hex)."""
    return hashlib.sha256(token.encode()).hexdigest()


def opening(token: str, name: str) -> bytes:
    """The first line of a connection to the socket called `name`."""
    return f"open {token} {name}\n".encode()


def challenge(nonce: str) -> bytes:
    """The first line of a connection that asks for a proof."""
    return f"prove {nonce}\n".encode()


def proof_of(digest: str, nonce: str) -> bytes:
    """What only the gate with this digest answers to the challenge."""
    return hmac.digest(bytes.fromhex(digest), nonce.encode(), "sha256").hex().encode() + b"\n"


class Gate:
    """One gate.

    Args:
        digest: See `digest_of`.
        directory: Where the sockets are.
        grace_s: How long an owner has to show up at first, in seconds.
        lease_s: How long it stays up without one later, in seconds.
    """

    def __init__(self, digest: str, directory: Path, grace_s: float, lease_s: float) -> None:
        self._digest = digest
        self._directory = directory
        self._lease_s = lease_s
        self._held = 0
        self._free_at = time.monotonic() + grace_s

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            _keep_alive(writer.get_extra_info("socket"))
            words = await _line(reader)
            if len(words) == 2 and words[0] == "prove":
                writer.write(proof_of(self._digest, words[1]))
                await writer.drain()
                words = await _line(reader)
            if len(words) == 3 and words[0] == "open" and self._is_right(words[1]) and words[2] in SOCKETS:
                await self._pass(words[2], reader, writer)
        except (OSError, ValueError):  # either side may hang up at any time; a line may have no end
            pass
        finally:
            writer.close()

    async def expired(self) -> None:
        """Return when nobody holds it any more."""
        while self._held or time.monotonic() < self._free_at:
            await asyncio.sleep(0.5)

    def _is_right(self, token: str) -> bool:
        return hmac.compare_digest(digest_of(token), self._digest)

    async def _pass(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._held += 1
        try:
            near = _connect(self._directory / name)
            inner_reader, inner_writer = await asyncio.open_connection(sock=near)
            try:
                sent = asyncio.create_task(_copy(reader, inner_writer))
                answered = asyncio.create_task(_copy(inner_reader, writer))
                await asyncio.wait([sent, answered], return_when=asyncio.FIRST_COMPLETED)
                # The app closing ends the exchange; a client that has only finished sending does not.
                await asyncio.wait([answered], timeout=REST_S)
                for task in (sent, answered):
                    task.cancel()
                await asyncio.gather(sent, answered, return_exceptions=True)
            finally:
                inner_writer.close()
        finally:
            self._held -= 1
            self._free_at = time.monotonic() + self._lease_s


def _connect(path: Path) -> socket.socket:
    """Connect to the socket at `path`, and not to what a link there may lead to: the app can put one."""
    near = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(handle).st_mode):
            raise ConnectionRefusedError(f"{path} is not a socket")
        near.settimeout(LINE_S)
        near.connect(f"/proc/self/fd/{handle}")
        near.setblocking(False)
    except BaseException:
        near.close()
        raise
    finally:
        os.close(handle)
    return near


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def _line(reader: asyncio.StreamReader) -> list[str]:
    async with asyncio.timeout(LINE_S):
        return (await reader.readline()).decode("ascii", "replace").split()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def serve(gate: Gate, port: int) -> None:
    """Serve until SIGTERM, or until nobody holds it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with await asyncio.start_server(gate.accept, "0.0.0.0", port, limit=CHUNK):  # noqa: S104 -- of its own container
        ends = [asyncio.create_task(stop.wait()), asyncio.create_task(gate.expired())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        os._exit(0)  # what is still open has nobody to wait for


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="gate.py", description=__doc__)
    parser.add_argument("--digest", required=True, help="SHA-256 (hex) of the token")
    parser.add_argument("--directory", type=Path, default=Path("/run/envsim"), help="where the sockets are")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--grace", type=float, default=120.0, help="seconds an owner has to show up at first")
    parser.add_argument("--lease", type=float, default=30.0, help="seconds it stays up without one later")
    args = parser.parse_args()
    asyncio.run(serve(Gate(args.digest, args.directory, args.grace, args.lease), args.port))


if __name__ == "__main__":
    main()
