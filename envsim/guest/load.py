"""Choosing the guest for a spec: a clone on the kit, or an app that knows nothing of us.

By string: what runs hosted apps needs a package that clones on the kit do without.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from envsim.guest.guest import Guest, GuestSpec, build_seed

_HOSTED = "envsim.guest.hosted"
_COMMAND = "envsim.guest.command"


def open_guest(spec: GuestSpec, folder: Path, seed: Path, data: Path, outside: Sequence[Path] = ()) -> Guest:
    """The guest of `spec`, at its seed.

    Args:
        spec: What to load.
        folder: The app's folder.
        seed: What `write_seed` wrote.
        data: Folder for all state of a hosted app; a clone on the kit has none on disk.
        outside: What else a hosted app can write to, and nobody else does; see `envsim.guest.outside`.
    """
    if spec.hosted is None:
        return Guest(spec, folder, seed)
    if spec.hosted["kind"] == "command":
        return cast("Guest", importlib.import_module(_COMMAND).CommandGuest(spec, folder, seed, data, outside))
    return cast("Guest", _hosted().HostedGuest(spec, folder, seed, data, outside))


def write_seed(spec: GuestSpec, folder: Path, path: Path, data: Path) -> None:
    """Write the seed of `spec` to `path`: a database file, or a folder for a hosted app.

    Args:
        spec: What to build for.
        folder: The app's folder.
        path: Where the seed goes.
        data: Where an app that is a command will find its state, and what it may start from.

    Raises:
        ContentError: The seed entry is missing or writes nothing that can be used.
    """
    if spec.hosted is None:
        build_seed(folder, spec.seed, path)
    elif spec.hosted["kind"] == "command":
        importlib.import_module(_COMMAND).build_command_seed(spec, folder, path, data)
    else:
        _hosted().build_hosted_seed(spec, folder, path)


def _hosted() -> Any:
    return importlib.import_module(_HOSTED)
