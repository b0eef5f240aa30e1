"""The figures of `envsim fidelity users` in the report of a world whose tasks have users."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.errors import ContentError


@dataclass(frozen=True)
class UserFigure:
    """One distance between simulated users and real ones, beside what two halves of the real ones are apart."""

    title: str
    distance: float | None
    floor: float | None
    ratio: float | None


@dataclass(frozen=True)
class UsersLink:
    """What was taken over, and where the whole is."""

    source: str
    figures: tuple[UserFigure, ...]


def read_users(path: Path) -> UsersLink:
    """Figures from ``users.json``, as `envsim.fidelity.users.write_report` writes it.

    Args:
        path: The file, or the folder it is in.

    Raises:
        ContentError: It is not such a file.
    """
    file = path / "users.json" if path.is_dir() else path
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
        figures = tuple(
            UserFigure(str(row["title"]), *(_value(row[key]) for key in ("distance", "floor", "ratio"))) for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise ContentError(
            f"{file} is no report on users. Make one with: envsim fidelity users --real DIR --simulated DIR -o {path}"
        ) from None
    return UsersLink(str(file), figures)


def _value(estimate: Any) -> float | None:
    value = estimate["value"]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(value)
    return value
