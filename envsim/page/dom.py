"""A light document tree over Lexbor's HTML5 parser.

Lexbor builds the tree as browsers do and writes it out in one canonical form; one regular
expression reads that form back into plain Python objects. That costs less than asking Lexbor
for every node and its attributes, and gives a tree whose form state a driver can edit.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser

LIVE_PREFIX = "data-envsim-"
"""Attributes with what only a browser knows; read with `parse(..., live=True)`, dropped otherwise."""

MAX_DEPTH = 200
"""Deeper elements become siblings, so that recursion over a tree is always safe."""

_VOID = frozenset({
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen",
    "link", "meta", "param", "source", "track", "wbr"
})  # fmt: skip
_TOKEN = re.compile(
    r"<(/?)([a-zA-Z][^\s/>]*)((?: [^\s/>=]*(?:=\"[^\"]*\")?)*)>"  # a tag: close, name, attributes
    r"|([^<]+)|<!--.*?-->|<",  # or text, a comment, a stray bracket
    re.DOTALL,
)
_ATTR = re.compile(r" ([^\s/>=]+)(?:=\"([^\"]*)\")?")
_OPAQUE = frozenset({
    "script", "style", "template", "noscript", "xmp", "iframe", "noembed", "noframes", "plaintext"
})  # fmt: skip
_MAY_BE_OPAQUE = re.compile(rf"<(?:{'|'.join(sorted(_OPAQUE))})[\s/>]")
_BLANK: dict[str, str] = {}


class Element:
    """One element. `attrs` is as parsed; `live` holds what a user or a browser changed since.

    Keys of `live`: ``value``, ``checked``, ``selected``, ``open`` ("1" or "0" for the last three),
    ``focused``, ``hidden``, ``modal``, ``invalid`` (present or not) and ``index``.
    """

    __slots__ = ("attrs", "children", "live", "parent", "tag")

    def __init__(self, tag: str, attrs: dict[str, str], parent: Element | None) -> None:
        self.tag = tag
        self.attrs = attrs
        self.parent = parent
        self.children: list[Element | str] = []
        self.live: dict[str, str] = _BLANK

    def set_live(self, key: str, value: str | None) -> None:
        """Set or (None) remove one entry of `live`."""
        live = {k: v for k, v in self.live.items() if k != key}
        if value is not None:
            live[key] = value
        self.live = live

    def elements(self) -> Iterator[Element]:
        """The element itself and all below it, in document order."""
        stack: list[Element] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(child for child in reversed(node.children) if not isinstance(child, str))

    def find(self, *tags: str) -> Iterator[Element]:
        """Elements below this one whose tag is in `tags`, in document order."""
        return (e for e in self.elements() if e.tag in tags and e is not self)

    def closest(self, *tags: str) -> Element | None:
        """The element itself or its nearest ancestor whose tag is in `tags`."""
        node: Element | None = self
        while node is not None and node.tag not in tags:
            node = node.parent
        return node

    def text(self) -> str:
        """All text below, unchanged."""
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)


class Document:
    """A parsed page. `elements` holds all of its elements in document order, the root first."""

    def __init__(self, elements: list[Element]) -> None:
        self.root = elements[0]
        self.elements = elements
        self._ids: dict[str, Element] | None = None
        self._labels: dict[str, list[Element]] = {}

    @property
    def body(self) -> Element:
        """The body, or the root where there is none."""
        return next((e for e in self.elements if e.tag == "body"), self.root)

    @property
    def title(self) -> str:
        """Text of the first title, whitespace collapsed."""
        for element in self.elements:
            if element.tag == "title" and (element.parent is None or element.parent.tag != "svg"):
                return " ".join(element.text().split())
        return ""

    @property
    def base(self) -> str:
        """`href` of the first base element that has one, or ""."""
        return next((e.attrs["href"] for e in self.elements if e.tag == "base" and "href" in e.attrs), "")

    def by_id(self, identifier: str) -> Element | None:
        """The first element with that id."""
        return self._index().get(identifier)

    def labels_for(self, identifier: str) -> list[Element]:
        """The labels whose `for` names that id."""
        self._index()
        return self._labels.get(identifier, [])

    def _index(self) -> dict[str, Element]:
        if self._ids is None:
            self._ids = {}
            for element in self.elements:
                attrs = element.attrs
                if "id" in attrs:
                    self._ids.setdefault(attrs["id"], element)
                if element.tag == "label" and "for" in attrs:
                    self._labels.setdefault(attrs["for"], []).append(element)
        return self._ids


def parse(source: str, *, live: bool = False) -> Document:
    """The tree of an HTML text. Never raises: any text is some HTML.

    Args:
        source: The page.
        live: Trust `LIVE_PREFIX` attributes, as written by the browser driver itself.
    """
    root = top = Element("html", {}, None)
    elements = [root]
    stack = [root]
    text = LexborHTMLParser(source.replace("\x00", ""), scripting=True).html or ""
    for close, tag, attrs, chunk in _tokens(text):
        if chunk:
            top.children.append(html.unescape(chunk) if "&" in chunk else chunk)
        elif not tag:
            continue
        elif close:
            if tag == top.tag and top is not root:
                stack.pop()
            else:
                _close(stack, tag)
            top = stack[-1]
        elif tag == "html" and len(elements) == 1:
            root.attrs = _attributes(attrs)
        else:
            parent = top if len(stack) < MAX_DEPTH else stack[MAX_DEPTH - 1]
            element = Element(tag, _attributes(attrs) if attrs else {}, parent)
            if attrs and LIVE_PREFIX in attrs:
                _take_live(element, trusted=live)
            parent.children.append(element)
            elements.append(element)
            if tag not in _VOID:
                stack.append(element)
                top = element
    return Document(elements)


def _tokens(text: str) -> list[tuple[str, str, str, str]]:
    """Groups of `_TOKEN` one after another, "" for none, less what scripts, styles and templates hold.

    That is never part of the page as read.
    """
    if _MAY_BE_OPAQUE.search(text) is None:
        return _TOKEN.findall(text)
    found = []
    resume = 0
    for token in _TOKEN.finditer(text):
        if token.start() < resume:
            continue
        close, tag, attrs, chunk = token.groups("")
        if tag in _OPAQUE and not close:
            resume = _skip(text, tag, token.end())
        else:
            found.append((close, tag, attrs, chunk))
    return found


def _close(stack: list[Element], tag: str) -> None:
    for depth in range(len(stack) - 1, 0, -1):
        if stack[depth].tag == tag:
            del stack[depth:]
            return


def _skip(text: str, tag: str, position: int) -> int:
    # Templates nest; the others are raw text, which ends at the first closing tag.
    if tag == "plaintext":
        return len(text)
    depth = 1
    for token in re.compile(rf"<(/?){tag}[\s>]").finditer(text, position):
        if token[1]:
            depth -= 1
        elif tag == "template":
            depth += 1
        if depth == 0:
            return token.end()
    return len(text)


@lru_cache(maxsize=8192)
def _attributes(text: str) -> dict[str, str]:
    """The attributes in a tag's text; shared between elements, so never to be changed."""
    return {name: html.unescape(value) if "&" in value else value for name, value in _ATTR.findall(text)}


def _take_live(element: Element, *, trusted: bool) -> None:
    attrs = element.attrs
    element.attrs = {k: v for k, v in attrs.items() if not k.startswith(LIVE_PREFIX)}
    if trusted:
        element.live = {k.removeprefix(LIVE_PREFIX): v for k, v in attrs.items() if k.startswith(LIVE_PREFIX)}
