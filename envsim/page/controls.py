"""The live state of form controls: what a user has typed, ticked and chosen so far.

Source: "HTML Standard", sections 4.10.5 (input), 4.10.7 (select) and 4.10.18 (form control
infrastructure).
"""

from __future__ import annotations

import re

from envsim.page.dom import Document, Element
from envsim.page.names import squeeze

TEXT_TYPES = frozenset(
    {
        "text",
        "search",
        "tel",
        "url",
        "email",
        "password",
        "number",
        "date",
        "month",
        "week",
        "time",
        "datetime-local",
        "color",
    }
)
SUBMITTABLE = ("button", "input", "object", "select", "textarea")
FIELD_ROLES = frozenset({"textbox", "searchbox", "spinbutton", "slider"})

_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PATTERNS = {
    "number": _NUMBER,
    "range": _NUMBER,
    "date": re.compile(r"\d{4,}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"),
    "month": re.compile(r"\d{4,}-(?:0[1-9]|1[0-2])"),
    "week": re.compile(r"\d{4,}-W(?:0[1-9]|[1-4]\d|5[0-3])"),
    "time": re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?"),
    "datetime-local": re.compile(
        r"\d{4,}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
    ),
    "color": re.compile(r"#[0-9a-fA-F]{6}"),
}

FORMATS = {
    "number": "a number",
    "date": "a date such as 2026-03-31",
    "month": "a month such as 2026-03",
    "week": "a week such as 2026-W09",
    "time": "a time such as 14:30",
    "datetime-local": "a date and time such as 2026-03-31T14:30",
}
"""What the types with a fixed format take; anything else cannot be typed into them."""


def input_type(element: Element) -> str:
    """The type of an input element, lower case; "text" where it is missing or unknown."""
    kind = element.attrs.get("type", "").lower()
    known = TEXT_TYPES | {"checkbox", "radio", "hidden", "submit", "reset", "button", "image", "file", "range"}
    return kind if kind in known else "text"


def is_file(element: Element) -> bool:
    """Whether `element` takes a file."""
    return element.tag == "input" and input_type(element) == "file"


def is_text_field(element: Element) -> bool:
    """Whether text can be typed into `element`."""
    return element.tag == "textarea" or (element.tag == "input" and input_type(element) in TEXT_TYPES | {"range"})


def sanitize(kind: str, value: str) -> str:
    """A field's value as browsers keep it (the value sanitization algorithm of its type)."""
    if kind in _PATTERNS:
        value = value.strip() if kind in ("number", "range") else value
        if kind == "color":
            return value.lower() if _PATTERNS[kind].fullmatch(value) else "#000000"
        if kind == "range" and not _NUMBER.fullmatch(value):
            return "50"
        return value if _PATTERNS[kind].fullmatch(value) else ""
    value = value.replace("\r", "").replace("\n", "")
    return value.strip(" \t\n\x0c\r") if kind in ("email", "url") else value


def value_of(element: Element) -> str:
    """The current value of an input, textarea, select or button."""
    if "value" in element.live:
        return element.live["value"]
    if element.tag == "textarea":
        return element.text().replace("\r\n", "\n").replace("\r", "\n")
    if element.tag == "select":
        chosen = selected_options(element)
        return option_value(chosen[0]) if chosen else ""
    if element.tag == "input":
        kind = input_type(element)
        if kind in ("checkbox", "radio"):
            return element.attrs.get("value", "on")
        if kind in TEXT_TYPES or kind == "range":
            return sanitize(kind, element.attrs.get("value", ""))
    return element.attrs.get("value", "")


def set_value(element: Element, value: str) -> None:
    """Type `value` into a text field, replacing what it held."""
    if element.tag == "textarea":
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    else:
        value = sanitize(input_type(element), value)
    element.set_live("value", value)


def is_checked(element: Element) -> bool:
    """Whether a checkbox or radio button is on."""
    state = element.live.get("checked")
    return "checked" in element.attrs if state is None else state == "1"


