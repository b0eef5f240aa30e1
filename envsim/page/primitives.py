"""The actions of the browser interface: BrowserGym's names and arguments, as function schemas.

Source: ``browsergym.core.action.functions`` (ServiceNow/BrowserGym).
"""

from __future__ import annotations

from typing import Any

from envsim.errors import ActionError
from envsim.types import Action, JsonValue

_REF = {"type": "string", "description": "ref of an element on the current page, e.g. e4kq2"}
_BUTTON = {"type": "string", "enum": ["left", "middle", "right"], "default": "left"}
_MODIFIERS = {
    "type": "array",
    "items": {"type": "string", "enum": ["Alt", "Control", "ControlOrMeta", "Meta", "Shift"]},
    "default": [],
}
KEYS = ("Enter", "Space", "Tab", "Shift+Tab", "Escape")
"""Keys that `press` takes; text is typed with `fill`."""


def _schema(
    name: str, description: str, required: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": {**required, **(optional or {})},
            "required": list(required),
            "additionalProperties": False,
        },
    }


PRIMITIVES: tuple[dict[str, Any], ...] = (
    _schema(
        "noop", "Do nothing, optionally for some milliseconds.", {}, {"wait_ms": {"type": "number", "default": 1000}}
    ),
    _schema("scroll", "Scroll the page, in pixels.", {"delta_x": {"type": "number"}, "delta_y": {"type": "number"}}),
    _schema("fill", "Replace the text of a field.", {"bid": _REF, "value": {"type": "string"}}),
    _schema(
        "select_option",
        "Choose one or more options of a drop-down or list, by label or value.",
        {"bid": _REF, "options": {"type": ["string", "array"], "items": {"type": "string"}}},
    ),
    _schema("click", "Click an element.", {"bid": _REF}, {"button": _BUTTON, "modifiers": _MODIFIERS}),
    _schema("dblclick", "Double-click an element.", {"bid": _REF}, {"button": _BUTTON, "modifiers": _MODIFIERS}),
    _schema("hover", "Move the mouse over an element.", {"bid": _REF}),
    _schema(
        "press",
        f"Press a key on an element: {', '.join(KEYS)}.",
        {"bid": _REF, "key_comb": {"type": "string", "enum": list(KEYS)}},
    ),
    _schema("focus", "Focus an element.", {"bid": _REF}),
    _schema("clear", "Empty a field.", {"bid": _REF}),
    _schema("drag_and_drop", "Drag one element onto another.", {"from_bid": _REF, "to_bid": _REF}),
    _schema("goto", "Open a page of the app.", {"url": {"type": "string", "description": "path, e.g. /cart"}}),
    _schema("go_back", "Go to the previous page in history.", {}),
    _schema("go_forward", "Go to the next page in history.", {}),
    _schema("new_tab", "Open an empty tab.", {}),
    _schema("tab_close", "Close the current tab.", {}),
    _schema("tab_focus", "Switch to a tab.", {"index": {"type": "integer", "description": "0 is the first tab"}}),
)
_BY_NAME: dict[str, dict[str, Any]] = {schema["name"]: schema["parameters"] for schema in PRIMITIVES}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "array": (list, tuple),
}
_WORDS = {"string": "text", "number": "a number", "integer": "a whole number", "array": "a list of texts"}


def tools() -> list[dict[str, JsonValue]]:
    """The primitives as OpenAI function schemas; a fresh list."""
    return [dict(schema) for schema in PRIMITIVES]


def read_call(action: Action) -> dict[str, Any]:
    """The arguments of a primitive call, with defaults filled in.

    Raises:
        ActionError: Not a primitive, or arguments that do not fit its schema.
    """
    parameters = _BY_NAME.get(action.name) if action.kind == "call" else None
    if parameters is None:
        shown = f'"{action.name[:60]}"' if action.kind == "call" else f'"{action.kind}"'
        raise ActionError(f"There is no page action {shown}. Use one of: {', '.join(_BY_NAME)}.")
    properties = parameters["properties"]
    for name in action.arguments:
        if name not in properties:
            takes = f"It takes: {', '.join(properties)}." if properties else "It takes none."
            raise ActionError(f'{action.name}() has no argument "{name[:60]}". {takes}')
    for name in parameters["required"]:
        if name not in action.arguments:
            raise ActionError(f'{action.name}() needs the argument "{name}".')
    out = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    for name, value in action.arguments.items():
        _check_type(action.name, name, properties[name], value)
        out[name] = value
    return out


def _check_type(call: str, name: str, schema: dict[str, Any], value: JsonValue) -> None:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = any(isinstance(value, _TYPES[kind]) for kind in kinds) and not isinstance(value, bool)
    if fits and isinstance(value, (list, tuple)):
        fits = all(isinstance(item, str) for item in value)
        allowed = schema["items"].get("enum")
        if fits and allowed and any(item not in allowed for item in value):
            raise ActionError(f'{call}(): each of "{name}" must be one of: {", ".join(allowed)}.')
    if not fits:
        raise ActionError(f'{call}(): "{name}" must be {" or ".join(_WORDS[kind] for kind in kinds)}.')
    if "enum" in schema and value not in schema["enum"]:
        hint = " Use fill() to type text." if call == "press" else ""
        raise ActionError(f'{call}(): "{name}" must be one of: {", ".join(schema["enum"])}.{hint}')
