"""Forums and the forums inside them; joining and leaving."""

from __future__ import annotations

from envsim.guest.kit import Kit
from envsim.guest.service import Row, fetch, first, missing, write

from .people import Actor

_FORUM = "SELECT f.*, (SELECT count(*) FROM joined j WHERE j.forum = f.slug) AS members FROM forums f"


def list_forums(kit: Kit) -> list[Row]:
    """All forums by name, each with how many `members` it has."""
    return fetch(kit, f"{_FORUM} ORDER BY f.title")


def tree(kit: Kit) -> list[Row]:
    """Forums that lie in no other, each with the `inside` ones."""
    found = list_forums(kit)
    inside: dict[str, list[Row]] = {}
    for forum in found:
        inside.setdefault(forum["parent"] or "", []).append(forum)
    return [{**forum, "inside": inside.get(forum["slug"], [])} for forum in inside.get("", [])]


def get_forum(actor: Actor, slug: str) -> Row:
    """A forum with `moderators`, `rules`, `flairs`, the forums `inside`, its parent's title and whether it is `mine`.

    Raises:
        Refusal: There is none of this name.
    """
    kit = actor.kit
    forum = first(kit, f"{_FORUM} WHERE f.slug = ?", slug)
    if forum is None:
        raise missing("this forum")
    forum["moderators"] = column(
        kit,
        "SELECT m.name FROM moderators x JOIN members m ON m.id = x.member_id WHERE x.forum = ? ORDER BY m.name",
        slug,
    )
    forum["rules"] = fetch(kit, "SELECT id, text FROM rules WHERE forum = ? ORDER BY id", slug)
    forum["flairs"] = column(kit, "SELECT name FROM flairs WHERE forum = ? ORDER BY name", slug)
    forum["inside"] = fetch(kit, "SELECT slug, title FROM forums WHERE parent = ? ORDER BY title", slug)
    forum["parent_title"] = first(kit, "SELECT title FROM forums WHERE slug = ?", forum["parent"] or "")
    forum["mine"] = slug in joined(actor)
    forum["moderated"] = actor.moderates(slug)
    return forum


def column(kit: Kit, sql: str, *args: object) -> list[str]:
    """The values of a query of one column."""
    return [row[0] for row in kit.db.execute(sql, args)]


def joined(actor: Actor) -> list[str]:
    """The forums that make up the member's front page."""
    return column(actor.kit, "SELECT forum FROM joined WHERE member_id = ? ORDER BY forum", actor.id)


def moderated(actor: Actor) -> list[Row]:
    """The forums a member moderates, each with how many reports and held posts wait (`waiting`)."""
    return fetch(
        actor.kit,
        "SELECT f.slug, f.title, (SELECT count(*) FROM reports r WHERE r.forum = f.slug AND r.status = 'open')"
        " + (SELECT count(*) FROM posts p WHERE p.forum = f.slug AND p.status = 'held') AS waiting"
        " FROM forums f JOIN moderators m ON m.forum = f.slug WHERE m.member_id = ? ORDER BY f.title",
        actor.id,
    )


def join(actor: Actor, slug: str) -> None:
    """Put a forum on one's front page.

    Raises:
        Refusal: There is none of this name.
    """
    get_forum(actor, slug)
    write(actor.kit, "INSERT OR IGNORE INTO joined (member_id, forum) VALUES (?, ?)", actor.member()["id"], slug)


def leave(actor: Actor, slug: str) -> None:
    """Take it off again."""
    write(actor.kit, "DELETE FROM joined WHERE member_id = ? AND forum = ?", actor.member()["id"], slug)
