"""The element-line grammar: how a page reads as text, for agents, drivers and world models.

One line per element, indented two spaces per level::

    role "name" [ref] -> /url = "value" {checked, disabled, options: S | M | L}

Only `role` is required. `name`, `value` and each option are JSON strings without non-ASCII
escapes; `ref` is on elements an agent can act on; `-> url` on links; `= value` on fields;
braces hold states in alphabetical order. Example::

    main
      heading "Kettles" {level: 1}
      link "Copper kettle" [e4kq2] -> /p/copper-kettle
      form "Add to cart"
        combobox "Size" [eh2mb] = "M" {options: S | M | L}
        button "Add to cart" [e9x1c]
      text "$49.00"

A ref is a function of the page's own lines (role, name, url and how many equal elements came
before), so it stays the same while a page changes around it, it is the same through every
driver, and a world model that predicts lines need not predict refs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring

INTERACTIVE = frozenset(
    {
        "link",
        "button",
        "textbox",
        "searchbox",
        "spinbutton",
        "combobox",
        "listbox",
        "checkbox",
        "radio",
        "switch",
        "slider",
        "tab",
        "menuitem",
        "summary",
        "file",
    }
)
"""Roles that carry a ref."""

MAX_SHARED = 2000
"""Longest texts, in characters, of a line that is remembered from page to page."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LINE = re.compile(
    r'(?P<indent> *)(?P<role>[a-z]+)(?: (?P<name>"(?:[^"\\]|\\.)*"))?(?: \[(?P<ref>e[a-z0-9-]+)\])?'
    r'(?: -> (?P<url>\S+))?(?: = (?P<value>"(?:[^"\\]|\\.)*"))?(?: \{(?P<states>.*)\})?'
)


# The flag alone, before others (whose order is alphabetical) or after one.
_FOCUS = re.compile(r" \{focused\}$|(?<=\{)focused, |, focused(?=, |\}$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Line:
    """One element. `depth` counts levels from 0; `states` maps a state to its text, "" for a flag."""

    role: str
    name: str = ""
    depth: int = 0
    ref: str = ""
    url: str = ""
    value: str | None = None
    states: dict[str, str] = field(default_factory=dict)
    _text: str = field(default="", init=False, compare=False, repr=False)

    def format(self) -> str:
        """The element as one line of text."""
        if not self._text:
            # Lines are shared between pages, see `shared_line`, and so is what they read.
            object.__setattr__(self, "_text", self._format())
        return self._text

    def _format(self) -> str:
        parts = ["  " * self.depth + self.role]
        if self.name:
            parts.append(_quote(self.name))
        if self.ref:
            parts.append(f"[{self.ref}]")
        if self.url:
            parts.append(f"-> {self.url}")
        if self.value is not None:
            parts.append(f"= {_quote(self.value)}")
        if self.states:
            inner = ", ".join(f"{k}: {_state(v)}" if v else k for k, v in sorted(self.states.items()))
            parts.append("{" + inner + "}")
        return " ".join(parts)


States = tuple[tuple[str, str], ...]


def shared_line(role: str, name: str, depth: int, ref: str, url: str, value: str | None, states: States) -> Line:
    """The `Line` of these, one object if it is asked for again: pages of one site share most of theirs."""
    size = len(name) + (len(value) if value else 0) + (sum(len(text) for _, text in states) if states else 0)
    make = _known_line if size < MAX_SHARED else _line
    return make(role, name, depth, ref, url, value, states)


def _line(role: str, name: str, depth: int, ref: str, url: str, value: str | None, states: States) -> Line:
    return Line(role, name, depth, ref, url, value, dict(states))


_known_line = lru_cache(maxsize=16384)(_line)


def format_lines(lines: Iterable[Line]) -> str:
    """A page as text; `parse_lines` reads it back."""
    return "\n".join(line.format() for line in lines)


def parse_lines(text: str) -> list[Line]:
    """The elements of a page text.

    Raises:
        ValueError: A line is not in the grammar; the message quotes it.
    """
    return [parse_line(line) for line in text.split("\n") if line]


def parse_line(text: str) -> Line:
    """One element from its line of text (see `parse_lines`)."""
    match = _LINE.fullmatch(text)
    if match is None or len(match["indent"]) % 2:
        raise ValueError(f"not an element line: {text[:120]!r}")
    return Line(
        role=match["role"],
        name=_unquote(match["name"]) if match["name"] else "",
        depth=len(match["indent"]) // 2,
        ref=match["ref"] or "",
        url=match["url"] or "",
        value=_unquote(match["value"]) if match["value"] is not None else None,
        states=_parse_states(match["states"]) if match["states"] else {},
    )


def without_focus(page: str) -> str:
    """A page text without what says where the focus is: that is the visitor's doing, not the app's."""
    return _FOCUS.sub("", page)


class Refs:
    """The refs of one page: call it with role, name and url of each of its elements, in order."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, role: str, name: str, url: str) -> str:
        """The ref of the next element; "" where it is not interactive."""
        if role not in INTERACTIVE:
            return ""
        ref = _ref(role, name, url)
        self._seen[ref] = count = self._seen.get(ref, 0) + 1
        return ref if count == 1 else f"{ref}-{count}"


def assign_refs(lines: Sequence[Line]) -> list[Line]:
    """`lines` with the ref of every interactive element (re)computed; other refs are cleared."""
    name_ref = Refs()
    out: list[Line] = []
    for line in lines:
        ref = name_ref(line.role, line.name, line.url)
        if ref != line.ref:
            line = Line(line.role, line.name, line.depth, ref, line.url, line.value, line.states)  # noqa: PLW2901
        out.append(line)
    return out


@lru_cache(maxsize=16384)
def _ref(role: str, name: str, url: str) -> str:
    digest = hashlib.blake2b(f"{role}\x1f{name}\x1f{url}".encode("utf-8", "replace"), digest_size=4).digest()
    number = int.from_bytes(digest, "big")
    letters = ""
    for _ in range(4):
        number, index = divmod(number, 32)
        letters += _ALPHABET[index]
    return "e" + letters


def _quote(text: str) -> str:
    return encode_basestring(text)  # what json.dumps(text, ensure_ascii=False) comes to


def _unquote(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        raise ValueError(f"not a quoted string: {text[:120]!r}") from None


# Structural characters inside a state's text are escaped, so that any option label survives.
_ESCAPES = {"\\": "\\\\", ",": "\\,", "{": "\\{", "}": "\\}", "\n": "\\n"}
_STATE = re.compile(r"((?:[^\\,]|\\.)+)(?:, )?")


def _state(text: str) -> str:
    return "".join(_ESCAPES.get(char, char) for char in text)


def _parse_states(text: str) -> dict[str, str]:
    states: dict[str, str] = {}
    for part in _STATE.findall(text):
        key, _, value = part.partition(": ")
        states[key] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
    return states


def join_options(labels: Iterable[str]) -> str:
    """The text of an ``options`` state; `split_options` reads it back."""
    return " | ".join(label.replace("\\", "\\\\").replace("|", "\\|") for label in labels)


def split_options(text: str) -> list[str]:
    """The option labels of an ``options`` state."""
    # A bar inside a label follows its backslash, so only separators have a space before theirs.
    parts = text.split(" | ") if text else []
    return [re.sub(r"\\(.)", r"\1", part) for part in parts]
