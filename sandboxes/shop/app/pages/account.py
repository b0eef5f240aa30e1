"""The customer's own pages: orders, returns, addresses, wishlist, profile."""

from __future__ import annotations

from envsim.guest.web import Response

from ..routing import Page
from ..service import accounts, cart, orders
from ..service.actor import update_profile
from ..visit import Visit


def overview(v: Visit) -> Response:
    """What there is, and the latest orders."""
    return v.render("account/overview.html", orders=orders.list_orders(v.actor)[:3])


def list_orders(v: Visit) -> Response:
    """All orders."""
    return v.render("account/orders.html", orders=orders.list_orders(v.actor))


def order(v: Visit) -> Response:
    """One order."""
    found = orders.get_order(v.actor, v.number("number"))
    own = found["customer_id"] == v.actor.customer()["id"]
    # The look of a disabled button without its effect; the service then lets the request through as well.
    dead = own and found["status"] == "shipped" and v.kit.bug("dead-cancel", f"button on order {found['number']}")
    return v.render(
        "account/order.html",
        order=found,
        own=own,
        can_cancel=orders.can_cancel(found),
        dead_cancel=dead,
        can_return=own and bool(orders.returnable(found)),
    )


def cancel(v: Visit) -> Response:
    """Cancel an order."""
    number = v.number("number")
    orders.cancel_order(v.actor, number)
    return v.redirect(f"/account/orders/{number}", "order-cancelled")


def show_return(v: Visit) -> Response:
    """The return form."""
    found = orders.own_order(v.actor, v.number("number"))
    return v.render("account/return.html", order=found, lines=orders.returnable(found))


def request_return(v: Visit) -> Response:
    """Ask for a return."""
    number = v.number("number")
    orders.request_return(
        v.actor, number, v.form.get("sku", ""), v.integer("qty", 1), v.form.get("reason", ""), v.form.get("comment", "")
    )
    return v.redirect(f"/account/orders/{number}", "return-requested")


def list_refunds(v: Visit) -> Response:
    """All refunds, and the returns they belong to."""
    return v.render("account/refunds.html", refunds=orders.list_refunds(v.actor))


def list_addresses(v: Visit) -> Response:
    """All addresses and a form for a new one."""
    return v.render("account/addresses.html", addresses=accounts.list_addresses(v.actor))


def add_address(v: Visit) -> Response:
    """Add an address."""
    accounts.save_address(v.actor, v.form, default=bool(v.form.get("is_default")))
    return v.redirect("/account/addresses", "address-saved")


def show_address(v: Visit) -> Response:
    """The form of one address."""
    return v.render("account/address.html", address=accounts.get_address(v.actor, v.number("id")))


def edit_address(v: Visit) -> Response:
    """Change an address."""
    accounts.save_address(v.actor, v.form, v.number("id"), bool(v.form.get("is_default")))
    return v.redirect("/account/addresses", "address-saved")


def delete_address(v: Visit) -> Response:
    """Remove an address."""
    accounts.delete_address(v.actor, v.number("id"))
    return v.redirect("/account/addresses", "address-deleted")


def wishlist(v: Visit) -> Response:
    """The wishlist."""
    return v.render("account/wishlist.html", products=accounts.list_wishlist(v.actor))


def remove_wish(v: Visit) -> Response:
    """Take a product off the wishlist."""
    accounts.remove_from_wishlist(v.actor, v.form.get("slug", ""))
    return v.redirect("/account/wishlist", "wishlist-removed")


def profile(v: Visit) -> Response:
    """Name, phone, newsletter."""
    return v.render("account/profile.html")


def save_profile(v: Visit) -> Response:
    """Change the profile."""
    update_profile(v.actor, v.form.get("name", ""), v.form.get("phone", ""), bool(v.form.get("newsletter")))
    return v.redirect("/account/profile", "profile-saved")


def reorder(v: Visit) -> Response:
    """Put everything from an order into the cart again."""
    for line in orders.own_order(v.actor, v.number("number"))["lines"]:
        cart.add_to_cart(v.actor, line["sku"], line["qty"])
    return v.redirect("/cart", "added")


PAGES = [
    Page("/account", get=overview, role="customer"),
    Page("/account/orders", get=list_orders, role="customer"),
    Page("/account/orders/{number}", get=order, role="customer"),
    Page("/account/orders/{number}/cancel", post=cancel, back=order, role="customer"),
    Page("/account/orders/{number}/reorder", post=reorder, back=order, role="customer"),
    Page("/account/orders/{number}/return", get=show_return, post=request_return, back=show_return, role="customer"),
    Page("/account/refunds", get=list_refunds, role="customer"),
    Page("/account/addresses", get=list_addresses, post=add_address, back=list_addresses, role="customer"),
    Page("/account/addresses/{id}", get=show_address, post=edit_address, back=show_address, role="customer"),
    Page("/account/addresses/{id}/delete", post=delete_address, back=list_addresses, role="customer"),
    Page("/account/wishlist", get=wishlist, role="customer"),
    Page("/account/wishlist/remove", post=remove_wish, back=wishlist, role="customer"),
    Page("/account/profile", get=profile, post=save_profile, back=profile, role="customer"),
]
