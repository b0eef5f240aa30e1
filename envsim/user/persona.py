"""How a simulated user behaves: decision rates and a style, and populations of them.

A `Persona` is one kind of person; a `Population` is a weighted mixture to sample from, with the
utterance templates that go with it. A population is a directory of JSON files (mined from traces
by ``envsim personas mine``, or written by hand) or one of the built-in names.

Source of the decision points: the agenda-based user simulator of Schatzmann et al. 2007
("Agenda-Based User Simulation for Bootstrapping a POMDP Dialogue System"), whose random decision
points are likewise probabilities estimated from logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from envsim.content import PACKAGE
from envsim.errors import ContentError
from envsim.rng import uniform
from envsim.types import Frozen, JsonValue
from envsim.user.utter import TemplateBank, builtin_bank

FORMAT = "envsim-population/1"
"""What the ``population.json`` of a population names as its format."""

BUILTIN = PACKAGE / "user" / "data"

Manner = Literal["formal", "casual", "terse", "chatty"]


def rate(default: float, doc: str) -> Any:
    """A field that is a probability."""
    return Field(default=default, ge=0.0, le=1.0, description=doc)


class Style(Frozen):
    """How a user writes. None of it ever touches a value."""

    manner: Manner = "casual"
    lower: float = rate(0.0, "utterances all in lower case")
    no_stop: float = rate(0.0, "utterances without their final full stop")
    exclaim: float = rate(0.0, "full stops that become exclamation marks")
    typos: float = rate(0.0, "words of five letters and more with two letters swapped")
    long_dates: float = rate(0.5, "dates written 'March 2, 2026' rather than '2026-03-02'")


class Persona(Frozen):
    """Decision points: each is a probability, drawn once per opportunity, unless it says otherwise."""

    id: str = Field(default="plain", pattern=r"^[\w.-]{1,64}$")
    disclose_first: tuple[float, ...] = Field(
        default=(0.35, 0.45, 0.2), description="weights of telling 0, 1, 2... facts with the first wish"
    )
    disclose: tuple[float, ...] = Field(
        default=(0.1, 0.6, 0.2, 0.1), description="weights of telling 0, 1, 2... facts in a later turn"
    )
    thorough: float = rate(0.7, "answers all that was asked in one turn, whatever `disclose` says")
    volunteer: float = rate(0.15, "tells an open fact unasked, per turn")
    hesitate: float = rate(0.05, "asks why before giving an identity fact, once per fact")
    misremember: float = rate(0.1, "first tells a fact wrongly, where the goal says how")
    notice: float = rate(0.95, "objects when the agent's proposal has a value of the user's wrong")
    claim_undone: float = rate(0.05, "says it has done what it was asked to do, and has not; per first request")
    check_first: float = rate(0.2, "looks for itself before it accepts that something was done, where it can")
    push_back: float = rate(0.4, "argues with a refusal")
    push_back_most: int = Field(default=2, ge=0, le=10, description="times it argues about one item at most")
    ask_repeat: float = rate(0.5, "asks the agent to put it differently, rather than repeating its own wish")
    mind_change: float = rate(0.5, "announces a change of mind, per turn it could; certain before the item is done")
    say_limit: float = rate(0.5, "states an open limit with the wish, rather than when an offer breaks it")
    combine: float = rate(0.15, "voices the next wish, if it depends on none, together with this one")
    early_second: float = rate(0.03, "voices a second wish before what it comes after is closed, per turn")
    drift: float = rate(0.03, "adds a remark off the topic, per turn")
    confirm_wait: float = rate(0.25, "says that it will wait, after confirming")
    patience: int = Field(default=8, ge=0, le=100, description="turns until it may grow impatient")
    impatience: float = rate(0.05, "growth per turn beyond `patience` of the probability of saying so")
    give_up_after: int = Field(default=6, ge=1, le=50, description="turns in a row without progress it puts up with")
    give_up: float = rate(0.5, "gives up at such a turn from then on; certain after twice as many")
    greet: float = rate(0.6, "greets first")
    thank: float = rate(0.6, "says thanks when something was done for it")
    bye: float = rate(0.8, "says goodbye when all is settled")
    style: Style = Style()

    @field_validator("disclose_first", "disclose")
    @classmethod
    def _weights(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not weights or min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("weights are not negative, and one of them is positive")
        return weights

    def with_traits(self, traits: Mapping[str, float]) -> Persona:
        """The persona with the decision rates a goal sets.

        Raises:
            ContentError: No such rate, or a value out of its range.
        """
        if not traits:
            return self
        if unknown := sorted(set(traits) - DECISIONS):
            raise ContentError(f"There is no trait {unknown[0]!r}. Known traits: {', '.join(sorted(DECISIONS))}.")
        try:
            return Persona.model_validate({**dict(self), **traits})
        except ValidationError as error:
            first = error.errors()[0]
            raise ContentError(f"The trait {first['loc'][0]!r} does not fit: {first['msg']}. Correct it.") from None


DECISIONS = frozenset(
    name for name, field in Persona.model_fields.items() if field.annotation in (float, int) and name != "id"
)
"""Names of the decision points that are one number; what a goal's ``traits`` may set."""


