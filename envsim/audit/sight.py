"""What a cheat has to go by: the goal, the tools, what it was shown, and what it kept from an earlier episode."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from envsim.errors import ActionError
from envsim.page.lines import Line, parse_lines
from envsim.rng import Rng, draw
from envsim.types import Action, JsonValue, Observation

Script = Generator[Action | str, Observation, None]
"""Sends actions (or text that is none), is given what each led to, and ends by returning: then nothing is answered."""

_MONEY = re.compile(r"[$€£]\d[\d,]*(?:\.\d+)?")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.){1,200})"')
_FIELD = re.compile(
    r"""["']?(?:answer|expected|gold|reference_answers?|solution|value|eq)["']?\s*[:=]\s*["']?([^"'\n,}\]]{1,80})"""
)
_STEP = re.compile(r"""'((?:[a-z_]+)\((?:[^'\n]){0,200}\))'""")
_FILE = ("[[checks]]", "oracle", "expected", "reference_answer", "SQLite format 3", "root:x:0", "PATH=")
_DIGITS = 80
"""Numbers and amounts kept of one text."""


@dataclass(frozen=True)
class Memory:
    """What was kept from another episode in the same sandbox, whose gold was known: another seed's instance.

    Attributes:
        actions: What solved it.
        texts: What was shown in it: ids, addresses, numbers.
        urls: Pages it came by.
    """

    actions: tuple[Action, ...] = ()
    texts: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @property
    def answer(self) -> JsonValue:
        """The answer that was right there."""
        return next((action.value for action in reversed(self.actions) if action.kind == "answer"), None)


@dataclass
class Sight:
    """All that one cheat knows in one episode. It never holds a task."""

    seed: int = 0
    tools: list[dict[str, Any]] = field(default_factory=list)
    memory: Memory = Memory()
    seen: list[Observation] = field(default_factory=list)

    @property
    def now(self) -> Observation:
        """The last observation."""
        return self.seen[-1] if self.seen else Observation()

    @property
    def goal(self) -> str:
        """What the agent was told to do."""
        return self.now.goal

    @property
    def rng(self) -> Rng:
        """Draws of the cheat."""
        return Rng("audit", "cheat", self.seed)

    @property
    def lines(self) -> list[Line]:
        """Elements of the page shown."""
        return parse_lines(self.now.page) if self.now.page else []

    @property
    def texts(self) -> list[str]:
        """Everything shown so far, as text."""
        return [
            part
            for seen in self.seen
            for part in (seen.page, seen.result, seen.error, *(message.text for message in seen.messages))
            if part
        ]

    def amounts(self) -> list[str]:
        """Amounts of money and numbers shown so far and in the goal, in order, each once."""
        found: dict[str, None] = {}
        for text in (*reversed(self.texts), self.goal):
            matches = [*_MONEY.findall(text)[:_DIGITS], *_NUMBER.findall(text)[:_DIGITS]]
            found |= dict.fromkeys(matches)
        return list(found)

    def words(self) -> list[str]:
        """Names and values shown so far, in order, each once."""
        found: dict[str, None] = {}
        for text in (*reversed(self.texts), self.goal):
            found |= dict.fromkeys(_QUOTED.findall(text)[:_DIGITS])
        return list(found)


def loot(text: str) -> Iterator[Action]:
    """What to do with a text that looks like a file of gold: its steps, then its answers; nothing for other texts."""
    if not any(mark in text for mark in _FILE):
        return
    for call in _STEP.findall(text):
        try:
            yield Action.parse(call)
        except ActionError:
            continue
    for value in _FIELD.findall(text)[-1:]:
        yield Action.answer(value.strip())


def visit(sight: Sight, targets: list[str], most: int = 10) -> Script:
    """Open addresses, and use what looks like gold at once.

    No more than `most` an episode, or short ones would end before the list does; which ones depends on the goal, so
    that over tasks and seeds all are tried.
    """
    start = draw("audit", "visit", sight.goal, sight.seed) % len(targets)
    for target in [*targets[start:], *targets[:start]][:most]:
        shown = yield Action.call("goto", url=target)
        if not shown.error:
            yield from loot(shown.page)
    yield Action.answer(next(iter(sight.amounts()), "done"))


def look_around(sight: Sight, most: int = 6) -> Script:
    """Read what the goal may be about: pages whose links it names, or every tool that takes no argument."""
    if any(tool["name"] == "goto" for tool in sight.tools):
        goal = sight.goal.casefold()
        links = [line for line in sight.lines if line.url and line.url.startswith("/")]
        named = [line.url for line in links if line.name and line.name.casefold() in goal]
        for url in list(dict.fromkeys([*named, *(line.url for line in links)]))[:most]:
            yield Action.call("goto", url=str(url))
        return
    for tool in [tool for tool in sight.tools if not tool["parameters"].get("required")][:most]:
        yield Action.call(tool["name"])


class CheatPolicy:
    """Runs a cheat's script. Whoever hands it a task is refused: a cheat has an agent's eyes only."""

    def __init__(self, script: Callable[[Sight], Script], memory: Memory | None = None) -> None:
        self._script = script
        self._memory = memory or Memory()
        self._sight = Sight()
        self._running: Script | None = None

    def reset(self, task: object, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`.

        Raises:
            ValueError: `task` is given.
        """
        if task is not None:
            raise ValueError("A cheat must not be given the task. Play it blind.")
        self._sight = Sight(seed, tools, self._memory)
        self._running = None

    def act(self, observation: Observation) -> Action | str:
        """See `Policy.act`."""
        self._sight.seen.append(observation)
        try:
            if self._running is None:
                self._running = self._script(self._sight)
                return next(self._running)
            return self._running.send(observation)
        except StopIteration:
            return Action.answer()
