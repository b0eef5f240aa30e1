"""The page driver protocol, and everything the drivers share: what each primitive means.

A driver differs only in how it carries things out. What an action *is*, whether it is possible
on this page, and the sentence an agent reads when it is not, are decided here from the page's
own lines, so that both drivers answer alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from envsim.errors import ActionError
from envsim.page import controls, forms, primitives
from envsim.page.dom import Document, Element
from envsim.page.lines import Line
from envsim.page.names import is_link
from envsim.page.snapshot import Page
from envsim.page.urls import inside, resolve
from envsim.types import Action, JsonValue

MAX_FILL = 8_192
"""Longest text typed into one field, in characters."""


@runtime_checkable
class PageDriver(Protocol):
    """Browses one app on behalf of one agent."""

    @property
    def requests(self) -> int:
        """How many requests were sent to the app so far."""
        ...

    def open(self, target: str, cookies: Mapping[str, str]) -> None:
        """Begin a new browsing session (no history, one tab) at `target` with these cookies."""
        ...

    def act(self, action: Action) -> str:
        """Carry out a primitive; why it could not be, or "" (a notice, e.g. of a download, counts as a why).

        Raises:
            SandboxError: The app or the browser is gone. Nothing an agent does raises.
        """
        ...

    def observe(self) -> Page:
        """The active tab as it now is."""
        ...

    def tools(self) -> list[dict[str, JsonValue]]:
        """The primitives as OpenAI function schemas."""
        ...

    def save(self) -> object:
        """A token for the session: tabs, history, cookies, form state."""
        ...

    def load(self, token: object) -> None:
        """Return to a saved session without asking the app anything. Tokens can be reused."""
        ...

    def screenshot(self) -> bytes | None:
        """The visible page as PNG; None from a driver that cannot paint."""
        ...

    def close(self) -> None:
        """Release everything; safe to call twice."""
        ...


class BaseDriver(ABC):
    """Primitives over a few operations that a concrete driver supplies.

    `_act_*` methods check an action against the page and raise `ActionError` where it is
    impossible; the abstract methods carry it out and return a notice, usually "".
    """

    def __init__(self) -> None:
        self._page = Page()
        self._primitives: dict[str, Callable[..., str]] = {
            schema["name"]: getattr(self, f"_act_{schema['name']}") for schema in primitives.PRIMITIVES
        }

    def tools(self) -> list[dict[str, JsonValue]]:
        """See `PageDriver.tools`."""
        return primitives.tools()

    def act(self, action: Action) -> str:
        """See `PageDriver.act`."""
        try:
            arguments = primitives.read_call(action)
            self._page = self.observe()
            return self._primitives[action.name](**arguments)
        except ActionError as error:
            return str(error)

    @abstractmethod
    def observe(self) -> Page:
        """See `PageDriver.observe`."""

    # -- what a concrete driver supplies -------------------------------------------------------

    @abstractmethod
    def _document(self) -> Document:
        """The document behind the page last observed."""

    @abstractmethod
    def _click(self, element: Element, *, new_tab: bool, double: bool) -> str: ...

    @abstractmethod
    def _fill(self, element: Element, value: str) -> None: ...

    @abstractmethod
    def _select(self, element: Element, options: list[Element]) -> None: ...

    @abstractmethod
    def _focus(self, element: Element | None) -> None: ...

    @abstractmethod
    def _hover(self, element: Element) -> None: ...

    @abstractmethod
    def _submit_implicitly(self, field: Element) -> str: ...

    @abstractmethod
    def _goto(self, url: str) -> str: ...

    @abstractmethod
    def _travel(self, by: int) -> str: ...

    @abstractmethod
    def _tabs(self) -> tuple[int, int]:
        """How many tabs there are, and which is active."""

    @abstractmethod
    def _open_tab(self) -> None: ...

    @abstractmethod
    def _close_tab(self) -> None: ...

    @abstractmethod
    def _focus_tab(self, index: int) -> None: ...

    @abstractmethod
    def _wait(self, wait_ms: float) -> None: ...

    # -- the primitives --------------------------------------------------------------------------

    def _act_noop(self, wait_ms: float) -> str:
        self._wait(min(max(wait_ms, 0.0), 10_000.0))
        return ""

    def _act_scroll(self, delta_x: float, delta_y: float) -> str:
        # The whole page is in every observation: there is nothing to bring into view.
        return ""

    def _act_fill(self, bid: str, value: str) -> str:
        line, element = self._target(bid)
        if not controls.is_text_field(element):
            kind = {"combobox": " Use select_option().", "listbox": " Use select_option()."}.get(line.role, "")
            raise ActionError(f"The {_shown(line)} is not a text field.{kind}")
        self._enabled(line)
        if "readonly" in line.states:
            raise ActionError(f"The {_shown(line)} is read-only.")
        if len(value) > MAX_FILL:
            raise ActionError(f"The text has {len(value)} characters; at most {MAX_FILL} are typed into one field.")
        value = _typed(value, lines=element.tag == "textarea")
        limit = element.attrs.get("maxlength", "")
        if limit.isascii() and limit.isdigit() and len(limit) < 9 and len(value) > int(limit):
            raise ActionError(f"The {_shown(line)} takes at most {limit} characters, not {len(value)}.")
        kind_ = controls.input_type(element) if element.tag == "input" else "textarea"
        if value and controls.sanitize(kind_, value) == "" and kind_ in controls.FORMATS:
            raise ActionError(f"The {_shown(line)} takes {controls.FORMATS[kind_]}.")
        self._fill(element, value)
        return ""

    def _act_clear(self, bid: str) -> str:
        return self._act_fill(bid, "")

    def _act_select_option(self, bid: str, options: str | list[str]) -> str:
        line, element = self._target(bid)
        if element.tag != "select":
            raise ActionError(f"The {_shown(line)} is not a list of options.")
        self._enabled(line)
        wanted = [options] if isinstance(options, str) else list(options)
        if len(wanted) != 1 and "multiple" not in line.states:
            raise ActionError(f"The {_shown(line)} takes exactly one option.")
        self._select(element, [self._option(line, element, text) for text in wanted])
        return ""

    def _option(self, line: Line, select: Element, text: str) -> Element:
        options = controls.options_of(select)
        by_label = [o for o in options if controls.option_label(o) == text.strip()]
        found = next(iter(by_label or [o for o in options if controls.option_value(o) == text]), None)
        if found is None:
            has = line.states.get("options", "")
            raise ActionError(f'The {_shown(line)} has no option "{text[:80]}". Its options are: {has}.')
        if controls.option_disabled(found):
            raise ActionError(f'The option "{text[:80]}" of the {_shown(line)} is disabled.')
        return found

    def _act_click(self, bid: str, button: str, modifiers: list[str]) -> str:
        return self._clicked(bid, button, modifiers, double=False)

    def _act_dblclick(self, bid: str, button: str, modifiers: list[str]) -> str:
        return self._clicked(bid, button, modifiers, double=True)

    def _clicked(self, bid: str, button: str, modifiers: list[str], *, double: bool) -> str:
        line, element = self._target(bid)
        self._enabled(line)
        if element.tag == "select":
            raise ActionError(f"The {_shown(line)} is a list of options. Use select_option().")
        if line.role == "file":
            raise ActionError(f"The {_shown(line)} takes a file; uploading files is not supported.")
        if button == "right":
            return ""
        new_tab = False
        if is_link(element):
            new_tab = button == "middle" or bool({"Control", "ControlOrMeta", "Meta"} & set(modifiers))
            self._reachable(self._href(element))
        elif button == "middle":
            return ""
        elif forms.submitter_of(element):
            self._submittable(element, element)
        return self._click(element, new_tab=new_tab, double=double)

    def _submittable(self, element: Element, submitter: Element | None) -> None:
        document = self._document()
        form = controls.form_of(element, document)
        if form is None:
            return
        invalid = forms.first_invalid(form, submitter, document)
        if invalid is not None:
            self._focus(invalid[0])
            raise ActionError(f"The form was not sent: {self._named(invalid[0])}: please {invalid[1]}.")
        sent = forms.submit(form, submitter, document, self._base())
        self._reachable(sent.target)

    def _base(self) -> str:
        """What links and forms of the page are resolved against."""
        declared = self._document().base
        return resolve(declared, self._page.url) if declared else self._page.url

    def _href(self, element: Element) -> str:
        return resolve(element.attrs["href"], self._base())

    def _named(self, element: Element) -> str:
        for line in self._page.lines:
            if line.ref and self._page.elements.get(line.ref) is element:
                return _shown(line)
        return f'field "{element.attrs.get("name", "")}"'

    def _act_hover(self, bid: str) -> str:
        self._hover(self._target(bid)[1])
        return ""

    def _act_focus(self, bid: str) -> str:
        line, element = self._target(bid)
        self._enabled(line)
        self._focus(element)
        return ""

    def _act_press(self, bid: str, key_comb: str) -> str:
        line, element = self._target(bid)
        self._enabled(line)
        if key_comb in ("Tab", "Shift+Tab"):
            self._focus(self._next_focus(bid, -1 if key_comb.startswith("Shift") else 1))
            return ""
        clickable = line.role in ("button", "summary", "tab", "menuitem", "switch")
        if clickable or (key_comb == "Enter" and is_link(element)):
            return "" if key_comb == "Escape" else self._clicked(bid, "left", [], double=False)
        if key_comb == "Space" and line.role in ("checkbox", "radio"):
            return self._clicked(bid, "left", [], double=False)
        types_text = {"textarea": ("Enter", "Space")}.get(
            element.tag, ("Space",) if controls.is_text_field(element) else ()
        )
        if key_comb in types_text:
            raise ActionError(f"Text is not typed with press(). Use fill() on the {_shown(line)}.")
        self._focus(element)
        if key_comb == "Enter" and element.tag == "input":
            return self._enter(line, element)
        return ""

    def _enter(self, line: Line, element: Element) -> str:
        document = self._document()
        form = controls.form_of(element, document)
        if form is None:
            return ""
        button = forms.default_button(form, document)
        if button is not None and controls.is_disabled(button):
            return ""
        if button is None and not forms.implicit_submission(form, document):
            return ""
        self._submittable(element, button)
        return self._submit_implicitly(element)

    def _next_focus(self, bid: str, step: int) -> Element | None:
        refs = [line.ref for line in self._page.lines if line.ref and "disabled" not in line.states]
        at = refs.index(bid) + step if bid in refs else 0
        return self._page.elements[refs[at]] if 0 <= at < len(refs) else None

    def _act_drag_and_drop(self, from_bid: str, to_bid: str) -> str:
        raise ActionError("drag_and_drop() is not supported on these pages.")

    def _act_goto(self, url: str) -> str:
        if not url.strip():
            raise ActionError('goto() needs a path of the app, e.g. "/".')
        base = self._page.url if inside(self._page.url) else "/"
        target = resolve(url, base)
        self._reachable(target, url)
        return self._goto(target)

    def _reachable(self, target: str, shown: str = "") -> None:
        if not inside(target):
            raise ActionError(f'"{(shown or target)[:120]}" is outside the app; only its own pages can be opened.')

    def _act_go_back(self) -> str:
        return self._travel(-1)

    def _act_go_forward(self) -> str:
        return self._travel(1)

    def _act_new_tab(self) -> str:
        if self._tabs()[0] >= 20:
            raise ActionError("There are 20 tabs open already; close one first.")
        self._open_tab()
        return ""

    def _act_tab_close(self) -> str:
        self._close_tab()
        return ""

    def _act_tab_focus(self, index: int) -> str:
        count, _ = self._tabs()
        if not 0 <= index < count:
            raise ActionError(f"There is no tab {index}; the tabs are 0 to {count - 1}.")
        self._focus_tab(index)
        return ""

    # -- checks ------------------------------------------------------------------------------------

    def _target(self, bid: str) -> tuple[Line, Element]:
        ref = bid.strip().strip("[]")
        element = self._page.elements.get(ref)
        if element is None:
            raise ActionError(f'There is no element "{bid[:60]}" on this page. Use a ref of the current page.')
        return next(line for line in self._page.lines if line.ref == ref), element

    def _enabled(self, line: Line) -> None:
        if "disabled" in line.states:
            raise ActionError(f"The {_shown(line)} is disabled.")


def _typed(value: str, *, lines: bool) -> str:
    """What a keyboard makes of `value`: no control characters, new lines only in a text area."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    if not lines:
        value = value.replace("\n", " ")
    value = "".join(char for char in value if char in "\n\t" or (ord(char) >= 32 and char != "\x7f"))
    return value.encode("utf-8", "replace").decode()  # a lone surrogate cannot be typed


def _shown(line: Line) -> str:
    return f'{line.role} "{line.name}" [{line.ref}]' if line.name else f"{line.role} [{line.ref}]"
