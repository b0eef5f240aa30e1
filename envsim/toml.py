"""Declarations in TOML: read, validated, and refused in one sentence that names file and key."""

from __future__ import annotations

import tomllib
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
    try:
        return model.model_validate({**tomllib.loads(path.read_text(encoding="utf-8")), **more})
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"Cannot read {path}: {error}. Check the path and its permissions.") from None
    except tomllib.TOMLDecodeError as error:
        raise ContentError(f"{path} is not valid TOML: {error}. Correct that line.") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ContentError(f"{path}: {f'{key}: ' if key else ''}{message}. Correct or remove it.") from None
