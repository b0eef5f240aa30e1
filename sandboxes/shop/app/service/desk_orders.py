"""What the desk does to orders: cancel, redirect, take back, refund, exchange; and coupons as an apology."""

from __future__ import annotations

from datetime import timedelta

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from . import orders
from .accounts import ADDRESS_FIELDS
from .actor import Actor
from .cart import find_variant, short
from .desk import customer_of
from .mail import send_mail

REFUND_KINDS = ("return", "goodwill", "price_adjustment", "shipping", "correction")
DESTINATIONS = ("original_payment", "store_credit", "other_card")
COUPON_DAYS = 90
MAX_PERCENT = 50
MAX_FIXED_CENTS = 10_000


def list_orders(actor: Actor, customer_id: int) -> list[Row]:
    """A customer's orders, newest first.

    Raises:
        Refusal: Not staff, or no such customer.
    """
    actor.staff()
    account = customer_of(actor.kit, customer_id)
    return orders.list_orders(Actor(actor.kit, "", {**account, "staff": 0}))


def get_order(actor: Actor, number: int) -> Row:
    """An order as `orders.get_order` returns it, with the days it was shipped and delivered.

    Raises:
        Refusal: Not staff, or no such order.
    """
    actor.staff()
    order = orders.get_order(actor, number)
    sent = first(actor.kit, "SELECT shipped_on, delivered_on FROM shipments WHERE order_number = ?", number)
    order |= sent or {"shipped_on": None, "delivered_on": None}
    order["refunds"] = fetch(
        actor.kit, "SELECT f.*, coalesce(d.kind, CASE WHEN f.return_id IS NULL THEN 'cancellation' ELSE 'return' END)"
        " AS kind, coalesce(d.destination, 'original_payment') AS destination FROM refunds f"
        " LEFT JOIN refund_details d ON d.refund_id = f.id WHERE f.order_number = ? ORDER BY f.id", number,
    )  # fmt: skip
    return order


def cancel_order(actor: Actor, number: int) -> None:
    """Cancel for the customer.

    Raises:
        Refusal: Not staff, no such order, or it has left the warehouse.
    """
    orders.cancel(actor.kit, get_order(actor, number))


def change_address(actor: Actor, number: int, fields: dict[str, str]) -> None:
    """Send an order that has not left yet to another address.

    Raises:
        Refusal: Not staff, no such order, it has left, or a field is missing.
    """
    kit, order = actor.kit, get_order(actor, number)
    if order["status"] != "processing":
        raise Refusal("cannot_change", f"Order {number} is {order['status']}; its address cannot be changed.", 409)
    values = {name: fields.get(name, "").strip() for name in ADDRESS_FIELDS}
    for name, text in values.items():
        if not text or len(text) > 100:
            raise Refusal("invalid_address", f"Enter the {name} of the address (at most 100 characters).", 422)
    ship_to = "{name}, {street}, {city}, {region} {postcode}".format(**values)
    garbled = ship_to.encode().decode("latin-1")
    if garbled != ship_to and kit.bug("mojibake", f"order {number}"):
        ship_to = garbled
    # The form of an order just opened is saved before it is ready: the first change is thrown away.
    opened = f"redirect:{number}"
    if ship_to != order["ship_to"] and opened not in kit.cache and kit.bug("redirect-unsaved", f"order {number}"):
        kit.cache[opened] = True
        return
    write(kit, "UPDATE orders SET ship_to = ? WHERE number = ?", ship_to, number)


def open_return(actor: Actor, number: int, sku: str, qty: int, reason: str) -> tuple[int, str]:
    """Start a return for the customer and mail the label; the return's id and the label's code.

    Raises:
        Refusal: Not staff, no such order, nothing to return there, a bad quantity or reason.
    """
    kit, order = actor.kit, get_order(actor, number)
    return_id = orders.open_return(kit, order, sku, qty, reason, "opened by the desk")
    # Some of it may have been paid back already.
    left = max(orders.refundable_cents(order), 0)
    write(kit, "UPDATE refunds SET amount_cents = min(amount_cents, ?) WHERE return_id = ?", left, return_id)
    label = f"RL{kit.draw('return-label') % 10**8:08d}"
    write(kit, "INSERT INTO return_labels VALUES (?, ?, 'issued')", return_id, label)
    body = f"Put label {label} on the parcel, hand it in at any shop of the carrier, and confirm it in your account."
    send_mail(kit, order["customer_id"], "label", f"Return label for order {number}", body, label, number)
    return return_id, label


def decide_return(actor: Actor, return_id: int, decision: str) -> None:
    """Approve or deny a return that was asked for, and the refund that goes with it.

    Raises:
        Refusal: Not staff, no such return, or already decided.
    """
    actor.staff()
    kit = actor.kit
    found = first(kit, "SELECT status FROM returns WHERE id = ?", return_id)
    if found is None:
        raise missing(f"return {return_id}")
    if found["status"] != "requested":
        raise Refusal("already_decided", f"Return {return_id} has already been {found['status']}.", 409)
    write(kit, "UPDATE returns SET status = ? WHERE id = ?", decision, return_id)
    write(kit, "UPDATE refunds SET status = ? WHERE return_id = ?", decision, return_id)


