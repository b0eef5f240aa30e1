"""Tools of the support desk. Staff only, every one of them."""

from __future__ import annotations

from typing import Any

from envsim.guest.service import Refusal, Row

from ..service import accounts, desk, desk_orders, orders
from ..service.actor import Actor
from . import customer_tools
from .customer_tools import ADDRESS, DONE, NUMBER, OK, QTY, REASON, SLUG, drift
from .operation import BOOLEAN, CENTS, INTEGER, STRING, Handler, Operation, body, path, query
from .schemas import COMPONENTS, NULLABLE, many, pick, record, ref

Args = dict[str, Any]
TOPIC = {"type": "string", "enum": list(accounts.TOPICS)}
TICKET_STATUS = {"type": "string", "enum": ["open", "closed"]}

_ORDER = COMPONENTS["Order"]["properties"]
DESK_COMPONENTS: dict[str, Any] = {
    "DeskRefund": record(id=INTEGER, amount_cents=CENTS, status=STRING, kind=STRING, destination=STRING),
    "Exchange": record(id=INTEGER, sku=STRING, new_sku=STRING, qty=INTEGER, difference_cents=INTEGER),
    "DeskOrder": record(
        **{name: schema for name, schema in _ORDER.items() if name != "refunds"}, customer_id=INTEGER,
        placed_at=STRING, shipped_on=NULLABLE, delivered_on=NULLABLE, refundable_cents=CENTS,
        refunds={"type": "array", "items": ref("DeskRefund")}, exchanges={"type": "array", "items": ref("Exchange")},
    ),
    "Ticket": record(
        id=INTEGER, customer_id={"type": ["integer", "null"]}, email=STRING, topic=STRING,
        order_number={"type": ["integer", "null"]}, message=STRING, status=STRING, created_at=STRING,
    ),
    "Note": record(id=INTEGER, author=STRING, note=STRING, created_at=STRING),
    "GrantedCoupon": record(
        code=STRING, kind=STRING, value=INTEGER, order_number={"type": ["integer", "null"]}, reason=STRING,
        issued_on=STRING,
    ),
    "Customer": record(
        customer_id=INTEGER, name=STRING, email=STRING, phone=STRING, newsletter=BOOLEAN, verified=BOOLEAN,
        addresses={"type": "array", "items": ref("Address")},
        coupons={"type": "array", "items": ref("GrantedCoupon")}, open_tickets={"type": "array", "items": INTEGER},
    ),
}  # fmt: skip
"""Shapes that only the desk's tools return."""


def _take(row: Row, component: str) -> Row:
    return {name: row[name] for name in DESK_COMPONENTS[component]["properties"]}


def find_customer(actor: Actor, args: Args) -> Row:
    """Who it may be."""
    found = desk.find_customers(
        actor, args["email"] or "", args["order_number"], args["name"] or "", args["postcode"] or ""
    )
    return {"customers": [{"customer_id": row["id"], "name": row["name"], "email": row["email"]} for row in found]}


def verify_customer(actor: Actor, args: Args) -> Row:
    """The check by facts."""
    return desk.verify_customer(actor, args["customer_id"], args)


def send_code(actor: Actor, args: Args) -> Row:
    """The check by code, first half."""
    return {"sent_to": desk.send_code(actor, args["customer_id"])}


def check_code(actor: Actor, args: Args) -> Row:
    """The check by code, second half."""
    return {"verified": desk.check_code(actor, args["customer_id"], args["code"])}


def get_customer(actor: Actor, args: Args) -> Row:
    """The account."""
    row = desk.get_customer(actor, args["customer_id"])
    row |= {"customer_id": row["id"], "newsletter": bool(row["newsletter"])}
    row["addresses"] = [pick(address, "Address") for address in row["addresses"]]
    return _take(row, "Customer")


def list_customer_orders(actor: Actor, args: Args) -> Row:
    """The customer's orders."""
    found = desk_orders.list_orders(actor, args["customer_id"])
    return {"orders": [drift(actor, pick(order, "OrderSummary")) for order in found]}


