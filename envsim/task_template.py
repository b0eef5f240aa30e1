"""Task templates: ``tasks/<app>/<id>.toml`` -> `TaskTemplate` -> `Task` instances by seed.

An instance is a pure function of (template, seed, seed view): the same in any process and world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from envsim.content import find_app, list_apps, list_templates
from envsim.errors import ActionError, ContentError
from envsim.expressions import compile_query, placeholders, query, render, resolve, rows
from envsim.goal_template import SPOKEN, fill_goal
from envsim.guest.guest import parse_clock
from envsim.policy.steps import SEEN, parse_steps
from envsim.reward.checks import parse_check, parse_checks
from envsim.rng import Rng
from envsim.state import StateView
from envsim.task import Interface, Split, Start, Task
from envsim.toml import read_toml
from envsim.types import Action

ATTEMPTS = 200
"""Draws of a whole parameter set before a template is said to have no instance."""

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Strict):
    """How one parameter is drawn: exactly one of `from`, `choices`, `range`, `value`.

    Queries see the seed view's collections, the parameters above this one, and in `where` the
    candidate as ``row``.
    """

    source: str | None = Field(default=None, alias="from", description="query for a collection or list to draw from")
    where: str | None = Field(default=None, description="query that keeps a candidate; with `from` only")
    all: bool = Field(default=False, description="all that are kept, as a list, instead of one")
    sample: int | None = Field(default=None, gt=0, description="this many of those kept, as a list")
    choices: list[JsonValue] | None = Field(default=None, min_length=1)
    range: tuple[int, int] | None = Field(default=None, description="whole numbers, both ends included")
    value: str | None = Field(default=None, description="a query for one value; null means: draw again")

    @model_validator(mode="after")
    def _one_source(self) -> Parameter:
        given = [self.source, self.choices, self.range, self.value]
        if sum(item is not None for item in given) != 1:
            raise ValueError("give exactly one of from, choices, range, value")
        if self.source is None and (self.where or self.all or self.sample):
            raise ValueError("where, all and sample go with from")
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError("the range is empty")
        for text in (self.source, self.where, self.value):
            if text is not None:
                _valid(compile_query, text)
        return self


class StartTemplate(_Strict):
    """`envsim.task.Start` with placeholders; `setup` holds call strings of the app's tools."""

    url: str = "/"
    login: str | None = None
    clock: str | None = Field(default=None, description="ISO 8601 text or a TOML time")
    setup: list[str] = Field(default=[], description="calls with named arguments, made at reset with all bugs off")

    @field_validator("clock", mode="before")
    @classmethod
    def _clock_as_text(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else value

    @model_validator(mode="after")
    def _parts_parse(self) -> StartTemplate:
        for call in self.setup:
            _valid(Action.parse, call)
        if self.clock is not None and "{" not in self.clock:
            _valid(parse_clock, self.clock)
        return self


class TaskTemplate(_Strict):
    """A task file as declared."""

    id: Identifier
    title: str = Field(description="what the task exercises, for people; never shown to the agent")
    app: Identifier
    interface: Interface
    split: Split
    goal: str | list[str] = Field(description="what the agent is told; of several phrasings the seed picks one")
    max_steps: int = Field(default=30, gt=0, le=500)
    bugs: str | tuple[str, ...] | None = Field(default=None, description="see Task.bugs")
    start: StartTemplate = StartTemplate()
    user: dict[str, Any] | None = Field(
        default=None,
        description="a simulated user: `envsim.goal.UserGoal` with placeholders; None: the agent works alone",
    )
    params: dict[Name, Parameter] = {}
    checks: list[dict[str, Any]] = Field(
        min_length=1, description="with `when`, a query over the parameters, only in instances where it holds"
    )
    oracle: list[Any] = Field(min_length=1, description="steps that solve every instance, see envsim.policy.steps")

    @model_validator(mode="after")
    def _parts_parse(self) -> TaskTemplate:
        for number, table in enumerate(self.checks):
            _valid(parse_check, _without_when(table), where=f"checks[{number}]: ")
            if "when" in table:
                _valid(_condition, table["when"], where=f"checks[{number}]: ")
        _valid(parse_steps, self.oracle)
        known = self.params.keys()
        if clash := known & set(SEEN):
            raise ValueError(f"parameter {min(clash)!r} is what an oracle calls something it sees; rename it")
        if self.user is not None and (clash := known & set(SPOKEN)):
            raise ValueError(f"parameter {min(clash)!r} is a word of the user's own; rename it")
        for part, extra in (
            (self.goal, ()), (self.start.model_dump(), ()), (self.checks, ()), (self.user, SPOKEN),
            (self.oracle, ("saved", "url", "message")),
        ):  # fmt: skip
            for path in _placeholders_in(part):
                if path.split(".")[0] not in (*known, *extra):
                    raise ValueError(f"{{{path}}} names no parameter; there are: {', '.join(known) or 'none'}")
        return self

    def instantiate(self, seed: int, seed_view: StateView) -> Task:
        """The task instance of `seed`.

        Args:
            seed: Any integer; equal seeds give equal tasks.
            seed_view: The app's state view as seeded (`World.seed_view`).

        Raises:
            ContentError: No parameters fit in `ATTEMPTS` draws, or a placeholder leads nowhere.
        """
        params = self._draw(seed, seed_view)
        where = f"tasks/{self.app}/{self.id}.toml, seed {seed}: "
        goals = [self.goal] if isinstance(self.goal, str) else self.goal
        goal = Rng("task", self.app, self.id, seed, "goal").choice(goals)
        try:
            checks = tuple(
                _check(_without_when(table), params)
                for table in self.checks
                if "when" not in table or query(table["when"], params)
            )
            if not checks:
                raise ContentError("no check applies: every `when` is false. Add a check for this case.")
            parse_checks(checks)
            return Task(
                id=f"{self.id}@{seed}",
                template=self.id,
                app=self.app,
                interface=self.interface,
                split=self.split,
                goal=render(goal, params),
                start=_start(self.start, params),
                bugs=self.bugs,
                user=None if self.user is None else fill_goal(self.user, params),
                max_steps=self.max_steps,
                params=params,
                checks=checks,
                # Filled in while it runs: the oracle's placeholders may also name what it saved.
                oracle=tuple(self.oracle),
            )
        except ContentError as error:
            raise ContentError(f"{where}{error}") from None

    def _draw(self, seed: int, view: StateView) -> dict[str, Any]:
        if clash := self.params.keys() & view.keys():
            raise ContentError(
                f"tasks/{self.app}/{self.id}.toml: parameter {min(clash)!r} hides a collection of that name. Rename it."
            )
        stuck = ""
        for attempt in range(ATTEMPTS):
            scope: dict[str, Any] = dict(view)
            for name, parameter in self.params.items():
                # Keyed by name, so that a new parameter does not change what the others draw.
                drawn = _draw_one(parameter, scope, Rng("task", self.app, self.id, seed, attempt, name))
                if drawn is None:
                    stuck = name
                    break
                scope[name] = drawn
            else:
                return {name: scope[name] for name in self.params}
        raise ContentError(
            f"tasks/{self.app}/{self.id}.toml, seed {seed}: {ATTEMPTS} draws gave no value for {stuck!r}. "
            "Loosen its `where`, or change what it is drawn from."
        )


def _draw_one(parameter: Parameter, scope: Mapping[str, Any], rng: Rng) -> Any:
    """A value, or None where nothing fits."""
    if parameter.choices is not None:
        return resolve(rng.choice(parameter.choices), scope)
    if parameter.range is not None:
        low, high = parameter.range
        return low + rng.integer(high - low + 1)
    if parameter.value is not None:
        return query(parameter.value, scope)
    candidates = rows(query(str(parameter.source), scope))
    if parameter.all:
        return list(_kept(candidates, parameter.where, scope))
    kept = _kept(_shuffled(candidates, rng), parameter.where, scope)
    if parameter.sample is None:
        return next(kept, None)
    chosen = [row for row, _ in zip(kept, range(parameter.sample), strict=False)]
    return chosen if len(chosen) == parameter.sample else None


def _shuffled(items: list[Any], rng: Rng) -> Iterator[Any]:
    """`items` in a random order, drawn no further than they are taken: most often one is enough."""
    pool = list(items)
    for last in range(len(pool) - 1, -1, -1):
        at = rng.integer(last + 1)
        pool[at], pool[last] = pool[last], pool[at]
        yield pool[last]


def _kept(candidates: Iterable[Any], where: str | None, scope: Mapping[str, Any]) -> Iterator[Any]:
    inner = dict(scope)
    for row in candidates:
        inner["row"] = row
        if where is None or query(where, inner):
            yield row


def _start(start: StartTemplate, params: Mapping[str, Any]) -> Start:
    calls = [Action.parse(call) for call in start.setup]
    return Start(
        url=render(start.url, params),
        login=None if start.login is None else render(start.login, params),
        clock=None if start.clock is None else parse_clock(render(start.clock, params)).isoformat(),
        # Parsed before it is filled in: no value can change what is called.
        setup=tuple(Action.call(call.name, **resolve(call.arguments, params)) for call in calls),
    )


def _check(table: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    if table["kind"] != "unchanged":
        # A query reads parameters as data, under `params`; only what it is compared to is filled in.
        return {key: item if key == "query" and isinstance(item, str) else resolve(item, params)
                for key, item in table.items()}  # fmt: skip
    return {**table, "except": [path for pattern in table.get("except", ()) for path in _paths(pattern, params)]}


def _paths(pattern: str, params: Mapping[str, Any]) -> Iterator[str]:
    """`pattern` filled in: once for each item of a placeholder that is a list."""
    for path, spec in placeholders(pattern):
        if not spec and isinstance(items := resolve(f"{{{path}}}", params), list):
            for item in items:
                text = _escape(render("{item}", {"item": item})).replace("{", "{{").replace("}", "}}")
                yield from _paths(pattern.replace(f"{{{path}}}", text), params)
            return
    yield render(pattern, params, _escape)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _without_when(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in table.items() if key != "when"}


def _condition(text: Any) -> None:
    if not isinstance(text, str):
        raise ContentError(f"key 'when': {text!r} is not a query. Write one over the parameters, in quotes.")
    compile_query(text)


def _placeholders_in(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield from (path for path, _ in _valid(lambda text: list(placeholders(text)), part))
    elif isinstance(part, Mapping):
        for key, item in part.items():
            # Queries and patterns have braces of their own.
            if key not in ("query", "pattern", "when", "until", "save"):
                yield from _placeholders_in(item)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _placeholders_in(item)


def _valid(function: Any, value: Any, where: str = "") -> Any:
    """`function(value)`, with content errors as the ValueError a pydantic validator may raise."""
    try:
        return function(value)
    except (ContentError, ActionError) as error:
        raise ValueError(f"{where}{error}") from None


# -- loading -------------------------------------------------------------------------------------


def load_template(path: Path) -> TaskTemplate:
    """Read one task file.

    Raises:
        ContentError: Unreadable, not TOML, or a key that does not fit; names the file and the key.
    """
    template = read_toml(path, TaskTemplate)
    for key, expected in (("id", path.stem), ("app", path.parent.name)):
        if getattr(template, key) != expected:
            raise ContentError(f"{path}: {key}: must be {expected!r}, as its path says. Correct or move it.")
    return template


@lru_cache(maxsize=512)
def _load_cached(path: Path, _changed_ns: int) -> TaskTemplate:
    return load_template(path)


def load_tasks(app: str, split: str | None = None, interface: str | None = None) -> list[TaskTemplate]:
    """The templates of `app`, by id.

    Args:
        app: Name of the app.
        split: ``"train"`` or ``"test"``; None for both.
        interface: ``"browser"`` or ``"tools"``; None for both.

    Raises:
        ContentError: An unknown app or split, a malformed file, or no template that fits.
    """
    find_app(app)
    templates = [_load_cached(path, path.stat().st_mtime_ns) for path in list_templates(app).values()]
    if split is not None and split not in ("train", "test"):
        raise ContentError(f"There is no split {split!r}. Use 'train' or 'test'.")
    fitting = [
        template
        for template in templates
        if split in (None, template.split) and interface in (None, template.interface)
    ]
    if not fitting:
        wanted = " ".join(part for part in (split, interface) if part)
        raise ContentError(f"{app} has no {wanted} tasks. Add one as tasks/{app}/<id>.toml; see docs/tasks.md.")
    return fitting


def find_template(app: str, template_id: str) -> TaskTemplate:
    """The template `template_id` of `app`.

    Raises:
        ContentError: There is none; names an app that has it, or lists those that exist.
    """
    find_app(app)
    paths = list_templates(app)
    if template_id not in paths:
        others = [other for other in list_apps() if other != app and template_id in list_templates(other)]
        hint = f" {others[0]} has one: name that app." if others else f" Its tasks are: {', '.join(paths) or 'none'}."
        raise ContentError(f"{app} has no task {template_id!r}.{hint}")
    path = paths[template_id]
    return _load_cached(path, path.stat().st_mtime_ns)


def select_templates(
    app: str, *, task: str | None = None, split: str | None = None, interface: str | None = None
) -> tuple[list[TaskTemplate], int | None]:
    """The templates an environment draws from, and the instance seed where `task` fixes it.

    Args:
        app: Name of the app.
        task: A template id or an instance ``<template>@<seed>``; None for all that fit.
        split: As `load_tasks`; must fit `task`.
        interface: As `load_tasks`; must fit `task`.

    Raises:
        ContentError: As `load_tasks` and `find_template`, or a task of another split or interface.
    """
    if task is None:
        return load_tasks(app, split, interface), None
    name, at, number = task.partition("@")
    if at and not number.removeprefix("-").isdecimal():
        raise ContentError(f"{task!r} is no task instance. Write <template>@<seed>, for example {name}@7.")
    template = find_template(app, name)
    for what, wanted in (("split", split), ("interface", interface)):
        if wanted is not None and getattr(template, what) != wanted:
            raise ContentError(
                f"Task {name} has {what} {getattr(template, what)!r}, not {wanted!r}. Ask for that {what}, or for none."
            )
    return [template], int(number) if at else None
