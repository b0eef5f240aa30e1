"""What a process could do beside the network, each thing tried and undone: part of `envsim.guest.probe`.

As a script, ``python attempts.py namespaces|hog|forks``, it is the process that tries what might end it.
Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DNS_S = 1.0
HOG_BYTES = 640 * 1024 * 1024
"""More than a container may have, and not so much that a machine without a limit would miss it."""
FORKS = 256
"""Likewise of processes."""
LIMIT_S = 20.0

_ROUTES = ("169.254.169.254", "1.1.1.1", "fd00:ec2::254", "2606:4700:4700::1111")
"""Metadata services of clouds, and the internet, by IPv4 and IPv6."""
_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"})
_PROGRAMS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec", "/usr/local", "/opt")
_READ = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug")
_WRITE = (
    "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/hostname",
    "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state",
)  # fmt: skip
_NAMESPACES = {"user": 0x10000000, "mount": 0x00020000, "network": 0x40000000, "pid": 0x20000000}


# -- network -----------------------------------------------------------------------------------------


def routed() -> list[str]:
    """Which of `_ROUTES` the kernel knows a way to. Sends nothing."""
    found = []
    for address in _ROUTES:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((address, 80))
            found.append(address)
        except OSError:
            continue
    return found


def resolvers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Name servers this machine would ask."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return [parts[1] for line in lines if len(parts := line.split()) > 1 and parts[0] == "nameserver"] or ["127.0.0.1"]


def answers_dns(server: str, port: int = 53) -> bool:
    """Whether `server` says anything to a question for example.com."""
    question = struct.pack(">HHHHHH", 0x5A5A, 0x0100, 1, 0, 0, 0) + b"\x07example\x03com\x00\x00\x01\x00\x01"
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.settimeout(DNS_S)
            asking.connect((server, port))
            asking.send(question)
            return asking.recv(512)[:2] == question[:2]
    except OSError:
        return False


def send_datagrams(hosts: list[str]) -> None:
    """A few bytes by UDP to each ``host:port``; whether they arrive is for their receiver to tell."""
    for host in hosts:
        address, _, port = host.rpartition(":")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"envsim probe", (address, int(port)))
        except OSError:
            continue


def raw_sockets() -> list[str]:
    """Kinds of sockets that see or make whole packets, of those that could be opened."""
    found = []
    for name, family, kind, protocol in (
        ("raw", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
        ("packet", getattr(socket, "AF_PACKET", socket.AF_INET), socket.SOCK_RAW, socket.IPPROTO_RAW),
    ):
        try:
            socket.socket(family, kind, protocol).close()
            found.append(name)
        except OSError:
            continue
    return found


def reaches_abstract(name: str) -> bool:
    """Whether a unix socket of that abstract name takes a connection; they belong to a network namespace."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.connect("\0" + name)
            return True
    except OSError:
        return False


# -- files and devices -------------------------------------------------------------------------------


def devices() -> list[str]:
    """Device nodes in /dev beside the standard ones, and ``made`` if one could be made."""
    found = []
    for path in _below(Path("/dev"), {"/dev/pts"}):
        mode = path.lstat().st_mode
        if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and str(path.relative_to("/dev")) not in _DEVICES:
            found.append(str(path))
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.mknod(f"{folder}/disk", stat.S_IFBLK | 0o600, os.makedev(7, 0))
        found.append("made")
    except OSError:
        pass
    return sorted(found)


def elevating() -> list[str]:
    """Programs that ran as somebody else when started; none for root, who needs none."""
    if os.getuid() == 0:
        return []
    found: dict[tuple[int, int], str] = {}
    for folder in _PROGRAMS:
        for path in _below(Path(folder), set()):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                found.setdefault((status.st_dev, status.st_ino), str(path))
    return sorted(path for path in found.values() if _runs_as_another(path))


def _runs_as_another(path: str) -> bool:
    try:
        started = subprocess.Popen(
            [path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    try:
        # Popen returns while exec still has the new ids to put on; they are on for certain once it has
        # ended, and can be read until it is waited for.
        os.kill(started.pid, signal.SIGKILL)  # its own kill would poll, and so wait for it
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
        status = Path(f"/proc/{started.pid}/status").read_text()
    except PermissionError:  # not ours to kill, nor to wait for, any more
        return True
    started.wait()
    ids = dict(re.findall(r"^([UG]id):\s+\d+\s+(\d+)", status, re.MULTILINE))
    return ids != {"Uid": str(os.geteuid()), "Gid": str(os.getegid())}


def writable_mounts() -> list[str]:
    """Mounts that take a new file, or are one that can be opened for writing: ``path type``."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        where = left.split()[4].encode().decode("unicode_escape")
        if _takes_writes(Path(where)):
            found.append(f"{where} {right.split()[0]}")
    return sorted(set(found))


def _takes_writes(place: Path) -> bool:
    try:
        if place.is_dir():
            with tempfile.NamedTemporaryFile(dir=place):
                return True
        os.close(os.open(place, os.O_WRONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


def kernel() -> list[str]:
    """Files of the kernel that tell about the machine or change it, of those that could be read or opened for that."""
    found = []
    for name in _READ:
        try:
            with Path(name).open("rb") as file:
                if file.read(1):
                    found.append(name)
        except OSError:
            continue
    return found + [name for name in _WRITE if Path(name).exists() and _takes_writes(Path(name))]


def first_process() -> str:
    """The command line of process 1."""
    try:
        return Path("/proc/1/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _below(folder: Path, leave_out: set[str]) -> Iterator[Path]:
    for where, folders, files in os.walk(folder, onerror=None):
        folders[:] = [name for name in folders if f"{where}/{name}" not in leave_out]
        yield from (Path(where, name) for name in files)


# -- what may end who tries it -----------------------------------------------------------------------


def try_apart(what: str) -> str:
    """``namespaces``, ``hog`` or ``forks`` in a process of its own: what it prints, or ``killed``."""
    tried = subprocess.run(
        [sys.executable, __file__, what], capture_output=True, text=True, check=False, timeout=LIMIT_S
    )  # fmt: skip
    return "killed" if tried.returncode == -signal.SIGKILL else tried.stdout.strip()


def _namespaces() -> str:
    """Kinds of namespaces that could be made."""
    libc = ctypes.CDLL(None, use_errno=True)
    return " ".join(name for name, flag in _NAMESPACES.items() if _in_child(lambda flag=flag: libc.unshare(flag) == 0))


def _in_child(attempt: object) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if attempt() else 1)  # type: ignore[operator]
    return os.waitpid(child, 0)[1] == 0


def _hog() -> str:
    """Take `HOG_BYTES` of memory, as who is to be killed first if there are not so many."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    taken = []
    try:
        for _ in range(HOG_BYTES >> 24):
            taken.append(b"\1" * (1 << 24))
    except MemoryError:
        return "refused"
    return "taken"


def _forks() -> str:
    """How many processes there could be before one was refused; ``no end`` at `FORKS`."""
    children: list[int] = []
    try:
        while len(children) < FORKS:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    except OSError:
        return str(len(children))
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return "no end"


if __name__ == "__main__":
    print({"namespaces": _namespaces, "hog": _hog, "forks": _forks}[sys.argv[1]]())
