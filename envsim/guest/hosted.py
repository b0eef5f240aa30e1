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
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from envsim import rng
from envsim.content import load_entry
from envsim.guest.exchange import Message
from envsim.guest.frozen import Frozen
from envsim.guest.guest import Guest, GuestSpec, parse_clock
from envsim.guest.kit import Clone, Kit, Table
from envsim.guest.store import Store, finish_seed, open_store
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
class HostedKit(Kit):
    """The mutable world of a hosted app: a `Kit` whose rows lie in a `Store` and whose cache is the app's own memory.

    A snapshot drops that memory, so that whoever goes on and whoever returns to it go on alike.
    """

    store: Store = field(kw_only=True)
    assets: tuple[str, ...] = field(default=(), kw_only=True)
    """Beginnings of paths of which a request moves neither clock nor chance."""

    def __post_init__(self) -> None:
        self._tables = {}
        self._app: HostedApp | None = None
        self._frozen = Frozen(self.now, self.draw)
        self._start = self.epoch

    def attach(self, app: HostedApp) -> None:
        """Take over the app, once it is there."""
        self._app = app
        self.reset(seed=self.seed, bugs={})

    # -- lifecycle ---------------------------------------------------------------------------

    def reset(self, *, seed: int, bugs: Mapping[str, float], clock: datetime | None = None) -> None:
        """See `Kit.reset`."""
        self._release()
        self.store.reset()
        self._start = clock or self.epoch
        self.generation += 1
        self.begin(seed=seed, bugs=bugs)

    def begin(self, *, seed: int, bugs: Mapping[str, float]) -> None:
        """See `Kit.begin`."""
        super().begin(seed=seed, bugs=bugs)
        self._drop_memory()

    def snapshot(self) -> dict[str, Any]:
        """See `Kit.snapshot`."""
        self._drop_memory()
        return {**self.store.dump(), "meta": self._dump_meta()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """See `Kit.restore`."""
        self._release()
        self.store.load({name: part for name, part in snapshot.items() if name != "meta"})
        self._load_meta(snapshot["meta"])
        self._drop_memory()

    def close(self) -> None:
        """See `Kit.close`."""
        self._release()
        self.store.close()

    # -- what surrounds the app ------------------------------------------------------------------

    @contextlib.contextmanager
    def request(self, scope: Message) -> Iterator[None]:
        """Around one request: time has moved by a tick, chance is this request's, and a hang ends the process."""
        asset = scope["path"].startswith(self.assets)
        self.ticks += not asset
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            with self.aside() if asset else self._frozen.held():
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()
        if scope["method"] not in ("GET", "HEAD"):
            self.store.settle(self.now().timestamp())

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

    # -- what the control plane uses -------------------------------------------------------------

    def adopt(self, tables: Mapping[str, Table]) -> None:
        """See `Kit.adopt`. Who writes to the store is not known, so all of it is read again."""
        self._tables = dict(tables)

    def _outdated(self) -> list[str]:
        return list(self.collections)

    def _query(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        return self.store.query(sql)

    def write_mark(self) -> tuple[int, int]:
        """See `Kit.write_mark`."""
        return (self.generation, self.store.mark())

    def state_hash(self) -> str:
        """See `Kit.state_hash`. What the app holds in memory is not seen."""
        return hashlib.sha256(self.store.digest().encode() + self._hash_meta()).hexdigest()


class HostedGuest(Guest):
    """See `Guest`.

    Args:
        spec: What to load.
        folder: Its folder, with the entries.
        seed: What `build_hosted_seed` wrote.
        data: Where the app works; nobody else may.
    """

    def __init__(self, spec: GuestSpec, folder: Path, seed: Path, data: Path) -> None:
        hosted = spec.hosted or {}
        kit = HostedKit(
            seed,
            spec.collections(),
            epoch=parse_clock(spec.start),
            tick=timedelta(seconds=spec.tick_s),
            store=open_store(hosted["database"], seed, data),
            assets=tuple(hosted["assets"]),
        )
        with kit.aside():
            app = cast("Callable[[Path], HostedApp]", load_entry(folder, hosted["app"]))(data)
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
    with frozen.held():
        build = cast("Callable[[Path], None]", load_entry(folder, spec.seed))
        build(path)
    finish_seed((spec.hosted or {})["database"], path, start.timestamp())
