"""Placing, reading and cancelling orders; returns and refunds."""

from __future__ import annotations

from datetime import datetime, timedelta

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from . import cart as carts
from .accounts import get_address
from .actor import Actor

PAYMENTS = {"card": "Credit or debit card", "invoice": "Pay by invoice within 14 days"}
STATUSES = ("processing", "shipped", "delivered", "cancelled")
REASONS = {
    "damaged": "Arrived damaged",
    "wrong_item": "Wrong item sent",
    "not_as_described": "Not as described",
    "changed_mind": "Changed my mind",
}


def payment_label(method: str, card_number: str = "") -> str:
    """How the payment is written on the order; the card number itself is not kept.

    Raises:
        Refusal: Unknown method or not a card number.
    """
    if method == "invoice":
        return "invoice"
    if method != "card":
        raise Refusal("invalid_payment", "Choose how you want to pay.", 422)
    digits = card_number.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdecimal()) or not 12 <= len(digits) <= 19:
        raise Refusal("invalid_card", "Enter the 12 to 19 digits of your card number.", 422)
    return f"card ending {digits[-4:]}"


def place_order(actor: Actor, address_id: int, shipping: str, payment: str, key: str) -> int:
    """Turn the cart into an order; its number. A repeated `key` returns the order it made before.

    Raises:
        Refusal: Not signed in, an empty cart, a missing choice, or too little stock.
    """
    kit, customer = actor.kit, actor.customer()
    earlier = scalar(
        kit, "SELECT number FROM orders WHERE customer_id = ? AND request_key = ? ORDER BY number", customer["id"], key
    )
    if earlier is not None:
        if kit.bug("double-submit", f"order {earlier} placed again"):
            return _repeat(kit, earlier)
        return int(earlier)
    actor.cart_key = customer["email"]
    if not carts.count_items(actor):
        raise Refusal("empty_cart", "Your cart is empty.", 409)
    if shipping not in carts.SHIPPING:
        raise Refusal("invalid_shipping", "Choose a shipping method.", 422)
    if not payment:
        raise Refusal("invalid_payment", "Choose how you want to pay.", 422)
    address = get_address(actor, address_id)
    carts.choose(actor, shipping=shipping)
    cart = carts.get_cart(actor)
    for line in cart["lines"]:
        if line["qty"] > line["stock"] and not kit.bug("oversell", line["sku"]):
            raise carts.short(line)
    ship_to = "{name}, {street}, {city}, {region} {postcode}".format(**address)
    number = _insert(kit, customer["id"], cart, payment, ship_to, key)
    write(kit, "DELETE FROM cart_lines WHERE cart_key = ?", actor.cart_key)
    write(
        kit, "UPDATE carts SET coupon = NULL, address_id = NULL, shipping = NULL, payment = NULL,"
        " checkouts = checkouts + 1 WHERE key = ?", actor.cart_key,
    )  # fmt: skip
    return number


def _insert(kit: Kit, customer_id: int, cart: Row, payment: str, ship_to: str, key: str) -> int:
    number = 1 + int(scalar(kit, "SELECT max(number) FROM orders"))
    write(
        kit, "INSERT INTO orders VALUES (?, ?, 'processing', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number, customer_id, cart["subtotal_cents"], cart["discount_cents"], cart["shipping_cents"],
        cart["total_cents"], cart["coupon"] if cart["discount_cents"] else None, cart["shipping"], payment, ship_to,
        utc_text(kit.now()), key,
    )  # fmt: skip
    for line in cart["lines"]:
        _add_line(kit, number, line)
    return number


def _add_line(kit: Kit, number: int, line: Row) -> None:
    write(kit, "INSERT INTO order_lines (order_number, sku, name, label, qty, unit_cents) VALUES (?, ?, ?, ?, ?, ?)",
          number, line["sku"], line["name"], line["label"], line["qty"], line["unit_cents"])  # fmt: skip
    write(kit, "UPDATE variants SET stock = stock - ? WHERE sku = ?", line["qty"], line["sku"])


