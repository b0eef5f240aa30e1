"""The parts of a sandbox.toml: bugs, variants, the state view, the clock, and how an unmodified app is run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envsim.guest.supervisor import DATA

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
Entry = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
DEBIAN_PACKAGE = r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$"
DebianPackage = Annotated[str, Field(pattern=DEBIAN_PACKAGE)]
Requirement = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._, -]*\])? *([<>=!~@;(].*)?$")]
"""Begins with a name: what begins with a dash, pip would take for an option of its own."""
_BELOW = r"\.?[A-Za-z0-9_][A-Za-z0-9._-]*"
Database = Annotated[str, Field(pattern=rf"^(sqlite:{_BELOW}(/{_BELOW})*|postgres|files)$")]
VariantName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,31}$")]

BugClass = Literal[
    "stale-cache",
    "lost-update",
    "double-submit",
    "stock-race",
    "partial-write",
    "pagination",
    "sort-instability",
    "timezone",
    "rounding",
    "encoding",
    "session-expiry",
    "csrf-rotation",
    "permission-drift",
    "server-error",
    "rate-limit",
    "timeout-after-commit",
    "truncated-body",
    "schema-drift",
    "modal",
    "slow-render",
    "layout-variant",
    "disabled-clickable",
    "lying-toast",
    "captcha",
]
"""The 24 classes of failure; a bug belongs to exactly one."""


class Strict(BaseModel):
    """A table whose every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BugVariants(Strict):
    """Where a real bug is and where it is not: it cannot be switched, only met in one variant and not in the other."""

    buggy: VariantName
    fixed: VariantName

    @model_validator(mode="after")
    def _two(self) -> BugVariants:
        if self.buggy == self.fixed:
            raise ValueError("a bug cannot be in a variant and not in it")
        return self


class Bug(Strict):
    """A declared failure mode of an app."""

    id: Identifier
    title: str
    layer: Literal["app", "wire", "ui"]
    bug_class: BugClass = Field(alias="class")
    trigger: str = Field(description="what a user does for it to show")
    rate: float = Field(default=1.0, gt=0, le=1, description="P(fires | triggered)")
    symptom: str = Field(description="what a user then sees")
    source: str = Field(description="where the bug is known from: issue, changelog, paper, incident report")
    variants: BugVariants | None = Field(default=None, description="a real bug of the app; None: one we switch on")
    oracle: Entry = Field(
        description="function that raises OracleFailure with the bug and returns without; images hold nothing of the "
        "module or package it lies in"
    )


class Collection(Strict):
    """One collection of the state view."""

    key: str = Field(description="column whose value keys the rows")
    sql: str = Field(description="SELECT with a stable ORDER BY is not needed: rows are keyed")


class Clock(Strict):
    """The clone's own time."""

    start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    tick_s: float = Field(default=7.0, ge=0, description="seconds that one request moves the clock")


class Variant(Strict):
    """One version of an app, or one way to configure it."""

    requirements: tuple[Requirement, ...] = Field(
        default=(), description="pip requirements beside those of all variants"
    )
    closed: bool = Field(
        default=False,
        description="the requirements name all that is installed, and what those ask for is not looked at: for an old "
        "version that pins something without a wheel for Pythons of today",
    )
    note: str = Field(default="", description="what sets it apart, for people")


class Hosted(Strict):
    """How an app that knows nothing of us is run: all of its mutable state lies in one data folder."""

    kind: Literal["wsgi", "command"] = Field(
        description="wsgi: on the supervisor's own thread; command: a process of its own, in any language"
    )
    app: Entry | None = Field(
        default=None, description="wsgi: module:function below the folder, (Path data) -> envsim.guest.hosted.HostedApp"
    )
    command: tuple[str, ...] = Field(
        default=(), description="command: program and arguments; {data}, {port} and {socket} stand for what they are"
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="command: where it listens inside, by TCP")
    socket: RelativePath | None = Field(
        default=None, description="command: the unix socket it listens on instead, below the data folder"
    )
    data: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9][A-Za-z0-9._-]*)+$")] = Field(
        default=str(DATA),
        description="command: the data folder inside; the seed starts from what an image has there",
    )
    workdir: Annotated[str, Field(pattern=r"^/.*$")] | None = Field(
        default=None, description="command: where it is started inside; None: in the app's folder"
    )
    restart: bool = Field(
        default=False,
        description="command: a reset starts the app again, for one that keeps state in its memory; its chance, as far "
        "as it comes from getrandom, then follows the seed",
    )
    clock: Literal["frozen", "real"] = Field(
        default="frozen", description="command: frozen by libfaketime; real for programs that do not ask the C library"
    )
    login: Entry | None = Field(
        default=None,
        description="command: module:function below the folder, (envsim.guest.visit.Visit, account) -> None",
    )
    environment: dict[str, str] = Field(default={}, description="command: variables; {data} and so on as in `command`")
    database: Database = Field(
        description="sqlite:PATH below the data folder, postgres, or files alone; the state view is read from it"
    )
    assets: tuple[str, ...] = Field(
        default=("/static/", "/media/", "/favicon.ico"),
        description="beginnings of targets (path and query) of which a GET moves neither clock nor chance: browsers "
        "ask for them on behalf of a page, when they like, and the http driver does not",
    )

    @model_validator(mode="after")
    def _kind_is_complete(self) -> Hosted:
        if self.kind == "wsgi":
            self._is_wsgi()
        else:
            self._is_command()
        return self

    def _is_wsgi(self) -> None:
        if self.app is None:
            raise ValueError("kind 'wsgi' needs app = \"module:function\"")
        if not self.database.startswith("sqlite:"):
            raise ValueError("kind 'wsgi' keeps its state in sqlite:PATH; serve the app with a command for others")
        own = {
            "command",
            "port",
            "socket",
            "data",
            "workdir",
            "restart",
            "clock",
            "login",
            "environment",
        } & self.model_fields_set
        if own:
            raise ValueError(f"{min(own)} is for kind 'command'")

    def _is_command(self) -> None:
        if self.app is not None:
            raise ValueError("app is for kind 'wsgi'")
        if not self.command:
            raise ValueError('kind \'command\' needs command = ["program", "argument"]')
        if (self.port is None) == (self.socket is None):
            raise ValueError("kind 'command' needs either port = 8000 or socket = \"app.sock\"")
