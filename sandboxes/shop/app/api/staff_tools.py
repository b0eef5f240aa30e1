"""Tools for staff."""

from __future__ import annotations

from typing import Any

from envsim.guest.service import Row

from ..service import backoffice, orders
from ..service.actor import Actor
from .customer_tools import DONE, NUMBER, OK, SLUG, refund
from .operation import BOOLEAN, CENTS, INTEGER, STRING, Operation, body, path, query
from .schemas import many, pick, record, ref

Args = dict[str, Any]
STATUS = {"type": "string", "enum": list(orders.STATUSES)}
STOCK = {"type": "integer", "minimum": 0, "maximum": 9999}


def list_orders(actor: Actor, args: Args) -> Row:
    """Orders of all customers."""
    found, pages = backoffice.list_orders(actor, args["status"] or "", args["email"] or "", args["page"] or 1)
    return {"orders": [{**pick(o, "OrderSummary"), "customer": o["email"]} for o in found], "pages": pages}


def set_order_status(actor: Actor, args: Args) -> Row:
    """Move an order on."""
    backoffice.set_order_status(actor, args["number"], args["status"])
    return OK


def list_products(actor: Actor, args: Args) -> Row:
    """The catalogue."""
    found, pages = backoffice.list_products(actor, args["text"] or "", args["category"] or "", args["page"] or 1)
    keys = ("slug", "name", "brand", "category", "price_cents", "stock")
    return {"products": [{key: p[key] for key in keys} for p in found], "pages": pages}


def set_price(actor: Actor, args: Args) -> Row:
    """Change a price."""
    backoffice.set_price(actor, args["slug"], args["price_cents"])
    return OK


def set_stock(actor: Actor, args: Args) -> Row:
    """Change a stock."""
    backoffice.set_stock(actor, args["sku"], args["stock"])
    return OK


def list_coupons(actor: Actor, args: Args) -> Row:
    """All coupons."""
    return {"coupons": [pick(c, "Coupon") for c in backoffice.list_coupons(actor)]}


def create_coupon(actor: Actor, args: Args) -> Row:
    """Add a coupon."""
    code = backoffice.create_coupon(
        actor, args["code"], args["kind"], args["value"], args["minimum_cents"], args["expires"]
    )
    return {"code": code}


def set_coupon_active(actor: Actor, args: Args) -> Row:
    """Enable or disable a coupon."""
    backoffice.set_coupon_active(actor, args["code"], args["active"])
    return OK


def list_refunds(actor: Actor, args: Args) -> Row:
    """Refunds."""
    return {"refunds": [refund(r) for r in backoffice.list_refunds(actor, args["status"] or "")]}


def decide_refund(actor: Actor, args: Args) -> Row:
    """Approve or deny a refund."""
    backoffice.decide_refund(actor, args["refund_id"], args["decision"])
    return OK


def list_tickets(actor: Actor, args: Args) -> Row:
    """Messages from customers."""
    keys = ("id", "email", "topic", "order_number", "message", "status")
    return {"tickets": [{key: t[key] for key in keys} for t in backoffice.list_tickets(actor)]}


def close_ticket(actor: Actor, args: Args) -> Row:
    """Close a message."""
    backoffice.close_ticket(actor, args["ticket_id"])
    return OK


def sales_report(actor: Actor, args: Args) -> Row:
    """Sales by category."""
    found = backoffice.sales_report(actor, args["start"], args["end"])
    keys = ("orders", "total_cents", "discount_cents", "categories")
    return {key: found[key] for key in keys}


ORDER_ROW = record(number=INTEGER, status=STATUS, placed_on=STRING, total_cents=CENTS, customer=STRING)
PRODUCT_ROW = record(slug=STRING, name=STRING, brand=STRING, category=STRING, price_cents=CENTS, stock=INTEGER)
TICKET_ROW = record(id=INTEGER, email=STRING, topic=STRING, message=STRING, status=STRING)
SALES_ROW = record(category=STRING, name=STRING, orders=INTEGER, pieces=INTEGER, revenue_cents=CENTS)
PAGE = {"page": query({"type": "integer", "minimum": 1}, "Page, from 1.")}

OPERATIONS = [
    Operation("staff_list_orders", "GET", "/api/staff/orders", "List orders of all customers, newest first. Staff.",
              list_orders, {"status": query(STATUS), "email": query(STRING, "Part of the customer's e-mail."), **PAGE},
              many("orders", ORDER_ROW, pages=INTEGER)),
    Operation("staff_set_order_status", "PUT", "/api/staff/orders/{number}/status", "Move an order on: processing to"
              " shipped or cancelled, shipped to delivered. Staff.", set_order_status,
              {**NUMBER, "status": body(STATUS)}, DONE),
    Operation("staff_list_products", "GET", "/api/staff/products", "List products with their total stock. Staff.",
              list_products, {"text": query(STRING), "category": query(STRING), **PAGE},
              many("products", PRODUCT_ROW, pages=INTEGER)),
    Operation("staff_set_price", "PUT", "/api/staff/products/{slug}/price", "Set the base price of a product. Staff.",
              set_price, {**SLUG, "price_cents": body(CENTS)}, DONE),
    Operation("staff_set_stock", "PUT", "/api/staff/stock/{sku}", "Set the stock of an article. Staff.", set_stock,
              {"sku": path(STRING), "stock": body(STOCK)}, DONE),
    Operation("staff_list_coupons", "GET", "/api/staff/coupons", "List all coupons. Staff.", list_coupons,
              result=many("coupons", ref("Coupon"))),
    Operation("staff_create_coupon", "POST", "/api/staff/coupons", "Create a coupon. Staff.", create_coupon,
              {"code": body(STRING), "kind": body({"type": "string", "enum": ["percent", "fixed"]}),
               "value": body(INTEGER, "Percent, or cents for a fixed one."), "minimum_cents": body(CENTS, default=0),
               "expires": body(STRING, "Last day, YYYY-MM-DD.")}, record(code=STRING)),
    Operation("staff_set_coupon_active", "PUT", "/api/staff/coupons/{code}", "Enable or disable a coupon. Staff.",
              set_coupon_active, {"code": path(STRING), "active": body(BOOLEAN)}, DONE),
    Operation("staff_list_refunds", "GET", "/api/staff/refunds", "List refunds, pending ones first. Staff.",
              list_refunds, {"status": query({"type": "string", "enum": ["pending", "approved", "denied"]})},
              many("refunds", ref("Refund"))),
    Operation("staff_decide_refund", "PUT", "/api/staff/refunds/{refund_id}", "Approve or deny a pending refund."
              " Staff.", decide_refund,
              {"refund_id": path(INTEGER), "decision": body({"type": "string", "enum": ["approved", "denied"]})}, DONE),
    Operation("staff_list_tickets", "GET", "/api/staff/tickets", "List messages from customers. Staff.", list_tickets,
              result=many("tickets", TICKET_ROW)),
    Operation("staff_close_ticket", "POST", "/api/staff/tickets/{ticket_id}/close", "Close a message. Staff.",
              close_ticket, {"ticket_id": path(INTEGER)}, DONE),
    Operation("sales_report", "GET", "/api/staff/sales", "Sales by category in a period, cancelled orders left out."
              " Staff.", sales_report,
              {"start": query(STRING, "First day, YYYY-MM-DD.", ...), "end": query(STRING, "Last day.", ...)},
              many("categories", SALES_ROW, orders=INTEGER, total_cents=CENTS, discount_cents=CENTS)),
]  # fmt: skip
