"""Users by name, as command lines and environments take them."""

from __future__ import annotations

from pathlib import Path

from envsim.errors import ContentError
from envsim.user.agenda import AgendaUser
from envsim.user.base import User
from envsim.user.chat import chat_user, local_user
from envsim.user.mined import MinedUser
from envsim.user.persona import Population, read_population

NAMES = (
    "agenda, mined (for populations from traces), chat:MODEL (an OpenAI-compatible endpoint), "
    "local:PATH (a transformers model)"
)


def get_user(name: str = "agenda", population: str | Path | Population = "default") -> User:
    """The simulated user called `name`, playing people of `population`.

    Args:
        name: ``agenda``, ``mined``, ``chat:MODEL`` or ``local:PATH``.
        population: A built-in name, a directory, or a population.

    Raises:
        ContentError: No such user or population; names those that exist.
        PrerequisiteError: The model cannot be reached, or the packages to run a local one are missing.
    """
    people = population if isinstance(population, Population) else read_population(population)
    kind, _, model = name.partition(":")
    if name == "agenda":
        return AgendaUser(people)
    if name == "mined":
        return MinedUser(people)
    if kind in ("chat", "local") and model:
        return chat_user(model, people) if kind == "chat" else local_user(model, people)
    raise ContentError(f"There is no simulated user {name!r}. Known: {NAMES}.")
