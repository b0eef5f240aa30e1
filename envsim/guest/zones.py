"""Local time in a clone's time zones. Rules and not a time zone database, so that every machine agrees on every hour.

Source of the rules: IANA tz 2025b, as in force from 2024 to 2027; a test compares them with the database.
Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

# Zone -> minutes east of UTC in standard time, rule for summer time.
ZONES: dict[str, tuple[int, str]] = {
    "Europe/Lisbon": (0, "eu"),
    "Europe/London": (0, "eu"),
    "Europe/Madrid": (60, "eu"),
    "Europe/Rome": (60, "eu"),
    "Europe/Copenhagen": (60, "eu"),
    "Atlantic/Reykjavik": (0, ""),
    "America/New_York": (-300, "us"),
    "America/Denver": (-420, "us"),
    "America/Los_Angeles": (-480, "us"),
    "America/Mexico_City": (-360, ""),
    "Asia/Tokyo": (540, ""),
    "Australia/Hobart": (600, "tas"),
    "Pacific/Auckland": (720, "nz"),
    "Africa/Johannesburg": (120, ""),
    "UTC": (0, ""),
    "Europe/Berlin": (60, "eu"),
    "Africa/Lagos": (60, ""),
    "America/Chicago": (-360, "us"),
    "America/Sao_Paulo": (-180, ""),
    "Asia/Kolkata": (330, ""),
}


def _sunday(year: int, month: int, nth: int) -> date:
    """The nth Sunday of a month; -1 is the last."""
    if nth < 0:
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() + 1) % 7)
    opening = date(year, month, 1)
    return opening + timedelta(days=(6 - opening.weekday()) % 7 + 7 * (nth - 1))


def _changes(standard: int, rule: str, year: int) -> tuple[datetime, datetime]:
    """When summer time begins and ends in `year`, in UTC; in the south it ends first."""
    days, hours = {
        "eu": (((3, -1), (10, -1)), (1, 1)),
        "us": (((3, 2), (11, 1)), (2, 1)),
        "tas": (((10, 1), (4, 1)), (2, 2)),
        "nz": (((9, -1), (4, 1)), (2, 2)),
    }[rule]
    # Europe changes at one hour of UTC everywhere, the others at an hour of their standard time.
    shift = timedelta(0) if rule == "eu" else timedelta(minutes=standard)
    begin, end = (
        datetime(*_sunday(year, *day).timetuple()[:3], hour, tzinfo=UTC) - shift
        for day, hour in zip(days, hours, strict=True)
    )
    return begin, end


def offset(zone: str, moment: datetime) -> timedelta:
    """How far local time is ahead of UTC at `moment` (an aware time)."""
    standard, rule = ZONES[zone]
    base = timedelta(minutes=standard)
    if not rule:
        return base
    begin, end = _changes(standard, rule, moment.astimezone(UTC).year)
    summer = begin <= moment < end if begin < end else not end <= moment < begin
    return base + timedelta(hours=1) if summer else base


def to_local(zone: str, moment: datetime) -> datetime:
    """The wall clock (a naive time) at `moment`."""
    return (moment.astimezone(UTC) + offset(zone, moment)).replace(tzinfo=None)


def to_utc(zone: str, wall: datetime) -> datetime:
    """When the wall clock shows `wall` (a naive time); the first of two such moments."""
    standard = timedelta(minutes=ZONES[zone][0])
    for ahead in (standard + timedelta(hours=1), standard):
        moment = (wall - ahead).replace(tzinfo=UTC)
        if offset(zone, moment) == ahead:
            return moment
    return (wall - standard).replace(tzinfo=UTC)  # an hour the clock skips


def today(zone: str, moment: datetime) -> date:
    """The date on the wall at `moment`."""
    return to_local(zone, moment).date()
