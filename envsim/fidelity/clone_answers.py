"""One answer of an app, as far as it is known, and how two of them agree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from envsim.fidelity.clone_lines import Difference, Mask, compare, delta_lines, json_lines, page_lines
from envsim.fidelity.clone_session import Replay, Session
from envsim.page.har import Exchange
from envsim.trace import Step

ASPECTS = ("done", "status", "redirect", "page", "delta")
"""What is compared, in the order in which it is reported."""
_NUMBER = re.compile(r"(?<![^\W_])([A-Za-z]{3,}(?=\d+(?![^\W_])))?[^\W_]*\d[^\W_]*")


@dataclass(frozen=True)
class Answer:
    """What one action was answered; None for what is not known.

    Attributes:
        asked: Whether the app was asked anything.
        route: Method and path of the first page or call asked for; "" where nothing was.
        statuses: Of the pages or calls, a redirect and what it led to.
        landed: Path and query it ended on.
        lines: Of the page or result.
        delta: Of the state, as lines.
        wait_ms: What the app took.
        note: How a replay had to help itself.
    """

    asked: bool | None
    route: str = ""
    statuses: tuple[int, ...] | None = None
    landed: str | None = None
    lines: tuple[str, ...] | None = None
    delta: tuple[str, ...] | None = None
    wait_ms: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """How the clone's answer agrees with production's; None for an aspect that is not known on both sides.

    Attributes:
        aspects: Of `ASPECTS`.
        page: The difference of the lines.
        delta: The difference of the state deltas.
    """

    aspects: dict[str, bool | None]
    page: Difference = field(default_factory=Difference)
    delta: Difference = field(default_factory=Difference)

    @property
    def agrees(self) -> bool:
        """Whether nothing that is known differs."""
        return False not in self.aspects.values()

    @property
    def wrong(self) -> tuple[str, ...]:
        """The aspects that differ."""
        return tuple(name for name in ASPECTS if self.aspects.get(name) is False)


def recorded(session: Session) -> list[Answer]:
    """Production's answers, one a step."""
    browser = session.pages
    known = bool(session.network)
    deltas = session.exact or any(step.delta for step in session.trace.steps)
    before = ""
    out = []
    for step in session.trace.steps:
        network = [one for one in session.network if one.step == step.index]
        out.append(_answer(step, network, browser=browser, network_known=known, delta_known=deltas, before=before))
        before = step.observation.url
    return out


def replayed(session: Session, replay: Replay) -> list[Answer]:
    """The clone's answers, one a step as far as the replay went."""
    browser = session.pages
    out = []
    before = ""
    for step in replay.steps:
        network = [one for one in replay.network if one.step == step.index]
        note = replay.notes.get(step.index, "")
        out.append(
            _answer(step, network, browser=browser, network_known=True, delta_known=True, before=before, note=note)
        )
        before = step.observation.url
    return out


def _answer(
    step: Step,
    network: Sequence[Exchange],
    *,
    browser: bool,
    network_known: bool,
    delta_known: bool,
    before: str,
    note: str = "",
) -> Answer:
    seen = step.observation
    pages = [one for one in network if one.is_document] if browser else list(network)
    waits = [one.wait_ms for one in pages if one.wait_ms is not None]
    lines = page_lines(seen.page) + json_lines(seen.result) + ((f"error: {seen.error}",) if seen.error else ())
    # A page without a single line was not recorded: no page is empty to whoever looks at it.
    known = bool(lines) or not (browser and network_known and pages) or any(one.body == b"" for one in pages[-1:])
    asked = bool(pages) if network_known else None
    return Answer(
        asked=asked,
        route=_route(step, pages, before),
        statuses=tuple(one.status for one in pages) if network_known else None,
        landed=seen.url if browser and seen.url else None,
        lines=lines if known else None,
        delta=delta_lines(step.delta) if delta_known else None,
        wait_ms=sum(waits) if waits else None,
        note=note,
    )


def _route(step: Step, pages: Sequence[Exchange], before: str) -> str:
    if pages:
        return f"{pages[0].request.method} {pages[0].request.target.partition('?')[0]}"
    action = step.action
    if action is not None and action.kind == "call" and not step.observation.url:
        return f"CALL {action.name}"
    if step.index == 0 or (step.observation.url and step.observation.url != before):
        return f"GET {step.observation.url.partition('?')[0]}"
    return ""


def judge(production: Answer, clone: Answer, mask: Mask) -> Verdict:
    """How the clone's answer agrees with production's under what is volatile."""
    aspects: dict[str, bool | None] = dict.fromkeys(ASPECTS)
    aspects["done"] = not clone.note
    page = delta = Difference()
    if production.statuses is not None and clone.statuses is not None:
        aspects["status"] = production.statuses == clone.statuses
    if production.landed is not None and clone.landed is not None:
        aspects["redirect"] = compare([f"at {production.landed}"], [f"at {clone.landed}"], mask).equal
    if production.lines is not None and clone.lines is not None:
        page = compare(production.lines, clone.lines, mask)
        aspects["page"] = page.equal
    if production.delta is not None and clone.delta is not None:
        delta = compare(production.delta, clone.delta, mask)
        aspects["delta"] = delta.equal
    return Verdict(aspects, page, delta)


def learn(mask: Mask, one: Answer, two: Answer) -> None:
    """Take in two answers to the same request: what they differ in is volatile."""
    mask.learn(one.lines or (), two.lines or ())
    mask.learn(one.delta or (), two.delta or ())
    if one.landed and two.landed:
        mask.learn([f"at {one.landed}"], [f"at {two.landed}"])


def counted(production: Answer, clone: Answer) -> bool:
    """Whether this is an answer at all, of one or the other, and not a field being typed into."""
    return bool(production.asked or clone.asked or clone.note)


class Routes:
    """Names routes so that pages of one kind share one: ``GET /p/*``, ``GET /orders/#``.

    Args:
        paths: Every route that comes up, as ``METHOD /path``.
    """

    MANY = 4
    """More different last parts than this below one path are one kind of page."""

    def __init__(self, paths: Iterable[str]) -> None:
        below: dict[tuple[str, ...], set[str]] = {}
        for path in paths:
            parts = self._parts(path)
            below.setdefault((*parts[:-1], str(len(parts))), set()).add(parts[-1])
        self._wide = {parent for parent, last in below.items() if len(last) > self.MANY and len(parent) > 3}

    def name(self, path: str) -> str:
        """The route of a path."""
        parts = self._parts(path)
        if (*parts[:-1], str(len(parts))) in self._wide:
            parts[-1] = "*"
        return f"{parts[0]} {'/'.join(parts[1:]) or '/'}" if len(parts) > 1 else parts[0]

    @staticmethod
    def _parts(path: str) -> list[str]:
        method, _, rest = path.partition(" ")
        # issue17 is an issue; 17 and a3f9c2 are only numbers.
        numbered = [_NUMBER.sub(r"\1#", part) for part in rest.split("/")]
        return [method, *numbered]
