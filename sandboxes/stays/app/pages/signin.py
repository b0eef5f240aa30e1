"""Signing in and out, going on with a session that ran out, and new accounts."""

from __future__ import annotations

from starlette.responses import Response

from envsim.guest.service import Refusal

from ..service import members
from ..web import Page, Visit


def form(v: Visit) -> Response:
    """The sign-in form; for a browser that is still known, a way to go on."""
    return v.render("login.html", next=v.local("next", "/trips"), known=v.actor.expired)


def enter(v: Visit) -> Response:
    """Sign in."""
    v.actor.sid = members.sign_in(v.actor, v.form.get("email", ""), v.form.get("password", ""))
    return v.redirect(v.local("next", "/trips"), "signed-in")


def resume(v: Visit) -> Response:
    """Go on with a session that ran out."""
    members.resume(v.actor)
    return v.redirect(v.local("next", "/trips"), "resumed")


def leave(v: Visit) -> Response:
    """Sign out."""
    members.sign_out(v.actor)
    v.actor.sid = v.kit.token("visit")
    return v.redirect("/", "signed-out")


def registration(v: Visit) -> Response:
    """The form for a new account."""
    return v.render("register.html")


def register(v: Visit) -> Response:
    """Create an account."""
    sent = v.form
    if sent.get("password") != sent.get("again"):
        raise Refusal("password_mismatch", "The two passwords are not the same.")
    v.actor.sid = members.register(v.actor, sent.get("name", ""), sent.get("email", ""), sent.get("password", ""))
    return v.redirect("/", "registered")


PAGES = [
    Page("/login", get=form, post=enter, again=form),
    Page("/resume", post=resume, again=form),
    Page("/logout", post=leave),
    Page("/register", get=registration, post=register, again=registration),
]
