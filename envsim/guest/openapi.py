"""An app's OpenAPI document as typed tools, and a tool call as the HTTP request it stands for.

One operation with an ``operationId`` is one tool. Its path, query and JSON body parameters become
one flat object of arguments, which is what chat APIs expect of a function.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

Schema = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

_METHODS = ("get", "put", "post", "delete", "patch")
_MAX_DEPTH = 16
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


@dataclass
class _Operation:
    name: str
    method: str
    path: str
    description: str
    schemas: dict[str, Schema] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Where each argument goes: path, query or body."""
    required: list[str] = field(default_factory=list)

    def add(self, name: str, place: str, schema: Schema, *, required: bool) -> None:
        if name in self.places:
            raise ValueError(f"tool {self.name!r} has two arguments called {name!r}; rename one in the document")
        self.places[name] = place
        self.schemas[name] = schema
        if required:
            self.required.append(name)


def tool_schemas(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every tool as ``{"name", "description", "parameters"}``, sorted by name.

    Raises:
        ValueError: The document is not one this module can read.
    """
    return [
        {
            "name": operation.name,
            "description": operation.description,
            "parameters": {
                "type": "object",
                "properties": operation.schemas,
                "required": operation.required,
                "additionalProperties": False,
            },
        }
        for operation in sorted(_operations(document), key=lambda operation: operation.name)
    ]


def build_call(document: Mapping[str, Any], name: str, arguments: Mapping[str, Any]) -> tuple[str, str, Headers, bytes]:
    """The request a tool call stands for: method, percent-encoded target, headers, body.

    Raises:
        ValueError: Unknown tool, or arguments that are missing, unknown or of the wrong type.
    """
    operation = next((operation for operation in _operations(document) if operation.name == name), None)
    if operation is None:
        known = ", ".join(sorted(operation.name for operation in _operations(document)))
        raise ValueError(f"there is no tool {name!r}; the tools are: {known}")
    values = _checked(operation, arguments)
    target = operation.path
    for key, place in operation.places.items():
        if place == "path":
            target = target.replace("{" + key + "}", quote(_text(values[key]), safe=""))
    query = [(key, _text(part)) for key, value in _placed(operation, values, "query") for part in _parts(value)]
    if query:
        target += "?" + urlencode(query)
    headers: Headers = (("accept", "application/json"),)
    if "body" not in operation.places.values():
        return operation.method, target, headers, b""
    body = json.dumps(dict(_placed(operation, values, "body")), ensure_ascii=False).encode()
    return operation.method, target, (*headers, ("content-type", "application/json")), body


def _placed(operation: _Operation, values: Mapping[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in values.items() if operation.places[key] == place)


def _parts(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# -- reading the document ----------------------------------------------------------------------


def _operations(document: Mapping[str, Any]) -> Iterator[_Operation]:
    paths = document.get("paths")
    if not isinstance(paths, dict):
        raise ValueError("not an OpenAPI document: it has no paths")
    for path, item in paths.items():
        for method in _METHODS:
            if isinstance(raw := item.get(method), dict) and "operationId" in raw:
                yield _operation(document, path, method, raw, item.get("parameters", []))


def _operation(
    document: Mapping[str, Any], path: str, method: str, raw: Mapping[str, Any], shared: list[Any]
) -> _Operation:
    description = str(raw.get("description") or raw.get("summary") or "")
    operation = _Operation(str(raw["operationId"]), method.upper(), path, description)
    for reference in [*shared, *raw.get("parameters", [])]:
        parameter = _resolve(document, reference)
        if parameter.get("in") not in ("path", "query"):
            continue  # headers and cookies belong to the session, not to the caller
        schema = dict(parameter.get("schema", {}))
        if "description" in parameter:
            schema.setdefault("description", parameter["description"])
        required = bool(parameter.get("required")) or parameter["in"] == "path"
        operation.add(parameter["name"], parameter["in"], schema, required=required)
    content = _resolve(document, raw.get("requestBody", {})).get("content", {})
    if content and "application/json" not in content:
        raise ValueError(f"tool {operation.name!r} takes no JSON body; only application/json is supported")
    body = content.get("application/json", {}).get("schema", {})
    for key, schema in body.get("properties", {}).items():
        operation.add(key, "body", schema, required=key in body.get("required", ()))
    return operation


def _resolve(document: Mapping[str, Any], node: Any, depth: int = 0) -> Any:
    """`node` with every local ``$ref`` replaced by what it points to."""
    if depth > _MAX_DEPTH:
        return {}  # a recursive schema: anything fits below this level
    if isinstance(node, list):
        return [_resolve(document, item, depth + 1) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return {key: _resolve(document, value, depth + 1) for key, value in node.items()}
    target: Any = document
    for key in reference.removeprefix("#/").split("/"):
        if not isinstance(target, dict) or key not in target:
            raise ValueError(f"the document has no {reference!r}")
        target = target[key]
    return _resolve(document, target, depth + 1)


# -- checking arguments ------------------------------------------------------------------------


def _checked(operation: _Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := [key for key in arguments if key not in operation.places]:
        names = ", ".join(operation.places) or "none"
        raise ValueError(f"{operation.name}() has no argument {unknown[0]!r}; its arguments are: {names}")
    if missing := [key for key in operation.required if key not in arguments]:
        raise ValueError(f"{operation.name}() needs the argument {missing[0]!r}")
    return {key: _fit(operation.name, key, value, operation.schemas[key]) for key, value in arguments.items()}


def _fit(tool: str, where: str, value: Any, schema: Schema) -> Any:
    """`value` as JSON Schema `schema` has it: type, enum, items and properties; the app judges the rest."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        for option in options:
            try:
                return _fit(tool, where, value, option)
            except ValueError:
                continue
        raise ValueError(f"{tool}(): {where} must be {_names(options)}, not {_show(value)}")
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, kind) for kind in types):
        raise ValueError(f"{tool}(): {where} must be {' or '.join(types)}, not {_show(value)}")
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(str(option) for option in schema["enum"])
        raise ValueError(f"{tool}(): {where} must be one of {allowed}, not {_show(value)}")
    if isinstance(value, float) and "integer" in types:
        return int(value)  # JSON has one kind of number: 2.0 is the integer 2
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [_fit(tool, f"{where}[{i}]", item, items) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return _fit_object(tool, where, value, schema)
    return value


def _fit_object(tool: str, where: str, value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    for key in schema.get("required", ()):
        if key not in value:
            raise ValueError(f"{tool}(): {where} needs {key!r}")
    properties = schema.get("properties", {})
    return {key: _fit(tool, f"{where}.{key}", item, properties.get(key, {})) for key, item in value.items()}


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"  # in Python a bool is an int, in JSON it is not
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _names(options: list[Schema]) -> str:
    return " or ".join(str(option.get("type", "another shape")) for option in options)


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
