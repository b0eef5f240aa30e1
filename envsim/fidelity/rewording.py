"""Tasks said otherwise: the same wish in other words, with the slips people make. The end state asked for is the same.

After the action metamorphic relations of ReliabilityBench (Gupta 2026, arXiv:2601.06112), where a perturbed task
is right when it ends in the same state. No model rewrites anything here: every edit is from a closed list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from envsim.errors import ContentError
from envsim.reward.checks import Record, Verdict
from envsim.rng import Rng
from envsim.source import TemplateSource
from envsim.task import Interface, Task
from envsim.world import World

_OPENINGS = ("Hi there. ", "Hello, quick one: ", "When you have a moment: ", "Hey, could you help me? ")
_CLOSINGS = (" Thanks!", " Thank you in advance.", " I would appreciate it.", " Many thanks.")
_ASIDES = (" I am typing this on my phone.", " It has been a long day.", " My neighbour told me about this site.")
_SYNONYMS = {
    "cheapest": "least expensive", "buy": "purchase", "purchase": "buy", "currently": "right now", "article": "product",
    "articles": "products", "look": "have a look", "show": "display", "need": "require", "want": "would like",
    "please": "kindly", "and then": "then", "biggest": "largest", "largest": "biggest", "begin": "start",
    "start": "begin",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|“[^”]*”|‘[^’]*’|`[^`]*`|\S*[@/:_\d]\S*")


def reword(goal: str, epsilon: float, seed: int, keep: frozenset[str] = frozenset()) -> str:
    """`goal` with each possible edit made with chance `epsilon`.

    Edits: a greeting before it, thanks or an aside after it, a synonym for a common word, two letters swapped inside
    a word of five or more. Never touched: what is quoted, holds a digit or one of ``@/:_``, is capitalised, or is in
    `keep`.

    Args:
        goal: What the agent is told.
        epsilon: In [0, 1]; 0 changes nothing.
        seed: Of the edits.
        keep: Lower-cased words that carry the task's own values.

    Raises:
        ContentError: `epsilon` is no probability.
    """
    if not 0.0 <= epsilon <= 1.0:
        raise ContentError(f"epsilon={epsilon!r} is no probability. Give a number from 0 to 1.")
    rng = Rng(seed, "reword")
    fixed = [found.span() for found in _QUOTED.finditer(goal)]

    def edit(found: re.Match[str]) -> str:
        word, roll, place = found[0], rng.uniform(), rng.integer(2**16)
        free = not any(start < found.end() and found.start() < end for start, end in fixed)
        if roll >= epsilon or not free or word.lower() in keep or not word.islower():
            return word
        if word in _SYNONYMS:
            return _SYNONYMS[word]
        return _swapped(word, place) if len(word) >= 5 else word

    text = _WORD.sub(edit, goal)
    ends = [rng.choice(options) if rng.chance(epsilon) else "" for options in (_OPENINGS, _ASIDES, _CLOSINGS)]
    return ends[0] + text + ends[1] + ends[2]


def _swapped(word: str, place: int) -> str:
    # Never the first or last letter: that is how slips look, and how they stay readable.
    at = 1 + place % (len(word) - 3)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


@dataclass(frozen=True)
class RewordedSource:
    """The task files of an app, their goals said otherwise. See `envsim.source.TaskSource`.

    Attributes:
        app, task, split, interface: As `TemplateSource`.
        epsilon: As `reword`.
    """

    app: str
    epsilon: float
    interface: Interface
    task: str | None = None
    split: str | None = None

    @cached_property
    def _tasks(self) -> TemplateSource:
        return TemplateSource(self.app, task=self.task, split=self.split, interface=self.interface)

    def choose(self, seed: int, wanted: str | None, world: World) -> Task:
        """See `TaskSource.choose`. Trials of one instance are told the same words."""
        task = self._tasks.choose(seed, wanted, world)
        keep = frozenset(word.lower() for value in task.params.values() for word in _words(value))
        return task.model_copy(update={"goal": reword(task.goal, self.epsilon, seed, keep)})

    def judge(self, task: Task, record: Record) -> Verdict:
        """See `TaskSource.judge`: what was asked for is judged as ever."""
        return self._tasks.judge(task, record)


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
