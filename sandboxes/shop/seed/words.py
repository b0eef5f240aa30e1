"""Hand-written words the catalogue is made of: categories, product types, brands, colours."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple


class Type(NamedTuple):
    """A kind of product: what it is called, made of, sized by, priced at (dollars), and one true sentence."""

    noun: str
    materials: tuple[str, ...]
    axis: str
    low: int
    high: int
    detail: str


CATEGORIES: dict[str, tuple[str, str]] = {
    "cookware": ("Cookware", "Pots, pans and tools that earn their place on the hob."),
    "tableware": ("Tableware", "Plates, glasses and serving pieces for every day and Sundays."),
    "bedding": ("Bed & Bath", "Linen, cotton and wool to wake up in and dry off with."),
    "lighting": ("Lighting", "Lamps and lanterns for reading, dining and long evenings."),
    "furniture": ("Furniture", "Small, sturdy pieces that go through the door in one box."),
    "garden": ("Garden", "Tools, pots and furniture for growing things outside."),
    "camping": ("Camping", "Shelter, sleep and supper for nights under canvas."),
    "travel": ("Packs & Travel", "Bags and bottles for commutes, hikes and airports."),
    "storage": ("Storage", "Baskets, boxes and hooks that make room for the rest."),
    "decor": ("Decor", "Vases, candles and textiles that finish a room."),
}

BRANDS: dict[str, tuple[str, ...]] = {
    "cookware": ("Hearthstead", "Café Brûlot", "Norrvik", "Oakham"),
    "tableware": ("Solène", "Norrvik", "Birch & Bell", "Café Brûlot"),
    "bedding": ("Solène", "Tidewater", "Birch & Bell", "Måne"),
    "lighting": ("Måne", "Norrvik", "Hearthstead", "Brightwell"),
    "furniture": ("Oakham", "Norrvik", "Brightwell", "Birch & Bell"),
    "garden": ("Grünhof", "Oakham", "Fieldway", "Tidewater"),
    "camping": ("Peakline", "Fieldway", "Kestrel", "Måne"),
    "travel": ("Kestrel", "Peakline", "Fieldway", "Tidewater"),
    "storage": ("Birch & Bell", "Oakham", "Norrvik", "Brightwell"),
    "decor": ("Solène", "Måne", "Tidewater", "Grünhof"),
}

LINES: tuple[str, ...] = (
    "Alba",
    "Arden",
    "Aster",
    "Bramble",
    "Briar",
    "Calder",
    "Clover",
    "Corrie",
    "Dale",
    "Drift",
    "Dune",
    "Eider",
    "Elder",
    "Ember",
    "Fen",
    "Ferris",
    "Finch",
    "Fjord",
    "Gale",
    "Glen",
    "Grove",
    "Harbour",
    "Haven",
    "Hazel",
    "Heath",
    "Hollow",
    "Isla",
    "Juniper",
    "Kelso",
    "Lark",
    "Linden",
    "Loch",
    "Marlow",
    "Meadow",
    "Mesa",
    "Moor",
    "Nettle",
    "Orchard",
    "Pebble",
    "Quill",
    "Ridge",
    "Rowan",
    "Sable",
    "Sedge",
    "Skye",
    "Sorrel",
    "Tarn",
    "Thistle",
    "Umber",
    "Vale",
    "Wicker",
    "Willow",
    "Wren",
    "Yarrow",
)

COLOURS: tuple[str, ...] = (
    "Oat",
    "Moss",
    "Charcoal",
    "Clay",
    "Indigo",
    "Rust",
    "Sand",
    "Ivory",
    "Slate",
    "Ochre",
    "Fern",
    "Plum",
)

AXES: dict[str, tuple[str, ...]] = {
    "size": ("Small", "Medium", "Large"),
    "litres": ("1 L", "2 L", "3.5 L", "5 L"),
    "cm": ("20 cm", "24 cm", "28 cm"),
    "bed": ("Single", "Double", "King"),
    "set": ("Set of 2", "Set of 4", "Set of 6"),
    "person": ("1 person", "2 person", "4 person"),
    "one": ("Standard",),
}


def load_types() -> dict[str, list[Type]]:
    """Category -> its kinds of product, from ``types.csv``."""
    types: dict[str, list[Type]] = {}
    with Path(__file__).with_name("types.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = Type(
                row["noun"],
                tuple(row["materials"].split("|")),
                row["axis"],
                int(row["low"]),
                int(row["high"]),
                row["detail"],
            )
            types.setdefault(row["category"], []).append(kind)
    return types
