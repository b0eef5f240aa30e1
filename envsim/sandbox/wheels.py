"""Wheels for an image: downloaded, or built from source on the host where an app comes as source only."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from envsim.errors import PrerequisiteError
from envsim.sandbox.bundle import CLOSED
from envsim.sandbox.seed import cache_dir

GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34", "manylinux_2_36")


def get_wheels(requirements: str, python: str, machine: str) -> list[Path]:
    """Wheels of `requirements` and all they need, from the cache if they were got before.

    Whatever has no wheel for that Python is built here; only a wheel of nothing but Python runs elsewhere too.

    Args:
        requirements: As in a requirements.txt.
        python: Version of the image's Python, e.g. ``"3.11"``.
        machine: Its processor, as `platform.machine` says it.

    Raises:
        PrerequisiteError: They cannot be downloaded, or built so that they run in the image.
    """
    key = hashlib.sha256(f"{requirements}{python} {machine}".encode()).hexdigest()[:20]
    folder = cache_dir() / "wheels" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").is_file():
            folder.mkdir(exist_ok=True)
            (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
            command = _download(folder, python, machine)
            if failure := _run(command):
                _build_pure(folder, requirements, failure)
                if failure := _run(command):
                    raise _unavailable(requirements, f"not even from source: {failure}")
            (folder / "complete").touch()
    return sorted(folder.glob("*.whl"))


def _download(folder: Path, python: str, machine: str) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--requirement", str(folder / "requirements.txt"), "--find-links", str(folder), *_alone(folder)]
    command += ["--implementation", "cp", "--python-version", python]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in (*(f"{glibc}_{machine}" for glibc in GLIBC), f"linux_{machine}"):
        command += ["--platform", platform]
    return command


def _alone(folder: Path) -> list[str]:
    """What tells pip that the requirements in `folder` name everything."""
    first = (folder / "requirements.txt").read_text(encoding="utf-8").partition("\n")[0]
    return ["--no-deps"] if first == CLOSED else []


def _build_pure(folder: Path, requirements: str, failure: str) -> None:
    """Put a wheel of everything that is Python alone beside the rest, for a second try at the download."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", scratch]
        if reason := _run([*command, "--requirement", str(folder / "requirements.txt"), *_alone(folder)]):
            raise _unavailable(requirements, f"{failure}; and built from source: {reason}")
        for wheel in Path(scratch).glob("*-none-any.whl"):
            shutil.move(wheel, folder / wheel.name)


def _run(command: list[str]) -> str:
    """The end of what a failed command said; "" if it did not fail."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return (" ".join(result.stderr.split())[-400:] or "no output") if result.returncode else ""


def _unavailable(requirements: str, reason: str) -> PrerequisiteError:
    return PrerequisiteError(
        f"The wheels of {requirements.split()} cannot be had ({reason}).",
        command=f"{sys.executable} -m ensurepip; then check the package index and the requirements",
    )
