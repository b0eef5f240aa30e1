"""What keeps moderators busy, and what members keep: reports, bans, the log, messages, notifications, drafts."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from envsim.guest.service import utc_text
from envsim.guest.text import plain
from envsim.rng import Rng

from ..app.service.ranking import heat, hot
from .phrases import HELD, MESSAGES, POSTS, REASONS, REPORTED, with_article
from .texts import Forum
from .threads import NOW, filled, forum_words


def fill(db: sqlite3.Connection, forums: list[Forum]) -> None:
    """Insert it all."""
    members = [row[0] for row in db.execute("SELECT id FROM members ORDER BY id")]
    for forum in forums:
        rng = Rng("plaza-seed", "work", forum.slug)
        _insert_reports(db, rng, forum, members)
        _insert_held(db, rng, forum, members)
        _insert_bans(db, rng, forum, members)
        _insert_log(db, rng, forum)
    for member in members:
        rng = Rng("plaza-seed", "mine", member)
        _insert_messages(db, rng, member, members, forums)
        _insert_saved(db, rng, member)
        _insert_notices(db, rng, member)
        if rng.chance(0.4):
            _insert_draft(db, rng, member, rng.choice(forums))


def _others(db: sqlite3.Connection, forum: Forum, members: list[int]) -> list[int]:
    moderators = {row[0] for row in db.execute("SELECT member_id FROM moderators WHERE forum = ?", (forum.slug,))}
    return [member for member in members if member not in moderators]


def _insert_reports(db: sqlite3.Connection, rng: Rng, forum: Forum, members: list[int]) -> None:
    """Two or three things that should not be there, reported by one or two members; and one that is fine."""
    others = _others(db, forum, members)
    for kind, title, rest in rng.sample(REPORTED, 2 + rng.integer(2)):
        author, *reporters = rng.sample(others, 3)
        text, body = filled(rng, forum, title), filled(rng, forum, rest)
        when = NOW - timedelta(hours=3 + rng.integer(150), minutes=rng.integer(60))
        target = (
            _post(db, forum, author, text, body, when, 2, 12)
            if kind == "post"
            else _comment(db, rng, forum, author, text, when)
        )
        for reporter in reporters[: 1 + rng.integer(2)]:
            _report(
                db, forum, kind, target, reporter, rng.choice(REASONS), when + timedelta(minutes=30 + rng.integer(60))
            )
    fine = db.execute(
        "SELECT c.id FROM comments c JOIN posts p ON p.id = c.post_id WHERE p.forum = ? AND c.ups > 8"
        " ORDER BY c.id LIMIT 9",
        (forum.slug,),
    ).fetchall()
    if fine and rng.chance(0.7):
        _report(db, forum, "comment", rng.choice(fine)[0], rng.choice(others), "Off topic", NOW - timedelta(hours=5))


def _post(
    db: sqlite3.Connection,
    forum: Forum,
    author: int,
    title: str,
    body: str,
    when: object,
    ups: int,
    downs: int,
    status: str = "live",
) -> int:
    stored = utc_text(when)  # type: ignore[arg-type]
    made = db.execute(
        "INSERT INTO posts (forum, author_id, kind, title, body, ups, downs, hot, heat, created_at, status, search)"
        " VALUES (?, ?, 'text', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            forum.slug,
            author,
            title,
            body,
            ups,
            downs,
            hot(ups, downs, stored),
            heat(ups, downs),
            stored,
            status,
            plain(f"{title} {body}"),
        ),
    ).lastrowid
    assert made is not None
    return made


def _comment(db: sqlite3.Connection, rng: Rng, forum: Forum, author: int, text: str, when: object) -> int:
    posts = db.execute(
        "SELECT id FROM posts WHERE forum = ? AND NOT pinned AND NOT locked AND status = 'live' AND comments > 2"
        " AND created_at < ? ORDER BY id DESC LIMIT 6",
        (forum.slug, utc_text(when)),  # type: ignore[arg-type]
    ).fetchall()
    post = rng.choice(posts)[0]
    made = db.execute(
        "INSERT INTO comments (post_id, author_id, body, ups, downs, created_at) VALUES (?, ?, ?, 1, ?, ?)",
        (post, author, text, 2 + rng.integer(9), utc_text(when)),  # type: ignore[arg-type]
    ).lastrowid
    db.execute("UPDATE posts SET comments = comments + 1 WHERE id = ?", (post,))
    assert made is not None
    return made


def _report(db: sqlite3.Connection, forum: Forum, kind: str, target: int, who: int, reason: str, when: object) -> None:
    db.execute(
        "INSERT INTO reports (forum, kind, target, reporter_id, reason, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (forum.slug, kind, target, who, reason, utc_text(when)),
    )  # type: ignore[arg-type]


def _insert_held(db: sqlite3.Connection, rng: Rng, forum: Forum, members: list[int]) -> None:
    if rng.chance(0.6):
        title, body = rng.choice(HELD)
        word, author = rng.choice(forum.words), rng.choice(_others(db, forum, members))
        when = NOW - timedelta(hours=2 + rng.integer(20))
        _post(
            db,
            forum,
            author,
            with_article(title.format(word=word)),
            with_article(body.format(word=word)),
            when,
            1,
            0,
            "held",
        )


def _insert_bans(db: sqlite3.Connection, rng: Rng, forum: Forum, members: list[int]) -> None:
    for member in rng.sample(_others(db, forum, members), 1 + rng.integer(2)):
        when = NOW - timedelta(days=4 + rng.integer(90))
        reason = rng.choice(
            ("Sold things in every thread", "Insults after two warnings", "Posted other people's pictures")
        )
        db.execute("INSERT INTO bans VALUES (?, ?, ?, ?)", (forum.slug, member, reason, utc_text(when)))
        _log(db, rng, forum, "ban", member, reason, when)


def _insert_log(db: sqlite3.Connection, rng: Rng, forum: Forum) -> None:
    for _ in range(5 + rng.integer(6)):
        when = NOW - timedelta(days=1 + rng.integer(150), minutes=rng.integer(1400))
        post = db.execute(
            "SELECT p.id, m.name FROM posts p JOIN members m ON m.id = p.author_id WHERE p.forum = ?"
            " AND p.status = 'live' ORDER BY p.id LIMIT 1 OFFSET ?",
            (forum.slug, rng.integer(10)),
        ).fetchone()
        moderator = _moderator(db, rng, forum)
        action = rng.choice(("approve", "dismiss", "lock", "unlock", "pin", "unpin"))
        db.execute(
            "INSERT INTO modlog (forum, moderator_id, action, subject, link, made_at) VALUES (?, ?, ?, ?, ?, ?)",
            (forum.slug, moderator, action, f"a post by u/{post[1]}", f"/p/{post[0]}", utc_text(when)),
        )


def _moderator(db: sqlite3.Connection, rng: Rng, forum: Forum) -> int:
    found = db.execute("SELECT member_id FROM moderators WHERE forum = ? ORDER BY member_id", (forum.slug,)).fetchall()
    return int(rng.choice(found)[0])


def _log(db: sqlite3.Connection, rng: Rng, forum: Forum, action: str, member: int, reason: str, when: object) -> None:
    name = db.execute("SELECT name FROM members WHERE id = ?", (member,)).fetchone()[0]
    db.execute(
        "INSERT INTO modlog (forum, moderator_id, action, subject, link, reason, made_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (forum.slug, _moderator(db, rng, forum), action, f"u/{name}", f"/u/{name}", reason, utc_text(when)),  # type: ignore[arg-type]
    )


def _insert_messages(db: sqlite3.Connection, rng: Rng, member: int, members: list[int], forums: list[Forum]) -> None:
    for other in rng.sample([m for m in members if m != member], 1 + rng.integer(2)):
        forum, (ask, answer) = rng.choice(forums), rng.choice(MESSAGES)
        words = forum_words(rng, forum)
        moment = NOW - timedelta(days=rng.integer(60), minutes=90 + rng.integer(1200))
        lines = [
            (other, member, with_article(ask.format(**words))),
            (member, other, with_article(answer.format(**words))),
        ]
        unseen = rng.chance(0.35)
        for turn, (sender, recipient, body) in enumerate(lines[: 1 if unseen else 2]):
            db.execute(
                "INSERT INTO messages (sender_id, recipient_id, body, sent_at, seen) VALUES (?, ?, ?, ?, ?)",
                (sender, recipient, body, utc_text(moment), int(not unseen or turn == 1)),
            )
            moment += timedelta(minutes=6 + rng.integer(40))


def _insert_saved(db: sqlite3.Connection, rng: Rng, member: int) -> None:
    posts = db.execute("SELECT id, created_at FROM posts WHERE status = 'live' AND NOT pinned ORDER BY id").fetchall()
    for number, created in rng.sample([tuple(row) for row in posts], 1 + rng.integer(3)):
        db.execute("INSERT INTO saved VALUES (?, 'post', ?, ?)", (member, number, created))


def _insert_notices(db: sqlite3.Connection, rng: Rng, member: int) -> None:
    """The latest comments of others on the member's posts."""
    rows = db.execute(
        "SELECT c.id, c.created_at, m.name, p.title FROM comments c JOIN posts p ON p.id = c.post_id"
        " JOIN members m ON m.id = c.author_id WHERE p.author_id = ? AND c.author_id != ? AND c.parent_id IS NULL"
        " AND c.downs < 5 ORDER BY c.created_at DESC, c.id LIMIT 4",
        (member, member),
    ).fetchall()
    for turn, (comment, made_at, name, title) in enumerate(rows):
        db.execute(
            "INSERT INTO notices (member_id, text, link, made_at, seen) VALUES (?, ?, ?, ?, ?)",
            (member, f"u/{name} commented on “{title}”", f"/c/{comment}", made_at, int(turn > 1 or rng.chance(0.3))),
        )


def _insert_draft(db: sqlite3.Connection, rng: Rng, member: int, forum: Forum) -> None:
    title, body = rng.choice(POSTS)
    words = forum_words(rng, forum)
    when = NOW - timedelta(days=1 + rng.integer(20), minutes=rng.integer(600))
    db.execute(
        "INSERT INTO drafts (member_id, forum, kind, title, body, url, saved_at) VALUES (?, ?, 'text', ?, ?, '', ?)",
        (member, forum.slug, with_article(title.format(**words)), with_article(body.format(**words)), utc_text(when)),
    )
