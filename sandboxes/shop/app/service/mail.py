"""The mail the shop sends, and what a customer finds in the inbox."""

from __future__ import annotations

from datetime import timedelta

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, utc_text, write

from .actor import Actor

KINDS = ("code", "label", "coupon", "order")
INBOX_SIZE = 20
LATE = timedelta(seconds=21)
"""How long a mail with a code is under way with the bug `code-late`: three requests at the shop's usual tick."""


def send_mail(
    kit: Kit, customer_id: int, kind: str, subject: str, body: str, code: str, order_number: int | None = None
) -> int:
    """Send a mail to a customer; its id. `code` is what the mail is about, for whoever reads it by machine."""
    now = kit.now()
    late = kind == "code" and kit.bug("code-late", f"mail to customer {customer_id}")
    return write(
        kit, "INSERT INTO mail (customer_id, kind, subject, body, code, order_number, sent_at, arrives_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        customer_id, kind, subject, body, code, order_number, utc_text(now), utc_text(now + LATE if late else now),
    )  # fmt: skip


def read_mail(actor: Actor, kind: str = "") -> list[Row]:
    """The customer's mail that has arrived, newest first: at most `INBOX_SIZE`, of one of `KINDS` or of all.

    The confirmations of orders are written from the orders themselves.

    Raises:
        Refusal: Not signed in.
    """
    kit, customer = actor.kit, actor.customer()
    sent = fetch(
        kit, "SELECT id, kind, subject, body, code, order_number, sent_at FROM mail WHERE customer_id = ?"
        " AND arrives_at <= ? ORDER BY id DESC", customer["id"], utc_text(kit.now()),
    )  # fmt: skip
    orders = fetch(
        kit, "SELECT number, total_cents, placed_at FROM orders WHERE customer_id = ? ORDER BY placed_at DESC,"
        " number DESC", customer["id"],
    )  # fmt: skip
    found = [mail for mail in [*sent, *map(_confirmation, orders)] if kind in ("", mail["kind"])]
    return sorted(found, key=lambda mail: str(mail["sent_at"]), reverse=True)[:INBOX_SIZE]


def _confirmation(order: Row) -> Row:
    number, total = order["number"], f"${order['total_cents'] / 100:,.2f}"
    return {
        "id": number, "kind": "order", "subject": f"Your order {number}", "code": None, "order_number": number,
        "body": f"Thank you for your order {number}. It comes to {total}.", "sent_at": order["placed_at"],
    }  # fmt: skip


def confirm_return(actor: Actor, label: str) -> Row:
    """The customer confirms that the parcel with this label has been handed in; the return it belongs to.

    Raises:
        Refusal: Not signed in, no such label of this customer, or already confirmed.
    """
    kit, customer = actor.kit, actor.customer()
    found = first(
        kit, "SELECT l.return_id, l.status, r.order_number, r.sku FROM return_labels l JOIN returns r"
        " ON r.id = l.return_id JOIN orders o ON o.number = r.order_number WHERE l.code = ? AND o.customer_id = ?",
        label.strip().upper(), customer["id"],
    )  # fmt: skip
    if found is None:
        raise missing(f"the label {label.strip().upper()}")
    if found["status"] != "issued":
        raise Refusal("already_confirmed", "This parcel has already been confirmed.", 409)
    write(kit, "UPDATE return_labels SET status = 'confirmed' WHERE return_id = ?", found["return_id"])
    return found
