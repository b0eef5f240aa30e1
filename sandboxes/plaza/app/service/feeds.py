"""Lists of posts: of a forum, of all, of a member, of a search; in an order, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.service import Row, fetch, scalar, utc_text
from envsim.guest.text import plain
from envsim.rng import draw

from .forums import joined
from .people import Actor, shown_time
from .ranking import PERIODS, SORTS

PAGE_SIZE = 15
HIDDEN_FOR = timedelta(minutes=60)
"""How long the score of a post is not shown."""
STALE_VIEWS = 6

CARD = (
    "SELECT p.*, m.name AS author, x.forum AS origin FROM posts p JOIN members m ON m.id = p.author_id"
    " LEFT JOIN posts x ON x.id = p.crosspost_of"
)


@dataclass(frozen=True)
class Query:
    """Which posts, in which order. `until` is when page 1 was read: what came later is on no later page."""

    forum: str = ""
    with_inside: bool = False
    author: str = ""
    text: str = ""
    flair: str = ""
    mine: bool = False
    sort: str = "hot"
    period: str = "all"
    page: int = 1
    until: str = ""


@dataclass(frozen=True)
class Found:
    """One page of posts. `until` goes into the address of the next."""

    posts: list[Row]
    total: int
    page: int
    pages: int
    until: str


def find_posts(actor: Actor, query: Query) -> Found:
    """One page of the posts that fit `query` entirely; of a forum by `hot`, page 1 begins with what is pinned."""
    kit = actor.kit
    until = query.until if query.page > 1 and query.until else utc_text(kit.now())
    where, args = _conditions(actor, query)
    fresh = f"{where} AND p.created_at > ?"
    later = query.page > 1 and scalar(kit, f"SELECT count(*) FROM posts p{fresh}", *args, until)
    if later and not kit.bug("page-shift", f"page {query.page}, posts since {until}"):
        where, args = f"{where} AND p.created_at <= ?", [*args, until]
    total = int(scalar(kit, f"SELECT count(*) FROM posts p{where}", *args))
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(query.page, 1), pages)
    start = (page - 1) * PAGE_SIZE
    order = SORTS.get(query.sort, SORTS["hot"])[1]
    # Numbers first: whole rows are read of one page only.
    chosen = f"SELECT p.id FROM posts p{where} ORDER BY {order} LIMIT {PAGE_SIZE} OFFSET {start}"
    posts = fetch(kit, f"{CARD} WHERE p.id IN ({chosen}) ORDER BY {order}", *args)
    if query.sort == "top" and "loose-ties" in kit.bugs:
        posts = _loose(kit, posts, fetch(kit, f"{CARD}{where}", *args), start)
    if page == 1 and query.forum and query.sort == "hot" and not query.flair:
        pinned = fetch(kit, f"{CARD} WHERE p.forum = ? AND p.pinned AND p.status = 'live' ORDER BY p.id", query.forum)
        posts = pinned + posts
    return Found([dress(actor, _aged(kit, post)) for post in posts], total, page, pages, until)


def _conditions(actor: Actor, query: Query) -> tuple[str, list[Any]]:
    where, args = ["p.status = 'live'"], list[Any]()

    def need(condition: str, *values: Any) -> None:
        where.append(condition)
        args.extend(values)

    if query.forum and query.with_inside:
        need("p.forum IN (SELECT slug FROM forums WHERE slug = ? OR parent = ?)", query.forum, query.forum)
    elif query.forum:
        need("p.forum = ?", query.forum)
    if query.forum and query.sort == "hot" and not query.flair:
        need("NOT (p.pinned AND p.forum = ?)", query.forum)
    if query.author:
        need("p.author_id = (SELECT id FROM members WHERE name = ? COLLATE NOCASE)", query.author)
    if query.flair:
        need("p.flair = ?", query.flair)
    if query.mine:
        need("p.forum IN (SELECT forum FROM joined WHERE member_id = ?)", actor.id)
    for word in plain(query.text).split()[:8]:
        need("instr(p.search, ?)", word)
    days = PERIODS.get(query.period, PERIODS["all"])[1]
    if days and query.sort in ("top", "controversial"):
        need("p.created_at > ?", utc_text(actor.kit.now() - timedelta(days=days)))
    return f" WHERE {' AND '.join(where)}", args


def _loose(kit: Kit, posts: list[Row], everything: list[Row], start: int) -> list[Row]:
    """`posts`, or with `loose-ties` what comes at their place when equal scores come in any order."""
    everything.sort(key=lambda post: (post["downs"] - post["ups"], draw(kit.seed, kit.ticks, post["id"])))
    other = everything[start : start + PAGE_SIZE]
    same = [post["id"] for post in other] == [post["id"] for post in posts]
    return other if not same and kit.bug("loose-ties") else posts


def _aged(kit: Kit, post: Row) -> Row:
    """`post` as the lists' cache has it: with the votes from before the last one when `stale-scores` fires."""
    stale = kit.cache.get("stale", {}).get(str(post["id"]))
    if stale is None or stale["left"] < 1 or (stale["ups"], stale["downs"]) == (post["ups"], post["downs"]):
        return post
    if not kit.bug("stale-scores", f"post {post['id']}"):
        return post
    stale["left"] -= 1
    return {**post, "ups": stale["ups"], "downs": stale["downs"]}


def keep_stale(kit: Kit, post: Row) -> None:
    """Before a vote: what the lists' cache still holds of a post, where the bug is."""
    if "stale-scores" in kit.bugs:
        kept = kit.cache.setdefault("stale", {})
        if kept.get(str(post["id"]), {"left": 0})["left"] < 1:
            kept[str(post["id"])] = {"ups": post["ups"], "downs": post["downs"]}
        kept[str(post["id"])]["left"] = STALE_VIEWS


def dress(actor: Actor, post: Row) -> Row:
    """`post` with its `score` (None while it is hidden), `share` of upvotes, `my_vote` and its times on the wall."""
    kit = actor.kit
    hidden = kit.now() - datetime.fromisoformat(post["created_at"]) < HIDDEN_FOR
    votes = post["ups"] + post["downs"]
    return {
        **post,
        "score": None if hidden else post["ups"] - post["downs"],
        "share": None if hidden or not votes else (200 * post["ups"] + votes) // (2 * votes),
        "my_vote": my_vote(actor, "post", post["id"]),
        "when": shown_time(kit, actor.zone, post["created_at"]),
        "edited": shown_time(kit, actor.zone, post["edited_at"]) if post["edited_at"] else "",
        "domain": post["url"].split("/")[2] if post["url"].count("/") >= 2 else "",
    }


def my_vote(actor: Actor, kind: str, target: int) -> int:
    """What the member voted: 1, -1 or 0."""
    if not actor.id:
        return 0
    sql = "SELECT value FROM votes WHERE member_id = ? AND kind = ? AND target = ?"
    return scalar(actor.kit, sql, actor.id, kind, target) or 0


def has_front(actor: Actor) -> bool:
    """Whether a front page of their own makes sense for this member."""
    return bool(joined(actor))
