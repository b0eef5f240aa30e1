"""The ``[user]`` table of a task file -> `UserGoal` instances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from envsim.errors import ContentError
from envsim.expressions import resolve
from envsim.goal import UserGoal

SPOKEN = ("value", "said", "fact", "result")
"""Placeholders that the user fills in while it speaks; no parameter of a task with a user may be called so."""
_SPOKEN = re.compile(rf"\{{((?:{'|'.join(SPOKEN)})(?:\.[\w-]+)*(?::[a-z]+)?)\}}")


def fill_goal(table: Mapping[str, Any], params: Mapping[str, Any]) -> UserGoal:
    """The goal of one instance.

    Args:
        table: The ``[user]`` table, with placeholders.
        params: The instance's parameters.

    Raises:
        ContentError: A key or value that does not fit; names it.
    """
    try:
        return UserGoal.model_validate(resolve(_keep_spoken(table), params))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("user", *first["loc"]))
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ContentError(f"{where}: {message}. Correct it.") from None


def _keep_spoken(value: Any) -> Any:
    if isinstance(value, str):
        return _SPOKEN.sub(r"{{\1}}", value)
    if isinstance(value, Mapping):
        return {key: _keep_spoken(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_keep_spoken(item) for item in value]
    return value
