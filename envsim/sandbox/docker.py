"""A clone in a container that has no network at all.

The app and its control plane answer on unix sockets in a folder shared with the host; the host
forwards a loopback port to the app's alone.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from envsim.errors import SandboxError, SandboxLost, SandboxStartError
from envsim.guest.probe import Facts
from envsim.guest.supervisor import CONTROL_SOCKET
from envsim.sandbox import registry
from envsim.sandbox.client import LOG_TAIL, Lease, SocketControl, wait_for_lease
from envsim.sandbox.image import Progress, connect, engine_errors, ensure_image, quiet
from envsim.sandbox.owner import Owner, container_labels, pid_space
from envsim.sandbox.served import ServedSandbox, disk_errors, probe_arguments, reserve
from envsim.sandbox.spec import SandboxSpec

START_S = 60.0
LEASE_S = 10.0
REMOVED_WITHIN_S = 10.0
SEEN_WITHIN_S = 2.0
MEMORY = 512 * 1024 * 1024
PIDS = 128
CPUS = 1.0
IO = "io"
TMP = "rw,noexec,nosuid,nodev,size=64m,mode=1777"
OUTSIDE = ("/tmp", "/dev/shm", "/run/envsim")  # noqa: S108 -- inside the container
"""All that a container's user can write to beside its data folder."""
STATE = "rw,noexec,nosuid,nodev,size=256m,uid=1000,gid=1000"
"""The data folder of a hosted app: in memory, within the container's limit."""


class DockerSandbox(ServedSandbox):
    """See `Sandbox`."""

    container: Any
    left: list[Any]
    """Containers that could not be removed while the engine was away; its runtime tries again."""

    def log(self) -> str:
        """What it has logged so far."""
        with engine_errors(SandboxLost, f"The log of {self.name} cannot be read"):
            return read_log(self.container)

    def probe(self, hosts: list[str], paths: list[str], abstract: str) -> Facts:
        """What a process inside could do; see `envsim.guest.probe`. Takes about a second."""
        command = ["python", "-m", "envsim.guest.probe", *probe_arguments(hosts, paths, abstract), "--exhaust"]
        with engine_errors(SandboxLost, f"The probe cannot be run inside {self.name}"):
            result = self.container.exec_run(command)
        if result.exit_code:
            raise SandboxError(f"The probe inside {self.name} failed: {result.output.decode()[-500:]}")
        return cast("Facts", json.loads(result.output))

    def declared_environment(self) -> set[str]:
        """Names of the variables its image sets."""
        with engine_errors(SandboxLost, f"The image of {self.name} cannot be read"):
            return {entry.partition("=")[0] for entry in self.container.image.attrs["Config"]["Env"]}

    def _end(self) -> None:
        try:
            _remove(self.container)
        except SandboxLost:
            self.left.append(self.container)
            raise

    def _again(self) -> Lease:
        with engine_errors(SandboxStartError, f"Container {self.name} cannot be restarted"):
            self.container.restart(timeout=0)
            return _await(self.spec, self.container, self._io)


class DockerRuntime:
    """See `Runtime`. Sweeps what killed owners left behind when it is made.

    Args:
        base: Image to build on; None as `envsim.sandbox.image.find_base` decides.
        progress: Called with a line of text before anything slow.

    Raises:
        PrerequisiteError: No docker package or no engine.
    """

    def __init__(self, base: str | None = None, progress: Progress = quiet) -> None:
        self._client = connect()
        self._left: list[Any] = []
        self._base = base
        self._progress = progress
        sweep_containers(self._client)

    def prepare(self, spec: SandboxSpec) -> str:
        """Build the image of `spec` if need be; its tag. See `envsim.sandbox.image.ensure_image`."""
        with engine_errors(SandboxStartError, f"The image of {spec.name} cannot be made ready"):
            return ensure_image(self._client, spec, self._base, self._progress)

    def start(self, spec: SandboxSpec) -> DockerSandbox:
        """See `Runtime.start`."""
        self._remove_left()
        image = self.prepare(spec)
        record, container = reserve(spec.ref, "docker", IO), None
        io = Path(record.folder) / IO
        try:
            # Open to the container's user; the folder around it is closed to everyone but us.
            what = f"The {spec.name} container cannot be started"
            with disk_errors(what), engine_errors(SandboxStartError, what):
                io.mkdir()
                io.chmod(0o777)
                # Not `run`, which forgets a container that is there but cannot be started.
                container = _create(self._client, spec, image, record.name, io)
                container.start()
                record = replace(record, container_id=str(container.id))
                registry.write(record)
                lease = _await(spec, container, io)
        except BaseException:
            if container is not None:
                self._discard(container)
            registry.forget(record)
            raise
        control = SocketControl(record.name, io / CONTROL_SOCKET, explain=functools.partial(_explain, container))
        sandbox = DockerSandbox(spec, record, io, lease, control)
        sandbox.container, sandbox.left = container, self._left
        return sandbox

    def _discard(self, container: Any) -> None:
        """Remove what a start that failed has left, or note it for later: what stopped it says more."""
        try:
            _remove(container)
        except SandboxLost:
            self._left.append(container)

    def _remove_left(self) -> None:
        """Remove what could not be removed before: while its owner lives, no sweep takes it."""
        while self._left:
            container = self._left.pop()
            try:
                _remove(container)
            except SandboxLost:
                self._left.append(container)
                raise


