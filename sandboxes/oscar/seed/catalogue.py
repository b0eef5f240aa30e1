"""Categories, product types, products with their attributes and children, stock, and what goes with what."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.utils.text import slugify

from envsim.rng import Rng

from .calendar import NOW, OPENED, set_clock
from .pictures import picture_of
from .tables import make, make_all, model
from .words import AUTHORS, CATEGORY_NOTES, CLOSERS, FAMILIES, FIBRES, LEVELS, SHAPES, WEIGHTS, Family

ATTRIBUTES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Yarn": (("Fibre", "fibre", "text"), ("Weight", "weight", "option"), ("Length (m)", "length", "integer"),
             ("Machine washable", "washable", "boolean"), ("Colour", "colour", "text")),
    "Paint": (("Lightfastness", "lightfastness", "text"), ("Volume (ml)", "volume", "integer")),
    "Brush": (("Shape", "shape", "option"), ("Size", "size", "text")),
    "Paper": (("Weight (g/m2)", "grammage", "integer"), ("Sheets", "sheets", "integer"), ("Acid-free", "acid_free",
        "boolean")),
    "Drawing": (("Pieces", "pieces", "integer"),),
    "Fabric": (("Composition", "composition", "text"), ("Width (cm)", "width", "integer"), ("Colour", "colour",
        "text")),
    "Thread": (("Pieces", "pieces", "integer"),),
    "Tool": (("Length (mm)", "length", "integer"), ("Material", "material", "text")),
    "Material": (("Weight (kg)", "weight", "float"),),
    "Book": (("Author", "author", "text"), ("Pages", "pages", "integer"), ("Published", "published", "date")),
    "Kit": (("Difficulty", "difficulty", "option"), ("Hours", "hours", "float")),
    "Gift card": (),
}  # fmt: skip
OPTION_GROUPS = {
    "weight": ("Yarn weights", WEIGHTS),
    "shape": ("Brush shapes", SHAPES),
    "difficulty": ("Levels", LEVELS),
}
PARTNERS = ("Thistle & Twine", "Northmill Papers", "Brandt Trading")
SUPPLIER = {
    "Northmill Papers": 1, "Paper Heron Press": 1, "Inkwell & Daughter": 1,
    "Brandt & Söhne": 2, "Atelier Brandt": 2, "Lowther Colour": 2,
}  # fmt: skip
HIDDEN = ("Folding Yarn Swift", "Iron Gall Ink", "Felt Fox Kit", "Halo", "Wool Flannel", "Studio Acrylic Naples Yellow")
"""Taken off the shop's pages for now; two of them have children."""

Row = dict[str, Any]


def fill() -> None:
    """Insert the catalogue."""
    kinds, attributes, options = _kinds()
    categories = _categories()
    partners = [make("partner.Partner", name=name, code=slugify(name)) for name in PARTNERS]
    number = 0
    for family in FAMILIES:
        for name in family.names:
            number += 1
            rng = Rng("oscar-seed", "product", name)
            product = _product(family, name, number, rng, kinds[family.kind])
            make("catalogue.ProductCategory", product=product, category=categories[family.category])
            make("catalogue.ProductImage", product=product, original=picture_of(family.kind, name), caption=name)
            _values(product, family.kind, attributes, options, rng)
            _stock(product, family, partners[SUPPLIER.get(family.maker, 0)], rng, attributes)
    _recommend()


def _kinds() -> tuple[dict[str, Any], dict[tuple[str, str], Any], dict[tuple[str, str], Any]]:
    options: dict[tuple[str, str], Any] = {}
    groups = {}
    for code, (title, values) in OPTION_GROUPS.items():
        groups[code] = make("catalogue.AttributeOptionGroup", name=title)
        for value in values:
            options[code, value] = make("catalogue.AttributeOption", group=groups[code], option=value)
    kinds, attributes = {}, {}
    for kind, wanted in ATTRIBUTES.items():
        card = kind == "Gift card"
        kinds[kind] = make("catalogue.ProductClass", name=kind, requires_shipping=not card, track_stock=not card)
        for title, code, sort in wanted:
            attributes[kind, code] = make(
                "catalogue.ProductAttribute",
                product_class=kinds[kind],
                name=title,
                code=code,
                type=sort,
                required=False,
                option_group=groups.get(code) if sort == "option" else None,
            )
    engraving = make(
        "catalogue.Option",
        name="Engraving",
        type="text",
        required=False,
        help_text="Up to twelve letters, at no charge",
    )
    note = make("catalogue.Option", name="Gift note", type="text", required=False)
    kinds["Tool"].options.add(engraving)
    kinds["Kit"].options.add(note)
    return kinds, attributes, options


