"""The shapes the tools answer with, and the arguments they share."""

from __future__ import annotations

from typing import Any

from envsim.guest.operations import FLAG, TEXT, WHOLE, Argument, Schema, component, listing_of, one_of, shape
from envsim.guest.service import Row

from ..service.ranking import COMMENT_SORTS, PERIODS, SORTS

Args = dict[str, Any]
MAYBE_WHOLE: Schema = {"type": ["integer", "null"]}
PAGE_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 10_000}
OK: Row = {"ok": True}
DONE = shape(ok=FLAG)

COMPONENTS: dict[str, Schema] = {
    "Error": shape(error=shape(code=TEXT, message=TEXT)),
    "Forum": shape(slug=TEXT, title=TEXT, about=TEXT, parent={"type": ["string", "null"]}, members=WHOLE),
    "Post": shape(id=WHOLE, forum=TEXT, author=TEXT, kind=TEXT, title=TEXT, url=TEXT, flair=TEXT, score=MAYBE_WHOLE,
                  comments=WHOLE, my_vote=WHOLE, locked=FLAG, pinned=FLAG, status=TEXT, created_at=TEXT),
    "Comment": shape(id=WHOLE, parent_id=MAYBE_WHOLE, author=TEXT, body=TEXT, score=MAYBE_WHOLE, my_vote=WHOLE,
                     depth=WHOLE, status=TEXT, created_at=TEXT),
    "Member": shape(name=TEXT, about=TEXT, joined_on=TEXT, karma=WHOLE, post_karma=WHOLE, comment_karma=WHOLE,
                    moderates=listing_of(TEXT)),
    "Notification": shape(text=TEXT, link=TEXT, seen=FLAG, made_at=TEXT),
    "Chat": shape(name=TEXT, last=TEXT, unread=WHOLE),
    "Message": shape(sender=TEXT, body=TEXT, sent_at=TEXT),
    "Waiting": shape(kind=TEXT, id=WHOLE, author=TEXT, text=TEXT, status=TEXT, reasons=listing_of(TEXT)),
    "Entry": shape(moderator=TEXT, action=TEXT, subject=TEXT, link=TEXT, reason=TEXT, made_at=TEXT),
}  # fmt: skip
COMPONENTS["ForumDetail"] = shape(
    **COMPONENTS["Forum"]["properties"], moderators=listing_of(TEXT), rules=listing_of(shape(id=WHOLE, text=TEXT)),
    flairs=listing_of(TEXT), inside=listing_of(TEXT), joined=FLAG,
)  # fmt: skip
COMPONENTS["PostDetail"] = shape(
    **COMPONENTS["Post"]["properties"], body=TEXT, crosspost_of=MAYBE_WHOLE, edited_at=TEXT, saved=FLAG,
    thread=listing_of(component("Comment")), page=WHOLE, pages=WHOLE,
)  # fmt: skip


def fit(row: Row, name: str) -> Row:
    """What `row` has of a component, with 0 and 1 as booleans where its schema says so."""
    known = COMPONENTS[name]["properties"]
    return {key: bool(row[key]) if known[key] is FLAG else row[key] for key in known if key in row}


def path(schema: Schema, note: str = "") -> Argument:
    """A part of the path."""
    return Argument("path", schema, note)


def query(schema: Schema, note: str = "") -> Argument:
    """What may be asked for."""
    return Argument("query", schema, note, optional=True)


def body(schema: Schema, note: str = "", *, optional: bool = False) -> Argument:
    """What is sent."""
    return Argument("body", schema, note, optional)


POST = {"post_id": path(WHOLE, "Number of the post.")}
FORUM = {"forum": path(TEXT, "The forum, without f/.")}
NAME = {"name": path(TEXT, "Name of a member, without u/.")}
KIND = one_of(("post", "comment"))
ORDER = query(one_of(SORTS), "Order; hot unless given.")
PERIOD = query(one_of(PERIODS), "For top and controversial: how far back.")
COMMENT_ORDER = query(one_of(COMMENT_SORTS), "Order of the comments; best unless given.")
PAGE = query(PAGE_NUMBER, "Page, from 1.")
