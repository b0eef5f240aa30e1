"""A light document tree over Lexbor's HTML5 parser.

Lexbor builds the tree as browsers do and writes it out in one canonical form; one regular
expression reads that form back into plain Python objects. That costs less than asking Lexbor
for every node and its attributes, and gives a tree whose form state a driver can edit.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

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
    r"<(?P<close>/?)(?P<tag>[a-zA-Z][^\s/>]*)(?P<attrs>(?: [^\s/>=]*(?:=\"[^\"]*\")?)*)>|(?P<text>[^<]+)|<!--.*?-->|<",
    re.DOTALL,
)
_ATTR = re.compile(r" ([^\s/>=]+)(?:=\"([^\"]*)\")?")
_OPAQUE = frozenset({
    "script", "style", "template", "noscript", "xmp", "iframe", "noembed", "noframes", "plaintext"
})  # fmt: skip
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
        # A stack: nested generators would cost a resumption per level for every element.
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
    """A parsed page."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self._ids: dict[str, Element] | None = None
        self._labels: dict[str, list[Element]] = {}

    @property
    def body(self) -> Element:
        """The body, or the root where there is none."""
        return next(iter(self.root.find("body")), self.root)

    @property
    def title(self) -> str:
        """Text of the first title, whitespace collapsed."""
        for element in self.root.elements():
            if element.tag == "title" and (element.parent is None or element.parent.tag != "svg"):
                return " ".join(element.text().split())
            if element.tag == "body":
                break
        return ""

    @property
    def base(self) -> str:
        """`href` of the first base element that has one, or ""."""
        return next((e.attrs["href"] for e in self.root.find("base") if "href" in e.attrs), "")

    def by_id(self, identifier: str) -> Element | None:
        """The first element with that id."""
        self._index()
        return (self._ids or {}).get(identifier)

    def labels_for(self, identifier: str) -> list[Element]:
        """The labels whose `for` names that id."""
        self._index()
        return self._labels.get(identifier, [])

    def _index(self) -> None:
        if self._ids is not None:
            return
        ids: dict[str, Element] = {}
        for element in self.root.elements():
            attrs = element.attrs
            if "id" in attrs:
                ids.setdefault(attrs["id"], element)
            if element.tag == "label" and "for" in attrs:
                self._labels.setdefault(attrs["for"], []).append(element)
        self._ids = ids


def parse(source: str, *, live: bool = False) -> Document:
    """The tree of an HTML text. Never raises: any text is some HTML.

    Args:
        source: The page.
        live: Trust `LIVE_PREFIX` attributes, as written by the browser driver itself.
    """
    root = Element("html", {}, None)
    stack = [root]
    text = LexborHTMLParser(source.replace("\x00", "")).html or ""
    position, end = 0, len(text)
    match = _TOKEN.match
    while position < end:
        token = match(text, position)
        if token is None:
            break
        position = token.end()
        tag = token["tag"]
        if tag is None:
            chunk = token["text"]
            if chunk is not None:
                stack[-1].children.append(html.unescape(chunk) if "&" in chunk else chunk)
        elif token["close"]:
            _close(stack, tag)
        else:
            position = _open(stack, token, live)
    return Document(root)


def _open(stack: list[Element], token: re.Match[str], live: bool) -> int:
    tag, attrs, position = token["tag"], token["attrs"], token.end()
    if tag == "html" and len(stack) == 1:
        stack[0].attrs = _attributes(attrs)
        return position
    if tag in _OPAQUE:
        # What scripts, styles and templates hold is never part of the page as read.
        return _skip(token.string, tag, position)
    parent = stack[min(len(stack), MAX_DEPTH) - 1]
    element = Element(tag, _attributes(attrs) if attrs else {}, parent)
    if attrs and LIVE_PREFIX in attrs:
        _take_live(element, live)
    parent.children.append(element)
    if tag not in _VOID:
        stack.append(element)
    return position


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


def _attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(value) if "&" in value else value for name, value in _ATTR.findall(text)}


def _take_live(element: Element, live: bool) -> None:
    found = {k: v for k, v in element.attrs.items() if k.startswith(LIVE_PREFIX)}
    for key in found:
        del element.attrs[key]
    if live and found:
        element.live = {key.removeprefix(LIVE_PREFIX): value for key, value in found.items()}
