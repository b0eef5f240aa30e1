"""A drawing for each kind of goods in each of a few colours; products share them."""

from __future__ import annotations

from pathlib import Path

from envsim.rng import draw

INKS = ("#5b7553", "#4a5a6a", "#9c4a4f", "#b08d57", "#2f4b6e", "#c98b2b", "#6d4c7d", "#3f7f7a")
FOLDER = "images/products/2024/09"
SHAPES = dict(
    line.split("\t") for line in Path(__file__).with_name("shapes.tsv").read_text(encoding="utf-8").splitlines()
)
FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400">'
    '<rect width="400" height="400" fill="{paper}"/>{shape}</svg>\n'
)
MISSING = '<path d="M120 120h160v160H120z" fill="none" stroke="#b9b3a6" stroke-width="8" stroke-dasharray="18 12"/>'


def picture_of(kind: str, name: str) -> str:
    """The path of a product's picture below the media folder."""
    return f"{FOLDER}/{_slug(kind)}-{draw('oscar-seed', 'ink', name) % len(INKS)}.svg"


def fill(media: Path) -> None:
    """Write all pictures below `media`."""
    (media / FOLDER).mkdir(parents=True, exist_ok=True)
    for kind, shape in SHAPES.items():
        for number, ink in enumerate(INKS):
            text = FRAME.format(paper="#f4efe6", shape=shape.format(ink=ink))
            (media / FOLDER / f"{_slug(kind)}-{number}.svg").write_text(text, encoding="utf-8")
    (media / "missing.svg").write_text(FRAME.format(paper="#f4efe6", shape=MISSING), encoding="utf-8")


def _slug(kind: str) -> str:
    return kind.lower().replace(" ", "-")
