"""What staff do: orders, products, stock, coupons, refunds, the sales report."""

from __future__ import annotations

import re
from datetime import date

from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from .actor import Actor
from .catalog import get_product, note_price_change, words
from .orders import STATUSES

PAGE_SIZE = 15
COUPON_CODE = re.compile(r"[A-Z0-9]{3,20}")

# Which status may follow which: nothing leaves cancelled, nothing goes back.
NEXT: dict[str, tuple[str, ...]] = {
    "processing": ("shipped", "cancelled"),
    "shipped": ("delivered",),
    "delivered": (),
    "cancelled": (),
}


def list_orders(actor: Actor, status: str = "", email: str = "", page: int = 1) -> tuple[list[Row], int]:
    """Orders of all customers, newest first, one page of them, and the number of pages.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    where, args = ["1 = 1"], []
    if status:
        where.append("o.status = ?")
        args.append(status)
    if email:
        where.append("instr(c.email, ?)")
        args.append(email.strip().lower())
    source = f"FROM orders o JOIN customers c ON c.id = o.customer_id WHERE {' AND '.join(where)}"
    total = int(scalar(actor.kit, f"SELECT count(*) {source}", *args))
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(page, 1), pages)
    found = fetch(
        actor.kit,
        f"SELECT o.*, substr(o.placed_at, 1, 10) AS placed_on, c.name AS customer, c.email {source}"
        f" ORDER BY o.number DESC LIMIT {PAGE_SIZE} OFFSET {(page - 1) * PAGE_SIZE}",
        *args,
    )
    return found, pages


def set_order_status(actor: Actor, number: int, status: str) -> None:
    """Move an order on; cancelling gives the stock back and refunds it.

    Raises:
        Refusal: Not staff, no such order, or a step that is not allowed.
    """
    actor.staff()
    kit = actor.kit
    order = first(kit, "SELECT * FROM orders WHERE number = ?", number)
    if order is None:
        raise missing(f"order {number}")
    if status not in STATUSES:
        raise Refusal("invalid_status", f"Choose one of: {', '.join(STATUSES)}.", 422)
    if status not in NEXT[order["status"]]:
        raise Refusal("invalid_transition", f"An order that is {order['status']} cannot become {status}.", 409)
    write(kit, "UPDATE orders SET status = ? WHERE number = ?", status, number)
    today = kit.now().date().isoformat()
    if status == "shipped":
        write(kit, "INSERT INTO shipments VALUES (?, ?, NULL)", number, today)
    elif status == "delivered":
        write(kit, "UPDATE shipments SET delivered_on = ? WHERE order_number = ?", today, number)
    if status == "cancelled":
        write(
            kit, "UPDATE variants SET stock = stock + (SELECT sum(qty) FROM order_lines l WHERE l.order_number = ?"
            " AND l.sku = variants.sku) WHERE sku IN (SELECT sku FROM order_lines WHERE order_number = ?)",
            number, number,
        )  # fmt: skip
        write(
            kit, "INSERT INTO refunds (order_number, amount_cents, status, created_at) VALUES (?, ?, 'approved', ?)",
            number, order["total_cents"], utc_text(kit.now()),
        )  # fmt: skip


def list_products(actor: Actor, text: str = "", category: str = "", page: int = 1) -> tuple[list[Row], int]:
    """Products with their stock, one page of them, and the number of pages.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    where, args = ["1 = 1"], []
    for word in words(text):
        where.append("instr(p.search, ?)")
        args.append(word)
    if category:
        where.append("p.category = ?")
        args.append(category)
    clause = " AND ".join(where)
    total = int(scalar(actor.kit, f"SELECT count(*) FROM products p WHERE {clause}", *args))
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(page, 1), pages)
    found = fetch(
        actor.kit,
        "SELECT p.slug, p.name, p.brand, p.category, p.price_cents, (SELECT sum(stock) FROM variants v"
        f" WHERE v.product_id = p.id) AS stock FROM products p WHERE {clause} ORDER BY p.name, p.id"
        f" LIMIT {PAGE_SIZE} OFFSET {(page - 1) * PAGE_SIZE}",
        *args,
    )
    return found, pages


def set_price(actor: Actor, slug: str, price_cents: int) -> None:
    """Change a product's base price; its sizes keep their surcharge.

    Raises:
        Refusal: Not staff, no such product, or not a price.
    """
    actor.staff()
    if not 1 <= price_cents <= 1_000_000:
        raise Refusal("invalid_price", "Enter a price between $0.01 and $10,000.00.", 422)
    product = get_product(actor.kit, slug)
    if price_cents == product["price_cents"]:
        return
    note_price_change(actor.kit, slug, product["price_cents"])
    write(actor.kit, "UPDATE products SET price_cents = ?, was_cents = NULL WHERE slug = ?", price_cents, slug)


def set_stock(actor: Actor, sku: str, stock: int) -> None:
    """Set how many pieces of a variant there are.

    Raises:
        Refusal: Not staff, no such variant, or not a quantity.
    """
    actor.staff()
    if not 0 <= stock <= 9999:
        raise Refusal("invalid_stock", "Enter a stock from 0 to 9999.", 422)
    if not scalar(actor.kit, "SELECT 1 FROM variants WHERE sku = ?", sku):
        raise missing(f"the article {sku}")
    write(actor.kit, "UPDATE variants SET stock = ? WHERE sku = ?", stock, sku)


