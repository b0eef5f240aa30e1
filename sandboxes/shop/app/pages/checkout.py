"""Checkout in four steps: address, shipping, payment, review."""

from __future__ import annotations

from envsim.guest.service import Refusal, Row
from envsim.guest.web import Response

from ..routing import Page
from ..service import accounts, cart, orders
from ..visit import Visit
from .store import show_cart

STEPS = ("address", "shipping", "payment", "review")


def start(v: Visit) -> Response:
    """The first step that is still open."""
    return v.redirect(f"/checkout/{_open_step(_cart(v))}")


def _cart(v: Visit) -> Row:
    found = cart.get_cart(v.actor)
    if not found["lines"]:
        raise Refusal("empty_cart", "Your cart is empty.", 409)
    return found


def _open_step(found: Row) -> str:
    for step, column in (("address", "address_id"), ("shipping", "shipping"), ("payment", "payment")):
        if not found[column]:
            return step
    return "review"


def step(v: Visit) -> Response:
    """One step; a later one is only reached through those before it."""
    name = v.path.rsplit("/", 1)[-1]
    found = _cart(v)
    first_open = _open_step(found)
    if STEPS.index(name) > STEPS.index(first_open):
        return v.redirect(f"/checkout/{first_open}")
    addresses = accounts.list_addresses(v.actor)
    chosen = next((a for a in addresses if a["id"] == found["address_id"]), None)
    return v.render(
        f"checkout/{name}.html",
        cart=found,
        addresses=addresses,
        address=chosen,
        step=name,
        steps=STEPS,
        order_key=cart.order_key(v.actor, found),
    )


def choose_address(v: Visit) -> Response:
    """Use a saved address, or a new one."""
    if v.form.get("address") == "new":
        address_id = accounts.save_address(v.actor, v.form)
    else:
        address_id = accounts.get_address(v.actor, v.integer("address"))["id"]
    cart.choose(v.actor, address_id=address_id)
    return v.redirect("/checkout/shipping")


def choose_shipping(v: Visit) -> Response:
    """Choose how it is sent."""
    method = v.form.get("shipping", "")
    if method not in cart.SHIPPING:
        raise Refusal("invalid_shipping", "Choose a shipping method.", 422)
    cart.choose(v.actor, shipping=method)
    return v.redirect("/checkout/payment")


def choose_payment(v: Visit) -> Response:
    """Choose how it is paid."""
    label = orders.payment_label(v.form.get("payment", ""), v.form.get("card_number", ""))
    if v.kit.bug("checkout-expiry"):
        cart.choose(v.actor, address_id=None, shipping=None, payment=None)
        return v.redirect("/checkout/address", "checkout-expired")
    cart.choose(v.actor, payment=label)
    return v.redirect("/checkout/review")


def place(v: Visit) -> Response:
    """Place the order."""
    key = v.form.get("order_key", "")
    if v.kit.bug("checkout-503"):
        return v.render("gateway.html", 503, title="Service unavailable", key=key)
    chosen = cart.get_choices(v.actor)
    number = orders.place_order(
        v.actor, chosen["address_id"] or 0, chosen["shipping"] or "", chosen["payment"] or "", key
    )
    if v.kit.bug("place-timeout", f"order {number} was placed"):
        return v.render("gateway.html", 504, title="The server did not answer in time", key=key)
    return v.redirect(f"/checkout/done/{number}")


def done(v: Visit) -> Response:
    """The confirmation."""
    order = orders.own_order(v.actor, v.number("number"))
    return v.render("checkout/done.html", order=order)


PAGES = [
    Page("/checkout", get=start, role="customer"),
    Page("/checkout/address", get=step, post=choose_address, back=step, role="customer"),
    Page("/checkout/shipping", get=step, post=choose_shipping, back=step, role="customer"),
    Page("/checkout/payment", get=step, post=choose_payment, back=step, role="customer"),
    Page("/checkout/review", get=step, role="customer"),
    Page("/checkout/place", post=place, back=show_cart, role="customer"),
    Page("/checkout/done/{number}", get=done, role="customer"),
]
