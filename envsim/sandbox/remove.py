"""Taking away what an engine holds for a sandbox: containers, then volumes, then networks. What is gone is no error."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from typing import Any

from envsim.errors import SandboxError, SandboxLost
from envsim.sandbox import registry
from envsim.sandbox.image import engine_errors
from envsim.sandbox.owner import Owner

REMOVED_WITHIN_S = 10.0
OWNED = "envsim.owner_pid"
"""The label of everything that has an owner."""


def sweep_containers(client: Any) -> list[str]:
    """Remove all that is left of sandboxes whose owner no longer lives, records included; their names."""
    swept = []
    with engine_errors(SandboxError, "Containers that killed owners left cannot be listed"):
        found = client.containers.list(all=True, filters={"label": OWNED}, ignore_removed=True)
    for container in found:
        if _is_orphan(container.labels):
            remove(container)
            # One that was to answer a question about an image was no sandbox and has no name of ours.
            swept.append(container.labels.get("envsim.name") or container.name)
    with engine_errors(SandboxError, "What killed owners left cannot be listed"):
        volumes = client.volumes.list(filters={"label": OWNED})
        networks = client.networks.list(filters={"label": OWNED})
    for volume in volumes:
        if _is_orphan(volume.attrs.get("Labels") or {}):
            remove_volume(volume)
    for network in networks:
        if _is_orphan(network.attrs.get("Labels") or {}):
            with gone_is_fine("A network cannot be removed"):
                network.remove()
    for record in list(registry.orphans("docker")):
        registry.forget(record)
        swept.append(record.name)
    return sorted(set(swept))


def remove_sandbox(client: Any, name: str) -> None:
    """Remove all that the engine holds for the sandbox called `name` without its owner.

    Raises:
        SandboxLost: The engine failed.
    """
    mine = {"label": f"envsim.name={name}"}
    with engine_errors(SandboxLost, f"What the engine holds for {name} cannot be listed"):
        containers = client.containers.list(all=True, filters=mine, ignore_removed=True)
        volumes = client.volumes.list(filters=mine)
    for container in containers:
        remove(container)
    for volume in volumes:
        remove_volume(volume)


def remove(container: Any) -> None:
    """Remove a container; when this returns it is gone, whoever removed it.

    Raises:
        SandboxLost: The engine failed.
    """
    with gone_is_fine(f"Container {container.name} cannot be removed"):
        container.remove(force=True, v=True)
        return
    # Another sweep is at it: what we report as swept must be gone, not going.
    end = time.monotonic() + REMOVED_WITHIN_S
    while _exists(container):
        if time.monotonic() > end:
            raise SandboxLost(f"Container {container.name} is still being removed. Look at the engine's log.")
        time.sleep(0.02)


def remove_volume(volume: Any) -> None:
    """Remove a volume that no container uses any more.

    Raises:
        SandboxLost: The engine failed.
    """
    with gone_is_fine(f"Volume {volume.name} cannot be removed"):
        volume.remove()


def _is_orphan(labels: dict[str, str]) -> bool:
    # Another container's processes, or another machine's, may use the same engine: their pids mean nothing here.
    owner = Owner.of_labels(labels)
    return owner is not None and not owner.alive()


def _exists(container: Any) -> bool:
    with gone_is_fine(f"Container {container.name} cannot be looked up"):
        container.reload()
        return True
    return False


@contextlib.contextmanager
def gone_is_fine(what: str) -> Iterator[None]:
    """Says `what` in a SandboxLost if the engine fails, but not if the thing is already gone."""
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