def get_order(actor: Actor, args: Args) -> Row:
    """One order."""
    return _order(actor, args["number"])


def _order(actor: Actor, number: int) -> Row:
    order = desk_orders.get_order(actor, number)
    order["refundable_cents"] = orders.refundable_cents(order)
    out = _take(order, "DeskOrder")
    out["lines"] = [pick(line, "OrderLine") for line in order["lines"]]
    out["returns"] = [pick(r, "Return") for r in order["returns"]]
    out["refunds"] = [_take(r, "DeskRefund") for r in order["refunds"]]
    out["exchanges"] = [_take(e, "Exchange") for e in order["exchanges"]]
    return drift(actor, out)


def cancel_order(actor: Actor, args: Args) -> Row:
    """Cancel an order."""
    desk_orders.cancel_order(actor, args["number"])
    return _order(actor, args["number"])


def change_order_address(actor: Actor, args: Args) -> Row:
    """Redirect an order. The answer says it is done, not what was stored."""
    desk_orders.change_address(actor, args["number"], {name: args[name] for name in accounts.ADDRESS_FIELDS})
    return OK


def open_return(actor: Actor, args: Args) -> Row:
    """Start a return."""
    return_id, label = desk_orders.open_return(actor, args["number"], args["sku"], args["qty"], args["reason"])
    return {"return_id": return_id, "status": "requested", "label": label}


def decide_return(actor: Actor, args: Args) -> Row:
    """Approve or deny a return."""
    desk_orders.decide_return(actor, args["return_id"], args["decision"])
    return OK


def refund_order(actor: Actor, args: Args) -> Row:
    """Pay back."""
    number = args["number"]
    refund_id = desk_orders.refund(
        actor, number, args["amount_cents"], args["kind"], args["destination"], args["reason"]
    )
    # Money of invoices is moved by another system, and slower than the gateway waits.
    invoice = desk_orders.get_order(actor, number)["payment"] == "invoice"
    if invoice and actor.kit.bug("refund-timeout", f"refund {refund_id} was booked"):
        message = "The payment system did not answer in time; the refund may or may not have been booked."
        raise Refusal("timeout", message, 504, committed=True)
    return {"refund_id": refund_id, "status": "approved"}


def exchange_item(actor: Actor, args: Args) -> Row:
    """Exchange."""
    return desk_orders.exchange(actor, args["number"], args["sku"], args["new_sku"], args["qty"])


def issue_coupon(actor: Actor, args: Args) -> Row:
    """A coupon as an apology."""
    kit = actor.kit
    actor.staff()
    # The coupon service sleeps until it is called: whoever calls first is turned away while it starts.
    if "coupon-503" in kit.bugs and not kit.cache.get("coupon-service") and kit.bug("coupon-503"):
        kit.cache["coupon-service"] = "awake"
        message = "The coupon service is unavailable; the coupon may or may not have been issued."
        raise Refusal("unavailable", message, 503)
    code = desk_orders.issue_coupon(
        actor, args["customer_id"], args["kind"], args["value"], args["order_number"], args["reason"]
    )
    return {"code": code}


def _staff_only(handler: Handler) -> Handler:
    def checked(actor: Actor, args: Args) -> Row:
        actor.staff()
        return handler(actor, args)

    return checked


def list_tickets(actor: Actor, args: Args) -> Row:
    """Tickets."""
    found = desk.list_tickets(actor, args["customer_id"], args["status"] or "")
    return {"tickets": [_take(row, "Ticket") for row in found]}


def get_ticket(actor: Actor, args: Args) -> Row:
    """One ticket with its notes."""
    ticket = desk.get_ticket(actor, args["ticket_id"])
    return {**_take(ticket, "Ticket"), "notes": [_take(note, "Note") for note in ticket["notes"]]}


