"""Builds the forum's data folder: people, categories, topics, answers, likes, votes and the search index.

What Spirit computes from a post (its HTML, polls, counts) is computed by Spirit's own code.
"""

from __future__ import annotations

import hashlib
import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from envsim.rng import Rng

from ..forum import configure

OPENED = datetime(2025, 3, 14, 17, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASSWORD = "mendwick-demo"  # noqa: S105 -- published in the README
MEMBERS = 66


def build(data: Path) -> None:
    """Write ``forum.db``, ``search/`` and ``media/`` below `data`; about ten seconds."""
    (data / "media").mkdir(parents=True, exist_ok=True)
    configure(data)
    # What defines or uses models can be imported only now that Django is set up.
    importlib.import_module(f"{__package__}.rows").fill()


def moments(rng: Rng, start: datetime, count: int, longest_h: float) -> list[datetime]:
    """`count` times after `start`, in order, with at most about `longest_h` hours between two."""
    times, at = [], start
    for _ in range(count):
        at += timedelta(minutes=4 + int(rng.uniform() ** 2 * longest_h * 60), seconds=rng.integer(60))
        if at.hour < 6:  # nearly everybody sleeps
            at += timedelta(hours=6)
        times.append(min(at, NOW - timedelta(minutes=30)))
    return times


def password_hash(name: str) -> str:
    """What Django's MD5 hasher keeps, with a salt that is the same in every build."""
    salt = hashlib.sha256(name.encode()).hexdigest()[:22]
    return f"md5${salt}${hashlib.md5((salt + PASSWORD).encode(), usedforsecurity=False).hexdigest()}"


Row = dict[str, Any]
