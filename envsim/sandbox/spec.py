"""`sandbox.toml`: what a clone is, which bugs it has, and how its state is read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envsim.content import find_app
from envsim.errors import ContentError
from envsim.task import Interface
from envsim.toml import fit_toml, parse_toml

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,47}$")]
Entry = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$")]

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


HOST_ONLY = frozenset({"sandbox.toml", "Dockerfile", "README.md"})
"""Files of a clone's folder that no image holds, whatever the clone."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bug(_Strict):
    """A declared failure mode of an app."""

    id: Identifier
    title: str
    layer: Literal["app", "wire", "ui"]
    bug_class: BugClass = Field(alias="class")
    trigger: str = Field(description="what a user does for it to show")
    rate: float = Field(default=1.0, gt=0, le=1, description="P(fires | triggered)")
    symptom: str = Field(description="what a user then sees")
    source: str = Field(description="where the bug is known from: issue, changelog, paper, incident report")
    oracle: Entry = Field(
        description="function that raises OracleFailure with the bug and returns without; images hold nothing of the "
        "module or package it lies in"
    )


class Collection(_Strict):
    """One collection of the state view."""

    key: str = Field(description="column whose value keys the rows")
    sql: str = Field(description="SELECT with a stable ORDER BY is not needed: rows are keyed")


class Clock(_Strict):
    """The clone's own time."""

    start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    tick_s: float = Field(default=7.0, ge=0, description="seconds that one request moves the clock")


class SandboxSpec(_Strict):
    """A clone as declared.

    With `base` it is another clone under another name and with other tools: the same folder, seed,
    state and bugs, run from the same image.

    Attributes:
        root: Folder of the app, its seed and its oracles; a base's for whoever has one.
        origin: What runs: this spec, or for one with a base the one at the end of that chain.
    """

    name: Identifier
    title: str
    description: str
    base: Identifier | None = Field(default=None, description="the app that this one is, seen from another side")
    requirements: tuple[str, ...] = Field(default=(), description="pip requirements of the app")
    app: Entry = Field(description="module:function below the folder, (Kit) -> Clone")
    seed: Entry = Field(description="module:function below the folder, (Path) -> None; writes the seed database")
    tools: str | None = Field(default=None, description="path of the app's OpenAPI document; None: browser only")
    user_tools: str | None = Field(
        default=None, description="path of the OpenAPI document a simulated user works with; None: that of `tools`"
    )
    interface: Interface = Field(default="browser", description="what agents work through unless told otherwise")
    policy: str | None = Field(
        default=None, description="file beside this one: the rules that an agent with these tools must follow"
    )
    pages: tuple[str, ...] = Field(default=("/",), description="where a walk over all pages starts")
    login: str | None = Field(default=None, description="account (e-mail) used where a walk needs to be signed in")
    clock: Clock = Clock()
    state: dict[Identifier, Collection]
    bugs: tuple[Bug, ...] = ()
    production: tuple[Identifier, ...] = Field(default=(), description="ids of the bugs production has")
    root: Path = Field(default=Path(), exclude=True)
    folders: tuple[Path, ...] = Field(default=(), exclude=True, description="its own, its base's, and so on")
    policy_path: Path | None = Field(default=None, exclude=True)
    inherited: SandboxSpec | None = Field(default=None, exclude=True, repr=False)

    @property
    def origin(self) -> SandboxSpec:
        """What runs."""
        return self if self.inherited is None else self.inherited.origin

    @model_validator(mode="after")
    def _bugs_are_consistent(self) -> SandboxSpec:
        ids = [bug.id for bug in self.bugs]
        if twice := {i for i in ids if ids.count(i) > 1}:
            raise ValueError(f"bug id {min(twice)!r} is declared twice")
        if unknown := set(self.production) - set(ids):
            raise ValueError(f"production names unknown bug {min(unknown)!r}")
        return self

    @model_validator(mode="after")
    def _oracles_stand_apart(self) -> SandboxSpec:
        shared = self._oracle_tops & {_top(self.app), _top(self.seed)}
        if shared:
            raise ValueError(f"oracles lie in {min(shared)!r} with the app; move them to a module of their own")
        return self

    @property
    def _oracle_tops(self) -> set[str]:
        return {_top(bug.oracle) for bug in self.bugs}

    def read_policy(self) -> str:
        """The rules of `policy`; empty without.

        Raises:
            ContentError: The file cannot be read.
        """
        if self.policy_path is None:
            return ""
        try:
            return self.policy_path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ContentError(f"Cannot read {self.policy_path}: {error}. Check the file.") from None

    def is_host_only(self, path: str) -> bool:
        """Whether the file at `path`, relative to `root`, never enters an image.

        An agent must find neither the bug list nor the oracles. A module or package at the top of the
        folder that holds an oracle is held back as a whole, with all the helpers in it.
        """
        return path in HOST_ONLY or path.partition("/")[0].removesuffix(".py") in self._oracle_tops

    def select_bugs(self, choice: str | tuple[str, ...] | list[str]) -> dict[str, float]:
        """Bug id -> rate for ``"production"``, ``"none"``, ``"all"``, ``"a,b"`` or a list of ids.

        Raises:
            ContentError: A name that is not a bug of this app.
        """
        by_id = {bug.id: bug for bug in self.bugs}
        if isinstance(choice, str):
            if choice == "production":
                choice = self.production
            elif choice in ("none", ""):
                choice = ()
            elif choice == "all":
                choice = tuple(by_id)
            else:
                choice = tuple(part.strip() for part in choice.split(","))
        if unknown := [name for name in choice if name not in by_id]:
            raise ContentError(
                f"{self.name} has no bug {unknown[0]!r}. Its bugs are: {', '.join(by_id) or 'none'}; "
                "or say production, none or all."
            )
        return {name: by_id[name].rate for name in choice}


