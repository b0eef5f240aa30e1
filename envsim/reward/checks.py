"""Declarative checks on how an episode ended. Nothing in a check is ever executed.

A check is a table with a `kind`; a task is solved when all of its checks hold:

``state``       a JMESPath query over the state before and after, compared by type
``unchanged``   every change must match an allow-list (collateral damage)
``answer``      the final answer, read as money, number, date, name, text, set or boolean
``url``         a page that was open at the end, or at any time
``said``        a value the agent told the user; ``not_said`` one it must not have told
``seen``        values that one page or tool result showed the agent: what it must have looked at
``answered``    the agent ended the episode with an answer
``infeasible``  the agent reported that the goal cannot be reached
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from envsim.errors import ContentError
from envsim.expressions import compile_query, query, rows
from envsim.reward.compare import compare
from envsim.reward.typed import ValueType, mentions, parse, parts, same, shows
from envsim.state import StateView, canonical, diff, split_path
from envsim.task import Task
from envsim.types import Frozen, JsonValue


@dataclass(frozen=True)
class Record:
    """What an episode is judged on.

    Attributes:
        before: The state view at reset.
        after: The state view at the end.
        answered: Whether the agent ended the episode with an answer.
        answer: The final answer, None where there was none or it had no value.
        infeasible: Whether the agent ended the episode with `report_infeasible`.
        said: What the agent told the user, in order.
        urls: Path and query of the active page, after each step, the reset first.
        seen: Page or tool result of each observation, in the same order.
    """

    before: StateView
    after: StateView
    answered: bool = False
    answer: JsonValue = None
    infeasible: bool = False
    said: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


class _Facts:
    """An ended episode and what follows from it, each computed once."""

    def __init__(self, record: Record, params: Mapping[str, Any]) -> None:
        self.record = record
        self._params = params

    @cached_property
    def delta(self) -> list[list[Any]]:
        """The net change: what was done and undone again is no change."""
        return diff(self.record.before, self.record.after)

    @cached_property
    def scope(self) -> dict[str, Any]:
        """What a state query sees."""
        before, after = self.record.before, self.record.after
        return {
            "before": before, "after": after, "params": self._params,
            "added": _missing_from(before, after), "removed": _missing_from(after, before),
        }  # fmt: skip


def _missing_from(one: StateView, other: StateView) -> dict[str, list[Any]]:
    return {
        # Most collections are the very same before and after.
        name: [] if table is one.get(name) else rows({k: row for k, row in table.items() if k not in one.get(name, {})})
        for name, table in other.items()
        if isinstance(table, dict)
    }


@dataclass(frozen=True)
class CheckResult:
    """One check's result, with one sentence of why."""

    kind: str
    held: bool
    reason: str


@dataclass(frozen=True)
class Verdict:
    """The judgement of one episode: reward 1.0 if every check holds, else 0.0."""

    reward: float
    results: tuple[CheckResult, ...]

    @property
    def reason(self) -> str:
        """Why the first failed check failed; empty when all hold."""
        return next((result.reason for result in self.results if not result.held), "")


class StateCheck(Frozen):
    """A query over ``{before, after, added, removed, params}`` and exactly one comparison.

    `added` and `removed` map a collection to its new and lost rows, each with its `key`.
    """

    kind: Literal["state"]
    query: str
    eq: JsonValue = Field(default=None, description="equal as JSON; 1 equals 1.0, never true")
    ne: JsonValue = None
    ge: float | str | None = Field(default=None, description="at least; numbers, or texts such as ISO times")
    le: float | str | None = None
    one_of: list[JsonValue] | str | None = Field(default=None, alias="in")
    contains: JsonValue = Field(default=None, description="a list with such an item; an object matches by its fields")
    excludes: JsonValue = Field(default=None, description="a list without such an item")
    match: dict[str, JsonValue] | None = Field(default=None, description="an object with at least these fields")
    count: int | str | None = Field(default=None, description="a list of this length")

    @model_validator(mode="after")
    def _compares_once(self) -> StateCheck:
        if len(self.model_fields_set - {"kind", "query"}) != 1:
            raise ValueError("give exactly one of eq, ne, ge, le, in, contains, excludes, match, count")
        return self

    @field_validator("query")
    @classmethod
    def _compiles(cls, text: str) -> str:
        return _jmespath(text)

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        try:
            found = query(self.query, facts.scope)
        except ContentError as error:
            # A path that is absent from this outcome makes functions fail: the fact does not hold.
            return str(error)
        operator = next(iter(self.model_fields_set - {"kind", "query"}))
        expected = getattr(self, operator)
        if compare(operator, found, expected):
            return None
        name = "in" if operator == "one_of" else operator
        return f"{self.query} is {_short(found)}, expected {name} {_short(expected)}."


class UnchangedCheck(Frozen):
    """No change but those allowed.

    A pattern is a path of the state view whose parts may be ``*`` (any one key) and, at the
    end, ``**`` (anything below). ``+orders/*`` allows only new keys, ``-wishlist/*`` only removed
    ones, ``orders/*`` either or a new value.
    """

    kind: Literal["unchanged"]
    allow: list[str] = Field(default=[], alias="except")

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        for change in facts.delta:
            keys = split_path(change[0])
            sign = "-" if len(change) == 1 else "+" if _absent(facts.record.before, keys) else "~"
            if not any(_allowed(pattern, keys, sign) for pattern in self.allow):
                what = {"-": "was removed", "+": "was added", "~": "was changed"}[sign]
                return f"{change[0]} {what}, which the task does not allow."
        return None


def _absent(view: StateView, keys: Sequence[str]) -> bool:
    node: Any = view
    for key in keys:
        if not isinstance(node, dict) or key not in node:
            return True
        node = node[key]
    return False


