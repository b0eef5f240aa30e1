"""A clock for the seed: what Django stamps by itself must not be the time of the build."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest import mock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OPENED = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)
_HANDS = [OPENED]


def set_clock(moment: datetime) -> None:
    """From now on it is `moment`."""
    _HANDS[0] = moment


def _now() -> datetime:
    return _HANDS[0]


@contextlib.contextmanager
def standing(moment: datetime) -> Iterator[None]:
    """Let Django read this clock, which stands still unless it is set."""
    set_clock(moment)
    with mock.patch("django.utils.timezone.now", new=_now):
        yield
