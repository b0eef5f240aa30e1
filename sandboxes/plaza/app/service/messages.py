"""Direct messages between two members."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row, fetch, first, missing, utc_text, write

from .people import Actor, shown_time

MAX_BODY = 2000


def list_chats(actor: Actor) -> list[Row]:
    """Whom the member has written with, the latest first: `name`, the `last` message, how many are `unread`."""
    me = actor.member()["id"]
    rows = fetch(
        actor.kit,
        "SELECT x.*, o.name FROM messages x JOIN members o"
        " ON o.id = CASE x.sender_id WHEN ?1 THEN x.recipient_id ELSE x.sender_id END"
        " WHERE ?1 IN (x.sender_id, x.recipient_id) ORDER BY x.id DESC",
        me,
    )
    chats: dict[str, Row] = {}
    for row in rows:
        chat = chats.setdefault(
            row["name"],
            {
                "name": row["name"],
                "last": row["body"],
                "unread": 0,
                "when": shown_time(actor.kit, actor.zone, row["sent_at"]),
            },
        )
        chat["unread"] += row["recipient_id"] == me and not row["seen"]
    return list(chats.values())


def _other(actor: Actor, name: str) -> Row:
    me = actor.member()["id"]
    found = first(actor.kit, "SELECT id, name FROM members WHERE name = ? COLLATE NOCASE", name.strip())
    if found is None or found["id"] == me:
        raise missing("another member of this name")
    return found


def get_chat(actor: Actor, name: str) -> Row:
    """All messages with one member, oldest first.

    Raises:
        Refusal: There is no other member of this name.
    """
    other, me = _other(actor, name), actor.id
    rows = fetch(
        actor.kit,
        "SELECT x.*, s.name AS sender FROM messages x JOIN members s ON s.id = x.sender_id"
        " WHERE (x.sender_id = ?1 AND x.recipient_id = ?2) OR (x.sender_id = ?2 AND x.recipient_id = ?1) ORDER BY x.id",
        me,
        other["id"],
    )
    return {
        "name": other["name"],
        "messages": [{**row, "when": shown_time(actor.kit, actor.zone, row["sent_at"])} for row in rows],
        "unread": sum(row["recipient_id"] == me and not row["seen"] for row in rows),
    }


def read_chat(actor: Actor, name: str) -> None:
    """All messages of one member are read.

    Raises:
        Refusal: There is no other member of this name.
    """
    write(
        actor.kit,
        "UPDATE messages SET seen = 1 WHERE sender_id = ? AND recipient_id = ? AND NOT seen",
        _other(actor, name)["id"],
        actor.id,
    )


def send(actor: Actor, name: str, body: str) -> None:
    """Write to another member.

    Raises:
        Refusal: There is no other member of this name, or the text is empty or too long.
    """
    other, body = _other(actor, name), body.replace("\r\n", "\n").strip()
    if not body or len(body) > MAX_BODY:
        raise Refusal("invalid_message", f"Write a message of at most {MAX_BODY} characters.")
    if actor.kit.bug("message-unsent", f"to {other['name']}"):
        return
    write(
        actor.kit,
        "INSERT INTO messages (sender_id, recipient_id, body, sent_at) VALUES (?, ?, ?, ?)",
        actor.id,
        other["id"],
        body,
        utc_text(actor.kit.now()),
    )
