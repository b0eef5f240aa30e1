"""Which sandboxes run on this machine: one JSON file each, so that ``ps``, ``down`` and ``gc`` find them.

A record outlives an owner that was killed; `sweep` then removes the sandbox and the record.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from envsim.errors import ContentError
from envsim.sandbox.owner import Owner
from envsim.sandbox.seed import cache_dir

KILL_AFTER_S = 2.0


@dataclass(frozen=True)
class Record:
    """One running sandbox.

    Attributes:
        name: Unique on this machine.
        app: What it is a clone of.
        runtime: ``"process"`` or ``"docker"``.
        url: Where a browser reaches it; "" while nothing is forwarded.
        control: Path of its control socket, or where the gate before it is; see `envsim.sandbox.gate.control_address`.
        transport: Which of `envsim.sandbox.crossing.TRANSPORTS` leads there.
        container_id: Docker's id; None for a process.
        folder: Private folder with its sockets and log.
        owner_pid, owner_start: The process that answers for it.
        pid, pid_start: Its supervisor; 0 for a container.
        kept: Started by ``sandbox up``, as opposed to a program that uses the library.
    """

    name: str
    app: str
    runtime: str
    control: str
    folder: str
    owner_pid: int
    owner_start: int
    url: str = ""
    container_id: str | None = None
    pid: int = 0
    pid_start: int = 0
    kept: bool = False
    transport: str = "sockets"

    @property
    def owner(self) -> Owner:
        """The process that answers for it."""
        return Owner(self.owner_pid, self.owner_start)

    def public(self) -> dict[str, Any]:
        """What ``sandbox up --json`` and ``ps --json`` print."""
        shown = ("name", "app", "url", "runtime", "container_id", "control", "transport")
        return {key: getattr(self, key) for key in shown}


def run_dir() -> Path:
    """Where records lie; created if missing."""
    path = cache_dir() / "run"
    path.mkdir(exist_ok=True)
    return path


def write(record: Record) -> None:
    """Create or replace the file of `record`, atomically."""
    path = run_dir() / f"{record.name}.json"
    scratch = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        scratch.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)  # a disk that is full keeps an empty file
        raise


def remove(name: str) -> None:
    """Forget a sandbox; not an error if it is not known."""
    for suffix in (".json", ".closing"):
        (run_dir() / f"{name}{suffix}").unlink(missing_ok=True)


def records(suffix: str = ".json") -> list[Record]:
    """Every sandbox on record, by name. A file that is not a record is left alone."""
    return [record for path in sorted(run_dir().glob(f"*{suffix}")) if (record := _read(path)) is not None]


def find(name: str) -> Record:
    """The record of the sandbox called `name`.

    Raises:
        ContentError: There is none.
    """
    known = records()
    for record in known:
        if record.name == name:
            return record
    names = ", ".join(record.name for record in known) or "none"
    raise ContentError(f"No sandbox is called {name!r}. Running: {names}. Start one with: sandbox up APP")


def request_close(name: str) -> None:
    """Ask the owner of a kept sandbox to close it; it looks for this (see `is_closing`)."""
    with contextlib.suppress(FileNotFoundError):
        (run_dir() / f"{name}.json").rename(run_dir() / f"{name}.closing")


def is_closing(name: str) -> bool:
    """Whether someone asked for this sandbox to be closed."""
    return (run_dir() / f"{name}.closing").exists()


def orphans(runtime: str) -> Iterator[Record]:
    """Records whose owner no longer lives."""
    for record in [*records(), *records(".closing")]:
        if record.runtime == runtime and not record.owner.alive():
            yield record


def sweep_processes() -> list[str]:
    """End process sandboxes whose owner no longer lives and remove their folders; their names."""
    swept = []
    for record in orphans("process"):
        end_process(record)
        forget(record)
        swept.append(record.name)
    return swept


def end_process(record: Record) -> None:
    """Stop the supervisor of `record`, if it still is the process that was recorded."""
    supervisor = Owner(record.pid, record.pid_start)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not record.pid or not supervisor.alive():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        end = time.monotonic() + KILL_AFTER_S
        while supervisor.alive() and time.monotonic() < end:
            time.sleep(0.01)


def forget(record: Record) -> None:
    """Remove what a sandbox that has ended left on disk."""
    shutil.rmtree(record.folder, ignore_errors=True)
    remove(record.name)


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
