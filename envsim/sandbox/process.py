"""A clone in a supervisor process of its own, behind unix sockets in a private folder.

Isolates crashes and the environment, not a hostile app: it has its user's rights and network.
"""

from __future__ import annotations

import contextlib
import functools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from envsim.errors import SandboxError, SandboxStartError
from envsim.guest.probe import Facts
from envsim.guest.supervisor import APP_SOCKET, CONTROL_SOCKET
from envsim.page.sockets import UnixAddress
from envsim.sandbox import registry
from envsim.sandbox.client import LOG_TAIL, Lease, SocketControl, wait_for_lease
from envsim.sandbox.owner import Owner
from envsim.sandbox.registry import Record
from envsim.sandbox.seed import guest_spec
from envsim.sandbox.served import ServedSandbox, disk_errors, probe_arguments, reserve
from envsim.sandbox.spec import SandboxSpec
from envsim.sandbox.venvs import Progress, prepare, process_environment, quiet

START_S = 60.0
LEASE_S = 10.0
STOP_S = 2.0
MAX_FILE = 256 * 1024 * 1024
"""Longest file, such as its log, that a sandbox may write, in bytes."""
DATA = "data"
"""Folder of a hosted app's state, in the sandbox's own."""


class ProcessSandbox(ServedSandbox):
    """See `Sandbox`."""

    process: subprocess.Popen[bytes]
    spawn: Callable[[], subprocess.Popen[bytes]]

    def log(self) -> str:
        """What it has logged so far."""
        return read_log(Path(self.record.folder))

    def probe(self, hosts: list[str], paths: list[str], abstract: str) -> Facts:
        """What a process with the app's environment could do; see `envsim.guest.probe`."""
        command = [sys.executable, "-m", "envsim.guest.probe", *probe_arguments(hosts, paths, abstract)]
        result = subprocess.run(
            command, cwd=self.record.folder, env=process_environment(), capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise SandboxError(f"The probe beside {self.name} failed: {result.stderr[-500:]}")
        return cast("Facts", json.loads(result.stdout))

    def declared_environment(self) -> set[str]:
        """Names of the variables it is meant to see."""
        return set(process_environment())

    def _end(self) -> None:
        _stop(self.process)

    def _again(self) -> Lease:
        _stop(self.process)
        self.process = self.spawn()
        self.control.explain = functools.partial(_explain, self.process, Path(self.record.folder))
        self.record, lease = _await(self.spec, self.process, self.record)
        return lease


class ProcessRuntime:
    """See `Runtime`. Sweeps what killed owners left behind when it is made.

    Args:
        progress: Called with a line of text before anything slow.
    """

    def __init__(self, progress: Progress = quiet) -> None:
        self._progress = progress
        registry.sweep_processes()

    def start(self, spec: SandboxSpec) -> ProcessSandbox:
        """See `Runtime.start`."""
        python, seed = prepare(spec, self._progress)
        record = reserve(spec.ref, "process")
        folder, process = Path(record.folder), None
        try:
            with disk_errors(f"The {spec.name} sandbox cannot be started"):
                (folder / "guest.json").write_text(guest_spec(spec).to_json(), encoding="utf-8")
                spawn = functools.partial(_spawn, spec, python, seed, folder)
                process = spawn()
                record, lease = _await(spec, process, record)
        except BaseException:
            if process is not None:
                _stop(process)
            registry.forget(record)
            raise
        explain = functools.partial(_explain, process, folder)
        control = SocketControl(record.name, folder / CONTROL_SOCKET, explain=explain)
        sandbox = ProcessSandbox(spec, record, UnixAddress(folder / APP_SOCKET), lease, control)
        sandbox.process, sandbox.spawn = process, spawn
        return sandbox


def read_log(folder: Path) -> str:
    """The log of the process sandbox in `folder`; "" if there is none."""
    try:
        return (folder / "log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _await(spec: SandboxSpec, process: subprocess.Popen[bytes], record: Record) -> tuple[Record, Lease]:
    """The record with `process` on it, and a lease on it once it is healthy."""
    folder, supervisor = Path(record.folder), Owner.of(process.pid)
    # Until this is written nobody could end it but itself, which it does when no lease comes.
    record = replace(record, pid=process.pid, pid_start=supervisor.start if supervisor else 0)
    registry.write(record)
    check, tail = functools.partial(_check, spec, process, folder), functools.partial(read_log, folder)
    return record, wait_for_lease(folder / CONTROL_SOCKET, START_S, check, tail)


def _spawn(spec: SandboxSpec, python: Path, seed: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [str(python), "-m", "envsim.guest.supervisor", "--spec", str(folder / "guest.json")]
    command += ["--folder", str(spec.root.resolve()), "--seed-db", str(seed), "--data", str(folder / DATA)]
    command += ["--directory", str(folder), "--lease", str(LEASE_S), "--grace", str(LEASE_S)]
    with (folder / "log").open("ab") as log:
        # Its own session: an interrupt at the terminal is for the owner, who then closes it.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=process_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if sys.platform == "linux":
        # An app that logs without end fills its log, not the disk: what is more fails inside it, and the app goes on.
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    return process


def _check(spec: SandboxSpec, process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is not None:
        raise SandboxStartError(
            f"The {spec.name} sandbox ended with code {process.returncode} before it was healthy. "
            f"Its log ends: {_tail(folder)}"
        )


def _explain(process: subprocess.Popen[bytes], folder: Path) -> str:
    # The connection breaks a moment before the process can be reaped.
    end = time.monotonic() + 0.5
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    if process.returncode is None:
        return ""
    return f"its process ended with code {process.returncode}; its log ends: {_tail(folder) or '(empty)'}"


def _tail(folder: Path) -> str:
    return read_log(folder)[-LOG_TAIL:].strip()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
