"""Oracles of the bugs that customers meet."""

from __future__ import annotations

import re

from envsim.sandbox.oracle import OracleFailure
from envsim.sandbox.runtime import Sandbox

from .person import CUSTOMER, MANAGER, Person, arrive

YARN_OFFER = "A tenth off all yarn"
GUEST = "quill.and.nib@example.net"


def expect(held: bool, message: str) -> None:
    if not held:
        raise OracleFailure(message)


# -- what may be seen --------------------------------------------------------------------------------


def offer_shows_hidden(sandbox: Sandbox) -> None:
    """The page of an offer shows nothing that is not in the shop."""
    visitor = arrive(sandbox)
    visitor.go("/offers/the-spring-table/")
    visitor.find("link", "Northmill Sketchbook A5")
    hidden = {row["title"] for row in visitor.rows("products", is_public=0).values()}
    shown = hidden & set(visitor.text.split("\n"))
    expect(not shown, f"the offer lists {min(shown, default='')!r}, which is not in the shop")


def child_of_hidden(sandbox: Sandbox) -> None:
    """What belongs to a hidden product is hidden with it."""
    visitor = arrive(sandbox)
    hidden = visitor.rows("products", is_public=0, structure="parent")
    child = next(
        key for key, row in visitor.rows("products", structure="child").items() if str(row["parent"]) in hidden
    )
    status = visitor.go(f"/catalogue/it_{child}/")
    expect(status == 404, f"a child of a hidden product answers with {status}")


def thanks_for_anothers(sandbox: Sandbox) -> None:
    """The thank-you page shows nobody's order but one's own."""
    manager = arrive(sandbox, MANAGER)
    own = manager.rows("orders", user=MANAGER)
    manager.go("/checkout/thank-you/")
    number = re.search(r"Order (\d+): confirmation", manager.text)
    expect(number is None or number[1] in own, f"thanked for order {number and number[1]}, which somebody else placed")


def guest_order_open(sandbox: Sandbox) -> None:
    """Whoever finds the link to a guest's order is asked for the guest's e-mail before seeing it."""
    guest = arrive(sandbox)
    guest.buy(guest.stocked("Book"))
    guest.fill("textbox", "email", GUEST)
    guest.click("radio", "I am a new customer and want to checkout as a guest")
    # Scripts would switch the field for a password off, which a guest has not; it is not read.
    guest.fill("textbox", "", "none")
    guest.click("button", "Continue")
    guest.write_address()
    guest.place_order()
    mail = next(row for row in guest.rows("mails", recipient=GUEST).values() if "/order-status/" in row["body"])
    link = re.search(r"/accounts/order-status/\S+", mail["body"])
    finder = Person(sandbox, {})
    finder.go(link[0] if link else "")
    expect("1 Tannery Row" not in finder.text, "the guest's address is shown to whoever has the link")
    finder.fill("textbox", "Email address", GUEST)
    finder.click("button", "Submit")
    expect("1 Tannery Row" in finder.text, "the guest's own e-mail does not open the order")


# -- basket and sums -----------------------------------------------------------------------------------


def options_oversell(sandbox: Sandbox) -> None:
    """A product cannot be bought beyond its stock, however it is engraved."""
    customer = arrive(sandbox, CUSTOMER)
    product = customer.stocked("Tool", least=4, most=30)
    for letters in ("A.M.", "B.O."):
        customer.go(f"/catalogue/it_{product}/")
        customer.fill("textbox", "Engraving", letters)
        customer.click("button", "Add to basket")
    stock = next(iter(customer.rows("stock", product=product).values()))
    free = stock["in_stock"] - stock["allocated"]
    customer.go("/basket/")
    customer.fill("spinbutton", "", free)
    customer.click("button", "Update")
    held = sum(row["quantity"] for row in customer.rows("basket_lines", product=product).values())
    expect(held <= free, f"{held} in the basket, {free} in stock")


