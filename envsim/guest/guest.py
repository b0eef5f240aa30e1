"""One clone under control: what the control plane can do to it, in any runtime.

The same `Guest` answers in the caller's own process, in a supervisor process and in a container.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from envsim import rng
from envsim.content import load_entry
from envsim.errors import ContentError
from envsim.guest import statefile
from envsim.guest.exchange import call, contained
from envsim.guest.kit import Asgi, Clone, Collection, Fired, Kit, Table
from envsim.guest.openapi import build_call
from envsim.state import StateView, apply, canonical, diff


@dataclass(frozen=True)
class GuestSpec:
    """The part of a sandbox.toml a guest needs; crosses to it as JSON."""

    name: str
    app: str
    seed: str
    tools: str | None
    start: str
    tick_s: float
    state: dict[str, dict[str, str]]
    variant: str | None = None
    hosted: dict[str, Any] | None = None

    def to_json(self) -> str:
        """JSON text that `from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    def collections(self) -> dict[str, Collection]:
        """The state view as a kit takes it."""
        return {name: Collection(**fields) for name, fields in self.state.items()}

    @classmethod
    def from_json(cls, text: str) -> GuestSpec:
        """See `to_json`."""
        return cls(**json.loads(text))


def parse_clock(text: str) -> datetime:
    """An ISO 8601 time; UTC where it names no zone.

    Raises:
        ContentError: `text` is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ContentError(f"The clock {text!r} is not an ISO 8601 time such as 2026-03-02T09:00:00+00:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def build_seed(folder: Path, entry: str, path: Path) -> None:
    """Write the seed database of the clone in `folder` to `path`."""
    build = cast("Callable[[Path], None]", load_entry(folder, entry))
    build(path)
    if not path.is_file():
        raise ContentError(f"{entry} in {folder} returned without writing the database it was given.")


class Guest:
    """A running clone and everything the control plane can do to it.

    Coroutines must not run at the same time as a request to `asgi`: the owner serialises them.

    Args:
        spec: What to load.
        folder: The clone's folder.
        seed_db: Its seed database.
    """

    kit: Kit
    asgi: Asgi

    def __init__(self, spec: GuestSpec, folder: Path, seed_db: Path) -> None:
        kit = Kit(seed_db, spec.collections(), epoch=parse_clock(spec.start), tick=timedelta(seconds=spec.tick_s))
        factory = cast("Callable[[Kit], Clone]", load_entry(folder, spec.app))
        self._open(spec, kit, factory(kit))

    def _open(self, spec: GuestSpec, kit: Kit, clone: Clone) -> None:
        self.spec, self.kit, self._clone = spec, kit, clone
        self.asgi = contained(clone.asgi)
        self._fingerprint = ""
        self._document: dict[str, Any] | None = None
        self._seed_view = self.kit.view()
        self._snapshots: dict[str, tuple[dict[str, Any], StateView, dict[str, Table]]] = {}
        self._taken = 0
        self._view = self._baseline = self._seed_view
        self._told: tuple[str, StateView] | None = None
        self._telling = 0
        # No other guest's: a client may have a view of the one that ran here before.
        self._marks = secrets.token_hex(8)
        self._view_mark: tuple[int, int] | None = self.kit.write_mark()

    def health(self) -> dict[str, Any]:
        """See `envsim.sandbox.runtime.Control`; likewise for every method below."""
        return {"app": self.spec.name, "generation": self.kit.generation, "pid": os.getpid()}

    async def reset(
        self,
        *,
        seed: int,
        bugs: Mapping[str, float],
        clock: str | None = None,
        login: str | None = None,
        setup: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, str]:
        """Seeded state -> login -> setup -> bugs on; the cookies of the signed-in session."""
        start = parse_clock(clock) if clock else None
        kit = self.kit
        self._snapshots.clear()
        if setup and self._document is None:
            # Before the reset that counts: asking for it may leave a trace, such as a guest's session.
            kit.reset(seed=0, bugs={})
            self._document = await self._load_document()
        # Login and setup draw from streams of their own and at a clock that stands still, so that
        # the episode starts on draw 1 and tick 0 whatever came before, and no token comes up twice.
        kit.reset(seed=rng.draw(seed, "setup"), bugs={}, clock=start)
        written = kit.write_mark()
        tick, kit.tick = kit.tick, timedelta(0)
        try:
            cookies = self._login(login)
            for step in setup:
                await self._setup_call(step, cookies)
        finally:
            kit.tick = tick
            kit.begin(seed=seed, bugs=bugs)
            self._set_baseline(self._seed_view if kit.write_mark() == written else kit.view())
        return cookies

    def sign_in(self, account: str) -> dict[str, str]:
        """Cookies of one more session; part of the start state, as the login of `reset` is."""
        kit = self.kit
        kept = kit.tick, kit.seed, kit.counters, kit.bugs
        written = kit.write_mark()
        # A stream per account and no time passes: the episode is the same whoever else is signed in.
        kit.tick, kit.seed, kit.counters, kit.bugs = timedelta(0), rng.draw(kit.seed, "sign in", account), {}, {}
        ticks = kit.ticks
        try:
            return self._login(account)
        finally:
            kit.tick, kit.seed, kit.counters, kit.bugs = kept
            kit.ticks = ticks
            if kit.write_mark() != written:
                self._set_baseline(kit.view())

    def state(self) -> StateView:
        """The current state view; not to be mutated."""
        mark = self.kit.write_mark()
        if mark != self._view_mark:
            self._view, self._view_mark = self.kit.view(), mark
        return self._view

    def state_since(self, known: str | None) -> dict[str, Any]:
        """The state view as what changed in one that the caller has: so that not all of it crosses a socket.

        Args:
            known: ``mark`` of an earlier answer; None, or of any but the last, for the whole view.

        Returns:
            ``mark``, and ``delta`` (see `envsim.state.diff`) or ``view``.
        """
        before, now = self._told, self.state()
        self._telling += 1
        mark = f"{self._marks}-{self._telling}"
        self._told = (mark, now)
        if before is None or before[0] != known:
            return {"mark": mark, "view": now}
        return {"mark": mark, "delta": diff(before[1], now)}

    def seed_view(self) -> StateView:
        """The state view of the seed database; not to be mutated."""
        return self._seed_view

    def changes(self) -> tuple[list[list[Any]], list[Fired]]:
        """State delta and events since the last reset, restore or call of this."""
        before, now = self._baseline, self.state()
        self._baseline = now
        return ([] if before is now else diff(before, now)), self.kit.drain_events()

    def hash(self) -> str:
        """SHA-256 over everything a reset must undo."""
        return self.kit.state_hash()

    def snapshot(self) -> str:
        """Keep the current state; an id for `restore`."""
        self._taken += 1
        name = f"s{self._taken}"
        self._snapshots[name] = (self.kit.snapshot(), self.state(), self.kit.tables())
        return name

    def restore(self, snapshot_id: str) -> None:
        """Return to a snapshot."""
        if snapshot_id not in self._snapshots:
            known = ", ".join(self._snapshots) or "none"
            raise ContentError(
                f"There is no snapshot {snapshot_id!r} since the last reset. Snapshots: {known}; take one first."
            )
        saved, view, tables = self._snapshots[snapshot_id]
        self.kit.restore(saved)
        self.kit.adopt(tables)
        self._set_baseline(view)

    def export(self) -> bytes:
        """The whole mutable state; see `envsim.guest.statefile`."""
        saved = self.kit.snapshot()
        # What differs from the seed is little: the view need not be queried again where this is loaded.
        meta = {"kit": saved.pop("meta"), "since_seed": diff(self._seed_view, self.state())}
        return statefile.pack(self.spec.name, self._kin(), meta, saved)

    def load(self, data: bytes) -> None:
        """Take over an exported state; snapshots taken before are forgotten."""
        meta, parts = statefile.unpack(data, self.spec.name, self._kin())
        self._snapshots.clear()
        self.kit.restore({**parts, "meta": meta["kit"]})
        self._baseline = apply(self._seed_view, meta["since_seed"])
        # Equal to the baseline, but in the order of the database, which queries over it may depend on.
        self._view_mark = None

    def close(self) -> None:
        """Close the databases; safe to call twice."""
        self.kit.close()

    def _kin(self) -> str:
        """What sandboxes must share to take over each other's states: their spec and their seed data."""
        if not self._fingerprint:
            self._fingerprint = statefile.fingerprint(self.spec.to_json(), canonical(self._seed_view))
        return self._fingerprint

    # -- parts of reset ------------------------------------------------------------------------

    def _set_baseline(self, view: StateView) -> None:
        self._view = self._baseline = view
        self._view_mark = self.kit.write_mark()

    def _login(self, account: str | None) -> dict[str, str]:
        if account is None:
            return {}
        try:
            return dict(self._clone.login(account))
        except (LookupError, ValueError):
            raise ContentError(f"{self.spec.name} has no account {account!r}; name one of its seed data.") from None

    async def _load_document(self) -> dict[str, Any]:
        if self.spec.tools is None:
            raise ContentError(f"{self.spec.name} offers no tools, so it takes no setup calls. Remove them.")
        status, body = await call(self.asgi, "GET", self.spec.tools)
        try:
            document = json.loads(body) if status == 200 else None
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ContentError(
                f"{self.spec.name} serves no OpenAPI document at {self.spec.tools} (status {status}). "
                "Correct `tools` in its sandbox.toml."
            )
        return document

    async def _setup_call(self, step: Mapping[str, Any], cookies: dict[str, str]) -> None:
        name = step["tool"]
        try:
            method, target, headers, body = build_call(self._document or {}, name, step["arguments"])
        except ValueError as error:
            raise ContentError(f"Setup: {error}. Correct the call.") from None
        if cookies:
            headers = (*headers, ("cookie", "; ".join(f"{key}={value}" for key, value in cookies.items())))
        status, answer = await call(self.asgi, method, target, headers, body)
        if status >= 400:
            text = answer.decode("utf-8", "replace")[:200]
            raise ContentError(f"Setup: {name}() was refused with status {status}: {text} Correct the call.")
