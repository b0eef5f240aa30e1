"""Posts: reading, writing, editing, deleting, crossposting."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta

from envsim.guest.kit import Kit
from envsim.guest.members import expire
from envsim.guest.service import Refusal, Row, first, missing, scalar, utc_text, write
from envsim.guest.text import plain

from .feeds import CARD, dress
from .forums import get_forum
from .people import Actor, tell
from .ranking import hot

MAX_TITLE, MAX_BODY, MAX_URL = 200, 6000, 300
SAME_WITHIN = timedelta(seconds=90)
"""The same text again within this time is the same button pressed twice."""
LIMIT, WINDOW = 2, 8
"""With `comment-limit`: how many texts are taken within how many requests."""
EDIT_TICKS = 3
CHALLENGE, WHY = "post-challenge", "You have not posted from this connection for a while."
_URL = re.compile(r"https?://[a-z0-9.-]+\.[a-z]{2,}(?:/[^\s<>\"']*)?", re.IGNORECASE)


def find_post(kit: Kit, post_id: int) -> Row:
    """A post whatever its status.

    Raises:
        Refusal: There is none of this number.
    """
    found = first(kit, f"{CARD} WHERE p.id = ?", post_id)
    if found is None:
        raise missing("this post")
    return found


def get_post(actor: Actor, post_id: int) -> Row:
    """A post as this reader may see it.

    Raises:
        Refusal: There is none, its author deleted it, or moderators removed or hold it and the reader is neither
            its author nor one of them.
    """
    post = find_post(actor.kit, post_id)
    status, own = post["status"], post["author_id"] == actor.id
    if status == "deleted":
        raise Refusal("deleted", "This post was deleted by its author.", 404)
    unseen = status in ("removed", "held") and not own and not actor.moderates(post["forum"])
    if unseen and (status == "held" or not actor.kit.bug("removed-readable", f"post {post_id}")):
        words = "was removed by the moderators" if status == "removed" else "waits for the moderators"
        raise Refusal(status, f"This post {words}.", 404)
    return dress(actor, post)


def own_post(actor: Actor, post_id: int) -> Row:
    """A post of the signed-in member's.

    Raises:
        Refusal: It is somebody else's, or cannot be seen any more.
    """
    actor.member()
    post = get_post(actor, post_id)
    if post["author_id"] != actor.id:
        raise Refusal("not_yours", "This is somebody else's post.", 403)
    return post


def check_text(title: str, kind: str, body: str, url: str) -> tuple[str, str, str]:
    """Title, body and address as they are kept.

    Raises:
        Refusal: One of them is missing, too long or no web address.
    """
    title, body, url = " ".join(title.split()), body.replace("\r\n", "\n").strip(), url.strip()
    if not title or len(title) > MAX_TITLE:
        raise Refusal("invalid_title", f"Give it a title of at most {MAX_TITLE} characters.")
    if len(body) > MAX_BODY:
        raise Refusal("too_long", f"Keep the text under {MAX_BODY} characters.")
    if kind == "link" and (not _URL.fullmatch(url) or len(url) > MAX_URL):
        raise Refusal("invalid_url", "Enter the address of the page, beginning with https://.")
    return title, body, url if kind == "link" else ""


def create_post(
    actor: Actor, forum: str, kind: str, title: str, body: str, url: str = "", flair: str = "", of: int | None = None
) -> int:
    """Publish a post; its number. What holds a word of the forum's list waits for the moderators.

    Raises:
        Refusal: No such forum or flair, the author is banned there, a text does not fit, or too much at once.
    """
    kit = actor.kit
    found = get_forum(actor, forum)
    author = actor.writer(forum)["id"]
    if flair and flair not in found["flairs"]:
        raise Refusal("unknown_flair", f"f/{forum} has no flair of that name.")
    title, body, url = check_text(title, kind, body, url)
    stop_or_pass(actor)
    again = scalar(
        kit,
        "SELECT id FROM posts WHERE author_id = ? AND forum = ? AND title = ? AND created_at > ?",
        author,
        forum,
        title,
        utc_text(kit.now() - SAME_WITHIN),
    )
    if again and not kit.bug("double-post", f"post {again}"):
        return int(again)
    now = utc_text(kit.now())
    held = matched_word(kit, forum, f"{title}\n{body}")
    made = write(
        kit,
        "INSERT INTO posts (forum, author_id, kind, title, body, url, flair, crosspost_of, hot, created_at, status,"
        " search) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        forum,
        author,
        kind,
        title,
        body,
        url,
        flair,
        of,
        hot(1, 0, now),
        now,
        "held" if held else "live",
        plain(f"{title} {body}"),
    )
    write(kit, "INSERT INTO votes (member_id, kind, target, value) VALUES (?, 'post', ?, 1)", author, made)
    return made


def stop_or_pass(actor: Actor) -> None:
    """Where the bugs of writing are: the session ends, too much was written, or the server is not there."""
    kit = actor.kit
    if kit.bug("compose-expiry"):
        raise expire(actor)
    if kit.bug("write-503"):
        raise Refusal("unavailable", "The server is busy. We cannot say whether your text was published.", 503)
    if "comment-limit" in kit.bugs:
        key = f"wrote:{actor.id}"
        recent = [tick for tick in kit.cache.get(key, []) if kit.ticks - tick < WINDOW]
        if len(recent) >= LIMIT and kit.bug("comment-limit"):
            wait = max(1, int((recent[0] + WINDOW - kit.ticks) * kit.tick.total_seconds()))
            words = f"You are doing that too much. Try again in {wait} seconds."
            raise Refusal("rate_limited", words, 429, retry_after=wait)
        kit.cache[key] = [*recent, kit.ticks]


def matched_word(kit: Kit, forum: str, text: str) -> str:
    """The first word of the forum's list that `text` holds; empty without one."""
    found = set(re.findall(r"[\w'-]+", plain(text)))
    for (word,) in kit.db.execute("SELECT word FROM words WHERE forum = ? ORDER BY word", (forum,)):
        if word in found:
            return str(word)
    return ""


