"""Product pictures: a quiet drawing of each kind of thing, coloured by its slug. The same bytes every time."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from envsim.rng import Rng

# background, main, dark, light
PALETTES: tuple[tuple[str, str, str, str], ...] = (
    ("#efe8da", "#b4794a", "#7d4f2c", "#dcb58d"),
    ("#e6ebe2", "#5f7f63", "#3c5642", "#a9c0a6"),
    ("#e9e6e0", "#5b6670", "#394149", "#a3adb6"),
    ("#f3e4dc", "#b4532f", "#7c351b", "#e0a084"),
    ("#e2e8ee", "#4a6a8a", "#2d475f", "#9db5cb"),
    ("#f2ecd9", "#c09a3e", "#856824", "#e3cb8c"),
    ("#ebe3e6", "#85586a", "#583644", "#c3a1af"),
    ("#e4ece9", "#3f7a70", "#25524b", "#93bcb4"),
)


def _load_shapes() -> dict[str, str]:
    """Last word or words of a slug -> drawing in a 320 x 320 box; {m}ain, {d}ark and {l}ight stand for colours."""
    text = Path(__file__).with_name("static").joinpath("shapes.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines())


SHAPES = _load_shapes()

SAME: dict[str, str] = {
    "duvet-cover": "folded", "fitted-sheet": "folded", "blanket": "folded", "bath-towel": "folded", "throw": "folded",
    "bath-mat": "rug", "pillowcase": "pillow", "cushion": "pillow", "reading-light": "desk-lamp",
    "side-table": "table", "coffee-table": "table", "dining-chair": "chair", "folding-chair": "chair",
    "camp-chair": "chair", "hand-trowel": "tool", "duffel-bag": "bag", "wash-bag": "bag", "packing-cubes": "boxes",
    "storage-box": "boxes", "laundry-hamper": "basket", "shoe-rack": "rack", "scented-candle": "candle",
}  # fmt: skip


def _shape(slug: str) -> str:
    words = slug.split("-")
    for tail in ("-".join(words[-2:]), words[-1]):
        if tail in SAME:
            return SHAPES[SAME[tail]]
        if tail in SHAPES:
            return SHAPES[tail]
    return SHAPES["leaf"]


@lru_cache(maxsize=512)
def picture(slug: str) -> bytes:
    """The picture of a product as SVG; anything unknown gets the shop's leaf."""
    rng = Rng("shop-picture", slug)
    background, main, dark, light = rng.choice(PALETTES)
    x = 90 + rng.integer(140)
    shape = _shape(slug).replace("{m}", main).replace("{d}", dark).replace("{l}", light)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320">'
        f'<rect width="320" height="320" fill="{background}"/>'
        f'<circle cx="{x}" cy="130" r="118" fill="#fff" opacity=".35"/>'
        '<ellipse cx="160" cy="248" rx="112" ry="13" fill="#000" opacity=".07"/>'
        f"{shape}</svg>"
    ).encode()
