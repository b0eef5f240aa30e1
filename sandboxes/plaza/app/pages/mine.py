"""A member's own pages: messages, notifications, what they saved, settings."""

from __future__ import annotations

from envsim.guest.web import Response

from ..service import messages, people, votes
from ..web import Page, Visit


def inbox(v: Visit) -> Response:
    """Everybody one has written with."""
    return v.render("messages.html", chats=messages.list_chats(v.actor))


def begin(v: Visit) -> Response:
    """Write to somebody new."""
    name = v.form.get("to", "").strip().removeprefix("u/")
    messages.send(v.actor, name, v.form.get("body", ""))
    return v.redirect(f"/messages/{messages.get_chat(v.actor, name)['name']}", "message-sent")


def chat(v: Visit) -> Response:
    """All messages with one member."""
    return v.render("chat.html", chat=messages.get_chat(v.actor, v.part("name")))


def answer(v: Visit) -> Response:
    """Write one more, or mark theirs as read."""
    name = v.part("name")
    if v.form.get("action") == "read":
        messages.read_chat(v.actor, name)
        return v.redirect(f"/messages/{name}")
    messages.send(v.actor, name, v.form.get("body", ""))
    return v.redirect(f"/messages/{name}", "message-sent")


def notices(v: Visit) -> Response:
    """What happened."""
    rows = people.list_notices(v.actor)
    return v.render(
        "notices.html",
        notices=[{**row, "when": people.shown_time(v.kit, v.actor.zone, row["made_at"])} for row in rows],
    )


def read_all(v: Visit) -> Response:
    """All of it is read."""
    people.read_notices(v.actor)
    return v.redirect("/notifications", "all-read")


def saved(v: Visit) -> Response:
    """What one keeps for later."""
    kept, said = votes.list_saved(v.actor)
    return v.render("saved.html", posts=kept, comments=said)


def settings(v: Visit) -> Response:
    """What one says of oneself, and one's time zone."""
    return v.render("settings.html")


def save_settings(v: Visit) -> Response:
    """Change them."""
    people.update_profile(v.actor, v.form.get("about", ""), v.form.get("zone", ""))
    return v.redirect("/settings", "settings-saved")


PAGES = [
    Page("/messages", get=inbox, post=begin, again=inbox, role="member"),
    Page("/messages/{name}", get=chat, post=answer, again=chat, role="member"),
    Page("/notifications", get=notices, post=read_all, role="member"),
    Page("/saved", get=saved, role="member"),
    Page("/settings", get=settings, post=save_settings, again=settings, role="member"),
]
