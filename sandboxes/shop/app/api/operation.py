"""The shop's tools in short: operations of an `Actor`, and their arguments by where these travel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from envsim.guest.operations import FLAG, TEXT, WHOLE, Argument, Schema, Tool

from ..service.actor import Actor

Handler = Callable[[Actor, dict[str, Any]], dict[str, Any]]
Operation: TypeAlias = Tool[Actor]

STRING, INTEGER, BOOLEAN = TEXT, WHOLE, FLAG
CENTS: Schema = {"type": "integer", "minimum": 0, "description": "Money in cents: 4900 is $49.00."}


def path(schema: Schema, note: str = "") -> Argument:
    """An argument in the path."""
    return Argument("path", schema, note)


def query(schema: Schema, note: str = "", default: Any = None) -> Argument:
    """An argument in the query; it must be given where `default` is ``...``."""
    return Argument("query", schema, note, default is not ..., None if default is ... else default)


def body(schema: Schema, note: str = "", default: Any = ...) -> Argument:
    """An argument in the JSON body; it must be given where `default` is ``...``."""
    return Argument("body", schema, note, default is not ..., None if default is ... else default)
