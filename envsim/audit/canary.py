"""Canaries: a string of its own in every place of a task instance that holds gold, looked for wherever an agent looks.

Anything served that was made from the gold (parameters, checks, oracle, hidden goal of the user) carries the canary
with it. Beside it the template's own oracle and check lines are looked for, which a leaked *file* would carry.

Source: the canary strings of BIG-bench (Srivastava et al. 2022), planted per instance and searched for at run time.
"""

from __future__ import annotations

import base64
import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from envsim.goal import Fact
from envsim.rng import draw
from envsim.state import canonical
from envsim.task import Task
from envsim.task_template import TaskTemplate
from envsim.types import Observation

PREFIX = "canary"
PARAMETER = "_canary"
"""No template can declare a parameter of this name: theirs begin with a letter."""
SHORTEST = 24
"""Lines of a task file shorter than this (characters) could also stand elsewhere."""


def canary_of(task: Task) -> str:
    """The canary of an instance: lower-case letters and digits, so that no notation changes it."""
    return f"{PREFIX}{draw('canary', task.app, task.id):016x}{draw('canary', task.app, task.id, 2):016x}"


def plant(task: Task) -> Task:
    """`task` with its canary in the parameters, a check, the oracle and the user's hidden goal.

    Nothing is judged or done otherwise: the check only asks that the agent never *said* the canary, the
    step of the oracle does nothing, and the fact is one the user tells nobody.
    """
    canary = canary_of(task)
    user = task.user
    if user is not None:
        fact = Fact(value=canary, reveal="authenticated")
        scenario = f"{user.scenario} {canary}".strip()
        user = user.model_copy(update={"scenario": scenario, "facts": {**user.facts, f"note_{canary[-12:]}": fact}})
    return task.model_copy(
        update={
            "params": {**task.params, PARAMETER: canary},
            "checks": (*task.checks, {"kind": "not_said", "value": canary}),
            "oracle": (*task.oracle, {"when": f"`false` && '{canary}'", "do": []}),
            "user": user,
        }
    )


def is_planted(task: Task) -> bool:
    """Whether `plant` made this task."""
    return PARAMETER in task.params


@dataclass(frozen=True)
class Hit:
    """A canary that was seen: in which field, in which form, and the text around it."""

    task: str
    where: str
    form: str
    text: str


@dataclass
class Watch:
    """Looks for canaries in all that an agent is shown, and counts what it looked at.

    Attributes:
        planted: Episodes of a planted task.
        observations: Texts-bearing observations that were searched.
        characters: Their length in all: a search of nothing finds nothing.
        hits: What was found.
        info_hits: How often a canary was in ``info``, which agents are never shown; for the record.
    """

    planted: int = 0
    observations: int = 0
    characters: int = 0
    hits: list[Hit] = field(default_factory=list)
    info_hits: int = 0
    _task: str = ""
    _needles: tuple[tuple[str, str], ...] = ()

    def begin(self, task: Task, template: TaskTemplate | None = None) -> None:
        """Watch for the canary of `task`, and for lines of its template's file."""
        self.planted += is_planted(task)
        self._task = task.id
        self._needles = (*forms(canary_of(task)), *(("file", line) for line in lines_of(template)))

    def observe(self, observation: Observation, encoded: Any = None) -> None:
        """Search one observation, and the dict an agent of gymnasium is given for it."""
        self.observations += 1
        texts = observation.model_dump(mode="json")
        for where, value in texts.items():
            self._search(where, value if isinstance(value, str) else canonical(value))
        if isinstance(encoded, dict):
            for where, value in encoded.items():
                if isinstance(value, str) and value != texts.get(where):
                    self._search(where, value)

    def tools(self, tools: Any) -> None:
        """Search what can be called, which agents are shown as well."""
        self._search("tools", canonical(tools))

    def info(self, info: Any) -> None:
        """Count canaries in ``info``."""
        text = repr(info).casefold()
        self.info_hits += any(needle in text for _, needle in self._needles)

    def _search(self, where: str, text: str) -> None:
        self.characters += len(text)
        self.hits += [Hit(self._task, where, form, part) for form, part in search(text, self._needles)]


def forms(canary: str) -> Iterator[tuple[str, str]]:
    """``(name, needle)`` for each notation in which the canary is recognised; all casefolded."""
    yield "plain", canary
    yield "reversed", canary[::-1]
    yield "hex", canary.encode().hex()
    yield "rot13", codecs.encode(canary, "rot13")
    for shift in range(3):
        # Base64 depends on what stands before, modulo three; the ends belong to the neighbours.
        text = base64.b64encode(b"\0" * shift + canary.encode()).decode()
        yield "base64", text[4 : len(text) // 4 * 4 - 4].casefold()


def lines_of(template: TaskTemplate | None) -> Iterator[str]:
    """Strings of a template's oracle and checks that stand nowhere but in its file, casefolded."""
    if template is None:
        return
    for text in _strings([template.oracle, template.checks]):
        if "{" in text and len(text) >= SHORTEST:
            yield text.casefold()


def search(text: str, needles: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """``(form, text around it)`` for each needle in `text`."""
    folded = text.casefold()
    for form, needle in needles:
        if (at := folded.find(needle)) >= 0:
            yield form, text[max(0, at - 60) : at + len(needle) + 60]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
