"""What people do at the discussion site: ranking, votes, comments, moderation, drafts, messages, time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.content import load_entry
from envsim.page.snapshot import snapshot
from tests.sandboxes.plaza.conftest import PLAZA
from tests.sandboxes.sites import unbalanced

Session = Any
Open = Callable[..., Session]
to_html = load_entry(PLAZA, "app.service.markup:to_html")


def scores(member: Session, target: str) -> list[int]:
    posts = member.rows("posts")
    return [posts[str(number)]["score"] for number in member.listed(target)]


# -- lists -------------------------------------------------------------------------------------------


def test_every_order_shows_every_post_once(member: Session) -> None:
    live = {int(key) for key, row in member.rows("posts", status="live").items()}
    for order in ("hot", "new", "top", "controversial"):
        found = member.listed(f"/all?sort={order}")
        assert len(found) == len(set(found)), order
        assert set(found) == live, order
    top = scores(member, "/all?sort=top")
    assert top == sorted(top, reverse=True)
    posts = member.rows("posts")
    new = [posts[str(number)]["created_at"] for number in member.listed("/all?sort=new")]
    assert new == sorted(new, reverse=True)


def test_a_period_leaves_out_what_is_older(member: Session) -> None:
    posts = member.rows("posts")
    for period, since in (("day", "2026-03-01T09"), ("week", "2026-02-23T09"), ("month", "2026-01-31T09")):
        found = member.listed(f"/all?sort=top&t={period}")
        assert {posts[str(n)]["created_at"] > since for n in found} == {True}, period
        assert len(found) == sum(row["status"] == "live" and row["created_at"] > since for row in posts.values())


def test_a_forum_may_show_the_forums_inside_it(member: Session) -> None:
    posts = member.rows("posts", status="live")
    inside = {"cooking", "bread", "coffee", "fermenting"}
    assert {posts[str(n)]["forum"] for n in member.listed("/f/cooking?sort=new")} == {"cooking"}
    assert {posts[str(n)]["forum"] for n in member.listed("/f/cooking?sort=new&inside=1")} == inside


def test_the_front_page_is_made_of_the_forums_one_has_joined(member: Session) -> None:
    joined = {row["forum"] for row in member.rows("joined", member=member.name).values()}
    posts = member.rows("posts")
    assert {posts[str(n)]["forum"] for n in member.listed("/")} == joined
    other = min(set(member.rows("forums")) - joined)
    member.post(f"/f/{other}/membership", action="join")
    assert other in {posts[str(n)]["forum"] for n in member.listed("/")}
    member.post(f"/f/{other}/membership", action="leave")
    assert other not in {posts[str(n)]["forum"] for n in member.listed("/")}


def test_search_wants_every_word_without_accents_and_case(member: Session) -> None:
    found = member.tool("search_posts", text="LINGER écrit")["total"]
    assert found == 0
    one = member.tool("search_posts", text="Handwriting WINTER", forum="history")["posts"]
    assert [post["title"] for post in one] == ["Learning to read old handwriting in a winter"]
    assert member.tool("search_posts", text="handwriting", author="nobody")["total"] == 0


# -- votes and karma ---------------------------------------------------------------------------------


def test_a_vote_counts_once_can_be_turned_and_taken_back(member: Session) -> None:
    post = member.open_post()
    author = member.rows("posts")[str(post)]["author"]
    base, karma = member.rows("posts")[str(post)]["score"], member.tool("get_member", name=author)["karma"]
    before = sum(row["value"] for row in member.rows("votes", member=member.name, kind="post", target=post).values())
    seen = []
    for value in (1, 1, -1, 0, -1, 1, 0):
        member.tool("vote", kind="post", id=post, value=value)
        score = member.rows("posts")[str(post)]["score"]
        assert member.tool("get_member", name=author)["karma"] - karma == score - base
        seen.append(score - base + before)
    assert seen == [1, 1, -1, 0, -1, 1, 0]


def test_the_score_of_what_is_new_is_hidden(session: Open) -> None:
    member = session()
    made = member.tool("create_post", forum="bread", title="Fresh", body="Out of the oven.")["post_id"]
    assert member.tool("get_post", post_id=made)["score"] is None
    assert "score hidden" in member.get(f"/p/{made}")
    old = session(clock="2026-03-02T12:00:00Z").tool("get_post", post_id=member.open_post())
    assert isinstance(old["score"], int)


# -- comments ----------------------------------------------------------------------------------------


def test_replies_nest_and_go_on_on_a_page_of_their_own(member: Session) -> None:
    post, parent, chain = member.open_post(), None, []
    for depth in range(9):
        extra = {"parent_id": parent} if parent else {}
        parent = member.tool("comment", post_id=post, body=f"Level {depth}", **extra)["comment_id"]
        chain.append(parent)
    html = member.get(f"/p/{post}?sort=new")
    assert unbalanced(html.replace("</html>", "")) == []
    assert "Level 5" in html
    assert "Level 6" not in html
    assert "Continue this thread" in html
    assert "Level 8" in member.get(f"/c/{chain[4]}")


def test_a_deleted_comment_leaves_its_replies(member: Session) -> None:
    post = member.open_post()
    count = member.rows("posts")[str(post)]["comments"]
    first = member.tool("comment", post_id=post, body="To be regretted")["comment_id"]
    member.second().tool("comment", post_id=post, body="Too late", parent_id=first)
    member.post(f"/c/{first}/delete")
    html = member.get(f"/p/{post}?sort=new")
    assert "To be regretted" not in html
    assert "[deleted]" in html
    assert "Too late" in html
    assert member.rows("posts")[str(post)]["comments"] == count + 1


def test_who_is_answered_or_named_is_told_once(member: Session) -> None:
    other = member.second()
    name = member.rows("members")[other.login]["name"]
    post = other.tool("create_post", forum="bread", title="Rye", body="Dark.")["post_id"]
    before = len(member.rows("notices", member=name))
    member.tool("comment", post_id=post, body=f"Well done, u/{name}!")
    told = [row for row in member.rows("notices", member=name).values() if not row["seen"]]
    assert len(member.rows("notices", member=name)) == before + 1
    assert any("commented on “Rye”" in row["text"] for row in told)
    other.post("/notifications")
    assert not [row for row in member.rows("notices", member=name).values() if not row["seen"]]


# -- moderation --------------------------------------------------------------------------------------


def test_what_is_removed_is_gone_for_all_but_its_author_and_moderators(member: Session) -> None:
    forum, author = member.moderated(), member.second()
    name = member.rows("members")[author.login]["name"]
    post = author.tool("create_post", forum=forum, title="A poem about a lamp", body="It is on.")["post_id"]
    other = member.second("zeynep.aydin@example.com")
    other.tool("report", kind="post", id=post, reason="Off topic")
    member.post(f"/f/{forum}/act", kind="post", number=post, action="remove", reason="No poems")
    assert [who.send("GET", f"/p/{post}").status for who in (member, author, other)] == [200, 200, 404]
    assert post not in member.listed(f"/f/{forum}?sort=new")
    assert [row["status"] for row in member.rows("reports", kind="post", target=post).values()] == ["resolved"]
    assert any("No poems" in row["text"] for row in member.rows("notices", member=name).values())
    assert "No poems" in other.get(f"/f/{forum}/log")
    member.post(f"/f/{forum}/act", kind="post", number=post, action="approve")
    assert other.send("GET", f"/p/{post}").status == 200


def test_a_word_of_the_list_holds_a_post_until_it_is_approved(member: Session) -> None:
    forum, author = member.moderated(), member.second()
    member.post(f"/f/{forum}/words", word="Lamps", action="add")
    made = author.tool("create_post", forum=forum, title="Old lamps, anyone?", body="Two of them.")
    assert made["status"] == "held"
    reader = member.second("zeynep.aydin@example.com")
    assert reader.send("GET", f"/p/{made['post_id']}").status == 404
    assert made["post_id"] in [thing["id"] for thing in member.tool("mod_queue", forum=forum)["waiting"]]
    member.tool("mod_act", kind="post", id=made["post_id"], action="approve")
    assert reader.send("GET", f"/p/{made['post_id']}").status == 200
    assert author.tool("create_post", forum=forum, title="Old lamp, anyone?", body="One.")["status"] == "live"


def test_who_is_banned_reads_and_cannot_write(member: Session) -> None:
    forum, other = member.moderated(), member.second()
    name = member.rows("members")[other.login]["name"]
    member.post(f"/f/{forum}/bans", name=name, reason="Three warnings", action="ban")
    post = member.open_post(forum)
    refused = [
        other.tool("comment", post_id=post, body="But")["error"]["code"],
        other.tool("vote", kind="post", id=post, value=1)["error"]["code"],
        other.tool("create_post", forum=forum, title="But", body="But")["error"]["code"],
    ]
    assert refused == ["banned"] * 3
    assert other.send("GET", f"/p/{post}").status == 200
    member.post(f"/f/{forum}/bans", name=name, action="unban")
    assert "comment_id" in other.tool("comment", post_id=post, body="Thank you")


def test_a_locked_post_takes_comments_of_moderators_only(member: Session) -> None:
    forum, other = member.moderated(), member.second()
    post = member.open_post(forum)
    member.tool("mod_act", kind="post", id=post, action="lock")
    assert other.tool("comment", post_id=post, body="One more thing")["error"]["code"] == "locked"
    assert "comment_id" in member.tool("comment", post_id=post, body="Closed, thank you all.")
    assert "This post is locked" in other.get(f"/p/{post}")


# -- drafts, messages, time --------------------------------------------------------------------------


def test_a_draft_is_kept_changed_and_published(member: Session) -> None:
    member.post("/f/bread/submit", title="Rye", body="To do", kind="text", action="draft")
    draft = next(key for key, row in member.rows("drafts", member=member.name, title="Rye").items())
    page = member.lines(f"/f/bread/submit?draft={draft}")
    assert {line.value for line in page if line.role == "textbox"} >= {"Rye", "To do"}
    member.post("/f/bread/submit", title="Rye", body="Done", kind="text", action="draft", draft=draft)
    assert member.rows("drafts")[draft]["body"] == "Done"
    member.post("/f/bread/submit", title="Rye", body="Done", kind="text", action="post", draft=draft)
    assert draft not in member.rows("drafts")
    assert len(member.rows("posts", author=member.name, title="Rye", body="Done")) == 1


def test_messages_are_unread_until_somebody_says_so(member: Session) -> None:
    other = member.second()
    name = member.rows("members")[other.login]["name"]
    member.post(f"/messages/{name}", body="Are you coming?")
    other.get(f"/messages/{member.name}")
    assert [row["seen"] for row in member.rows("messages", body="Are you coming?").values()] == [0]
    other.post(f"/messages/{member.name}", action="read")
    assert [row["seen"] for row in member.rows("messages", body="Are you coming?").values()] == [1]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("Europe/Lisbon", "01:15"), ("Asia/Kolkata", "05:45"), ("America/New_York", "20:15"), ("UTC", "00:15")],
)
def test_times_are_those_on_the_wall_where_the_reader_is(session: Open, zone: str, shown: str) -> None:
    member = session(clock="2026-07-01T00:15:00Z")
    made = member.tool("create_post", forum="bread", title="At night", body="Dark.")["post_id"]
    member.tool("update_profile", zone=zone)
    assert member.tool("get_post", post_id=made)["created_at"][11:16] == shown


def test_a_new_member_has_a_name_of_their_own(session: Open) -> None:
    guest = session(None)
    account = {"email": "new@example.com", "password": "long enough", "again": "long enough"}
    for name, words in (("Marisol_Vega", "Somebody has this name"), ("two words", "2 to 30 letters"), ("", "2 to 30")):
        reply = guest.post("/register", name=name, **account)
        assert reply.status == 422
        assert words in reply.body.decode()
    assert guest.post("/register", name="late-riser", **account).header("location") == "/?notice=registered"
    assert "u/late-riser" in guest.get("/")
    assert guest.post("/f/bread/membership", action="join").status == 303
    assert guest.send("GET", "/").status == 200


# -- text --------------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("ab*`_>- \n[](){}<&\"'/:.hpsu1"), max_size=80) | st.text(max_size=60))
def test_no_text_breaks_out_of_its_place(text: str) -> None:
    html = str(to_html(text))  # type: ignore[operator]
    assert unbalanced(f"<html>{html}") == []
    allowed = {"p", "ul", "li", "blockquote", "br", "code", "strong", "em", "a"}
    assert set(_tags(html)) <= allowed
    assert all(line.role in ("text", "link", "list", "listitem") for line in snapshot(html, "/").lines)


def _tags(html: str) -> list[str]:
    return [part.split(">")[0].split(" ")[0].strip("/") for part in html.split("<")[1:]]


def test_text_is_marked_up_as_the_help_says() -> None:
    html = str(to_html("**bold** *it* `x < y`\n\n- one\n- two\n\n> said\n\n[here](https://a.example/b) u/tomaszz"))  # type: ignore[operator]
    for part in ("<strong>bold</strong>", "<em>it</em>", "<code>x &lt; y</code>", "<ul><li>one</li><li>two</li></ul>",
                 "<blockquote><p>said</p></blockquote>", '<a href="https://a.example/b" rel="nofollow">here</a>',
                 '<a href="/u/tomaszz">u/tomaszz</a>'):  # fmt: skip
        assert part in html