def set_checked(element: Element, checked: bool, document: Document) -> None:
    """Turn a checkbox or radio button on or off; the rest of a radio group goes off."""
    if checked and input_type(element) == "radio":
        for other in radio_group(element, document):
            other.set_live("checked", "0")
    element.set_live("checked", "1" if checked else "0")


def radio_group(element: Element, document: Document) -> list[Element]:
    """All radio buttons of `element`'s group, itself included."""
    name = element.attrs.get("name", "")
    if not name:
        return [element]
    owner = form_of(element, document)
    return [
        other
        for other in document.elements
        if other.tag == "input"
        and input_type(other) == "radio"
        and other.attrs.get("name") == name
        and form_of(other, document) is owner
    ]


def options_of(select: Element) -> list[Element]:
    """The options of a select, in order."""
    return [option for option in select.find("option") if "hidden" not in option.attrs]


def option_label(option: Element) -> str:
    """What an option reads."""
    return squeeze(option.attrs.get("label", "")) or squeeze(option.text())


def option_value(option: Element) -> str:
    """What an option submits."""
    return option.attrs["value"] if "value" in option.attrs else squeeze(option.text())


def option_disabled(option: Element) -> bool:
    """Whether an option cannot be chosen."""
    parent = option.parent
    return "disabled" in option.attrs or (
        parent is not None and parent.tag == "optgroup" and "disabled" in parent.attrs
    )


def selected_options(select: Element) -> list[Element]:
    """The options now chosen; a drop-down without a choice shows its first enabled one."""
    options = list(select.find("option"))
    multiple = "multiple" in select.attrs
    if any("selected" in option.live for option in options):
        return [option for option in options if option.live.get("selected") == "1"]
    chosen = [option for option in options if "selected" in option.attrs]
    if multiple:
        return chosen
    if chosen:
        return chosen[-1:]
    if select.attrs.get("size", "1") in ("", "0", "1"):
        return next(([option] for option in options if not option_disabled(option)), [])
    return []


def choose(select: Element, chosen: list[Element]) -> None:
    """Make `chosen` the selected options of `select`."""
    for option in select.find("option"):
        option.set_live("selected", "1" if any(option is one for one in chosen) else "0")


def is_disabled(element: Element) -> bool:
    """Whether a control is disabled, by itself or by a fieldset around it."""
    if element.tag not in ("button", "input", "select", "textarea", "fieldset", "option", "optgroup"):
        return False
    if "disabled" in element.attrs:
        return True
    child, parent = element, element.parent
    while parent is not None:
        if parent.tag == "fieldset" and "disabled" in parent.attrs:
            legends = (c for c in parent.children if not isinstance(c, str) and c.tag == "legend")
            if next(legends, None) is not child:
                return True
        child, parent = parent, parent.parent
    return False


def form_of(element: Element, document: Document) -> Element | None:
    """The form that owns `element`: by its `form` attribute, else the nearest around it."""
    if "form" in element.attrs and element.tag != "form":
        owner = document.by_id(element.attrs["form"])
        return owner if owner is not None and owner.tag == "form" else None
    return element.closest("form")


def add_states(element: Element, states: dict[str, str]) -> None:
    """Put what a line says about any control into `states`: disabled, required, expanded and the like."""
    attrs = element.attrs
    if "focused" in element.live:
        states["focused"] = ""
    if is_disabled(element) or attrs.get("aria-disabled") == "true":
        states["disabled"] = ""
    if not attrs:
        return
    if element.tag in ("input", "select", "textarea"):
        if "required" in attrs or attrs.get("aria-required") == "true":
            states["required"] = ""
        if "readonly" in attrs:
            states["readonly"] = ""
        if attrs.get("aria-invalid", "false") not in ("", "false"):
            states["invalid"] = ""
    for attribute, state in (("aria-expanded", "expanded"), ("aria-pressed", "pressed")):
        if attrs.get(attribute) in ("true", "false"):
            states[state] = attrs[attribute]
    if attrs.get("aria-current", "false") not in ("", "false"):
        states["current"] = ""
    if attrs.get("aria-selected") == "true":
        states["selected"] = ""
