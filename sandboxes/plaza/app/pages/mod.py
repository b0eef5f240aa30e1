"""What moderators see: their forums, the queue, bans, rules and words; and the log, which all can read."""

from __future__ import annotations

from collections.abc import Callable

from envsim.guest.web import Response

from ..service import forums, moderation
from ..web import Page, Visit

DONE = {
    "remove": "removed",
    "approve": "approved",
    "lock": "locked",
    "unlock": "unlocked",
    "pin": "pinned",
    "unpin": "unpinned",
    "dismiss": "dismissed",
}
LOG_PAGE = 25


def mine(v: Visit) -> Response:
    """The forums one moderates."""
    return v.render("mod/mine.html", forums=forums.moderated(v.actor))


def queue(v: Visit) -> Response:
    """What waits."""
    forum = forums.get_forum(v.actor, v.part("forum"))
    return v.render("mod/queue.html", forum=forum, things=moderation.queue(v.actor, forum["slug"]))


def act(v: Visit) -> Response:
    """Do something to a post or comment."""
    action, kind = v.form.get("action", ""), v.form.get("kind", "")
    moderation.act(v.actor, kind, v.whole("number"), action, v.form.get("reason", ""))
    return v.redirect(v.back(f"/f/{v.part('forum')}/queue"), DONE[action])


def log(v: Visit) -> Response:
    """What was done."""
    page = max(1, v.whole("page", 1))
    forum = forums.get_forum(v.actor, v.part("forum"))
    rows, total = moderation.read_log(v.actor, forum["slug"], page, LOG_PAGE)
    return v.render(
        "mod/log.html",
        forum=forum,
        entries=rows,
        page=page,
        pages=max(1, -(-total // LOG_PAGE)),
        link=lambda number: f"{v.path}?page={number}",
    )


def _listing(template: str, read: Callable[[Visit, str], object]) -> Callable[[Visit], Response]:
    def show(v: Visit) -> Response:
        """A list, and the form to add to it."""
        forum = forums.get_forum(v.actor, v.part("forum"))
        return v.render(template, forum=forum, listed=read(v, forum["slug"]))

    return show


bans = _listing("mod/bans.html", lambda v, slug: moderation.list_bans(v.actor, slug))
words = _listing("mod/words.html", lambda v, slug: moderation.list_words(v.actor, slug))
rules = _listing("mod/rules.html", lambda v, slug: None)


def change_bans(v: Visit) -> Response:
    """Ban a member, or no longer."""
    forum, name = v.part("forum"), v.form.get("name", "")
    if v.form.get("action") == "unban":
        moderation.unban(v.actor, forum, name)
        return v.redirect(f"/f/{forum}/bans", "unbanned")
    moderation.ban(v.actor, forum, name, v.form.get("reason", ""))
    return v.redirect(f"/f/{forum}/bans", "banned")


def change_words(v: Visit) -> Response:
    """Put a word on the list, or take it off."""
    forum, held = v.part("forum"), v.form.get("action") != "remove"
    moderation.set_word(v.actor, forum, v.form.get("word", ""), held)
    return v.redirect(f"/f/{forum}/words", "word-added" if held else "word-removed")


def change_rules(v: Visit) -> Response:
    """One rule more, or less."""
    forum = v.part("forum")
    if v.form.get("action") == "remove":
        moderation.delete_rule(v.actor, forum, v.whole("rule"))
        return v.redirect(f"/f/{forum}/rules", "rule-removed")
    moderation.add_rule(v.actor, forum, v.form.get("text", ""))
    return v.redirect(f"/f/{forum}/rules", "rule-added")


PAGES = [
    Page("/mod", get=mine, role="member"),
    Page("/f/{forum}/queue", get=queue, role="moderator"),
    Page("/f/{forum}/act", post=act, again=queue, role="moderator"),
    Page("/f/{forum}/log", get=log),
    Page("/f/{forum}/bans", get=bans, post=change_bans, again=bans, role="moderator"),
    Page("/f/{forum}/words", get=words, post=change_words, again=words, role="moderator"),
    Page("/f/{forum}/rules", get=rules, post=change_rules, again=rules, role="moderator"),
]
