"""Who is asking, and whom a forum lets do what; profiles, karma and the front page's forums."""

from __future__ import annotations

from datetime import datetime

from envsim.guest import members, zones
from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write


class Actor(members.Actor):
    """One session: of a member, of nobody, or of a member whose session ran out (`expired`)."""

    @property
    def id(self) -> int:
        """The member's number; 0 for nobody."""
        return int(self.account["id"]) if self.account else 0

    @property
    def zone(self) -> str:
        """The time zone that times are shown in."""
        return str(self.account["zone"]) if self.account else "UTC"

    def moderates(self, forum: str) -> bool:
        """Whether this is one of the forum's moderators."""
        sql = "SELECT 1 FROM moderators WHERE forum = ? AND member_id = ?"
        return bool(self.id and scalar(self.kit, sql, forum, self.id))

    def moderator(self, forum: str) -> Row:
        """The signed-in member, who moderates `forum`.

        Raises:
            Refusal: Anybody else.
        """
        account = self.member()
        if not self.moderates(forum):
            raise Refusal("forbidden", "Only the moderators of this forum can do that.", 403)
        return account

    def writer(self, forum: str) -> Row:
        """The signed-in member, who may write in `forum`.

        Raises:
            Refusal: Nobody is signed in, or they are banned there.
        """
        account = self.member()
        if scalar(self.kit, "SELECT 1 FROM bans WHERE forum = ? AND member_id = ?", forum, self.id):
            raise Refusal("banned", f"You are banned from f/{forum} and cannot write there.", 403)
        return account


def shown_time(kit: Kit, zone: str, stored: str) -> str:
    """A stored UTC time on the wall in `zone`, ISO 8601 without a zone."""
    moment = datetime.fromisoformat(stored)
    ahead, now = zones.offset(zone, moment), zones.offset(zone, kit.now())
    if ahead != now and kit.bug("dst-times", zone):
        ahead = now  # today's offset, whatever it was then
    return (moment + ahead).strftime("%Y-%m-%dT%H:%M:%S")


def get_member(kit: Kit, name: str) -> Row:
    """A member's public profile, with `karma`.

    Raises:
        Refusal: There is none of this name.
    """
    found = first(
        kit,
        "SELECT id, name, about, joined_on,"
        " (SELECT coalesce(sum(ups - downs - 1), 0) FROM posts p WHERE p.author_id = m.id AND p.status = 'live')"
        " AS post_karma,"
        " (SELECT coalesce(sum(ups - downs - 1), 0) FROM comments c WHERE c.author_id = m.id AND c.status = 'live')"
        " AS comment_karma FROM members m WHERE name = ? COLLATE NOCASE",
        name,
    )
    if found is None:
        raise missing("a member of this name")
    found["karma"] = found["post_karma"] + found["comment_karma"]
    found["forums"] = [
        row["forum"]
        for row in fetch(kit, "SELECT forum FROM moderators WHERE member_id = ? ORDER BY forum", found["id"])
    ]
    return found


def update_profile(actor: Actor, about: str, zone: str) -> None:
    """Change what a member says of themselves, and the zone their times are shown in.

    Raises:
        Refusal: The text is too long, or there is no such zone.
    """
    member = actor.member()
    if len(about) > 300:
        raise Refusal("too_long", "Keep what you say about yourself under 300 characters.")
    if zone not in zones.ZONES:
        raise Refusal("unknown_zone", "Choose one of the time zones.")
    write(actor.kit, "UPDATE members SET about = ?, zone = ? WHERE id = ?", about.strip(), zone, member["id"])


def tell(kit: Kit, member_id: int, text: str, link: str) -> None:
    """Put something into a member's notifications."""
    write(
        kit,
        "INSERT INTO notices (member_id, text, link, made_at) VALUES (?, ?, ?, ?)",
        member_id,
        text,
        link,
        utc_text(kit.now()),
    )


def list_notices(actor: Actor) -> list[Row]:
    """The member's notifications, the latest first."""
    sql = "SELECT * FROM notices WHERE member_id = ? ORDER BY made_at DESC, id DESC LIMIT 40"
    return fetch(actor.kit, sql, actor.member()["id"])


def read_notices(actor: Actor) -> None:
    """All of them are read."""
    write(actor.kit, "UPDATE notices SET seen = 1 WHERE member_id = ? AND NOT seen", actor.member()["id"])


def unread(actor: Actor) -> tuple[int, int]:
    """How many notifications and messages the member has not read."""
    notices = scalar(actor.kit, "SELECT count(*) FROM notices WHERE member_id = ? AND NOT seen", actor.id)
    messages = scalar(actor.kit, "SELECT count(*) FROM messages WHERE recipient_id = ? AND NOT seen", actor.id)
    return notices, messages
