"""The handbook's pages and how they came to be: texts written by hand, in tables beside this file, put together."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from envsim.rng import Rng

OPENED = datetime(2024, 2, 3, 18, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

MEMBERS = (
    "Beatrix Arnold", "Tomas Hruby", "Leonie Falk", "Samuel Okoro", "Greta Winter", "Pavel Novotny", "Anneke de Boer",
    "Ruth Adler", "Yusuf Kaplan", "Mirjam Stein", "Oskar Lund", "Dalia Haddad", "Frieda Keller", "Ivo Maric",
)  # fmt: skip
"""The first is the wiki's administrator, the second the tool steward."""

KINDS = {
    "vegetables": "What most of us grow most of. Sow little and often, and write down the dates.",
    "fruit": "Trees need the committee's consent, bushes do not. Prune when it is dry.",
    "herbs": "Grow them near the path, where you will pass them.",
    "flowers": "For bees and kitchen tables.",
}


class Revision(NamedTuple):
    """One commit to be: what it changes, path -> content."""

    date: datetime
    author: str
    message: str
    files: dict[str, bytes]


class Draft(NamedTuple):
    """A page in its successive versions, each with the message of whoever saved it."""

    path: str
    versions: list[tuple[str, str]]


def rows(name: str) -> list[list[str]]:
    """The lines of a table beside this file."""
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def revisions() -> list[Revision]:
    """Every edit of every page, in the order in which they were made."""
    found = []
    for at, draft in enumerate(drafts()):
        rng = Rng("otterwiki", "history", draft.path)
        date = _begun(rng, at, draft.path)
        owner = rng.integer(len(MEMBERS))
        for number, (text, message) in enumerate(draft.versions):
            author = owner if number == 0 or rng.chance(0.3) else rng.integer(len(MEMBERS))
            found.append(Revision(date, MEMBERS[author], message, {draft.path: text.encode()}))
            date = _later(rng, date, 200)
    return sorted(found, key=lambda revision: (revision.date, sorted(revision.files)))


def _begun(rng: Rng, at: int, path: str) -> datetime:
    """When somebody first wrote a page."""
    if path.startswith("minutes/"):
        year, month = path.removesuffix(".md")[-7:].split("-")
        return datetime(int(year), int(month), 9, 20, rng.integer(60), tzinfo=UTC)
    if path.startswith("plots/plot"):  # as the minutes of January 2026 ask for
        return datetime(2026, 1, 12 + rng.integer(16), 8 + rng.integer(13), rng.integer(60), tzinfo=UTC)
    return OPENED + timedelta(hours=at, minutes=rng.integer(50)) if at < 4 else _later(rng, OPENED, 300)


def _later(rng: Rng, date: datetime, days: int) -> datetime:
    """A time of day at which people write, up to `days` later and before today."""
    later = date + timedelta(days=1 + rng.integer(days))
    later = later.replace(hour=8 + rng.integer(14), minute=rng.integer(60), second=rng.integer(60))
    last = NOW - timedelta(days=1 + rng.integer(12), hours=rng.integer(9))
    return min(later, last)


def drafts() -> Iterator[Draft]:
    """Every page."""
    yield from _front()
    yield from _plants()
    yield from _troubles()
    yield from _calendar()
    yield from _howtos()
    yield from _tools()
    yield from _plots()
    yield from _minutes()


def _page(path: str, *versions: tuple[str, str]) -> Draft:
    return Draft(f"{path.lower()}.md", [(text.strip() + "\n", message) for text, message in versions])


