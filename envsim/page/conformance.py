"""Do two page drivers show the same app? A walk over every page that links reach, in both."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from envsim.page import controls, forms
from envsim.page.driver import PageDriver
from envsim.page.lines import Line, format_lines, split_options
from envsim.page.snapshot import Page
from envsim.page.urls import inside, without_fragment
from envsim.types import Action

SAMPLES = {
    "number": "3", "range": "3", "date": "2026-03-31", "month": "2026-03", "week": "2026-W09", "time": "14:30",
    "datetime-local": "2026-03-31T14:30", "color": "#336699", "email": "ada@example.com", "url": "https://example.com/",
    "tel": "5550100",
}  # fmt: skip
"""What is typed into a field of each type; other types get a word."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A moment at which the drivers disagreed.

    Attributes:
        page: Target that was open.
        action: Call string of what had just been done.
        detail: What differs: a unified diff of the lines, or both values.
    """

    page: str
    action: str
    detail: str


def compare(first: PageDriver, second: PageDriver, where: str, action: str) -> list[Difference]:
    """How the pages now open in two drivers differ; empty when they do not."""
    a, b = first.observe(), second.observe()
    out = [
        Difference(where, action, f"{name}: {getattr(a, name)!r} != {getattr(b, name)!r}")
        for name in ("url", "title")
        if getattr(a, name) != getattr(b, name)
    ]
    if a.lines != b.lines:
        texts = (format_lines(a.lines).split("\n"), format_lines(b.lines).split("\n"))
        out.append(Difference(where, action, "\n".join(difflib.unified_diff(*texts, "first", "second", "", "", 1, ""))))
    return out


def perform(first: PageDriver, second: PageDriver, action: Action, where: str) -> list[Difference]:
    """Do the same in both drivers and compare what they answer and then show."""
    errors = first.act(action), second.act(action)
    out = compare(first, second, where, action.to_call())
    if errors[0] != errors[1]:
        out.append(Difference(where, action.to_call(), f"error: {errors[0]!r} != {errors[1]!r}"))
    return out


def walk(
    first: PageDriver, second: PageDriver, start_pages: Iterable[str], limit: int = 500, *, avoid: Iterable[str] = ()
) -> tuple[list[Difference], list[str]]:
    """Open every page that links reach from `start_pages`; use fields and GET forms of every kind of page.

    Both drivers must have been opened, each on an app in the same state: they are led through
    the same requests in the same order. Pages with the same fields are one kind: all of them are
    opened and compared, and the fields of the first are used.

    Args:
        first: One driver; its links are the ones followed.
        second: The other.
        start_pages: Targets to begin with.
        limit: Most pages to open.
        avoid: Prefixes of targets that are not opened, such as a sign-out link.

    Returns:
        The differences, and the targets opened, in order.
    """
    queue, avoided = deque(start_pages), tuple(avoid)
    known = set(queue)
    differences: list[Difference] = []
    opened: list[str] = []
    kinds: set[tuple[str, ...]] = set()
    while queue and len(opened) < limit:
        target = queue.popleft()
        opened.append(target)
        differences += perform(first, second, Action.call("goto", url=target), target)
        page = first.observe()
        found = list(_links(page))
        kind = _kind(page)
        if kind not in kinds:
            kinds.add(kind)
            differences += _use(first, second, target)
            found += list(_links(first.observe()))
        for url in found:
            if url not in known and not (avoided and url.startswith(avoided)):
                known.add(url)
                queue.append(url)
    return differences, opened


def _use(first: PageDriver, second: PageDriver, target: str) -> list[Difference]:
    """Edit every field of the open page, then send each of its GET forms and come back."""
    differences: list[Difference] = []
    for action in _edits(first.observe()):
        differences += perform(first, second, action, target)
    for ref in _get_buttons(first.observe()):
        differences += perform(first, second, Action.call("click", bid=ref), target)
        differences += perform(first, second, Action.call("go_back"), target)
    return differences


def _kind(page: Page) -> tuple[str, ...]:
    return tuple(f"{line.role} {line.name}" for line in page.lines if line.ref and line.role != "link")


def _links(page: Page) -> Iterator[str]:
    for line in page.lines:
        if line.role == "link" and inside(line.url):
            yield without_fragment(line.url)


def _edits(page: Page) -> Iterator[Action]:
    """One edit for every field an agent could use."""
    for line in page.lines:
        element = page.elements.get(line.ref)
        if element is None or line.states.keys() & {"disabled", "readonly"}:
            continue
        if controls.is_text_field(element):
            kind = controls.input_type(element) if element.tag == "input" else "text"
            yield Action.call("fill", bid=line.ref, value=SAMPLES.get(kind, "tea"))
        elif element.tag == "select":
            last = _last_option(line)
            if last:
                yield Action.call("select_option", bid=line.ref, options=last)
        elif line.role in ("checkbox", "radio", "summary"):
            yield Action.call("click", bid=line.ref)


def _last_option(line: Line) -> str:
    labels = split_options(line.states.get("options", ""))
    return labels[-1] if labels else ""


def _get_buttons(page: Page) -> list[str]:
    """The first submit button of every form that only asks for a page."""
    out: list[str] = []
    seen: list[object] = []
    for line in page.lines:
        element = page.elements.get(line.ref)
        form = element.closest("form") if element is not None and forms.submitter_of(element) else None
        if form is None or any(form is other for other in seen) or "disabled" in line.states:
            continue
        seen.append(form)
        if form.attrs.get("method", "get").lower() == "get" and "formmethod" not in (element.attrs if element else {}):
            out.append(line.ref)
    return out
