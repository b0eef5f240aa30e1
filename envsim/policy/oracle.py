"""The oracle: runs a task's own solution, seeing only what any agent sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from envsim.errors import ContentError
from envsim.expressions import query, resolve
from envsim.page.lines import Line, parse_lines
from envsim.policy.locator import Locator, text_of
from envsim.policy.steps import Do, OracleStep, Save, Term, Until, When, parse_steps
from envsim.state import canonical
from envsim.task import Task
from envsim.types import Action, Observation


class _StuckError(Exception):
    """The page or result is not what the oracle expects here."""


class OraclePolicy:
    """Interprets `Task.oracle` (see `envsim.policy.steps`).

    Where a step cannot be carried out it answers at once, so that a broken oracle shows as a failed
    episode and never as a crash.
    """

    def __init__(self) -> None:
        self.stuck = ""
        """Why the oracle could not go on in this episode; empty while it can."""
        self._task: Task | None = None
        self._program: Iterator[Action] = iter(())
        self._saved: dict[str, Any] = {}
        self._seen = Observation()
        self._heard: list[str] = []
        self._lines: list[Line] | None = None

    def reset(self, task: Task | None, seed: int, tools: list[dict[str, Any]]) -> None:
        """See `Policy.reset`.

        Raises:
            ContentError: There is no task to solve, or its oracle is malformed.
        """
        del seed, tools
        if task is None:
            raise ContentError("The oracle policy needs a task. Run it in an environment that has one.")
        self._task = task
        self.stuck = ""
        self._saved = {}
        self._heard = []
        self._program = self._run(parse_steps(task.oracle))

    def act(self, observation: Observation) -> Action:
        """See `Policy.act`."""
        self._seen = observation
        self._heard += [message.text for message in observation.messages if message.role == "user"]
        self._lines = None
        try:
            return next(self._program, Action.answer())
        except (_StuckError, ContentError) as error:
            # Never `report_infeasible`: to some tasks that is the solution.
            self.stuck = str(error)
            return Action.answer()

    # -- steps ------------------------------------------------------------------------------------

    def _run(self, steps: Sequence[OracleStep]) -> Iterator[Action]:
        for step in steps:
            match step:
                case Do():
                    yield self._bind(step)
                case When():
                    yield from self._run(step.do if self._hold(step.terms) else step.otherwise)
                case Until():
                    yield from self._repeat(step)
                case Save():
                    self._save(step)

    def _repeat(self, step: Until) -> Iterator[Action]:
        for _ in range(step.most):
            if self._hold(step.terms):
                return
            yield from self._run(step.do)
        if not self._hold(step.terms):
            wanted = ", ".join(term.locator.source if term.locator else term.query for term in step.terms)
            raise _StuckError(f"{step.most} rounds did not lead to {wanted} (at {self._seen.url or 'the last result'})")

    def _bind(self, step: Do) -> Action:
        arguments: dict[str, Any] = resolve(step.arguments, self._scope())
        if step.action.kind == "say":
            return Action.say(str(arguments["text"]))
        if step.action.kind == "answer":
            return Action.answer(arguments["value"])
        for name, locator in step.located.items():
            line = self._find(locator)
            if line is None:
                raise _StuckError(f"there is no {locator.source} at {self._seen.url}")
            if not self._page()[line].ref:
                raise _StuckError(f"{locator.source} is nothing one can act on, at {self._seen.url}")
            arguments[name] = self._page()[line].ref
        if step.action.name == "fill":
            arguments["value"] = str(arguments.get("value", ""))
        # In the order the author wrote them.
        return Action.call(step.action.name, **{name: arguments[name] for name in step.action.arguments})

    def _save(self, step: Save) -> None:
        for name, source in step.sources.items():
            found = self._value(source)
            if step.pattern is not None:
                match = re.search(step.pattern, found if isinstance(found, str) else canonical(found))
                if match is None and step.optional:
                    self._saved.setdefault(name, None)
                    continue
                if match is None:
                    raise _StuckError(f"{step.pattern!r} is not in {str(found)[:80]!r}, at {self._seen.url}")
                found = match[1]
            self._saved[name] = found

    # -- what is seen -----------------------------------------------------------------------------

    def _hold(self, terms: Sequence[Term]) -> bool:
        return all(self._holds(term) for term in terms)

    def _holds(self, term: Term) -> bool:
        if term.locator is not None:
            return (self._find(term.locator) is None) == term.negated
        return bool(query(term.query, self._scope()))

    def _value(self, source: Term) -> Any:
        if source.locator is None:
            return query(source.query, self._scope())
        at = self._find(source.locator)
        if at is None:
            raise _StuckError(f"there is no {source.locator.source} at {self._seen.url}")
        return text_of(self._page(), at)

    def _find(self, locator: Locator) -> int | None:
        return locator.find(self._page(), self._scope())

    def _page(self) -> list[Line]:
        if self._lines is None:
            self._lines = parse_lines(self._seen.page)
        return self._lines

    def _scope(self) -> dict[str, Any]:
        assert self._task is not None
        seen = self._seen
        return {
            **self._task.params,
            "result": _json(seen.result), "error": seen.error, "url": seen.url, "title": seen.title,
            "message": self._heard[-1] if self._heard else "", "heard": list(self._heard), "saved": self._saved,
        }  # fmt: skip


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