def discount_short(sandbox: Sandbox) -> None:
    """A tenth off several things is a tenth of what they cost together, rounded once."""
    customer, full = _with_yarn(sandbox, 3)
    off = customer.pounds(re.escape(YARN_OFFER) + r"[ |]*")
    expect(off >= full // 10, f"a tenth of {full} pence is shown as {off}")


def total_off_by_a_penny(sandbox: Sandbox) -> None:
    """The sums on the basket page add up."""
    customer, full = _with_yarn(sandbox, 1)
    off = customer.pounds(re.escape(YARN_OFFER) + r"[ |]*")
    total = customer.pounds(r"Order total[ |]*")
    expect(full - off == total, f"{full} pence less {off} is shown as {total}")


def _with_yarn(sandbox: Sandbox, wanted: int) -> tuple[Person, int]:
    """A customer looking at a basket with this many yarns in it, and what they cost before the offer, in pence."""
    customer = arrive(sandbox, CUSTOMER)
    yarns = {key: row for key, row in customer.rows("products", structure="parent").items() if row["class"] == "Yarn"}
    full, taken = 0, 0
    for parent in sorted(yarns, key=int):
        children = customer.rows("products", parent=int(parent))
        stock = [row for row in customer.rows("stock").values() if str(row["product"]) in children]
        prices = {row["price_pence"] for row in stock}
        # Amounts whose tenth has a fraction of a penny, or there is nothing to round.
        if not yarns[parent]["is_public"] or min(prices) % 10 == 0 or taken == wanted:
            continue
        best = max(stock, key=lambda row: row["in_stock"])
        customer.go(f"/catalogue/it_{best['product']}/")
        customer.click("button", "Add to basket")
        full, taken = full + best["price_pence"], taken + 1
    customer.go("/basket/")
    if customer.pounds(r"Basket total \(before discounts\)[ |]*") != full:
        raise LookupError("the basket holds something else")
    return customer, full


def reorder_500(sandbox: Sandbox) -> None:
    """An order can be ordered again, whatever lies in the basket."""
    staff = arrive(sandbox)
    tools = {key for key, row in staff.rows("products", is_public=1).items() if row["class"] == "Tool"}
    left = {
        str(row["product"]) for row in staff.rows("stock").values() if (row["in_stock"] or 0) - row["allocated"] > 8
    }
    line = next(row for row in staff.rows("order_lines").values() if str(row["product"]) in tools & left
                and staff.rows("orders")[row["order"]]["user"])  # fmt: skip
    customer = arrive(sandbox, staff.rows("orders")[line["order"]]["user"])
    for letters in ("one", "two"):
        customer.go(f"/catalogue/it_{line['product']}/")
        customer.fill("textbox", "Engraving", letters)
        customer.click("button", "Add to basket")
    customer.go(f"/accounts/orders/{line['order']}/")
    status = customer.click("button", "Re-order")
    expect(status != 500, "ordering again what lies in the basket with two engravings is answered with an error page")
    expect("basket" in customer.url, f"ordering again leads to {customer.url}")


def sort_500(sandbox: Sandbox) -> None:
    """An order of results that does not exist, as in an old bookmark, is no reason to fail."""
    visitor = arrive(sandbox)
    for page in ("/search/?q=ink&sort_by=popularity", "/catalogue/?sort_by=popularity"):
        status = visitor.go(page)
        expect(status == 200, f"{page} answers with {status}")


# -- mail ----------------------------------------------------------------------------------------------


def mail_subject_escaped(sandbox: Sandbox) -> None:
    """The subject of a mail is text and not HTML."""
    visitor = arrive(sandbox)
    visitor.go("/password-reset/")
    visitor.fill("textbox", "Email", CUSTOMER)
    visitor.click("button", "Send reset email")
    subject = next(iter(visitor.rows("mails", recipient=CUSTOMER).values()))["subject"]
    expect("&amp;" not in subject, f"the subject reads {subject!r}")


def email_change_link(sandbox: Sandbox) -> None:
    """Who did not change the e-mail of their account can take it back with the link in the warning."""
    customer = arrive(sandbox, CUSTOMER)
    customer.go("/accounts/profile/edit/")
    customer.fill("textbox", "Email address", "ada.elsewhere@example.com")
    customer.click("button", "Save")
    mail = next(row for row in customer.rows("mails").values() if "changed" in row["subject"])
    link = re.search(r"/password-reset/confirm/\S+/", mail["body"])
    owner = Person(sandbox, {})
    owner.go(link[0] if link else "")
    expect("New password" in owner.text, "the link in the warning is refused")
