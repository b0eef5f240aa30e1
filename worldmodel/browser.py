"""What a browser does by itself, as code over element lines: only requests are left to the model.

Typing, choosing, ticking and focus change the lines here, and impossible actions are refused here, in
the words of the page drivers (`envsim.page.driver`). Clicks on links and buttons, submitted forms,
`goto` and history become a `Request`: canonical text without refs, so that equal requests of
different sessions read the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from envsim.errors import ActionError
from envsim.page.lines import Line, assign_refs, format_lines, join_options, split_options
from envsim.page.primitives import read_call
from envsim.types import Action, Observation
from worldmodel.document import Lines
from worldmodel.requests import CHOICES, FIELDS, FORMS, TOGGLES, Request, get, scope_of, shown, submit
from worldmodel.typed import Typed, flag, left_behind, read_page, written

BLANK = "about:blank"
CLICKABLE = frozenset({"button", "summary", "tab", "menuitem", "switch"})
MAX_HISTORY = 50
MAX_TABS = 20
MAX_FILL = 8_192


@dataclass(frozen=True)
class Tab:
    """One tab: its history, what it shows, and what was typed where the page does not show it."""

    history: tuple[str, ...] = (BLANK,)
    at: int = 0
    title: str = ""
    lines: tuple[Line, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """(name, text) of password fields: pages show only how long it is."""
    loaded: tuple[Line, ...] = ()
    """The page as it came."""
    typed: tuple[tuple[int, Typed], ...] = ()
    """What was typed on the pages of the history, by place."""

    @property
    def url(self) -> str:
        """Where the tab is."""
        return self.history[self.at] if self.history else BLANK


@dataclass(frozen=True)
class BrowserState:
    """The browser of one session; immutable, so a snapshot is a reference."""

    tabs: tuple[Tab, ...] = (Tab(history=()),)
    active: int = 0
    travel: int = field(default=0, compare=False)
    """How the request under way moves through history; 0 for a new page."""

    @property
    def tab(self) -> Tab:
        """The active tab."""
        return self.tabs[self.active]

    def observation(self, error: str = "") -> Observation:
        """What the agent sees now."""
        tab = self.tab
        return Observation(url=tab.url, title=tab.title, page=format_lines(tab.lines), error=error)

    def show(self, observation: Observation, *, loaded: bool = True) -> BrowserState:
        """The state after the app (`loaded`), or the browser alone, led to `observation`."""
        tab, url = self.tab, observation.url
        history, at, typed = tab.history, tab.at, dict(tab.typed)
        if loaded:
            typed[at] = left_behind(tab.loaded, tab.lines, typed.get(at, ()))
        if self.travel:
            at = min(max(at + self.travel, 0), len(history) - 1)
            history = (*history[:at], url, *history[at + 1 :])
        elif not history or url != tab.url:
            history = (*history[: at + 1], url)[-MAX_HISTORY:]
            at = len(history) - 1
        if loaded and not self.travel:
            # A history that is full moves on, and its places are others.
            typed = {place: lines for place, lines in typed.items() if place < at and len(history) < MAX_HISTORY}
        secrets = tab.secrets if url == tab.url else ()
        lines = read_page(observation.page)
        kept = tuple(sorted((place, lines) for place, lines in typed.items() if lines))
        return self.with_tab(Tab(history, at, observation.title, lines, secrets, lines if loaded else tab.loaded, kept))

    def restored(self) -> Lines:
        """What was typed where the request under way goes back or forward to."""
        return written(dict(self.tab.typed).get(self.tab.at + self.travel, ())) if self.travel else ()

    def with_tab(self, tab: Tab) -> BrowserState:
        """With the active tab replaced."""
        return replace(self, tabs=(*self.tabs[: self.active], tab, *self.tabs[self.active + 1 :]), travel=0)

    def with_lines(self, lines: Sequence[Line]) -> BrowserState:
        """With the page replaced."""
        return self.with_tab(replace(self.tab, lines=tuple(assign_refs(lines))))

    def focus(self, position: int | None) -> BrowserState:
        """With the focus moved to one line, or nowhere."""
        lines = list(self.tab.lines)
        for i, line in enumerate(lines):
            if ("focused" in line.states) != (i == position):
                lines[i] = flag(line, "focused", i == position)
        return self.with_lines(lines)

    def edit(self, position: int, line: Line) -> BrowserState:
        """With one line replaced."""
        lines = self.tab.lines
        return self.with_lines([*lines[:position], line, *lines[position + 1 :]])

    def act(self, action: Action) -> tuple[BrowserState, Request | None, str]:
        """Carry out `action` as far as the browser alone can.

        Returns:
            The new state; the request it leads to, if any; an error message, if it is impossible.
        """
        try:
            arguments = read_call(action)
            state, request = _HANDLERS[action.name](self, **arguments)
        except RefusedError as refusal:
            return refusal.state, None, str(refusal)
        except ActionError as error:
            return self, None, str(error)
        return state, request, ""

    def target(self, bid: str) -> int:
        """Position of the line that `bid` refers to.

        Raises:
            ActionError: There is none.
        """
        ref = bid.strip().strip("[]")
        for i, line in enumerate(self.tab.lines):
            if line.ref and line.ref == ref:
                return i
        raise ActionError(f'There is no element "{bid[:60]}" on this page. Use a ref of the current page.')


Step = tuple[BrowserState, Request | None]


class RefusedError(ActionError):
    """An action that is refused but still moves the focus."""

    def __init__(self, state: BrowserState, message: str) -> None:
        super().__init__(message)
        self.state = state


# -- forms ---------------------------------------------------------------------------------------------


def _send(state: BrowserState, position: int, how: str) -> Step:
    lines = state.tab.lines
    start, end = scope_of(lines, position)
    if lines[start].role in FORMS:
        for i in range(start, end):
            line = lines[i]
            if "required" not in line.states or "disabled" in line.states:
                continue
            problem = ""
            if line.role in FIELDS and not line.value:
                problem = "fill out this field"
            elif line.role == "checkbox" and "checked" not in line.states:
                problem = "check this box"
            if problem:
                raise RefusedError(state.focus(i), f"The form was not sent: {shown(line)}: please {problem}.")
    return replace(state, travel=0), submit(state.tab.lines, state.tab.url, dict(state.tab.secrets), position, how)


# -- the primitives --------------------------------------------------------------------------------------


def _enabled(line: Line) -> None:
    if "disabled" in line.states:
        raise ActionError(f"The {shown(line)} is disabled.")


def _click(state: BrowserState, bid: str, button: str, modifiers: list[str], how: str = "click") -> Step:
    at = state.target(bid)
    line = state.tab.lines[at]
    _enabled(line)
    if line.role in CHOICES and "options" in line.states:
        raise ActionError(f"The {shown(line)} is a list of options. Use select_option().")
    if line.role == "file":
        raise ActionError(f"The {shown(line)} takes a file; uploading files is not supported.")
    if button == "right" or (button == "middle" and line.role != "link"):
        return state, None
    if line.role == "link":
        return _follow(state, at, button == "middle" or bool({"Control", "ControlOrMeta", "Meta"} & set(modifiers)))
    if line.role in CLICKABLE and line.role != "switch":
        return _send(state, at, how)
    state = state.focus(at)
    for _ in range(2 if how == "dblclick" else 1):
        state = _toggle(state, at)
    return state, None


def _dblclick(state: BrowserState, bid: str, button: str, modifiers: list[str]) -> Step:
    return _click(state, bid, button, modifiers, "dblclick")


def _follow(state: BrowserState, at: int, new_tab: bool) -> Step:
    url = state.tab.lines[at].url
    _reachable(url)
    if new_tab:
        return replace(state.focus(at), tabs=(*state.focus(at).tabs, Tab(history=(url,)))), None
    return _load(state, url)


def _load(state: BrowserState, url: str) -> Step:
    if "#" in url and url.partition("#")[0] == state.tab.url:
        return state.focus(None), None
    return replace(state, travel=0), get(url)


def _reachable(url: str, given: str = "") -> None:
    if not url.startswith("/"):
        raise ActionError(f'"{(given or url)[:120]}" is outside the app; only its own pages can be opened.')


def _toggle(state: BrowserState, at: int) -> BrowserState:
    line = state.tab.lines[at]
    if line.role not in TOGGLES:
        return state
    lines = list(state.tab.lines)
    if line.role == "radio":
        # Buttons of one group stand on one level, with nothing shallower between them.
        for step in (-1, 1):
            i = at + step
            while 0 <= i < len(lines) and lines[i].depth >= line.depth:
                if lines[i].role == "radio":
                    lines[i] = flag(lines[i], "checked", False)
                i += step
    lines[at] = flag(line, "checked", line.role == "radio" or "checked" not in line.states)
    return state.with_lines(lines)


def _fill(state: BrowserState, bid: str, value: str) -> Step:
    at = state.target(bid)
    line = state.tab.lines[at]
    if line.role not in FIELDS:
        hint = " Use select_option()." if line.role in CHOICES else ""
        raise ActionError(f"The {shown(line)} is not a text field.{hint}")
    _enabled(line)
    if "readonly" in line.states:
        raise ActionError(f"The {shown(line)} is read-only.")
    if len(value) > MAX_FILL:
        raise ActionError(f"The text has {len(value)} characters; at most {MAX_FILL} are typed into one field.")
    value = "".join(char for char in value if char == "\t" or ord(char) >= 32).encode("utf-8", "replace").decode()
    if line.role == "spinbutton" and value and not _is_number(value):
        raise ActionError(f"The {shown(line)} takes a number.")
    tab = state.tab
    if "password" in line.name.lower():
        secrets = tuple((name, text) for name, text in tab.secrets if name != line.name)
        state = state.with_tab(replace(tab, secrets=(*secrets, (line.name, value))))
        value = "•" * len(value)
    states = {key: text for key, text in line.states.items() if key != "placeholder" or not value}
    return state.edit(at, replace(line, value=value or None, states=states)).focus(at), None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and not text.strip("+-.eE0123456789 ")


def _clear(state: BrowserState, bid: str) -> Step:
    return _fill(state, bid, "")


def _select(state: BrowserState, bid: str, options: str | list[str]) -> Step:
    at = state.target(bid)
    line = state.tab.lines[at]
    if line.role not in CHOICES or "options" not in line.states:
        raise ActionError(f"The {shown(line)} is not a list of options.")
    _enabled(line)
    wanted = [options] if isinstance(options, str) else list(options)
    multiple = "multiple" in line.states
    if len(wanted) != 1 and not multiple:
        raise ActionError(f"The {shown(line)} takes exactly one option.")
    known = {label.strip(): label for label in split_options(line.states["options"])}
    # An option may also be named by its value, which pages do not show: closest in wording.
    labels = [known.get(text.strip()) or _by_value(text, known) for text in wanted]
    for text, label in zip(wanted, labels, strict=True):
        if label is None:
            has = line.states["options"]
            raise ActionError(f'The {shown(line)} has no option "{text[:80]}". Its options are: {has}.')
    chosen = [label for label in labels if label is not None]
    value = join_options(chosen) if multiple else chosen[0]
    return state.edit(at, replace(line, value=value or None)).focus(at), None


def _by_value(text: str, known: dict[str, str]) -> str | None:
    plain = text.strip().lower().replace("-", " ").replace("_", " ")
    return next((label for label in known.values() if label.lower() == plain), None) if plain else None


def _press(state: BrowserState, bid: str, key_comb: str) -> Step:
    at = state.target(bid)
    line = state.tab.lines[at]
    _enabled(line)
    if key_comb in ("Tab", "Shift+Tab"):
        stops = [i for i, other in enumerate(state.tab.lines) if other.ref and "disabled" not in other.states]
        to = stops.index(at) + (-1 if key_comb.startswith("Shift") else 1) if at in stops else 0
        return state.focus(stops[to] if 0 <= to < len(stops) else None), None
    if line.role in CLICKABLE or (key_comb == "Enter" and line.role == "link"):
        return (state, None) if key_comb == "Escape" else _click(state, bid, "left", [])
    if key_comb == "Space" and line.role in TOGGLES:
        return _click(state, bid, "left", [])
    if key_comb == "Space" and line.role in FIELDS:
        raise ActionError(f"Text is not typed with press(). Use fill() on the {shown(line)}.")
    state = state.focus(at)
    return _send(state, at, "enter") if key_comb == "Enter" and line.role in FIELDS else (state, None)


def _goto(state: BrowserState, url: str) -> Step:
    if not url.strip():
        raise ActionError('goto() needs a path of the app, e.g. "/".')
    try:
        split = urlsplit(url.strip())
    except ValueError:
        raise ActionError(f'"{url.strip()[:120]}" is no URL; goto() needs a path of the app, e.g. "/".') from None
    if split.scheme or split.netloc:
        _reachable("" if split.hostname != "app.test" else "/", url)
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
    else:
        target = urljoin(state.tab.url if state.tab.url.startswith("/") else "/", url.strip())
    _reachable(target, url)
    return _load(state, target)


def _travel(state: BrowserState, by: int) -> Step:
    tab = state.tab
    if not 0 <= tab.at + by < len(tab.history):
        raise ActionError(f"There is no page to go {'back' if by < 0 else 'forward'} to.")
    url = tab.history[tab.at + by]
    if url == BLANK:
        return state.with_tab(Tab(tab.history, tab.at + by)), None
    return replace(state, travel=by), get(url)


def _passive(state: BrowserState, **_: Any) -> Step:
    return state, None


def _hover(state: BrowserState, bid: str) -> Step:
    state.target(bid)
    return state, None


def _focus(state: BrowserState, bid: str) -> Step:
    at = state.target(bid)
    _enabled(state.tab.lines[at])
    return state.focus(at), None


def _drag(state: BrowserState, from_bid: str, to_bid: str) -> Step:
    raise ActionError("drag_and_drop() is not supported on these pages.")


def _new_tab(state: BrowserState) -> Step:
    if len(state.tabs) >= MAX_TABS:
        raise ActionError(f"There are {MAX_TABS} tabs open already; close one first.")
    return replace(state, tabs=(*state.tabs, Tab()), active=len(state.tabs)), None


def _tab_close(state: BrowserState) -> Step:
    rest = tuple(tab for i, tab in enumerate(state.tabs) if i != state.active) or (Tab(),)
    return _shown_tab(replace(state, tabs=rest, active=min(state.active, len(rest) - 1)))


def _tab_focus(state: BrowserState, index: int) -> Step:
    if not 0 <= index < len(state.tabs):
        raise ActionError(f"There is no tab {index}; the tabs are 0 to {len(state.tabs) - 1}.")
    return _shown_tab(replace(state, active=index))


def _shown_tab(state: BrowserState) -> Step:
    # A tab opened in the background was never looked at: ask for its page now.
    tab = state.tab
    return (state, get(tab.url)) if tab.url.startswith("/") and not tab.lines else (state, None)


_HANDLERS: dict[str, Callable[..., Step]] = {
    "noop": _passive, "scroll": _passive, "click": _click, "dblclick": _dblclick, "fill": _fill, "clear": _clear,
    "select_option": _select, "hover": _hover, "focus": _focus, "press": _press, "drag_and_drop": _drag,
    "goto": _goto, "go_back": lambda state: _travel(state, -1), "go_forward": lambda state: _travel(state, 1),
    "new_tab": _new_tab, "tab_close": _tab_close, "tab_focus": _tab_focus,
}  # fmt: skip
