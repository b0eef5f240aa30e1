"""The cart: lines, coupon, and what it all comes to."""

from __future__ import annotations

import hashlib
from typing import Any

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, write

from .actor import Actor, open_session

MAX_QTY = 20
FREE_SHIPPING_FROM = 7500
SHIPPING = {
    "standard": ("Standard delivery, 3 to 5 working days", 495),
    "express": ("Express delivery, next working day", 1295),
    "pickup": ("Collect from the Portland store", 0),
}


def ensure_cart(actor: Actor) -> str:
    """The key of the actor's cart, created on its first use: an e-mail, or ``guest-N``."""
    kit = actor.kit
    if actor.account is not None:
        write(kit, "INSERT OR IGNORE INTO carts (key, customer_id) VALUES (?, ?)", actor.account["email"],
              actor.account["id"])  # fmt: skip
        actor.cart_key = actor.account["email"]
    elif actor.cart_key is None:
        last = scalar(kit, "SELECT max(CAST(substr(key, 7) AS INTEGER)) FROM carts WHERE key GLOB 'guest-[0-9]*'")
        number = 1 + int(last or 0)
        actor.cart_key = f"guest-{number}"
        write(kit, "INSERT INTO carts (key) VALUES (?)", actor.cart_key)
        if actor.sid:
            write(kit, "INSERT INTO sessions VALUES (?, NULL, ?) ON CONFLICT (token) DO UPDATE SET cart_key ="
                  " excluded.cart_key", actor.sid, actor.cart_key)  # fmt: skip
        else:
            actor.sid = open_session(kit, None, actor.cart_key)
    assert actor.cart_key is not None
    return actor.cart_key


def count_items(actor: Actor) -> int:
    """Pieces in the cart."""
    if actor.cart_key is None:
        return 0
    return int(scalar(actor.kit, "SELECT coalesce(sum(qty), 0) FROM cart_lines WHERE cart_key = ?", actor.cart_key))


def get_choices(actor: Actor) -> Row:
    """What was chosen for the cart so far: coupon, address_id, shipping, payment; and its number of checkouts."""
    found = first(actor.kit, "SELECT * FROM carts WHERE key = ?", actor.cart_key)
    return found or {"coupon": None, "address_id": None, "shipping": None, "payment": None, "checkouts": 0}


def get_cart(actor: Actor) -> Row:
    """The cart priced: ``lines``, ``subtotal_cents``, ``discount_cents``, ``shipping_cents``, ``total_cents``, ...

    ``notice`` says why a coupon no longer counts.
    """
    lines = fetch(
        actor.kit,
        "SELECT l.sku, l.qty, p.slug, p.name, v.label, v.stock, p.price_cents + v.extra_cents AS unit_cents,"
        " l.qty * (p.price_cents + v.extra_cents) AS line_cents FROM cart_lines l JOIN variants v ON v.sku = l.sku"
        " JOIN products p ON p.id = v.product_id WHERE l.cart_key = ? ORDER BY l.rowid",
        actor.cart_key,
    )
    out = get_choices(actor)
    out["lines"] = lines
    out["count"] = sum(line["qty"] for line in lines)
    out["subtotal_cents"] = sum(line["line_cents"] for line in lines)
    out["notice"] = ""
    out["discount_cents"] = 0
    if out["coupon"] and lines:
        try:
            coupon = check_coupon(actor.kit, out["coupon"], out["subtotal_cents"])
            out["discount_cents"] = _discount(actor.kit, coupon, lines)
        except Refusal as error:
            out["notice"] = error.message
    goods = out["subtotal_cents"] - out["discount_cents"]
    out["shipping_cents"] = shipping_fee(out["shipping"], goods) if lines else 0
    out["total_cents"] = goods + out["shipping_cents"]
    return out


def shipping_fee(method: str | None, goods_cents: int) -> int:
    """Cost of a shipping method; standard when none is chosen yet."""
    if method in (None, "standard") and goods_cents >= FREE_SHIPPING_FROM:
        return 0
    _, fee = SHIPPING[method or "standard"]
    return fee


def check_coupon(kit: Kit, code: str, subtotal_cents: int) -> Row:
    """The coupon `code`, if it can be used now on `subtotal_cents`.

    Raises:
        Refusal: Unknown, disabled, expired, or the order is too small.
    """
    coupon = first(kit, "SELECT * FROM coupons WHERE code = ?", code.strip().upper())
    if coupon is None or not coupon["active"]:
        raise Refusal("unknown_coupon", f"The coupon code {code.strip().upper()} is not valid.", 422)
    if coupon["expires"] < kit.now().date().isoformat():
        raise Refusal("expired_coupon", f"The coupon {coupon['code']} expired on {coupon['expires']}.", 422)
    if subtotal_cents < coupon["minimum_cents"]:
        minimum = f"${coupon['minimum_cents'] / 100:,.2f}"
        raise Refusal("below_minimum", f"The coupon {coupon['code']} needs an order of at least {minimum}.", 422)
    return coupon


