"""What a row is to whoever looks at it: its times where they are, and the rows that join the two.

::

    each.created_at in login>members.zone       a time, by the clock of a zone that a row names
    each.mine votes post  each.mine votes post.value      the row "anna post 7" of votes, for the row 7 and anna
    url.1.mine joined     the same of what the address names

Times are kept as UTC, and shown as the clock on the wall tells them, of the account or of the place a row is about.
Which hour that is comes from the time zone database of this machine; without one, such times are only remembered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from envsim.state import StateView
from envsim.types import JsonValue
from worldmodel.rules.joins import handles_of, joined_with
from worldmodel.rules.relations import Relations
from worldmodel.rules.times import read_time

MOST_ZONES = 3
MOST_FLAGS = 40
"""Counts of rows with a flag."""
_ZONE = re.compile(r"[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z_-]+){1,2}")


def _zones(values: Mapping[str, JsonValue]) -> tuple[tuple[str, str], ...]:
    """(name, zone) of what is a time zone, of equal ones the plainest name."""
    found: dict[str, str] = {}
    texts = ((name, value) for name, value in values.items() if isinstance(value, str) and "/" in value)
    for name, value in texts:
        nearer = value not in found or len(name) < len(found[value])
        if nearer and _ZONE.fullmatch(value) and _zone(value) is not None:
            found[value] = name
    return tuple((name, zone) for zone, name in found.items())[:MOST_ZONES]


def _local_times(values: Mapping[str, JsonValue], zones: tuple[tuple[str, str], ...]) -> dict[str, JsonValue]:
    """The times among `values` by the clocks of `zones`."""
    if not zones:
        return {}
    times = ((name, value) for name, value in values.items() if isinstance(value, str) and value[-1:] == "Z")
    return {
        f"{name} in {called}": local
        for name, value in times
        for called, zone in zones
        if (local := _local(value, zone)) is not None
    }


@dataclass(frozen=True)
class Viewer:
    """Who looks: the zones that are known besides those of rows, and what rows of others call the account.

    Rows that name the account by its own key belong to it in ways that sums and lists find; where apps call people by
    a handle, these find nothing, and the names of this module are all there is.
    """

    zones: tuple[tuple[str, str], ...] = ()
    handles: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, JsonValue], relations: Relations) -> Viewer:
        """Who looks at an answer of which `values` are known."""
        return cls(_zones(values), handles_of(values, relations)[1:])

    def beside(
        self, values: Mapping[str, JsonValue], name: str, key: str, state: StateView, relations: Relations
    ) -> dict[str, JsonValue]:
        """More names for a row, or for an answer, of which `values` are known.

        Args:
            values: By name.
            name: What the names of rows that join begin with.
            key: Of the row.
            state: Where they are looked for.
            relations: Of its collections.
        """
        zones = tuple(dict.fromkeys([*_zones(values), *self.zones]))
        return _local_times(values, zones) | joined_with(name, key, self.handles, state, relations)


@lru_cache(maxsize=65536)
def _local(value: str, zone: str) -> str | None:
    time, clock = read_time(value), _zone(zone)
    if time is None or clock is None:
        return None
    try:
        return datetime.fromtimestamp(time[0], UTC).astimezone(clock).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return None  # the last day of the year 9999 stands for "never", and has no morning after


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def flags(state: StateView, collection: str, relations: Relations) -> list[str]:
    """Fields of a collection that are 0 in some rows, 1 in others, and no other number, text or truth in any."""
    table = state.get(collection)
    if not isinstance(table, dict):
        return []
    known = relations.index.kept(table)
    if "flags" not in known:
        values: dict[str, set[JsonValue]] = {}
        for field, kind, value in relations.index.tally(table):
            values.setdefault(field, set()).add(value if kind is int else None)
        known["flags"] = sorted(field for field, found in values.items() if found == {0, 1} and field.isidentifier())
    found: list[str] = known["flags"]
    return found
