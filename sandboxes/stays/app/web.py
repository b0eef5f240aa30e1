"""What a page request at the booking site has of its own: who may see what, money in forms, and templates."""

from __future__ import annotations

import re
from typing import Any

from envsim.guest import pages
from envsim.guest.kit import Kit
from envsim.guest.members import load_actor
from envsim.guest.service import Refusal

from .render import NOTICES, page
from .service.members import Actor

_MONEY = re.compile(r"([0-9]{0,7})(?:\.([0-9]{1,2}))?")


class Visit(pages.Visit[Actor]):
    """A page request."""

    site = "dovecote"
    front = "/trips"

    @classmethod
    def load(cls, kit: Kit, sid: str) -> Actor:
        """Who asks with this session."""
        return load_actor(Actor, kit, sid)

    def admit(self, role: str) -> None:
        """Let a ``"member"`` or a ``"host"`` in.

        Raises:
            Refusal: Anybody else.
        """
        self.actor.host() if role == "host" else self.actor.member()

    def print_page(self, template: str, notice: str, values: dict[str, Any]) -> str:
        """The HTML of a template."""
        return page(
            template, v=self, csrf=self.csrf, account=self.actor.account, notice=NOTICES.get(notice, ""), **values
        )

    def cents(self, name: str) -> int | None:
        """A field in dollars as cents; None when it is empty.

        Raises:
            Refusal: It is not money.
        """
        text = self.sent(name).strip().removeprefix("$").replace(",", "")
        found = _MONEY.fullmatch(text)
        if found is None or text == ".":
            raise Refusal("invalid_amount", "Enter an amount such as 25 or 25.50.")
        dollars, cents = found[1] or "0", (found[2] or "").ljust(2, "0")
        return int(dollars) * 100 + int(cents) if text else None


class Page(pages.Page[Visit]):
    """One path of the booking site."""
