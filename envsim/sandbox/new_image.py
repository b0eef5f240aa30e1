"""What an image says about the app in it, and whether our guest can run there."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from envsim.errors import ContentError, PrerequisiteError, SandboxError
from envsim.sandbox.debs import host_release, image_release
from envsim.sandbox.image import ask_python, engine_errors

OLDEST = (3, 11)
"""What the guest is written for."""

_VERSION = "import sys; print(*sys.version_info[:2])"


@dataclass(frozen=True)
class ImageFacts:
    """What `sandbox new` takes over from an image.

    Attributes:
        command: Its entry point and arguments; () if it has none.
        workdir: Where they are started.
        ports: TCP ports it declares.
        volumes: Folders it declares as data.
        debian: Whether Debian packages of this machine fit it.
    """

    command: tuple[str, ...]
    workdir: str
    ports: tuple[int, ...]
    volumes: tuple[str, ...]
    debian: bool


def look_at(client: Any, name: str) -> ImageFacts:
    """Facts of the image called `name`, which is not started but for its Python.

    Raises:
        PrerequisiteError: The engine does not have it.
        ContentError: It has no Python the guest can run on.
    """
    errors = importlib.import_module("docker.errors")
    with engine_errors(SandboxError, f"The image {name} cannot be looked at"):
        try:
            config = client.images.get(name).attrs["Config"] or {}
        except errors.ImageNotFound:
            raise PrerequisiteError(f"The engine has no image {name!r}.", command=f"docker pull {name}") from None
        _check_python(client, name)
        release = image_release(client, name)
    ports = (port.partition("/") for port in config.get("ExposedPorts") or {})
    return ImageFacts(
        command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        workdir=config.get("WorkingDir") or "/",
        ports=tuple(sorted(int(number) for number, _, kind in ports if kind in ("", "tcp"))),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        debian=bool(release) and release == host_release(),
    )


def _check_python(client: Any, name: str) -> None:
    how = (
        f"The guest needs Python {'.'.join(map(str, OLDEST))} or newer in the image. Add it in a Dockerfile of "
        f"your own, e.g.: FROM {name}, then RUN apt-get update && apt-get install -y python3"
    )
    output = ask_python(client, name, _VERSION)
    if output is None:
        raise ContentError(f"There is no python3 in {name} that runs. {how}")
    version = tuple(int(part) for part in output.split())
    if version < OLDEST:
        raise ContentError(f"The python3 in {name} is {'.'.join(map(str, version))}. {how}")