def refund(actor: Actor, number: int, cents: int, kind: str, destination: str, reason: str) -> int:
    """Pay money of an order back; the refund's id.

    Raises:
        Refusal: Not staff, no such order, or more than is left of what was paid.
    """
    kit, order = actor.kit, get_order(actor, number)
    left = orders.refundable_cents(order)
    if not 1 <= cents <= left:
        message = f"Of order {number}, ${left / 100:,.2f} can still be refunded."
        raise Refusal("invalid_amount", message, 422)
    return _book(kit, number, cents, kind, destination, reason)


def _book(kit: Kit, number: int, cents: int, kind: str, destination: str, reason: str) -> int:
    refund_id = write(
        kit, "INSERT INTO refunds (order_number, amount_cents, status, created_at) VALUES (?, ?, 'approved', ?)",
        number, cents, utc_text(kit.now()),
    )  # fmt: skip
    write(kit, "INSERT INTO refund_details VALUES (?, ?, ?, ?)", refund_id, kind, destination, reason.strip())
    return refund_id


def exchange(actor: Actor, number: int, sku: str, new_sku: str, qty: int) -> Row:
    """Send `new_sku` in place of `sku` from a delivered order: ``exchange_id`` and ``difference_cents``.

    The difference is what the new article costs today less what was paid. Below zero it is refunded at once;
    above zero the customer pays it on delivery. What comes back is put on the shelf when it has arrived, not now.

    Raises:
        Refusal: Not staff, nothing to exchange there, a bad quantity, or too little stock.
    """
    kit, order = actor.kit, get_order(actor, number)
    line = next((line for line in orders.returnable(order) if line["sku"] == sku), None)
    if line is None:
        raise Refusal("not_exchangeable", "This article cannot be exchanged.", 409)
    if not 1 <= qty <= line["left"]:
        raise Refusal("invalid_quantity", f"1 to {line['left']} of this article can be exchanged.", 422)
    if sku == new_sku:
        raise Refusal("same_article", "That is the article the customer has.", 422)
    wanted = find_variant(kit, new_sku)
    if qty > wanted["stock"]:
        raise short(wanted)
    price = int(scalar(kit, "SELECT price_cents FROM products WHERE id = ?", wanted["product_id"]))
    difference = (price + wanted["extra_cents"] - line["unit_cents"]) * qty
    write(kit, "UPDATE variants SET stock = stock - ? WHERE sku = ?", qty, new_sku)
    exchange_id = write(
        kit, "INSERT INTO exchanges (order_number, sku, new_sku, qty, difference_cents, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)", number, sku, new_sku, qty, difference, utc_text(kit.now()),
    )  # fmt: skip
    back = min(-difference, orders.refundable_cents(order))
    if back > 0:
        _book(kit, number, back, "exchange", "original_payment", f"exchange {exchange_id}")
    return {"exchange_id": exchange_id, "difference_cents": difference}


def issue_coupon(actor: Actor, customer_id: int, kind: str, value: int, order_number: int | None, reason: str) -> str:
    """Give a customer a coupon of their own and mail it; its code.

    Raises:
        Refusal: Not staff, no such customer, a value out of range, or an order that is not the customer's.
    """
    actor.staff()
    kit = actor.kit
    customer_of(kit, customer_id)
    if not 1 <= value <= (MAX_PERCENT if kind == "percent" else MAX_FIXED_CENTS):
        limit = f"Enter 1 to {MAX_PERCENT} percent, or an amount up to ${MAX_FIXED_CENTS / 100:,.2f} in cents."
        raise Refusal("invalid_value", limit, 422)
    if order_number is not None:
        owner = scalar(kit, "SELECT customer_id FROM orders WHERE number = ?", order_number)
        if owner != customer_id:
            raise missing(f"order {order_number} among this customer's orders")
    code = f"DESK{kit.token('desk-coupon', 8).upper()}"
    off = f"{value}% off" if kind == "percent" else f"${value / 100:,.2f} off"
    expires = (kit.now() + timedelta(days=COUPON_DAYS)).date().isoformat()
    write(kit, "INSERT INTO coupons VALUES (?, ?, ?, 0, ?, 1, ?)", code, kind, value, expires, f"{off} your order")
    write(kit, "INSERT INTO coupon_grants VALUES (?, ?, ?, ?, ?)",
          code, customer_id, order_number, reason.strip(), utc_text(kit.now()))  # fmt: skip
    body = f"With code {code} you get {off} your next order, until {expires}."
    send_mail(kit, customer_id, "coupon", "A coupon for you", body, code, order_number)
    return code
