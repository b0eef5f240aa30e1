"""What a process in a sandbox could do, found by trying: ``python -m envsim.guest.probe``.

Run where the app runs, with its user, network and limits; prints one JSON object (see `Facts`).
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import TypedDict

from envsim.guest import attempts

CONNECT_S = 1.0
CGROUP = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""The kernel writes "max" (cgroup 2) or a number near 2**63 (cgroup 1) for no limit."""


class Facts(TypedDict):
    """What the probe saw."""

    uid: int
    capabilities: int
    """Effective and bounding sets, or-ed; 0 when all are dropped."""
    no_new_privs: bool
    interfaces: list[str]
    """Network interfaces but for loopback."""
    reached: list[str]
    """Which of the given ``host:port`` a TCP connection could be opened to."""
    listening: list[str]
    """Local addresses something listens on by TCP, as the kernel writes them."""
    writable: list[str]
    """Which of a few system folders a file could be created in."""
    visible: list[str]
    """Which of the given paths exist."""
    environment: list[str]
    """Names of environment variables."""
    pids_limit: int | None
    memory_limit: int | None
    routed: list[str]
    """Addresses of the internet and of metadata services that there is a route to."""
    dns: list[str]
    """Name servers that answered."""
    abstract: bool
    """Whether the given abstract unix socket could be reached."""
    raw_sockets: list[str]
    devices: list[str]
    """Device nodes beside the standard ones; ``made`` if one could be made."""
    elevating: list[str]
    """Programs that ran as another user."""
    mounts: list[str]
    """Mounts that could be written to: ``path type``."""
    kernel: list[str]
    """Files of the kernel that told something or could be opened for writing."""
    first_process: str
    namespaces: list[str]
    """Kinds of namespaces that could be made."""
    forks: str
    """Processes there could be before one was refused, or ``no end``; "" where not tried."""
    hog: str
    """What became of taking too much memory: ``killed``, ``refused`` or ``taken``; "" where not tried."""


def probe(hosts: list[str], paths: list[str], abstract: str = "", *, exhaust: bool = False) -> Facts:
    """Find out.

    Args:
        hosts: ``host:port`` to try to reach, by TCP and by UDP.
        paths: Files that should not be there.
        abstract: Abstract name of a unix socket to try to reach.
        exhaust: Try to run out of processes and memory; only where there should be limits of one's own.
    """
    status = _status()
    attempts.send_datagrams(hosts)
    return {
        "uid": os.getuid(),
        "capabilities": int(status.get("CapEff", "-1"), 16) | int(status.get("CapBnd", "-1"), 16),
        "no_new_privs": status.get("NoNewPrivs") == "1",
        "interfaces": sorted(name for _, name in socket.if_nameindex() if name != "lo"),
        "reached": [host for host in hosts if _reaches(host)],
        "listening": listening(),
        "writable": [folder for folder in ("/", "/opt", "/usr", "/etc", "/home") if _writable(folder)],
        "visible": [path for path in paths if Path(path).exists()],
        "environment": sorted(os.environ),
        "pids_limit": _limit("pids.max", "pids/pids.max"),
        "memory_limit": _limit("memory.max", "memory/memory.limit_in_bytes"),
        "routed": attempts.routed(),
        "dns": [server for server in attempts.resolvers() if attempts.answers_dns(server)],
        "abstract": bool(abstract) and attempts.reaches_abstract(abstract),
        "raw_sockets": attempts.raw_sockets(),
        "devices": attempts.devices(),
        "elevating": attempts.elevating(),
        "mounts": attempts.writable_mounts(),
        "kernel": attempts.kernel(),
        "first_process": attempts.first_process(),
        "namespaces": attempts.try_apart("namespaces").split(),
        "forks": attempts.try_apart("forks") if exhaust else "",
        "hog": attempts.try_apart("hog") if exhaust else "",
    }


def listening() -> list[str]:
    """Addresses with a TCP listener in this network namespace, as ``address:port`` in hex."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        found += [row.split()[1] for row in rows if row.split()[3] == "0A"]
    return found


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _reaches(host: str) -> bool:
    address, _, port = host.rpartition(":")
    try:
        with socket.create_connection((address, int(port)), CONNECT_S):
            return True
    except OSError:
        return False


def _writable(folder: str) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _limit(*names: str) -> int | None:
    for name in names:
        try:
            text = (CGROUP / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text != "max" and int(text) < UNLIMITED:
            return int(text)
    return None


def main() -> None:
    """Print the facts."""
    parser = argparse.ArgumentParser(prog="envsim.guest.probe", description=__doc__)
    parser.add_argument("--host", action="append", default=[])
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--abstract", default="")
    parser.add_argument("--exhaust", action="store_true")
    args = parser.parse_args()
    print(json.dumps(probe(args.host, args.path, args.abstract, exhaust=args.exhaust)))


if __name__ == "__main__":
    main()
