"""Reports, and what moderators do about them: remove, approve, lock, pin, ban, rules, words; all of it on record."""

from __future__ import annotations

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write
from envsim.guest.text import plain

from .comments import find_comment, get_comment
from .forums import get_forum
from .people import Actor, shown_time, tell
from .posts import find_post, get_post, save_columns

REASONS = ("Spam", "Harassment", "Off topic", "Misinformation", "Breaks a rule of this forum", "Something else")
ACTIONS = {
    "remove": "removed",
    "approve": "approved",
    "lock": "locked",
    "unlock": "unlocked",
    "pin": "pinned",
    "unpin": "unpinned",
    "dismiss": "dismissed the reports of",
}

LOG_WORDS = {
    **ACTIONS, "ban": "banned", "unban": "unbanned", "word added": "put on the list the word",
    "word removed": "took off the list the word", "rule added": "added the rule", "rule removed": "removed the rule",
}  # fmt: skip


def report(actor: Actor, kind: str, target: int, reason: str, more: str = "") -> int:
    """Tell a forum's moderators about a post or comment; the report's number.

    Raises:
        Refusal: There is no such thing or reason, or the member reported it before.
    """
    kit, member = actor.kit, actor.member()["id"]
    if kind not in ("post", "comment"):
        raise missing("what you want to report")
    row = get_post(actor, target) if kind == "post" else get_comment(actor, target)
    forum = row["forum"] if kind == "post" else row["post"]["forum"]
    if reason not in REASONS or len(more) > 300:
        raise Refusal("invalid_reason", "Choose a reason, and keep what you add under 300 characters.")
    known = "SELECT 1 FROM reports WHERE kind = ? AND target = ? AND reporter_id = ? AND status = 'open'"
    if scalar(kit, known, kind, target, member):
        raise Refusal("reported", "You have reported this before. The moderators will look at it.", 409)
    text = f"{reason}: {more.strip()}" if more.strip() else reason
    return write(
        kit,
        "INSERT INTO reports (forum, kind, target, reporter_id, reason, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        forum,
        kind,
        target,
        member,
        text,
        utc_text(kit.now()),
    )


def queue(actor: Actor, forum: str) -> list[Row]:
    """What waits for a forum's moderators, oldest first: each reported thing with its `reasons`, and each held post.

    Raises:
        Refusal: The member is not one of them.
    """
    actor.moderator(forum)
    kit = actor.kit
    waiting: dict[tuple[str, int], list[str]] = {}
    for row in fetch(
        kit, "SELECT kind, target, reason FROM reports WHERE forum = ? AND status = 'open' ORDER BY id", forum
    ):
        waiting.setdefault((row["kind"], row["target"]), []).append(row["reason"])
    for row in fetch(kit, "SELECT id FROM posts WHERE forum = ? AND status = 'held' ORDER BY id", forum):
        waiting.setdefault(("post", row["id"]), []).append("Held: it has a word of this forum's list")
    return [
        {**_thing(kit, kind, target), "kind": kind, "reasons": reasons} for (kind, target), reasons in waiting.items()
    ]


def _thing(kit: Kit, kind: str, target: int) -> Row:
    """A post or comment as the queue and the log speak of it."""
    row = find_post(kit, target) if kind == "post" else find_comment(kit, target)
    if kind == "post":
        return {
            "id": target,
            "author": row["author"],
            "author_id": row["author_id"],
            "forum": row["forum"],
            "text": row["title"],
            "status": row["status"],
            "link": f"/p/{target}",
            "row": row,
        }
    return {
        "id": target,
        "author": row["author"],
        "author_id": row["author_id"],
        "forum": row["forum"],
        "text": row["body"],
        "status": row["status"],
        "link": f"/c/{target}",
        "row": row,
    }


