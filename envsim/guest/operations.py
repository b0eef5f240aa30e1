"""Typed tools of a clone: their arguments as JSON Schema, read from a request, and their OpenAPI document.

The counterpart of `envsim.guest.openapi`, which reads such a document. Standard library only: this
package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from envsim.guest.service import Refusal, Row

Schema = dict[str, Any]
Caller = TypeVar("Caller")

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
CENTS: Schema = {"type": "integer", "minimum": 0, "description": "Money in cents (USD): 4900 is $49.00."}
DATE: Schema = {"type": "string", "maxLength": 10, "description": "A date, YYYY-MM-DD."}

ABOUT = "Money is in integer cents (USD), dates are ISO 8601."
"""What holds for the tools of a shop."""

MAX_TEXT = 4000
MAX_INTEGER = 2**53
_PYTHON: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


def one_of(options: Iterable[str]) -> Schema:
    """Text that is one of `options`."""
    return {"type": "string", "enum": list(options)}


def shape(**properties: Schema) -> Schema:
    """An object that has all of `properties`."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def listing_of(item: Schema) -> Schema:
    """A list of `item`."""
    return {"type": "array", "items": item}


def component(name: str) -> Schema:
    """The schema called `name` among the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True)
class Argument:
    """One argument of a tool.

    Attributes:
        place: ``"path"``, ``"query"`` or ``"body"``.
        schema: String, integer or boolean, with ``enum``, ``minimum``, ``maximum`` or ``maxLength``.
        note: What it means.
        optional: Whether it may be left out.
        default: What the handler gets when it is.
    """

    place: str
    schema: Schema
    note: str = ""
    optional: bool = False
    default: Any = None

    @property
    def described(self) -> Schema:
        """The schema, with the note."""
        return {**self.schema, "description": self.note} if self.note else self.schema


@dataclass(frozen=True)
class Tool(Generic[Caller]):
    """One operation: ``handler(caller, arguments)`` answers with an object that `result` describes."""

    name: str
    method: str
    path: str
    about: str
    handler: Callable[[Caller, dict[str, Any]], Row]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    result: Schema = field(default_factory=lambda: {"type": "object"})

    def read(self, path: Mapping[str, str], query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The checked arguments of a request.

        Raises:
            Refusal: The body is no JSON object (400), or an argument is missing, unknown or of another type (422).
        """
        given: dict[str, Mapping[str, Any]] = {"path": path, "query": query, "body": _object(body)}
        for place in ("query", "body"):
            for name in sorted(given[place]):
                if name not in self.arguments or self.arguments[name].place != place:
                    raise _bad(f"{self.name} has no {place} argument {name!r}.")
        return {name: self._value(name, argument, given[argument.place]) for name, argument in self.arguments.items()}

    def _value(self, name: str, argument: Argument, given: Mapping[str, Any]) -> Any:
        if name in given:
            sent = given[name]
            return _checked(name, sent if argument.place == "body" else _typed(sent, argument.schema), argument.schema)
        if not argument.optional:
            raise _bad(f"{self.name} needs the argument {name!r}.")
        return argument.default


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise Refusal("bad_json", "The body is not valid JSON.", 400) from None
    if not isinstance(parsed, dict):
        raise Refusal("bad_json", "The body must be a JSON object.", 400)
    return parsed


def _typed(text: str, schema: Schema) -> Any:
    """What a path or query argument, always text, stands for; the text itself when it does not fit."""
    digits = text.removeprefix("-")
    if schema["type"] == "integer" and digits.isascii() and digits.isdecimal() and len(digits) < 16:
        return int(text)
    return {"true": True, "false": False}.get(text, text) if schema["type"] == "boolean" else text


def _checked(name: str, value: Any, schema: Schema) -> Any:
    wanted: str = schema["type"]
    if not isinstance(value, _PYTHON[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        raise _bad(f"{name} must be of type {wanted}.")
    if value not in schema.get("enum", (value,)):
        raise _bad(f"{name} must be one of: {', '.join(schema['enum'])}.")
    if wanted == "integer" and not schema.get("minimum", -MAX_INTEGER) <= value <= schema.get("maximum", MAX_INTEGER):
        raise _bad(f"{name} must be from {schema.get('minimum', '-2^53')} to {schema.get('maximum', '2^53')}.")
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", MAX_TEXT):
            raise _bad(f"{name} is too long.")
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise _bad(f"{name} is not valid Unicode.")
    return value


def _bad(message: str) -> Refusal:
    return Refusal("invalid_argument", message)


def openapi(
    tools: Iterable[Tool[Any]],
    title: str,
    components: Mapping[str, Schema],
    *,
    about: str = ABOUT,
    notes_beside: bool = False,
    bodies_required: bool = False,
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of `tools`.

    Args:
        tools: What it describes, in this order.
        title: The app's name.
        components: Schemas that the tools refer to; an ``Error`` among them, what every refusal looks like.
        about: What holds for all of the tools.
        notes_beside: Whether the note of a path or query argument stands beside its schema, which may have a
            description of its own; otherwise it takes that one's place.
        bodies_required: Whether a body must be sent even where all of its fields may be left out.
    """
    paths: dict[str, dict[str, Any]] = {}
    for tool in tools:
        described = _operation(tool, notes_beside=notes_beside, bodies_required=bodies_required)
        paths.setdefault(tool.path, {})[tool.method.lower()] = described
    info = {"title": title, "version": "1.0.0", "description": about}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": dict(components)}}


def _operation(tool: Tool[Any], *, notes_beside: bool, bodies_required: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"operationId": tool.name, "description": tool.about}
    outside = {name: argument for name, argument in tool.arguments.items() if argument.place != "body"}
    inside = {name: argument for name, argument in tool.arguments.items() if argument.place == "body"}
    if outside:
        out["parameters"] = [_parameter(name, argument, notes_beside) for name, argument in outside.items()]
    if inside:
        fields = {name: argument.described for name, argument in inside.items()}
        needed = [name for name, argument in inside.items() if not argument.optional]
        schema = {"type": "object", "properties": fields, "required": needed, "additionalProperties": False}
        out["requestBody"] = {"required": bodies_required or bool(needed), "content": _json(schema)}
    out["responses"] = {
        "200": {"description": "Done.", "content": _json(tool.result)},
        "4XX": {"description": "Refused.", "content": _json(component("Error"))},
    }
    return out


def _parameter(name: str, argument: Argument, note_beside: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": name, "in": argument.place, "required": not argument.optional}
    if not note_beside:
        return {**out, "schema": argument.described}
    return {**out, "schema": argument.schema, **({"description": argument.note} if argument.note else {})}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
