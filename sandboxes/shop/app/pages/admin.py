"""The back office."""

from __future__ import annotations

from datetime import timedelta

from envsim.guest.service import Row, first
from envsim.guest.web import Response

from ..routing import Page
from ..service import backoffice, catalog, orders
from ..visit import Visit


def overview(v: Visit) -> Response:
    """Numbers of the day."""
    counts = first(
        v.kit,
        "SELECT (SELECT count(*) FROM orders WHERE status = 'processing') AS processing,"
        " (SELECT count(*) FROM refunds WHERE status = 'pending') AS refunds,"
        " (SELECT count(*) FROM variants WHERE stock <= 0) AS sold_out,"
        " (SELECT count(*) FROM tickets WHERE status = 'open') AS tickets",
    )
    return v.render("admin/overview.html", counts=counts)


def list_orders(v: Visit) -> Response:
    """Orders of all customers."""
    status, email = v.query.get("status", ""), v.query.get("email", "")
    found, pages = backoffice.list_orders(v.actor, status, email, v.integer("page", 1))
    return v.render("admin/orders.html", orders=found, pages=pages, shown=status, email=email)


def order(v: Visit) -> Response:
    """One order and its next status."""
    found = orders.get_order(v.actor, v.number("number"))
    return v.render("admin/order.html", order=found, choices=backoffice.NEXT[found["status"]])


def set_status(v: Visit) -> Response:
    """Move an order on."""
    number = v.number("number")
    backoffice.set_order_status(v.actor, number, v.form.get("status", ""))
    return v.redirect(f"/admin/orders/{number}", "status-saved")


def list_products(v: Visit) -> Response:
    """The catalogue."""
    text, shelf = v.query.get("q", ""), v.query.get("category", "")
    found, pages = backoffice.list_products(v.actor, text, shelf, v.integer("page", 1))
    return v.render("admin/products.html", products=found, pages=pages, text=text, shelf=shelf)


def product(v: Visit) -> Response:
    """Price and stock of a product."""
    return v.render("admin/product.html", product=catalog.get_product(v.kit, v.request.parts["slug"]))


def set_price(v: Visit) -> Response:
    """Change a price."""
    slug = v.request.parts["slug"]
    backoffice.set_price(v.actor, slug, v.cents("price") or 0)
    return v.redirect(f"/admin/products/{slug}", "price-saved")


def set_stock(v: Visit) -> Response:
    """Change the stock of a variant."""
    backoffice.set_stock(v.actor, v.form.get("sku", ""), v.integer("stock", -1))
    return v.redirect(f"/admin/products/{v.request.parts['slug']}", "stock-saved")


def list_coupons(v: Visit) -> Response:
    """All coupons and a form for a new one."""
    return v.render("admin/coupons.html", coupons=backoffice.list_coupons(v.actor))


def create_coupon(v: Visit) -> Response:
    """Add a coupon."""
    kind = v.form.get("kind", "")
    amount = v.integer("value") if kind == "percent" else v.cents("value") or 0
    backoffice.create_coupon(
        v.actor, v.form.get("code", ""), kind, amount, v.cents("minimum") or 0, v.form.get("expires", "")
    )
    return v.redirect("/admin/coupons", "coupon-created")


def set_coupon(v: Visit) -> Response:
    """Enable or disable a coupon."""
    backoffice.set_coupon_active(v.actor, v.request.parts["code"], v.form.get("active") == "1")
    return v.redirect("/admin/coupons", "coupon-saved")


def list_refunds(v: Visit) -> Response:
    """Refunds, those waiting first."""
    return v.render("admin/refunds.html", refunds=backoffice.list_refunds(v.actor))


def decide_refund(v: Visit) -> Response:
    """Approve or deny a refund."""
    backoffice.decide_refund(v.actor, v.number("id"), v.form.get("decision", ""))
    return v.redirect("/admin/refunds", "refund-decided")


def report(v: Visit) -> Response:
    """Sales by category."""
    return v.render("admin/report.html", report=_report(v))


def _report(v: Visit) -> Row:
    today = v.kit.now().date()
    start = v.query.get("from") or (today - timedelta(days=30)).isoformat()
    return backoffice.sales_report(v.actor, start, v.query.get("to") or today.isoformat())


def report_csv(v: Visit) -> Response:
    """The report as a file."""
    found = _report(v)
    lines = ["category,orders,pieces,revenue"]
    lines += [f"{r['name']},{r['orders']},{r['pieces']},{r['revenue_cents'] / 100:.2f}" for r in found["categories"]]
    name = f"sales-{found['start']}-{found['end']}.csv"
    return Response(
        "\n".join(lines) + "\n",
        media_type="text/csv",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def tickets(v: Visit) -> Response:
    """Messages from customers."""
    return v.render("admin/tickets.html", tickets=backoffice.list_tickets(v.actor))


def close_ticket(v: Visit) -> Response:
    """Close a message."""
    backoffice.close_ticket(v.actor, v.number("id"))
    return v.redirect("/admin/messages", "ticket-closed")


PAGES = [
    Page("/admin", get=overview, role="staff"),
    Page("/admin/orders", get=list_orders, role="staff"),
    Page("/admin/orders/{number}", get=order, post=set_status, back=order, role="staff"),
    Page("/admin/products", get=list_products, role="staff"),
    Page("/admin/products/{slug}", get=product, role="staff"),
    Page("/admin/products/{slug}/price", post=set_price, back=product, role="staff"),
    Page("/admin/products/{slug}/stock", post=set_stock, back=product, role="staff"),
    Page("/admin/coupons", get=list_coupons, post=create_coupon, back=list_coupons, role="staff"),
    Page("/admin/coupons/{code}", post=set_coupon, back=list_coupons, role="staff"),
    Page("/admin/refunds", get=list_refunds, role="staff"),
    Page("/admin/refunds/{id}", post=decide_refund, back=list_refunds, role="staff"),
    Page("/admin/report", get=report, role="staff"),
    Page("/admin/report.csv", get=report_csv, role="staff"),
    Page("/admin/messages", get=tickets, role="staff"),
    Page("/admin/messages/{id}", post=close_ticket, back=tickets, role="staff"),
]
