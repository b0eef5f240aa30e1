"""Homes a member wants to find again, on lists of their own."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, write

from .listings import CARD, get_listing
from .members import Actor


def list_wishlists(actor: Actor) -> list[Row]:
    """The member's lists, oldest first, with how many homes are on each and the first one's ``cover``."""
    return fetch(
        actor.kit,
        "SELECT w.id, w.name, (SELECT count(*) FROM saved s WHERE s.wishlist_id = w.id) AS homes, (SELECT l.slug FROM"
        " saved s JOIN listings l ON l.id = s.listing_id WHERE s.wishlist_id = w.id ORDER BY l.id LIMIT 1) AS cover"
        " FROM wishlists w WHERE w.member_id = ? ORDER BY w.id",
        actor.member()["id"],
    )


def get_wishlist(actor: Actor, wishlist_id: int) -> Row:
    """One list with its ``homes``.

    Raises:
        Refusal: No such list of this member.
    """
    found = first(actor.kit, "SELECT id, name FROM wishlists WHERE id = ? AND member_id = ?", wishlist_id,
                  actor.member()["id"])  # fmt: skip
    if found is None:
        raise missing("this list")
    found["homes"] = fetch(actor.kit, f"{CARD} JOIN saved s ON s.listing_id = l.id WHERE s.wishlist_id = ?"
                           " ORDER BY l.id", wishlist_id)  # fmt: skip
    return found


def create_wishlist(actor: Actor, name: str) -> int:
    """Begin a list; its id.

    Raises:
        Refusal: No name, or the member has a list of that name.
    """
    member, name = actor.member(), name.strip()
    if not name or len(name) > 50:
        raise Refusal("invalid_name", "Enter a name of at most 50 characters.")
    if scalar(actor.kit, "SELECT 1 FROM wishlists WHERE member_id = ? AND lower(name) = lower(?)", member["id"], name):
        raise Refusal("name_taken", f"You already have a list called {name}.", 409)
    return write(actor.kit, "INSERT INTO wishlists (member_id, name) VALUES (?, ?)", member["id"], name)


def save(actor: Actor, slug: str, wishlist_id: int | None) -> int:
    """Put a home on a list, by default the first, begun if there is none; the list's id.

    Raises:
        Refusal: No such home or list.
    """
    listing = get_listing(actor.kit, slug)
    if wishlist_id is None:
        lists = list_wishlists(actor)
        wishlist_id = lists[0]["id"] if lists else create_wishlist(actor, "Saved")
    get_wishlist(actor, wishlist_id)
    write(actor.kit, "INSERT OR IGNORE INTO saved VALUES (?, ?)", wishlist_id, listing["id"])
    return wishlist_id


def remove(actor: Actor, slug: str, wishlist_id: int) -> None:
    """Take a home off a list.

    Raises:
        Refusal: It is not on it, or no such list.
    """
    on_it = {home["slug"]: home["id"] for home in get_wishlist(actor, wishlist_id)["homes"]}
    if slug not in on_it:
        raise missing("this home on the list")
    write(actor.kit, "DELETE FROM saved WHERE wishlist_id = ? AND listing_id = ?", wishlist_id, on_it[slug])


def delete_wishlist(actor: Actor, wishlist_id: int) -> None:
    """Give up a list.

    Raises:
        Refusal: No such list.
    """
    get_wishlist(actor, wishlist_id)
    write(actor.kit, "DELETE FROM wishlists WHERE id = ?", wishlist_id)
