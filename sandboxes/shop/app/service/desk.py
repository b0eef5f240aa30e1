"""The support desk: finding customers, making sure who they are, and their tickets.

Staff only. The desk can do more than its policy allows, as real ones can: what is refused here is what the shop
cannot do at all (an amount beyond what was paid, stock that is not there), not what the policy forbids.
"""

from __future__ import annotations

from envsim.guest.kit import Kit
from envsim.guest.service import Refusal, Row, fetch, first, missing, scalar, utc_text, write

from . import accounts
from .actor import Actor, check_email
from .catalog import plain
from .mail import send_mail

MAX_FOUND = 5
MAX_FAILED = 5
FACTS = ("name", "email", "phone", "postcode", "order_number")
WEIGHTY = frozenset({"email", "phone", "postcode", "order_number"})
"""Facts that count towards who somebody is; a name does not."""
NEEDED = 2
ESCALATIONS = ("identity", "over_limit", "safety_or_legal", "system_error", "customer_request", "other")


def find_customers(actor: Actor, email: str, order_number: int | None, name: str, postcode: str) -> list[Row]:
    """Customers (not staff) that fit all that is given, at most `MAX_FOUND`, by id.

    Raises:
        Refusal: Not staff, or nothing to look for.
    """
    actor.staff()
    kit = actor.kit
    if not (email.strip() or order_number is not None or name.strip()):
        raise Refusal("nothing_to_find", "Give an e-mail, an order number, or a name.", 422)
    found = fetch(kit, "SELECT id, name, email FROM customers WHERE NOT staff ORDER BY id")
    if email.strip():
        found = [row for row in found if row["email"] == email.strip().lower()]
    if order_number is not None:
        owner = scalar(kit, "SELECT customer_id FROM orders WHERE number = ?", order_number)
        found = [row for row in found if row["id"] == owner]
    if postcode.strip():
        found = [row for row in found if postcode.strip() in _postcodes(kit, row["id"])]
    if name.strip():
        found = _named(kit, found, name.strip())
    return found[:MAX_FOUND]


def _named(kit: Kit, customers: list[Row], name: str) -> list[Row]:
    right = [row for row in customers if plain(name) in plain(row["name"])]
    # Compared letter by letter as stored: the wrong case, or no accent, and nobody is found.
    exact = [row for row in right if name in row["name"]]
    if exact != right and kit.bug("accent-search", name):
        return exact
    return right


def _postcodes(kit: Kit, customer_id: int) -> set[str]:
    found = fetch(kit, "SELECT postcode FROM addresses WHERE customer_id = ?", customer_id)
    return {row["postcode"] for row in found}


def customer_of(kit: Kit, customer_id: int) -> Row:
    """The account of a customer.

    Raises:
        Refusal: There is none, or it is staff's.
    """
    sql = "SELECT id, email, name, phone, newsletter FROM customers WHERE id = ? AND NOT staff"
    found = first(kit, sql, customer_id)
    if found is None:
        raise missing(f"customer {customer_id}")
    return found


def get_customer(actor: Actor, customer_id: int) -> Row:
    """The account with ``addresses``, ``coupons`` granted, ``verified``, and open tickets.

    Raises:
        Refusal: Not staff, or no such customer.
    """
    actor.staff()
    kit = actor.kit
    customer = customer_of(kit, customer_id)
    customer["addresses"] = fetch(
        kit, "SELECT id, name, street, city, region, postcode, is_default FROM addresses WHERE customer_id = ?"
        " ORDER BY is_default DESC, id", customer_id,
    )  # fmt: skip
    customer["coupons"] = fetch(
        kit, "SELECT g.code, c.kind, c.value, g.order_number, g.reason, substr(g.created_at, 1, 10) AS issued_on"
        " FROM coupon_grants g JOIN coupons c ON c.code = g.code WHERE g.customer_id = ? ORDER BY g.created_at, g.code",
        customer_id,
    )  # fmt: skip
    customer["verified"] = is_verified(kit, customer_id)
    waiting = "SELECT id FROM tickets WHERE customer_id = ? AND status = 'open' ORDER BY id"
    customer["open_tickets"] = [row["id"] for row in fetch(kit, waiting, customer_id)]
    return customer


# -- who is writing ----------------------------------------------------------------------------------