def _front() -> Iterator[Draft]:
    texts = dict(_sections((Path(__file__).with_name("front.md")).read_text(encoding="utf-8")))
    for path, text in texts.items():
        first = text.split("\n## ", 1)[0]
        versions = [(first, "First version")] if first != text else []
        yield _page(path, *versions, (text, "Sections added" if versions else "First version"))


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Pages of one file: each begins with a line ``=== Path``."""
    for part in text.split("\n=== ")[1:]:
        path, _, body = part.partition("\n")
        yield path.strip(), body.strip()


def _plants() -> Iterator[Draft]:
    table = rows("plants.tsv")
    for name, latin, sow, plant, space, harvest, likes, note, enemy, kind in table:
        head = f"# {name}\n\n*{latin}*, see [[{kind.capitalize()}|Plants/{kind.capitalize()}]].\n"
        facts = (
            f"\n| What | How |\n|---|---|\n| Sow | {sow} |\n| Plant out | {plant} |\n| Spacing | {space} |\n"
            f"| Harvest | {harvest} |\n| Likes | {likes} |\n"
        )
        notes = f"\n## Notes\n\n{note}\n"
        trouble = f"\n## Troubles\n\n- [[{enemy}|Troubles/{enemy}]]\n"
        yield _page(
            f"Plants/{name}",
            (head + facts.replace(space, "to be measured"), f"{name}: what I know"),
            (head + facts + notes, "Spacing and notes"),
            (head + facts + notes + trouble, f"What troubles it: {enemy.lower()}"),
        )
    for kind, text in KINDS.items():
        names = sorted(row[0] for row in table if row[9] == kind)
        listed = "\n".join(f"- [[{name}|Plants/{name}]]" for name in names)
        yield _page(f"Plants/{kind}", (f"# {kind.capitalize()}\n\n{text}\n\n{listed}", f"List of {kind}"))


def _troubles() -> Iterator[Draft]:
    table, plants = rows("troubles.tsv"), rows("plants.tsv")
    for name, looks, remedy, remark in table:
        hit = "\n".join(f"- [[{row[0]}|Plants/{row[0]}]]" for row in plants if row[8] == name)
        base = f"# {name}\n\n**What one sees:** {looks}.\n\n## What to do\n\n{remedy}\n"
        yield _page(
            f"Troubles/{name}",
            (base, "From last year's notes"),
            (f"{base}\n> {remark}\n\n## Seen on\n\n{hit}", "Where it was seen"),
        )
    listed = "\n".join(f"- [[{row[0]}|Troubles/{row[0]}]]" for row in sorted(table))
    yield _page("Troubles", (f"# Troubles\n\nWhat eats, rots and spots.\n\n{listed}", "List"))


def _calendar() -> Iterator[Draft]:
    table = rows("months.tsv")
    for month, jobs, remark in table:
        listed = "\n".join(f"- [ ] {job}" for job in jobs.split("|"))
        yield _page(
            f"Calendar/{month}",
            (f"# {month}\n\n{listed}", f"Jobs in {month}"),
            (f"# {month}\n\n{listed}\n\n{remark}", "Dates of the site"),
        )
    listed = "\n".join(f"1. [[{row[0]}|Calendar/{row[0]}]]" for row in table)
    yield _page("Calendar", (f"# Calendar\n\nWhat is to be done, month by month.\n\n{listed}", "Twelve months"))


def _howtos() -> Iterator[Draft]:
    for path, text, points in rows("howtos.tsv"):
        title = path.partition("/")[2]
        listed = "\n".join(f"- {point}" for point in points.split("|"))
        yield _page(
            path,
            (f"# {title}\n\n{text}", "Written down after the course"),
            (f"# {title}\n\n{text}\n\n## Remember\n\n{listed}", "What to remember"),
        )


def _tools() -> Iterator[Draft]:
    for name, place, price, rule, year in rows("tools.tsv"):
        text = f"# {name}\n\nKept: {place}.\n\nPrice: {price}.\n\nRule: {rule}.\n"
        yield _page(f"Tools/{name}", (text, "Inventory"), (f"{text}\nBought in {year}.", "When it was bought"))


def _plots() -> Iterator[Draft]:
    for number in range(1, 15):
        rng = Rng("otterwiki", "plot", number)
        size, rent = 120 + 20 * rng.integer(6), 31 + 4 * rng.integer(6)
        side = "lower" if number > 9 else "upper"
        soil = rng.choice(("heavy loam", "sandy loam", "loam over gravel", "black and wet"))
        text = (
            f"# Plot {number}\n\n| What | Measured |\n|---|---|\n| Size | {size} square metres |\n"
            f"| Rent | {rent}.00 a year |\n| Side | {side} |\n| Soil | {soil} |\n| Holder | {MEMBERS[number - 1]} |\n"
        )
        remark = rng.choice(
            ("The tap drips.", "Shares a shed with its neighbour.", "The apple tree belongs to the plot.",
             "Floods in February.", "Hedge to be cut by the holder.")
        )  # fmt: skip
        yield _page(f"Plots/Plot {number}", (text, f"Plot {number}"), (f"{text}\n{remark}", "As measured"))


def _minutes() -> Iterator[Draft]:
    texts = dict(_sections((Path(__file__).with_name("minutes.md")).read_text(encoding="utf-8")))
    for path, text in texts.items():
        yield _page(path, (text, "Minutes"), (f"{text}\n\n*Approved at the meeting after this one.*", "Approved"))