def _discount(kit: Kit, coupon: Row, lines: list[Row]) -> int:
    subtotal = int(sum(line["line_cents"] for line in lines))
    if coupon["kind"] == "fixed":
        return min(int(coupon["value"]), subtotal)
    right = (subtotal * int(coupon["value"]) + 50) // 100
    # Rounded on every piece instead of once.
    wrong = sum(line["qty"] * ((line["unit_cents"] * coupon["value"] + 50) // 100) for line in lines)
    if wrong != right and kit.bug("coupon-rounding", f"{wrong} instead of {right} cents"):
        return int(wrong)
    return right


def find_variant(kit: Kit, sku: str) -> Row:
    """A variant with its product's name.

    Raises:
        Refusal: No such variant.
    """
    found = first(
        kit, "SELECT v.*, p.slug, p.name FROM variants v JOIN products p ON p.id = v.product_id WHERE v.sku = ?", sku
    )
    if found is None:
        raise missing("this article")
    return found


def add_to_cart(actor: Actor, sku: str, qty: int) -> None:
    """Put `qty` more of `sku` into the cart.

    Raises:
        Refusal: No such variant, a bad quantity, or more than there is in stock.
    """
    variant = find_variant(actor.kit, sku)
    if not 1 <= qty <= MAX_QTY:
        raise Refusal("invalid_quantity", f"Choose a quantity from 1 to {MAX_QTY}.", 422)
    held = int(scalar(actor.kit, "SELECT qty FROM cart_lines WHERE cart_key = ? AND sku = ?",
                      actor.cart_key, sku) or 0)  # fmt: skip
    if held + qty > MAX_QTY:
        raise Refusal("invalid_quantity", f"At most {MAX_QTY} of one article per order.", 422)
    # The bug looks at this request alone and forgets what the cart already holds.
    if held + qty > variant["stock"] and (qty > variant["stock"] or not actor.kit.bug("oversell", sku)):
        raise short(variant)
    key = ensure_cart(actor)
    write(
        actor.kit, "INSERT INTO cart_lines VALUES (?, ?, ?) ON CONFLICT (cart_key, sku) DO UPDATE SET qty ="
        " qty + excluded.qty", key, sku, qty,
    )  # fmt: skip


def short(variant: Row) -> Refusal:
    """The refusal for more of a variant (or cart line) than its ``stock``."""
    name = f"{variant['name']} ({variant['label']})"
    if variant["stock"] <= 0:
        return Refusal("out_of_stock", f"{name} is out of stock.", 409)
    return Refusal("insufficient_stock", f"Only {variant['stock']} of {name} left in stock.", 409)


def set_quantity(actor: Actor, sku: str, qty: int) -> None:
    """Change a cart line; 0 removes it.

    Raises:
        Refusal: Not in the cart, a bad quantity, or more than there is in stock.
    """
    kit, key = actor.kit, actor.cart_key
    if not scalar(kit, "SELECT 1 FROM cart_lines WHERE cart_key = ? AND sku = ?", key, sku):
        raise missing("this article in your cart")
    if qty == 0:
        write(kit, "DELETE FROM cart_lines WHERE cart_key = ? AND sku = ?", key, sku)
        return
    if not 0 < qty <= MAX_QTY:
        raise Refusal("invalid_quantity", f"Choose a quantity from 0 to {MAX_QTY}.", 422)
    variant = find_variant(kit, sku)
    if qty > variant["stock"]:
        raise short(variant)
    write(kit, "UPDATE cart_lines SET qty = ? WHERE cart_key = ? AND sku = ?", qty, key, sku)


def apply_coupon(actor: Actor, code: str) -> None:
    """Use a coupon on this cart; an empty code removes it.

    Raises:
        Refusal: The coupon cannot be used.
    """
    if not code.strip():
        write(actor.kit, "UPDATE carts SET coupon = NULL WHERE key = ?", actor.cart_key)
        return
    coupon = check_coupon(actor.kit, code, get_cart(actor)["subtotal_cents"])
    key = ensure_cart(actor)
    write(actor.kit, "UPDATE carts SET coupon = ? WHERE key = ?", coupon["code"], key)


def choose(actor: Actor, **choices: Any) -> None:
    """Remember a step of the checkout: ``address_id``, ``shipping`` or ``payment``."""
    key = ensure_cart(actor)
    for column, chosen in choices.items():
        if column not in ("address_id", "shipping", "payment"):
            raise ValueError(column)
        write(actor.kit, f"UPDATE carts SET {column} = ? WHERE key = ?", chosen, key)


def order_key(actor: Actor, cart: Row) -> str:
    """Names this checkout: the same until an order is placed from the cart, so that a repeat is recognised."""
    return hashlib.sha256(f"order:{actor.cart_key}:{cart['checkouts']}".encode()).hexdigest()[:24]
