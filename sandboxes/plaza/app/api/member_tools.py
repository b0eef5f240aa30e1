"""Tools of members: writing, voting, saving, messages, settings."""

from __future__ import annotations

from envsim.guest import challenge, members
from envsim.guest.operations import FLAG, TEXT, WHOLE, Tool, component, listing_of, one_of, shape
from envsim.guest.service import Refusal, Row
from envsim.guest.zones import ZONES

from ..service import comments, forums, messages, moderation, people, posts, votes
from ..service.moderation import REASONS
from ..service.people import Actor
from ..service.posts import CHALLENGE, WHY
from .reader_tools import post_row
from .schemas import DONE, FORUM, KIND, NAME, OK, POST, Args, body, fit, path


def create_post(actor: Actor, args: Args) -> Row:
    """Publish a post."""
    challenge.guard(actor, CHALLENGE, WHY)
    kind = "link" if args["url"] else "text"
    made = posts.create_post(
        actor, args["forum"], kind, args["title"], args["body"] or "", args["url"] or "", args["flair"] or ""
    )
    return {"post_id": made, "status": posts.find_post(actor.kit, made)["status"]}


def resume_session(actor: Actor, args: Args) -> Row:
    """Go on after the session ran out."""
    members.resume(actor)
    return OK


def answer_challenge(actor: Actor, args: Args) -> Row:
    """Answer the question before a post."""
    challenge.answer(actor, args["answer"])
    return OK


def edit_post(actor: Actor, args: Args) -> Row:
    """Change title or text."""
    post = posts.own_post(actor, args["post_id"])
    title, text = args["title"], args["body"]
    posts.edit_post(
        actor, post["id"], post["title"] if title is None else title, post["body"] if text is None else text
    )
    return OK


def set_flair(actor: Actor, args: Args) -> Row:
    """Choose a flair."""
    posts.set_flair(actor, args["post_id"], args["flair"])
    return OK


def delete_post(actor: Actor, args: Args) -> Row:
    """Delete."""
    posts.delete_post(actor, args["post_id"])
    return OK


def crosspost(actor: Actor, args: Args) -> Row:
    """Post again elsewhere."""
    return {"post_id": posts.crosspost(actor, args["post_id"], args["forum"], args["title"] or "")}


def comment(actor: Actor, args: Args) -> Row:
    """Comment or reply."""
    made = comments.add_comment(actor, args["post_id"], args["body"], args["parent_id"])
    if actor.kit.bug("comment-timeout", f"comment {made}"):
        words = "The server took too long to answer; the comment may or may not have been published."
        raise Refusal("timeout", words, 504, committed=True)
    return {"comment_id": made}


def edit_comment(actor: Actor, args: Args) -> Row:
    """Change a comment."""
    comments.edit_comment(actor, args["comment_id"], args["body"])
    return OK


def delete_comment(actor: Actor, args: Args) -> Row:
    """Delete a comment."""
    comments.delete_comment(actor, args["comment_id"])
    return OK


def vote(actor: Actor, args: Args) -> Row:
    """Vote."""
    votes.vote(actor, args["kind"], args["id"], args["value"])
    return OK


def save(actor: Actor, args: Args) -> Row:
    """Keep for later, or no longer."""
    votes.save(actor, args["kind"], args["id"], args["keep"])
    return OK


def list_saved(actor: Actor, args: Args) -> Row:
    """What is kept."""
    kept, said = votes.list_saved(actor)
    keys = ("id", "author", "body", "title", "forum")
    return {
        "posts": [post_row(actor, post) for post in kept],
        "comments": [{key: row[key] for key in keys} for row in said],
    }


def report(actor: Actor, args: Args) -> Row:
    """Tell the moderators."""
    return {"report_id": moderation.report(actor, args["kind"], args["id"], args["reason"], args["more"] or "")}


def set_membership(actor: Actor, args: Args) -> Row:
    """Join or leave."""
    forums.join(actor, args["forum"]) if args["joined"] else forums.leave(actor, args["forum"])
    return {"joined": forums.joined(actor)}


def list_notifications(actor: Actor, args: Args) -> Row:
    """What happened."""
    rows = [
        {**row, "made_at": people.shown_time(actor.kit, actor.zone, row["made_at"])}
        for row in people.list_notices(actor)
    ]
    return {"notifications": [fit(row, "Notification") for row in rows]}


def read_notifications(actor: Actor, args: Args) -> Row:
    """All of it is read."""
    people.read_notices(actor)
    return OK


def list_chats(actor: Actor, args: Args) -> Row:
    """Everybody one has written with."""
    return {"chats": [fit(chat, "Chat") for chat in messages.list_chats(actor)]}


def get_chat(actor: Actor, args: Args) -> Row:
    """All messages with one member."""
    chat = messages.get_chat(actor, args["name"])
    return {"messages": [fit({**row, "sent_at": row["when"]}, "Message") for row in chat["messages"]]}


def send_message(actor: Actor, args: Args) -> Row:
    """Write to a member."""
    messages.send(actor, args["name"], args["body"])
    return OK


