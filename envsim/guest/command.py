"""An app in any language under the same control as a clone on the kit: a process of its own behind a relay.

Its state lies in one data folder (`envsim.guest.store`), its clock is libfaketime's (`envsim.guest.faketime`). What it
keeps in memory, its randomness included, a reset can only undo by starting it again: ``restart = true``.

Runs in containers only: commands, ports and packages need a system of their own.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from envsim import rng
from envsim.content import load_entry
from envsim.errors import SandboxError
from envsim.guest.command_child import Child
from envsim.guest.exchange import Message, Receive, Send, drive
from envsim.guest.faketime import Faketime
from envsim.guest.guest import Guest, GuestSpec, parse_clock
from envsim.guest.kit import Clone
from envsim.guest.outside import Outside
from envsim.guest.postgres import client_environment
from envsim.guest.relay import Address, Answer, exchange
from envsim.guest.serve import read_body
from envsim.guest.store import open_store, seeding
from envsim.guest.stored import StoreKit
from envsim.guest.visit import Visit

HANG_S = 9.0
"""A request that takes longer is answered 504 and ends the app, before its client gives up at ten seconds."""
CLOCK = Path("/tmp/envsim-clock")  # noqa: S108 -- in a container of its own, and no part of the app's state

log = logging.getLogger("envsim.guest")


Login = Callable[[Visit, str], None]
"""Signs an account in; LookupError for one that is unknown. The cookies of the visit are the session's."""


@dataclass
class CommandKit(StoreKit):
    """See `StoreKit`; for an app that is a process of its own."""

    child: Child = field(kw_only=True)
    address: Address = field(kw_only=True)
    faketime: Faketime | None = field(kw_only=True)
    restart: bool = field(kw_only=True)
    sign_in: Login | None = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._loop = asyncio.new_event_loop()
        self._tell_time()

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """The app as an ASGI one."""
        body = await read_body(receive)
        if body is None:
            raise ConnectionResetError
        self.ticks += not self.is_asset(scope)
        self._tell_time()
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        answer = await self._ask(scope["method"], target, scope["headers"], body)
        if scope["method"] not in ("GET", "HEAD"):
            self.settle()
        await _send(answer, scope["method"], send)

    async def ready(self) -> None:
        """Start the app, unless it runs, and wait until it listens.

        Raises:
            SandboxError: It cannot be started.
        """
        if self.child.alive():
            await self.child.ready()
            return
        self.outside.forget()
        before = self.outside.names()
        # From what the episode has come to, so that every return to a state goes on alike.
        chance = rng.draw(self.seed, "process", self.ticks) if self.restart else None
        self.child.start(self.faketime.environment(chance) if self.faketime else {})
        await self.child.ready()
        self.outside.own(self.outside.names() - before)

    def login(self, account: str) -> dict[str, str]:
        """Cookies of a new session.

        Raises:
            LookupError: The app has no such account, or no way to sign in was declared.
        """
        if self.sign_in is None:
            raise LookupError(account)
        self._drop_memory()  # its chance is this session's
        self._tell_time()
        drive(self._loop, self.ready())
        visit = Visit(self.address)
        try:
            self.sign_in(visit, account)
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"the app failed while {account} was signed in: {error!r}") from None
        except ValueError as error:
            log.warning("%s could not be signed in: %s", account, error)
            raise
        self._drop_memory()
        return visit.cookies

    def close(self) -> None:
        """See `Kit.close`."""
        self.child.stop()
        super().close()
        self._loop.close()

    def _release(self) -> None:
        # Not only to forget: a program may have the database open in ways that no lock shows.
        self._drop_memory()

    def _drop_memory(self) -> None:
        if self.restart:
            self.child.stop()
            self.outside.forget()

    def _tell_time(self) -> None:
        if self.faketime is not None:
            self.faketime.set(self.now())

    async def _ask(self, method: str, target: bytes, headers: Any, body: bytes) -> Answer:
        """What the app answers; in the place of one that cannot, what a proxy in front of it would."""
        try:
            await self.ready()
        except SandboxError as error:
            # It ran, and now it cannot be started: nobody may take what it would answer for the app's own.
            log.error("%s", error)
            logging.shutdown()
            os._exit(1)
        try:
            async with asyncio.timeout(HANG_S):
                return await exchange(self.address, method, target, headers, body)
        except TimeoutError:
            log.error("no answer to %s %s within %.0f s; the app is ended", method, target.decode("latin-1"), HANG_S)
            self.child.stop()
            return _plain(504, "Gateway Timeout")
        except OSError as error:
            await asyncio.sleep(0.02)  # a dying process closes its connections before it can be reaped
            log.error("no answer to %s %s: %s; it %s", method, target.decode("latin-1"), error, self.child.ending())
            return _plain(502, "Bad Gateway")


