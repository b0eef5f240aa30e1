"""Oracles of the bugs that the support desk and its customers meet."""

from __future__ import annotations

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .browsing import CUSTOMER, STAFF, Session


def _expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


def refund_timeout(sandbox: Sandbox) -> None:
    """A refund of an order paid by invoice is answered, and so booked once."""
    session = Session(sandbox, STAFF)
    refunded = {str(row["order"]) for row in session.rows("refunds").values()}
    number = int(min(session.rows("orders", payment="invoice", status="delivered").keys() - refunded))
    # What everybody does who gets no answer: send it again, once.
    refund = {"amount_cents": 100, "kind": "goodwill", "destination": "original_payment", "reason": "late"}
    if "error" in session.desk("refund_order", number=number, **refund):
        session.desk("refund_order", number=number, **refund)
    booked = len(session.rows("refunds", order=number))
    _expect(booked == 1, f"{booked} refunds were booked")


def coupon_503(sandbox: Sandbox) -> None:
    """A coupon is issued when asked for."""
    session = Session(sandbox, STAFF)
    answer = session.desk("issue_coupon", customer_id=1, kind="percent", value=10, reason="a late parcel")
    issued = len(session.rows("coupon_grants"))
    _expect(issued == 1 and "code" in answer, f"{issued} coupons issued; the answer has {', '.join(sorted(answer))}")


def redirect_unsaved(sandbox: Sandbox) -> None:
    """An address that the desk is told was saved is the order's."""
    session = Session(sandbox, STAFF)
    number = int(min(session.rows("orders", status="processing")))
    address = {
        "name": "Maya Thornton",
        "street": "12 Birch Close",
        "city": "Ithaca",
        "region": "NY",
        "postcode": "14850",
    }
    answer = session.desk("change_order_address", number=number, **address)
    stored = session.rows("orders")[str(number)]["ship_to"]
    wanted = "Maya Thornton, 12 Birch Close, Ithaca, NY 14850"
    _expect(answer == {"ok": True} and stored == wanted, f"answered {answer}, and the order goes to {stored!r}")


def note_lost(sandbox: Sandbox) -> None:
    """The note written while closing a ticket is on the ticket."""
    session = Session(sandbox, STAFF)
    ticket = int(min(session.rows("tickets", status="open"), key=int))
    session.desk("close_ticket", ticket_id=ticket, note="Answered by phone.")
    notes = [row["note"] for row in session.rows("ticket_notes", ticket=ticket).values()]
    _expect(notes == ["Answered by phone."], f"the closed ticket has {len(notes)} notes")


def accent_search(sandbox: Sandbox) -> None:
    """A customer is found by the name as most people would type it."""
    session = Session(sandbox, STAFF)
    found = [row["name"] for row in session.desk("find_customer", name="jose ferreira")["customers"]]
    _expect(found == ["José Ferreira"], f"found: {', '.join(found) or 'nobody'}")


def code_late(sandbox: Sandbox) -> None:
    """The code just sent is in the inbox."""
    session = Session(sandbox, STAFF)
    found = session.desk("find_customer", email=CUSTOMER)["customers"]
    session.desk("send_code", customer_id=found[0]["customer_id"])
    session.cookies = sandbox.control.sign_in(CUSTOMER)
    mail = session.tool_of("/api/customer.json", "read_mail", kind="code")["messages"]
    _expect(len(mail) == 1, f"{len(mail)} mails with a code in the inbox")
