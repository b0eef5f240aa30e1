"""A drawing for each kind of goods in each of a few colours; products share them."""

from __future__ import annotations

from pathlib import Path

from envsim.rng import draw

INKS = ("#5b7553", "#4a5a6a", "#9c4a4f", "#b08d57", "#2f4b6e", "#c98b2b", "#6d4c7d", "#3f7f7a")
FOLDER = "images/products/2024/09"
SHAPES = {
    "Yarn": '<circle cx="200" cy="205" r="110" fill="{ink}"/><g fill="none" stroke="#fff" stroke-opacity=".55" stroke-width="7">'
    '<path d="M110 150q90 90 190 70M102 200q90 90 170 86M150 110q60 90 158 70M120 260q100-40 170-150"/></g>'
    '<path d="M290 270q60 40 80 10" fill="none" stroke="{ink}" stroke-width="9"/>',
    "Paint": '<path d="M150 120h100v190q-50 30-100 0z" fill="#e7e3da" stroke="#8a867c" stroke-width="5"/>'
    '<rect x="150" y="180" width="100" height="70" fill="{ink}"/><path d="M172 120v-46h56v46z" fill="#6b675f"/>',
    "Brush": '<path d="M90 320 260 150l18 18L108 338z" fill="#b08d57"/><path d="M256 146l26-26 28 28-26 26z" fill="#9aa0a6"/>'
    '<path d="M284 120q60-60 60-60-6 50-34 88z" fill="{ink}"/>',
    "Paper": '<path d="M90 110h180l50 50v160H90z" fill="#fbf8f1" stroke="#b9b3a6" stroke-width="5"/>'
    '<path d="M270 110v50h50" fill="{ink}" fill-opacity=".6"/><path d="M120 290q60-90 100-40t80-50" fill="none" stroke="{ink}" stroke-width="8"/>',
    "Drawing": '<path d="M80 300 270 110l40 40L120 340z" fill="{ink}"/><path d="M80 300l40 40-56 16z" fill="#e9cfa3"/>'
    '<path d="M270 110l20-20 40 40-20 20z" fill="#d98c8c"/>',
    "Fabric": '<path d="M70 130h260v60H70z" fill="{ink}"/><path d="M70 190h260v60H70z" fill="{ink}" fill-opacity=".75"/>'
    '<path d="M70 250h260v60H70z" fill="{ink}" fill-opacity=".5"/>',
    "Thread": '<rect x="140" y="100" width="120" height="26" fill="#b08d57"/><rect x="155" y="126" width="90" height="150" fill="{ink}"/>'
    '<rect x="140" y="276" width="120" height="26" fill="#b08d57"/>',
    "Tool": '<g fill="none" stroke="{ink}" stroke-width="16"><circle cx="140" cy="290" r="38"/><circle cx="260" cy="290" r="38"/>'
    '<path d="M160 258 270 90M240 258 130 90"/></g>',
    "Material": '<path d="M90 170h220v150H90z" fill="{ink}"/><path d="M90 170l40-50h220l-40 50z" fill="{ink}" fill-opacity=".7"/>'
    '<path d="M310 170l40-50v150l-40 50z" fill="{ink}" fill-opacity=".5"/>',
    "Book": '<path d="M110 90h180v230H130q-20 0-20-20z" fill="{ink}"/><path d="M130 300h160v20H130z" fill="#fbf8f1"/>'
    '<path d="M140 130h120M140 156h80" stroke="#fff" stroke-width="9"/>',
    "Kit": '<rect x="90" y="150" width="220" height="160" fill="{ink}"/><rect x="80" y="120" width="240" height="44" fill="{ink}" fill-opacity=".8"/>'
    '<path d="M190 120h20v190h-20z" fill="#fbf8f1"/><path d="M200 120q-60-60-70-20t70 20q60-60 70-20t-70 20" fill="none" stroke="#fbf8f1" stroke-width="10"/>',
    "Gift card": '<rect x="70" y="130" width="260" height="160" rx="14" fill="{ink}"/><path d="M70 180h260" stroke="#fbf8f1" stroke-width="10"/>'
    '<circle cx="280" cy="245" r="22" fill="#fbf8f1"/>',
}  # fmt: skip
FRAME = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" width="400" height="400"><rect width="400" height="400" fill="{paper}"/>{shape}</svg>\n'
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
