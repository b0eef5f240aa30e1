"""What a tool is: one operation with typed arguments, and how arguments are read from a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..service.actor import Actor
from ..service.db import ShopError

Schema = dict[str, Any]
Handler = Callable[[Actor, dict[str, Any]], dict[str, Any]]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
CENTS: Schema = {"type": "integer", "minimum": 0, "description": "Money in cents: 4900 is $49.00."}


@dataclass(frozen=True)
class Arg:
    """One argument: where it travels and what it may be. `default` makes it optional."""

    place: str
    schema: Schema
    description: str = ""
    default: Any = ...

    @property
    def required(self) -> bool:
        """Whether the argument must be given."""
        return self.default is ...


def path(schema: Schema, description: str = "") -> Arg:
    """An argument in the path."""
    return Arg("path", schema, description)


def query(schema: Schema, description: str = "", default: Any = None) -> Arg:
    """An optional argument in the query."""
    return Arg("query", schema, description, default)


def body(schema: Schema, description: str = "", default: Any = ...) -> Arg:
    """An argument in the JSON body."""
    return Arg("body", schema, description, default)


@dataclass(frozen=True)
class Operation:
    """One tool. Operations other than GET run in a transaction."""

    id: str
    method: str
    path: str
    description: str
    handler: Handler
    args: Mapping[str, Arg] = field(default_factory=dict)
    result: Schema = field(default_factory=lambda: {"type": "object"})


def read_args(
    operation: Operation, path_params: Mapping[str, str], query_params: Mapping[str, str], raw: bytes
) -> dict[str, Any]:
    """The checked arguments of one request.

    Raises:
        ShopError: An argument is missing, unknown or of the wrong type (422), or the body is no JSON object (400).
    """
    sent: dict[str, dict[str, Any]] = {"path": dict(path_params), "query": dict(query_params), "body": _json(raw)}
    for place in ("query", "body"):
        known = {name for name, arg in operation.args.items() if arg.place == place}
        if unknown := sorted(sent[place].keys() - known):
            raise _invalid(f"{operation.id} has no {place} argument {unknown[0]!r}.")
    out = {}
    for name, arg in operation.args.items():
        if name in sent[arg.place]:
            value = sent[arg.place][name]
            out[name] = _check(name, value if arg.place == "body" else _from_text(value, arg.schema), arg.schema)
        elif arg.required:
            raise _invalid(f"{operation.id} needs the argument {name!r}.")
        else:
            out[name] = arg.default
    return out


def _json(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise ShopError("bad_json", "The body is not valid JSON.", 400) from None
    if not isinstance(value, dict):
        raise ShopError("bad_json", "The body must be a JSON object.", 400)
    return value


def _from_text(text: str, schema: Schema) -> Any:
    kind = schema["type"]
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _check(name: str, value: Any, schema: Schema) -> Any:
    kinds: dict[str, type] = {"string": str, "integer": int, "boolean": bool}
    kind = schema["type"]
    if not isinstance(value, kinds[kind]) or (kind == "integer" and isinstance(value, bool)):
        raise _invalid(f"{name} must be of type {kind}.")
    if "enum" in schema and value not in schema["enum"]:
        raise _invalid(f"{name} must be one of: {', '.join(schema['enum'])}.")
    if kind == "integer" and not schema.get("minimum", -(2**53)) <= value <= schema.get("maximum", 2**53):
        raise _invalid(f"{name} must be from {schema.get('minimum', '-2^53')} to {schema.get('maximum', '2^53')}.")
    if isinstance(value, str) and len(value) > schema.get("maxLength", 4000):
        raise _invalid(f"{name} is too long.")
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        raise _invalid(f"{name} is not valid Unicode.")
    return value


def _invalid(message: str) -> ShopError:
    return ShopError("invalid_argument", message, 422)
