"""Submitting forms: validation, the entry list and its encoding.

Source: "HTML Standard", sections 4.10.15 (constraints), 4.10.21 (form submission) and
"URL Standard", section 5 (application/x-www-form-urlencoded).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import quote_plus

from envsim.page import controls
from envsim.page.dom import Document, Element
from envsim.page.urls import resolve, with_query

# "email state" of the HTML Standard, section 4.10.5.1.5.
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:\S+")
_ORDERED = {"number", "range", "date", "month", "week", "time", "datetime-local"}
MAX_PATTERN_INPUT = 1_000
"""Longest value matched against a page's `pattern`, since a page may hold a slow expression."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A page about to be asked for. `target` is resolved; `method` is GET, POST or DIALOG; `form`: by a form."""

    method: str
    target: str
    content_type: str = ""
    body: bytes = b""
    new_tab: bool = False
    form: bool = False


def submitter_of(element: Element) -> bool:
    """Whether a click on `element` submits its form."""
    if element.tag == "button":
        return element.attrs.get("type", "submit").lower() not in ("button", "reset")
    return element.tag == "input" and controls.input_type(element) in ("submit", "image")


def default_button(form: Element, document: Document) -> Element | None:
    """The form's first submit button, which Enter in a field activates."""
    return next((e for e in members(form, document) if submitter_of(e)), None)


def members(form: Element, document: Document) -> list[Element]:
    """The controls a form owns, in document order."""
    return [e for e in document.elements if e.tag in controls.SUBMITTABLE and controls.form_of(e, document) is form]


def implicit_submission(form: Element, document: Document) -> bool:
    """Whether Enter submits a form that has no submit button: only with a single text field."""
    return sum(e.tag == "input" and controls.is_text_field(e) for e in members(form, document)) == 1


def first_invalid(form: Element, submitter: Element | None, document: Document) -> tuple[Element, str] | None:
    """The control that keeps a browser from submitting, and why; None if all is well."""
    if "novalidate" in form.attrs or (submitter is not None and "formnovalidate" in submitter.attrs):
        return None
    for element in members(form, document):
        problem = problem_of(element, document)
        if problem:
            return element, problem
    return None


def problem_of(element: Element, document: Document) -> str:
    """Why a control's value is refused, "" if it is fine or not subject to validation."""
    attrs = element.attrs
    if element.tag not in ("input", "select", "textarea") or controls.is_disabled(element):
        return ""
    kind = controls.input_type(element) if element.tag == "input" else element.tag
    if kind in ("hidden", "submit", "reset", "button", "image") or ("readonly" in attrs and kind != "select"):
        return ""
    if "required" in attrs or (kind == "radio" and _group_required(element, document)):
        missing = _missing(element, kind, document)
        if missing:
            return missing
    value = controls.value_of(element)
    if not value or kind in ("checkbox", "radio", "select", "file"):
        return ""
    return _mismatch(kind, attrs, value, typed="value" in element.live)


def _group_required(element: Element, document: Document) -> bool:
    return any("required" in other.attrs for other in controls.radio_group(element, document))


def _missing(element: Element, kind: str, document: Document) -> str:
    if kind == "checkbox":
        return "" if controls.is_checked(element) else "check this box"
    if kind == "radio":
        group = controls.radio_group(element, document)
        return "" if any(controls.is_checked(other) for other in group) else "select one of these options"
    if kind == "select":
        return "" if controls.value_of(element) else "select an item in the list"
    if kind == "file":
        return "select a file"
    return "" if controls.value_of(element) else "fill out this field"


def _mismatch(kind: str, attrs: dict[str, str], value: str, *, typed: bool) -> str:
    if kind == "email" and not all(_EMAIL.fullmatch(part.strip()) for part in _addresses(attrs, value)):
        return "enter an email address"
    if kind == "url" and not _URL.fullmatch(value):
        return "enter a URL"
    patterned = "pattern" in attrs and kind in ("text", "search", "tel", "url", "email", "password")
    if patterned and not _fits_pattern(attrs["pattern"], value):
        hint = attrs.get("title", "")
        return "match the requested format" + (f" ({hint})" if hint else "")
    if typed:
        # Browsers judge length only once a user has edited the field.
        low, high = _integer(attrs.get("minlength")), _integer(attrs.get("maxlength"))
        if low is not None and len(value) < low:
            return f"use at least {low} characters"
        if high is not None and len(value) > high:
            return f"use at most {high} characters"
    return _range(kind, attrs, value) if kind in _ORDERED else ""


def _addresses(attrs: dict[str, str], value: str) -> list[str]:
    return value.split(",") if "multiple" in attrs else [value]


def _fits_pattern(pattern: str, value: str) -> bool:
    if len(value) > MAX_PATTERN_INPUT:
        return True
    try:
        return re.fullmatch(pattern, value) is not None
    except (re.error, RecursionError, OverflowError):
        return True


