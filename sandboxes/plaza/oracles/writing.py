"""Oracles of the bugs that writing has: posts, comments, edits, messages."""

from __future__ import annotations

from envsim.sandbox.runtime import Sandbox

from .browsing import Session, expect

TEXT = "Thank you, this is what I was looking for."


def post_challenge(sandbox: Sandbox) -> None:
    """The form of a new post is a form of a new post."""
    lines = Session(sandbox).lines("/f/bread/submit")
    asked = [line.name for line in lines if line.role == "textbox" and line.name == "Your answer"]
    expect(not asked, "a question stands before the form")


def edit_overwrite(sandbox: Sandbox) -> None:
    """Flair and text of a post both stay."""
    session = Session(sandbox)
    post = session.tool("create_post", forum="bread", title="Rye in a flower pot", body="It came out upside down.")
    number = post["post_id"]
    session.tool("set_flair", post_id=number, flair="Crumb")
    session.tool("edit_post", post_id=number, body="It came out upside down, but it came out.")
    row = session.rows("posts")[str(number)]
    expect(row["flair"] == "Crumb", f"the flair was set to Crumb and is {row['flair']!r}")
    expect(row["body"].endswith("came out."), f"the text is {row['body']!r}")


def double_comment(sandbox: Sandbox) -> None:
    """The same comment sent twice is published once."""
    session = Session(sandbox)
    post = session.open_post()
    for _ in range(2):
        session.post(f"/p/{post}", body=TEXT)
    made = len(session.my_comments(TEXT))
    expect(made == 1, f"{made} comments from one")


def double_post(sandbox: Sandbox) -> None:
    """The same post sent twice is published once."""
    session = Session(sandbox)
    for _ in range(2):
        session.post("/f/bread/submit", kind="text", title="Rye in a flower pot", body="Upside down.", action="post")
    made = len(session.rows("posts", author=session.name, title="Rye in a flower pot"))
    expect(made == 1, f"{made} posts from one")


def escaped_titles(sandbox: Sandbox) -> None:
    """A title is kept as it was written."""
    session = Session(sandbox)
    made = session.tool("create_post", forum="bread", title="Bread and butter", body="Salted.")["post_id"]
    session.post(f"/p/{made}/edit", title="Bread & butter", body="Salted.")
    title = session.rows("posts")[str(made)]["title"]
    expect(title == "Bread & butter", f"the title reads {title!r}")


def compose_expiry(sandbox: Sandbox) -> None:
    """Commenting leads to the comment."""
    session = Session(sandbox)
    location = session.post(f"/p/{session.open_post()}", body=TEXT).header("location") or ""
    expect(location.startswith("/c/"), f"the comment led to {location!r}")


def form_rotation(sandbox: Sandbox) -> None:
    """A form that was just opened is taken."""
    session = Session(sandbox)
    status = session.post(f"/p/{session.open_post()}", body=TEXT).status
    expect(status == 303, f"the comment was answered with status {status}")


def write_503(sandbox: Sandbox) -> None:
    """Commenting publishes and says so."""
    _expect_published(sandbox)


def comment_timeout(sandbox: Sandbox) -> None:
    """Commenting publishes and says so."""
    _expect_published(sandbox)


def _expect_published(sandbox: Sandbox) -> None:
    session = Session(sandbox)
    status = session.post(f"/p/{session.open_post()}", body=TEXT).status
    made = len(session.my_comments(TEXT))
    expect(status == 303 and made == 1, f"status {status}, {made} comments")


def comment_limit(sandbox: Sandbox) -> None:
    """Three comments in a row are taken."""
    session = Session(sandbox)
    post = session.open_post()
    answers = [session.tool("comment", post_id=post, body=f"{TEXT} ({n})") for n in range(3)]
    refused = [answer["error"]["code"] for answer in answers if "error" in answer]
    expect(not refused, f"refused: {', '.join(refused)}")


def message_unsent(sandbox: Sandbox) -> None:
    """What is reported as sent is in the conversation."""
    session = Session(sandbox)
    other = min(row["name"] for row in session.rows("members").values() if row["name"] != session.name)
    reply = session.post(f"/messages/{other}", body=TEXT)
    said = "message-sent" in (reply.header("location") or "")
    held = bool(session.rows("messages", sender=session.name, recipient=other, body=TEXT))
    expect(said and held, f"reported as sent: {said}; in the conversation: {held}")


def locked_reply(sandbox: Sandbox) -> None:
    """Nobody can reply under a locked post."""
    session = Session(sandbox)
    mine = {row["forum"] for row in session.rows("moderators", member=session.name).values()}
    banned = {row["forum"] for row in session.rows("bans", member=session.name).values()}
    posts = session.rows("posts")
    comment = min(
        int(key)
        for key, row in session.rows("comments", status="live").items()
        if (post := posts[str(row["post_id"])])["locked"]
        and post["status"] == "live"
        and post["forum"] not in mine | banned
    )
    status = session.post(f"/c/{comment}", body=TEXT).status
    expect(status == 409, f"a reply under a locked post was answered with status {status}")
