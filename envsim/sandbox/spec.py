"""`sandbox.toml`: what a clone is, which bugs it has, and how its state is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from envsim.content import find_app, list_apps, split_app
from envsim.errors import ContentError
from envsim.sandbox.declared import (
    Bug,
    Clock,
    Collection,
    DebianPackage,
    Entry,
    Hosted,
    Identifier,
    Requirement,
    Strict,
    Variant,
    VariantName,
)
from envsim.task import Interface
from envsim.toml import fit_toml, parse_toml

HOST_ONLY = frozenset({"sandbox.toml", "Dockerfile", "README.md"})
"""Files of a clone's folder that no image holds, whatever the clone."""


class SandboxSpec(Strict):
    """A clone as declared.

    With `base` it is another clone under another name and with other tools: the same folder, seed,
    state and bugs, run from the same image.

    Attributes:
        root: Folder of the app, its seed and its oracles; a base's for whoever has one.
        origin: What runs: this spec, or for one with a base the one at the end of that chain.
        variant: The version this is; None where there is only one.
        common: The requirements that all variants share.
    """

    name: Identifier
    title: str
    description: str
    base: Identifier | None = Field(default=None, description="the app that this one is, seen from another side")
    requirements: tuple[Requirement, ...] = Field(
        default=(), description="pip requirements of the app, its variant's included"
    )
    packages: tuple[DebianPackage, ...] = Field(default=(), description="Debian packages of the app, for its image")
    image: str | None = Field(default=None, description="image that holds the app; None: our base image")
    variants: dict[VariantName, Variant] = Field(default={}, description="versions of the app, by name")
    default_variant: VariantName | None = Field(default=None, description="the one meant where none is named")
    app: Entry | None = Field(default=None, description="module:function below the folder, (Kit) -> Clone")
    hosted: Hosted | None = Field(default=None, description="an app that is not written on the kit, instead of `app`")
    seed: Entry = Field(
        description="module:function below the folder, (Path) -> None; writes the seed database, or fills the data "
        "folder of a hosted app"
    )
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
    variant: VariantName | None = Field(default=None, exclude=True)
    common: tuple[str, ...] = Field(default=(), exclude=True, repr=False)

    @property
    def origin(self) -> SandboxSpec:
        """What runs."""
        return self if self.inherited is None else self.inherited.origin

    @property
    def ref(self) -> str:
        """Its name, and its variant if it has one: ``oscar@3.2``. Whatever takes an app's name takes this."""
        return self.name if self.variant is None else f"{self.name}@{self.variant}"

    @property
    def own_process(self) -> bool:
        """Whether it brings packages, a clock and chance of its own, and so cannot run in ours."""
        return self.hosted is not None or self.variant is not None

    def with_variant(self, variant: str | None) -> SandboxSpec:
        """The same app in another variant; None: the default one.

        Raises:
            ContentError: There is no such variant.
        """
        chosen = self.default_variant if variant is None else variant
        if chosen is None:
            return self
        if chosen not in self.variants:
            known = f"Its variants are: {', '.join(self.variants)}" if self.variants else "It has only one"
            raise ContentError(f"{self.name} has no variant {chosen!r}. {known}; sandbox list shows them.")
        update: dict[str, Any] = {
            "variant": chosen,
            "requirements": (*self.common, *self.variants[chosen].requirements),
            "inherited": self.inherited and self.inherited.with_variant(chosen),
        }
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _runs_somehow(self) -> SandboxSpec:
        if (self.app is None) == (self.hosted is None):
            raise ValueError("give either app (a clone on the kit) or [hosted] (an app as it is)")
        if self.default_variant is None and self.variants:
            raise ValueError("variants need a default_variant: name the one that production has")
        if self.default_variant is not None and self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant!r} is not among the variants")
        return self

    @model_validator(mode="after")
    def _bugs_are_consistent(self) -> SandboxSpec:
        ids = [bug.id for bug in self.bugs]
        if twice := {i for i in ids if ids.count(i) > 1}:
            raise ValueError(f"bug id {min(twice)!r} is declared twice")
        if unknown := set(self.production) - set(ids):
            raise ValueError(f"production names unknown bug {min(unknown)!r}")
        for bug in self.bugs:
            if bug.variants is None:
                continue
            if unknown := {bug.variants.buggy, bug.variants.fixed} - set(self.variants):
                raise ValueError(f"bug {bug.id!r} names unknown variant {min(unknown)!r}")
            if bug.id in self.production or bug.rate < 1:
                raise ValueError(f"bug {bug.id!r} is real: its variant decides, so it has no rate and no switch")
        return self

    @model_validator(mode="after")
    def _oracles_stand_apart(self) -> SandboxSpec:
        code = self.app or (self.hosted and self.hosted.app)
        shared = self._oracle_tops & {_top(entry) for entry in (code, self.seed) if entry}
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

        Real bugs are not among them: they come with the variant.

        Raises:
            ContentError: A name that is not a bug of this app, or is one that no switch can turn off.
        """
        chosen = self.choose_bugs(choice)
        if isinstance(choice, str) and choice in ("", "production", "none", "all"):
            return {bug.id: bug.rate for bug in chosen if bug.variants is None}
        for bug in chosen:
            if bug.variants is not None:
                raise ContentError(
                    f"{bug.id!r} is a bug of {self.name} itself and cannot be switched: choose a variant. "
                    f"{self.name}@{bug.variants.buggy} has it, {self.name}@{bug.variants.fixed} has not."
                )
        return {bug.id: bug.rate for bug in chosen}

    def choose_bugs(self, choice: str | tuple[str, ...] | list[str]) -> tuple[Bug, ...]:
        """The bugs that `choice` names, see `select_bugs`; real ones too.

        Raises:
            ContentError: A name that is not a bug of this app.
        """
        by_id = {bug.id: bug for bug in self.bugs}
        if isinstance(choice, str):
            words = {"production": self.production, "none": (), "": (), "all": tuple(by_id)}
            choice = words[choice] if choice in words else tuple(part.strip() for part in choice.split(","))
        if unknown := [name for name in choice if name not in by_id]:
            raise ContentError(
                f"{self.name} has no bug {unknown[0]!r}. Its bugs are: {', '.join(by_id) or 'none'}; "
                "or say production, none or all."
            )
        return tuple(by_id[name] for name in choice)


class _Derived(Strict):
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


def find_spec(app: str, variant: str | None = None) -> SandboxSpec:
    """The spec of the app called `app`, wherever it is found.

    Args:
        app: Its name; ``oscar@3.2`` for a variant.
        variant: The same said apart.

    Raises:
        ContentError: There is none, it cannot be used, or two different variants are named.
    """
    name, named = split_app(app)
    if named is not None and variant is not None and named != variant:
        raise ContentError(f"{app} is not the variant {variant!r}. Name one of the two.")
    return load_spec(find_app(name) / "sandbox.toml", named if variant is None else variant)


def load_apps() -> tuple[dict[str, SandboxSpec], dict[str, str]]:
    """Every app that can be found, by the name of its folder: its spec, or the sentence that says why it has none."""
    specs, errors = {}, {}
    for name, folder in list_apps().items():
        try:
            specs[name] = load_spec(folder / "sandbox.toml")
        except ContentError as error:
            errors[name] = str(error)
    return specs, errors


def refuse_taken(name: str, folder: Path) -> None:
    """Refuse a new app in `folder` if one of that name lies elsewhere: of the two only one could be found.

    Raises:
        ContentError: There is one; says where.
    """
    other = list_apps().get(name)
    if other is not None and other.resolve() != folder.resolve():
        raise ContentError(
            f"There is an app {name!r} already, in {other}, and one would hide the other. Choose another name, or say "
            "--force."
        )


def load_spec(path: Path, variant: str | None = None) -> SandboxSpec:
    """Read a sandbox.toml, and those of its bases; without `variant` in the default one.

    Raises:
        ContentError: Unreadable, not TOML, a key that does not fit, an unknown variant, or a base that
            is missing or leads in a circle; names the file and the key.
    """
    return _load(path, ()).with_variant(variant)


def _load(path: Path, above: tuple[Path, ...]) -> SandboxSpec:
    table, folder = parse_toml(path), path.parent
    if ours := table.keys() & {name for name, field in SandboxSpec.model_fields.items() if field.exclude}:
        raise ContentError(f"{path}: {min(ours)}: this is found out, not declared. Remove it.")
    if "base" in table:
        own = fit_toml(path, table, _Derived)
        base = _load(_find_base(path, own.base, above), (*above, folder))
        changed: dict[str, Any] = {name: getattr(own, name) for name in own.model_fields_set}
        inherited = {name: getattr(base, name) for name in SandboxSpec.model_fields}
        table = {**inherited, **changed, "inherited": base, "folders": (folder, *base.folders)}
    else:
        table |= {"root": folder, "folders": (folder,), "common": table.get("requirements", ())}
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
