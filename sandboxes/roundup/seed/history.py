"""How reports went: who opened them, what was asked and answered, how they ended. No Roundup in here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from envsim.rng import Rng

from . import talk
from .people import DEVELOPERS, REPORTERS
from .reports import AREAS

LAST = datetime(2026, 2, 27, 17, 0, tzinfo=UTC)
PRIORITY = {"c": "critical", "u": "urgent", "b": "bug", "f": "feature", "w": "wish"}
TEAM = {area: DEVELOPERS[number % len(DEVELOPERS)][0] for number, area in enumerate(AREAS)}


@dataclass(frozen=True)
class Report:
    """One line of `reports.AREAS`."""

    area: str
    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class Step:
    """Somebody says or changes something in a report; the first of a report opens it."""

    moment: datetime
    who: str
    report: Report
    text: str = ""
    values: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def history(first: datetime) -> list[Step]:
    """All steps of all reports from `first` on, in order."""
    draw, opened, steps = Rng(0, "roundup"), first, []
    for report in draw.shuffled([*_reports()]):
        opened += timedelta(minutes=600 + draw.integer(3600))
        steps += [step for step in _course(draw, report, opened) if step.moment < LAST]
    return sorted(steps, key=lambda step: step.moment)


def _reports() -> Iterator[Report]:
    for area, lines in AREAS.items():
        for line in lines.strip().splitlines():
            title, text = line[2:].split(" | ")
            yield Report(area, line[0], title, text)


def _course(draw: Rng, report: Report, opened: datetime) -> Iterator[Step]:
    reporter, owner = draw.choice(REPORTERS)[0], TEAM[report.area]
    words = {"text": report.text, "version": draw.choice(talk.VERSIONS), "place": draw.choice(talk.PLACES)}
    opening = draw.choice(talk.WISH if report.kind in "fw" else talk.OPENING).format(**words)
    values = {"title": report.title, "priority": PRIORITY[report.kind], "keyword": report.area}
    files = {"steps.txt": talk.STEPS.format(title=report.title)} if draw.chance(0.08) else {}
    yield Step(opened, reporter, report, opening, values, files)
    moment = opened
    for who, text, change in _turns(draw, report, reporter, owner):
        moment += timedelta(minutes=20 + draw.integer(60 * 24 * 6))
        log = talk.LOG.format(day=f"{moment:%Y-%m-%d}", number=3 + draw.integer(40))
        yield Step(moment, who, report, text, change, {"heron.log": log} if text.startswith("Attached") else {})


def _turns(draw: Rng, report: Report, reporter: str, owner: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Who says what, and what they change, one after the other; some reports wait for somebody to look at them."""
    if draw.chance(0.22):
        return
    if report.kind in "fw":
        if draw.chance(0.5):
            yield draw.choice(REPORTERS)[0], draw.choice(talk.TOO), {}
        if draw.chance(0.6):
            yield owner, draw.choice(talk.LATER), {"status": "deferred", "assignedto": owner}
        return
    if draw.chance(0.6):
        yield owner, draw.choice(talk.ASK), {"status": "need-eg", "assignedto": owner}
        if draw.chance(0.25):
            if draw.chance(0.5):
                yield owner, draw.choice(talk.CLOSING), {"status": "resolved"}
            return
        yield reporter, draw.choice(talk.ANSWER), {"status": "chatting"}
    if draw.chance(0.3):
        yield draw.choice(REPORTERS)[0], draw.choice(talk.TOO), {}
    if draw.chance(0.75):
        yield owner, draw.choice(talk.FOUND), {"status": "in-progress", "assignedto": owner}
        if draw.chance(0.7):
            yield (
                owner,
                draw.choice(talk.DONE),
                {"status": draw.choice(("testing", "resolved", "resolved", "resolved"))},
            )
