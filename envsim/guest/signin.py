"""Pages of a site with members: signing in and out, going on, new accounts, and what stands between them and a page.

A site brings the templates ``login.html``, ``register.html`` and ``challenge.html``. Standard library only: this
package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

from typing import Any

from envsim.guest import challenge, members
from envsim.guest.pages import Page, Visit
from envsim.guest.service import Refusal
from envsim.guest.web import Response

AnyVisit = Visit[Any]


def form(v: AnyVisit) -> Response:
    """The sign-in form; for a browser that is still known, a way to go on."""
    return v.render("login.html", next=v.local("next", v.front), known=v.actor.expired)


def enter(v: AnyVisit) -> Response:
    """Sign in."""
    v.actor.sid = members.sign_in(v.actor, v.form.get("email", ""), v.form.get("password", ""))
    return v.redirect(v.local("next", v.front), "signed-in")


def resume(v: AnyVisit) -> Response:
    """Go on with a session that ran out."""
    members.resume(v.actor)
    return v.redirect(v.local("next", v.front), "resumed")


def leave(v: AnyVisit) -> Response:
    """Sign out."""
    members.sign_out(v.actor)
    v.actor.sid = v.kit.token("visit")
    return v.redirect("/", "signed-out")


def registration(v: AnyVisit) -> Response:
    """The form for a new account."""
    return v.render("register.html")


def register(v: AnyVisit) -> Response:
    """Create an account."""
    sent = v.form
    if sent.get("password") != sent.get("again"):
        raise Refusal("password_mismatch", "The two passwords are not the same.")
    v.check_name(sent.get("name", "").strip())
    v.actor.sid = members.register(v.actor, sent.get("name", ""), sent.get("email", ""), sent.get("password", ""))
    return v.redirect("/", "registered")


def answer_challenge(v: AnyVisit) -> Response:
    """Take the answer to a question that stands before a page."""
    challenge.answer(v.actor, v.form.get("answer", ""))
    return v.redirect(v.local("next", "/"))


def consent(v: AnyVisit) -> Response:
    """Answer the overlay."""
    v.consent()
    return v.redirect(v.local("next", "/"))


PAGES: list[Page[Any]] = [
    Page("/login", get=form, post=enter, again=form),
    Page("/resume", post=resume, again=form),
    Page("/logout", post=leave),
    Page("/register", get=registration, post=register, again=registration),
    Page("/challenge", post=answer_challenge),
    Page("/consent", post=consent),
]