class Kind(Frozen):
    """One component of a mixture."""

    persona: Persona
    weight: float = Field(default=1.0, gt=0)
    users: int = Field(default=0, ge=0, description="real users this was estimated from; 0: written by hand")
    interval: dict[str, tuple[float, float]] = Field(
        default={}, description="95% interval of each rate that was estimated"
    )


class Population(Frozen):
    """A weighted mixture of personas, the templates they speak by, and tables of their behaviour."""

    name: str
    doc: str = ""
    kinds: tuple[Kind, ...] = Field(min_length=1)
    templates: TemplateBank | None = Field(default=None, description="None: the built-in ones")
    behaviour: dict[str, JsonValue] = Field(
        default={}, description="tables of users that need more than rates; the agenda user reads none"
    )

    @property
    def bank(self) -> TemplateBank:
        """The templates, or the built-in ones."""
        return self.templates or builtin_bank()

    def pick(self, seed: int) -> Persona:
        """The persona of the episode with `seed`."""
        at = uniform(seed, "user", "persona") * sum(kind.weight for kind in self.kinds)
        for kind in self.kinds:
            at -= kind.weight
            if at < 0:
                return kind.persona
        return self.kinds[-1].persona

    def save(self, folder: Path) -> None:
        """Write ``population.json``, and ``templates.json`` and ``behaviour.json`` where there are such."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"format": FORMAT, **self.model_dump(mode="json", exclude={"templates", "behaviour"})}
        _write(folder / "population.json", head)
        if self.templates is not None:
            _write(folder / "templates.json", self.templates.model_dump(mode="json"))
        if self.behaviour:
            _write(folder / "behaviour.json", self.behaviour)


def builtin_populations() -> list[str]:
    """Names of the populations that come with envsim."""
    return sorted(path.parent.name for path in BUILTIN.glob("*/population.json"))


def read_population(name_or_path: str | Path) -> Population:
    """The population of a directory, or the built-in one of that name.

    Raises:
        ContentError: There is none, or a file of it does not fit; says what exists or what to correct.
    """
    folder = Path(name_or_path)
    if not (folder / "population.json").is_file():
        if str(name_or_path) not in builtin_populations():
            raise ContentError(
                f"There is no population {str(name_or_path)!r}: no built-in one ({', '.join(builtin_populations())}) "
                "and no folder with a population.json. Correct the name, or mine one: envsim personas mine TRACES."
            )
        folder = BUILTIN / str(name_or_path)
    head = _read(folder / "population.json")
    if head.pop("format", None) != FORMAT:
        raise ContentError(f"{folder / 'population.json'} is not of the format {FORMAT!r}. Mine or write it anew.")
    for part in ("templates", "behaviour"):
        if (path := folder / f"{part}.json").is_file():
            head[part] = _read(path)
    return _valid(Population, head, folder)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ContentError(f"Cannot read {path}: {error}. Correct the file.") from None
    if not isinstance(value, dict):
        raise ContentError(f"{path} is not a JSON object. Correct the file.")
    return value


def _valid(model: type[Population], value: dict[str, Any], folder: Path) -> Population:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContentError(f"{folder}: {where}: {first['msg']}. Correct the file.") from None
