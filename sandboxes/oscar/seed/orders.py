"""Eighteen months of orders, and what customers left behind otherwise: reviews, wishlists, stock requests."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from envsim.rng import Rng

from .calendar import NOW, set_clock
from .marketing import WELCOME, YARN_OFFER
from .names import PLACES, REMARKS, REVIEWS, STREETS
from .people import customers
from .tables import make, make_all, model

FIRST = 100001
ORDERS = 156
GUESTS = ("marta.quill@example.net", "o.bright@example.net", "theknittingcircle@example.org", "j.harbour@example.net")
PATHS = {
    "Pending": (),
    "Being processed": ("Being processed",),
    "Shipped": ("Being processed", "Shipped"),
    "Returned": ("Being processed", "Shipped", "Returned"),
    "Cancelled": ("Cancelled",),
}


def fill() -> None:
    """Insert all of it."""
    for name in ("Shipped", "Returned"):
        make("order.ShippingEventType", name=name)
    for name in ("Paid", "Refunded"):
        make("order.PaymentEventType", name=name)
    sold = _sellable()
    people = customers()[1:]  # the first is a supplier's clerk
    rng = Rng("oscar-seed", "dates")
    dates = sorted(NOW - timedelta(minutes=200 + int((60 * 24 * 540) * rng.uniform() ** 1.6)) for _ in range(ORDERS))
    used: dict[int, list[Decimal]] = defaultdict(list)
    for number, placed in enumerate(dates, start=FIRST):
        _order(number, placed, people, sold, used)
    for offer, amounts in used.items():
        model("offer.ConditionalOffer").objects.filter(pk=offer).update(
            num_applications=len(amounts), num_orders=len(amounts), total_discount=sum(amounts)
        )
    _reviews(people)
    _wishlists(people)
    _alerts(people)
    _popularity()


def _sellable() -> list[Any]:
    """Stock records of what can be bought."""
    records = (
        model("partner.StockRecord").objects.select_related("product", "product__parent", "partner").order_by("pk")
    )
    return [record for record in records if (record.product.parent or record.product).is_public]


def _order(number: int, placed: datetime, people: list[Any], sold: list[Any], used: dict[int, list[Decimal]]) -> None:
    rng = Rng("oscar-seed", "order", number)
    set_clock(placed)
    user = None if rng.chance(0.08) else rng.choice(people)
    status = _status(rng, NOW - placed)
    wanted = rng.sample(sold, 1 + rng.integer(4))
    lines = [(record, 1 + (rng.integer(4) if rng.chance(0.3) else 0)) for record in wanted]
    offer = model("offer.ConditionalOffer").objects.get(name=YARN_OFFER)
    off = {record.pk: _cents(record.price * count / 10) for record, count in lines if _kind(record) == "Yarn"}
    gross = sum((record.price * count for record, count in lines), Decimal(0))
    voucher = model("voucher.Voucher").objects.get(code=WELCOME) if user and rng.chance(0.12) else None
    reduced = _cents((gross - sum(off.values())) / 10) if voucher else Decimal(0)
    total = gross - sum(off.values()) - reduced
    basket = make("basket.Basket", id=number - 100000, owner=user, status="Submitted", date_submitted=placed)
    order = make(
        "order.Order",
        number=str(number),
        site_id=1,
        basket=basket,
        user=user,
        currency="GBP",
        total_incl_tax=total,
        total_excl_tax=total,
        shipping_incl_tax=0,
        shipping_excl_tax=0,
        shipping_address=_address(user, rng),
        shipping_method="Free shipping",
        shipping_code="free-shipping",
        status=status,
        guest_email="" if user else rng.choice(GUESTS),
        date_placed=placed,
    )
    for record, count in lines:
        share = off.get(record.pk, Decimal(0)) + _cents(reduced * record.price * count / gross)
        _line(order, record, count, share, status)
    _discounts(order, offer, sum(off.values(), Decimal(0)), voucher, reduced, used)
    _history(order, placed, rng)


def _kind(record: Any) -> str:
    return (record.product.parent or record.product).product_class.name


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _status(rng: Rng, age: timedelta) -> str:
    if age < timedelta(days=6):
        return rng.choice(("Pending", "Pending", "Being processed"))
    if age < timedelta(days=21):
        return rng.choice(("Pending", "Being processed", "Shipped"))
    return rng.choice(("Shipped",) * 8 + ("Cancelled", "Returned"))


def _address(user: Any, rng: Rng) -> Any:
    book = None if user is None else user.addresses.order_by("pk").first()
    fields = {"first_name": "", "last_name": "Guest", "line1": f"{1 + rng.integer(90)} {rng.choice(STREETS)}"}
    if book is not None:
        fields = {
            name: getattr(book, name)
            for name in ("first_name", "last_name", "line1", "line4", "state", "postcode", "country_id", "notes")
        }
    else:
        town, county, postcode, country = rng.choice(PLACES[:14])
        fields |= {"line4": town, "state": county, "postcode": postcode, "country_id": country}
    return make("order.ShippingAddress", phone_number="", **fields)


def _line(order: Any, record: Any, count: int, off: Decimal, status: str) -> None:
    full = record.price * count
    held = count if status in ("Pending", "Being processed") and record.num_in_stock is not None else 0
    line = make(
        "order.Line",
        order=order,
        partner=record.partner,
        partner_name=record.partner.name,
        partner_sku=record.partner_sku,
        stockrecord=record,
        product=record.product,
        title=record.product.get_title(),
        upc=record.product.upc,
        quantity=count,
        line_price_incl_tax=full - off,
        line_price_excl_tax=full - off,
        line_price_before_discounts_incl_tax=full,
        line_price_before_discounts_excl_tax=full,
        unit_price_incl_tax=record.price,
        unit_price_excl_tax=record.price,
        status=status,
        num_allocated_=held,
        allocation_cancelled_=status == "Cancelled",
    )
    make(
        "order.LinePrice",
        order=order,
        line=line,
        quantity=count,
        price_incl_tax=record.price,
        price_excl_tax=record.price,
    )
    if held:
        same = model("partner.StockRecord").objects.filter(pk=record.pk)
        # What is promised is still on the shelf.
        same.update(num_allocated=F("num_allocated") + held, num_in_stock=F("num_in_stock") + held)


def _discounts(
    order: Any, offer: Any, yarn: Decimal, voucher: Any, reduced: Decimal, used: dict[int, list[Decimal]]
) -> None:
    if yarn:
        make(
            "order.OrderDiscount",
            order=order,
            category="Basket",
            offer_id=offer.pk,
            offer_name=offer.name,
            frequency=1,
            amount=yarn,
        )
        used[offer.pk].append(yarn)
    if voucher is not None:
        first = voucher.offers.order_by("pk").first()
        make(
            "order.OrderDiscount",
            order=order,
            category="Basket",
            offer_id=first.pk,
            offer_name=first.name,
            voucher_id=voucher.pk,
            voucher_code=voucher.code,
            frequency=1,
            amount=reduced,
        )
        make("voucher.VoucherApplication", voucher=voucher, user=order.user, order=order)
        type(voucher).objects.filter(pk=voucher.pk).update(
            num_orders=F("num_orders") + 1,
            num_basket_additions=F("num_basket_additions") + 1,
            total_discount=F("total_discount") + reduced,
        )
        used[first.pk].append(reduced)


def _history(order: Any, placed: datetime, rng: Rng) -> None:
    before, moment = "Pending", placed
    for after in PATHS[order.status]:
        moment += timedelta(hours=4 + rng.integer(30))
        set_clock(min(moment, NOW - timedelta(hours=1)))
        make(
            "order.OrderStatusChange",
            order=order,
            old_status=before,
            new_status=after,
            date_created=min(moment, NOW - timedelta(hours=1)),
        )
        if after == "Shipped":
            event = make(
                "order.ShippingEvent",
                order=order,
                event_type=model("order.ShippingEventType").objects.get(name=after),
                notes="",
            )
            for line in order.lines.order_by("pk"):
                make("order.ShippingEventQuantity", event=event, line=line, quantity=line.quantity)
        before = after
    if rng.chance(0.15):
        make("order.OrderNote", order=order, user=None, note_type="Info", message=rng.choice(REMARKS))


def _reviews(people: list[Any]) -> None:
    shown = list(model("catalogue.Product").objects.filter(is_public=True).exclude(structure="child").order_by("pk"))
    rng = Rng("oscar-seed", "reviews")
    rows, sums = [], defaultdict(list)
    for product in shown:
        if not rng.chance(0.55):
            continue
        for user in rng.sample(people, 1 + rng.integer(3)):
            score, title, body = rng.choice(REVIEWS)
            pending = rng.chance(0.1)
            rows.append(
                {
                    "product": product,
                    "user": user,
                    "score": score,
                    "title": title,
                    "body": body,
                    "status": 0 if pending else 1,
                    "name": "",
                    "email": "",
                    "homepage": "",
                }
            )
            if not pending:
                sums[product.pk].append(score)
    for row, made in zip(rows, make_all("reviews.ProductReview", rows), strict=True):
        when = NOW - timedelta(minutes=900 + rng.integer(60 * 24 * (9 if row["status"] == 0 else 300)))
        type(made).objects.filter(pk=made.pk).update(date_created=when)
    for pk, scores in sums.items():
        model("catalogue.Product").objects.filter(pk=pk).update(rating=sum(scores) / len(scores))


def _wishlists(people: list[Any]) -> None:
    shown = list(model("catalogue.Product").objects.filter(is_public=True).exclude(structure="child").order_by("pk"))
    for number, user in enumerate(people[::2]):
        rng = Rng("oscar-seed", "wishlist", user.email)
        name = rng.choice(("Birthday", "For the studio", "One day", "Presents for others", "Winter projects"))
        created = NOW - timedelta(minutes=600 + rng.integer(60 * 24 * 200))
        set_clock(created)
        wishlist = make("wishlists.WishList", owner=user, name=name, visibility="Private", date_created=created)
        type(wishlist).objects.filter(pk=wishlist.pk).update(key=f"{number:06d}")  # saving draws another
        for product in rng.sample(shown, 2 + rng.integer(5)):
            make("wishlists.Line", wishlist=wishlist, product=product, title=product.title, quantity=1 + rng.integer(2))


def _alerts(people: list[Any]) -> None:
    """Requests to be told when something is back, and low stock as the shop's own list shows it."""
    empty = list(model("partner.StockRecord").objects.filter(num_in_stock=0).order_by("pk"))
    rng = Rng("oscar-seed", "alerts")
    set_clock(NOW - timedelta(days=2))
    for record in rng.sample(empty, 14):
        make(
            "customer.ProductAlert", product=record.product, user=rng.choice(people), status="Active", email="", key=""
        )
    for record in model("partner.StockRecord").objects.filter(num_in_stock__lt=3).order_by("pk"):
        make(
            "partner.StockAlert",
            stockrecord=record,
            threshold=record.low_stock_threshold,
            status="Open",
            date_created=NOW - timedelta(hours=20),
        )


def _popularity() -> None:
    bought: Counter[int] = Counter()
    spent: dict[int, list[Any]] = defaultdict(list)
    for line in model("order.Line").objects.select_related("order").order_by("pk"):
        bought[line.product_id] += line.quantity
        if line.order.user_id is not None:
            spent[line.order.user_id].append(line)
    make_all(
        "analytics.ProductRecord",
        [
            {
                "product_id": pk,
                "num_views": 11 * count + pk % 17,
                "num_basket_additions": 2 * count,
                "num_purchases": count,
                "score": 0.0,
            }
            for pk, count in sorted(bought.items())
        ],
    )
    make_all(
        "analytics.UserRecord",
        [
            {
                "user_id": pk,
                "num_product_views": 9 * len(lines),
                "num_basket_additions": 2 * len(lines),
                "num_orders": len({line.order_id for line in lines}),
                "num_order_lines": len(lines),
                "num_order_items": sum(line.quantity for line in lines),
                "total_spent": sum((line.line_price_incl_tax for line in lines), Decimal(0)),
                "date_last_order": max(line.order.date_placed for line in lines),
            }
            for pk, lines in sorted(spent.items())
        ],
    )
