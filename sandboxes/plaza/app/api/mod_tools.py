"""Tools of moderators."""

from __future__ import annotations

from envsim.guest.operations import FLAG, TEXT, WHOLE, Tool, component, listing_of, one_of, shape
from envsim.guest.service import Row

from ..service import forums, moderation
from ..service.moderation import ACTIONS
from ..service.people import Actor
from .schemas import DONE, FORUM, KIND, OK, Args, body, fit


def mod_queue(actor: Actor, args: Args) -> Row:
    """What waits."""
    forums.get_forum(actor, args["forum"])
    return {"waiting": [fit(thing, "Waiting") for thing in moderation.queue(actor, args["forum"])]}


def mod_act(actor: Actor, args: Args) -> Row:
    """Do something to a post or comment."""
    moderation.act(actor, args["kind"], args["id"], args["action"], args["reason"] or "")
    return OK


def mod_set_ban(actor: Actor, args: Args) -> Row:
    """Ban, or no longer."""
    if args["banned"]:
        moderation.ban(actor, args["forum"], args["name"], args["reason"] or "")
    else:
        moderation.unban(actor, args["forum"], args["name"])
    return OK


def mod_set_word(actor: Actor, args: Args) -> Row:
    """Put a word on the list, or take it off."""
    moderation.set_word(actor, args["forum"], args["word"], args["held"])
    return {"words": moderation.list_words(actor, args["forum"])}


TOOLS: list[Tool[Actor]] = [
    Tool("mod_queue", "GET", "/api/forums/{forum}/queue", "What waits in a forum you moderate. Moderator.", mod_queue,
         FORUM, shape(waiting=listing_of(component("Waiting")))),
    Tool("mod_act", "POST", "/api/moderation", "Remove, approve, lock or pin a post, remove or approve a comment, or"
         " dismiss reports. Moderator.", mod_act,
         {"kind": body(KIND), "id": body(WHOLE, "Number of the post or comment."), "action": body(one_of(ACTIONS)),
          "reason": body(TEXT, "Goes to the author and into the log.", optional=True)}, DONE),
    Tool("mod_set_ban", "PUT", "/api/forums/{forum}/bans", "Ban a member from a forum (true), or no longer. Moderator.",
         mod_set_ban, {**FORUM, "name": body(TEXT, "The member, without u/."), "banned": body(FLAG),
                       "reason": body(TEXT, "Why; needed to ban.", optional=True)}, DONE),
    Tool("mod_set_word", "PUT", "/api/forums/{forum}/words", "Put a word on the list that holds posts (true), or take"
         " it off. Moderator.", mod_set_word, {**FORUM, "word": body(TEXT), "held": body(FLAG)},
         shape(words=listing_of(TEXT))),
]  # fmt: skip
