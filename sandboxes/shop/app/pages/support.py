"""Help pages and the contact form."""

from __future__ import annotations

from envsim.guest.service import missing
from envsim.guest.web import Response

from ..routing import Page
from ..service import accounts
from ..visit import Visit
from .faq import TOPICS


def index(v: Visit) -> Response:
    """All help topics."""
    return v.render("help.html", articles=TOPICS)


def topic(v: Visit) -> Response:
    """One help topic."""
    slug = v.request.parts["slug"]
    if slug not in TOPICS:
        raise missing("this help page")
    return v.render("help_topic.html", article=TOPICS[slug])


def contact(v: Visit) -> Response:
    """The contact form."""
    return v.render("contact.html")


def send(v: Visit) -> Response:
    """Send a message."""
    number = v.integer("order_number") or None
    accounts.create_ticket(v.actor, v.form.get("email", ""), v.form.get("topic", ""), v.form.get("message", ""), number)
    return v.redirect("/contact", "message-sent")


PAGES = [
    Page("/help", get=index),
    Page("/help/{slug}", get=topic),
    Page("/contact", get=contact, post=send, back=contact),
]