def _repeat(kit: Kit, earlier: int) -> int:
    order = first(kit, "SELECT * FROM orders WHERE number = ?", earlier)
    assert order is not None
    order["lines"] = fetch(kit, "SELECT * FROM order_lines WHERE order_number = ? ORDER BY id", earlier)
    return _insert(kit, order["customer_id"], order, order["payment"], order["ship_to"], order["request_key"])


def list_orders(actor: Actor) -> list[Row]:
    """The customer's orders, newest first."""
    found = fetch(
        actor.kit,
        "SELECT o.*, (SELECT sum(qty) FROM order_lines l WHERE l.order_number = o.number) AS pieces"
        " FROM orders o WHERE customer_id = ? ORDER BY placed_at DESC, number DESC",
        actor.customer()["id"],
    )
    return [_dated(actor.kit, order) for order in found]


def get_order(actor: Actor, number: int) -> Row:
    """An order with ``lines``, ``returns`` and ``refunds``.

    Raises:
        Refusal: No such order, or another customer's.
    """
    kit, account = actor.kit, actor.customer()
    order = first(
        kit, "SELECT o.*, c.name AS customer, c.email FROM orders o JOIN customers c ON c.id = o.customer_id"
        " WHERE number = ?", number,
    )  # fmt: skip
    if order is None:
        raise missing(f"order {number}")
    foreign = order["customer_id"] != account["id"] and not account["staff"]
    if foreign and not kit.bug("order-leak", f"order {number} shown to {account['email']}"):
        raise missing(f"order {number}")
    order["lines"] = fetch(
        kit, "SELECT l.*, p.slug FROM order_lines l LEFT JOIN variants v ON v.sku = l.sku"
        " LEFT JOIN products p ON p.id = v.product_id WHERE order_number = ? ORDER BY l.id", number,
    )  # fmt: skip
    order["returns"] = fetch(kit, "SELECT * FROM returns WHERE order_number = ? ORDER BY id", number)
    order["refunds"] = fetch(kit, "SELECT * FROM refunds WHERE order_number = ? ORDER BY id", number)
    order["exchanges"] = fetch(kit, "SELECT * FROM exchanges WHERE order_number = ? ORDER BY id", number)
    return _dated(kit, order)


def _dated(kit: Kit, order: Row) -> Row:
    placed = datetime.fromisoformat(order["placed_at"])
    order["placed_on"] = placed.date().isoformat()
    # The report server's zone instead of the shop's: before 08:00 UTC (07:00 in summer) it is still yesterday there.
    pacific = _pacific(placed).date().isoformat()
    if pacific != order["placed_on"] and kit.bug("order-date", f"order {order['number']}"):
        order["placed_on"] = pacific
    return order


def _pacific(moment: datetime) -> datetime:
    """The wall clock in Los Angeles at `moment` (UTC); its clocks change as the Energy Policy Act of 2005 says."""
    march, november = (datetime(moment.year, month, 1, tzinfo=moment.tzinfo) for month in (3, 11))
    # From 02:00 on the second Sunday of March to 02:00 on the first of November, by the wall clock.
    begin = march + timedelta(days=(6 - march.weekday()) % 7 + 7, hours=10)
    end = november + timedelta(days=(6 - november.weekday()) % 7, hours=9)
    return moment - timedelta(hours=7 if begin <= moment < end else 8)


def own_order(actor: Actor, number: int) -> Row:
    """`get_order` for changes: never another customer's, whatever the bugs.

    Raises:
        Refusal: No such order of this customer.
    """
    owner = scalar(actor.kit, "SELECT customer_id FROM orders WHERE number = ?", number)
    if owner != actor.customer()["id"]:
        raise missing(f"order {number}")
    return get_order(actor, number)


def can_cancel(order: Row) -> bool:
    """Whether the customer may still cancel."""
    return bool(order["status"] == "processing")


def cancel_order(actor: Actor, number: int) -> None:
    """Cancel, give the stock back, and refund what was paid.

    Raises:
        Refusal: No such order, or it has left the warehouse.
    """
    cancel(actor.kit, own_order(actor, number))