def _allowed(pattern: str, keys: Sequence[str], sign: str) -> bool:
    if pattern[:1] in ("+", "-"):
        if pattern[0] != sign:
            return False
        pattern = pattern[1:]
    parts = pattern.split("/")
    if parts[-1] == "**":
        parts = parts[:-1]
        keys = keys[: len(parts)]
    return len(parts) == len(keys) and all(
        part == "*" or split_path(part) == [key] for part, key in zip(parts, keys, strict=True)
    )


class _Typed(Frozen):
    type: ValueType = "text"
    value: JsonValue
    tolerance: float = Field(default=0.0, ge=0, description="absolute; money in major units")


class AnswerCheck(_Typed):
    """The whole final answer is `value`, in any notation of its type."""

    kind: Literal["answer"]
    units: list[str] = Field(default=[], description="what may follow a number: days, °C")
    field: str | None = Field(default=None, description="the answer is an object; judge this field of it")
    items: ValueType = Field(default="text", description="how the items of a set are read")

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        if not facts.record.answered:
            return "The episode ended without an answer."
        answer = facts.record.answer
        if self.field is not None:
            answer = answer.get(self.field) if isinstance(answer, dict) else None
        if same(self.type, self.value, answer, self.tolerance, self.units, self.items):
            return None
        return f"The answer {_short(answer)} is not the {self.type} {_short(self.value)}."


class SaidCheck(_Typed):
    """The agent told the user `value` (or, for ``not_said``, never did), as whole tokens."""

    kind: Literal["said", "not_said"]

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        told = any(mentions(self.type, self.value, text, self.tolerance) for text in facts.record.said)
        if told == (self.kind == "said"):
            return None
        return f"The {self.type} {_short(self.value)} was {'' if told else 'never '}told to the user."


class UrlCheck(Frozen):
    """The page at `path` was open, with at least the given query parameters."""

    kind: Literal["url"]
    path: str
    query: dict[str, JsonValue] = Field(default={}, description="parameters the URL must have")
    when: Literal["end", "ever"] = "end"

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        urls = facts.record.urls if self.when == "ever" else facts.record.urls[-1:]
        if any(self._is(url) for url in urls):
            return None
        return f"{self.path} was not open{' at the end' if self.when == 'end' else ''}."

    def _is(self, url: str) -> bool:
        split = urlsplit(url)
        given = parse_qs(split.query, keep_blank_values=True)
        return split.path == self.path and all(given.get(key) == [str(value)] for key, value in self.query.items())


class SeenCheck(Frozen):
    """One page or tool result showed the agent all of `values`, each as whole words.

    For instances whose right end is to change nothing: who gives up without having looked has not earned it.
    """

    kind: Literal["seen"]
    values: list[str | int] = Field(min_length=1)

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        if any(all(shows(text, str(value)) for value in self.values) for text in facts.record.seen):
            return None
        return f"The agent never looked at what shows {' and '.join(_short(value) for value in self.values)}."


class EndCheck(Frozen):
    """How the agent ended the episode: with an answer, or by reporting that it cannot be done."""

    kind: Literal["answered", "infeasible"]

    def failure(self, facts: _Facts) -> str | None:
        """Why the check does not hold, or None."""
        if self.kind == "answered":
            return None if facts.record.answered else "The episode ended without an answer."
        return None if facts.record.infeasible else "The goal is infeasible, which the agent did not report."


Check = Annotated[
    StateCheck | UnchangedCheck | AnswerCheck | SaidCheck | UrlCheck | SeenCheck | EndCheck, Field(discriminator="kind")
]
_ADAPTER: TypeAdapter[Check] = TypeAdapter(Check)


def parse_check(table: Mapping[str, Any]) -> Check:
    """A check from its table; strings in it may still hold placeholders.

    Raises:
        ContentError: An unknown kind or key, or a value that does not fit; names the key.
    """
    try:
        return _ADAPTER.validate_python(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        # The first part names the member of the union, which is no key of the table.
        key = ".".join(str(part) for part in first["loc"][1:]) or "kind"
        raise ContentError(f"key {key!r}: {first['msg']}") from None


def parse_checks(tables: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks of a task instance, placeholders filled in.

    Raises:
        ContentError: As `parse_check`, or an expected value that is not of its type.
    """
    checks: list[Check] = []
    for number, table in enumerate(tables):
        check = parse_check(table)
        if isinstance(check, _Typed) and not _readable(check):
            raise ContentError(f"checks[{number}]: {check.value!r} is not a {check.type}. Correct its value or type.")
        checks.append(check)
    return checks


def _readable(check: _Typed) -> bool:
    """Whether the expected value is of its type: a check of one that is not could never hold."""
    if isinstance(check, AnswerCheck) and check.type == "set" and check.items != "text":
        items = parts(check.value, check.items)
        return items is not None and all(parse(check.items, item) is not None for item in items)
    return parse(check.type, check.value) is not None


def evaluate(task: Task, record: Record) -> Verdict:
    """Judge an episode.

    Raises:
        ContentError: As `parse_checks`.
    """
    checks = parse_checks(task.checks)
    facts = _Facts(record, task.params)
    results = []
    for check in checks:
        failure = check.failure(facts)
        results.append(CheckResult(check.kind, failure is None, failure or f"The {check.kind} check holds."))
    if record.infeasible and not any(check.kind == "infeasible" for check in checks):
        results.append(CheckResult("infeasible", False, "The goal is feasible, but was reported infeasible."))
    return Verdict(float(bool(results) and all(result.held for result in results)), tuple(results))


def _jmespath(text: str) -> str:
    try:
        compile_query(text)
    except ContentError as error:
        raise ValueError(str(error)) from None
    return text


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
