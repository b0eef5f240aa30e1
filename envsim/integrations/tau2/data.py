"""Tasks, policies, splits and databases of tau2-bench, read where `inspect-evals` installed them.

Nothing of tau2-bench is copied into envsim: its data and its tools are those of the installed package
(Barres et al., "tau2-bench: Evaluating Conversational Agents in a Dual-Control Environment", 2025; MIT).
"""

from __future__ import annotations

import gzip
import json
import re
import tomllib
import warnings
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from envsim.errors import ContentError, PrerequisiteError, load_optional

DOMAINS = ("airline", "retail", "telecom")
EXTRA = "tau2"
Side = Literal["assistant", "user"]

_PACKAGE = "inspect_evals.tau2"
_POLICIES = {name: f"{name}.agents:get_domain_policy" for name in DOMAINS}
_SLUG_CHARS = 48
"""Of a task's own id in ours: telecom ids have up to 214 characters, too many for a file name."""


class _Read(BaseModel):
    """Base of what is read from tau2's files: immutable, and unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GoldAction(_Read):
    """One call of the gold solution."""

    action_id: str = ""
    requestor: Side = "assistant"
    name: str
    arguments: dict[str, Any] = {}
    compare_args: tuple[str, ...] | None = None


class FunctionCall(_Read):
    """A function of either side's environment: none the agent can call."""

    env_type: Side
    func_name: str
    arguments: dict[str, Any] = {}


class Assertion(FunctionCall):
    """What such a function must return at the end."""

    assert_value: bool = True
    message: str | None = None


class InitialData(_Read):
    """What differs from the domain's databases, merged into them key by key."""

    agent_data: dict[str, Any] | None = None
    user_data: dict[str, Any] | None = None


class InitialState(_Read):
    """Where a task begins."""

    initialization_data: InitialData | None = None
    initialization_actions: tuple[FunctionCall, ...] | None = None
    message_history: tuple[dict[str, Any], ...] | None = None


class Criteria(_Read):
    """How a task is judged; the default basis is tau2's."""

    actions: tuple[GoldAction, ...] | None = None
    env_assertions: tuple[Assertion, ...] | None = None
    communicate_info: tuple[str, ...] | None = None
    nl_assertions: tuple[str, ...] | None = None
    reward_basis: tuple[str, ...] = ("DB", "COMMUNICATE")


class Instructions(_Read):
    """What tau2's user simulator is told."""

    domain: str = ""
    reason_for_call: str = ""
    known_info: str | None = None
    unknown_info: str | None = None
    task_instructions: str = ""


class Scenario(_Read):
    """Who the user is."""

    persona: str | None = None
    instructions: Instructions | str


class TauTask(_Read):
    """One task of tau2-bench, as in its tasks.json."""

    id: str
    user_scenario: Scenario
    ticket: str | None = None
    initial_state: InitialState | None = None
    evaluation_criteria: Criteria | None = None


def package(entry: str) -> Any:
    """What ``"module:name"`` inside the installed tau2 package refers to.

    Raises:
        PrerequisiteError: The extra is not installed.
    """
    return library(f"{_PACKAGE}.{entry}")


def library(entry: str) -> Any:
    """What ``"module:name"`` refers to, in a package that the extra brings.

    Raises:
        PrerequisiteError: The extra is not installed, or in a version that has no such name.
    """
    with warnings.catch_warnings():
        # Importing it warns of pydantic's past; that is for its authors to read, and fatal in a strict test run.
        warnings.simplefilter("ignore")
        try:
            return load_optional(entry, EXTRA)
        except AttributeError:
            raise PrerequisiteError(
                f"The installed inspect-evals or inspect-ai has no {entry}: envsim does not know this version.",
                command=f"pip install --upgrade 'envsim[{EXTRA}]'",
            ) from None


