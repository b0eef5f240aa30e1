"""Tools for customers."""

from __future__ import annotations

from typing import Any

from envsim.guest.service import Refusal, Row

from ..service import accounts, cart, catalog, orders
from ..service.actor import Actor
from ..service.catalog import SORTS, Query
from ..service.limits import check_search_rate
from .operation import BOOLEAN, CENTS, INTEGER, STRING, Operation, body, path, query
from .schemas import many, pick, record, ref

Args = dict[str, Any]
REASON = {"type": "string", "enum": list(orders.REASONS)}
QTY = {"type": "integer", "minimum": 1, "maximum": cart.MAX_QTY}
DONE = record(ok=BOOLEAN)
OK = {"ok": True}


def _product(row: Row) -> Row:
    out = pick(row, "Product")
    return {**out, "rating": round(row["rating"], 2), "in_stock": (row.get("stock") or 0) > 0}


def list_categories(actor: Actor, args: Args) -> Row:
    """All categories."""
    return {"categories": [{"slug": c["slug"], "name": c["name"]} for c in catalog.list_categories(actor.kit)]}


def search_products(actor: Actor, args: Args) -> Row:
    """A listing page."""
    check_search_rate(actor)
    wanted = Query(
        category=args["category"] or "", text=args["text"] or "", brand=args["brand"] or "",
        min_cents=args["min_price_cents"], max_cents=args["max_price_cents"], in_stock=bool(args["in_stock"]),
        sort=args["sort"] or "featured", page=args["page"] or 1,
    )  # fmt: skip
    found = catalog.find_products(actor.kit, wanted)
    return {
        "products": [_product(p) for p in found.products],
        "total": found.total,
        "page": found.page,
        "pages": found.pages,
    }


def get_product(actor: Actor, args: Args) -> Row:
    """One product."""
    product = catalog.get_product(actor.kit, args["slug"])
    product["stock"] = sum(v["stock"] for v in product["variants"])
    return {
        **_product(product),
        "description": product["description"],
        "variants": [pick(v, "Variant") for v in product["variants"]],
        "reviews": [pick(r, "Review") for r in product["reviews"]],
    }


def show_cart(actor: Actor, args: Args | None = None) -> Row:
    """The cart, priced."""
    found = cart.get_cart(actor)
    out = {**pick(found, "Cart"), "lines": [pick(line, "CartLine") for line in found["lines"]]}
    return drift(actor, out)


def drift(actor: Actor, out: Row) -> Row:
    """`out` as the schema says, or with its total in another form when `api-drift` fires."""
    if actor.kit.bug("api-drift"):
        out["total"] = f"${out.pop('total_cents') / 100:,.2f}"
    return out


def add_to_cart(actor: Actor, args: Args) -> Row:
    """Add a variant."""
    cart.add_to_cart(actor, args["sku"], args["qty"])
    return show_cart(actor)


def update_cart_line(actor: Actor, args: Args) -> Row:
    """Change a quantity."""
    cart.set_quantity(actor, args["sku"], args["qty"])
    return show_cart(actor)


def apply_coupon(actor: Actor, args: Args) -> Row:
    """Use a coupon."""
    cart.apply_coupon(actor, args["code"])
    return show_cart(actor)


def list_addresses(actor: Actor, args: Args) -> Row:
    """All addresses."""
    return {"addresses": [pick(a, "Address") for a in accounts.list_addresses(actor)]}


def save_address(actor: Actor, args: Args) -> Row:
    """Add or change an address."""
    fields = {name: args[name] for name in accounts.ADDRESS_FIELDS}
    address_id = accounts.save_address(actor, fields, args["address_id"], bool(args["is_default"]))
    return {"address_id": address_id}


def delete_address(actor: Actor, args: Args) -> Row:
    """Remove an address."""
    accounts.delete_address(actor, args["address_id"])
    return OK


def place_order(actor: Actor, args: Args) -> Row:
    """Order what is in the cart."""
    kit = actor.kit
    if kit.bug("checkout-503"):
        raise Refusal("unavailable", "The service is unavailable; the order may or may not have been placed.", 503)
    payment = orders.payment_label(args["payment"], args["card_number"] or "")
    key = args["request_key"] or cart.order_key(actor, cart.get_choices(actor))
    number = orders.place_order(actor, args["address_id"], args["shipping"], payment, key)
    if kit.bug("place-timeout", f"order {number} was placed"):
        message = "The server did not answer in time; the order may or may not have been placed."
        raise Refusal("timeout", message, 504, committed=True)
    return _order(actor, orders.own_order(actor, number))


