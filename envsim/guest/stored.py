"""A `Kit` whose rows lie in a `Store`: what apps that know nothing of us have in common.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from envsim.guest.exchange import Message
from envsim.guest.kit import Kit, Table
from envsim.guest.outside import PREFIX, Outside
from envsim.guest.store import Store


@dataclass
class StoreKit(Kit):
    """The mutable world of an app that keeps its state in a `Store`, and whatever else in its own memory.

    A snapshot drops that memory, so that whoever goes on and whoever returns to it go on alike.
    """

    store: Store = field(kw_only=True)
    assets: tuple[str, ...] = field(default=(), kw_only=True)
    """Beginnings of targets of which a GET moves neither clock nor chance."""
    outside: Outside = field(default_factory=Outside, kw_only=True)

    def __post_init__(self) -> None:
        self._tables = {}
        self._start = self.epoch

    def is_asset(self, scope: Message) -> bool:
        """Whether a request is one that browsers make on behalf of a page; see `assets`."""
        query = scope["query_string"].decode("latin-1")
        target = f"{scope['path']}?{query}" if query else scope["path"]
        return scope["method"] in ("GET", "HEAD") and target.startswith(self.assets)

    # -- lifecycle ---------------------------------------------------------------------------

    def reset(self, *, seed: int, bugs: Mapping[str, float], clock: datetime | None = None) -> None:
        """See `Kit.reset`."""
        self._release()
        self.store.reset()
        self.outside.reset()
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
        return {**self.store.dump(), **self.outside.dump(), "meta": self._dump_meta()}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """See `Kit.restore`."""
        outside = {name: part for name, part in snapshot.items() if name.startswith(PREFIX)}
        self.outside.check(outside)
        self._release()
        self.store.load({name: part for name, part in snapshot.items() if name != "meta" and name not in outside})
        self.outside.load(outside)
        self._load_meta(snapshot["meta"])
        self._drop_memory()

    def close(self) -> None:
        """See `Kit.close`."""
        self._release()
        self.store.close()

    def settle(self) -> None:
        """After a request that may have written: give what it wrote the app's own time."""
        moment = self.now().timestamp()
        self.store.settle(moment)
        self.outside.settle(moment)

    def _release(self) -> None:
        """Make the app let go of the store, before it changes under it."""

    def _drop_memory(self) -> None:
        """Make the app forget what it holds in memory, after the store changed under it."""

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
        return hashlib.sha256(self.store.digest().encode() + self.outside.digest() + self._hash_meta()).hexdigest()
