"""An app that knows nothing of us under the same control as a clone on the kit.

All of its mutable state lies in one data folder (`envsim.guest.store`). It runs on this process's only
thread, one request at a time, and while it does, the process's clock and chance are the sandbox's
(`envsim.guest.frozen`). So reset, fork and the state hash are exact for apps that keep nothing in memory
that `HostedApp.reset` does not drop.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

from envsim import rng
from envsim.content import load_entry
from envsim.guest.exchange import Message
from envsim.guest.frozen import Frozen
from envsim.guest.guest import Guest, GuestSpec, parse_clock
from envsim.guest.kit import Clone
from envsim.guest.outside import Outside
from envsim.guest.store import open_store, seeding
from envsim.guest.stored import StoreKit
from envsim.guest.wsgi import Wsgi, wsgi_to_asgi

HANG_S = 30.0
"""A request that takes longer ends the sandbox, with its stack in the log: the only thread is in it."""


def _nothing() -> None:
    """Does nothing."""


@dataclass(frozen=True)
class HostedApp:
    """What the entry of a hosted WSGI app returns.

    Attributes:
        wsgi: The app.
        login: Opens a session for an account and returns the cookies a browser would then hold; LookupError
            for an unknown one. Called by the control plane only.
        reset: Drops what the app holds in memory: caches, and what it derived from the data. Called after
            the data changed under it, and never while it answers.
        release: Closes its database connections. Called before the data changes under it.
    """

    wsgi: Wsgi
    login: Callable[[str], dict[str, str]]
    reset: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing


@dataclass
class HostedKit(StoreKit):
    """See `StoreKit`; for an app that runs in this process."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._app: HostedApp | None = None
        self._frozen = Frozen(self.now, self.draw)

    def attach(self, app: HostedApp) -> None:
        """Take over the app, once it is there."""
        self._app = app
        self.reset(seed=self.seed, bugs={})

    # -- what surrounds the app ------------------------------------------------------------------

    @contextlib.contextmanager
    def request(self, scope: Message) -> Iterator[None]:
        """Around one request: time has moved by a tick, chance is this request's, and a hang ends the process."""
        asset = self.is_asset(scope)
        self.ticks += not asset
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            with self.aside() if asset else self._frozen.held():
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()
        if scope["method"] not in ("GET", "HEAD"):
            self.settle()

    def login(self, account: str) -> dict[str, str]:
        """See `HostedApp.login`."""
        assert self._app is not None
        with self._frozen.held():
            return dict(self._app.login(account))

    def _release(self) -> None:
        if self._app is not None:
            with self.aside():
                self._app.release()

    def _drop_memory(self) -> None:
        if self._app is not None:
            with self.aside():
                self._app.reset()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """As `request`, for what is no part of the episode: no time passes, and its draws do not count."""
        kept = dict(self.counters)
        try:
            with self._frozen.held():
                yield
        finally:
            self.counters = kept


class HostedGuest(Guest):
    """See `Guest`.

    Args:
        spec: What to load.
        folder: Its folder, with the entries.
        seed: What `build_hosted_seed` wrote.
        data: Where the app works; nobody else may.
        outside: What else it can write to.
    """

    def __init__(self, spec: GuestSpec, folder: Path, seed: Path, data: Path, outside: Sequence[Path] = ()) -> None:
        hosted = spec.hosted or {}
        kit = HostedKit(
            seed,
            spec.collections(),
            epoch=parse_clock(spec.start),
            tick=timedelta(seconds=spec.tick_s),
            store=open_store(hosted["database"], seed, data),
            assets=tuple(hosted["assets"]),
            outside=Outside(outside),
        )
        with kit.aside():
            app = cast("Callable[[Path], HostedApp]", load_entry(folder, hosted["app"]))(data)
        kit.outside.own(kit.outside.names())
        kit.attach(app)
        # What was imported stays: without it, every full collection of the app's garbage walks all of Django.
        gc.collect()
        gc.freeze()
        self._open(spec, kit, Clone(wsgi_to_asgi(app.wsgi, kit.request), kit.login))


def build_hosted_seed(spec: GuestSpec, folder: Path, path: Path) -> None:
    """Fill the new folder `path` with the data every reset starts from.

    The entry runs at the spec's start time and with seeded chance, so that it writes the same bytes each time.

    Raises:
        ContentError: It wrote no database.
    """
    start = parse_clock(spec.start)
    drawn = itertools.count(1)
    frozen = Frozen(lambda: start, lambda name: rng.draw(0, "seed", name, next(drawn)))
    path.mkdir(parents=True)
    with seeding((spec.hosted or {})["database"], path, start.timestamp()), frozen.held():
        build = cast("Callable[[Path], None]", load_entry(folder, spec.seed))
        build(path)
