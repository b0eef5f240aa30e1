"""Home, categories, search, product, reviews and the cart."""

from __future__ import annotations

from urllib.parse import urlencode

from envsim.guest.service import Refusal, Row, write
from envsim.guest.web import Response

from ..routing import Page
from ..service import accounts, cart, catalog
from ..service.catalog import Query
from ..service.limits import check_search_rate
from ..visit import Visit, show_modal


def home(v: Visit) -> Response:
    """The front page."""
    return v.render("home.html", products=catalog.featured(v.kit), modal=show_modal(v))


def category(v: Visit) -> Response:
    """One category with sort, filter and pages."""
    shelf = catalog.get_category(v.kit, v.request.parts["slug"])
    return _listing(v, shelf, _query(v, category=shelf["slug"]))


def search(v: Visit) -> Response:
    """Search over everything."""
    if v.query.get("q"):
        check_search_rate(v.actor)
    return _listing(v, None, _query(v, text=v.query.get("q", "")))


def _query(v: Visit, **base: str) -> Query:
    page = v.query.get("page", "1")
    return Query(
        **base,
        brand=v.query.get("brand", ""),
        min_cents=v.cents("min"),
        max_cents=v.cents("max"),
        in_stock=bool(v.query.get("in_stock")),
        sort=v.query.get("sort", "featured"),
        page=int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1,
    )


def _listing(v: Visit, shelf: Row | None, query: Query) -> Response:
    listing = catalog.find_products(v.kit, query)
    kept = {k: t for k, t in v.query.items() if k in ("q", "sort", "brand", "min", "max", "in_stock") and t}

    def link(page: int) -> str:
        return f"{v.path}?{urlencode({**kept, 'page': page})}"

    return v.render(
        "listing.html",
        shelf=shelf,
        query=query,
        listing=listing,
        brands=catalog.list_brands(v.kit, query.category),
        link=link,
        modal=show_modal(v),
    )


def product(v: Visit) -> Response:
    """A product page."""
    return _show_product(v, v.request.parts["slug"])


def _show_product(v: Visit, slug: str) -> Response:
    found = catalog.get_product(v.kit, slug)
    slow = bool(found["reviews"]) and not v.error and v.kit.bug("slow-reviews", found["slug"])
    return v.render(
        "product.html",
        product=found,
        related=catalog.related_products(v.kit, found),
        other_layout=v.kit.bug("layout-variant", "add to basket"),
        slow_reviews=slow,
        modal=show_modal(v),
    )


def post_review(v: Visit) -> Response:
    """Publish a review."""
    slug = v.request.parts["slug"]
    catalog.write_review(v.actor, slug, v.integer("rating"), v.form.get("title", ""), v.form.get("body", ""))
    return v.redirect(f"/p/{slug}", "review-posted")


def show_cart(v: Visit) -> Response:
    """The cart."""
    return v.render("cart.html", cart=cart.get_cart(v.actor))


def add(v: Visit) -> Response:
    """Put a variant into the cart."""
    cart.add_to_cart(v.actor, v.form.get("sku", ""), v.integer("qty", 1))
    return v.redirect("/cart", "added")


def _back_to_product(v: Visit) -> Response:
    return _show_product(v, cart.find_variant(v.kit, v.form.get("sku", ""))["slug"])


def update(v: Visit) -> Response:
    """Change the quantity of a line."""
    cart.set_quantity(v.actor, v.form.get("sku", ""), v.integer("qty", 0))
    return v.redirect("/cart", "cart-updated")


def remove(v: Visit) -> Response:
    """Take a line out."""
    cart.set_quantity(v.actor, v.form.get("sku", ""), 0)
    return v.redirect("/cart", "removed")


def coupon(v: Visit) -> Response:
    """Apply a coupon, or remove the one there is."""
    code = "" if v.form.get("remove") else v.form.get("code", "")
    if not code.strip() and not v.form.get("remove"):
        raise Refusal("unknown_coupon", "Enter a coupon code.", 422)
    cart.apply_coupon(v.actor, code)
    return v.redirect("/cart", "coupon-applied" if code else "coupon-removed")


def add_wish(v: Visit) -> Response:
    """Put a product on the wishlist."""
    slug = v.request.parts["slug"]
    accounts.add_to_wishlist(v.actor, slug)
    return v.redirect(f"/p/{slug}", "wishlist-added")


def newsletter(v: Visit) -> Response:
    """Answer the newsletter overlay."""
    v.kit.cache[f"modal:{v.actor.sid}"] = -1
    subscribe = v.form.get("choice") == "subscribe"
    if subscribe and v.actor.account is not None:
        write(v.kit, "UPDATE customers SET newsletter = 1 WHERE id = ?", v.actor.account["id"])
    return v.redirect(v.local("next", "/"), "subscribed" if subscribe else "")


PAGES = [
    Page("/", get=home),
    Page("/c/{slug}", get=category),
    Page("/search", get=search),
    Page("/p/{slug}", get=product),
    Page("/p/{slug}/reviews", post=post_review, back=product, role="customer"),
    Page("/p/{slug}/wishlist", post=add_wish, back=product, role="customer"),
    Page("/cart", get=show_cart),
    Page("/cart/add", post=add, back=_back_to_product),
    Page("/cart/update", post=update, back=show_cart),
    Page("/cart/remove", post=remove, back=show_cart),
    Page("/cart/coupon", post=coupon, back=show_cart),
    Page("/newsletter", post=newsletter),
]
