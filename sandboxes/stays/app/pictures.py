"""Pictures of homes: a drawn exterior in its landscape, and four drawn rooms, coloured by the home's own palette."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from envsim.rng import Rng

# sky, far, near, wall, roof, trim
PALETTES: tuple[tuple[str, ...], ...] = (
    ("#cfe3ea", "#9dbcc0", "#6d9a86", "#f3e6d0", "#b5573c", "#5a3a2c"),
    ("#f6dcc4", "#d9ab8c", "#a97f64", "#fbf4e8", "#7b4b45", "#3f2b2b"),
    ("#d7e6d3", "#a3bf9a", "#6f9468", "#e9dfc8", "#50656b", "#2c3a3f"),
    ("#e3def0", "#b3a9cf", "#7f7aa8", "#f4ece3", "#96506a", "#46304a"),
    ("#fbe7c3", "#e2bf80", "#a88f57", "#f8f0dc", "#3f6d75", "#27444a"),
    ("#cddff2", "#96b3d2", "#5e83a4", "#eef1ee", "#c0503a", "#33414d"),
    ("#f3d9d5", "#d8a39c", "#9c756f", "#fff6ea", "#46706a", "#2f4743"),
    ("#dfe7dd", "#b4c4b0", "#7d9479", "#d9c3a2", "#8a5a34", "#4a3424"),
)
ROOMS = ("outside", "living", "bedroom", "kitchen", "view")
CAPTIONS = ("Outside", "Living room", "Bedroom", "Kitchen", "The view")


def _load() -> dict[str, str]:
    """Name -> drawing in a 480 x 320 box; {s}ky, {f}ar, {n}ear, {w}all, {r}oof and {t}rim stand for colours."""
    text = Path(__file__).with_name("static").joinpath("scenes.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t", 1) for line in text.splitlines() if line)


SCENES = _load()
MARK = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#b8452f"/>'
    b'<path fill="#fff" d="M16 5 5 14h3v12h16V14h3zm0 9a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z"/></svg>'
)


@lru_cache(maxsize=1200)
def picture(slug: str, number: int, kind: str, scene: str) -> bytes:
    """Picture `number` (from 1) of a home or place as SVG; the same bytes every time."""
    rng = Rng("stays-picture", slug)
    palette = rng.choice(PALETTES)
    room = ROOMS[(number - 1) % len(ROOMS)]
    flip = ' transform="matrix(-1 0 0 1 480 0)"' if rng.chance(0.5) else ""
    if room == "outside" and kind != "place":
        drawing = SCENES[scene] + SCENES[kind]
    elif room in ("outside", "view"):
        drawing = SCENES[scene] + (SCENES["frame"] if kind != "place" else "")
    else:
        drawing = SCENES["floor"] + SCENES[f"{room}-{1 + rng.integer(2)}"]
    for letter, colour in zip("sfnwrt", palette, strict=True):
        drawing = drawing.replace("{" + letter + "}", colour)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 320"><g{flip}>{drawing}</g></svg>'
    return svg.encode()
