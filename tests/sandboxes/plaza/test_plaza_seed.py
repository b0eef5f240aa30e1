"""The seed database: large enough, consistent, the same bytes every time, and written by people for people."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from envsim.content import load_entry

PLAZA = Path(__file__).resolve().parents[3] / "sandboxes" / "plaza"
NOW = "2026-03-02T09:00:00Z"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plaza") / "seed.db"
    load_entry(PLAZA, "seed:build")(path)  # type: ignore[operator]
    return path


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    yield connection
    connection.close()


def test_the_same_bytes_in_another_process(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "again.db"
    code = (
        "import sys; from pathlib import Path; from envsim.content import load_entry;"
        " load_entry(Path(sys.argv[1]), 'seed:build')(Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(PLAZA), str(other)],
        check=True,
        env={"PYTHONHASHSEED": "7", "PATH": "", "PYTHONPATH": str(PLAZA.parents[1])},
    )
    assert other.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [("forums", 25, 25), ("members", 120, 120), ("posts", 320, 460), ("comments", 2000, 2800), ("reports", 60, 140),
     ("votes", 300, 700), ("messages", 150, 400), ("drafts", 30, 70), ("modlog", 120, 320)],
)  # fmt: skip
def test_there_is_enough_of_it(db: sqlite3.Connection, table: str, least: int, most: int) -> None:
    assert least <= db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] <= most


WRONG = {
    "a count of comments that is not": "SELECT id FROM posts p WHERE comments != (SELECT count(*) FROM comments c"
    " WHERE c.post_id = p.id AND c.status = 'live')",
    "a reply under another post": "SELECT c.id FROM comments c JOIN comments p ON p.id = c.parent_id"
    " WHERE p.post_id != c.post_id OR p.created_at > c.created_at",
    "a comment before its post": "SELECT c.id FROM comments c JOIN posts p ON p.id = c.post_id"
    " WHERE c.created_at < p.created_at",
    "something from the future": f"SELECT created_at FROM posts WHERE created_at >= '{NOW}' UNION ALL SELECT created_at"
    f" FROM comments WHERE created_at >= '{NOW}' UNION ALL SELECT sent_at FROM messages WHERE sent_at >= '{NOW}'"
    f" UNION ALL SELECT edited_at FROM posts WHERE edited_at >= '{NOW}' UNION ALL SELECT made_at FROM modlog"
    f" WHERE made_at >= '{NOW}'",
    "a score that is still hidden": "SELECT id FROM posts WHERE created_at > '2026-03-02T08:00:00Z'",
    "a flair its forum does not have": "SELECT id FROM posts p WHERE flair != '' AND NOT EXISTS"
    " (SELECT 1 FROM flairs f WHERE f.forum = p.forum AND f.name = p.flair)",
    "more votes of members than there are": "SELECT target FROM votes v JOIN posts p ON p.id = v.target"
    " WHERE v.kind = 'post' GROUP BY target"
    " HAVING sum(v.value = 1) > max(p.ups) - 1 OR sum(v.value = -1) > max(p.downs)",
    "a vote on one's own": "SELECT 1 FROM votes v JOIN posts p ON p.id = v.target WHERE v.kind = 'post'"
    " AND p.author_id = v.member_id",
    "a moderator who is banned": "SELECT 1 FROM bans b JOIN moderators m USING (forum, member_id)",
    "a moderator who has not joined": "SELECT 1 FROM moderators m WHERE NOT EXISTS (SELECT 1 FROM joined j"
    " WHERE j.forum = m.forum AND j.member_id = m.member_id)",
    "a forum inside one that is inside another": "SELECT f.slug FROM forums f JOIN forums p ON p.slug = f.parent"
    " WHERE p.parent IS NOT NULL",
    "a report of something that is not there": "SELECT id FROM reports r WHERE r.kind = 'post' AND r.target NOT IN"
    " (SELECT id FROM posts) OR r.kind = 'comment' AND r.target NOT IN (SELECT id FROM comments)",
    "a message to oneself": "SELECT id FROM messages WHERE sender_id = recipient_id",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_it_contradicts_nothing(db: sqlite3.Connection, wrong: str) -> None:
    assert db.execute(wrong).fetchall() == []


def test_what_is_hot_was_computed_as_the_site_does(db: sqlite3.Connection) -> None:
    hot, heat = (load_entry(PLAZA, f"app.service.ranking:{name}") for name in ("hot", "heat"))
    rows = db.execute("SELECT ups, downs, created_at, hot, heat FROM posts").fetchall()
    for ups, downs, created, was_hot, was_heat in rows:
        assert (hot(ups, downs, created), heat(ups, downs)) == (was_hot, was_heat)  # type: ignore[operator]


def texts(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute(
        "SELECT title FROM posts UNION ALL SELECT body FROM posts UNION ALL SELECT body FROM comments UNION ALL"
        " SELECT body FROM messages UNION ALL SELECT about FROM members UNION ALL SELECT title FROM drafts UNION ALL"
        " SELECT body FROM drafts"
    )]  # fmt: skip


def test_no_filler_text(db: sqlite3.Connection) -> None:
    found = texts(db)
    assert not any(word in text.lower() for text in found for word in ("lorem", "ipsum", "{", "}", "todo", "  "))
    assert not [text for text in found if re.search(r"\b[Aa] [aeio]\w", text)]


def test_people_do_not_repeat_themselves(db: sqlite3.Connection) -> None:
    titles = Counter(row[0] for row in db.execute("SELECT title FROM posts"))
    assert len(titles) > 0.85 * sum(titles.values())
    long = Counter(row[0] for row in db.execute("SELECT body FROM comments WHERE length(body) > 60"))
    assert len(long) > 0.8 * sum(long.values())
    assert not db.execute(
        "SELECT post_id, body FROM comments GROUP BY post_id, body HAVING count(*) > 1"
    ).fetchall()  # fmt: skip
