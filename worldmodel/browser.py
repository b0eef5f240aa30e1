"""What a browser does by itself, as code over element lines: only requests are left to the model.

Typing, choosing, ticking and scrolling change the lines here, as the page driver would change
them. Clicks on links and buttons, submitted forms, `goto` and history become a `Request`: canonical
text without refs or field order, so that equal requests of different sessions read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlsplit

from envsim.page.lines import Line, assign_refs, format_lines, join_options, parse_line, split_options
from envsim.types import Action, Observation
from worldmodel.document import dump

FIELDS = frozenset({"textbox", "searchbox", "spinbutton", "slider"})
CHOICES = frozenset({"combobox", "listbox"})
TOGGLES = frozenset({"checkbox", "radio", "switch"})
SCOPES = frozenset({"form", "search", "dialog", "region", "group", "listitem", "article", "row", "main"})
MAX_HISTORY = 50


@dataclass(frozen=True)
class Request:
    """What is asked of the app: lines of text, most telling first."""

    lines: tuple[str, ...]

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        return "\n".join(self.lines)


def get(url: str) -> Request:
    """A page load. Query values are given a second time, decoded, as pages will show them."""
    url = url.partition("#")[0]
    query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return Request((f"get {dump(url)}", *(f"{dump(key)} = {dump(value)}" for key, value in sorted(query))))


@dataclass(frozen=True)
class Tab:
    """One tab: where it is, what it shows, where it has been and was before going back."""

    url: str = ""
    title: str = ""
    lines: tuple[Line, ...] = ()
    back: tuple[str, ...] = ()
    forward: tuple[str, ...] = ()


@dataclass(frozen=True)
class BrowserState:
    """The browser of one session; immutable, so a snapshot is a reference."""

    tabs: tuple[Tab, ...] = (Tab(),)
    active: int = 0
    pending: str = field(default="", compare=False)
    """How the request under way moves through history: "", "back" or "forward"."""

    @property
    def tab(self) -> Tab:
        """The active tab."""
        return self.tabs[self.active]

    def observation(self, error: str = "") -> Observation:
        """What the agent sees now."""
        tab = self.tab
        return Observation(url=tab.url, title=tab.title, page=format_lines(tab.lines), error=error)

    def show(self, observation: Observation) -> BrowserState:
        """The state after the app answered the request under way with `observation`."""
        tab = self.tab
        back, forward = tab.back, tab.forward
        if self.pending == "back" and back:
            back, forward = back[:-1], (tab.url, *forward)
        elif self.pending == "forward" and forward:
            back, forward = (*back, tab.url), forward[1:]
        elif tab.url and observation.url != tab.url:
            back, forward = (*back, tab.url)[-MAX_HISTORY:], ()
        lines = tuple(_parse(observation.page))
        return self._with(Tab(observation.url, observation.title, lines, back, forward))

    def _with(self, tab: Tab, pending: str = "") -> BrowserState:
        tabs = (*self.tabs[: self.active], tab, *self.tabs[self.active + 1 :])
        return replace(self, tabs=tabs, pending=pending)

    def act(self, action: Action) -> tuple[BrowserState, Request | None, str]:
        """Carry out `action` as far as the browser alone can.

        Returns:
            The new state; the request it leads to, if any; an error message, if it is impossible.
        """
        handler = _HANDLERS.get(action.name)
        if handler is None:
            return self, None, f"unknown action {action.name!r}"
        return handler(self, action)

    def find(self, action: Action, key: str = "bid") -> int | None:
        """Position of the line an action refers to."""
        ref = action.arguments.get(key)
        return next((i for i, line in enumerate(self.tab.lines) if line.ref and line.ref == ref), None)

    def edit(self, position: int, line: Line) -> BrowserState:
        """With one line replaced."""
        lines = list(self.tab.lines)
        lines[position] = line
        return self._with(replace(self.tab, lines=tuple(assign_refs(lines))))

    def load(self, url: str, pending: str = "") -> tuple[BrowserState, Request | None, str]:
        """Ask for a page."""
        return replace(self, pending=pending), get(url), ""


Result = tuple[BrowserState, Request | None, str]


def _parse(page: str) -> list[Line]:
    lines = []
    for text in page.split("\n"):
        try:
            lines.append(parse_line(text))
        except ValueError:
            continue
    return lines


def scope_of(lines: Sequence[Line], position: int) -> tuple[int, int]:
    """The part ``[start, end)`` of the page a control submits with.

    That is the nearest named form around it or, as unnamed forms leave no line, the nearest
    enclosing group that holds a field; the control alone where there is none.
    """
    start, depth = position, lines[position].depth
    chosen = (position, position + 1)
    while start > 0:
        start -= 1
        if lines[start].depth >= depth:
            continue
        depth = lines[start].depth
        end = start + 1
        while end < len(lines) and lines[end].depth > depth:
            end += 1
        if lines[start].role in ("form", "search", "dialog"):
            return start, end
        if lines[start].role in SCOPES and lines[start].role != "main":
            chosen = (start, end)
            if any(_is_field(line) for line in lines[start:end]):
                return chosen
    return chosen


def _is_field(line: Line) -> bool:
    return line.role in FIELDS or line.role in CHOICES or line.role in TOGGLES


def submit(state: BrowserState, position: int, how: str) -> Request:
    """The request a control makes: what was pressed, where it stands, and what its form holds."""
    lines = state.tab.lines
    line = lines[position]
    start, end = scope_of(lines, position)
    out = [f"{how} {line.role} {dump(line.name)} on {dump(state.tab.url)}"]
    if lines[start].name and start != position:
        out.append(f"in {dump(lines[start].name)}")
    elif (near := _landmark(lines, position)) is not None:
        out.append(f"near {dump(near.name)}" + (f" -> {near.url}" if near.url else ""))
    values = []
    for other in lines[start:end]:
        if other.role in FIELDS or other.role in CHOICES:
            values.append(f"{dump(other.name)} = {dump(other.value or '')}")
        elif other.role in TOGGLES and "checked" in other.states:
            values.append(f"{dump(other.name)} checked")
    return Request((*out, *values))


def _landmark(lines: Sequence[Line], position: int) -> Line | None:
    for line in reversed(lines[:position]):
        if line.role in ("link", "row", "heading") and line.name:
            return line
    return None


# -- the primitives ---------------------------------------------------------------------------------


def _missing(action: Action, key: str = "bid") -> str:
    return f"no element with ref {action.arguments.get(key)!r} on this page"


def _click(state: BrowserState, action: Action) -> Result:
    at = state.find(action)
    if at is None:
        return state, None, _missing(action)
    line = state.tab.lines[at]
    if "disabled" in line.states:
        return state, None, f"element {line.ref!r} is disabled"
    if line.role == "link":
        return state.load(line.url) if line.url.startswith("/") else (state, None, "that link leaves the app")
    if line.role in TOGGLES:
        return _toggle(state, at), None, ""
    if line.role in ("button", "menuitem", "tab", "summary"):
        return replace(state, pending=""), submit(state, at, "click"), ""
    return state, None, ""


def _toggle(state: BrowserState, at: int) -> BrowserState:
    line = state.tab.lines[at]
    if line.role == "radio":
        start, end = _radio_group(state.tab.lines, at)
        for other in range(start, end):
            candidate = state.tab.lines[other]
            if candidate.role == "radio" and "checked" in candidate.states:
                state = state.edit(other, _flag(candidate, "checked", False))
        return state.edit(at, _flag(state.tab.lines[at], "checked", True))
    return state.edit(at, _flag(line, "checked", "checked" not in line.states))


def _radio_group(lines: Sequence[Line], at: int) -> tuple[int, int]:
    depth, start = lines[at].depth, at
    while start > 0 and lines[start - 1].depth >= depth:
        start -= 1
    end = at + 1
    while end < len(lines) and lines[end].depth >= depth:
        end += 1
    return start, end


def _flag(line: Line, name: str, on: bool) -> Line:
    states = {key: value for key, value in line.states.items() if key != name}
    return replace(line, states={**states, name: ""} if on else states)


def _fill(state: BrowserState, action: Action) -> Result:
    at = state.find(action)
    if at is None:
        return state, None, _missing(action)
    line = state.tab.lines[at]
    if line.role not in FIELDS:
        return state, None, f"element {line.ref!r} cannot be filled"
    if "disabled" in line.states or "readonly" in line.states:
        return state, None, f"element {line.ref!r} is disabled"
    value = "" if action.name == "clear" else str(action.arguments.get("value", ""))
    states = {key: text for key, text in line.states.items() if key != "placeholder"}
    return state.edit(at, replace(line, value=value or None, states=states)), None, ""


def _select(state: BrowserState, action: Action) -> Result:
    at = state.find(action)
    if at is None:
        return state, None, _missing(action)
    line = state.tab.lines[at]
    if line.role not in CHOICES:
        return state, None, f"element {line.ref!r} has no options"
    raw = action.arguments.get("options", [])
    wanted = [str(option) for option in raw] if isinstance(raw, list) else [str(raw)]
    known = split_options(line.states.get("options", ""))
    if unknown := [option for option in wanted if option not in known]:
        return state, None, f"element {line.ref!r} has no option {unknown[0]!r}"
    value = join_options(wanted) if "multiple" in line.states else wanted[-1] if wanted else None
    return state.edit(at, replace(line, value=value)), None, ""


def _press(state: BrowserState, action: Action) -> Result:
    at = state.find(action)
    if at is None:
        return state, None, _missing(action)
    if str(action.arguments.get("key_comb", "")) not in ("Enter", "Return"):
        return state, None, ""
    line = state.tab.lines[at]
    if line.role in FIELDS:
        return replace(state, pending=""), submit(state, at, "enter"), ""
    return _click(state, action)


def _goto(state: BrowserState, action: Action) -> Result:
    url = str(action.arguments.get("url", ""))
    split = urlsplit(url)
    if split.scheme or split.netloc:
        url = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return state.load(url or "/")


def _history(state: BrowserState, action: Action) -> Result:
    tab = state.tab
    if action.name == "go_back":
        return state.load(tab.back[-1], "back") if tab.back else (state, None, "there is no page to go back to")
    return state.load(tab.forward[0], "forward") if tab.forward else (state, None, "there is no page to go forward to")


def _passive(state: BrowserState, action: Action) -> Result:
    if "bid" in action.arguments and state.find(action) is None:
        return state, None, _missing(action)
    return state, None, ""


def _tabs(state: BrowserState, action: Action) -> Result:
    if action.name == "new_tab":
        return replace(state, tabs=(*state.tabs, Tab()), active=len(state.tabs)), None, ""
    if action.name == "tab_close":
        rest = tuple(tab for i, tab in enumerate(state.tabs) if i != state.active) or (Tab(),)
        return replace(state, tabs=rest, active=min(state.active, len(rest) - 1)), None, ""
    index = action.arguments.get("index")
    if not isinstance(index, int) or not 0 <= index < len(state.tabs):
        return state, None, f"there is no tab {index!r}"
    return replace(state, active=index), None, ""


_HANDLERS = {
    "click": _click, "dblclick": _click, "fill": _fill, "clear": _fill, "select_option": _select, "press": _press,
    "goto": _goto, "go_back": _history, "go_forward": _history, "noop": _passive, "scroll": _passive,
    "hover": _passive, "focus": _passive, "new_tab": _tabs, "tab_close": _tabs, "tab_focus": _tabs,
}  # fmt: skip
