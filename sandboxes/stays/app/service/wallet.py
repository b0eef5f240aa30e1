"""Payment methods. Of a card only its brand, last four digits and expiry are kept."""

from __future__ import annotations

import re

from envsim.guest.service import Refusal, Row, fetch, missing, scalar, write

from .members import Actor

BRANDS = {"3": "Amex", "4": "Visa", "5": "Mastercard"}
EXPIRY = re.compile(r"(0[1-9]|1[0-2])/([0-9]{2})")


def list_cards(actor: Actor) -> list[Row]:
    """The member's cards, the default one first."""
    return fetch(actor.kit, "SELECT id, brand, last4, expires, is_default FROM cards WHERE member_id = ?"
                 " ORDER BY is_default DESC, id", actor.member()["id"])  # fmt: skip


def get_card(actor: Actor, card_id: int) -> Row:
    """One of the member's cards.

    Raises:
        Refusal: No such card.
    """
    found = [card for card in list_cards(actor) if card["id"] == card_id]
    if not found:
        raise missing("this card")
    return found[0]


def add_card(actor: Actor, number: str, expires: str, default: bool = False) -> int:
    """Keep a card; its id.

    Raises:
        Refusal: Not a card number, or it has expired.
    """
    kit, member = actor.kit, actor.member()
    digits = re.sub(r"[ -]", "", number)
    if not re.fullmatch(r"[0-9]{12,19}", digits) or digits[0] not in BRANDS:
        raise Refusal("invalid_card", "Enter the 12 to 19 digits of a Visa, Mastercard or Amex card.")
    found = EXPIRY.fullmatch(expires.strip())
    if found is None:
        raise Refusal("invalid_expiry", "Enter when the card expires as MM/YY.")
    today = kit.now().date()
    if (2000 + int(found[2]), int(found[1])) < (today.year, today.month):
        raise Refusal("expired_card", "This card has expired.")
    first = not scalar(kit, "SELECT 1 FROM cards WHERE member_id = ?", member["id"])
    card_id = write(kit, "INSERT INTO cards (member_id, brand, last4, expires) VALUES (?, ?, ?, ?)", member["id"],
                    BRANDS[digits[0]], digits[-4:], expires.strip())  # fmt: skip
    if default or first:
        set_default(actor, card_id)
    return card_id


def set_default(actor: Actor, card_id: int) -> None:
    """Make a card the one that is offered first.

    Raises:
        Refusal: No such card.
    """
    get_card(actor, card_id)
    write(actor.kit, "UPDATE cards SET is_default = (id = ?) WHERE member_id = ?", card_id, actor.member()["id"])


def delete_card(actor: Actor, card_id: int) -> None:
    """Forget a card; the oldest of the others becomes the default if it was that.

    Raises:
        Refusal: No such card.
    """
    card = get_card(actor, card_id)
    write(actor.kit, "UPDATE drafts SET card_id = NULL WHERE card_id = ?", card_id)
    write(actor.kit, "DELETE FROM cards WHERE id = ?", card_id)
    if card["is_default"]:
        write(actor.kit, "UPDATE cards SET is_default = 1 WHERE id = (SELECT min(id) FROM cards WHERE member_id = ?)",
              actor.member()["id"])  # fmt: skip
