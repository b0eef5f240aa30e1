"""Conversations between guests and hosts: one for each guest and home."""

from __future__ import annotations

import html

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from .listings import get_listing
from .members import Actor

MAX_BODY = 1000
LIMIT, WINDOW = 2, 8

THREAD = (
    "SELECT t.id, t.listing_id, t.guest_id, l.slug, l.title, l.host_id, g.name AS guest, h.name AS host"
    " FROM threads t JOIN listings l ON l.id = t.listing_id JOIN members g ON g.id = t.guest_id"
    " JOIN members h ON h.id = l.host_id"
)


def list_threads(actor: Actor) -> list[Row]:
    """The member's conversations, as guest and as host, the latest first, each with its ``last`` message."""
    member = actor.member()["id"]
    found = fetch(actor.kit, f"{THREAD} WHERE t.guest_id = ?1 OR l.host_id = ?1", member)
    last = {
        row["thread_id"]: row
        for row in fetch(actor.kit, "SELECT thread_id, body, sent_at, max(id) AS id FROM messages GROUP BY thread_id")
    }
    kept = [_facing(thread, member) | {"last": last[thread["id"]]} for thread in found if thread["id"] in last]
    return sorted(kept, key=lambda thread: (thread["last"]["sent_at"], thread["id"]), reverse=True)


def _facing(thread: Row, member: int) -> Row:
    return {**thread, "other": thread["guest"] if thread["host_id"] == member else thread["host"]}


def get_thread(actor: Actor, thread_id: int) -> Row:
    """One conversation with its ``messages``, oldest first.

    Raises:
        Refusal: No such conversation of this member.
    """
    member = actor.member()["id"]
    thread = first(actor.kit, f"{THREAD} WHERE t.id = ?", thread_id)
    if thread is None or member not in (thread["guest_id"], thread["host_id"]):
        raise missing("this conversation")
    thread["messages"] = fetch(
        actor.kit, "SELECT m.id, m.body, m.sent_at, m.sender_id, s.name AS sender FROM messages m"
        " JOIN members s ON s.id = m.sender_id WHERE m.thread_id = ? ORDER BY m.id", thread_id,
    )  # fmt: skip
    return _facing(thread, member)


def open_thread(kit: Kit, listing_id: int, guest_id: int) -> int:
    """The conversation of a guest about a home, begun if there is none; its id."""
    found = scalar(kit, "SELECT id FROM threads WHERE listing_id = ? AND guest_id = ?", listing_id, guest_id)
    return found or write(kit, "INSERT INTO threads (listing_id, guest_id) VALUES (?, ?)", listing_id, guest_id)


def post(kit: Kit, thread_id: int, sender_id: int, body: str) -> int:
    """Add a message; its id."""
    escaped = html.escape(body)
    if escaped != body and kit.bug("escaped-messages"):
        body = escaped
    return write(kit, "INSERT INTO messages (thread_id, sender_id, body, sent_at) VALUES (?, ?, ?, ?)", thread_id,
                 sender_id, body, utc_text(kit.now()))  # fmt: skip


def send(actor: Actor, thread_id: int, body: str) -> None:
    """Write to the other side of a conversation.

    Raises:
        Refusal: No such conversation, an empty or long text, or too many messages.
    """
    get_thread(actor, thread_id)
    body = _checked(actor, body)
    if not actor.kit.bug("message-unsent", f"conversation {thread_id}"):
        post(actor.kit, thread_id, actor.member()["id"], body)


def contact(actor: Actor, slug: str, body: str) -> int:
    """Ask the host of a home something; the id of the conversation.

    Raises:
        Refusal: No such home, one's own, an empty or long text, or too many messages.
    """
    kit, member = actor.kit, actor.member()
    listing = get_listing(kit, slug)
    if listing["host_id"] == member["id"]:
        raise Refusal("own_home", "This is your own home.", 409)
    body = _checked(actor, body)
    thread_id = open_thread(kit, listing["id"], member["id"])
    if not kit.bug("message-unsent", f"conversation {thread_id}"):
        post(kit, thread_id, member["id"], body)
    return thread_id


def _checked(actor: Actor, body: str) -> str:
    body = body.strip()
    if not body or len(body) > MAX_BODY:
        raise Refusal("invalid_message", f"Write a message of at most {MAX_BODY} characters.")
    kit = actor.kit
    if "message-limit" in kit.bugs:
        key = f"sent:{actor.member()['id']}"
        recent = [tick for tick in kit.cache.get(key, []) if kit.ticks - tick < WINDOW]
        if len(recent) >= LIMIT and kit.bug("message-limit"):
            kit.cache[key] = recent
            wait = max(1, int((recent[0] + WINDOW - kit.ticks) * kit.tick.total_seconds()))
            raise Refusal(
                "rate_limited", f"You are writing very fast. Please wait {wait} seconds.", 429, retry_after=wait
            )
        kit.cache[key] = [*recent, kit.ticks]
    return body
