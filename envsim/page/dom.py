"""A light document tree over Lexbor's HTML5 parser.

Lexbor builds the tree as browsers do and writes it out in one canonical form; one regular
expression reads that form back into plain Python objects. That costs less than asking Lexbor
for every node and its attributes, and gives a tree whose form state a driver can edit. Pages
of one site share most of their lines, so what was read in a line is remembered.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
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
    r"|([^<]+)|<!--.*?-->|<![dD][^>]*>|(<)",  # or text, a comment, a doctype, a stray bracket
    re.DOTALL,
)
_ATTR = re.compile(r" ([^\s/>=]+)(?:=\"([^\"]*)\")?")
_OPAQUE = frozenset({
    "script", "style", "template", "noscript", "xmp", "iframe", "noembed", "noframes", "plaintext"
})  # fmt: skip
_MAY_BE_OPAQUE = re.compile(rf"<(?:{'|'.join(sorted(_OPAQUE))})[\s/>]")
_BLANK: dict[str, str] = {}
_MAX_LINE = 1000
"""Longest line, and longest attributes of a tag, in characters, that are remembered: pictures can lie in one."""


class Opening:
    """An opening tag as written: one object for all elements that begin with the same text, never to be changed.

    `role` and `hidden` are what `envsim.page.names` found out from the tag alone, None until asked; `links`, likewise
    for `envsim.page.snapshot`, what an element of it that holds nothing but text comes to.
    """

    __slots__ = ("attrs", "hidden", "links", "live", "name", "role", "void")

    def __init__(self, name: str, attrs: dict[str, str], live: dict[str, str]) -> None:
        self.name = name
        self.attrs = attrs
        self.live = live
        self.void = name in _VOID
        self.role: str | None = None
        self.hidden: bool | None = None
        self.links: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {}


Token = str | Opening | tuple[str]
"""Text, an opening tag, or the name of a closing one."""


class Element:
    """One element. `attrs` is as parsed; `live` holds what a user or a browser changed since.

    Keys of `live`: ``value``, ``checked``, ``selected``, ``open`` ("1" or "0" for the last three),
    ``focused``, ``hidden``, ``modal``, ``invalid`` (present or not) and ``index``.
    """

    __slots__ = ("attrs", "children", "live", "opening", "parent", "tag")

    def __init__(self, opening: Opening, parent: Element | None) -> None:
        self.opening = opening
        self.tag = opening.name
        self.attrs = opening.attrs
        self.parent = parent
        self.children: list[Element | str] = []
        self.live = opening.live

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
    """A parsed page. `elements` holds all of its elements in document order, the root first.

    Whoever asks an element for what is around it holds the document, too: the links to parents end with it.
    """

    def __init__(self, elements: list[Element]) -> None:
        self.root = elements[0]
        self.elements = elements
        self._ids: dict[str, Element] | None = None
        self._labels: dict[str, list[Element]] = {}

    def __del__(self) -> None:
        # A tree whose children know their parents would wait for the garbage collector, and be most of what it finds.
        for element in self.elements:
            element.parent = None

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
    root = top = Element(_opening("html", "", live), None)
    elements = [root]
    stack = [root]
    text = LexborHTMLParser(source.replace("\x00", ""), scripting=True).html or ""
    for token in _tokens(text, live):
        if isinstance(token, str):
            children = top.children
            if children and isinstance(last := children[-1], str):
                children[-1] = last + token
            else:
                children.append(token)
        elif isinstance(token, tuple):
            if token[0] == top.tag and top is not root:
                stack.pop()
            else:
                _close(stack, token[0])
            top = stack[-1]
        elif token.name == "html" and len(elements) == 1:
            root.opening, root.attrs = token, token.attrs
        else:
            element = Element(token, top if len(stack) < MAX_DEPTH else stack[MAX_DEPTH - 1])
            element.parent.children.append(element)  # type: ignore[union-attr]
            elements.append(element)
            if not token.void:
                stack.append(element)
                top = element
    return Document(elements)


def _tokens(text: str, live: bool) -> Iterable[Token]:
    """What `text` consists of, less what scripts, styles and templates hold: that is never part of the page as read."""
    if _MAY_BE_OPAQUE.search(text) is None:
        found: list[Token] = []
        for line in text.split("\n"):
            tokens = _line_tokens(line, live) if len(line) < _MAX_LINE else _read_line(line, live)
            if tokens is None:
                break
            found += tokens
        else:
            return found
    return _read(text, live)


def _read_line(line: str, live: bool) -> tuple[Token, ...] | None:
    """The tokens of a line and its end; None where one of them goes on in the next line.

    A text that Lexbor wrote has no bracket that opens nothing, so such a one is the start of what goes on.
    """
    tokens: list[Token] = []
    for close, tag, attrs, chunk, stray in _TOKEN.findall(line + "\n"):
        if stray:
            return None
        if chunk or tag:
            tokens.append(_token(close, tag, attrs, chunk, live))
    return tuple(tokens)


_line_tokens = lru_cache(maxsize=8192)(_read_line)


def _read(text: str, live: bool) -> Iterator[Token]:
    resume = 0
    for match in _TOKEN.finditer(text):
        if match.start() < resume:
            continue
        close, tag, attrs, chunk, _ = match.groups("")
        if tag in _OPAQUE and not close:
            resume = _skip(text, tag, match.end())
        elif chunk or tag:
            yield _token(close, tag, attrs, chunk, live)


def _token(close: str, tag: str, attrs: str, chunk: str, live: bool) -> Token:
    if chunk:
        return html.unescape(chunk) if "&" in chunk else chunk
    if close:
        return (tag,)
    return _opening(tag, attrs, live) if len(attrs) < _MAX_LINE else _read_opening(tag, attrs, live)


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


def _read_opening(tag: str, attrs: str, live: bool) -> Opening:
    """The opening tag with `attrs` as its text; attributes of `LIVE_PREFIX` count with `live` and are dropped."""
    found = {name: html.unescape(value) if "&" in value else value for name, value in _ATTR.findall(attrs)}
    if LIVE_PREFIX not in attrs:
        return Opening(tag, found, _BLANK)
    kept = {name: value for name, value in found.items() if not name.startswith(LIVE_PREFIX)}
    known = {name.removeprefix(LIVE_PREFIX): value for name, value in found.items() if name not in kept}
    return Opening(tag, kept, known if live else _BLANK)


_opening = lru_cache(maxsize=8192)(_read_opening)
