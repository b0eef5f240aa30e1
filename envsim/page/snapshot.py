"""From HTML to element lines: the one function behind both page drivers.

Generic wrappers vanish, inline text merges into one line, a table row of plain cells is one
line: pages are read by language models, and every line costs them. Under an open modal dialog
nothing else is shown, as nothing else can be used.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from envsim.page import controls
from envsim.page.dom import Document, Element, parse
from envsim.page.lines import INTERACTIVE, MAX_SHARED, Line, Refs, join_options, shared_line
from envsim.page.names import (
    BLOCK,
    control_of,
    explicit_name,
    is_hidden,
    is_open,
    name_of,
    role_of,
    squeeze,
    visible_text,
)
from envsim.page.urls import resolve, without_fragment

Lives = tuple[dict[str, str], ...]
MAX_LINKS = 64
"""Texts and pages for which an opening tag keeps what a link with it comes to."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as an agent reads it.

    Attributes:
        url: Path and query (no host, no fragment).
        title: The document's title.
        lines: The elements, in order.
        elements: What each ref refers to, for the driver, in `document`; not part of equality.
        lives: By ref, the live state each line was read with, for `refreshed`.
    """

    url: str = ""
    title: str = ""
    lines: tuple[Line, ...] = ()
    elements: Mapping[str, Element] = field(default_factory=dict, compare=False, repr=False)
    lives: Mapping[str, Lives] = field(default_factory=dict, compare=False, repr=False)
    document: Document | None = field(default=None, compare=False, repr=False)


def snapshot(source: str | Document, url: str = "/") -> Page:
    """The page that `source` shows. Never raises, whatever the markup.

    Args:
        source: HTML, or a document whose live form state is to be shown.
        url: Where it was loaded from: path and query; links are resolved against it.
    """
    document = parse(source) if isinstance(source, str) else source
    walk = _Walk(document, resolve(document.base, url) if document.base else url)
    rows = walk.run()
    name_ref = Refs()
    lines = tuple(_line(row, name_ref(row.role, row.name, row.url)) for row in rows)
    elements = {line.ref: row.element for line, row in zip(lines, rows, strict=True) if line.ref and row.element}
    lives = {ref: _lives(element) for ref, element in elements.items()}
    return Page(without_fragment(url), document.title, lines, elements, lives, document)


def refreshed(page: Page, document: Document) -> Page:
    """`page` after values, ticks, choices or the focus of its controls changed, and nothing else did.

    Those show in the lines of the controls themselves, so only these are read again. What opens or closes, such
    as details, needs a `snapshot`.
    """
    walk = _Walk(document, page.url)
    lines, lives = list(page.lines), dict(page.lives)
    for at, line in enumerate(lines):
        if not line.ref:
            continue
        element = page.elements[line.ref]
        now, before = _lives(element), lives[line.ref]
        if len(now) == len(before) and all(map(operator.is_, now, before)):
            continue
        walk.interactive(element, line.role, line.depth)
        row = walk.rows.pop()
        row.name, row.depth, row.url = line.name, line.depth, line.url
        lines[at] = _line(row, line.ref)
        lives[line.ref] = now
    return replace(page, lines=tuple(lines), lives=lives)


def _lives(element: Element) -> Lives:
    # `Element.live` is never changed in place, so a change shows as another object.
    if element.tag == "select":
        return (element.live, *(option.live for option in element.find("option")))
    return (element.live,)


class _Row:
    __slots__ = ("depth", "element", "name", "role", "states", "url", "value")

    def __init__(self, role: str, name: str, depth: int, element: Element | None) -> None:
        self.role = role
        self.name = name
        self.depth = depth
        self.element = element
        self.url = ""
        self.value: str | None = None
        self.states: dict[str, str] | None = None


def _line(row: _Row, ref: str) -> Line:
    return shared_line(row.role, row.name, row.depth, ref, row.url, row.value, tuple((row.states or {}).items()))


_LANDMARKS = frozenset({"banner", "navigation", "main", "contentinfo", "complementary", "search", "dialog"})
_NAMED_ONLY = frozenset({"form", "region", "group", "list"})
_ITEMS = frozenset({"listitem", "article"})
_LIVE = frozenset({"alert", "status"})
_COLLAPSING = _ITEMS | _LIVE
_WRAPPERS = _LANDMARKS | _NAMED_ONLY | _ITEMS | _LIVE
_SELF_NAMED = frozenset({"legend", "caption", "figcaption"})


class _Walk:
    def __init__(self, document: Document, base: str) -> None:
        self.document = document
        self.base = base
        self.rows: list[_Row] = []
        self.text: list[str] = []
        self.mute = 0
        self.modal: tuple[int, int] | None = None

    def run(self) -> list[_Row]:
        self.children(self.document.body, 0)
        self.flush(0)
        if self.modal is None:
            return self.rows
        start, end = self.modal
        rows = self.rows[start:end]
        shift = rows[0].depth
        for row in rows:
            row.depth -= shift
        return rows

    def children(self, element: Element, depth: int) -> None:
        for child in element.children:
            if isinstance(child, str):
                self.read(child)
            else:
                self.element(child, depth)

    def read(self, text: str) -> None:
        # Blank text between blocks would come to nothing, and is most of what a page holds.
        if (self.text or not text.isspace()) and not self.mute:
            self.text.append(text)

    def flush(self, depth: int) -> None:
        if self.text:
            text = squeeze("".join(self.text))
            self.text.clear()
            if text:
                self.rows.append(_Row("text", text, depth, None))

    def element(self, element: Element, depth: int) -> None:
        if is_hidden(element):
            return
        role = role_of(element)
        if role == "":
            self.generic(element, depth)
            return
        if self.text and role not in ("img", "svg"):
            self.flush(depth)
        if role in INTERACTIVE:
            self.interactive(element, role, depth)
        elif role in _WRAPPERS:
            self.wrapper(element, role, depth)
            if self.text:
                self.flush(depth)
        elif role == "heading":
            self.heading(element, depth)
        elif role == "table":
            self.table(element, depth)
        elif role == "row":
            self.row(element, depth)
        elif role in ("img", "svg"):
            self.image(element, role, depth)
        elif role in ("progressbar", "meter"):
            row = self.add(role, name_of(element, role, self.document), depth, element)
            row.value = element.attrs.get("aria-valuenow", element.attrs.get("value", ""))
        else:
            self.children(element, depth)
            self.flush(depth)

    def add(self, role: str, name: str, depth: int, element: Element) -> _Row:
        row = _Row(role, name, depth, element)
        self.rows.append(row)
        return row

    # -- what has no role ------------------------------------------------------------------

    def generic(self, element: Element, depth: int) -> None:
        tag = element.tag
        if tag == "label":
            self.label(element, depth)
        elif tag in ("dt", "dd"):
            self.term(element, depth)
        elif tag == "details":
            self.details(element, depth)
        elif tag in BLOCK:
            self.flush(depth)
            self.children(element, depth)
            self.flush(depth)
        else:
            self.children(element, depth)

    def label(self, element: Element, depth: int) -> None:
        control = control_of(element, self.document)
        named = control is not None and not is_hidden(control) and not explicit_name(control, self.document)
        self.mute += named
        self.children(element, depth)
        self.mute -= named

    def term(self, element: Element, depth: int) -> None:
        # "Term: description" reads as one line unless there is something to click in it.
        if element.tag == "dt":
            self.flush(depth)
        self.children(element, depth)
        if element.tag == "dd":
            self.flush(depth)
        elif self.text:
            text = squeeze("".join(self.text))
            self.text = [text if text.endswith((":", "?")) else f"{text}:", " "] if text else []

    def details(self, element: Element, depth: int) -> None:
        self.flush(depth)
        for child in element.children:
            if isinstance(child, str):
                if is_open(element):
                    self.read(child)
            elif child.tag == "summary" or is_open(element):
                self.element(child, depth)
        self.flush(depth)

    def image(self, element: Element, role: str, depth: int) -> None:
        if role == "svg" and not (element.attrs.keys() & {"aria-label", "aria-labelledby", "role"}):
            role = "img" if any(child.tag == "title" for child in element.find("title")) else role
        name = name_of(element, "img", self.document)
        if name and not self.mute:
            self.flush(depth)
            self.add("img", name, depth, element)

    # -- structure -------------------------------------------------------------------------

    def wrapper(self, element: Element, role: str, depth: int) -> None:
        name = explicit_name(element, self.document) or (
            name_of(element, role, self.document) if role in ("group", "dialog", "form", "region") else ""
        )
        if role in _NAMED_ONLY and not name:
            self.children_without_name(element, depth)
            return
        start = len(self.rows)
        wrapper = self.add(role, name, depth, element)
        self.children_without_name(element, depth + 1)
        if self.text:
            self.flush(depth + 1)
        top = self.count(start + 1, depth + 1)
        if top == 0 and not name:
            self.rows.pop()
        elif top == 1 and not name and role in _COLLAPSING:
            self.collapse(wrapper, self.rows[start + 1 :], role)
        if role == "dialog" and (element.attrs.get("aria-modal") == "true" or "modal" in element.live) and top:
            self.modal = (start, len(self.rows))

    def count(self, start: int, depth: int) -> int:
        """How many rows from `start` on are at `depth`; two stand for more."""
        found = 0
        for at in range(start, len(self.rows)):
            if self.rows[at].depth == depth:
                found += 1
                if found == 2:
                    break
        return found

    def collapse(self, wrapper: _Row, inner: list[_Row], role: str) -> None:
        at = len(self.rows) - len(inner) - 1
        if inner[0].role == "text":
            wrapper.name = inner[0].name
            del self.rows[at + 1]
        elif role in _ITEMS:
            for row in inner:
                row.depth -= 1
            del self.rows[at]

    def children_without_name(self, element: Element, depth: int) -> None:
        """Children, less the one that already gave `element` its name."""
        for child in element.children:
            if isinstance(child, str):
                self.read(child)
            elif child.tag not in _SELF_NAMED or element.tag not in ("fieldset", "table", "figure"):
                self.element(child, depth)

    def heading(self, element: Element, depth: int) -> None:
        name = name_of(element, "heading", self.document)
        start = len(self.rows)
        if any(not isinstance(child, str) for child in element.children):
            self.mute += 1
            self.children(element, depth + 1)
            self.mute -= 1
        inner = self.rows[start:]
        if len(inner) == 1 and inner[0].name == name:
            inner[0].depth = depth  # the link in a card's title says all that its heading does
        elif name or inner:
            row = _Row("heading", name, depth, element)
            level = element.attrs.get("aria-level") or (element.tag[1:] if element.tag[0] == "h" else "2")
            row.states = {"level": level if level.isdigit() else "2"}
            self.rows.insert(start, row)

    def table(self, element: Element, depth: int) -> None:
        start = len(self.rows)
        self.add("table", name_of(element, "table", self.document), depth, element)
        self.children_without_name(element, depth + 1)
        self.flush(depth + 1)
        if len(self.rows) == start + 1:
            self.rows.pop()

    def row(self, element: Element, depth: int) -> None:
        cells = [c for c in element.children if not isinstance(c, str) and not is_hidden(c)]
        text = " | ".join(visible_text(cell, controls=False) for cell in cells)
        start = len(self.rows)
        row = self.add("row", text if text.strip(" |") else "", depth, element)
        if element.attrs.get("aria-selected") == "true":
            row.states = {"selected": ""}
        self.mute += 1
        for cell in cells:
            if any(not isinstance(child, str) for child in cell.children):
                self.children(cell, depth + 1)
        self.mute -= 1
        if not row.name and len(self.rows) == start + 1:
            self.rows.pop()

    # -- what can be acted on --------------------------------------------------------------

    def interactive(self, element: Element, role: str, depth: int) -> None:
        if role == "link":
            self.link(element, depth)
            return
        row = self.add(role, name_of(element, role, self.document), depth, element)
        attrs = element.attrs
        states: dict[str, str] = {}
        if role in ("combobox", "listbox") and element.tag == "select":
            labels = [controls.option_label(option) for option in controls.options_of(element)]
            chosen = [controls.option_label(option) for option in controls.selected_options(element)]
            states["options"] = join_options(labels)
            if "multiple" in attrs:
                states["multiple"] = ""
            row.value = (join_options(chosen) if "multiple" in attrs else chosen[0]) if chosen else None
        elif role in controls.FIELD_ROLES or role == "combobox":
            self.field(element, row, states)
        elif role in ("checkbox", "radio", "switch"):
            native = element.tag == "input"
            if controls.is_checked(element) if native else attrs.get("aria-checked") == "true":
                states["checked"] = ""
        elif role == "summary" and element.parent is not None and element.parent.tag == "details":
            states["expanded"] = "true" if is_open(element.parent) else "false"
        controls.add_states(element, states)
        row.states = states

    def link(self, element: Element, depth: int) -> None:
        children, known, key = element.children, element.opening.links, None
        if len(children) == 1 and isinstance(text := children[0], str) and len(text) < MAX_SHARED and not element.live:
            key = (text, self.base)
            if found := known.get(key):  # asked once: a thread that reads a page with the same tag may clear it
                row = self.add("link", "", depth, element)
                row.name, row.url, row.states = found
                return
        row = self.add("link", name_of(element, "link", self.document), depth, element)
        row.url = resolve(element.attrs["href"], self.base) if "href" in element.attrs else ""
        row.states = {}
        controls.add_states(element, row.states)
        # The rest of the page has a say only in what is named by other elements of it, or disabled by one around it.
        if key and element.tag == "a" and "aria-labelledby" not in element.attrs:
            if len(known) >= MAX_LINKS:
                known.clear()
            known[key] = row.name, row.url, row.states

    def field(self, element: Element, row: _Row, states: dict[str, str]) -> None:
        if controls.is_text_field(element):
            value = controls.value_of(element)
        else:
            value = element.live.get("value", squeeze(element.text()))
        if element.attrs.get("type", "").lower() == "password":
            value = "•" * len(value)
        row.value = value or None
        hint = squeeze(element.attrs.get("placeholder", ""))
        if hint and not value and hint != row.name:
            states["placeholder"] = hint
