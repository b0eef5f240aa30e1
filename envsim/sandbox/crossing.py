"""How sandboxes in containers are reached from here, found by trying and not by what a system is called.

- ``sockets``: a folder of this machine, mounted into the container.
- ``bridge``: a gate beside the container, by a port that the engine publishes on our loopback (Docker Desktop).
- ``engine``: the same gate, through the engine's API (an engine elsewhere, by TCP or SSH).

The app's own container has no network in any of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from envsim.errors import ContentError, SandboxError, SandboxStartError
from envsim.guest.supervisor import APP_SOCKET, CONTROL_SOCKET
from envsim.page.sockets import Address, UnixAddress, connect_unix
from envsim.sandbox import registry
from envsim.sandbox.gate import SHARED, Bridge, Gate
from envsim.sandbox.image import Progress, engine_errors, ensure_gate, quiet
from envsim.sandbox.owner import container_labels, pid_space
from envsim.sandbox.registry import Record
from envsim.sandbox.remove import remove
from envsim.sandbox.seed import cache_dir
from envsim.sandbox.served import reserve

TRANSPORTS = ("sockets", "bridge", "engine")
ROUTES = {
    "sockets": "through a mounted folder",
    "bridge": "through a gate on a port of loopback",
    "engine": "through a gate and the engine's API",
}
"""What each means, for people."""
IO = "io"
SEEN_S = 10.0
PUBLISHED_S = 6.0
"""Longest waits for the two probes, in seconds."""

_PROBE = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    server.listen()
    server.settimeout(20)
    server.accept()[0].sendall(sys.argv[2].encode())
"""


class Crossing(Protocol):
    """The way to the sockets of one sandbox in a container.

    Attributes:
        volumes: What to mount for it, as ``docker`` takes it.
        app, control: Where its app and its control plane listen.
    """

    volumes: dict[str, dict[str, str]]

    @property
    def app(self) -> Address:
        """Where its app listens."""
        ...

    @property
    def control(self) -> Address:
        """Where its control plane listens."""
        ...

    @property
    def where(self) -> str:
        """The control plane's place, for a `Record`."""
        ...

    def again(self) -> None:
        """See that it still leads there, after the container was started again."""
        ...

    def close(self) -> None:
        """Remove it, once the container is gone; safe to call again.

        Raises:
            SandboxLost: The engine failed.
        """
        ...


class SharedFolder:
    """See `Crossing`: a folder that the container mounts."""

    def __init__(self, folder: Path) -> None:
        # Open to the container's user; the folder around it is closed to everyone but us.
        folder.mkdir()
        folder.chmod(0o777)
        self.volumes = {str(folder): {"bind": SHARED, "mode": "rw,z"}}
        self.app, self.control = UnixAddress(folder / APP_SOCKET), UnixAddress(folder / CONTROL_SOCKET)

    @property
    def where(self) -> str:
        """See `Crossing.where`."""
        return str(self.control.path)

    def again(self) -> None:
        """See `Crossing.again`: there is nothing to do."""

    def close(self) -> None:
        """See `Crossing.close`: it goes with the folder around it."""


@dataclass
class Crossings:
    """Makes the crossings of one owner's sandboxes on one engine.

    Args:
        client: A docker client.
        wanted: One of `TRANSPORTS`; None or ``"auto"`` for ``$ENVSIM_TRANSPORT``, or else the first that works.
        base: As `envsim.sandbox.image.find_base` takes it.
        progress: Called with a line of text before anything slow.

    Raises:
        ContentError: There is no such transport.
    """

    client: Any
    wanted: str | None = None
    base: str | None = None
    progress: Progress = quiet

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._bridge = Bridge(self.client)
        self._transport = wanted_transport(self.wanted)

    def transport(self, image: str) -> str:
        """Which one of `TRANSPORTS` it is. `image` has a python3, and is started to find out where it is not known."""
        with self._lock:
            if not self._transport:
                self._transport = find_transport(self.client, image, self.base, self.progress)
            return self._transport

    def make(self, record: Record, image: str) -> Crossing:
        """A new crossing for the sandbox of `record`, whose container will run `image`.

        Raises:
            OSError: A folder or file cannot be made.
            SandboxError: Its gate does not come up.
            docker.errors.DockerException: The engine failed.
        """
        transport = self.transport(image)
        if transport == "sockets":
            return SharedFolder(Path(record.folder) / IO)
        gate = ensure_gate(self.client, self.base, self.progress)
        return Gate(self.client, gate, self._bridge if transport == "bridge" else None, record)