def sweep_containers(client: Any) -> list[str]:
    """Remove containers of ours, folders and records of sandboxes, whose owner no longer lives; their names."""
    swept = []
    with engine_errors(SandboxError, "Containers that killed owners left cannot be listed"):
        found = client.containers.list(all=True, filters={"label": "envsim.owner_pid"}, ignore_removed=True)
    for container in found:
        labels = container.labels
        # Another container's processes may use the same engine: their pids mean nothing here.
        if labels.get("envsim.owner_space") != pid_space():
            continue
        if not Owner(int(labels["envsim.owner_pid"]), int(labels["envsim.owner_start"])).alive():
            _remove(container)
            # One that was to answer a question about an image was no sandbox and has no name of ours.
            swept.append(labels.get("envsim.name") or container.name)
    for record in list(registry.orphans("docker")):
        registry.forget(record)
        swept.append(record.name)
    return sorted(set(swept))


def remove_container(client: Any, container_id: str) -> None:
    """Remove a container and its volumes; not an error if it is gone."""
    with _gone_is_fine("A container cannot be removed"):
        _remove(client.containers.get(container_id))


def read_log_of(client: Any, container_id: str) -> str:
    """What the container with this id has logged so far; "" if it is gone."""
    with _gone_is_fine("The log of a container cannot be read"):
        return read_log(client.containers.get(container_id))
    return ""


def read_log(container: Any) -> str:
    """What a container has logged so far."""
    return str(container.logs().decode("utf-8", "replace"))


def _await(spec: SandboxSpec, container: Any, io: Path) -> Lease:
    """A lease on a container that was just started, once it is healthy."""
    return wait_for_lease(io / CONTROL_SOCKET, START_S, _Watch(spec, container), lambda: read_log(container))


def _create(client: Any, spec: SandboxSpec, image: str, name: str, io: Path) -> Any:
    hosted = spec.origin.hosted
    data = [hosted.data] if hosted is not None else []
    arguments = [f"--data={folder}" for folder in data] + [f"--outside={folder}" for folder in OUTSIDE if data]
    return client.containers.create(
        image,
        ["--lease", str(LEASE_S), "--grace", str(LEASE_S), *arguments],
        name=f"envsim-{name}",
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        read_only=True,
        tmpfs={"/tmp": TMP, **dict.fromkeys(data, STATE)},  # noqa: S108 -- inside the container
        user="1000:1000",
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        pids_limit=PIDS,
        nano_cpus=int(CPUS * 1e9),
        hostname="app",
        volumes={str(io): {"bind": "/run/envsim", "mode": "rw,z"}},
        use_config_proxy=False,
        log_config={"type": "json-file", "config": {"max-size": "5m", "max-file": "1"}},
        labels={"envsim.app": spec.ref, "envsim.name": name, **container_labels()},
    )


class _Watch:
    """Between attempts to reach a new container: raises once it has ended. Asks the engine seldom."""

    def __init__(self, spec: SandboxSpec, container: Any) -> None:
        self._spec = spec
        self._container = container
        self._next = time.monotonic() + 0.5

    def __call__(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 0.5
        self._container.reload()
        if self._container.status in ("exited", "dead"):
            raise SandboxStartError(
                f"The {self._spec.name} container ended before it was healthy: {_explain(self._container)}"
            )


def _explain(container: Any) -> str:
    try:
        with _gone_is_fine("It cannot be looked at"):
            end = time.monotonic() + SEEN_WITHIN_S
            while True:
                container.reload()
                state = container.attrs["State"]
                if not state["Running"]:
                    break
                # The connection breaks a moment before the engine knows.
                if time.monotonic() > end:
                    return ""
                time.sleep(0.02)
            reason = "it ran out of memory" if state.get("OOMKilled") else f"it ended with code {state['ExitCode']}"
            return f"{reason}; its log ends: {read_log(container)[-LOG_TAIL:].strip() or '(empty)'}"
    except SandboxLost as error:
        return str(error).rstrip(".")
    return "its container was removed"


def _remove(container: Any) -> None:
    """Remove a container; when this returns it is gone, whoever removed it."""
    with _gone_is_fine(f"Container {container.name} cannot be removed"):
        container.remove(force=True, v=True)
        return
    # Another sweep is at it: what we report as swept must be gone, not going.
    end = time.monotonic() + REMOVED_WITHIN_S
    while _exists(container):
        if time.monotonic() > end:
            raise SandboxLost(f"Container {container.name} is still being removed. Look at the engine's log.")
        time.sleep(0.02)


def _exists(container: Any) -> bool:
    with _gone_is_fine(f"Container {container.name} cannot be looked up"):
        container.reload()
        return True
    return False


@contextlib.contextmanager
def _gone_is_fine(what: str) -> Iterator[None]:
    """Says `what` in a SandboxLost if the engine fails, but not if the container is already gone."""
    errors = importlib.import_module("docker.errors")
    with engine_errors(SandboxLost, what):
        try:
            yield
        except errors.NotFound:
            pass
        except errors.APIError as error:
            # Two sweeps at once: the other one is removing it already.
            if error.status_code != 409:
                raise