def act(actor: Actor, kind: str, target: int, action: str, reason: str = "") -> None:
    """Do one of `ACTIONS` to a post or comment and put it on record; its author hears of a removal.

    Raises:
        Refusal: There is no such thing or action, the member does not moderate its forum, or its author deleted it.
    """
    kit = actor.kit
    if kind not in ("post", "comment") or action not in ACTIONS or (kind == "comment" and "pin" in action):
        raise Refusal("invalid_action", "That cannot be done.")
    if kind == "comment" and action in ("lock", "unlock"):
        raise Refusal("invalid_action", "Only posts can be locked.")
    thing = _thing(kit, kind, target)
    actor.moderator(thing["forum"])
    if thing["status"] == "deleted":
        raise Refusal("gone", "Its author deleted it.", 409)
    if len(reason) > 300:
        raise Refusal("too_long", "Keep the reason under 300 characters.")
    if action in ("remove", "approve"):
        _set_status(kit, kind, thing, "removed" if action == "remove" else "live")
    elif action in ("lock", "unlock", "pin", "unpin"):
        column = "locked" if action in ("lock", "unlock") else "pinned"
        save_columns(kit, thing["row"], **{column: int(action in ("lock", "pin"))})
    if action in ("remove", "approve", "dismiss"):
        open_ = scalar(
            kit, "SELECT count(*) FROM reports WHERE kind = ? AND target = ? AND status = 'open'", kind, target
        )
        if not (open_ and action == "remove" and kit.bug("report-left-open", f"{kind} {target}")):
            status = "resolved" if action == "remove" else "dismissed"
            write(
                kit,
                "UPDATE reports SET status = ? WHERE kind = ? AND target = ? AND status = 'open'",
                status,
                kind,
                target,
            )
    if action == "remove" and thing["author_id"] != actor.id:
        why = f": {reason.strip()}" if reason.strip() else ""
        tell(kit, thing["author_id"], f"The moderators of f/{thing['forum']} removed your {kind}{why}", thing["link"])
    _record(actor, thing["forum"], action, f"a {kind} by u/{thing['author']}", thing["link"], reason)


def _set_status(kit: Kit, kind: str, thing: Row, status: str) -> None:
    before = thing["status"]
    if kind == "post":
        write(
            kit, "UPDATE posts SET status = ?, pinned = pinned AND ? = 'live' WHERE id = ?", status, status, thing["id"]
        )
        return
    write(kit, "UPDATE comments SET status = ? WHERE id = ?", status, thing["id"])
    change = (status == "live") - (before == "live")
    write(kit, "UPDATE posts SET comments = comments + ? WHERE id = ?", change, thing["row"]["post_id"])


def _record(actor: Actor, forum: str, action: str, subject: str, link: str = "", reason: str = "") -> None:
    write(
        actor.kit,
        "INSERT INTO modlog (forum, moderator_id, action, subject, link, reason, made_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        forum,
        actor.id,
        action,
        subject,
        link,
        reason.strip(),
        utc_text(actor.kit.now()),
    )


def read_log(actor: Actor, forum: str, page: int = 1, size: int = 25) -> tuple[list[Row], int]:
    """What moderators of a forum did, the latest first, for all to read; and how many entries there are."""
    get_forum(actor, forum)
    total = int(scalar(actor.kit, "SELECT count(*) FROM modlog WHERE forum = ?", forum))
    rows = fetch(
        actor.kit,
        "SELECT l.*, m.name AS moderator FROM modlog l JOIN members m ON m.id = l.moderator_id WHERE l.forum = ?"
        f" ORDER BY l.made_at DESC, l.id DESC LIMIT {size} OFFSET {(max(page, 1) - 1) * size}",
        forum,
    )
    return [{**row, "when": shown_time(actor.kit, actor.zone, row["made_at"])} for row in rows], total


def list_bans(actor: Actor, forum: str) -> list[Row]:
    """Who may not write in a forum.

    Raises:
        Refusal: The member does not moderate it.
    """
    actor.moderator(forum)
    return fetch(
        actor.kit,
        "SELECT m.name, b.reason, b.banned_at FROM bans b JOIN members m ON m.id = b.member_id"
        " WHERE b.forum = ? ORDER BY m.name",
        forum,
    )