def _range(kind: str, attrs: dict[str, str], value: str) -> str:
    low, high = attrs.get("min"), attrs.get("max")
    if kind not in ("number", "range"):
        # The date and time formats sort as text.
        if low and controls.sanitize(kind, low) and value < low:
            return f"enter {low} or later"
        return f"enter {high} or earlier" if high and controls.sanitize(kind, high) and value > high else ""
    number, least, most = float(value), _number(low), _number(high)
    if least is not None and number < least:
        return f"enter a value of at least {low}"
    if most is not None and number > most:
        return f"enter a value of at most {high}"
    step = attrs.get("step", "1").strip().lower()
    size = _number(step) if step != "any" else None
    if step != "any":
        size = size if size is not None and size > 0 else 1.0
        base = least if least is not None else (_number(attrs.get("value")) or 0.0)
        steps = (number - base) / size
        if abs(steps - round(steps)) > 1e-9 * max(1.0, abs(steps)):
            return f"enter a value in steps of {step or '1'}"
    return ""


def _number(text: str | None) -> float | None:
    return float(text) if text and controls.sanitize("number", text) else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else None


def entries(form: Element, submitter: Element | None, document: Document) -> list[tuple[str, str]]:
    """The successful controls: names and values in tree order."""
    out: list[tuple[str, str]] = []
    for element in members(form, document):
        name = element.attrs.get("name", "")
        if controls.is_disabled(element) or element.closest("datalist") is not None:
            continue
        kind = controls.input_type(element) if element.tag == "input" else element.tag
        if kind in ("submit", "reset", "button", "image") and element is not submitter:
            continue
        if kind == "image":
            prefix = f"{name}." if name else ""
            out += [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
        elif not name or (kind in ("checkbox", "radio") and not controls.is_checked(element)):
            continue
        elif kind == "select":
            chosen = controls.selected_options(element)
            out += [(name, controls.option_value(o)) for o in chosen if not controls.option_disabled(o)]
        elif name == "_charset_" and kind == "hidden":
            out.append((name, "UTF-8"))
        else:
            out.append((name, "" if kind == "file" else controls.value_of(element)))
    return [(_newlines(name), _newlines(value)) for name, value in out]


def _newlines(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def submit(form: Element, submitter: Element | None, document: Document, base: str) -> Submission:
    """What submitting `form` with `submitter` (None: by script or Enter alone) sends.

    Args:
        form: The form.
        submitter: The button that was used.
        document: Where both lie.
        base: The page's base, as `resolve` takes it.
    """
    button = submitter.attrs if submitter is not None else {}
    method = (button.get("formmethod") or form.attrs.get("method", "get")).strip().upper()
    action = button.get("formaction") or form.attrs.get("action", "")
    target = resolve(action, base)
    new_tab = (button.get("formtarget") or form.attrs.get("target", "")).lower() == "_blank"
    if method not in ("POST", "DIALOG"):
        query = urlencode(entries(form, submitter, document))
        return Submission("GET", with_query(target, query), new_tab=new_tab, form=True)
    if method == "DIALOG":
        return Submission("DIALOG", target)
    pairs = entries(form, submitter, document)
    enctype = (button.get("formenctype") or form.attrs.get("enctype", "")).strip().lower()
    if enctype == "multipart/form-data":
        return Submission("POST", target, *_multipart(pairs, form, document), new_tab=new_tab, form=True)
    if enctype == "text/plain":
        text = "".join(f"{name}={value}\r\n" for name, value in pairs)
        return Submission("POST", target, "text/plain", text.encode(), new_tab=new_tab, form=True)
    body = urlencode(pairs).encode()
    return Submission("POST", target, "application/x-www-form-urlencoded", body, new_tab=new_tab, form=True)


def urlencode(pairs: list[tuple[str, str]]) -> str:
    """The application/x-www-form-urlencoded text of `pairs`."""
    return "&".join(f"{_percent(name)}={_percent(value)}" for name, value in pairs)


def _percent(text: str) -> str:
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")


def _multipart(pairs: list[tuple[str, str]], form: Element, document: Document) -> tuple[str, bytes]:
    text = repr(pairs)
    boundary = "----FormBoundary" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    files = {e.attrs.get("name", "") for e in members(form, document) if controls.is_file(e)}
    parts = []
    for name, value in pairs:
        quoted = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
        head = f'Content-Disposition: form-data; name="{quoted}"'
        if name in files:
            head += '; filename=""\r\nContent-Type: application/octet-stream'
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n{value}\r\n")
    body = "".join(parts) + f"--{boundary}--\r\n"
    return f"multipart/form-data; boundary={boundary}", body.encode(errors="replace")
