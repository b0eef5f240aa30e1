"""Posts, comments and votes: the written threads, and more made from the forums' own words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from envsim.guest.service import utc_text
from envsim.guest.text import plain
from envsim.rng import Rng

from ..app.service.ranking import heat, hot
from .phrases import FRAMES, LINKS, POSTS, REPLIES, ROOTS, with_article
from .texts import Forum, Written

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MADE = 7
"""Posts that a forum has beside the written ones."""
LOCKED, CROSSPOSTED = 0.05, 0.04


@dataclass
class Post:
    """A post to be inserted."""

    forum: Forum
    written: Written
    kind: str
    url: str
    flair: str
    when: datetime
    pinned: bool = False


def fill(db: sqlite3.Connection, forums: list[Forum]) -> None:
    """Insert them all, oldest first."""
    posts = sorted(
        (post for forum in forums for post in _posts(forum)), key=lambda post: (post.when, post.written.title)
    )
    members = [row[0] for row in db.execute("SELECT id FROM members ORDER BY id")]
    for post in posts:
        _insert(db, post, members)
    _insert_votes(db, members)


def forum_words(rng: Rng, forum: Forum) -> dict[str, str]:
    """What stands in for the names in braces of `phrases.txt`."""
    say = rng.choice(forum.says)
    return {
        "thing": rng.choice(forum.things),
        "trouble": rng.choice(forum.troubles),
        "say": say,
        # A saying after a colon goes on in lower case, unless it begins with "I".
        "say_": say if say.startswith(("I ", "I’")) else say[0].lower() + say[1:],
        "topic": forum.title,
        "topic_": forum.title.lower(),
    }


def filled(rng: Rng, forum: Forum, text: str) -> str:
    """`text` with the forum's own words in it."""
    return with_article(text.format(**forum_words(rng, forum)))


def _posts(forum: Forum) -> Iterator[Post]:
    rng = Rng("plaza-seed", "posts", forum.slug)

    def at() -> datetime:
        # Half of all posts lie in the last five weeks; the others reach back to the summer.
        days = rng.uniform() * 35 if rng.chance(0.5) else 35 + rng.uniform() * 190
        return NOW - timedelta(days=days, minutes=75 + rng.integer(60))

    def flair() -> str:
        return rng.choice(forum.flairs) if rng.chance(0.7) else ""

    welcome = Written(
        f"Welcome to {forum.title}: read this first",
        f"{forum.about}\n\nBefore you post:\n\n"
        + "\n".join(f"- {rule}" for rule in forum.rules)
        + "\n\nIf something goes wrong, **report** it and do not argue. We look at the queue every day.",
    )
    yield Post(forum, welcome, "text", "", "", NOW - timedelta(days=226, minutes=rng.integer(900)), pinned=True)
    for written in forum.threads:
        yield Post(forum, written, "text", "", flair(), at())
    for title, body in rng.sample(POSTS, MADE - 1):
        words = forum_words(rng, forum)
        yield Post(
            forum,
            Written(with_article(title.format(**words)), with_article(body.format(**words))),
            "text",
            "",
            flair(),
            at(),
        )
    title, path = rng.choice(LINKS)
    link = f"https://{forum.slug}-review.example/2026/{path}"
    yield Post(forum, Written(filled(rng, forum, title)), "link", link, flair(), at())


def _insert(db: sqlite3.Connection, post: Post, members: list[int]) -> None:
    forum, written = post.forum, post.written
    rng = Rng("plaza-seed", "post", forum.slug, written.title)
    author = rng.choice(members)
    if post.pinned:
        author = db.execute("SELECT min(member_id) FROM moderators WHERE forum = ?", (forum.slug,)).fetchone()[0]
    ups, downs = _votes(rng, 90)
    when = utc_text(post.when)
    edited = utc_text(post.when + timedelta(minutes=20 + rng.integer(300))) if rng.chance(0.08) else None
    number = db.execute(
        "INSERT INTO posts (forum, author_id, kind, title, body, url, flair, ups, downs, hot, heat, created_at,"
        " edited_at, locked, pinned, search) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            forum.slug,
            author,
            post.kind,
            written.title,
            written.body,
            post.url,
            post.flair,
            ups,
            downs,
            hot(ups, downs, when),
            heat(ups, downs),
            when,
            edited,
            int(not post.pinned and rng.chance(LOCKED)),
            int(post.pinned),
            plain(f"{written.title} {written.body}"),
        ),
    ).lastrowid
    assert number is not None
    count = 1 if post.pinned else _insert_comments(db, rng, post, number, author, members)
    if post.pinned:
        _insert_comment(
            db, rng, number, None, author, "Questions about the rules go here.", post.when + timedelta(minutes=4)
        )
    db.execute("UPDATE posts SET comments = ? WHERE id = ?", (count, number))


