"""What a page request at the discussion site has of its own: who may see what, bugs of forms, and templates."""

from __future__ import annotations

import re
from typing import Any

from envsim.guest import pages
from envsim.guest.kit import Kit
from envsim.guest.members import load_actor
from envsim.guest.service import Refusal, scalar

from .render import NOTICES, page
from .service.people import Actor, unread

_NAME = re.compile(r"[A-Za-z0-9_-]{2,30}")


class Visit(pages.Visit[Actor]):
    """A page request."""

    site = "plaza"

    @classmethod
    def load(cls, kit: Kit, sid: str) -> Actor:
        """Who asks with this session."""
        return load_actor(Actor, kit, sid)

    def admit(self, role: str) -> None:
        """Let a ``"member"`` in, or a ``"moderator"`` of the forum named in the path.

        Raises:
            Refusal: Anybody else.
        """
        self.actor.moderator(self.part("forum")) if role == "moderator" else self.actor.member()

    def form_is_good(self) -> bool:
        """Whether the sent form is one of this session's.

        Raises:
            Refusal: With `form-rotation`, of a form with a text in it, now and then although it is.
        """
        if not super().form_is_good():
            return False
        if "body" in self.form and self.kit.bug("form-rotation", self.path):
            raise Refusal("form_rotated", "This form has expired. Your text is still here; please send it again.", 403)
        return True

    def check_name(self, name: str) -> None:
        """Whether a new account may have this name.

        Raises:
            Refusal: It cannot stand in an address, or somebody has it.
        """
        if not _NAME.fullmatch(name):
            raise Refusal("invalid_name", "Choose a name of 2 to 30 letters, digits, hyphens and underscores.")
        if scalar(self.kit, "SELECT 1 FROM members WHERE name = ? COLLATE NOCASE", name):
            raise Refusal("name_taken", "Somebody has this name already.")

    def print_page(self, template: str, notice: str, values: dict[str, Any]) -> str:
        """The HTML of a template."""
        notices, messages = unread(self.actor) if self.actor.account else (0, 0)
        return page(
            template, v=self, csrf=self.csrf, account=self.actor.account, notice=NOTICES.get(notice, ""),
            unread_notices=notices, unread_messages=messages, **values,
        )  # fmt: skip

    def back(self, default: str) -> str:
        """The page that the form was on."""
        return self.local("back", default)


class Page(pages.Page[Visit]):
    """One path of the discussion site."""