def _plain(status: int, text: str) -> Answer:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    return Answer(status, headers, body, complete=True)


async def _send(answer: Answer, method: str, send: Send) -> None:
    """Pass an answer on, with a length; one that was cut short is cut short again."""
    headers = answer.headers
    empty = method == "HEAD" or answer.status in (204, 304)
    if not empty and answer.complete and not any(name == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": not answer.complete})
    if not answer.complete:
        raise ConnectionResetError


class CommandGuest(Guest):
    """See `Guest`.

    Args:
        spec: What to load.
        folder: Its folder, with the entries.
        seed: What `build_command_seed` wrote.
        data: Where the app works; nobody else may.
        outside: What else it can write to.

    Raises:
        SandboxError: The app does not start.
    """

    def __init__(self, spec: GuestSpec, folder: Path, seed: Path, data: Path, outside: Sequence[Path] = ()) -> None:
        hosted = spec.hosted or {}
        start = parse_clock(spec.start)
        faketime = Faketime(CLOCK, start) if hosted["clock"] == "frozen" else None
        timed = faketime.environment() if faketime else {}
        address: Address = data / hosted["socket"] if hosted["socket"] else hosted["port"]
        login = cast("Login", load_entry(folder, hosted["login"])) if hosted["login"] else None
        kit = CommandKit(
            seed,
            spec.collections(),
            epoch=start,
            tick=timedelta(seconds=spec.tick_s),
            store=open_store(hosted["database"], seed, data, timed),
            assets=tuple(hosted["assets"]),
            outside=Outside(outside),
            child=_child(hosted, folder, data, address, faketime),
            address=address,
            faketime=faketime,
            restart=hosted["restart"],
            sign_in=login,
        )
        try:
            asyncio.run(kit.ready())
            kit.reset(seed=0, bugs={})
        except BaseException:
            kit.child.stop()
            kit.store.close()
            raise
        self._open(spec, kit, Clone(kit.serve, kit.login))

    async def reset(self, **request: Any) -> dict[str, str]:
        """See `Guest.reset`. The app runs when it returns: its start is no part of the first step."""
        cookies = await super().reset(**request)
        kit = cast("CommandKit", self.kit)
        kit._tell_time()
        await kit.ready()
        return cookies


def build_command_seed(spec: GuestSpec, folder: Path, path: Path, data: Path) -> None:
    """Fill the new folder `path` with what every reset starts from.

    The entry works in `data`, the very place where the app will find its state, and may start from what lies there.

    Raises:
        ContentError: It made no database.
    """
    hosted, start = spec.hosted or {}, parse_clock(spec.start)
    build = cast("Callable[[Path], None]", load_entry(folder, spec.seed))
    data.mkdir(parents=True, exist_ok=True)
    faketime = Faketime(CLOCK, start) if hosted["clock"] == "frozen" else None
    # For what the entry starts; this process itself keeps the machine's time.
    timed = faketime.environment(rng.draw(0, "seed")) if faketime else {}
    with seeding(hosted["database"], data, start.timestamp(), timed) as found:
        kept, cwd = dict(os.environ), Path.cwd()
        os.environ |= {**_variables(hosted, folder, data, faketime), **found, **timed}
        os.chdir(_workdir(hosted, folder))
        try:
            build(data)
        finally:
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(kept)
    shutil.copytree(data, path, symlinks=True)


def _variables(hosted: Mapping[str, Any], folder: Path, data: Path, faketime: Faketime | None) -> dict[str, str]:
    """What an app finds in its environment beside what its image sets."""
    own = hosted["environment"]
    modules = [own.get("PYTHONPATH", str(folder)), *([str(faketime.python_path)] if faketime else [])]
    variables = {"DATA": str(data), "HOME": "/tmp", "TZ": "UTC"}  # noqa: S108
    if hosted["port"]:
        variables["PORT"] = str(hosted["port"])
    if hosted["database"] == "postgres":
        variables |= client_environment(data)
    variables |= {name: _fill(value, hosted, data) for name, value in own.items()}
    return variables | {"PYTHONPATH": ":".join(modules)}


def _child(hosted: Mapping[str, Any], folder: Path, data: Path, address: Address, faketime: Faketime | None) -> Child:
    command = [_fill(part, hosted, data) for part in hosted["command"]]
    return Child(command, _workdir(hosted, folder), address, _variables(hosted, folder, data, faketime))


def _workdir(hosted: Mapping[str, Any], folder: Path) -> Path:
    return Path(hosted["workdir"] or folder)


def _fill(text: str, hosted: Mapping[str, Any], data: Path) -> str:
    """``{data}``, ``{port}`` and ``{socket}`` in what was declared."""
    address = str(data / hosted["socket"]) if hosted["socket"] else ""
    return text.replace("{data}", str(data)).replace("{port}", str(hosted["port"] or "")).replace("{socket}", address)