def _votes(rng: Rng, most: int) -> tuple[int, int]:
    """Few posts get many votes, and some divide people."""
    loved = rng.uniform() ** 3
    ups = 1 + int(loved * most * 2) + rng.integer(9)
    share = 0.45 if rng.chance(0.08) else 0.02 + 0.15 * rng.uniform()
    return ups, int(ups * share)


def _insert_comments(db: sqlite3.Connection, rng: Rng, post: Post, number: int, author: int, members: list[int]) -> int:
    said: list[tuple[int, int, datetime]] = []  # id, depth, when
    moment = post.when + timedelta(minutes=5 + rng.integer(90))
    known: set[str] = set()
    for depth, text in post.written.comments:
        parent = said[-1] if depth and said else None
        said.append(_said(db, rng, number, parent, rng.choice(members), text, moment))
        moment = _later(rng, moment)
    wanted = len(said) + 1 + int(rng.uniform() ** 2 * 11) + rng.integer(4)
    while len(said) < wanted:
        parent = rng.choice(said) if said and rng.chance(0.48) else None
        if parent and parent[1] > 4:
            continue
        text = filled(rng, post.forum, rng.choice(REPLIES if parent else ROOTS if rng.chance(0.3) else FRAMES))
        if text in known:
            continue
        known.add(text)
        # Whoever asked comes back to answer.
        who = author if parent and rng.chance(0.25) else rng.choice(members)
        said.append(_said(db, rng, number, parent, who, text, max(moment, parent[2] if parent else moment)))
        moment = _later(rng, moment)
    return len(said)


def _later(rng: Rng, moment: datetime) -> datetime:
    """Answers come quickly or the next day, and never from the future."""
    wait = timedelta(minutes=2 + rng.integer(50)) if rng.chance(0.8) else timedelta(hours=3 + rng.integer(18))
    return min(moment + wait, NOW - timedelta(minutes=61 + rng.integer(12)))


def _said(
    db: sqlite3.Connection,
    rng: Rng,
    post: int,
    parent: tuple[int, int, datetime] | None,
    who: int,
    text: str,
    when: datetime,
) -> tuple[int, int, datetime]:
    made = _insert_comment(db, rng, post, parent[0] if parent else None, who, text, when)
    return made, parent[1] + 1 if parent else 0, when


def _insert_comment(
    db: sqlite3.Connection, rng: Rng, post: int, parent: int | None, who: int, text: str, when: datetime
) -> int:
    ups, downs = _votes(rng, 20)
    made = db.execute(
        "INSERT INTO comments (post_id, parent_id, author_id, body, ups, downs, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (post, parent, who, text, ups, downs, utc_text(when)),
    ).lastrowid
    assert made is not None
    return made


def _insert_votes(db: sqlite3.Connection, members: list[int]) -> None:
    """What some members voted, among the votes that are counted already; nobody on their own."""
    for kind, table, each in (("post", "posts", 3), ("comment", "comments", 1)):
        rows = db.execute(f"SELECT id, author_id, ups, downs FROM {table} ORDER BY id").fetchall()
        left = {row[0]: [row[2] - 1, row[3]] for row in rows}
        for member in members:
            rng = Rng("plaza-seed", "votes", kind, member)
            for number, author, _, _ in rng.sample([tuple(row) for row in rows], each):
                value = -1 if rng.chance(0.15) else 1
                if author == member or left[number][value < 0] < 1:
                    continue
                left[number][value < 0] -= 1
                db.execute("INSERT INTO votes VALUES (?, ?, ?, ?)", (member, kind, number, value))