def edit_post(actor: Actor, post_id: int, title: str, body: str) -> None:
    """Change title and text of one's own post.

    Raises:
        Refusal: It is not one's own, locked for good, or a text does not fit.
    """
    kit, post = actor.kit, own_post(actor, post_id)
    actor.writer(post["forum"])
    title, body, _ = check_text(title, "text", body, "")
    if html.escape(title) != title and kit.bug("escaped-titles", f"post {post_id}"):
        title = html.escape(title)
    save_columns(kit, post, title=title, body=body, edited_at=utc_text(kit.now()), search=plain(f"{title} {body}"))


def set_flair(actor: Actor, post_id: int, flair: str) -> None:
    """Give a post of one's own, or of one's forum, a flair; none when it is empty.

    Raises:
        Refusal: It is neither, or the forum has no such flair.
    """
    post = get_post(actor, post_id)
    if post["author_id"] != actor.member()["id"]:
        actor.moderator(post["forum"])
    if flair and not scalar(actor.kit, "SELECT 1 FROM flairs WHERE forum = ? AND name = ?", post["forum"], flair):
        raise Refusal("unknown_flair", f"f/{post['forum']} has no flair of that name.")
    save_columns(actor.kit, post, flair=flair)


def save_columns(kit: Kit, post: Row, **changed: object) -> None:
    """Write some columns of a post; with `edit-overwrite` those changed just before get their old values back."""
    last = kit.cache.get("edited", {}).get(str(post["id"]))
    if "edit-overwrite" in kit.bugs:
        near = last and kit.ticks - last["ticks"] <= EDIT_TICKS and set(last["old"]) - set(changed)
        if near and kit.bug("edit-overwrite", f"post {post['id']}"):
            changed = {**last["old"], **changed}
        old = {name: post[name] for name in changed}
        kit.cache.setdefault("edited", {})[str(post["id"])] = {"ticks": kit.ticks, "old": old}
    columns = ", ".join(f"{name} = ?" for name in changed)
    write(kit, f"UPDATE posts SET {columns} WHERE id = ?", *changed.values(), post["id"])


def delete_post(actor: Actor, post_id: int) -> None:
    """Take one's own post away for good; its comments stay where they are linked from.

    Raises:
        Refusal: It is not one's own.
    """
    post = own_post(actor, post_id)
    write(actor.kit, "UPDATE posts SET status = 'deleted', pinned = 0 WHERE id = ?", post["id"])


def crosspost(actor: Actor, post_id: int, forum: str, title: str) -> int:
    """Post a post again in another forum, with a link back; the new one's number.

    Raises:
        Refusal: It is there already, or `create_post` refuses.
    """
    post = get_post(actor, post_id)
    origin = post["crosspost_of"] or post["id"]
    if forum == post["forum"]:
        raise Refusal("same_forum", "It is in this forum already. Choose another one.")
    made = create_post(actor, forum, post["kind"], title or post["title"], post["body"], post["url"], of=origin)
    if post["author_id"] != actor.id:
        who = actor.member()["name"]
        tell(actor.kit, post["author_id"], f"u/{who} crossposted your post to f/{forum}", f"/p/{made}")
    return made


def age(kit: Kit, created_at: str) -> timedelta:
    """How long ago that was."""
    return kit.now() - datetime.fromisoformat(created_at)
