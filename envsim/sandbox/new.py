"""`sandbox new`: the folder of an app of your own, as far as it can be known without looking into the app."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from envsim.errors import ContentError
from envsim.sandbox.new_files import Plan, readme, sandbox_toml, seed_module
from envsim.sandbox.new_image import ImageFacts, look_at
from envsim.sandbox.spec import SandboxSpec, load_spec, refuse_taken

STATE = "/state"
PORT = 8000
FAKETIME = "libfaketime"
POSTGRES = "postgresql"


def plan(
    name: str,
    *,
    image: str | None = None,
    command: str | None = None,
    port: int | None = None,
    socket: str | None = None,
    sqlite: str | None = None,
    postgres: bool = False,
    data: str | None = None,
    packages: Sequence[str] = (),
    requirements: Sequence[str] = (),
    client: Any = None,
) -> Plan:
    """Put together what was said and what the image says.

    Args:
        name: Of the new app.
        image: An image that the engine has.
        command: A command line, split as a shell would; None takes the image's own.
        port: None takes the image's, or 8000.
        socket: A unix socket below the data folder, instead of a port.
        sqlite: The database file, absolute or below the data folder.
        postgres: Whether its database is PostgreSQL.
        data: The folder of all its state; None takes the one of `sqlite`, the image's volume, or ``/state``.
        packages: Debian packages.
        requirements: pip requirements.
        client: A docker client; needed with `image` only.

    Raises:
        ContentError: What was said does not fit together; says what is missing.
        PrerequisiteError: The image is not there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,47}", name):
        raise ContentError(f"{name!r} is no app's name. Use lower-case letters, digits, - and _, a letter first.")
    if image is None and command is None:
        raise ContentError('Say what is to run: --image IMAGE, or --command "program arguments".')
    if sqlite is not None and postgres:
        raise ContentError("An app has one database here. Say --sqlite PATH or --postgres.")
    if image is not None and requirements:
        raise ContentError("What an app in an image requires is in the image. Leave --require away.")
    facts = look_at(client, image) if image is not None else None
    words = _words(command, image, facts)
    if socket is not None and (port is not None or any("{port}" in word for word in words)):
        raise ContentError(
            "It listens on a socket or on a port, not both: use {socket} in the command, or leave --socket."
        )
    where = _data(data, sqlite, facts)
    return Plan(
        name=name,
        command=words,
        port=None if socket is not None else _port(port, facts),
        socket=socket,
        data=where,
        database="postgres" if postgres else f"sqlite:{_below(sqlite, where)}" if sqlite is not None else "files",
        image=image,
        workdir=facts.workdir if facts is not None else None,
        packages=_packages(packages, facts, postgres),
        requirements=tuple(requirements),
        clock="frozen" if facts is None or facts.debian else "real",
    )


def write(planned: Plan, root: Path, *, force: bool = False) -> SandboxSpec:
    """Write the folder ``sandboxes/NAME`` below `root`; its spec. With `force`, whoever else has that name.

    Raises:
        ContentError: It is there already, another app has its name, it cannot be written, or what was planned is no
            valid sandbox.toml; nothing is left of it then.
    """
    folder = root / "sandboxes" / planned.name
    if not force:
        refuse_taken(planned.name, folder)
    files = {
        "sandbox.toml": sandbox_toml(planned),
        "seed.py": seed_module(planned),
        "README.md": readme(planned),
    }
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ContentError(
            f"{folder} is there already and stays as it is. Prove it with: sandbox prove {planned.name}, or remove it."
        ) from None
    except OSError as error:
        raise ContentError(f"{folder} cannot be written: {error.strerror}. Name another folder with --root.") from None
    try:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return load_spec(folder / "sandbox.toml")
    except BaseException as error:
        # One folder that cannot be read is in the way of all apps.
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise ContentError(f"{folder} cannot be written: {error.strerror}. Make room, and try again.") from None
        if isinstance(error, ContentError):
            where, what = f"{folder / 'sandbox.toml'}: ", str(error).removesuffix(" Correct or remove it.")
            raise ContentError(
                f"Nothing was written, as it would not be valid: {what.removeprefix(where)} Correct what you said."
            ) from None
        raise


def _words(command: str | None, image: str | None, facts: ImageFacts | None) -> tuple[str, ...]:
    """Program and arguments."""
    if command is None:
        words = facts.command if facts is not None else ()
        if not words:
            raise ContentError(f'{image} declares no command. Say it: --command "program arguments".')
        return words
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise ContentError(f"--command cannot be split into words: {error}. Close it, or escape it.") from None
    if not words:
        raise ContentError('--command is empty. Say what runs the app: --command "program arguments".')
    return words


def _data(data: str | None, sqlite: str | None, facts: ImageFacts | None) -> str:
    if data is not None:
        if not data.startswith("/"):
            raise ContentError(f"--data {data} must be a whole path, as the app has it inside, e.g. {STATE}.")
        return data.rstrip("/")
    if sqlite is not None and sqlite.startswith("/"):
        return str(PurePosixPath(sqlite).parent)
    return facts.volumes[0] if facts is not None and len(facts.volumes) == 1 else STATE


def _below(sqlite: str, data: str) -> str:
    path = PurePosixPath(data, sqlite)
    if not path.is_relative_to(data) or ".." in path.parts or str(path) == data:
        raise ContentError(f"{sqlite} is not below the data folder {data}. Name a folder that holds all state: --data.")
    return str(path.relative_to(data))


def _port(port: int | None, facts: ImageFacts | None) -> int:
    if port is not None:
        return port
    declared = facts.ports if facts is not None else ()
    if len(declared) > 1:
        raise ContentError(f"The image declares the ports {', '.join(map(str, declared))}. Say which one: --port.")
    return declared[0] if declared else PORT


def _packages(packages: Sequence[str], facts: ImageFacts | None, postgres: bool) -> tuple[str, ...]:
    found = list(packages)
    if facts is None or facts.debian:
        found += [FAKETIME, *([POSTGRES] if postgres and facts is None else [])]
    return tuple(sorted(set(found)))
