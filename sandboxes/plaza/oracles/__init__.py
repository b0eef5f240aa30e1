"""One oracle per bug of sandbox.toml: raises `OracleFailure` when it meets the bug, returns otherwise."""

from __future__ import annotations

from envsim.page.transport import WireFault
from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .browsing import MEMBER, Session, expect
from .writing import (
    comment_limit,
    comment_timeout,
    compose_expiry,
    double_comment,
    double_post,
    edit_overwrite,
    escaped_titles,
    form_rotation,
    locked_reply,
    message_unsent,
    post_challenge,
    write_503,
)

__all__ = [
    "comment_limit",
    "comment_timeout",
    "compose_expiry",
    "double_comment",
    "double_post",
    "edit_overwrite",
    "escaped_titles",
    "form_rotation",
    "locked_reply",
    "message_unsent",
    "post_challenge",
    "write_503",
]


def stale_scores(sandbox: Sandbox) -> None:
    """After a vote, lists show the score that counts it."""
    session = Session(sandbox)
    post = session.open_post()
    session.tool("vote", kind="post", id=post, value=0)
    session.tool("vote", kind="post", id=post, value=-1)
    row = session.rows("posts")[str(post)]
    listed = session.tool("search_posts", text=row["title"], forum=row["forum"])["posts"]
    shown = next(found["score"] for found in listed if found["id"] == post)
    expect(shown == row["score"], f"post {post} has the score {row['score']}; the list says {shown}")


def page_shift(sandbox: Sandbox) -> None:
    """Turning a page repeats nothing, although somebody posts in between."""
    session = Session(sandbox)
    lines = session.lines("/all?sort=new")
    first = {line.url for line in lines if line.url.startswith("/p/") and "#" not in line.url}
    session.second().tool("create_post", forum="bread", title="Rye in a flower pot", body="It came out upside down.")
    following = session.lines(next(line.url for line in lines if line.name == "Next page"))
    again = first & {line.url for line in following}
    expect(not again, f"on both pages: {', '.join(sorted(again))}")


def loose_ties(sandbox: Sandbox) -> None:
    """Sorted by top, a forum reads the same twice."""
    session = Session(sandbox, None)
    one, two = (session.listed("/all?sort=top&page=6")[:30] for _ in range(2))
    expect(one == two, "the order of equal scores changed between two readings")


def dst_times(sandbox: Sandbox) -> None:
    """What was written in summer is shown as clocks read it then."""
    session = Session(sandbox)  # in Lisbon: an hour ahead of UTC in summer, none in winter
    post = min(int(key) for key, row in session.rows("posts", status="live").items() if row["created_at"] < "2025-09")
    stored = session.rows("posts")[str(post)]["created_at"]
    shown = session.tool("get_post", post_id=post)["created_at"]
    hours = int(shown[11:13]) - int(stored[11:13])
    expect(hours % 24 == 1, f"written at {stored} UTC, shown as {shown} in Lisbon")


def removed_readable(sandbox: Sandbox) -> None:
    """A removed post cannot be read by others."""
    session = Session(sandbox)
    post = session.open_post(session.moderated())
    session.tool("mod_act", kind="post", id=post, action="remove", reason="Test")
    reader = session.second("zeynep.aydin@example.com")
    status = reader.send("GET", f"/p/{post}").status
    expect(status == 404, f"removed post {post} answered somebody else with status {status}")


def report_left_open(sandbox: Sandbox) -> None:
    """Removing a post settles its reports."""
    session = Session(sandbox)
    forum = session.moderated()
    post = session.open_post(forum)
    session.second("zeynep.aydin@example.com").tool("report", kind="post", id=post, reason="Spam")
    session.post(f"/f/{forum}/act", kind="post", number=post, action="remove")
    left = session.rows("reports", kind="post", target=post, status="open")
    expect(not left, f"post {post} was removed and {len(left)} of its reports are open")


def api_drift(sandbox: Sandbox) -> None:
    """Posts have their score where the document says."""
    session = Session(sandbox)
    answer = session.tool("get_post", post_id=session.open_post())
    expect("score" in answer, f"the post has the keys {', '.join(sorted(answer))}")


def cut_thread(sandbox: Sandbox) -> None:
    """A post's page is whole."""
    session = Session(sandbox)
    try:
        session.get(f"/p/{session.open_post()}")
    except WireFault as fault:
        raise OracleFailure(f"the page broke off: {fault}") from fault


def join_overlay(sandbox: Sandbox) -> None:
    """Nothing covers the lists."""
    session = Session(sandbox)
    for _ in range(3):
        expect(all(line.role != "dialog" for line in session.lines("/all")), "a dialog covers the page")


def layout_variant(sandbox: Sandbox) -> None:
    """A post's page has its usual words."""
    session = Session(sandbox, MEMBER)
    names = {line.name for line in session.lines(f"/p/{session.open_post()}") if line.role == "button"}
    expect({"Upvote this post", "Downvote this post", "Comment"} <= names, f"buttons: {', '.join(sorted(names))}")


def slow_comments(sandbox: Sandbox) -> None:
    """A post's page shows its comments."""
    session = Session(sandbox)
    names = [line.name for line in session.lines(f"/p/{session.open_post()}")]
    expect(any(name.startswith("Upvote the comment") for name in names), "a post with comments shows none")