def create_ticket(actor: Actor, args: Args) -> Row:
    """Open a ticket."""
    ticket_id = desk.create_ticket(actor, args["customer_id"], args["topic"], args["message"], args["order_number"])
    return {"ticket_id": ticket_id}


def add_ticket_note(actor: Actor, args: Args) -> Row:
    """Annotate a ticket."""
    return {"note_id": desk.add_note(actor, args["ticket_id"], args["note"])}


def close_ticket(actor: Actor, args: Args) -> Row:
    """Close a ticket."""
    desk.close_ticket(actor, args["ticket_id"], args["note"] or "")
    return OK


def escalate_to_human(actor: Actor, args: Args) -> Row:
    """Hand over."""
    escalation_id = desk.escalate(actor, args["reason"], args["summary"], args["customer_id"], args["order_number"])
    return {"escalation_id": escalation_id}


_SEARCH = next(operation for operation in customer_tools.OPERATIONS if operation.name == "search_products")
CUSTOMER = {"customer_id": path(INTEGER, "As find_customer returns it.")}
TICKET = {"ticket_id": path(INTEGER)}
WORDS = {"type": "string", "maxLength": 2000}

OPERATIONS = [
    Operation("find_customer", "GET", "/api/desk/customers", "Find customers by e-mail, by order number, or by name,"
              " each alone or together, and with a postcode. At most five.", find_customer,
              {"email": query(STRING), "order_number": query(INTEGER), "name": query(STRING, "Or a part of it."),
               "postcode": query(STRING, "Of any of the customer's addresses.")},
              many("customers", record(customer_id=INTEGER, name=STRING, email=STRING))),
    Operation("get_customer", "GET", "/api/desk/customers/{customer_id}", "Get a customer's account: contact,"
              " addresses, coupons issued by the desk, open tickets, and whether an identity check was passed today.",
              get_customer, CUSTOMER, ref("Customer")),
    Operation("verify_customer", "POST", "/api/desk/customers/{customer_id}/verify", "Compare what somebody says with"
              " the account. Passed when at least two of e-mail, phone, postcode and order number match and nothing"
              " given is wrong.", verify_customer,
              {**CUSTOMER, "name": body(STRING, default=None), "email": body(STRING, default=None),
               "phone": body(STRING, default=None), "postcode": body(STRING, default=None),
               "order_number": body(INTEGER, default=None)},
              record(verified=BOOLEAN, matched={"type": "array", "items": STRING},
                     not_matched={"type": "array", "items": STRING})),
    Operation("send_code", "POST", "/api/desk/customers/{customer_id}/code", "Mail a one-time code to the account's"
              " e-mail address. A code sent before stops working.", send_code, CUSTOMER, record(sent_to=STRING)),
    Operation("check_code", "POST", "/api/desk/customers/{customer_id}/code/check", "Check the one-time code that the"
              " customer reads out.", check_code, {**CUSTOMER, "code": body(STRING)}, record(verified=BOOLEAN)),
    Operation("list_customer_orders", "GET", "/api/desk/customers/{customer_id}/orders", "List a customer's orders,"
              " newest first.", list_customer_orders, CUSTOMER, many("orders", ref("OrderSummary"))),
    Operation("get_order", "GET", "/api/desk/orders/{number}", "Get an order with its lines, returns, refunds,"
              " exchanges and the days it was shipped and delivered.", get_order, NUMBER, ref("DeskOrder")),
    Operation("cancel_order", "POST", "/api/desk/orders/{number}/cancel", "Cancel an order that is still processing and"
              " refund what was paid.", cancel_order, NUMBER, ref("DeskOrder")),
    Operation("change_order_address", "PUT", "/api/desk/orders/{number}/address", "Send an order that is still"
              " processing to another address.", change_order_address, {**NUMBER, **ADDRESS}, DONE),
    Operation("open_return", "POST", "/api/desk/orders/{number}/returns", "Start the return of an article of a"
              " delivered order: mails a label, and leaves a refund waiting until decide_return.", open_return,
              {**NUMBER, "sku": body(STRING), "qty": body(QTY), "reason": body(REASON)},
              record(return_id=INTEGER, status=STRING, label=STRING)),
    Operation("decide_return", "PUT", "/api/desk/returns/{return_id}", "Approve or deny a return that was asked for,"
              " with its refund.", decide_return,
              {"return_id": path(INTEGER), "decision": body({"type": "string", "enum": ["approved", "denied"]})}, DONE),
    Operation("refund_order", "POST", "/api/desk/orders/{number}/refunds", "Pay a part of an order's money back, or all"
              " that is left of it.", refund_order,
              {**NUMBER, "amount_cents": body({**CENTS, "minimum": 1}),
               "kind": body({"type": "string", "enum": list(desk_orders.REFUND_KINDS)}),
               "destination": body({"type": "string", "enum": list(desk_orders.DESTINATIONS)}),
               "reason": body(WORDS)}, record(refund_id=INTEGER, status=STRING)),
    Operation("exchange_item", "POST", "/api/desk/orders/{number}/exchanges", "Send another article in place of one of"
              " a delivered order. A lower price is refunded, a higher one is due on delivery.", exchange_item,
              {**NUMBER, "sku": body(STRING, "The article the customer has."),
               "new_sku": body(STRING, "The article to send."), "qty": body(QTY, default=1)},
              record(exchange_id=INTEGER, difference_cents=INTEGER)),
    Operation("issue_coupon", "POST", "/api/desk/customers/{customer_id}/coupons", "Issue a coupon for the customer's"
              " next order and mail it.", issue_coupon,
              {**CUSTOMER, "kind": body({"type": "string", "enum": ["percent", "fixed"]}),
               "value": body(INTEGER, "Percent, or cents for a fixed one."), "reason": body(WORDS),
               "order_number": body(INTEGER, "The order it is about.", None)}, record(code=STRING)),
    Operation("search_products", "GET", "/api/desk/products", _SEARCH.about,
              _staff_only(customer_tools.search_products), _SEARCH.arguments, _SEARCH.result),
    Operation("get_product", "GET", "/api/desk/products/{slug}", "Get a product with its options, prices and stock.",
              _staff_only(customer_tools.get_product), SLUG, ref("Product")),
    Operation("list_tickets", "GET", "/api/desk/tickets", "List tickets, open ones first: of one customer or of all.",
              list_tickets, {"customer_id": query(INTEGER), "status": query(TICKET_STATUS)},
              many("tickets", ref("Ticket"))),
    Operation("get_ticket", "GET", "/api/desk/tickets/{ticket_id}", "Get a ticket with its notes.", get_ticket, TICKET,
              ref("Ticket")),
    Operation("create_ticket", "POST", "/api/desk/tickets", "Open a ticket for a customer.", create_ticket,
              {"customer_id": body(INTEGER), "topic": body(TOPIC), "message": body(WORDS),
               "order_number": body(INTEGER, "The order it is about.", None)}, record(ticket_id=INTEGER)),
    Operation("add_ticket_note", "POST", "/api/desk/tickets/{ticket_id}/notes", "Write an internal note on a ticket.",
              add_ticket_note, {**TICKET, "note": body(WORDS)}, record(note_id=INTEGER)),
    Operation("close_ticket", "POST", "/api/desk/tickets/{ticket_id}/close", "Close a ticket, with a last note.",
              close_ticket, {**TICKET, "note": body(WORDS, "What was done.", None)}, DONE),
    Operation("escalate_to_human", "POST", "/api/desk/escalations", "Hand the case to a colleague. Nothing else can be"
              " done about it here afterwards.", escalate_to_human,
              {"reason": body({"type": "string", "enum": list(desk.ESCALATIONS)}), "summary": body(WORDS),
               "customer_id": body(INTEGER, default=None), "order_number": body(INTEGER, default=None)},
              record(escalation_id=INTEGER)),
]  # fmt: skip
