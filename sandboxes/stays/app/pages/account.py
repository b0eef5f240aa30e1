"""The member's profile and payment methods."""

from __future__ import annotations

from envsim.guest.web import Response

from ..service import members, wallet
from ..web import Page, Visit


def profile(v: Visit) -> Response:
    """What others see."""
    return v.render("account.html")


def save_profile(v: Visit) -> Response:
    """Change it."""
    members.update_profile(v.actor, v.form.get("name", ""), v.form.get("phone", ""), v.form.get("about", ""))
    return v.redirect("/account", "profile-saved")


def cards(v: Visit) -> Response:
    """All cards and a form for a new one."""
    return v.render("cards.html", cards=wallet.list_cards(v.actor))


def add(v: Visit) -> Response:
    """Keep a card."""
    wallet.add_card(v.actor, v.form.get("number", ""), v.form.get("expires", ""), bool(v.form.get("default")))
    return v.redirect("/account/cards", "card-added")


def make_default(v: Visit) -> Response:
    """Offer this card first."""
    wallet.set_default(v.actor, v.number("id"))
    return v.redirect("/account/cards", "card-default")


def delete(v: Visit) -> Response:
    """Forget a card."""
    wallet.delete_card(v.actor, v.number("id"))
    return v.redirect("/account/cards", "card-deleted")


PAGES = [
    Page("/account", get=profile, post=save_profile, again=profile, role="member"),
    Page("/account/cards", get=cards, post=add, again=cards, role="member"),
    Page("/account/cards/{id}/default", post=make_default, again=cards, role="member"),
    Page("/account/cards/{id}/delete", post=delete, again=cards, role="member"),
]
