"""Ranges, offers and vouchers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .calendar import NOW, set_clock
from .tables import make, model

YARN_OFFER = "A tenth off all yarn"
WELCOME = "WELCOME10"
SPRING_TABLE = (
    "Northmill Sketchbook A5",
    "Walnut Ink",
    "Iron Gall Ink",
    "Willow Charcoal Thin",
    "Botanical Notes",
    "Embroidered Hedgerow Kit",
    "Draw What Is There",
    "Japanese Tissue",
)
"""One of them is not shown in the shop at the moment."""
FAIR_CODES = (
    "FAIR-ALDER",
    "FAIR-ASPEN",
    "FAIR-BEECH",
    "FAIR-BIRCH",
    "FAIR-CEDAR",
    "FAIR-ELDER",
    "FAIR-HAZEL",
    "FAIR-HOLLY",
    "FAIR-LARCH",
    "FAIR-MAPLE",
    "FAIR-ROWAN",
    "FAIR-WILLOW",
)


def fill() -> None:
    """Insert them; orders count their use afterwards."""
    ranges = _ranges()
    set_clock(NOW - timedelta(days=200))
    _offer(
        "A tenth off all yarn",
        ranges["All yarn"],
        ("Count", 1),
        ("Percentage", 10),
        "Every ball, hank and cone, whatever the colour.",
        priority=1,
    )
    _offer(
        "Three watercolours for two",
        ranges["Lowther watercolours"],
        ("Count", 3),
        ("Multibuy", None),
        "Take three tubes, the cheapest is ours to give.",
    )
    _offer(
        "The spring table",
        ranges["The spring table"],
        ("Count", 2),
        ("Absolute", 3),
        "£3 off any two things from the table by the door.",
    )
    _offer(
        "A shelf of books",
        ranges["All books"],
        ("Count", 2),
        ("Percentage", 15),
        "Two books or more, fifteen per cent less.",
    )
    _offer(
        "Brushes in summer",
        ranges["Brushes"],
        ("Count", 1),
        ("Percentage", 20),
        "While the painters are away.",
        status="Suspended",
    )
    _offer(
        "January clearance",
        ranges["The whole shop"],
        ("Value", 60),
        ("Percentage", 5),
        "Five per cent off £60 and more.",
        start_datetime=NOW - timedelta(days=60),
        end_datetime=NOW - timedelta(days=29),
    )
    _vouchers(ranges)


def _ranges() -> dict[str, Any]:
    set_clock(NOW - timedelta(days=240))
    category, product = model("catalogue.Category").objects, model("catalogue.Product").objects
    made = {
        name: make(
            "offer.Range", name=name, is_public=public, description=text, includes_all_products=name == "The whole shop"
        )
        for name, public, text in (
            ("The whole shop", False, ""),
            ("All yarn", True, "<p>Everything on the yarn wall.</p>"),
            ("All books", True, "<p>Everything on the book shelves.</p>"),
            ("Brushes", False, ""),
            ("Lowther watercolours", True, "<p>Twelve tubes, one grinder.</p>"),
            ("The spring table", True, "<p>What lies on the table by the door this month.</p>"),
            ("Sewing corner", False, ""),
        )
    }
    for name, top in (
        ("All yarn", "Yarn & wool"),
        ("All books", "Books"),
        ("Brushes", "Brushes"),
        ("Sewing corner", "Sewing"),
    ):
        made[name].included_categories.add(category.get(name=top))
    for item in product.filter(title__startswith="Lowther Watercolour").order_by("pk"):
        made["Lowther watercolours"].add_product(item)
    for place, title in enumerate(SPRING_TABLE):
        made["The spring table"].add_product(product.get(title=title), display_order=place)
    return made


def _offer(
    name: str, over: Any, condition: tuple[str, int], benefit: tuple[str, int | None], text: str, **more: Any
) -> Any:
    kind, value = condition
    given, amount = benefit
    return make(
        "offer.ConditionalOffer",
        name=name,
        description=f"<p>{text}</p>",
        condition=make("offer.Condition", range=over, type=kind, value=value),
        benefit=make("offer.Benefit", range=over, type=given, value=amount),
        **(
            {"offer_type": "Site", "status": "Open", "exclusive": False, "start_datetime": NOW - timedelta(days=200)}
            | more
        ),
    )


def _vouchers(ranges: dict[str, Any]) -> None:
    whole = ranges["The whole shop"]
    for code, name, usage, over, condition, benefit, days in (
        (WELCOME, "Welcome to the shop", "Once per customer", whole, ("Count", 1), ("Percentage", 10), 400),
        ("SOCKS5", "Five off for sock knitters", "Multi-use", ranges["All yarn"], ("Value", 30), ("Absolute", 5), 90),
        ("NEEDLEWORK15", "Sewing guild", "Multi-use", ranges["Sewing corner"], ("Count", 2), ("Percentage", 15), 200),
        ("MENDIT", "Repair café", "Single use", whole, ("Value", 20), ("Absolute", 4), 30),
        ("AUTUMN15", "Autumn letter", "Multi-use", whole, ("Value", 40), ("Percentage", 15), -90),
        ("BOOKWORM", "Reading circle", "Multi-use", ranges["All books"], ("Count", 1), ("Percentage", 20), 20),
    ):
        offer = _offer(
            f"Offer for voucher '{name}'", over, condition, benefit, f"For holders of {code}.", offer_type="Voucher"
        )
        voucher = make(
            "voucher.Voucher",
            name=name,
            code=code,
            usage=usage,
            start_datetime=NOW - timedelta(days=300),
            end_datetime=NOW + timedelta(days=days),
        )
        voucher.offers.add(offer)
    _voucher_set(whole)


def _voucher_set(whole: Any) -> None:
    dates = {"start_datetime": NOW - timedelta(days=20), "end_datetime": NOW + timedelta(days=40)}
    fair = make(
        "voucher.VoucherSet",
        name="Craft fair 2026",
        count=len(FAIR_CODES),
        code_length=10,
        description="Cards handed out at the fair in Hebden Bridge",
        **dates,
    )
    offer = _offer(
        "Craft fair 2026", whole, ("Value", 15), ("Absolute", 3), "For visitors of our stall.", offer_type="Voucher"
    )
    for number, code in enumerate(FAIR_CODES):
        voucher = make(
            "voucher.Voucher",
            name=f"Craft fair 2026 card {number + 1}",
            code=code,
            usage="Multi-use",
            voucher_set=fair,
            num_basket_additions=(7 * number) % 11,
            num_orders=(5 * number) % 7,
            **dates,
        )
        voucher.offers.add(offer)
