"""Declarations in TOML: read, validated, and refused in one sentence that names file and key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from envsim.errors import ContentError

M = TypeVar("M", bound=BaseModel)


def read_toml(path: Path, model: type[M], **more: Any) -> M:
    """The file at `path` as a `model`.

    Args:
        path: A TOML file.
        model: What it declares; should refuse unknown keys.
        **more: Fields that are not in the file.

    Raises:
        ContentError: Unreadable, not TOML, or a key that does not fit.
    """
    return fit_toml(path, {**parse_toml(path), **more}, model)


def parse_toml(path: Path) -> dict[str, Any]:
    """The file at `path` as it stands.

    Raises:
        ContentError: Unreadable or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"Cannot read {path}: {error}. Check the path and its permissions.") from None
    except tomllib.TOMLDecodeError as error:
        raise ContentError(f"{path} is not valid TOML: {error}. Correct that line.") from None


def fit_toml(path: Path, table: Mapping[str, Any], model: type[M]) -> M:
    """`table`, which came from `path`, as a `model`.

    Raises:
        ContentError: A key that does not fit.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ContentError(f"{path}: {f'{key}: ' if key else ''}{message}. Correct or remove it.") from None
