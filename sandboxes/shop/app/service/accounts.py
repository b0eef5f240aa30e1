"""Addresses, wishlist and messages to the shop."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row, fetch, missing, scalar, utc_text, write

from .actor import Actor, check_email
from .catalog import CARD, get_product

ADDRESS_FIELDS = ("name", "street", "city", "region", "postcode")
TOPICS = {"order": "An order", "return": "A return or refund", "product": "A product", "other": "Something else"}
WISHLIST_WINDOW = 3


def list_addresses(actor: Actor) -> list[Row]:
    """The customer's addresses, the default one first."""
    return fetch(
        actor.kit,
        "SELECT id, name, street, city, region, postcode, is_default FROM addresses WHERE customer_id = ?"
        " ORDER BY is_default DESC, id",
        actor.customer()["id"],
    )


def get_address(actor: Actor, address_id: int) -> Row:
    """One of the customer's addresses.

    Raises:
        Refusal: No such address.
    """
    found = next((a for a in list_addresses(actor) if a["id"] == address_id), None)
    if found is None:
        raise missing("this address")
    return found


def save_address(actor: Actor, fields: dict[str, str], address_id: int | None = None, default: bool = False) -> int:
    """Add an address, or change one; its id.

    Raises:
        Refusal: A field is missing, or no such address.
    """
    kit, customer = actor.kit, actor.customer()
    values = {name: fields.get(name, "").strip() for name in ADDRESS_FIELDS}
    for name, text in values.items():
        if not text or len(text) > 100:
            raise Refusal("invalid_address", f"Enter the {name} of the address (at most 100 characters).", 422)
    for name, text in values.items():
        garbled = text.encode().decode("latin-1")
        if garbled != text and kit.bug("mojibake", name):
            values[name] = garbled
    is_first = not list_addresses(actor)
    if address_id is None:
        address_id = write(
            kit, "INSERT INTO addresses (customer_id, name, street, city, region, postcode) VALUES (?, ?, ?, ?, ?, ?)",
            customer["id"], *values.values(),
        )  # fmt: skip
    else:
        before = get_address(actor, address_id)
        if any(before[name] != text for name, text in values.items()) and kit.bug("lying-toast", f"{address_id}"):
            return address_id
        write(kit, "UPDATE addresses SET name = ?, street = ?, city = ?, region = ?, postcode = ? WHERE id = ?",
              *values.values(), address_id)  # fmt: skip
    if default or is_first:
        write(kit, "UPDATE addresses SET is_default = (id = ?) WHERE customer_id = ?", address_id, customer["id"])
    return address_id


def delete_address(actor: Actor, address_id: int) -> None:
    """Remove an address; another becomes the default if it was that.

    Raises:
        Refusal: No such address.
    """
    kit, address = actor.kit, get_address(actor, address_id)
    write(kit, "UPDATE carts SET address_id = NULL WHERE address_id = ?", address_id)
    write(kit, "DELETE FROM addresses WHERE id = ?", address_id)
    if address["is_default"]:
        write(kit, "UPDATE addresses SET is_default = 1 WHERE id = (SELECT min(id) FROM addresses"
              " WHERE customer_id = ?)", actor.customer()["id"])  # fmt: skip


def list_wishlist(actor: Actor) -> list[Row]:
    """Products on the wishlist, oldest first."""
    return fetch(
        actor.kit,
        f"{CARD} JOIN wishlist w ON w.product_id = p.id WHERE w.customer_id = ? ORDER BY w.rowid",
        actor.customer()["id"],
    )


def add_to_wishlist(actor: Actor, slug: str) -> None:
    """Remember a product.

    Raises:
        Refusal: Not signed in, or no such product.
    """
    kit, customer = actor.kit, actor.customer()
    product = get_product(kit, slug)
    if scalar(kit, "SELECT 1 FROM wishlist WHERE customer_id = ? AND product_id = ?", customer["id"], product["id"]):
        return
    # The list is saved whole: an addition made from a copy read before the last one drops that one.
    key = f"wishlist:{customer['id']}"
    last = kit.cache.get(key)
    if last and kit.ticks - last["tick"] <= WISHLIST_WINDOW and kit.bug("wishlist-lost", last["slug"]):
        write(kit, "DELETE FROM wishlist WHERE customer_id = ? AND product_id = ?", customer["id"], last["product_id"])
    write(kit, "INSERT INTO wishlist VALUES (?, ?)", customer["id"], product["id"])
    if "wishlist-lost" in kit.bugs:
        kit.cache[key] = {"tick": kit.ticks, "slug": slug, "product_id": product["id"]}


def remove_from_wishlist(actor: Actor, slug: str) -> None:
    """Forget a product.

    Raises:
        Refusal: Not signed in, or not on the list.
    """
    kit, customer = actor.kit, actor.customer()
    product_id = scalar(
        kit, "SELECT w.product_id FROM wishlist w JOIN products p ON p.id = w.product_id WHERE w.customer_id = ?"
        " AND p.slug = ?", customer["id"], slug,
    )  # fmt: skip
    if product_id is None:
        raise missing("this product on your wishlist")
    write(kit, "DELETE FROM wishlist WHERE customer_id = ? AND product_id = ?", customer["id"], product_id)
    kit.cache.pop(f"wishlist:{customer['id']}", None)


def create_ticket(actor: Actor, email: str, topic: str, message: str, order_number: int | None = None) -> int:
    """Send a message to customer service; the ticket's number.

    Raises:
        Refusal: A bad field, or an order that is not the sender's.
    """
    email, message = email.strip().lower(), message.strip()
    check_email(email)
    if topic not in TOPICS:
        raise Refusal("invalid_topic", "Choose what your message is about.", 422)
    if len(message) < 10:
        raise Refusal("invalid_message", "Write at least 10 characters, so that we can help.", 422)
    account = actor.account
    if order_number is not None:
        owner = scalar(actor.kit, "SELECT customer_id FROM orders WHERE number = ?", order_number)
        if account is None or owner != account["id"]:
            raise missing(f"order {order_number} among your orders")
    return write(
        actor.kit, "INSERT INTO tickets (customer_id, email, topic, order_number, message, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'open', ?)",
        account["id"] if account else None, email, topic, order_number, message, utc_text(actor.kit.now()),
    )  # fmt: skip