def tasks(domain: str) -> dict[str, TauTask]:
    """All tasks of a domain by tau2's id, in its order: 50 airline, 114 retail, 2,285 telecom.

    Raises:
        ContentError: There is no such domain, or its file is not what tau2-bench writes.
        PrerequisiteError: The extra is not installed.
    """
    return {tau_id: _task(domain, tau_id) for tau_id in _raw(_checked(domain))}


def splits(domain: str) -> dict[str, tuple[str, ...]]:
    """Task ids of tau2's own splits: ``train`` and ``test`` always, ``base`` and others beside them."""
    return dict(_splits(_checked(domain)))


def split_of(domain: str, tau_id: str) -> Literal["train", "test"]:
    """``"test"`` for what tau2 holds out; ``"train"`` for all else, also the telecom tasks in neither of its splits."""
    return "test" if tau_id in _splits(_checked(domain))["test"] else "train"


@cache
def policy(domain: str) -> str:
    """The policy document an agent of `domain` has to follow, as tau2 words it."""
    text = package(_POLICIES[_checked(domain)])
    return str(text(workflow=False) if domain == "telecom" else text())


def env_task_id(domain: str, tau_id: str) -> str:
    """Our id of a task, fit for a file name: ``airline-7``; longer ones end in a digest of tau2's id."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", tau_id).strip("-")
    if slug == tau_id:
        return f"{domain}-{tau_id}"
    return f"{domain}-{slug[:_SLUG_CHARS].rstrip('-')}-{sha256(tau_id.encode()).hexdigest()[:8]}"


def find_task(domain: str, wanted: str) -> TauTask:
    """A task by tau2's id or by ours.

    Raises:
        ContentError: There is none.
    """
    known = _raw(_checked(domain))
    if (tau_id := wanted if wanted in known else _by_env_id(domain).get(wanted)) is not None:
        return _task(domain, tau_id)
    raise ContentError(
        f"tau2 {domain} has no task {wanted[:80]!r}. There are {len(known)}, such as {next(iter(known))!r}: "
        f"list them with envsim.integrations.tau2.tasks({domain!r})."
    )


@cache
def database(domain: str, name: str) -> Mapping[str, Any]:
    """The content of one database file, e.g. ``("telecom", "user_db")``: shared, so for reading only."""
    return MappingProxyType(_load(_folder(_checked(domain)), name))


def raw_task(domain: str, tau_id: str) -> dict[str, Any]:
    """A task as tau2 wrote it, with all its keys; shared, so for reading only."""
    return _raw(_checked(domain))[find_task(domain, tau_id).id]


@cache
def _raw(domain: str) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in _load(_folder(domain), "tasks")}


@cache
def _task(domain: str, tau_id: str) -> TauTask:
    try:
        return TauTask.model_validate(_raw(domain)[tau_id])
    except ValidationError as error:
        raise ContentError(
            f"tau2 {domain} task {tau_id!r} cannot be read ({str(error).splitlines()[0]}). "
            "Install a version of inspect-evals that envsim knows: pip install 'envsim[tau2]'"
        ) from None


@cache
def _splits(domain: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(ids) for name, ids in _load(_folder(domain), "split_tasks").items()}


@cache
def _by_env_id(domain: str) -> dict[str, str]:
    return {env_task_id(domain, tau_id): tau_id for tau_id in _raw(domain)}


def _checked(domain: str) -> str:
    if domain not in DOMAINS:
        raise ContentError(f"tau2 has no domain {domain!r}. Use one of: {', '.join(DOMAINS)}.")
    return domain


def _folder(domain: str) -> Path:
    return Path(package("utils:TAU2_DATA_DIR")) / "domains" / domain


def _load(folder: Path, name: str) -> Any:
    # Not with the package's own reader: it leaves an unpacked copy in the temporary folder every time.
    for path in (folder / f"{name}.json", folder / f"{name}.json.gz", folder / f"{name}.toml"):
        if path.is_file():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return tomllib.loads(data.decode()) if path.suffix == ".toml" else json.loads(data)
    raise ContentError(
        f"inspect-evals has no {name} of tau2's {folder.name}. Install a version that has: pip install 'envsim[tau2]'"
    )