class _Derived(_Strict):
    """What the toml of an app with a base may say. Only the host reads it: what runs is the base's alone."""

    base: Identifier
    name: Identifier
    title: str = ""
    description: str = ""
    tools: str | None = None
    user_tools: str | None = None
    interface: Interface = "browser"
    policy: str | None = None
    pages: tuple[str, ...] = ()
    login: str | None = None
    production: tuple[Identifier, ...] = ()


def _top(entry: str) -> str:
    """The module or package at the top of the folder that `entry` lies in."""
    return entry.partition(":")[0].partition(".")[0]


def find_spec(app: str) -> SandboxSpec:
    """The spec of the app called `app`, wherever it is found.

    Raises:
        ContentError: There is none, or it cannot be used.
    """
    return load_spec(find_app(app) / "sandbox.toml")


def load_spec(path: Path) -> SandboxSpec:
    """Read a sandbox.toml, and those of its bases.

    Raises:
        ContentError: Unreadable, not TOML, a key that does not fit, or a base that is missing or leads
            in a circle; names the file and the key.
    """
    return _load(path, ())


def _load(path: Path, above: tuple[Path, ...]) -> SandboxSpec:
    table, folder = parse_toml(path), path.parent
    if "base" in table:
        own = fit_toml(path, table, _Derived)
        base = _load(_find_base(path, own.base, above), (*above, folder))
        changed: dict[str, Any] = {name: getattr(own, name) for name in own.model_fields_set}
        inherited = {name: getattr(base, name) for name in SandboxSpec.model_fields}
        table = {**inherited, **changed, "inherited": base, "folders": (folder, *base.folders)}
    else:
        table |= {"root": folder, "folders": (folder,)}
        changed = table
    if changed.get("policy") is not None:
        table["policy_path"] = _find_policy(path, str(changed["policy"]))
    return fit_toml(path, table, SandboxSpec)


def _find_base(path: Path, base: str, above: tuple[Path, ...]) -> Path:
    try:
        found = find_app(base)
    except ContentError as error:
        raise ContentError(f"{path}: base: {error}") from None
    if any(folder.resolve() == found.resolve() for folder in (*above, path.parent)):
        names = " -> ".join([*(folder.name for folder in above), path.parent.name, base])
        raise ContentError(f"{path}: base: {names} leads in a circle. Name an app that has code of its own.")
    return found / "sandbox.toml"


def _find_policy(path: Path, name: str) -> Path:
    found = path.parent / name
    if Path(name).name != name or not found.is_file():
        raise ContentError(f"{path}: policy: there is no file {name!r} beside it. Write it, or correct the name.")
    return found