def cancel(kit: Kit, order: Row) -> None:
    """Cancel an order as `get_order` returned it, for whoever may.

    Raises:
        Refusal: It has left the warehouse.
    """
    number = order["number"]
    if not can_cancel(order) and (order["status"] != "shipped" or not kit.bug("dead-cancel", f"order {number}")):
        raise Refusal("cannot_cancel", f"Order {number} is {order['status']} and cannot be cancelled.", 409)
    write(kit, "UPDATE orders SET status = 'cancelled' WHERE number = ?", number)
    if not kit.bug("cancel-keeps-stock", f"order {number}"):
        for line in order["lines"]:
            write(kit, "UPDATE variants SET stock = stock + ? WHERE sku = ?", line["qty"], line["sku"])
    write(kit, "INSERT INTO refunds (order_number, amount_cents, status, created_at) VALUES (?, ?, 'approved', ?)",
          number, refundable_cents(order), utc_text(kit.now()))  # fmt: skip


def refundable_cents(order: Row) -> int:
    """What is left of the order's total after all refunds that were not denied."""
    return int(order["total_cents"] - sum(f["amount_cents"] for f in order["refunds"] if f["status"] != "denied"))


def returnable(order: Row) -> list[Row]:
    """Lines of a delivered order with pieces not yet returned, each with ``left``."""
    if order["status"] != "delivered":
        return []
    out = []
    for line in order["lines"]:
        gone = sum(r["qty"] for r in order["returns"] if r["sku"] == line["sku"] and r["status"] != "denied")
        gone += sum(e["qty"] for e in order["exchanges"] if e["sku"] == line["sku"])
        if line["qty"] > gone:
            out.append({**line, "left": line["qty"] - gone})
    return out


def request_return(actor: Actor, number: int, sku: str, qty: int, reason: str, comment: str = "") -> int:
    """Ask to send pieces back; the id of the return, whose refund waits for staff.

    Raises:
        Refusal: Nothing to return there, a bad quantity or reason.
    """
    return open_return(actor.kit, own_order(actor, number), sku, qty, reason, comment)


def open_return(kit: Kit, order: Row, sku: str, qty: int, reason: str, comment: str = "") -> int:
    """`request_return` on an order as `get_order` returned it, for whoever may.

    Raises:
        Refusal: Nothing to return there, a bad quantity or reason.
    """
    number = order["number"]
    line = next((line for line in returnable(order) if line["sku"] == sku), None)
    if line is None:
        raise Refusal("not_returnable", "This article cannot be returned.", 409)
    if not 1 <= qty <= line["left"]:
        raise Refusal("invalid_quantity", f"You can return 1 to {line['left']} of this article.", 422)
    if reason not in REASONS:
        raise Refusal("invalid_reason", "Choose a reason for the return.", 422)
    return_id = write(
        kit, "INSERT INTO returns (order_number, sku, qty, reason, comment, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'requested', ?)", number, sku, qty, reason, comment.strip(), utc_text(kit.now()),
    )  # fmt: skip
    write(
        kit, "INSERT INTO refunds (order_number, return_id, amount_cents, status, created_at)"
        " VALUES (?, ?, ?, 'pending', ?)", number, return_id, _refund_cents(order, line, qty), utc_text(kit.now()),
    )  # fmt: skip
    return return_id


def list_refunds(actor: Actor) -> list[Row]:
    """The customer's refunds with the return each belongs to, newest first."""
    return fetch(
        actor.kit,
        "SELECT f.*, r.sku, r.qty, r.reason FROM refunds f JOIN orders o ON o.number = f.order_number"
        " LEFT JOIN returns r ON r.id = f.return_id WHERE o.customer_id = ? ORDER BY f.id DESC",
        actor.customer()["id"],
    )


def _refund_cents(order: Row, line: Row, qty: int) -> int:
    # What was paid for the pieces: the order's discount is shared out over its goods.
    goods = line["unit_cents"] * qty
    paid = order["subtotal_cents"] - order["discount_cents"]
    return int((goods * paid + order["subtotal_cents"] // 2) // order["subtotal_cents"])
