"""Votes, and what members keep: saved posts and comments, drafts."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row, fetch, first, missing, utc_text, write

from .comments import find_comment, get_comment
from .feeds import CARD, dress, keep_stale, my_vote
from .forums import get_forum
from .people import Actor, shown_time
from .posts import MAX_BODY, MAX_TITLE, MAX_URL, get_post
from .ranking import rank_again

KINDS = {"post": "posts", "comment": "comments"}


def vote(actor: Actor, kind: str, target: int, value: int) -> None:
    """Vote a post or comment up (1), down (-1) or take the vote back (0). A vote again changes nothing.

    Raises:
        Refusal: There is no such thing or vote, it is gone, or the member is banned from its forum.
    """
    kit, member = actor.kit, actor.member()["id"]
    if kind not in KINDS or value not in (-1, 0, 1):
        raise Refusal("invalid_vote", "Vote up, down, or not at all.")
    row = get_post(actor, target) if kind == "post" else find_comment(kit, target)
    actor.writer(row["forum"])
    if row["status"] != "live":
        raise Refusal("gone", "It can no longer be voted on.", 409)
    before = my_vote(actor, kind, target)
    if before == value:
        return
    if kind == "post":
        keep_stale(kit, row)
    write(kit, "DELETE FROM votes WHERE member_id = ? AND kind = ? AND target = ?", member, kind, target)
    if value:
        write(
            kit, "INSERT INTO votes (member_id, kind, target, value) VALUES (?, ?, ?, ?)", member, kind, target, value
        )
    ups, downs = (value == 1) - (before == 1), (value == -1) - (before == -1)
    write(kit, f"UPDATE {KINDS[kind]} SET ups = ups + ?, downs = downs + ? WHERE id = ?", ups, downs, target)
    if kind == "post":
        rank_again(kit, target)


def is_saved(actor: Actor, kind: str, target: int) -> bool:
    """Whether the member keeps it."""
    return (
        first(
            actor.kit,
            "SELECT 1 AS one FROM saved WHERE member_id = ? AND kind = ? AND target = ?",
            actor.id,
            kind,
            target,
        )
        is not None
    )


def save(actor: Actor, kind: str, target: int, keep: bool = True) -> None:
    """Keep a post or comment for later, or no longer.

    Raises:
        Refusal: There is no such thing.
    """
    member = actor.member()["id"]
    if kind not in KINDS:
        raise missing("what you want to save")
    if not keep:
        write(actor.kit, "DELETE FROM saved WHERE member_id = ? AND kind = ? AND target = ?", member, kind, target)
        return
    get_post(actor, target) if kind == "post" else get_comment(actor, target)
    write(
        actor.kit,
        "INSERT OR IGNORE INTO saved (member_id, kind, target, saved_at) VALUES (?, ?, ?, ?)",
        member,
        kind,
        target,
        utc_text(actor.kit.now()),
    )


def list_saved(actor: Actor) -> tuple[list[Row], list[Row]]:
    """The posts and the comments a member keeps, the latest saved first; what is gone is left out."""
    kit, member = actor.kit, actor.member()["id"]
    posts = fetch(
        kit,
        f"{CARD} JOIN saved s ON s.kind = 'post' AND s.target = p.id WHERE s.member_id = ?"
        " AND p.status = 'live' ORDER BY s.saved_at DESC, p.id",
        member,
    )
    comments = fetch(
        kit,
        "SELECT c.id, c.body, c.created_at, m.name AS author, p.title, p.forum FROM comments c"
        " JOIN members m ON m.id = c.author_id JOIN posts p ON p.id = c.post_id JOIN saved s ON s.kind = 'comment'"
        " AND s.target = c.id WHERE s.member_id = ? AND c.status = 'live' AND p.status = 'live'"
        " ORDER BY s.saved_at DESC, c.id",
        member,
    )
    return [dress(actor, post) for post in posts], comments


def list_drafts(actor: Actor) -> list[Row]:
    """The member's drafts, the latest first."""
    sql = "SELECT * FROM drafts WHERE member_id = ? ORDER BY saved_at DESC, id DESC"
    found = fetch(actor.kit, sql, actor.member()["id"])
    return [{**row, "when": shown_time(actor.kit, actor.zone, row["saved_at"])} for row in found]


def get_draft(actor: Actor, draft_id: int) -> Row:
    """One draft of the member's.

    Raises:
        Refusal: There is none of this number.
    """
    found = first(actor.kit, "SELECT * FROM drafts WHERE id = ? AND member_id = ?", draft_id, actor.member()["id"])
    if found is None:
        raise missing("this draft")
    return found


def save_draft(actor: Actor, forum: str, kind: str, title: str, body: str, url: str, draft_id: int = 0) -> int:
    """Keep what is not ready yet, as a new draft or in place of one; its number.

    Raises:
        Refusal: No such forum or draft, nothing written, or too much.
    """
    kit = actor.kit
    get_forum(actor, forum)
    member = actor.member()["id"]
    if not (title.strip() or body.strip() or url.strip()):
        raise Refusal("empty_draft", "There is nothing to keep yet.")
    if len(title) > MAX_TITLE or len(body) > MAX_BODY or len(url) > MAX_URL:
        raise Refusal("too_long", "That is too long for a post.")
    kept = ("link" if kind == "link" else "text", title.strip(), body.strip(), url.strip(), utc_text(kit.now()))
    if draft_id:
        get_draft(actor, draft_id)
        write(
            kit,
            "UPDATE drafts SET forum = ?, kind = ?, title = ?, body = ?, url = ?, saved_at = ? WHERE id = ?",
            forum,
            *kept,
            draft_id,
        )
        return draft_id
    return write(
        kit,
        "INSERT INTO drafts (member_id, forum, kind, title, body, url, saved_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        member,
        forum,
        *kept,
    )


def delete_draft(actor: Actor, draft_id: int) -> None:
    """Give up a draft.

    Raises:
        Refusal: There is none of this number.
    """
    write(actor.kit, "DELETE FROM drafts WHERE id = ?", get_draft(actor, draft_id)["id"])
