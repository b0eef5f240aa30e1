"""What the process runtime starts a sandbox with: an interpreter that has the app's packages, and its seed.

A clone on the kit runs on our own interpreter. A hosted app, or one of several versions, gets a
virtual environment of its own, built once per set of requirements.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from envsim.errors import ContentError, PrerequisiteError
from envsim.sandbox.bundle import CLOSED, all_requirements, guest_root
from envsim.sandbox.seed import cache_dir, folder_hash, guest_spec, seed_database
from envsim.sandbox.spec import SandboxSpec

INHERITED = ("PATH", "TMPDIR")
"""The only variables of ours a sandbox sees: whatever else is set here is none of its business."""

COMPLETE = "envsim-complete"
SEED_S = 300.0

Progress = Callable[[str], None]


def quiet(message: str) -> None:
    """Shows no progress."""


def process_environment() -> dict[str, str]:
    """The whole environment of a supervisor process."""
    environment = {key: os.environ[key] for key in INHERITED if key in os.environ}
    # Set order must not differ between two runs of one seed.
    return environment | {"PYTHONPATH": str(guest_root()), "PYTHONHASHSEED": "0", "LANG": "C.UTF-8", "TZ": "UTC"}


def prepare(spec: SandboxSpec, progress: Progress = quiet) -> tuple[Path, Path]:
    """Interpreter and seed for a process sandbox of `spec`, built now if they were not before.

    Raises:
        ContentError: The seed entry is missing, fails or writes nothing.
        PrerequisiteError: The requirements cannot be installed.
    """
    spec = spec.origin
    if spec.hosted is not None and spec.hosted.kind == "command":
        raise ContentError(f"{spec.ref} is run by a command in a system of its own. Use the docker runtime.")
    if not spec.own_process:
        return Path(sys.executable), seed_database(spec)
    python = _venv(spec, progress)
    return python, seed_database(spec) if spec.hosted is None else _hosted_seed(spec, python, progress)


def _venv(spec: SandboxSpec, progress: Progress) -> Path:
    """The interpreter of a virtual environment that holds what `spec` requires."""
    lines = all_requirements(spec)
    key = hashlib.sha256("\n".join([sys.version, sys.executable, *lines]).encode()).hexdigest()[:20]
    folder = cache_dir() / "venvs" / key
    with _locked(folder, COMPLETE) as missing:
        if missing:
            progress(f"installing what {spec.ref} requires")
            shutil.rmtree(folder, ignore_errors=True)  # half of one, from a build that was killed
            _install(folder, lines)
            (folder / COMPLETE).touch()
    return folder / "bin" / "python"


def _install(folder: Path, requirements: list[str]) -> None:
    steps = [
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"],
    ]
    steps[1] += ["--disable-pip-version-check", *("--no-deps" if line == CLOSED else line for line in requirements)]
    for command in steps:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            tail = " ".join(result.stderr.split())[-400:]
            raise PrerequisiteError(
                f"A virtual environment with {' '.join(requirements)} cannot be made ({tail}).",
                command=f"{sys.executable} -m ensurepip; then check the package index and the requirements",
            )


def _hosted_seed(spec: SandboxSpec, python: Path, progress: Progress) -> Path:
    """The data folder every reset of a hosted app starts from, built by the app's own code in its own environment."""
    parts = [guest_spec(spec).to_json(), folder_hash(spec.root), *all_requirements(spec), guest_root().name]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
    folder = cache_dir() / "seeds" / f"{spec.name}-{key}"
    with _locked(folder) as missing:
        if missing:
            progress(f"building the seed of {spec.ref}")
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _build_seed(spec, python, Path(scratch))
                (Path(scratch) / "seed").rename(folder)
    return folder


def _build_seed(spec: SandboxSpec, python: Path, scratch: Path) -> None:
    (scratch / "guest.json").write_text(guest_spec(spec).to_json(), encoding="utf-8")
    command = [str(python), "-m", "envsim.guest.supervisor", "--build-seed", "--spec", str(scratch / "guest.json")]
    command += ["--folder", str(spec.root.resolve()), "--seed-db", str(scratch / "seed")]
    try:
        result = subprocess.run(
            command,
            cwd=scratch,
            env=process_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=SEED_S,
        )
    except subprocess.TimeoutExpired:
        raise ContentError(
            f"The seed entry of {spec.ref} took more than {SEED_S:.0f} s. Write less, or faster."
        ) from None
    if result.returncode:
        tail = result.stderr.strip()[-1500:] or "(no output)"
        raise ContentError(f"The seed of {spec.ref} cannot be built. Correct its seed entry; its output ends: {tail}")


@contextlib.contextmanager
def _locked(folder: Path, marker: str = "") -> Iterator[bool]:
    """Whether `folder` (or `marker` in it) is still missing, now that nobody else is making it."""
    if (folder / marker).exists():
        yield False
        return
    folder.parent.mkdir(exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not (folder / marker).exists()
