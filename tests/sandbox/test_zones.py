"""Local time by rules agrees with the time zone database on every hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from envsim.guest.zones import ZONES, offset, to_local, to_utc


def test_zones_agree_with_the_time_zone_database() -> None:
    for name in ZONES:
        moment, step = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)
        while moment.year < 2028:
            right = moment.astimezone(ZoneInfo(name))
            assert offset(name, moment) == right.utcoffset(), (name, moment)
            assert to_local(name, moment) == right.replace(tzinfo=None)
            # By the quarter of an hour on the days on which the clocks change.
            changes = right.utcoffset() != (moment + timedelta(days=1)).astimezone(ZoneInfo(name)).utcoffset()
            moment += timedelta(minutes=15) if changes else step
        # An hour that comes twice is the first of the two.
        for wall in (datetime(2026, 3, 29, 12), datetime(2026, 10, 25, 1, 30), datetime(2026, 4, 5, 2, 30)):
            assert to_utc(name, wall) == wall.replace(tzinfo=ZoneInfo(name), fold=0).astimezone(UTC), (name, wall)
