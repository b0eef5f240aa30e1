"""An OpenAPI document as tools, a tool call as a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envsim.guest.openapi import build_call, tool_schemas

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/items/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {"operationId": "get_item", "summary": "One item"},
            "patch": {
                "operationId": "change_item",
                "description": "Change an item",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}},
            },
        },
        "/items": {
            "get": {
                "operationId": "find_items",
                "parameters": [
                    {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}, "description": "what"},
                    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "sold", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "x-trace", "in": "header", "schema": {"type": "string"}},
                ],
            }
        },
        "/undocumented": {"get": {}},
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Change": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"enum": ["S", "M"], "type": "string"},
                    "quantity": {"type": "integer"},
                    "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}},
                },
            },
            "Part": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "inside": {"$ref": "#/components/schemas/Part"}},
            },
        },
    },
}


def test_every_named_operation_is_one_tool_with_flat_arguments() -> None:
    tools = {tool["name"]: tool for tool in tool_schemas(DOCUMENT)}
    assert list(tools) == ["change_item", "find_items", "get_item"]
    assert tools["get_item"]["description"] == "One item"
    parameters = tools["change_item"]["parameters"]
    assert list(parameters["properties"]) == ["id", "size", "quantity", "price", "parts"]
    assert parameters["required"] == ["id", "size"]
    assert tools["find_items"]["parameters"]["properties"]["q"]["description"] == "what"
    assert "x-trace" not in tools["find_items"]["parameters"]["properties"]


def test_a_call_is_the_request_it_stands_for() -> None:
    assert build_call(DOCUMENT, "get_item", {"id": "a/b ü"}) == (
        "GET",
        "/items/a%2Fb%20%C3%BC",
        (("accept", "application/json"),),
        b"",
    )
    _, target, _, _ = build_call(DOCUMENT, "find_items", {"q": "a&b", "tag": ["x", "y"], "sold": True})
    assert target == "/items?q=a%26b&tag=x&tag=y&sold=true"
    method, target, headers, body = build_call(DOCUMENT, "change_item", {"id": "1", "size": "M", "quantity": 2.0})
    assert (method, target) == ("PATCH", "/items/1")
    assert ("content-type", "application/json") in headers
    assert json.loads(body) == {"size": "M", "quantity": 2}


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("buy", {}, "there is no tool 'buy'; the tools are: change_item, find_items, get_item"),
        ("get_item", {}, "get_item() needs the argument 'id'"),
        ("get_item", {"id": "1", "di": "2"}, "get_item() has no argument 'di'; its arguments are: id"),
        ("get_item", {"id": 1}, "get_item(): id must be string, not 1"),
        ("change_item", {"id": "1", "size": "XL"}, 'change_item(): size must be one of S, M, not "XL"'),
        (
            "change_item",
            {"id": "1", "size": "M", "quantity": True},
            "change_item(): quantity must be integer, not true",
        ),
        ("change_item", {"id": "1", "size": "M", "price": "1"}, 'change_item(): price must be number or null, not "1"'),
        ("change_item", {"id": "1", "size": "M", "parts": [{}]}, "change_item(): parts[0] needs 'name'"),
    ],
)
def test_bad_calls_are_refused_in_one_sentence(name: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        build_call(DOCUMENT, name, arguments)
    assert str(caught.value).endswith(message)


def test_a_document_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not an OpenAPI document"):
        tool_schemas({"openapi": "3.1.0"})
    broken = {"paths": {"/": {"get": {"operationId": "x", "parameters": [{"$ref": "#/components/none"}]}}}}
    with pytest.raises(ValueError, match="has no '#/components/none'"):
        tool_schemas(broken)


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists)


@given(st.dictionaries(st.sampled_from(["id", "size", "quantity", "price", "parts", "other"]), JSON))
def test_arguments_of_any_shape_give_a_request_or_a_value_error(arguments: dict) -> None:
    try:
        _, target, _, body = build_call(DOCUMENT, "change_item", arguments)
    except ValueError:
        return
    assert target.startswith("/items/")
    assert json.loads(body)["size"] in ("S", "M")
