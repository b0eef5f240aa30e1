"""Who is asking, as guest or as host; the profile."""

from __future__ import annotations

from envsim.guest import members
from envsim.guest.service import Refusal, Row, write


class Actor(members.Actor):
    """One session: of a member, of nobody, or of a member whose session ran out (`expired`)."""

    def host(self) -> Row:
        """The signed-in member, who rents out a home.

        Raises:
            Refusal: Anybody else.
        """
        account = self.member()
        if not account["is_host"]:
            raise Refusal("forbidden", "This area is for hosts.", 403)
        return account


def update_profile(actor: Actor, name: str, phone: str, about: str) -> None:
    """Change what others see of a member.

    Raises:
        Refusal: The name is empty, or a text is too long.
    """
    member = actor.member()
    if not name.strip() or len(name) > 80:
        raise Refusal("invalid_name", "Enter your name.")
    if len(phone) > 40 or len(about) > 300:
        raise Refusal("too_long", "Keep the phone number under 40 and the text under 300 characters.")
    write(actor.kit, "UPDATE members SET name = ?, phone = ?, about = ? WHERE id = ?", name.strip(), phone.strip(),
          about.strip(), member["id"])  # fmt: skip