def update_profile(actor: Actor, args: Args) -> Row:
    """Change the profile."""
    member = actor.member()
    about, zone = args["about"], args["zone"]
    people.update_profile(actor, member["about"] if about is None else about, zone or member["zone"])
    return OK


TITLE, BODY, URL = body(TEXT, "Title."), body(TEXT, "Text."), body(TEXT, "Address, for a link post.", optional=True)
COMMENT = {"comment_id": path(WHOLE, "Number of the comment.")}
THING = {"kind": body(KIND), "id": body(WHOLE, "Number of the post or comment.")}
SHORT = shape(id=WHOLE, author=TEXT, body=TEXT, title=TEXT, forum=TEXT)

TOOLS: list[Tool[Actor]] = [
    Tool("create_post", "POST", "/api/posts", "Publish a post; its `status` is held when it waits for moderators.",
         create_post, {"forum": body(TEXT, "The forum, without f/."), "title": TITLE,
                       "body": body(TEXT, "Text.", optional=True), "url": URL,
                       "flair": body(TEXT, "One of the forum's flairs.", optional=True)},
         shape(post_id=WHOLE, status=TEXT)),
    Tool("answer_challenge", "POST", "/api/challenge", "Answer the question that stands before a post.",
         answer_challenge, {"answer": body(TEXT)}, DONE),
    Tool("resume_session", "POST", "/api/session", "Go on with your session after it ended; nothing that was refused"
         " meanwhile was published.", resume_session, result=DONE),
    Tool("edit_post", "PATCH", "/api/posts/{post_id}", "Change title or text of your own post.", edit_post,
         {**POST, "title": body(TEXT, "Title.", optional=True), "body": body(TEXT, "Text.", optional=True)}, DONE),
    Tool("set_flair", "PUT", "/api/posts/{post_id}/flair", "Give your post, or one of a forum you moderate, a flair.",
         set_flair, {**POST, "flair": body(TEXT, "One of the forum's flairs; empty for none.")}, DONE),
    Tool("delete_post", "DELETE", "/api/posts/{post_id}", "Delete your own post for good.", delete_post, POST, DONE),
    Tool("crosspost", "POST", "/api/posts/{post_id}/crosspost", "Post a post again in another forum.", crosspost,
         {**POST, "forum": body(TEXT, "Where to."), "title": body(TEXT, "Title, if another.", optional=True)},
         shape(post_id=WHOLE)),
    Tool("comment", "POST", "/api/posts/{post_id}/comments", "Comment on a post, or reply to a comment under it.",
         comment, {**POST, "body": BODY, "parent_id": body(WHOLE, "The comment to reply to.", optional=True)},
         shape(comment_id=WHOLE)),
    Tool("edit_comment", "PATCH", "/api/comments/{comment_id}", "Change the text of your own comment.", edit_comment,
         {**COMMENT, "body": BODY}, DONE),
    Tool("delete_comment", "DELETE", "/api/comments/{comment_id}", "Delete your own comment.", delete_comment, COMMENT,
         DONE),
    Tool("vote", "PUT", "/api/votes", "Vote 1 (up), -1 (down), or 0 to take a vote back.", vote,
         {**THING, "value": body({"type": "integer", "minimum": -1, "maximum": 1})}, DONE),
    Tool("save", "PUT", "/api/saved", "Keep a post or comment for later, or no longer.", save,
         {**THING, "keep": body(FLAG)}, DONE),
    Tool("list_saved", "GET", "/api/saved", "List the posts and comments you keep.", list_saved,
         result=shape(posts=listing_of(component("Post")), comments=listing_of(SHORT))),
    Tool("report", "POST", "/api/reports", "Report a post or comment to its forum's moderators.", report,
         {**THING, "reason": body(one_of(REASONS)), "more": body(TEXT, "Anything to add.", optional=True)},
         shape(report_id=WHOLE)),
    Tool("set_membership", "PUT", "/api/forums/{forum}/membership", "Join a forum (true) or leave it (false).",
         set_membership, {**FORUM, "joined": body(FLAG)}, shape(joined=listing_of(TEXT))),
    Tool("list_notifications", "GET", "/api/notifications", "List your notifications, the latest first.",
         list_notifications, result=shape(notifications=listing_of(component("Notification")))),
    Tool("read_notifications", "POST", "/api/notifications/read", "Mark all notifications as read.", read_notifications,
         result=DONE),
    Tool("list_chats", "GET", "/api/messages", "List the members you have written with.", list_chats,
         result=shape(chats=listing_of(component("Chat")))),
    Tool("get_chat", "GET", "/api/messages/{name}", "All messages with one member, oldest first.", get_chat, NAME,
         shape(messages=listing_of(component("Message")))),
    Tool("send_message", "POST", "/api/messages/{name}", "Write to a member.", send_message, {**NAME, "body": BODY},
         DONE),
    Tool("update_profile", "PATCH", "/api/profile", "Change what you say of yourself, or your time zone.",
         update_profile, {"about": body(TEXT, "About you.", optional=True),
                          "zone": body(one_of(sorted(ZONES)), optional=True)}, DONE),
]  # fmt: skip
