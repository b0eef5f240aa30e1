"""Sign in, sign out, register."""

from __future__ import annotations

from envsim.guest.service import Refusal
from envsim.guest.web import Response

from ..routing import Page
from ..service import actor
from ..visit import Visit


def show_login(v: Visit) -> Response:
    """The sign-in form."""
    return v.render("login.html", next=v.local("next", ""))


def login(v: Visit) -> Response:
    """Sign in."""
    v.actor.sid = actor.sign_in(v.actor, v.form.get("email", ""), v.form.get("password", ""))
    return v.redirect(v.local("next", "/account"), "signed-in")


def logout(v: Visit) -> Response:
    """Sign out."""
    actor.sign_out(v.actor)
    v.actor.sid = v.kit.token("visit")
    return v.redirect("/", "signed-out")


def show_register(v: Visit) -> Response:
    """The registration form."""
    return v.render("register.html")


def register(v: Visit) -> Response:
    """Create an account."""
    if v.form.get("password") != v.form.get("password_again"):
        raise Refusal("password_mismatch", "The two passwords are not the same.", 422)
    v.actor.sid = actor.register(v.actor, v.form.get("name", ""), v.form.get("email", ""), v.form.get("password", ""))
    return v.redirect("/account", "registered")


PAGES = [
    Page("/login", get=show_login, post=login, back=show_login),
    Page("/logout", post=logout),
    Page("/register", get=show_register, post=register, back=show_register),
]
