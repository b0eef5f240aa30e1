"""Files that hang on pages: drawn or written here."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from PIL import Image, ImageDraw

from .pages import MEMBERS, Revision

PAPER, INK, GREEN, WATER = (250, 247, 240), (60, 60, 60), (150, 190, 120), (130, 170, 200)


def attachments() -> list[Revision]:
    """Each with the commit that brought it."""
    rent = "plot,holder,square metres,rent\n" + "".join(
        f"{number},{holder},{120 + 20 * (number % 6)},{31 + 4 * (number % 6)}.00\n"
        for number, holder in enumerate(MEMBERS, 1)
    )
    rules = "WEIR MEADOW ALLOTMENT SOCIETY\nRules as agreed on 6 May 2025\n\nSee the wiki for what they mean.\n"
    return [
        Revision(
            datetime(2025, 2, 16, 20, 5, tzinfo=UTC), MEMBERS[0], "Plan of the site", {"plots/site-plan.png": plan()}
        ),
        Revision(
            datetime(2025, 5, 8, 21, 40, tzinfo=UTC), MEMBERS[0], "As signed", {"rules/rules-2025.txt": rules.encode()}
        ),
        Revision(
            datetime(2025, 6, 3, 19, 12, tzinfo=UTC), MEMBERS[9], "The three bays", {"how to/compost/bays.png": bays()}
        ),
        Revision(
            datetime(2026, 1, 21, 18, 30, tzinfo=UTC),
            MEMBERS[2],
            "Rent list",
            {"committee/rent-2026.csv": rent.encode()},
        ),
    ]


def plan() -> bytes:
    """Fourteen plots between the mill race and the railway, as a PNG."""
    image = Image.new("RGB", (640, 360), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 320, 640, 360), fill=WATER)
    draw.line((0, 12, 640, 12), fill=INK, width=4)
    for number in range(14):
        row, column = divmod(number, 9) if number < 9 else (1, number - 9)
        left, top = 20 + column * 68, 40 + row * 140
        draw.rectangle((left, top, left + 58, top + 110), fill=GREEN, outline=INK)
        draw.text((left + 22, top + 48), str(number + 1), fill=INK)
    return _png(image)


def bays() -> bytes:
    """Three compost bays, as a PNG."""
    image = Image.new("RGB", (420, 180), PAPER)
    draw = ImageDraw.Draw(image)
    for number, (word, fill) in enumerate((("ripe", (90, 70, 50)), ("filling", GREEN), ("resting", (140, 110, 80)))):
        left = 20 + number * 130
        draw.rectangle((left, 40 + 20 * number, left + 110, 150), fill=fill, outline=INK)
        draw.text((left + 30, 155), word, fill=INK)
    return _png(image)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
