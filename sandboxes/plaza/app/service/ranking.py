"""How votes and age become an order.

Source of `hot` and `heat`: the `_sorts.pyx` that Reddit published in 2008 and ran for years.
"""

from __future__ import annotations

import math
from datetime import datetime

from envsim.guest.kit import Kit
from envsim.guest.service import write

EPOCH = datetime.fromisoformat("2025-01-01T00:00:00+00:00")
SORTS = {
    "hot": ("Hot", "p.hot DESC, p.id DESC"),
    "new": ("New", "p.created_at DESC, p.id DESC"),
    "top": ("Top", "p.ups - p.downs DESC, p.id DESC"),
    "controversial": ("Controversial", "p.heat DESC, p.id DESC"),
}
PERIODS = {"all": ("All time", 0), "day": ("Today", 1), "week": ("This week", 7), "month": ("This month", 30)}
COMMENT_SORTS = {"best": "Best", "top": "Top", "new": "New", "old": "Old", "controversial": "Controversial"}


def hot(ups: int, downs: int, created_at: str) -> float:
    """Votes count by their logarithm, age by the hour: ten times the votes are worth twelve and a half hours."""
    score = ups - downs
    age = (datetime.fromisoformat(created_at) - EPOCH).total_seconds()
    return round(math.copysign(math.log10(max(abs(score), 1)), score) + age / 45000, 7)


def heat(ups: int, downs: int) -> float:
    """Many votes, evenly split."""
    if ups <= 0 or downs <= 0:
        return 0.0
    return float(round((ups + downs) ** (min(ups, downs) / max(ups, downs)), 7))


def best(ups: int, downs: int) -> float:
    """Lower bound of Wilson's interval at 80%: how good a comment is at least.

    Source: Evan Miller, "How Not To Sort By Average Rating" (2009).
    """
    count = ups + downs
    if count == 0:
        return 0.0
    z, share = 1.281551565545, ups / count
    middle = share + z * z / (2 * count)
    margin = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return float(round((middle - margin) / (1 + z * z / count), 9))


def rank_again(kit: Kit, post: int) -> None:
    """After a vote on a post."""
    ups, downs, created = kit.db.execute("SELECT ups, downs, created_at FROM posts WHERE id = ?", (post,)).fetchone()
    write(kit, "UPDATE posts SET hot = ?, heat = ? WHERE id = ?", hot(ups, downs, created), heat(ups, downs), post)