def is_verified(kit: Kit, customer_id: int) -> bool:
    """Whether an identity check of this customer was passed today."""
    today = kit.now().date().isoformat()
    sql = "SELECT 1 FROM verifications WHERE customer_id = ? AND passed AND substr(checked_at, 1, 10) = ?"
    return bool(scalar(kit, sql, customer_id, today))


def verify_customer(actor: Actor, customer_id: int, facts: Row) -> Row:
    """Compare what somebody says with the account: ``verified``, ``matched`` and ``not_matched``.

    Passed when at least `NEEDED` of the `WEIGHTY` facts match and nothing given does not.

    Raises:
        Refusal: Not staff, no such customer, no fact, or too many failed checks.
    """
    actor.staff()
    kit = actor.kit
    customer = customer_of(kit, customer_id)
    given = {name: facts[name] for name in FACTS if facts.get(name) not in (None, "")}
    if not given:
        raise Refusal("nothing_to_check", f"Give at least one of: {', '.join(FACTS)}.", 422)
    _check_not_locked(kit, customer_id)
    matched = [name for name, value in given.items() if _fits(kit, customer, name, value)]
    passed = len(matched) == len(given) and len(WEIGHTY & set(matched)) >= NEEDED
    _note_check(kit, customer_id, "facts", passed)
    return {"verified": passed, "matched": matched, "not_matched": [name for name in given if name not in matched]}


def _fits(kit: Kit, customer: Row, name: str, value: object) -> bool:
    if name == "order_number":
        return bool(scalar(kit, "SELECT customer_id FROM orders WHERE number = ?", value) == customer["id"])
    if name == "postcode":
        return str(value).strip() in _postcodes(kit, customer["id"])
    if name == "phone":
        return _digits(str(value)) == _digits(customer["phone"])
    return plain(str(value).strip()) == plain(customer[name])


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


def _check_not_locked(kit: Kit, customer_id: int) -> None:
    failed = scalar(kit, "SELECT count(*) FROM verifications WHERE customer_id = ? AND NOT passed", customer_id)
    if failed >= MAX_FAILED:
        raise Refusal("locked", "Too many failed checks. This account is locked for the desk; escalate.", 409)


def _note_check(kit: Kit, customer_id: int, method: str, passed: bool) -> None:
    write(kit, "INSERT INTO verifications (customer_id, method, passed, checked_at) VALUES (?, ?, ?, ?)",
          customer_id, method, int(passed), utc_text(kit.now()))  # fmt: skip


def send_code(actor: Actor, customer_id: int) -> str:
    """Mail a six-digit code to the address of the account, in place of any before; that address, masked.

    Raises:
        Refusal: Not staff, no such customer, or too many failed checks.
    """
    actor.staff()
    kit = actor.kit
    customer = customer_of(kit, customer_id)
    _check_not_locked(kit, customer_id)
    code = f"{kit.draw('verification-code') % 1_000_000:06d}"
    replace = "UPDATE verification_codes SET status = 'replaced' WHERE customer_id = ? AND status = 'open'"
    write(kit, replace, customer_id)
    write(kit, "INSERT INTO verification_codes (customer_id, code, status, sent_at) VALUES (?, ?, 'open', ?)",
          customer_id, code, utc_text(kit.now()))  # fmt: skip
    body = f"Your code is {code}. Tell it only to the Larkfield agent you are talking to."
    send_mail(kit, customer_id, "code", "Your Larkfield code", body, code)
    user, _, host = customer["email"].partition("@")
    return f"{user[0]}***@{host}"


def check_code(actor: Actor, customer_id: int, code: str) -> bool:
    """Whether this is the code sent last; it can be used once.

    Raises:
        Refusal: Not staff, no such customer, no code sent, or too many failed checks.
    """
    actor.staff()
    kit = actor.kit
    customer_of(kit, customer_id)
    _check_not_locked(kit, customer_id)
    sent = first(kit, "SELECT id, code FROM verification_codes WHERE customer_id = ? AND status = 'open'", customer_id)
    if sent is None:
        raise Refusal("no_code", "No code is waiting for this customer. Send one first.", 409)
    passed = _digits(code) == sent["code"]
    if passed:
        write(kit, "UPDATE verification_codes SET status = 'used' WHERE id = ?", sent["id"])
    _note_check(kit, customer_id, "code", passed)
    return passed


# -- tickets -----------------------------------------------------------------------------------------