def _categories() -> dict[tuple[str, ...], Any]:
    kind = model("catalogue.Category")
    made: dict[tuple[str, ...], Any] = {}
    for top, second in dict.fromkeys(family.category for family in FAMILIES):
        if (top,) not in made:
            made[top,] = kind.add_root(name=top, description=f"<p>{CATEGORY_NOTES[top]}</p>")
        parent = kind.objects.get(pk=made[top,].pk)
        made[top, second] = parent.add_child(name=second)
    return made


def _product(family: Family, name: str, number: int, rng: Rng, kind: Any) -> Any:
    said = family.said[rng.integer(len(family.said))].format(name=name)
    closer = rng.choice(CLOSERS[family.kind])
    # New goods come in through the years, one after the other.
    set_clock(OPENED + (NOW - timedelta(days=4) - OPENED) * rng.uniform())
    return make(
        "catalogue.Product",
        title=name,
        slug=slugify(name),
        upc=f"TT{number:04d}",
        structure="parent" if family.variants else "standalone",
        is_public=name not in HIDDEN,
        product_class=kind,
        description=f"<p>{said}</p><p>{family.maker}. {closer}</p>",
        is_discountable=family.kind != "Gift card",
    )


def _values(product: Any, kind: str, attributes: dict[Any, Any], options: dict[Any, Any], rng: Rng) -> None:
    facts: Row = {
        "fibre": rng.choice(FIBRES), "length": 60 + 20 * rng.integer(18), "washable": rng.chance(0.4),
        "lightfastness": rng.choice(("I", "I", "II", "III")), "volume": rng.choice((5, 15, 37, 60)),
        "grammage": rng.choice((90, 120, 160, 300)), "sheets": rng.choice((12, 20, 40, 60)),
        "acid_free": rng.chance(0.8),
        "pieces": rng.choice((1, 2, 4, 6, 12)), "composition": rng.choice(("linen", "cotton", "wool",
        "cotton and linen")),
        "width": rng.choice((110, 137, 150)), "material": rng.choice(("carbon steel", "beech", "brass", "rosewood")),
        "author": rng.choice(AUTHORS), "pages": 96 + 8 * rng.integer(30),
        "published": date(2009, 1, 5) + timedelta(days=rng.integer(6000)), "hours": rng.choice((1.5, 2.0, 4.0, 8.0)),
        "weight": 0.5 + rng.integer(20) / 2,
    }  # fmt: skip
    chosen = {"weight": rng.choice(WEIGHTS), "shape": rng.choice(SHAPES), "difficulty": rng.choice(LEVELS)}
    rows = []
    for _, code, sort in ATTRIBUTES[kind]:
        value = options[code, chosen[code]] if sort == "option" else facts.get(code)
        if value is not None:
            rows.append({"product": product, "attribute": attributes[kind, code], f"value_{sort}": value})
    make_all("catalogue.ProductAttributeValue", rows)


def _stock(product: Any, family: Family, partner: Any, rng: Rng, attributes: dict[Any, Any]) -> None:
    low, high = family.pence
    if family.kind == "Gift card":
        price = Decimal(product.title.rpartition("£")[2])
    else:
        # Prices end in 5 or 9 pence, as on the labels in the shop.
        price = Decimal((low + rng.integer(high - low)) // 10 * 10 + rng.choice((5, 9))) / 100
    sellable = [product]
    if family.variants:
        sellable = [
            make("catalogue.Product", title=f"{product.title} {variant}", slug=slugify(f"{product.title} {variant}"),
            structure="child",
                 parent=product, upc=f"{product.upc}-{turn}", is_discountable=True)
            for turn, variant in enumerate(family.variants, start=1)
        ]  # fmt: skip
        code = "size" if family.kind == "Brush" else "colour"
        for child, variant in zip(sellable, family.variants, strict=True):
            make(
                "catalogue.ProductAttributeValue",
                product=child,
                attribute=attributes[family.kind, code],
                value_text=variant,
            )
    for turn, item in enumerate(sellable):
        grown = price + Decimal(turn) * 3 if family.kind == "Brush" else price
        stocked = rng.choice((0, 2, 5, 8, 14, 25, 40, 60))
        make(
            "partner.StockRecord",
            product=item,
            partner=partner,
            partner_sku=f"{partner.code[:2].upper()}-{item.upc}",
            price_currency="GBP",
            price=grown,
            num_in_stock=None if family.kind == "Gift card" else stocked,
            num_allocated=0,
            low_stock_threshold=3,
        )


def _recommend() -> None:
    sold = list(model("catalogue.Product").objects.filter(is_public=True).exclude(structure="child").order_by("pk"))
    rows = []
    for product in sold:
        rng = Rng("oscar-seed", "recommend", product.title)
        others = [other for other in sold if other.pk != product.pk]
        rows += [{"primary": product, "recommendation": other, "ranking": rank}
                 for rank, other in enumerate(rng.sample(others, 3))] if rng.chance(0.4) else []  # fmt: skip
    make_all("catalogue.ProductRecommendation", rows)
