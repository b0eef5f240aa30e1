"""Roles and accessible names, from markup alone.

Sources: the implicit roles of "HTML Accessibility API Mappings 1.0" and steps 2A to 2I of
"Accessible Name and Description Computation 1.2", for what server-rendered pages use.
"""

from __future__ import annotations

from envsim.page.dom import Document, Element

BLOCK = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup",
    "option", "p", "pre", "search", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "ul"
})  # fmt: skip
"""Elements that stand on lines of their own; text on both sides of one never joins."""

SKIPPED = frozenset({
    "head", "script", "style", "template", "noscript", "iframe", "object", "embed", "canvas", "video", "audio",
    "datalist", "param", "source", "track", "link", "meta", "title", "base", "colgroup", "col", "frameset",
    "frame", "rp",
})  # fmt: skip
"""Elements that contribute nothing."""

_INPUT_ROLES = {
    "button": "button",
    "submit": "button",
    "reset": "button",
    "image": "button",
    "checkbox": "checkbox",
    "radio": "radio",
    "number": "spinbutton",
    "range": "slider",
    "search": "searchbox",
    "file": "file",
    "hidden": "",
}
_TAG_ROLES = {
    "button": "button", "textarea": "textbox", "summary": "summary", "main": "main", "nav": "navigation",
    "aside": "complementary", "article": "article", "form": "form", "section": "region", "search": "search",
    "ul": "list", "ol": "list", "menu": "list", "li": "listitem", "table": "table", "tr": "row", "td": "cell",
    "th": "cell", "dialog": "dialog", "output": "status", "fieldset": "group", "img": "img", "progress": "progressbar",
    "meter": "meter", "h1": "heading", "h2": "heading", "h3": "heading", "h4": "heading", "h5": "heading",
    "h6": "heading", "svg": "svg", "option": "", "optgroup": "",
}  # fmt: skip
_EXPLICIT = {
    "alertdialog": "dialog", "image": "img", "columnheader": "cell", "rowheader": "cell", "gridcell": "cell",
    "grid": "table", "treegrid": "table", "none": "", "presentation": "", "generic": "", "log": "status",
    "menuitemcheckbox": "menuitem", "menuitemradio": "menuitem",
}  # fmt: skip
_KNOWN = frozenset({
    "link", "button", "textbox", "searchbox", "spinbutton", "combobox", "listbox", "checkbox", "radio",
    "switch", "slider", "tab", "menuitem", "summary", "file", "banner", "navigation", "main", "contentinfo",
    "complementary", "form", "region", "search", "list", "listitem", "table", "row", "cell", "dialog", "alert",
    "status", "heading", "img", "group", "article", "progressbar", "meter"
})  # fmt: skip
_NAMED_BY_TEXT = frozenset({
    "link", "button", "checkbox", "radio", "switch", "tab", "menuitem", "summary", "heading"
})  # fmt: skip
_SECTIONING = ("article", "aside", "main", "nav", "section")
LABELABLE = ("button", "input", "meter", "output", "progress", "select", "textarea")


def role_of(element: Element) -> str:
    """The role of `element`, "" for a generic one."""
    role = element.opening.role
    if role is None:
        role = _role(element)
        if element.tag not in ("header", "footer"):  # which may depend on what is around them
            element.opening.role = role
    return role


def _role(element: Element) -> str:
    explicit = element.attrs.get("role")
    if explicit:
        for token in explicit.lower().split():
            if token in _EXPLICIT:
                return _EXPLICIT[token]
            if token in _KNOWN:
                return token
    return _implicit(element)


def _implicit(element: Element) -> str:
    tag, attrs = element.tag, element.attrs
    if tag == "input":
        return _INPUT_ROLES.get(attrs.get("type", "").lower(), "textbox")
    if tag in ("a", "area"):
        return "link" if "href" in attrs else ""
    if tag == "select":
        return "listbox" if "multiple" in attrs or _size(attrs) > 1 else "combobox"
    if tag in ("header", "footer"):
        parent = element.parent
        if parent is not None and parent.closest(*_SECTIONING) is not None:
            return ""
        return "banner" if tag == "header" else "contentinfo"
    if tag in _TAG_ROLES:
        return _TAG_ROLES[tag]
    return "textbox" if attrs.get("contenteditable", "false") in ("", "true", "plaintext-only") else ""


