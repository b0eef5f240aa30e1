"""Every declared bug is there when it is on, gone when it is off, and says so when it fires."""

from __future__ import annotations

from functools import partial

from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.visitor import Visitor
from tests.sandboxes import kits

MEMBER = "marisol.vega@example.com"
TEXT = "Thank you, this is what I was looking for."


held = partial(kits.held, login=MEMBER)


class TestBugs(kits.SwitchedBugs):
    # All classes but a race for stock and rounding: nothing is sold here.
    app = "plaza"
    served = ("cut-thread", "edit-overwrite", "comment-timeout", "dst-times", "removed-readable", "form-rotation")
    known = ("comment-timeout", "double-comment", "page-shift", "dst-times")
    random = 8


# -- bugs that meet ----------------------------------------------------------------------------------


def test_sending_again_after_a_timeout_comments_twice_only_where_both_bugs_are(plaza: Sandbox) -> None:
    made = {}
    for bugs in (("comment-timeout",), ("comment-timeout", "double-comment"), ("write-503", "double-comment")):
        visitor = held(plaza, *bugs)
        post = visitor.open_post()
        statuses = [visitor.post(f"/p/{post}", body=TEXT).status for _ in range(2)]
        made[bugs] = (statuses, len(visitor.my_comments(TEXT)))
    assert list(made.values()) == [([504, 504], 1), ([504, 504], 2), ([503, 503], 0)]


def test_a_post_whose_flair_is_lost_may_also_get_an_escaped_title(plaza: Sandbox) -> None:
    visitor = held(plaza, "edit-overwrite", "escaped-titles")
    made = visitor.tool("create_post", forum="bread", title="Rye", body="Dark.")["post_id"]
    visitor.tool("set_flair", post_id=made, flair="Crumb")
    visitor.tool("edit_post", post_id=made, title="Rye & spelt")
    row = visitor.rows("posts")[str(made)]
    assert (row["flair"], row["title"]) == ("", "Rye &amp; spelt")
    # What was escaped is escaped again by the next edit, and the flair stays when enough happens between.
    for name, change in (("set_flair", {"flair": "Crumb"}), ("edit_post", {"body": "Darker."})):
        for _ in range(3):
            visitor.tool("list_forums")
        visitor.tool(name, post_id=made, **change)
    row = visitor.rows("posts")[str(made)]
    assert (row["flair"], row["title"]) == ("Crumb", "Rye &amp;amp; spelt")


def test_reports_left_open_are_settled_by_dismissing_them(plaza: Sandbox) -> None:
    visitor = held(plaza, "report-left-open")
    forum = visitor.moderated()
    waiting = visitor.tool("mod_queue", forum=forum)["waiting"]
    reported = next(thing for thing in waiting if thing["status"] == "live")
    visitor.tool("mod_act", kind=reported["kind"], id=reported["id"], action="remove", reason="Spam")
    left = visitor.tool("mod_queue", forum=forum)["waiting"]
    assert [(t["kind"], t["id"], t["status"]) for t in left if t["id"] == reported["id"]] == [
        (reported["kind"], reported["id"], "removed")
    ]
    visitor.tool("mod_act", kind=reported["kind"], id=reported["id"], action="dismiss")
    assert reported["id"] not in [thing["id"] for thing in visitor.tool("mod_queue", forum=forum)["waiting"]]


def test_stale_scores_are_right_again_after_six_views(plaza: Sandbox) -> None:
    visitor = held(plaza, "stale-scores")
    post = visitor.open_post()
    title = visitor.rows("posts")[str(post)]["title"]
    visitor.tool("vote", kind="post", id=post, value=-1)
    right = visitor.rows("posts")[str(post)]["score"]
    shown = [
        next(row["score"] for row in visitor.tool("search_posts", text=title)["posts"] if row["id"] == post)
        for _ in range(7)
    ]
    assert [score == right for score in shown] == [False] * 6 + [True]
    assert visitor.tool("get_post", post_id=post)["score"] == right


def test_a_question_before_a_post_is_answered_by_reading_it(plaza: Sandbox) -> None:
    visitor = held(plaza, "post-challenge")
    refused = visitor.tool("create_post", forum="bread", title="Rye", body="Dark.")["error"]
    assert refused["code"] == "challenge_required"
    assert visitor.tool("answer_challenge", answer="no idea")["error"]["code"] == "challenge_required"
    question = visitor.tool("create_post", forum="bread", title="Rye", body="Dark.")["error"]["message"]
    if "last word" in question:
        answer = question.split("”", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
    else:
        answer = str(sum(int(word.strip("?.")) for word in question.split() if word.strip("?.").isdigit()))
    assert visitor.tool("answer_challenge", answer=answer) == {"ok": True}
    assert visitor.tool("create_post", forum="bread", title="Rye", body="Dark.")["status"] == "live"


def test_a_session_that_ran_out_is_continued_at_the_form(plaza: Sandbox) -> None:
    visitor = held(plaza, "compose-expiry")
    post = visitor.open_post()
    reply = visitor.post(f"/p/{post}", body=TEXT, back=f"/p/{post}")
    assert reply.header("location") == f"/login?next=/p/{post}"
    assert "Continue as marisol_vega" in visitor.get("/login")
    assert visitor.post("/resume", next=f"/p/{post}").header("location") == f"/p/{post}?notice=resumed"
    assert visitor.my_comments(TEXT) == {}


def test_a_form_that_expired_is_shown_again_with_its_text(plaza: Sandbox) -> None:
    visitor = held(plaza, "form-rotation")
    reply = visitor.post(f"/p/{visitor.open_post()}", body=TEXT)
    assert reply.status == 403
    assert f">\n{TEXT}</textarea>" in reply.body.decode()


def test_resets_leave_nothing_behind_whatever_happened(plaza: Sandbox) -> None:
    def use(visitor: Visitor) -> None:
        visitor.tool("list_posts", sort="top", page=3)
        visitor.tool("vote", kind="post", id=40, value=-1)
        visitor.tool("send_message", name="tomaszz", body="Are you coming?")
        visitor.tool("set_membership", forum="chess", joined=True)

    kits.resets_leave_nothing(plaza, MEMBER, 10, use)