def _order(actor: Actor, order: Row) -> Row:
    out = pick(order, "Order")
    out["lines"] = [pick(line, "OrderLine") for line in order["lines"]]
    out["returns"] = [pick(r, "Return") for r in order["returns"]]
    out["refunds"] = [refund(r) for r in order["refunds"]]
    return drift(actor, out)


def refund(row: Row) -> Row:
    """A refund as the tools return it."""
    return pick({**row, "order": row["order_number"]}, "Refund")


def list_orders(actor: Actor, args: Args) -> Row:
    """The customer's orders."""
    return {"orders": [drift(actor, pick(o, "OrderSummary")) for o in orders.list_orders(actor)]}


def get_order(actor: Actor, args: Args) -> Row:
    """One order."""
    return _order(actor, orders.get_order(actor, args["number"]))


def cancel_order(actor: Actor, args: Args) -> Row:
    """Cancel an order."""
    orders.cancel_order(actor, args["number"])
    return _order(actor, orders.own_order(actor, args["number"]))


def request_return(actor: Actor, args: Args) -> Row:
    """Ask for a return."""
    return_id = orders.request_return(
        actor, args["number"], args["sku"], args["qty"], args["reason"], args["comment"] or ""
    )
    return {"return_id": return_id, "status": "requested"}


def list_refunds(actor: Actor, args: Args) -> Row:
    """The customer's refunds."""
    return {"refunds": [refund(r) for r in orders.list_refunds(actor)]}


def list_wishlist(actor: Actor, args: Args) -> Row:
    """The wishlist."""
    return {"products": [_product(p) for p in accounts.list_wishlist(actor)]}


def add_to_wishlist(actor: Actor, args: Args) -> Row:
    """Remember a product."""
    accounts.add_to_wishlist(actor, args["slug"])
    return OK


def remove_from_wishlist(actor: Actor, args: Args) -> Row:
    """Forget a product."""
    accounts.remove_from_wishlist(actor, args["slug"])
    return OK


def write_review(actor: Actor, args: Args) -> Row:
    """Publish a review."""
    return {"review_id": catalog.write_review(actor, args["slug"], args["rating"], args["title"], args["body"])}


def create_ticket(actor: Actor, args: Args) -> Row:
    """Write to customer service."""
    email = args["email"] or (actor.account["email"] if actor.account else "")
    return {"ticket_id": accounts.create_ticket(actor, email, args["topic"], args["message"], args["order_number"])}


SLUG = {"slug": path(STRING, "Slug of the product, as search_products returns it.")}
NUMBER = {"number": path(INTEGER, "Order number.")}
ADDRESS = {name: body({"type": "string", "maxLength": 100}) for name in accounts.ADDRESS_FIELDS}