def list_tickets(actor: Actor, customer_id: int | None, status: str) -> list[Row]:
    """Tickets, open ones first, newest first: of one customer or of all, with one status or with any.

    Raises:
        Refusal: Not staff.
    """
    actor.staff()
    found = fetch(actor.kit, "SELECT * FROM tickets ORDER BY status <> 'open', id DESC")
    return [
        row for row in found
        if (customer_id is None or row["customer_id"] == customer_id) and status in ("", row["status"])
    ]  # fmt: skip


def get_ticket(actor: Actor, ticket_id: int) -> Row:
    """A ticket with its ``notes``, oldest first.

    Raises:
        Refusal: Not staff, or no such ticket.
    """
    actor.staff()
    ticket = first(actor.kit, "SELECT * FROM tickets WHERE id = ?", ticket_id)
    if ticket is None:
        raise missing(f"ticket {ticket_id}")
    ticket["notes"] = fetch(actor.kit, "SELECT * FROM ticket_notes WHERE ticket_id = ? ORDER BY id", ticket_id)
    return ticket


def create_ticket(actor: Actor, customer_id: int, topic: str, message: str, order_number: int | None) -> int:
    """Open a ticket for a customer; its number.

    Raises:
        Refusal: Not staff, no such customer, a bad field, or an order that is not the customer's.
    """
    actor.staff()
    kit = actor.kit
    customer = customer_of(kit, customer_id)
    check_email(customer["email"])
    if topic not in accounts.TOPICS:
        raise Refusal("invalid_topic", "Choose what the message is about.", 422)
    if len(message.strip()) < 10:
        raise Refusal("invalid_message", "Write at least 10 characters.", 422)
    if order_number is not None:
        owner = scalar(kit, "SELECT customer_id FROM orders WHERE number = ?", order_number)
        if owner != customer_id:
            raise missing(f"order {order_number} among this customer's orders")
    return write(
        kit, "INSERT INTO tickets (customer_id, email, topic, order_number, message, status, created_at)"
        " VALUES (?, ?, ?, ?, ?, 'open', ?)",
        customer_id, customer["email"], topic, order_number, message.strip(), utc_text(kit.now()),
    )  # fmt: skip


def add_note(actor: Actor, ticket_id: int, note: str) -> int:
    """Write an internal note on a ticket; its id.

    Raises:
        Refusal: Not staff, no such ticket, or an empty note.
    """
    staff = actor.staff()
    get_ticket(actor, ticket_id)
    if not note.strip():
        raise Refusal("invalid_note", "The note is empty.", 422)
    return write(actor.kit, "INSERT INTO ticket_notes (ticket_id, author, note, created_at) VALUES (?, ?, ?, ?)",
                 ticket_id, staff["email"], note.strip(), utc_text(actor.kit.now()))  # fmt: skip


def close_ticket(actor: Actor, ticket_id: int, note: str) -> None:
    """Close a ticket, with a last note or without.

    Raises:
        Refusal: Not staff, no such ticket, or closed already.
    """
    ticket = get_ticket(actor, ticket_id)
    if ticket["status"] != "open":
        raise Refusal("already_closed", f"Ticket {ticket_id} is closed already.", 409)
    # The form is saved for its status alone; what stands in its note field is thrown away.
    if note.strip() and not actor.kit.bug("note-lost", f"ticket {ticket_id}"):
        add_note(actor, ticket_id, note)
    write(actor.kit, "UPDATE tickets SET status = 'closed' WHERE id = ?", ticket_id)


def escalate(actor: Actor, reason: str, summary: str, customer_id: int | None, order_number: int | None) -> int:
    """Hand the case to a person; its number.

    Raises:
        Refusal: Not staff, no such customer, or no summary.
    """
    actor.staff()
    kit = actor.kit
    if reason not in ESCALATIONS:
        raise Refusal("invalid_reason", f"Choose one of: {', '.join(ESCALATIONS)}.", 422)
    if len(summary.strip()) < 10:
        raise Refusal("invalid_summary", "Write at least 10 characters, so that a colleague can take over.", 422)
    if customer_id is not None:
        customer_of(kit, customer_id)
    return write(
        kit, "INSERT INTO escalations (reason, summary, customer_id, order_number, created_at) VALUES (?, ?, ?, ?, ?)",
        reason, summary.strip(), customer_id, order_number, utc_text(kit.now()),
    )  # fmt: skip
