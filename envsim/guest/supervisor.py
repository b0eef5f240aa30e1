"""Runs one clone in a process of its own: ``python -m envsim.guest.supervisor``.

In the given directory, ``app.sock`` serves the app and ``control.sock`` its control plane: JSON over
HTTP (exported states as they are), one path per method of `envsim.sandbox.runtime.Control`. Nothing
listens anywhere else.

An owner holds a *lease*, an open ``GET /lease``. When nobody has held one for some seconds the
supervisor exits, so a sandbox never outlives an owner that was killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, EnvsimError
from envsim.guest.exchange import Message, Receive, Send
from envsim.guest.guest import Guest, GuestSpec
from envsim.guest.load import open_guest, write_seed
from envsim.guest.serve import make_server, one_at_a_time, read_body

APP_SOCKET = "app.sock"
CONTROL_SOCKET = "control.sock"
DATA = Path("/state")
"""Where a hosted app keeps its state in a container."""
MAX_STATE = 256 * 1024 * 1024
"""Longest exported state that crosses the control plane, in bytes."""

log = logging.getLogger("envsim.guest")


class Lease:
    """Knows since when nobody has held the sandbox."""

    def __init__(self, grace_s: float, lease_s: float) -> None:
        self._held = 0
        self._free_at = float("inf")
        self._grace_s = grace_s
        self._lease_s = lease_s

    def offer(self) -> None:
        """From now on it can be taken: an owner that lives takes it at once."""
        self._free_at = time.monotonic() + self._grace_s

    async def hold(self, receive: Receive, send: Send) -> None:
        """Answer at once and keep the exchange open until the owner hangs up."""
        self._held += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"held\n", "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self._held -= 1
            self._free_at = time.monotonic() + self._lease_s

    async def expired(self) -> None:
        """Return when the lease has run out."""
        while self._held or time.monotonic() < self._free_at:
            await asyncio.sleep(min(0.5, self._lease_s / 4))


class ControlApp:
    """The control plane as an ASGI app."""

    def __init__(self, guest: Guest, lease: Lease, lock: asyncio.Lock) -> None:
        self._guest = guest
        self._lease = lease
        self._lock = lock
        self._operations: dict[tuple[str, str], Callable[[dict[str, Any]], Awaitable[Any]]] = {
            ("GET", "/health"): self._call(lambda request: guest.health()),
            ("GET", "/state"): self._call(lambda request: guest.state()),
            ("POST", "/state"): self._call(lambda request: guest.state_since(**request)),
            ("GET", "/seed_view"): self._call(lambda request: guest.seed_view()),
            ("GET", "/hash"): self._call(lambda request: guest.hash()),
            ("POST", "/reset"): lambda request: guest.reset(**request),
            ("POST", "/sign_in"): self._call(lambda request: guest.sign_in(**request)),
            ("POST", "/changes"): self._changes,
            ("POST", "/snapshot"): self._call(lambda request: guest.snapshot()),
            ("POST", "/restore"): self._call(lambda request: guest.restore(**request)),
            ("GET", "/export"): self._call(lambda request: guest.export()),
        }
        self._binary: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("POST", "/load"): guest.load,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one control request; 422 with ``{"error"}`` where the request is at fault."""
        if scope["path"] == "/lease":
            await self._lease.hold(receive, send)
            return
        route = (scope["method"], scope["path"])
        body = await read_body(receive, MAX_STATE)
        if body is None or not (route in self._operations or route in self._binary):
            await _answer(send, 404, {"error": f"no operation {scope['method']} {scope['path']}"})
            return
        try:
            async with self._lock:
                if route in self._binary:
                    value = self._binary[route](body)
                else:
                    value = await self._operations[route](json.loads(body or b"{}"))
        except (ContentError, TypeError, json.JSONDecodeError) as error:
            await _answer(send, 422, {"error": str(error)})
        except Exception as error:
            log.exception("control operation %s failed", scope["path"])
            await _answer(send, 500, {"error": f"{type(error).__name__}: {error}"})
        else:
            await _answer(send, 200, value)

    def _call(self, function: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Awaitable[Any]]:
        async def call(request: dict[str, Any]) -> Any:
            return function(request)

        return call

    async def _changes(self, request: dict[str, Any]) -> dict[str, Any]:
        delta, events = self._guest.changes()
        return {"delta": delta, "events": events}


async def _answer(send: Send, status: int, value: Any) -> None:
    binary = isinstance(value, bytes)
    body = value if binary else json.dumps(value, ensure_ascii=False).encode()
    kind = b"application/octet-stream" if binary else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def supervise(guest: Guest, directory: Path, lease: Lease) -> None:
    """Serve `guest` in `directory` until SIGTERM or the end of the lease."""
    lock = asyncio.Lock()
    control = ControlApp(guest, lease, lock)
    app = make_server(one_at_a_time(guest.asgi, lock), socket=str(directory / APP_SOCKET))
    plane = make_server(control, socket=str(directory / CONTROL_SOCKET))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(app.serve())]
    while not app.started:
        await asyncio.sleep(0.001)
    lease.offer()
    # Last, because an answering control plane means that all of it is up.
    tasks.append(asyncio.create_task(plane.serve()))
    tasks += [asyncio.create_task(stop.wait()), asyncio.create_task(lease.expired())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    log.warning("stopping: %s", "asked to" if stop.is_set() else "no owner holds the lease")


def main() -> None:
    """Parse the command line, load the clone, serve it."""
    parser = argparse.ArgumentParser(prog="envsim.guest.supervisor", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="GuestSpec as a JSON file")
    parser.add_argument("--folder", type=Path, required=True, help="the clone's folder")
    parser.add_argument("--seed-db", type=Path, required=True, help="its seed: a database, or a hosted app's folder")
    parser.add_argument("--build-seed", action="store_true", help="write the seed and exit")
    parser.add_argument("--as", type=int, dest="user", help="user and group id that the seed is built as")
    parser.add_argument("--data", type=Path, default=DATA, help="where a hosted app keeps its state")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="what else a hosted app can write to")
    parser.add_argument("--directory", type=Path, help="where the sockets go")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds it stays up without an owner")
    parser.add_argument("--grace", type=float, default=60.0, help="seconds an owner has to show up once it is healthy")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    spec = GuestSpec.from_json(args.spec.read_text(encoding="utf-8"))
    if args.build_seed:
        if args.user is not None:
            # Not by a Dockerfile's USER: a folder declared as a volume changes hands for one build step only.
            os.setgroups([])
            os.setgid(args.user)
            os.setuid(args.user)
        try:
            write_seed(spec, args.folder, args.seed_db, args.data)
        except (EnvsimError, subprocess.CalledProcessError) as error:
            sys.exit(f"error: {error}")
        return
    lease = Lease(args.grace, args.lease)
    guest = open_guest(spec, args.folder, args.seed_db, args.data, args.outside)
    asyncio.run(_run(guest, args.directory, lease))


async def _run(guest: Guest, directory: Path, lease: Lease) -> None:
    await supervise(guest, directory, lease)
    # All state is in memory: there is nothing to save, and open connections are not worth a wait.
    for name in (APP_SOCKET, CONTROL_SOCKET):
        (directory / name).unlink(missing_ok=True)
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
