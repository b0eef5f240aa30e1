"""What is asked of an app, as text: the same words for the same request, in every session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from envsim.page.lines import Line
from worldmodel.document import dump

FIELDS = frozenset({"textbox", "searchbox", "spinbutton", "slider"})
CHOICES = frozenset({"combobox", "listbox"})
TOGGLES = frozenset({"checkbox", "radio", "switch"})
FORMS = frozenset({"form", "search", "dialog"})
GROUPS = frozenset({"region", "group", "listitem", "article", "row", "list", "table"})


@dataclass(frozen=True)
class Request:
    """What is asked of the app: lines of text, most telling first."""

    lines: tuple[str, ...]

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        return "\n".join(self.lines)


def split_url(url: str) -> tuple[str, str]:
    """Path and query of a URL; of a text that is none, such as ``//[x``, what is before and behind its first ``?``."""
    try:
        found = urlsplit(url)
    except ValueError:
        path, _, query = url.partition("?")
        return path, query
    return found.path, found.query


def get(url: str) -> Request:
    """A page load. Query values are given a second time, decoded, as pages will show them."""
    url = url.partition("#")[0]
    query = parse_qsl(split_url(url)[1], keep_blank_values=True)
    return Request((f"get {dump(url)}", *(f"{dump(key)} = {dump(value)}" for key, value in query)))


def shown(line: Line) -> str:
    """How messages name an element."""
    return f'{line.role} "{line.name}" [{line.ref}]' if line.name else f"{line.role} [{line.ref}]"


def scope_of(lines: Sequence[Line], position: int) -> tuple[int, int]:
    """The part ``[start, end)`` of the page that a control submits with.

    That is the named form around it or, as unnamed forms leave no line, the nearest group around
    it that holds a field; the control alone where there is none.
    """
    depth = lines[position].depth
    best = (position, position + 1)
    for start in range(position - 1, -1, -1):
        if lines[start].depth >= depth:
            continue
        depth = lines[start].depth
        if lines[start].role not in FORMS and (lines[start].role not in GROUPS or best[1] - best[0] > 1):
            continue
        end = next((i for i in range(start + 1, len(lines)) if lines[i].depth <= depth), len(lines))
        if lines[start].role in FORMS:
            return start, end
        if any(is_field(line) for line in lines[start:end]):
            best = (start, end)
    return best


def is_field(line: Line) -> bool:
    """Whether a form sends what this line holds."""
    return line.role in FIELDS or line.role in CHOICES or line.role in TOGGLES


def submit(lines: Sequence[Line], url: str, secrets: Mapping[str, str], position: int, how: str) -> Request:
    """The request a control makes: what was pressed, where it stands, what its form holds.

    Args:
        lines: The page.
        url: Its URL.
        secrets: What was typed into password fields, by name.
        position: Line of the control.
        how: ``"click"``, ``"dblclick"`` or ``"enter"``.
    """
    line = lines[position]
    start, end = scope_of(lines, position)
    out = [f"{how} {line.role} {dump(line.name)} on {dump(url)}"]
    if start != position and lines[start].name:
        out.append(f"in {dump(lines[start].name)}")
    elif (near := next((x for x in reversed(lines[:position]) if x.role in _LANDMARKS and x.name), None)) is not None:
        out.append(f"near {dump(near.name)}" + (f" -> {near.url}" if near.url else ""))
    for other in lines[start:end]:
        if other.role in FIELDS or other.role in CHOICES:
            out.append(f"{dump(other.name)} = {dump(secrets.get(other.name, other.value or ''))}")
        elif other.role in TOGGLES and "checked" in other.states:
            out.append(f"{dump(other.name)} checked")
    return Request(tuple(out))


_LANDMARKS = frozenset({"link", "row", "heading"})
