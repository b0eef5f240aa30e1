"""Conversations, and lists of saved homes."""

from __future__ import annotations

from envsim.guest.web import Response

from ..service import messages, wishlists
from ..web import Page, Visit


def index(v: Visit) -> Response:
    """All conversations."""
    return v.render("messages.html", threads=messages.list_threads(v.actor))


def show(v: Visit) -> Response:
    """One conversation."""
    return v.render("thread.html", thread=messages.get_thread(v.actor, v.number("id")))


def send(v: Visit) -> Response:
    """Write a message."""
    messages.send(v.actor, v.number("id"), v.form.get("body", ""))
    return v.redirect(f"/messages/{v.number('id')}", "message-sent")


def lists(v: Visit) -> Response:
    """All lists."""
    return v.render("saved.html", lists=wishlists.list_wishlists(v.actor))


def create(v: Visit) -> Response:
    """Begin a list."""
    made = wishlists.create_wishlist(v.actor, v.form.get("name", ""))
    return v.redirect(f"/saved/{made}", "list-created")


def show_list(v: Visit) -> Response:
    """The homes on a list."""
    return v.render("wishlist.html", wishlist=wishlists.get_wishlist(v.actor, v.number("id")))


def remove(v: Visit) -> Response:
    """Take a home off a list."""
    wishlists.remove(v.actor, v.form.get("slug", ""), v.number("id"))
    return v.redirect(f"/saved/{v.number('id')}", "unsaved")


def delete(v: Visit) -> Response:
    """Give up a list."""
    wishlists.delete_wishlist(v.actor, v.number("id"))
    return v.redirect("/saved", "list-deleted")


PAGES = [
    Page("/messages", get=index, role="member"),
    Page("/messages/{id}", get=show, post=send, again=show, role="member"),
    Page("/saved", get=lists, post=create, again=lists, role="member"),
    Page("/saved/{id}", get=show_list, role="member"),
    Page("/saved/{id}/remove", post=remove, again=show_list, role="member"),
    Page("/saved/{id}/delete", post=delete, again=lists, role="member"),
]