def list_coupons(actor: Actor) -> list[Row]:
    """All coupons by code.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    return fetch(actor.kit, "SELECT * FROM coupons ORDER BY code")


def create_coupon(actor: Actor, code: str, kind: str, value: int, minimum_cents: int, expires: str) -> str:
    """Add a coupon; its code. `value` is percent, or cents for a fixed one.

    Raises:
        Refusal: Not staff, a bad field, or the code exists.
    """
    actor.staff()
    code = code.strip().upper()
    if not COUPON_CODE.fullmatch(code):
        raise Refusal("invalid_code", "A code has 3 to 20 letters and digits.", 422)
    if kind not in ("percent", "fixed"):
        raise Refusal("invalid_kind", "Choose percent or fixed.", 422)
    if not 1 <= value <= (90 if kind == "percent" else 100_000):
        raise Refusal("invalid_value", "Enter 1 to 90 percent, or an amount up to $1,000.00.", 422)
    if minimum_cents < 0:
        raise Refusal("invalid_minimum", "The minimum order cannot be negative.", 422)
    try:
        expires = date.fromisoformat(expires).isoformat()
    except ValueError:
        raise Refusal("invalid_date", "Enter the last day as YYYY-MM-DD.", 422) from None
    if scalar(actor.kit, "SELECT 1 FROM coupons WHERE code = ?", code):
        raise Refusal("code_taken", f"There is already a coupon {code}.", 409)
    off = f"{value}% off" if kind == "percent" else f"${value / 100:,.2f} off"
    description = off + (f" orders from ${minimum_cents / 100:,.2f}" if minimum_cents else " your order")
    write(actor.kit, "INSERT INTO coupons VALUES (?, ?, ?, ?, ?, 1, ?)",
          code, kind, value, minimum_cents, expires, description)  # fmt: skip
    return code


def set_coupon_active(actor: Actor, code: str, active: bool) -> None:
    """Enable or disable a coupon.

    Raises:
        Refusal: Not staff, or no such coupon.
    """
    actor.staff()
    if not scalar(actor.kit, "SELECT 1 FROM coupons WHERE code = ?", code):
        raise missing(f"the coupon {code}")
    write(actor.kit, "UPDATE coupons SET active = ? WHERE code = ?", int(active), code)


def list_refunds(actor: Actor, status: str = "") -> list[Row]:
    """Refunds, those waiting first.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    sql = (
        "SELECT f.*, r.sku, r.qty, r.reason, r.comment, c.name AS customer FROM refunds f"
        " LEFT JOIN returns r ON r.id = f.return_id JOIN orders o ON o.number = f.order_number"
        " JOIN customers c ON c.id = o.customer_id"
    )
    if status:
        return fetch(actor.kit, f"{sql} WHERE f.status = ? ORDER BY f.id DESC", status)
    return fetch(actor.kit, f"{sql} ORDER BY f.status <> 'pending', f.id DESC")


def decide_refund(actor: Actor, refund_id: int, decision: str) -> None:
    """Approve or deny a pending refund and the return it belongs to.

    Raises:
        Refusal: Not staff, no such refund, already decided, or not a decision.
    """
    actor.staff()
    kit = actor.kit
    refund = first(kit, "SELECT * FROM refunds WHERE id = ?", refund_id)
    if refund is None:
        raise missing(f"refund {refund_id}")
    if decision not in ("approved", "denied"):
        raise Refusal("invalid_decision", "Choose approved or denied.", 422)
    if refund["status"] != "pending":
        raise Refusal("already_decided", f"Refund {refund_id} has already been {refund['status']}.", 409)
    write(kit, "UPDATE refunds SET status = ? WHERE id = ?", decision, refund_id)
    write(kit, "UPDATE returns SET status = ? WHERE id = ?", decision, refund["return_id"])


def sales_report(actor: Actor, start: str, end: str) -> Row:
    """Sales by category from `start` to `end` (dates, both included); cancelled orders do not count.

    Raises:
        Refusal: Not staff, or not a range of dates.
    """
    actor.staff()
    try:
        start, end = date.fromisoformat(start).isoformat(), date.fromisoformat(end).isoformat()
    except ValueError:
        raise Refusal("invalid_date", "Enter dates as YYYY-MM-DD.", 422) from None
    if start > end:
        raise Refusal("invalid_range", "The first day must not be after the last.", 422)
    during = "o.status <> 'cancelled' AND substr(o.placed_at, 1, 10) BETWEEN ? AND ?"
    found = fetch(
        actor.kit,
        "SELECT c.slug AS category, c.name, count(DISTINCT o.number) AS orders, sum(l.qty) AS pieces,"
        " sum(l.qty * l.unit_cents) AS revenue_cents FROM order_lines l JOIN orders o ON o.number = l.order_number"
        " JOIN variants v ON v.sku = l.sku JOIN products p ON p.id = v.product_id JOIN categories c"
        f" ON c.slug = p.category WHERE {during} GROUP BY c.slug ORDER BY revenue_cents DESC, c.slug",
        start,
        end,
    )
    totals = first(
        actor.kit, "SELECT count(*) AS orders, coalesce(sum(total_cents), 0) AS total_cents,"
        f" coalesce(sum(discount_cents), 0) AS discount_cents FROM orders o WHERE {during}", start, end,
    )  # fmt: skip
    return {"start": start, "end": end, "categories": found, **(totals or {})}


def list_tickets(actor: Actor) -> list[Row]:
    """Messages from customers, open ones first.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    return fetch(actor.kit, "SELECT * FROM tickets ORDER BY status <> 'open', id DESC")


def close_ticket(actor: Actor, ticket_id: int) -> None:
    """Mark a message as answered.

    Raises:
        Refusal: Not staff, or no such message.
    """
    actor.staff()
    if not scalar(actor.kit, "SELECT 1 FROM tickets WHERE id = ?", ticket_id):
        raise missing(f"message {ticket_id}")
    write(actor.kit, "UPDATE tickets SET status = 'closed' WHERE id = ?", ticket_id)
