"""Images of clones: built without network from a folder, tagged by the hash of all that goes in.

What an agent must never find is left out; see `envsim.sandbox.spec.SandboxSpec.is_host_only`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from envsim.errors import ContentError, PrerequisiteError, SandboxStartError, missing_extra
from envsim.sandbox.bundle import REQUIREMENTS, files_hash, guest_files
from envsim.sandbox.seed import cache_dir, folder_files, guest_spec
from envsim.sandbox.spec import SandboxSpec

DEFAULT_BASE = "python:3.12-slim-bookworm"
LOCAL_BASE = "envsim-base:bookworm"
"""What scripts/base-image.sh builds where the default cannot be pulled."""

GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34", "manylinux_2_36")

Progress = Callable[[str], None]

_FACTS = "import json, platform, sys; print(json.dumps([sys.version_info[:2], platform.machine()]))"


def quiet(message: str) -> None:
    """Shows no progress."""


def connect() -> Any:
    """A docker client, as ``docker.DockerClient``.

    Raises:
        PrerequisiteError: No docker package, no engine, or an engine that cannot share a folder with us.
    """
    try:
        docker = importlib.import_module("docker")
    except ImportError:
        raise missing_extra("docker", "docker") from None
    try:
        client = docker.from_env(version="auto", timeout=120)
        client.ping()
    except Exception as error:
        if not isinstance(error, docker.errors.DockerException | OSError):
            raise
        if "Permission denied" in str(error):
            command = "sudo usermod -aG docker $USER, then log in again"
            raise PrerequisiteError("You are not allowed to use the Docker engine.", command=command) from None
        raise PrerequisiteError("No Docker engine answers.", command="sudo service docker start") from None
    if not client.api.base_url.startswith("http+docker://") or sys.platform != "linux":
        client.close()
        raise PrerequisiteError(
            "The Docker engine runs on another kernel, and its unix sockets cannot be reached from here; "
            "use the process runtime, or a Linux engine on this machine.",
            command="docker context use default",
        )
    return client


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
        ContentError: The app has no Dockerfile.
        PrerequisiteError: No base image, or the requirements cannot be downloaded.
        SandboxStartError: The build failed; carries the end of its output.
    """
    base = find_base(client, base, progress)
    files = build_context(spec)
    tag = f"envsim-{spec.name}:{files_hash(files, _image_id(client, base))[:20]}"
    if _image_id(client, tag):
        return tag
    with (cache_dir() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _image_id(client, tag):
            progress(f"downloading what {spec.name} requires")
            for wheel in _wheels(client, base, files["requirements.txt"]):
                files[f"wheels/{wheel.name}"] = wheel.read_bytes()
            progress(f"building {tag}")
            _build(client, _tar(files), tag, base, spec.name)
    return tag


def _image_id(client: Any, name: str) -> str:
    errors = importlib.import_module("docker.errors")
    try:
        return str(client.images.get(name).id)
    except errors.ImageNotFound:
        return ""


def build_context(spec: SandboxSpec) -> dict[str, bytes]:
    """The build context but for the wheels: path -> content."""
    dockerfile = spec.root / "Dockerfile"
    if not dockerfile.is_file():
        raise ContentError(f"{spec.root} has no Dockerfile. Copy the shop's: it serves any clone written on the kit.")
    requirements = sorted({*spec.requirements, *REQUIREMENTS})
    files = {
        "Dockerfile": dockerfile.read_bytes(),
        "requirements.txt": "".join(f"{line}\n" for line in requirements).encode(),
        "guest/guest.json": guest_spec(spec).to_json().encode(),
        **{f"guest/{name}": content for name, content in guest_files().items()},
    }
    for path in folder_files(spec.root):
        name = path.relative_to(spec.root).as_posix()
        if not spec.is_host_only(name):
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
    output = client.containers.run(
        base, ["python3", "-c", _FACTS], remove=True, network_mode="none", use_config_proxy=False
    )
    (major, minor), machine = json.loads(output)
    key = hashlib.sha256(requirements + f"{major}.{minor} {machine}".encode()).hexdigest()[:20]
    folder = cache_dir() / "wheels" / key
    if not (folder / "complete").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "requirements.txt").write_bytes(requirements)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(folder)]
        command += ["--requirement", str(folder / "requirements.txt"), "--implementation", "cp"]
        command += ["--python-version", f"{major}.{minor}"]
        for abi in (f"cp{major}{minor}", "abi3", "none"):
            command += ["--abi", abi]
        for platform in (*(f"{glibc}_{machine}" for glibc in GLIBC), f"linux_{machine}"):
            command += ["--platform", platform]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            tail = " ".join(result.stderr.split())[-400:]
            raise PrerequisiteError(
                f"The wheels of {requirements.decode().split()} cannot be downloaded ({tail}).",
                command=f"{sys.executable} -m ensurepip; then check the package index and the requirements",
            )
        (folder / "complete").touch()
    return sorted(folder.glob("*.whl"))


def _build(client: Any, context: io.BytesIO, tag: str, base: str, app: str) -> None:
    stream = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=tag,
        buildargs={"BASE": base},
        labels={"envsim.app": app},
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
            raise SandboxStartError(
                f"The image of {app} cannot be built: {message['error']} Its output ends: {output[-1500:]}"
            )
