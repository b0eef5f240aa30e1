"""Writing posts: new ones, drafts, crossposts, edits."""

from __future__ import annotations

from envsim.guest import challenge
from envsim.guest.web import Response

from ..service import forums, posts, votes
from ..service.posts import CHALLENGE, WHY
from ..web import Page, Visit


def choose(v: Visit) -> Response:
    """Where to post."""
    return v.render("choose.html", tree=forums.tree(v.kit), joined=forums.joined(v.actor))


def form(v: Visit) -> Response:
    """The form of a new post, filled from a draft where one is named."""
    forum = forums.get_forum(v.actor, v.part("forum"))
    challenge.guard(v.actor, CHALLENGE, WHY)
    number = v.whole("draft")
    draft = (
        votes.get_draft(v.actor, number) if number else {"id": 0, "kind": "text", "title": "", "body": "", "url": ""}
    )
    return v.render("submit.html", forum=forum, draft=draft)


def submit(v: Visit) -> Response:
    """Publish it, or keep it as a draft."""
    sent, forum = v.form, v.part("forum")
    kind = "link" if sent.get("kind") == "link" else "text"
    title, body, url = sent.get("title", ""), sent.get("body", ""), sent.get("url", "")
    number = v.whole("draft")
    if sent.get("action") == "draft":
        votes.save_draft(v.actor, forum, kind, title, body, url, number)
        return v.redirect("/drafts", "draft-saved")
    made = posts.create_post(v.actor, forum, kind, title, body, url, sent.get("flair", ""))
    if number:
        votes.delete_draft(v.actor, number)
    held = posts.find_post(v.kit, made)["status"] == "held"
    return v.redirect(f"/p/{made}", "held" if held else "posted")


def drafts(v: Visit) -> Response:
    """What is not ready yet."""
    return v.render("drafts.html", drafts=votes.list_drafts(v.actor))


def delete_draft(v: Visit) -> Response:
    """Give up a draft."""
    votes.delete_draft(v.actor, v.number("draft"))
    return v.redirect("/drafts", "draft-deleted")


def edit_form(v: Visit) -> Response:
    """One's own post, to be changed or deleted."""
    post = posts.own_post(v.actor, v.number("post"))
    return v.render("edit_post.html", post=post, forum=forums.get_forum(v.actor, post["forum"]))


def edit(v: Visit) -> Response:
    """Change title and text."""
    posts.edit_post(v.actor, v.number("post"), v.form.get("title", ""), v.form.get("body", ""))
    return v.redirect(f"/p/{v.number('post')}", "post-edited")


def flair(v: Visit) -> Response:
    """Choose a flair."""
    posts.set_flair(v.actor, v.number("post"), v.form.get("flair", ""))
    return v.redirect(f"/p/{v.number('post')}", "flair-set")


def delete(v: Visit) -> Response:
    """Delete the post."""
    post = posts.own_post(v.actor, v.number("post"))
    posts.delete_post(v.actor, post["id"])
    return v.redirect(f"/f/{post['forum']}", "post-deleted")


def crosspost_form(v: Visit) -> Response:
    """Choose where to post it again."""
    post = posts.get_post(v.actor, v.number("post"))
    every = [forum for forum in forums.list_forums(v.kit) if forum["slug"] != post["forum"]]
    return v.render("crosspost.html", post=post, forums=every)


def crosspost(v: Visit) -> Response:
    """Post it again."""
    made = posts.crosspost(v.actor, v.number("post"), v.form.get("forum", ""), v.form.get("title", ""))
    return v.redirect(f"/p/{made}", "crossposted")


PAGES = [
    Page("/submit", get=choose, role="member"),
    Page("/f/{forum}/submit", get=form, post=submit, again=form, role="member"),
    Page("/drafts", get=drafts, role="member"),
    Page("/drafts/{draft}/delete", post=delete_draft, again=drafts, role="member"),
    Page("/p/{post}/edit", get=edit_form, post=edit, again=edit_form, role="member"),
    Page("/p/{post}/flair", post=flair, role="member"),
    Page("/p/{post}/delete", post=delete, again=edit_form, role="member"),
    Page("/p/{post}/crosspost", get=crosspost_form, post=crosspost, again=crosspost_form, role="member"),
]
