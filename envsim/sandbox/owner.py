"""Who a sandbox belongs to: a process, told apart from a later one with the same pid by its start time."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process: its pid and when it started, in clock ticks since boot (``/proc/<pid>/stat``, field 22)."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Owner | None:
        """The process `pid`; None if there is none.

        Without ``/proc`` (macOS) the start time is not known and reads 0.
        """
        if not Path("/proc/self/stat").exists():
            try:
                os.kill(pid, 0)
            except OSError:
                return None
            return cls(pid, 0)
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The command's name may hold spaces and brackets, so count from the last one.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    @classmethod
    def current(cls) -> Owner:
        """The calling process."""
        return cls.of(os.getpid()) or cls(os.getpid(), 0)

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> Owner | None:
        """The owner that `labels` name; None where it is nobody whose pid means anything here."""
        if labels.get("envsim.owner_space") != pid_space():
            return None
        return cls(int(labels["envsim.owner_pid"]), int(labels["envsim.owner_start"]))

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Owner.of(self.pid) == self


def container_labels() -> dict[str, str]:
    """What every container, volume and network carries, so that `sandbox gc` removes it once the caller is gone."""
    owner = Owner.current()
    return {
        "envsim.owner_pid": str(owner.pid),
        "envsim.owner_start": str(owner.start),
        "envsim.owner_space": pid_space(),
    }


def pid_space() -> str:
    """Where pids mean what they mean here: this machine, and this container of it. Several may share one engine."""
    machine = platform.node()
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        with contextlib.suppress(OSError):
            machine = path.read_text(encoding="ascii").strip() or machine
            break
    namespace = Path("/proc/self/ns/pid")
    return f"{machine} {namespace.readlink()}" if namespace.is_symlink() else machine
