"""Comments under posts and under one another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from .feeds import HIDDEN_FOR, my_vote
from .people import Actor, shown_time, tell
from .posts import SAME_WITHIN, age, get_post, stop_or_pass
from .ranking import best, heat

MAX_BODY = 3000
ROOTS = 12
DEPTH = 6
"""Replies deeper than this are on a page of their own."""

COMMENT = "SELECT c.*, m.name AS author FROM comments c JOIN members m ON m.id = c.author_id"
_MENTION = re.compile(r"(?<![\w/])u/([A-Za-z0-9_-]{2,30})\b")


@dataclass(frozen=True)
class Thread:
    """One page of comments in the order they are read, each with its `depth` from 0 and how many are `more` below."""

    comments: list[Row]
    total: int
    page: int
    pages: int


def read_thread(actor: Actor, post: Row, sort: str = "best", page: int = 1, below: int | None = None) -> Thread:
    """Comments of a post, `ROOTS` top-level ones a page; with `below` only that one and its replies."""
    rows = [dress(actor, row) for row in fetch(actor.kit, f"{COMMENT} WHERE c.post_id = ? ORDER BY c.id", post["id"])]
    children: dict[int | None, list[Row]] = {}
    for row in rows:
        children.setdefault(row["parent_id"], []).append(row)
    for siblings in children.values():
        _order(siblings, sort)
    roots = [row for row in rows if row["id"] == below] if below else children.get(None, [])
    pages = max(1, -(-len(roots) // ROOTS))
    page = min(max(page, 1), pages)
    shown = list(_flatten(roots[(page - 1) * ROOTS : page * ROOTS], children, 0))
    return Thread(shown, sum(row["status"] == "live" for row in rows), page, pages)


def _order(rows: list[Row], sort: str) -> None:
    keys = {
        "top": lambda row: (row["downs"] - row["ups"], row["id"]),
        "new": lambda row: -row["id"],
        "old": lambda row: row["id"],
        "controversial": lambda row: (-heat(row["ups"], row["downs"]), row["id"]),
    }
    rows.sort(key=keys.get(sort, lambda row: (-best(row["ups"], row["downs"]), row["id"])))


def _flatten(rows: list[Row], children: dict[int | None, list[Row]], depth: int) -> Iterator[Row]:
    for row in rows:
        below = children.get(row["id"], [])
        yield {**row, "depth": depth, "more": len(below) if depth >= DEPTH - 1 else 0}
        if depth < DEPTH - 1:
            yield from _flatten(below, children, depth + 1)


def dress(actor: Actor, row: Row) -> Row:
    """A comment as it is shown: without its text where it was removed or deleted."""
    kit, status = actor.kit, row["status"]
    readable = status == "live" or (status == "removed" and actor.id == row["author_id"])
    gone = {"removed": "[removed by the moderators]", "deleted": "[deleted]"}.get(status, "")
    return {
        **row,
        "author": "[deleted]" if status == "deleted" else row["author"],
        "body": row["body"] if readable else gone,
        "score": None if age(kit, row["created_at"]) < HIDDEN_FOR else row["ups"] - row["downs"],
        "my_vote": my_vote(actor, "comment", row["id"]),
        "when": shown_time(kit, actor.zone, row["created_at"]),
        "edited": shown_time(kit, actor.zone, row["edited_at"]) if row["edited_at"] else "",
    }


def find_comment(kit: Kit, comment_id: int) -> Row:
    """A comment whatever its status, with its `forum`.

    Raises:
        Refusal: There is none of this number.
    """
    found = first(kit, f"{COMMENT} WHERE c.id = ?", comment_id)
    if found is None:
        raise missing("this comment")
    found["forum"] = scalar(kit, "SELECT forum FROM posts WHERE id = ?", found["post_id"])
    return found


def get_comment(actor: Actor, comment_id: int) -> Row:
    """A comment as this reader may see it; see `get_post` for its post.

    Raises:
        Refusal: There is none, or its post cannot be seen.
    """
    found = find_comment(actor.kit, comment_id)
    found["post"] = get_post(actor, found["post_id"])
    return dress(actor, found)


def own_comment(actor: Actor, comment_id: int) -> Row:
    """A comment of the signed-in member's.

    Raises:
        Refusal: It is somebody else's, or gone.
    """
    actor.member()
    found = get_comment(actor, comment_id)
    if found["author_id"] != actor.id:
        raise Refusal("not_yours", "This is somebody else's comment.", 403)
    if found["status"] == "deleted":
        raise missing("this comment")
    return found


def check_body(body: str) -> str:
    """The text as it is kept.

    Raises:
        Refusal: It is empty or too long.
    """
    body = body.replace("\r\n", "\n").strip()
    if not body or len(body) > MAX_BODY:
        raise Refusal("invalid_comment", f"Write a comment of at most {MAX_BODY} characters.")
    return body


def add_comment(actor: Actor, post_id: int, body: str, parent_id: int | None = None) -> int:
    """Comment on a post, or reply to a comment under it; the comment's number.

    Raises:
        Refusal: The post cannot be seen or is locked, the member is banned, the text does not fit, or too much at once.
    """
    kit, post = actor.kit, get_post(actor, post_id)
    author = actor.writer(post["forum"])
    parent = find_comment(kit, parent_id) if parent_id else None
    if parent and (parent["post_id"] != post_id or parent["status"] != "live"):
        raise missing("the comment you reply to")
    shut = post["locked"] and not actor.moderates(post["forum"])
    if shut and (parent is None or not kit.bug("locked-reply", f"post {post_id}")):
        raise Refusal("locked", "This post is locked. New comments cannot be posted.", 409)
    body = check_body(body)
    stop_or_pass(actor)
    again = scalar(
        kit,
        "SELECT id FROM comments WHERE author_id = ? AND post_id = ? AND parent_id IS ? AND body = ?"
        " AND created_at > ?",
        author["id"],
        post_id,
        parent_id,
        body,
        utc_text(kit.now() - SAME_WITHIN),
    )
    if again and not kit.bug("double-comment", f"comment {again}"):
        return int(again)
    made = write(
        kit,
        "INSERT INTO comments (post_id, parent_id, author_id, body, created_at) VALUES (?, ?, ?, ?, ?)",
        post_id,
        parent_id,
        author["id"],
        body,
        utc_text(kit.now()),
    )
    write(kit, "INSERT INTO votes (member_id, kind, target, value) VALUES (?, 'comment', ?, 1)", author["id"], made)
    write(kit, "UPDATE posts SET comments = comments + 1 WHERE id = ?", post_id)
    _tell_others(actor, post, parent, body, made)
    return made


def _tell_others(actor: Actor, post: Row, parent: Row | None, body: str, made: int) -> None:
    who, link = actor.member()["name"], f"/c/{made}"
    to = parent["author_id"] if parent else post["author_id"]
    told = {actor.id}
    if to not in told:
        what = "replied to your comment on" if parent else "commented on"
        tell(actor.kit, to, f"u/{who} {what} “{post['title']}”", link)
        told.add(to)
    for name in _MENTION.findall(body)[:5]:
        found = scalar(actor.kit, "SELECT id FROM members WHERE name = ? COLLATE NOCASE", name)
        if found and found not in told:
            tell(actor.kit, found, f"u/{who} mentioned you on “{post['title']}”", link)
            told.add(found)


def edit_comment(actor: Actor, comment_id: int, body: str) -> None:
    """Change the text of one's own comment.

    Raises:
        Refusal: It is not one's own, or the text does not fit.
    """
    found = own_comment(actor, comment_id)
    if found["status"] != "live":
        raise Refusal("removed", "This comment was removed by the moderators.", 409)
    write(
        actor.kit,
        "UPDATE comments SET body = ?, edited_at = ? WHERE id = ?",
        check_body(body),
        utc_text(actor.kit.now()),
        found["id"],
    )


def delete_comment(actor: Actor, comment_id: int) -> None:
    """Take one's own comment away; replies to it stay.

    Raises:
        Refusal: It is not one's own.
    """
    found = own_comment(actor, comment_id)
    write(actor.kit, "UPDATE comments SET status = 'deleted' WHERE id = ?", found["id"])
    if found["status"] == "live":
        write(actor.kit, "UPDATE posts SET comments = comments - 1 WHERE id = ?", found["post_id"])


def comments_by(actor: Actor, member_id: int, page: int = 1, size: int = 15) -> tuple[list[Row], int]:
    """A member's comments that everybody can see, the latest first, with the titles of their posts; and how many."""
    visible = " WHERE c.author_id = ? AND c.status = 'live' AND p.status = 'live'"
    total = int(
        scalar(actor.kit, f"SELECT count(*) FROM comments c JOIN posts p ON p.id = c.post_id{visible}", member_id)
    )
    rows = fetch(
        actor.kit,
        "SELECT c.*, m.name AS author, p.title, p.forum FROM comments c JOIN members m ON m.id = c.author_id"
        f" JOIN posts p ON p.id = c.post_id{visible} ORDER BY c.created_at DESC, c.id DESC LIMIT {size}"
        f" OFFSET {(max(page, 1) - 1) * size}",
        member_id,
    )
    return [dress(actor, row) for row in rows], total
