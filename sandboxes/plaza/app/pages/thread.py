"""A post with its comments, one comment with its replies, and what can be done to either."""

from __future__ import annotations

from typing import Any

from envsim.guest.service import Refusal, Row
from envsim.guest.web import Response

from ..service import comments, forums, moderation, posts, votes
from ..web import Page, Visit


def _show(v: Visit, template: str, post: Row, **values: Any) -> Response:
    sort = v.query.get("sort", "best")
    return v.render(
        template,
        post=post,
        forum=forums.get_forum(v.actor, post["forum"]),
        sort=sort,
        other_layout=v.kit.bug("layout-variant", f"post {post['id']}"),
        saved=votes.is_saved(v.actor, "post", post["id"]),
        own=post["author_id"] == v.actor.id,
        **values,
    )


def show(v: Visit) -> Response:
    """A post with its comments."""
    post = posts.get_post(v.actor, v.number("post"))
    thread = comments.read_thread(v.actor, post, v.query.get("sort", "best"), max(1, v.whole("page", 1)))
    slow = bool(thread.comments) and not v.error and v.kit.bug("slow-comments", f"post {post['id']}")

    def link(page: int) -> str:
        return f"/p/{post['id']}?sort={v.query.get('sort', 'best')}&page={page}"

    return _show(v, "post.html", post, thread=thread, link=link, slow=slow)


def comment(v: Visit) -> Response:
    """Comment on the post."""
    made = comments.add_comment(v.actor, v.number("post"), v.form.get("body", ""))
    return _commented(v, made)


def _commented(v: Visit, made: int) -> Response:
    if v.kit.bug("comment-timeout", f"comment {made}"):
        words = "The server took too long to answer. Your comment may or may not have been published."
        raise Refusal("timeout", words, 504, committed=True)
    return v.redirect(f"/c/{made}", "commented")


def show_comment(v: Visit) -> Response:
    """One comment with its replies, and the form to reply."""
    found = comments.get_comment(v.actor, v.number("comment"))
    thread = comments.read_thread(v.actor, found["post"], v.query.get("sort", "best"), below=found["id"])
    return _show(
        v,
        "comment.html",
        found["post"],
        thread=thread,
        comment=found,
        mine=found["author_id"] == v.actor.id,
        kept=votes.is_saved(v.actor, "comment", found["id"]),
    )


def reply(v: Visit) -> Response:
    """Reply to the comment."""
    found = comments.get_comment(v.actor, v.number("comment"))
    return _commented(v, comments.add_comment(v.actor, found["post_id"], v.form.get("body", ""), found["id"]))


def vote(v: Visit) -> Response:
    """Vote; the button says on what and how: ``post:12:1``."""
    kind, _, rest = v.form.get("vote", "").partition(":")
    target, _, value = rest.partition(":")
    if not target.isascii() or not target.isdecimal() or len(target) > 12 or value not in ("1", "0", "-1"):
        raise Refusal("invalid_vote", "Vote up, down, or not at all.")
    votes.vote(v.actor, kind, int(target), int(value))
    return v.redirect(v.back("/"))


def save_post(v: Visit) -> Response:
    """Keep the post for later, or no longer."""
    keep, number = v.form.get("action") != "unsave", v.number("post")
    votes.save(v.actor, "post", number, keep)
    return v.redirect(f"/p/{number}", "saved" if keep else "unsaved")


def save_comment(v: Visit) -> Response:
    """Keep the comment for later, or no longer."""
    keep, number = v.form.get("action") != "unsave", v.number("comment")
    votes.save(v.actor, "comment", number, keep)
    return v.redirect(f"/c/{number}", "saved" if keep else "unsaved")


def report_form(v: Visit) -> Response:
    """Say what is wrong with a post or comment."""
    kind = "comment" if "comment" in v.request.parts else "post"
    number = v.number(kind)
    row = comments.get_comment(v.actor, number) if kind == "comment" else posts.get_post(v.actor, number)
    return v.render("report.html", kind=kind, row=row, text=row["body"] if kind == "comment" else row["title"])


def report(v: Visit) -> Response:
    """Tell the moderators."""
    kind = "comment" if "comment" in v.request.parts else "post"
    moderation.report(v.actor, kind, v.number(kind), v.form.get("reason", ""), v.form.get("more", ""))
    return v.redirect(f"/{kind[0]}/{v.number(kind)}", "reported")


def edit_comment_form(v: Visit) -> Response:
    """One's own comment, to be changed or deleted."""
    return v.render("edit_comment.html", comment=comments.own_comment(v.actor, v.number("comment")))


def edit_comment(v: Visit) -> Response:
    """Change the comment."""
    comments.edit_comment(v.actor, v.number("comment"), v.form.get("body", ""))
    return v.redirect(f"/c/{v.number('comment')}", "comment-edited")


def delete_comment(v: Visit) -> Response:
    """Delete the comment."""
    found = comments.own_comment(v.actor, v.number("comment"))
    comments.delete_comment(v.actor, found["id"])
    return v.redirect(f"/p/{found['post_id']}", "comment-deleted")


PAGES = [
    Page("/p/{post}", get=show, post=comment, again=show),
    Page("/p/{post}/save", post=save_post, again=show, role="member"),
    Page("/p/{post}/report", get=report_form, post=report, again=report_form, role="member"),
    Page("/c/{comment}", get=show_comment, post=reply, again=show_comment),
    Page("/c/{comment}/save", post=save_comment, again=show_comment, role="member"),
    Page("/c/{comment}/report", get=report_form, post=report, again=report_form, role="member"),
    Page("/c/{comment}/edit", get=edit_comment_form, post=edit_comment, again=edit_comment_form, role="member"),
    Page("/c/{comment}/delete", post=delete_comment, again=edit_comment_form, role="member"),
    Page("/vote", post=vote, role="member"),
]
