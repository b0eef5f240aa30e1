"""Users by name, for environments and command lines."""

from __future__ import annotations

from pathlib import Path

from envsim.errors import ContentError
from envsim.user.base import User


def get_user(name: str, population: str | Path) -> User:
    """A new user: ``agenda``, ``chat:MODEL`` or ``local:PATH``, its persona drawn from `population`.

    Raises:
        ContentError: No such user or population; lists those that exist.
    """
    del population
    raise ContentError(f"There is no user {name!r}.")
