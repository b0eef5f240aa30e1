"""Images of clones: built without network from a folder, tagged by the hash of all that goes in.

What an agent must never find is left out; see `envsim.sandbox.spec.SandboxSpec.is_host_only`.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import json
import os
import re
import socket
import struct
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, PrerequisiteError, SandboxError, SandboxStartError, missing_extra
from envsim.sandbox.bundle import all_requirements, files_hash, gate_files, guest_files
from envsim.sandbox.debs import INSTALL, fetch_debs
from envsim.sandbox.dockerfile import dockerfile
from envsim.sandbox.owner import container_labels
from envsim.sandbox.seed import cache_dir, folder_files, guest_spec
from envsim.sandbox.spec import SandboxSpec, load_apps
from envsim.sandbox.wheels import get_wheels

DEFAULT_BASE = "python:3.12-slim-bookworm"
LOCAL_BASE = "envsim-base:bookworm"
"""What scripts/base-image.sh builds where the default cannot be pulled."""

GATE_NAME = "gate"
PYTHON_S = 60.0
KNOCK_S = 20.0
"""How long an engine may take to take up a connection."""
UNTAGGED = "<none>:<none>"
"""What engines before 25 list as the one tag of an image that has none."""

Progress = Callable[[str], None]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = re.compile(r" --->|Removing intermediate")
_FACTS = "import json, platform, sys; print(json.dumps([sys.version_info[:2], platform.machine()]))"


def quiet(message: str) -> None:
    """Shows no progress."""


def connect() -> Any:
    """A docker client, as ``docker.DockerClient``.

    Raises:
        PrerequisiteError: No docker package, or no engine.
    """
    try:
        docker = importlib.import_module("docker")
    except ImportError:
        raise missing_extra("docker", "docker") from None
    try:
        _knock(docker.utils.parse_host(os.environ.get("DOCKER_HOST"), sys.platform == "win32"))
        client = docker.from_env(version="auto", timeout=120)
        client.ping()
    except Exception as error:
        if not isinstance(error, docker.errors.DockerException | OSError):
            raise
        if "Permission denied" in str(error):
            command = "sudo usermod -aG docker $USER, then log in again"
            raise PrerequisiteError("You are not allowed to use the Docker engine.", command=command) from None
        if "paramiko" in str(error):
            raise PrerequisiteError(
                "An engine over SSH needs a package more.", command="pip install 'docker[ssh]'"
            ) from None
        host = os.environ.get("DOCKER_HOST")
        at, command = (f" at {host}", "docker info") if host else ("", "sudo service docker start")
        raise PrerequisiteError(f"No Docker engine answers{at}.", command=command) from None
    return client


def _knock(host: str) -> None:
    """Raise `OSError` where nobody listens, or takes nobody in for `KNOCK_S` seconds.

    The docker package would, too, and leave its socket open, or wait for ever.

    Args:
        host: As ``docker.utils.parse_host`` gives it.
    """
    scheme, _, path = host.partition("://")
    if scheme == "http+unix":
        with socket.socket(socket.AF_UNIX) as ours:
            # Not settimeout: a queue that is full for a moment would be an error at once.
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", *_timeval(KNOCK_S)))
            ours.connect(path)


def _timeval(seconds: float) -> tuple[int, int]:
    return int(seconds), int(seconds % 1 * 1e6)


@contextlib.contextmanager
def engine_errors(kind: type[SandboxError], what: str) -> Iterator[None]:
    """Turn what the engine, or the way to it, raises into a `kind` that begins with `what`."""
    docker, requests = importlib.import_module("docker.errors"), importlib.import_module("requests")
    try:
        yield
    except (docker.DockerException, requests.RequestException) as error:
        detail = " ".join(str(getattr(error, "explanation", None) or error).split())[:300]
        raise kind(f"{what}: {detail}. Check that the Docker engine is well: docker info.") from error


def find_base(client: Any, base: str | None = None, progress: Progress = quiet) -> str:
    """The image to build on: `base`, ``$ENVSIM_BASE_IMAGE``, or the first of the defaults that is to be had.

    Raises:
        PrerequisiteError: It is neither here nor can it be pulled.
    """
    wanted = base or os.environ.get("ENVSIM_BASE_IMAGE")
    here = [name for name in ([wanted] if wanted else [DEFAULT_BASE, LOCAL_BASE]) if _image_id(client, name)]
    if here:
        return here[0]
    name = wanted or DEFAULT_BASE
    progress(f"pulling {name}")
    errors = importlib.import_module("docker.errors")
    try:
        client.images.pull(name)
    except errors.APIError:
        raise PrerequisiteError(
            f"The base image {name} is not here and cannot be pulled; build one from Debian packages.",
            command="sudo scripts/base-image.sh",
        ) from None
    return name


def ensure_image(client: Any, spec: SandboxSpec, base: str | None = None, progress: Progress = quiet) -> str:
    """The tag of the image of `spec`, built now if nothing with the same content has been built before.

    Raises:
        ContentError: A link in the app's folder leads out of it.
        PrerequisiteError: No base image, or the requirements cannot be downloaded.
        SandboxStartError: The build failed; carries the end of its output.
    """
    spec = spec.origin
    base = _own_image(client, spec.image) if spec.image and not base else find_base(client, base, progress)
    files = build_context(spec)
    tag = _tag(client, spec.name, files, base)
    if _image_id(client, tag):
        return tag
    with (cache_dir() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _image_id(client, tag):
            progress(f"downloading what {spec.name} requires")
            for wheel in _wheels(client, base, files["requirements.txt"]):
                files[f"wheels/{wheel.name}"] = wheel.read_bytes()
            for deb in fetch_debs(client, base, spec.packages, progress):
                files[f"debs/{deb.name}"] = deb.read_bytes()
            progress(f"building {tag}")
            _build(client, _tar(files), tag, base, spec.name)
    return tag


def ensure_gate(client: Any, base: str | None = None, progress: Progress = quiet) -> str:
    """The tag of the image of gates (`envsim.guest.gate`), built now if need be. On a base of ours, never on an app's.

    Raises:
        PrerequisiteError: No base image.
        SandboxStartError: The build failed.
    """
    base, files = find_base(client, base, progress), gate_files()
    tag = _tag(client, GATE_NAME, files, base)
    with (cache_dir() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _image_id(client, tag):
            progress(f"building {tag}")
            _build(client, _tar(files), tag, base, GATE_NAME)
    return tag


def _own_image(client: Any, name: str) -> str:
    """The image that an app's toml names; it is never pulled, as what is not here cannot have been looked at.

    Raises:
        PrerequisiteError: The engine does not have it.
    """
    if not _image_id(client, name):
        raise PrerequisiteError(f"{name!r}, the image this app runs from, is not here.", command=f"docker pull {name}")
    return name


def remove_superseded(client: Any, progress: Progress = quiet) -> list[str]:
    """Remove the images of ours that no known clone would be started from today; their tags or ids, sorted.

    One that a container uses is kept, and so is one of an app that cannot be read now. Any of them is built again
    when it is needed. An engine takes about a second for each; what is gone stays gone if this is interrupted.

    Args:
        client: A docker client.
        progress: Called with a line of text before each.

    Raises:
        SandboxError: The engine failed.
    """
    with engine_errors(SandboxError, "Images of earlier versions cannot be removed"):
        # Not `client.images.list`, which asks for each one by itself, and fails if one goes meanwhile.
        images = client.api.images(filters={"label": "envsim.app"})
        used = {container["ImageID"] for container in client.api.containers(all=True)}
        bases = {DEFAULT_BASE, LOCAL_BASE, os.environ.get("ENVSIM_BASE_IMAGE") or DEFAULT_BASE}
        bases |= {image["Labels"]["envsim.base"] for image in images if "envsim.base" in image["Labels"]}
        specs, unreadable = load_apps()
        known = {base: identity for base in bases if (identity := _image_id(client, base))}
        kept = _current_tags(specs.values(), known)
        used |= {image["Id"] for image in images if image["Labels"]["envsim.app"] in unreadable}
        names = [name for image in images if image["Id"] not in used for name in _names(image)]
        return sorted(name for name in names if name not in kept and _remove_image(client, name, progress))


def _current_tags(specs: Iterable[SandboxSpec], bases: dict[str, str]) -> set[str]:
    """Tags of what would be started from today; `bases` are their names and ids."""
    tags = {_tag_on(identity, GATE_NAME, gate_files()) for identity in bases.values()}
    for spec in {spec.origin.name: spec.origin for spec in specs}.values():
        for variant in spec.variants or (None,):
            files = build_context(spec.with_variant(variant))
            own = {spec.image} & bases.keys() if spec.image else bases.keys()
            tags |= {_tag_on(bases[base], spec.name, files) for base in own}
    return tags


def _names(image: dict[str, Any]) -> list[str]:
    """Its tags, or its id where it has none."""
    return [tag for tag in image["RepoTags"] or () if tag != UNTAGGED] or [image["Id"]]


def _remove_image(client: Any, name: str, progress: Progress) -> bool:
    errors = importlib.import_module("docker.errors")
    progress(f"removing {name}")
    try:
        client.images.remove(name)
    except errors.APIError as error:
        # Gone already, or a container or another image has come to need it.
        if error.status_code not in (404, 409):
            raise
        return False
    return True


def _tag(client: Any, app: str, files: dict[str, bytes], base: str) -> str:
    return _tag_on(_image_id(client, base), app, files)


def _tag_on(base_id: str, app: str, files: dict[str, bytes]) -> str:
    return f"envsim-{app}:{files_hash(files, base_id)[:20]}"


def _image_id(client: Any, name: str) -> str:
    errors = importlib.import_module("docker.errors")
    try:
        return str(client.images.get(name).id)
    except errors.ImageNotFound:
        return ""


def build_context(spec: SandboxSpec) -> dict[str, bytes]:
    """The build context but for the wheels: path -> content.

    Raises:
        ContentError: A link in the app's folder to a file elsewhere, which its agent could then read.
    """
    own = spec.root / "Dockerfile"
    files = {
        "Dockerfile": own.read_bytes() if own.is_file() else dockerfile(spec).encode(),
        "requirements.txt": "".join(f"{line}\n" for line in all_requirements(spec)).encode(),
        "guest/guest.json": guest_spec(spec).to_json().encode(),
        **{f"guest/{name}": content for name, content in guest_files().items()},
    }
    if spec.packages or (spec.hosted is not None and spec.hosted.kind == "command"):
        files["debs/install.sh"] = INSTALL.encode()
        files["debs/packages.txt"] = "".join(f"{name}\n" for name in sorted(spec.packages)).encode()
    inside = spec.root.resolve()
    for path in folder_files(spec.root):
        name = path.relative_to(spec.root).as_posix()
        if spec.is_host_only(name):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            raise ContentError(f"{path} is a link that leads out of the app's folder. Put the file itself there.")
        files[f"app/{name}"] = path.read_bytes()
    return files


def _tar(files: dict[str, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in sorted(files.items()):
            # Readable by the container's user whatever our umask is; fixed times keep layers cached.
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 1
            tar.addfile(entry, io.BytesIO(content))
    out.seek(0)
    return out


def _wheels(client: Any, base: str, requirements: bytes) -> list[Path]:
    """Wheels of `requirements` and all they need, for the Python of `base`, from the cache if they were got before."""
    output = ask_python(client, base, _FACTS)
    if output is None:
        raise PrerequisiteError(
            f"There is no python3 in the base image {base} that runs. Name one that has it.",
            command="sandbox up APP --runtime docker --base IMAGE_WITH_PYTHON",
        )
    (major, minor), machine = json.loads(output)
    return get_wheels(requirements.decode(), f"{major}.{minor}", machine)


def ask_python(client: Any, image: str, code: str) -> bytes | None:
    """What the python3 of `image` prints when it runs `code`; None where it has none that runs."""
    errors = importlib.import_module("docker.errors")
    # Not `run`: it leaves the container behind where the program cannot be started.
    container = client.containers.create(
        image,
        ["-c", code],
        entrypoint="python3",
        user="0",
        network_mode="none",
        use_config_proxy=False,
        labels=container_labels(),
    )
    try:
        container.start()
        failed = container.wait(timeout=PYTHON_S)["StatusCode"] != 0
        return None if failed else bytes(container.logs(stdout=True, stderr=False))
    except errors.APIError:
        return None
    finally:
        container.remove(force=True, v=True)


def _build(client: Any, context: io.BytesIO, tag: str, base: str, app: str) -> None:
    stream = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=tag,
        buildargs={"BASE": base},
        labels={"envsim.app": app, "envsim.base": base},
        network_mode="none",
        use_config_proxy=False,
        rm=True,
        forcerm=True,
        decode=True,
    )
    output = ""
    for message in stream:
        output += message.get("stream", "")
        if "error" in message:
            # What matters is what the last step said, not how the ones before it went.
            lines = _COLOUR.sub("", output).rpartition("\nStep ")[2].splitlines()[1:]
            said = "\n".join(line for line in lines if not _NOISE.match(line))[-1500:].strip() or "(nothing)"
            raise SandboxStartError(f"The image of {app} cannot be built: {message['error']} Its output ends: {said}")
