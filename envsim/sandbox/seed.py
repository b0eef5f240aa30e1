"""Seed databases, built once per content of an app's folder and kept in a cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from envsim.errors import ContentError
from envsim.guest.guest import GuestSpec, build_seed
from envsim.sandbox.spec import SandboxSpec


def cache_dir() -> Path:
    """``$ENVSIM_CACHE``, or ``~/.cache/envsim``; created if missing.

    Raises:
        ContentError: It cannot be created or written to.
    """
    chosen = os.environ.get("ENVSIM_CACHE", "")
    try:
        path = Path(chosen or Path.home() / ".cache" / "envsim").expanduser()
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError("it is not writable")
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home folder
        reason = getattr(error, "strerror", None) or error
        where = chosen or "~/.cache/envsim"
        raise ContentError(
            f"The cache folder {where} cannot be used: {reason}. Set ENVSIM_CACHE to a folder you can write to."
        ) from None
    return path


def folder_files(folder: Path) -> Iterator[Path]:
    """Every file of an app's folder, sorted, without what running it leaves behind."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in parts):
            yield path


def folder_hash(folder: Path) -> str:
    """SHA-256 (hex) over names and contents of `folder_files`."""
    digest = hashlib.sha256()
    for path in folder_files(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def guest_spec(spec: SandboxSpec) -> GuestSpec:
    """The part of `spec` that crosses to a guest: its origin's, so that one image serves all that share it."""
    spec = spec.origin
    return GuestSpec(
        name=spec.name,
        app=spec.app or "",
        seed=spec.seed,
        tools=spec.tools,
        start=spec.clock.start.isoformat(),
        tick_s=spec.clock.tick_s,
        state={name: {"key": part.key, "sql": part.sql} for name, part in spec.state.items()},
        variant=spec.variant,
        hosted=None if spec.hosted is None else spec.hosted.model_dump(mode="json"),
    )


def seed_database(spec: SandboxSpec) -> Path:
    """The seed database of `spec`, built now if its folder changed since it was last built.

    Any number of processes may ask at once: one builds, the others wait and use it.

    Raises:
        ContentError: The app's seed entry is missing or writes nothing.
    """
    folder = cache_dir() / "seeds"
    folder.mkdir(exist_ok=True)
    path = folder / f"{spec.origin.name}-{folder_hash(spec.root)[:20]}.db"
    if path.is_file():
        return path
    with (folder / f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                built = Path(scratch) / "seed.db"
                build_seed(spec.root, spec.seed, built)
                built.replace(path)
    return path