def wanted_transport(name: str | None = None) -> str:
    """`name`, or what ``$ENVSIM_TRANSPORT`` says; "" where it is to be found out.

    Raises:
        ContentError: There is none of that name.
    """
    name = name if name and name != "auto" else os.environ.get("ENVSIM_TRANSPORT", "") or "auto"
    if name not in ("auto", *TRANSPORTS):
        raise ContentError(f"There is no transport {name!r}. Choose one of: auto, {', '.join(TRANSPORTS)}.")
    return "" if name == "auto" else name


def find_transport(
    client: Any, image: str, base: str | None = None, progress: Progress = quiet, *, again: bool = False
) -> str:
    """The first of `TRANSPORTS` that works with this engine, tried once and then kept in the cache.

    Args:
        client: A docker client.
        image: One with a python3, to be started.
        base: As `envsim.sandbox.image.find_base` takes it.
        progress: Called with a line of text before anything slow.
        again: Try it even if it is known.

    Raises:
        SandboxStartError: The engine cannot start containers.
    """
    with engine_errors(SandboxStartError, "It cannot be found out how the engine is reached"):
        info = client.info()
        # What was found holds for this engine, the way to it, and the disk that its folders come from.
        parts = (info.get("ID"), info.get("ServerVersion"), client.api.base_url, os.environ.get("DOCKER_HOST"))
        key = repr((*parts, tempfile.gettempdir(), pid_space()))
        known = cache_dir() / "engines" / hashlib.sha256(key.encode()).hexdigest()[:20]
        if not again and known.is_file() and (kept := known.read_text(encoding="ascii")) in TRANSPORTS:
            return kept
        progress("finding out how the engine is reached")
        found = "sockets" if sockets_cross(client, image) else ""
        found = found or ("bridge" if _ports_cross(client, base, progress) else "engine")
    known.parent.mkdir(exist_ok=True)
    known.write_text(found, encoding="ascii")
    return found


def sockets_cross(client: Any, image: str) -> bool:
    """Whether a socket that a container makes in a folder of ours answers here: tried with a container of `image`.

    Raises:
        docker.errors.DockerException: The engine failed for another reason.
    """
    record, nonce = reserve("probe", "docker", IO), secrets.token_hex(16)
    folder = SharedFolder(Path(record.folder) / IO)
    place = Path(folder.where)
    options = {
        "entrypoint": "python3",
        "command": ["-c", _PROBE, f"{SHARED}/{place.name}", nonce],
        "network_mode": "none",
        "user": "1000:1000",
        "labels": {**container_labels(), "envsim.name": record.name},
        "use_config_proxy": False,
    }
    container = None
    try:
        if not _sees(client, image, options, place.parent):
            return False
        container = client.containers.create(image, volumes=folder.volumes, **options)
        container.start()
        end = time.monotonic() + SEEN_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), connect_unix(place, 1.0) as connection:
                return connection.recv(100) == nonce.encode()
            container.reload()
            if container.status in ("exited", "dead"):
                break
            time.sleep(0.02)
        return False
    finally:
        if container is not None:
            remove(container)
        registry.forget(record)


def _sees(client: Any, image: str, options: dict[str, Any], folder: Path) -> bool:
    """Whether `folder` is there where the engine is; asked in a way that does not make it."""
    docker = importlib.import_module("docker")
    mount = docker.types.Mount(SHARED, str(folder), type="bind")
    try:
        remove(client.containers.create(image, mounts=[mount], **options))
    except docker.errors.APIError as error:
        if error.status_code != 400:
            raise
        return False
    return True


def _ports_cross(client: Any, base: str | None, progress: Progress) -> bool:
    """Whether a port that the engine publishes on its loopback is one of ours, behind which our own gate answers."""
    image, record = ensure_gate(client, base, progress), reserve("probe", "docker", IO)
    try:
        with engine_errors(SandboxStartError, "No port can be published"):
            Gate(client, image, Bridge(client), record, PUBLISHED_S).close()
    except SandboxError:
        return False
    finally:
        registry.forget(record)
    return True
