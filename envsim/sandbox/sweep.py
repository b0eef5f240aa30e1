"""Removing sandboxes from outside their owner: what a killed owner left, or what ``down`` names."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from envsim.errors import PrerequisiteError
from envsim.sandbox import docker, process, registry
from envsim.sandbox.image import Progress, connect, quiet, remove_superseded
from envsim.sandbox.registry import Record
from envsim.sandbox.remove import remove_sandbox, sweep_containers

OWNER_CLOSES_WITHIN_S = 15.0


def gc() -> list[str]:
    """Remove every sandbox on this machine whose owner no longer lives; their names, sorted.

    Without a Docker engine only process sandboxes are swept: a container needs an engine to run.
    """
    swept = registry.sweep_processes()
    try:
        client = connect()
    except PrerequisiteError:
        return sorted(swept)
    with closing(client):
        return sorted({*swept, *sweep_containers(client)})


def gc_images(progress: Progress = quiet) -> list[str]:
    """Remove the images of earlier versions of clones; see `envsim.sandbox.image.remove_superseded`.

    Raises:
        PrerequisiteError: No Docker engine.
        SandboxError: It failed.
    """
    with closing(connect()) as client:
        return remove_superseded(client, progress)


def take_down(chosen: list[Record]) -> None:
    """Close these sandboxes: through the keeper that holds them, or directly where none does."""
    held = [record for record in chosen if record.kept and record.owner.alive()]
    for record in held:
        registry.request_close(record.name)
    end = time.monotonic() + OWNER_CLOSES_WITHIN_S
    while any(_is_left(record) for record in held) and time.monotonic() < end:
        time.sleep(0.02)
    for record in chosen:
        if _is_left(record):
            destroy(record)


def destroy(record: Record) -> None:
    """End the sandbox of `record` without its owner and remove all it left."""
    if record.runtime == "process":
        registry.end_process(record)
    elif record.container_id:
        with closing(connect()) as client:
            remove_sandbox(client, record.name)
    registry.forget(record)


def _is_left(record: Record) -> bool:
    return Path(record.folder).exists() or registry.is_closing(record.name)


def read_log(record: Record) -> str:
    """What the sandbox of `record` has logged so far."""
    if record.runtime == "process" or not record.container_id:
        return process.read_log(Path(record.folder))
    with closing(connect()) as client:
        return docker.read_log_of(client, record.container_id)
