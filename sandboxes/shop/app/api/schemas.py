"""The shapes the tools return, as JSON Schema components."""

from __future__ import annotations

from typing import Any

from envsim.guest.operations import Schema, listing_of
from envsim.guest.operations import component as ref
from envsim.guest.operations import shape as record

from ..service.orders import STATUSES
from .operation import BOOLEAN, CENTS, INTEGER, STRING


def many(name: str, schema: Schema, **more: Schema) -> Schema:
    """An object holding a list under `name`, and `more`."""
    return record(**{name: listing_of(schema)}, **more)


NULLABLE: Schema = {"type": ["string", "null"]}

COMPONENTS: dict[str, Any] = {
    "Error": record(error=record(code=STRING, message=STRING)),
    "Product": record(
        slug=STRING, name=STRING, brand=STRING, category=STRING, price_cents=CENTS, rating={"type": "number"},
        rating_count=INTEGER, in_stock=BOOLEAN,
    ),
    "Variant": record(sku=STRING, label=STRING, price_cents=CENTS, stock=INTEGER),
    "Review": record(id=INTEGER, author=STRING, rating=INTEGER, title=STRING, body=STRING, created_on=STRING),
    "CartLine": record(sku=STRING, name=STRING, label=STRING, qty=INTEGER, unit_cents=CENTS, line_cents=CENTS),
    "Cart": many(
        "lines", ref("CartLine"), coupon=NULLABLE, subtotal_cents=CENTS, discount_cents=CENTS, shipping_cents=CENTS,
        total_cents=CENTS,
    ),
    "Address": record(
        id=INTEGER, name=STRING, street=STRING, city=STRING, region=STRING, postcode=STRING, is_default=BOOLEAN
    ),
    "OrderSummary": record(
        number=INTEGER, status={"type": "string", "enum": list(STATUSES)}, placed_on=STRING, total_cents=CENTS
    ),
    "OrderLine": record(sku=STRING, name=STRING, label=STRING, qty=INTEGER, unit_cents=CENTS),
    "Return": record(id=INTEGER, sku=STRING, qty=INTEGER, reason=STRING, status=STRING),
    "Refund": record(id=INTEGER, order=INTEGER, amount_cents=CENTS, status=STRING),
    "Order": record(
        number=INTEGER, status={"type": "string", "enum": list(STATUSES)}, placed_on=STRING, subtotal_cents=CENTS,
        discount_cents=CENTS, shipping_cents=CENTS, total_cents=CENTS, coupon=NULLABLE, shipping=STRING,
        payment=STRING, ship_to=STRING, lines={"type": "array", "items": ref("OrderLine")},
        returns={"type": "array", "items": ref("Return")}, refunds={"type": "array", "items": ref("Refund")},
    ),
    "Coupon": record(
        code=STRING, kind=STRING, value=INTEGER, minimum_cents=CENTS, expires=STRING, active=BOOLEAN
    ),
}  # fmt: skip


def pick(row: dict[str, Any], component: str) -> dict[str, Any]:
    """The properties of `component` that `row` has, with 0/1 turned into booleans where the schema says so."""
    properties = COMPONENTS[component]["properties"]
    return {
        name: bool(row[name]) if schema.get("type") == "boolean" else row[name]
        for name, schema in properties.items()
        if name in row
    }