OPERATIONS = [
    Operation("list_categories", "GET", "/api/categories", "List the categories of the shop.", list_categories,
              result=many("categories", record(slug=STRING, name=STRING))),
    Operation(
        "search_products", "GET", "/api/products",
        "Search products by words, category, brand, price and stock. Twelve a page; prices are those of the smallest"
        " option.",
        search_products,
        {
            "text": query(STRING, "Words that must all occur in name, brand or category."),
            "category": query(STRING, "Slug of a category."),
            "brand": query(STRING, "Exact brand name."),
            "min_price_cents": query(CENTS, "Lowest price in cents."),
            "max_price_cents": query(CENTS, "Highest price in cents."),
            "in_stock": query(BOOLEAN, "Only products with stock."),
            "sort": query({"type": "string", "enum": list(SORTS)}, "Order of the results."),
            "page": query({"type": "integer", "minimum": 1}, "Page, from 1."),
        },
        many("products", ref("Product"), total=INTEGER, page=INTEGER, pages=INTEGER),
    ),
    Operation("get_product", "GET", "/api/products/{slug}", "Get a product with its options, stock and reviews.",
              get_product, SLUG, ref("Product")),
    Operation("get_cart", "GET", "/api/cart", "Get the cart with its totals.", show_cart, result=ref("Cart")),
    Operation("add_to_cart", "POST", "/api/cart/lines", "Add an article (a SKU of a product option) to the cart.",
              add_to_cart, {"sku": body(STRING), "qty": body(QTY, default=1)}, ref("Cart")),
    Operation("update_cart_line", "PUT", "/api/cart/lines/{sku}", "Set the quantity of an article in the cart; 0"
              " removes it.", update_cart_line,
              {"sku": path(STRING), "qty": body({"type": "integer", "minimum": 0, "maximum": cart.MAX_QTY})},
              ref("Cart")),
    Operation("apply_coupon", "PUT", "/api/cart/coupon", "Use a coupon code on the cart; an empty code removes it.",
              apply_coupon, {"code": body(STRING)}, ref("Cart")),
    Operation("list_addresses", "GET", "/api/addresses", "List the customer's addresses.", list_addresses,
              result=many("addresses", ref("Address"))),
    Operation("save_address", "POST", "/api/addresses", "Add an address, or change the one with address_id.",
              save_address, {**ADDRESS, "address_id": body(INTEGER, default=None),
                             "is_default": body(BOOLEAN, default=False)}, record(address_id=INTEGER)),
    Operation("delete_address", "DELETE", "/api/addresses/{address_id}", "Delete an address.", delete_address,
              {"address_id": path(INTEGER)}, DONE),
    Operation(
        "place_order", "POST", "/api/orders", "Place an order for everything in the cart.", place_order,
        {
            "address_id": body(INTEGER, "One of list_addresses."),
            "shipping": body({"type": "string", "enum": list(cart.SHIPPING)}),
            "payment": body({"type": "string", "enum": list(orders.PAYMENTS)}),
            "card_number": body(STRING, "For payment by card: 12 to 19 digits.", None),
            "request_key": body(STRING, "Any text; repeating it returns the order placed before.", None),
        },
        ref("Order"),
    ),
    Operation("list_orders", "GET", "/api/orders", "List the customer's orders, newest first.", list_orders,
              result=many("orders", ref("OrderSummary"))),
    Operation("get_order", "GET", "/api/orders/{number}", "Get an order with lines, returns and refunds.", get_order,
              NUMBER, ref("Order")),
    Operation("cancel_order", "POST", "/api/orders/{number}/cancel", "Cancel an order that is still processing.",
              cancel_order, NUMBER, ref("Order")),
    Operation("request_return", "POST", "/api/orders/{number}/returns", "Ask to return an article of a delivered"
              " order.", request_return,
              {**NUMBER, "sku": body(STRING), "qty": body(QTY), "reason": body(REASON),
               "comment": body(STRING, default=None)}, record(return_id=INTEGER, status=STRING)),
    Operation("list_refunds", "GET", "/api/refunds", "List the customer's refunds, newest first.", list_refunds,
              result=many("refunds", ref("Refund"))),
    Operation("list_wishlist", "GET", "/api/wishlist", "List the products on the wishlist.", list_wishlist,
              result=many("products", ref("Product"))),
    Operation("add_to_wishlist", "PUT", "/api/wishlist/{slug}", "Put a product on the wishlist.", add_to_wishlist,
              SLUG, DONE),
    Operation("remove_from_wishlist", "DELETE", "/api/wishlist/{slug}", "Take a product off the wishlist.",
              remove_from_wishlist, SLUG, DONE),
    Operation("write_review", "POST", "/api/products/{slug}/reviews", "Review a product; once per customer.",
              write_review,
              {**SLUG, "rating": body({"type": "integer", "minimum": 1, "maximum": 5}), "title": body(STRING),
               "body": body(STRING)}, record(review_id=INTEGER)),
    Operation("create_ticket", "POST", "/api/tickets", "Send a message to customer service.", create_ticket,
              {"topic": body({"type": "string", "enum": list(accounts.TOPICS)}), "message": body(STRING),
               "email": body(STRING, "Needed when not signed in.", None),
               "order_number": body(INTEGER, "The order it is about.", None)}, record(ticket_id=INTEGER)),
]  # fmt: skip
