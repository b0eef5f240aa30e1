"""An answer as a tree of short texts, and back: pages, results and the lines about them read alike.

A page element is a node with its name, URL, value and states in one text; the labels of a choice are nodes below it. So
are the parts of a URL's query below the URL, or below the link to it, and the leaves of a tool's result below what they
stand in. `read` and `write` are inverse to each other on documents that `worldmodel.document` makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_plus, unquote_plus

from envsim.page.lines import Line, join_options, split_options
from worldmodel.document import Lines, dump, meta, read_line

SEP = "\x1f"
"""Between the parts of a node's text."""
_AND, STATE = "\x1e", "\x1d"
"""Between states, and between a state and its text."""
_NONE = "\x00"
_FIRST = "\x02"
"""Stands for the first option, where that is chosen: it is chosen whatever its label says."""
OPTION, PART, URL = "option", "?", "@url"
RAW = "raw"
"""The role of a line that is no element, or holds what separates the parts of a node's text: it stays as it is."""
_MARKS = re.compile(r"[\x00-\x02\x1d-\x1f]")
_META = ("say", "title", "error")


@dataclass(frozen=True, slots=True)
class Node:
    """One element, leaf or line.

    Attributes:
        role: The element's role, a leaf's key, or ``@url`` and the like.
        text: All that it says, its parts separated by `SEP`.
        kids: What is below it.
    """

    role: str
    text: str
    kids: tuple[Node, ...] = ()


def below(node: Node) -> tuple[Node, ...]:
    """What is below it but the parts of its URL."""
    return tuple(kid for kid in node.kids if kid.role[:1] != PART)


def walk(nodes: Iterable[Node]) -> Iterator[Node]:
    """The nodes and all below them, in their order."""
    for node in nodes:
        yield node
        yield from walk(node.kids)


def read(lines: Sequence[str], interface: str) -> tuple[Node, ...]:
    """The nodes of a document, changes and events left out."""
    return _read(tuple(lines), interface)


@lru_cache(maxsize=512)
def _read(lines: Lines, interface: str) -> tuple[Node, ...]:
    out = [_url(meta(lines, "url"))] if any(line.startswith("@url ") for line in lines) else []
    out += [Node(f"@{key}", line[len(key) + 2 :]) for key in _META for line in lines if line.startswith(f"@{key} ")]
    shown = [line for line in lines if line[:1] not in ("!", "@")]
    return (*out, *_nest([_element(line) if interface == "browser" else _leaf(line) for line in shown]))


def _nest(flat: Sequence[tuple[int, Node]]) -> tuple[Node, ...]:
    """Nodes with their depths, as a tree."""
    open_: list[tuple[int, Node, list[Node]]] = [(-1, Node("", ""), [])]

    def close(depth: int) -> None:
        while open_[-1][0] >= depth:
            _, node, kids = open_.pop()
            open_[-1][2].append(Node(node.role, node.text, (*node.kids, *kids)) if kids else node)

    for depth, node in flat:
        close(depth)
        open_.append((depth, node, []))
    close(0)
    return tuple(open_[0][2])


@lru_cache(maxsize=65536)
def _element(text: str) -> tuple[int, Node]:
    line = read_line(text)
    if line is None or line.role == RAW or _MARKS.search("".join(_texts(line))):
        bare = text.lstrip(" ")
        depth = (len(text) - len(bare)) // 2
        return depth, Node(RAW, text[2 * depth :])
    states = dict(line.states)
    labels = split_options(states.pop("options")) if "options" in states else []
    value = _NONE if line.value is None else line.value
    if labels and value == labels[0]:
        value = _FIRST
    rest = _AND.join(f"{key}{STATE}{state}" if state else key for key, state in sorted(states.items()))
    url = _url(line.url)
    kids = (*url.kids, *(Node(OPTION, label) for label in labels))
    return line.depth, Node(line.role, SEP.join((line.name, url.text, value, rest)), kids)


def _texts(line: Line) -> Iterator[str]:
    yield from (line.name, line.url, line.value or "")
    for state in line.states.items():
        yield from state


def _leaf(text: str) -> tuple[int, Node]:
    bare = text.lstrip(" ")
    if bare.startswith("raw "):
        return 0, Node(RAW, text)
    if bare.startswith('"'):
        key, _, value = bare.partition('": ')
        key += '": '
    else:
        key, value = bare[:2], bare[2:]
    return (len(text) - len(bare)) // 2, Node(key, value)


def _url(url: str) -> Node:
    path, mark, query = url.partition("?")
    parts = tuple(
        Node(PART + unquote_plus(key), unquote_plus(value) if sign else _NONE)
        for key, sign, value in (pair.partition("=") for pair in (query.split("&") if mark else []))
    )
    node = Node(URL, path, parts)
    return node if url_of(node) == url else Node(URL, url)


def write(nodes: Sequence[Node], interface: str) -> Lines:
    """The lines of the nodes: URL, title and error first, as documents have them."""
    order = {"@say": 0, URL: 1, "@title": 2, "@error": 3}
    heads = sorted((node for node in nodes if node.role in order), key=lambda node: order[node.role])
    out = [f"@url {dump(url_of(node))}" if node.role == URL else f"{node.role} {node.text}" for node in heads]
    for node in nodes:
        if node.role not in order:
            out += _lines(node, 0, interface)
    return tuple(out)


def url_of(node: Node) -> str:
    """The URL that a ``@url`` node stands for."""
    return node.text + _query(node)


def _query(node: Node) -> str:
    parts = [kid for kid in node.kids if kid.role[:1] == PART]
    pairs = [quote_plus(kid.role[1:]) + ("" if kid.text == _NONE else f"={quote_plus(kid.text)}") for kid in parts]
    return "?" + "&".join(pairs) if pairs else ""


def _lines(node: Node, depth: int, interface: str) -> Iterator[str]:
    kids: Sequence[Node] = node.kids
    if node.role == RAW:
        yield "  " * depth + node.text
    elif interface == "browser":
        labels = tuple(kid.text for kid in node.kids if kid.role == OPTION)
        yield _format(node.role, node.text, _query(node), labels, depth)
        kids = [kid for kid in below(node) if kid.role != OPTION]
    else:
        yield "  " * depth + node.role + node.text
    for kid in kids:
        yield from _lines(kid, depth + 1, interface)


@lru_cache(maxsize=16384)
def _format(role: str, text: str, query: str, labels: tuple[str, ...], depth: int) -> str:
    name, url, value, rest = [*text.split(SEP), "", "", _NONE, ""][:4]
    states = dict(_state(part) for part in rest.split(_AND) if part)
    if labels:
        states["options"] = join_options(labels)
        value = labels[0] if value == _FIRST else value
    return Line(role, name, depth, "", url + query, None if value == _NONE else value, states).format()


def _state(text: str) -> tuple[str, str]:
    key, _, value = text.partition(STATE)
    return key, value