def _size(attrs: dict[str, str]) -> int:
    text = attrs.get("size", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def is_hidden(element: Element) -> bool:
    """Whether `element` and all below it is not perceivable (its ancestors are not asked)."""
    hidden = element.opening.hidden
    if hidden is None:
        hidden = element.opening.hidden = _hides(element.tag, element.attrs)
    return hidden or "hidden" in element.live or (element.tag == "dialog" and not is_open(element))


def _hides(tag: str, attrs: dict[str, str]) -> bool:
    if tag in SKIPPED:
        return True
    if "hidden" in attrs or attrs.get("aria-hidden") == "true" or attrs.get("type", "").lower() == "hidden":
        return tag not in ("button", "a") or "hidden" in attrs or "aria-hidden" in attrs
    style = attrs.get("style", "").replace(" ", "").lower()
    return "display:none" in style or "visibility:hidden" in style


def is_open(element: Element) -> bool:
    """Whether a details or dialog element is open."""
    state = element.live.get("open")
    return "open" in element.attrs if state is None else state == "1"


def is_link(element: Element) -> bool:
    """Whether a click on `element` follows a hyperlink, whatever role it was given."""
    return element.tag in ("a", "area") and "href" in element.attrs


def is_focusable(element: Element) -> bool:
    """Whether focus can rest on `element` (whether it is disabled is not asked)."""
    tag, attrs = element.tag, element.attrs
    if "tabindex" in attrs or is_link(element):
        return True
    return tag in ("button", "input", "select", "textarea", "summary") or "contenteditable" in attrs


def squeeze(text: str) -> str:
    """`text` with runs of whitespace collapsed and the ends trimmed."""
    return " ".join(text.split())


def visible_text(element: Element, *, controls: bool = True) -> str:
    """The text of `element` as read aloud, whitespace collapsed.

    Args:
        element: Where to read.
        controls: Whether text of buttons, fields and their labels counts.
    """
    children = element.children
    if len(children) == 1 and isinstance(children[0], str):
        return squeeze(children[0])
    parts: list[str] = []
    _collect(element, parts, controls)
    return squeeze("".join(parts))


def _collect(element: Element, parts: list[str], controls: bool) -> None:
    for child in element.children:
        if isinstance(child, str):
            parts.append(child)
            continue
        if is_hidden(child):
            continue
        tag = child.tag
        label = child.attrs.get("aria-label")
        if label:
            parts += (" ", label, " ") if tag in BLOCK else (label,)
        elif tag == "img":
            parts.append(child.attrs.get("alt", ""))
        elif tag in ("input", "select", "textarea"):
            continue
        elif not controls and tag in ("button", "label"):
            parts.append(" ")
        elif tag == "svg":
            parts.extend(title.text() for title in child.find("title"))
        elif tag == "details" and not is_open(child):
            parts.extend(
                (
                    " ",
                    "".join(visible_text(s) for s in child.children if not isinstance(s, str) and s.tag == "summary"),
                    " ",
                )
            )
        elif tag in BLOCK:
            parts.append(" ")
            _collect(child, parts, controls)
            parts.append(" ")
        else:
            _collect(child, parts, controls)


def labels_of(element: Element, document: Document) -> list[Element]:
    """The label elements of a control: those that name its id, then one that wraps it."""
    found = list(document.labels_for(element.attrs["id"])) if "id" in element.attrs else []
    wrapper = element.parent.closest("label") if element.parent is not None else None
    if wrapper is not None and "for" not in wrapper.attrs and next(wrapper.find(*LABELABLE), None) is element:
        found.append(wrapper)
    return found


def control_of(label: Element, document: Document) -> Element | None:
    """The control a label element labels, if any."""
    if "for" in label.attrs:
        target = document.by_id(label.attrs["for"])
        return target if target is not None and target.tag in LABELABLE else None
    return next((e for e in label.find(*LABELABLE) if e.attrs.get("type", "").lower() != "hidden"), None)


def referenced_text(element: Element, attribute: str, document: Document) -> str:
    """Text of the elements whose ids `attribute` lists; hidden ones count, as the standard says."""
    if attribute not in element.attrs:
        return ""
    targets = (document.by_id(part) for part in element.attrs[attribute].split())
    return squeeze(" ".join(_own_name(target) for target in targets if target is not None))


def _own_name(element: Element) -> str:
    return element.attrs.get("aria-label") or element.attrs.get("alt") or visible_text(element)


def explicit_name(element: Element, document: Document) -> str:
    """The name that ARIA attributes give, or ""."""
    attrs = element.attrs
    if "aria-labelledby" in attrs:
        name = referenced_text(element, "aria-labelledby", document)
        if name:
            return name
    return squeeze(attrs["aria-label"]) if "aria-label" in attrs else ""


def name_of(element: Element, role: str, document: Document) -> str:
    """The accessible name of `element`, whitespace collapsed."""
    name = explicit_name(element, document)
    if name:
        return name
    tag, attrs = element.tag, element.attrs
    if tag == "img" or (tag == "input" and attrs.get("type", "").lower() == "image"):
        name = squeeze(attrs.get("alt", ""))
    elif tag == "input" and role == "button":
        kind = attrs.get("type", "").lower()
        name = squeeze(attrs.get("value", {"submit": "Submit", "reset": "Reset"}.get(kind, "")))
    elif tag in ("input", "select", "textarea", "meter", "progress", "output"):
        name = squeeze(" ".join(visible_text(label) for label in labels_of(element, document)))
    elif tag in ("fieldset", "table", "figure"):
        child = {"fieldset": "legend", "table": "caption", "figure": "figcaption"}[tag]
        first = next((c for c in element.children if not isinstance(c, str) and c.tag == child), None)
        name = visible_text(first) if first is not None else ""
    elif tag == "svg":
        name = squeeze(" ".join(title.text() for title in element.find("title")))
    elif role in _NAMED_BY_TEXT:
        name = visible_text(element)
    return name or squeeze(attrs.get("title", "")) or squeeze(attrs.get("placeholder", ""))