def ban(actor: Actor, forum: str, name: str, reason: str) -> None:
    """Keep a member from writing in a forum.

    Raises:
        Refusal: The member does not moderate it, or the other is nobody, a moderator or banned already.
    """
    actor.moderator(forum)
    kit, name = actor.kit, name.strip().removeprefix("u/")
    found = first(kit, "SELECT id, name FROM members WHERE name = ? COLLATE NOCASE", name)
    if found is None:
        raise missing("a member of this name")
    if scalar(kit, "SELECT 1 FROM moderators WHERE forum = ? AND member_id = ?", forum, found["id"]):
        raise Refusal("moderator", "Moderators cannot be banned.", 409)
    if not reason.strip() or len(reason) > 300:
        raise Refusal("invalid_reason", "Give a reason of at most 300 characters.")
    if scalar(kit, "SELECT 1 FROM bans WHERE forum = ? AND member_id = ?", forum, found["id"]):
        raise Refusal("banned", f"u/{found['name']} is banned already.", 409)
    write(
        kit,
        "INSERT INTO bans (forum, member_id, reason, banned_at) VALUES (?, ?, ?, ?)",
        forum,
        found["id"],
        reason.strip(),
        utc_text(kit.now()),
    )
    tell(kit, found["id"], f"You are banned from f/{forum}: {reason.strip()}", f"/f/{forum}")
    _record(actor, forum, "ban", f"u/{found['name']}", f"/u/{found['name']}", reason)


def unban(actor: Actor, forum: str, name: str) -> None:
    """Let a member write in a forum again.

    Raises:
        Refusal: The member does not moderate it, or the other is not banned.
    """
    actor.moderator(forum)
    found = first(
        actor.kit,
        "SELECT m.id, m.name FROM bans b JOIN members m ON m.id = b.member_id WHERE b.forum = ?"
        " AND m.name = ? COLLATE NOCASE",
        forum,
        name,
    )
    if found is None:
        raise missing("a ban of this member")
    write(actor.kit, "DELETE FROM bans WHERE forum = ? AND member_id = ?", forum, found["id"])
    _record(actor, forum, "unban", f"u/{found['name']}", f"/u/{found['name']}")


def list_words(actor: Actor, forum: str) -> list[str]:
    """Words that hold a post for the moderators.

    Raises:
        Refusal: The member is not one of them.
    """
    actor.moderator(forum)
    return [row["word"] for row in fetch(actor.kit, "SELECT word FROM words WHERE forum = ? ORDER BY word", forum)]


def set_word(actor: Actor, forum: str, word: str, held: bool = True) -> None:
    """Put a word on the list, or take it off.

    Raises:
        Refusal: The member does not moderate the forum, or it is not one word.
    """
    actor.moderator(forum)
    word = plain(word.strip())
    if not word or len(word) > 40 or len(word.split()) != 1:
        raise Refusal("invalid_word", "Enter one word of at most 40 letters.")
    if held:
        write(actor.kit, "INSERT OR IGNORE INTO words (forum, word) VALUES (?, ?)", forum, word)
    else:
        write(actor.kit, "DELETE FROM words WHERE forum = ? AND word = ?", forum, word)
    _record(actor, forum, "word added" if held else "word removed", f"“{word}”")


def add_rule(actor: Actor, forum: str, text: str) -> int:
    """One more rule; its number.

    Raises:
        Refusal: The member does not moderate the forum, or the text is empty or too long.
    """
    actor.moderator(forum)
    if not text.strip() or len(text) > 200:
        raise Refusal("invalid_rule", "Write a rule of at most 200 characters.")
    made = write(actor.kit, "INSERT INTO rules (forum, text) VALUES (?, ?)", forum, text.strip())
    _record(actor, forum, "rule added", f"“{text.strip()}”")
    return made


def delete_rule(actor: Actor, forum: str, rule_id: int) -> None:
    """One rule less.

    Raises:
        Refusal: The member does not moderate the forum, or it has no such rule.
    """
    actor.moderator(forum)
    found = first(actor.kit, "SELECT * FROM rules WHERE id = ? AND forum = ?", rule_id, forum)
    if found is None:
        raise missing("this rule")
    write(actor.kit, "DELETE FROM rules WHERE id = ?", rule_id)
    _record(actor, forum, "rule removed", f"“{found['text']}”")
