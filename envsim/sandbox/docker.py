"""A clone in a container that has no network at all.

The app and its control plane answer on unix sockets in a folder that leads here one way or another (see
`envsim.sandbox.crossing`); the host forwards a loopback port to the app's alone.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from envsim.errors import SandboxError, SandboxLost, SandboxStartError
from envsim.guest.probe import Facts
from envsim.page.sockets import Address
from envsim.sandbox import registry
from envsim.sandbox.client import LOG_TAIL, Lease, SocketControl, wait_for_lease
from envsim.sandbox.crossing import IO, Crossing, Crossings, wanted_transport
from envsim.sandbox.image import Progress, connect, engine_errors, ensure_image, quiet
from envsim.sandbox.owner import container_labels
from envsim.sandbox.remove import gone_is_fine, remove, sweep_containers
from envsim.sandbox.served import ServedSandbox, disk_errors, probe_arguments, reserve
from envsim.sandbox.spec import SandboxSpec

START_S = 60.0
LEASE_S = 10.0
SEEN_WITHIN_S = 2.0
MEMORY = 512 * 1024 * 1024
PIDS = 128
CPUS = 1.0
TMP = "rw,noexec,nosuid,nodev,size=64m,mode=1777"
OUTSIDE = ("/tmp", "/dev/shm", "/run/envsim")  # noqa: S108 -- inside the container
"""All that a container's user can write to beside its data folder."""
STATE = "rw,noexec,nosuid,nodev,size=256m,uid=1000,gid=1000"
"""The data folder of a hosted app: in memory, within the container's limit."""


class DockerSandbox(ServedSandbox):
    """See `Sandbox`."""

    container: Any
    crossing: Crossing
    left: list[Callable[[], None]]
    """Removals that failed while the engine was away; its runtime tries again."""

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
        failed = _end_all(self.container, self.crossing, self.left)
        if failed is not None:
            raise failed

    def _again(self) -> Lease:
        with engine_errors(SandboxStartError, f"Container {self.name} cannot be restarted"):
            self.crossing.again()
            self.container.restart(timeout=0)
            if self.record.control != self.crossing.where:
                self.record = replace(self.record, control=self.crossing.where)
                registry.write(self.record)
            return _await(self.spec, self.container, self.crossing.control)


class DockerRuntime:
    """See `Runtime`. Sweeps what killed owners left behind when it is made.

    Args:
        base: Image to build on; None as `envsim.sandbox.image.find_base` decides.
        progress: Called with a line of text before anything slow.
        transport: One of `envsim.sandbox.crossing.TRANSPORTS`; None for what works.

    Raises:
        ContentError: There is no such transport.
        PrerequisiteError: No docker package or no engine.
    """

    def __init__(self, base: str | None = None, progress: Progress = quiet, *, transport: str | None = None) -> None:
        wanted_transport(transport)
        self._client = connect()
        self._left: list[Callable[[], None]] = []
        self._base = base
        self._crossings = Crossings(self._client, transport, base, progress)
        self._progress = progress
        sweep_containers(self._client)

    def prepare(self, spec: SandboxSpec) -> str:
        """Make all ready that starts of `spec` share: its image, and the way to it; the image's tag.

        See `envsim.sandbox.image.ensure_image` and `envsim.sandbox.crossing.find_transport`.
        """
        with engine_errors(SandboxStartError, f"The image of {spec.name} cannot be made ready"):
            image = ensure_image(self._client, spec, self._base, self._progress)
        self._crossings.transport(image)
        return image

    def start(self, spec: SandboxSpec) -> DockerSandbox:
        """See `Runtime.start`."""
        self._remove_left()
        image = self.prepare(spec)
        record, container, crossing = reserve(spec.ref, "docker", IO), None, None
        try:
            what = f"The {spec.name} container cannot be started"
            with disk_errors(what), engine_errors(SandboxStartError, what):
                crossing = self._crossings.make(record, image)
                record = replace(record, control=crossing.where, transport=self._crossings.transport(image))
                # Not `run`, which forgets a container that is there but cannot be started.
                container = _create(self._client, spec, image, record.name, crossing.volumes)
                container.start()
                record = replace(record, container_id=str(container.id))
                registry.write(record)
                lease = _await(spec, container, crossing.control)
        except BaseException:
            # What stopped it says more than what cannot be removed.
            _end_all(container, crossing, self._left)
            registry.forget(record)
            raise
        control = SocketControl(record.name, crossing.control, explain=functools.partial(_explain, container))
        sandbox = DockerSandbox(spec, record, crossing.app, lease, control)
        sandbox.container, sandbox.crossing, sandbox.left = container, crossing, self._left
        return sandbox

    def _remove_left(self) -> None:
        """Remove what could not be removed before: while its owner lives, no sweep takes it."""
        while self._left:
            end = self._left.pop()
            try:
                end()
            except SandboxLost:
                self._left.append(end)
                raise


def _end_all(container: Any, crossing: Crossing | None, left: list[Callable[[], None]]) -> SandboxLost | None:
    """Remove a container, then its crossing; what cannot be removed goes to `left`, and why is returned."""
    failed = None
    ends: list[Callable[[], None]] = [functools.partial(remove, container)] if container is not None else []
    ends += [crossing.close] if crossing is not None else []
    for end in ends:
        try:
            end()
        except SandboxLost as error:
            # The list is emptied from its end.
            left.insert(0, end)
            failed = failed or error
    return failed


def read_log_of(client: Any, container_id: str) -> str:
    """What the container with this id has logged so far; "" if it is gone."""
    with gone_is_fine("The log of a container cannot be read"):
        return read_log(client.containers.get(container_id))
    return ""


def read_log(container: Any) -> str:
    """What a container has logged so far."""
    return str(container.logs().decode("utf-8", "replace"))


def _await(spec: SandboxSpec, container: Any, control: Address) -> Lease:
    """A lease on a container that was just started, once it is healthy."""
    return wait_for_lease(control, START_S, _Watch(spec, container), lambda: read_log(container))


def _create(client: Any, spec: SandboxSpec, image: str, name: str, volumes: dict[str, dict[str, str]]) -> Any:
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
        volumes=volumes,
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
        with gone_is_fine("It cannot be looked at"):
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
