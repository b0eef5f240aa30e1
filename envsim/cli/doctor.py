"""``envsim doctor``: what is installed, what is missing, and the exact command that adds it.

Nothing heavy is imported: packages are looked up by their metadata, engines and devices are asked.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import typer

from envsim.cli.common import JsonFlag, print_json
from envsim.content import list_templates, roots
from envsim.errors import ContentError, EnvsimError, PrerequisiteError
from envsim.page.browser import find_chromium
from envsim.sandbox.crossing import ROUTES, find_transport, wanted_transport
from envsim.sandbox.image import DEFAULT_BASE, LOCAL_BASE, connect
from envsim.sandbox.seed import cache_dir
from envsim.sandbox.spec import load_apps

OLDEST_PYTHON = (3, 11)
EXTRAS = {
    "browser": "the chromium driver and screenshots",
    "docker": "sandboxes in containers",
    "worldmodel": "world models",
}


@dataclass(frozen=True)
class Check:
    """One thing that is there or not.

    Attributes:
        name: What was looked for.
        ok: Whether it is there and works.
        detail: Version, place, or what is wrong.
        fix: The command that adds it; empty when it is there.
        required: Whether nothing at all works without it.
        broken: Whether it is there and cannot be used.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = False
    broken: bool = False


def doctor(as_json: JsonFlag = False) -> None:
    """Say what is installed, what is missing, and the command that adds it.

    Exits 0 when the core works: the embedded sandbox with the http driver. All else is optional.
    """
    checks = list(diagnose())
    healthy = all(check.ok for check in checks if check.required)
    if as_json:
        print_json({"ok": healthy, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            # Lines, not a table: a command that is folded cannot be copied.
            print(f"{_word(check):<8} {check.name}: {check.detail}")
            if check.fix:
                print(f"{'':<8} Run: {check.fix}")
    raise typer.Exit(0 if healthy else 1)


def diagnose() -> Iterator[Check]:
    """Every check, core first. None raises: what goes wrong is what is reported."""
    for group in (_python, _packages, _cache, _content, _chromium, _docker, _cuda):
        yield from group()


def _word(check: Check) -> str:
    return "ok" if check.ok else "BROKEN" if check.required or check.broken else "missing"


# -- core ------------------------------------------------------------------------------------------


def _python() -> Iterator[Check]:
    version = platform.python_version()
    new_enough = sys.version_info >= OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    fix = "" if new_enough else f"python{oldest} -m venv .venv"
    yield Check("Python", new_enough, f"{version} at {sys.executable}", fix, required=True)


def _packages() -> Iterator[Check]:
    """Our own requirements, as the installed metadata lists them."""
    try:
        declared = metadata.requires("envsim") or []
    except metadata.PackageNotFoundError:
        yield Check(
            "envsim", False, "it runs from a folder it was not installed from", "pip install -e .", required=True
        )
        return
    yield Check("envsim", True, metadata.version("envsim"), required=True)
    for extra, purpose in {"": "core", **EXTRAS}.items():
        names = [_distribution(line) for line in declared if _extra(line) == extra]
        versions = {name: _version(name) for name in names if name != "envsim"}
        absent = [name for name, version in versions.items() if version is None]
        present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        detail = f"needs {', '.join(absent)}" if absent else present
        target = f"'envsim[{extra}]'" if extra else "envsim"
        yield Check(
            f"packages: {purpose}", not absent, detail, f"pip install {target}" if absent else "", required=not extra
        )


def _distribution(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match[0] if match else requirement


def _extra(requirement: str) -> str:
    match = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
    return match[1] if match else ""


def _version(distribution: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None


def _cache() -> Iterator[Check]:
    try:
        path = cache_dir()
    except ContentError as error:
        yield Check("cache folder", False, str(error), "export ENVSIM_CACHE=/a/folder/you/can/write", required=True)
        return
    writable = os.access(path, os.W_OK | os.X_OK)
    fix = "" if writable else "export ENVSIM_CACHE=/a/folder/you/can/write"
    yield Check("cache folder", writable, str(path) if writable else f"{path} is not writable", fix, required=True)


def _content() -> Iterator[Check]:
    apps, errors = load_apps()
    found = ", ".join(f"{app} ({len(list_templates(app))} task templates)" for app in apps)
    looked = "none in " + ", ".join(str(root) for root in roots())
    fix = "" if apps else "export ENVSIM_PATH=/a/folder/with/sandboxes/and/tasks"
    yield Check("apps", bool(apps), found or looked, fix, required=True)
    for app, said in errors.items():
        yield Check(f"app {app}", False, said, broken=True)


# -- optional --------------------------------------------------------------------------------------


def _chromium() -> Iterator[Check]:
    yield _probe("Chromium", find_chromium)


def _docker() -> Iterator[Check]:
    try:
        client = connect()
    except PrerequisiteError as error:
        yield Check("Docker engine", False, _without_command(error), error.command)
        return
    with contextlib.closing(client):
        base = _base_image(client)
        yield Check("Docker engine", True, str(client.version()["Version"]))
        yield base
        if base.ok:
            yield _transport(client, base.detail)


def _transport(client: Any, base: str) -> Check:
    """How sandboxes without a network are reached; tried now, whatever was found before."""
    try:
        wanted = wanted_transport()
        found = wanted or find_transport(client, base, base, again=True)
    except EnvsimError as error:
        return Check("Docker transport", False, str(error), "unset ENVSIM_TRANSPORT")
    how = "as ENVSIM_TRANSPORT says" if wanted else "tried just now"
    return Check("Docker transport", True, f"{found} ({ROUTES[found]}; {how})")


def _base_image(client: Any) -> Check:
    wanted = [name for name in (os.environ.get("ENVSIM_BASE_IMAGE"), DEFAULT_BASE, LOCAL_BASE) if name]
    here = {tag for image in client.images.list() for tag in image.tags}
    for name in wanted:
        if name in here:
            return Check("base image", True, name)
    return Check(
        "base image", False, f"none of {', '.join(wanted)}", f"docker pull {DEFAULT_BASE}  # or: scripts/base-image.sh"
    )


def _cuda() -> Iterator[Check]:
    torch = _version("torch") or ""
    smi = shutil.which("nvidia-smi")
    if smi is None:
        yield Check("CUDA device", False, "no NVIDIA driver; world models train on the CPU")
        return
    command = [smi, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        yield Check("CUDA device", False, f"nvidia-smi fails: {error}")
        return
    devices = "; ".join(out.split("\n")).strip("; ")
    if torch.endswith("+cpu"):
        yield Check(
            "CUDA device", False, f"{devices}, but torch {torch} is a CPU build", "pip install --force-reinstall torch"
        )
    else:
        yield Check("CUDA device", bool(devices), devices or "no device")


def _probe(name: str, find: Callable[[], str]) -> Check:
    try:
        return Check(name, True, find())
    except PrerequisiteError as error:
        return Check(name, False, _without_command(error), error.command)
    except EnvsimError as error:
        return Check(name, False, str(error))


def _without_command(error: PrerequisiteError) -> str:
    return str(error).removesuffix(f" Run: {error.command}")
