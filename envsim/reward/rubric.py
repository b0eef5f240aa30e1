"""What a judge is to look at: grading standards for one score, or weighted criteria scored one by one."""

from __future__ import annotations

import json
import math
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from envsim.errors import ContentError
from envsim.state import state_hash
from envsim.toml import read_toml
from envsim.types import Frozen


class Criterion(Frozen):
    """One thing that is scored by itself, in [0, 1]."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="key in the judge's reply")
    text: str = Field(min_length=1, description="what deserves a high score")
    weight: float = Field(default=1.0, gt=0, description="share in the score, relative to the other weights")


class Rubric(Frozen):
    """Standards the judge applies as a whole, criteria it scores one by one, or both.

    With criteria, a trajectory's score is their weighted mean, computed here and not by the judge.
    """

    name: str = Field(min_length=1)
    standards: tuple[str, ...] = ()
    criteria: tuple[Criterion, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Rubric:
        if not (self.standards or self.criteria):
            raise ValueError("a rubric has standards, or criteria")
        names = [criterion.name for criterion in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError("two criteria have the same name")
        if not all(math.isfinite(criterion.weight) for criterion in self.criteria):
            raise ValueError("a weight is not finite")
        return self

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the numbers the judge gives each trajectory."""
        return tuple(criterion.name for criterion in self.criteria) or ("score",)

    @property
    def digest(self) -> str:
        """Eight hex digits that change with anything the judge is told."""
        return state_hash(self.model_dump(mode="json"))[:8]

    def score(self, given: dict[str, float]) -> float:
        """The score that the numbers of all `slots`, each in [0, 1], come to; in [0, 1]."""
        if not self.criteria:
            return given["score"]
        total = math.fsum(criterion.weight for criterion in self.criteria)
        return math.fsum(criterion.weight / total * given[criterion.name] for criterion in self.criteria)


RULER = Rubric(
    name="ruler",
    standards=(
        "Reaching the goal counts most: a trajectory that reaches it scores clearly above every one that does not.",
        "Among those that reach it, the one that gets there with fewer detours scores higher.",
        "Differences in score are as large as differences in quality: slight ones small, great ones large.",
        "A trajectory that makes headway without arriving may have part of the credit.",
    ),
)
"""The default. After RULER's general rubric (OpenPipe ART, ``art/rewards/ruler.py``), in our own words."""


def load_rubric(path: Path) -> Rubric:
    """A rubric from a ``.toml`` or ``.json`` file.

    Raises:
        ContentError: Unreadable, or a key that does not fit; names file and key.
    """
    if path.suffix != ".json":
        return read_toml(path, Rubric)
    try:
        return Rubric.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"Cannot read {path}: {error}. Check the path and its permissions.") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ContentError(f"{path}: {f'{key}: ' if key else ''}{message}. Correct or remove it.") from None
    except (ValueError, RecursionError) as error:
        raise ContentError(f"{path} is not valid JSON: {error}. Correct that line.") from None
