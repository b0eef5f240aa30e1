"""What a customer who is talking to the desk can do meanwhile: some of the customers' tools, and the inbox."""

from __future__ import annotations

from typing import Any

from envsim.guest.service import Row

from ..service import mail
from ..service.actor import Actor
from . import customer_tools
from .operation import INTEGER, STRING, Operation, body, query
from .schemas import NULLABLE, many, record

Args = dict[str, Any]
SHARED = (
    "list_orders", "get_order", "cancel_order", "request_return", "list_refunds", "list_addresses", "save_address",
    "search_products", "get_product", "list_wishlist", "remove_from_wishlist", "create_ticket",
    "get_cart", "add_to_cart", "update_cart_line", "apply_coupon",
)  # fmt: skip
MAIL_KEYS = ("id", "kind", "subject", "body", "code", "order_number", "sent_at")


def read_mail(actor: Actor, args: Args) -> Row:
    """The inbox."""
    return {"messages": [{key: m[key] for key in MAIL_KEYS} for m in mail.read_mail(actor, args["kind"] or "")]}


def confirm_return(actor: Actor, args: Args) -> Row:
    """The parcel is on its way."""
    found = mail.confirm_return(actor, args["label"])
    return {"return_id": found["return_id"], "order_number": found["order_number"], "status": "confirmed"}


MESSAGE = record(
    id=INTEGER, kind=STRING, subject=STRING, body=STRING, code=NULLABLE,
    order_number={"type": ["integer", "null"]}, sent_at=STRING,
)  # fmt: skip

OWN = [
    Operation("read_mail", "GET", "/api/mail", "Read the customer's mail, newest first.", read_mail,
              {"kind": query({"type": "string", "enum": list(mail.KINDS)}, "Only mail of this kind.")},
              many("messages", MESSAGE)),
    Operation("confirm_return", "POST", "/api/returns/confirm", "Confirm that the parcel with a return label has been"
              " handed in.", confirm_return, {"label": body(STRING, "The code on the label.")},
              record(return_id=INTEGER, order_number=INTEGER, status=STRING)),
]  # fmt: skip
"""Operations that no other document has."""

OPERATIONS = [*(operation for operation in customer_tools.OPERATIONS if operation.name in SHARED), *OWN]
