"""The containment self-audit: what a hostile app, or an agent that found a hole in it, would still meet.

Every item is tried, not read from configuration: from inside (`envsim.guest.probe`) or against the
app's own address. Docker holds them all; the other runtimes say honestly which they do not.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from envsim.content import PACKAGE
from envsim.errors import SandboxError
from envsim.guest.probe import Facts, probe
from envsim.guest.supervisor import APP_SOCKET
from envsim.page.sockets import UnixAddress
from envsim.page.transport import Request, SocketTransport, Transport, WireFault
from envsim.sandbox.audit_gate import gate_findings, link_is_refused
from envsim.sandbox.client import Lease, SocketControl
from envsim.sandbox.docker import DockerSandbox
from envsim.sandbox.forward import Forwarder
from envsim.sandbox.gate import SHARED, Gate
from envsim.sandbox.image import engine_errors
from envsim.sandbox.process import ProcessSandbox
from envsim.sandbox.runtime import Sandbox
from envsim.sandbox.seed import folder_files
from envsim.sandbox.served import ServedSandbox

ALWAYS_SET = frozenset({"HOME", "HOSTNAME", "LC_CTYPE"})
"""Variables that the engine or Python itself sets."""

LISTENING = "nothing listens on TCP but on the declared port, and that on loopback alone"
LOOPBACK = re.compile(r"[0-9A-F]{6}7F|0{24}01000000|0{16}FFFF0000[0-9A-F]{6}7F")
"""127.0.0.0/8, ::1 and the first as an IPv6 address, as the kernel writes them: words of the machine's byte order."""

CONTROL_PATHS = ("health", "state", "seed_view", "hash", "changes", "reset", "sign_in", "snapshot", "restore", "lease")
TRAVERSALS = ("/", "/static/", "/static/../", "/../", "/%2e%2e/", "/static/..%2f", "/..%2f..%2f")


class Finding(TypedDict):
    """One safeguard and whether it held."""

    item: str
    held: bool


def audit(sandbox: Sandbox) -> list[Finding]:
    """Try every safeguard of `sandbox`. Leaves its state as a reset does.

    Raises:
        SandboxError: The sandbox broke during the audit.
    """
    with _listener() as met:
        facts = _facts(sandbox, met)
    boxed = sandbox.runtime == "docker"
    with contextlib.closing(sandbox.transport()) as transport:
        hidden = _control_is_hidden(sandbox, transport)
        served = _served(transport, _private_paths(sandbox))
    findings = {
        "no network interface but loopback": not facts["interfaces"],
        "no connection to the host": not facts["reached"],
        "no datagram to the host": not met.datagrams,
        "no route to the internet or a metadata service": not facts["routed"],
        "no name server answers": not facts["dns"],
        "no abstract socket of the host": not facts["abstract"],
        "no raw sockets": not facts["raw_sockets"],
        LISTENING: boxed and not _exposed(sandbox, facts),
        "all capabilities dropped": facts["capabilities"] == 0,
        "no new privileges": facts["no_new_privs"],
        "not root": facts["uid"] != 0,
        "no program runs as another user": facts["uid"] != 0 and not facts["elevating"],
        "no namespace of its own making": not facts["namespaces"],
        "read-only system folders": not facts["writable"],
        "nothing to write to but memory and the sockets": all(map(_is_fleeting, facts["mounts"])),
        "no devices but the standard ones": not facts["devices"],
        "kernel files masked and read-only": not facts["kernel"],
        # Without a boundary a limit is its owner's, not its own.
        "own limit on processes": boxed and facts["pids_limit"] is not None,
        "own limit on memory": boxed and facts["memory_limit"] is not None,
        "a fork bomb is stopped": facts["forks"].isdecimal(),
        "who takes too much memory is stopped, the app goes on": facts["hog"] in ("killed", "refused"),
        "processes of the host out of sight": boxed and "envsim.guest" in facts["first_process"],
        "host files out of sight": not facts["visible"],
        "host environment not passed on": not _leaked(sandbox, facts),
        "control plane not reachable through the app": hidden,
        "spec, seed and oracles not served": not served,
        **_ways_in(sandbox),
    }
    return [{"item": item, "held": held} for item, held in findings.items()]


def _ways_in(sandbox: Sandbox) -> dict[str, bool]:
    """Safeguards of what leads to the sandbox, which is a folder of sockets, or a gate before them."""
    link = "a link in place of the app's socket not followed"
    if isinstance(sandbox, DockerSandbox) and isinstance(sandbox.crossing, Gate):
        with engine_errors(SandboxError, f"The gate of {sandbox.name} cannot be looked at"):
            return {**gate_findings(sandbox, sandbox.crossing), link: link_is_refused(sandbox, sandbox.crossing)}
    private = "sockets in a folder only the owner can enter"
    return {private: _folder_is_private(sandbox), link: _link_is_refused(sandbox)}


def _is_fleeting(mount: str) -> bool:
    place, _, kind = mount.rpartition(" ")
    return kind in ("tmpfs", "mqueue") or place == SHARED


def _facts(sandbox: Sandbox, met: _Met) -> Facts:
    paths = [str(path) for path in (sandbox.spec.root.resolve(), PACKAGE, Path.cwd() / ".git")]
    if isinstance(sandbox, DockerSandbox):
        hidden = [f"/opt/app/{path.relative_to(sandbox.spec.root)}" for path in _gold(sandbox)]
        facts = sandbox.probe(met.hosts, [*paths, *hidden, "/var/run/docker.sock"], met.abstract)
        sandbox.control.health()
        return facts
    if isinstance(sandbox, ProcessSandbox):
        return sandbox.probe(met.hosts, paths, met.abstract)
    return probe(met.hosts, paths, met.abstract)


@dataclass
class _Met:
    """What of this machine is there to be reached, and what came of it."""

    hosts: list[str]
    abstract: str
    datagrams: int = 0


@contextlib.contextmanager
def _listener() -> Iterator[_Met]:
    """Services of this machine, by TCP, by UDP and by an abstract name, while the context lasts."""
    name = f"envsim-audit-{secrets.token_hex(8)}"
    with (
        socket.create_server(("0.0.0.0", 0)) as server,  # noqa: S104 -- to be found from anywhere is its purpose
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as nearby,
    ):
        port = server.getsockname()[1]
        datagrams.bind(("0.0.0.0", port))  # noqa: S104
        nearby.bind("\0" + name)
        nearby.listen()
        met = _Met([f"{address}:{port}" for address in _own_addresses()], name)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                ready, _, _ = select.select([server, datagrams, nearby], [], [], 0.1)
                for found in ready:
                    if found is datagrams:
                        met.datagrams += bool(datagrams.recv(100))
                    else:
                        found.accept()[0].close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield met
        finally:
            stop.set()
            thread.join()


def _own_addresses() -> list[str]:
    addresses = {"127.0.0.1"}
    with contextlib.suppress(OSError):
        addresses.update(socket.gethostbyname_ex(socket.gethostname())[2])
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        outward.connect(("192.0.2.1", 9))  # sends nothing: it only asks which of our addresses would
        addresses.add(outward.getsockname()[0])
    return sorted(addresses)


def _leaked(sandbox: Sandbox, facts: Facts) -> set[str]:
    """Names of variables inside that nobody declared."""
    declared = sandbox.declared_environment() if isinstance(sandbox, DockerSandbox | ProcessSandbox) else set()
    return set(facts["environment"]) - declared - ALWAYS_SET


def _exposed(sandbox: Sandbox, facts: Facts) -> list[str]:
    """TCP listeners on another port than the one the app's toml declares, or that more than loopback leads to.

    Where loopback is the only interface, an app may listen on all.
    """
    hosted = sandbox.spec.origin.hosted
    declared = hosted.port if hosted is not None else None
    found = []
    for listener in facts["listening"]:
        address, _, port = listener.rpartition(":")
        near = not facts["interfaces"] or LOOPBACK.fullmatch(address)
        if int(port, 16) != declared or not near:
            found.append(listener)
    return found


def _gold(sandbox: Sandbox) -> list[Path]:
    root = sandbox.spec.root
    return [path for path in folder_files(root) if sandbox.spec.is_host_only(path.relative_to(root).as_posix())]


def _private_paths(sandbox: Sandbox) -> dict[str, bytes]:
    """What the app must never serve: path as a URL might name it -> content."""
    root = sandbox.spec.root
    code = [path for path in folder_files(root) if path.suffix in (".py", ".toml", ".sql", ".db")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in code}


def _served(transport: Transport, private: dict[str, bytes]) -> list[str]:
    found = []
    for name, content in private.items():
        for prefix in TRAVERSALS:
            body = _fetch(transport, "GET", prefix + name)
            if content and body is not None and content.strip() in body:
                found.append(prefix + name)
    probes = ("/seed.db", "/opt/seed.db", "/guest.json")
    return found + [path for path in probes if _is_secret(_fetch(transport, "GET", path))]


def _is_secret(body: bytes | None) -> bool:
    return body is not None and (body.startswith(b"SQLite format 3") or b'"tick_s"' in body)


def _control_is_hidden(sandbox: Sandbox, transport: Transport) -> bool:
    """Whether no control path does or tells anything when asked of the app."""
    control = sandbox.control
    generation, view = control.health()["generation"], control.state()
    for path in CONTROL_PATHS:
        for method in ("GET", "POST"):
            body = _fetch(transport, method, f"/{path}")
            with contextlib.suppress(ValueError):
                answer = json.loads(body or b"null")
                if answer == view or (isinstance(answer, dict) and "generation" in answer):
                    return False
    return bool(control.health()["generation"] == generation)


def _fetch(transport: Transport, method: str, target: str) -> bytes | None:
    """The body of a successful answer; None for any other."""
    headers = (("content-type", "application/json"),) if method == "POST" else ()
    try:
        reply = transport.send(Request(method, target, headers, b"{}" if method == "POST" else b""))
    except WireFault:
        return None
    return reply.body if reply.status < 400 else None


def _folder_is_private(sandbox: Sandbox) -> bool:
    if not isinstance(sandbox, ServedSandbox):
        return True  # no sockets at all
    status = Path(sandbox.record.folder).stat()
    if not Path(sandbox.record.control).is_socket():
        raise SandboxError(f"Sandbox {sandbox.name} has no control socket. Start another.")
    return status.st_mode & 0o077 == 0 and status.st_uid == os.getuid()


def _link_is_refused(sandbox: Sandbox) -> bool:
    """Whether we stay away from a service that a link leads to, planted as the app itself could."""
    if not isinstance(sandbox, ServedSandbox):
        return True  # no sockets at all
    place = Path(sandbox.record.control).with_name(APP_SOCKET)
    aside = place.with_suffix(".aside")
    with (
        tempfile.TemporaryDirectory(dir=sandbox.record.folder) as elsewhere,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service,
    ):
        service.bind(f"{elsewhere}/s")
        service.listen()
        service.setblocking(False)
        place.rename(aside)
        try:
            place.symlink_to(f"{elsewhere}/s")
            _try_every_way_in(sandbox.name, place)
        finally:
            place.unlink()
            aside.rename(place)
        try:
            service.accept()[0].close()
        except BlockingIOError:
            return True
    return False


def _try_every_way_in(name: str, place: Path) -> None:
    """Use the socket at `place` as an app, as a control plane, and through a forwarded port."""
    with contextlib.closing(SocketTransport(socket=place, timeout_s=0.5)) as transport:
        _fetch(transport, "GET", "/")
    with contextlib.closing(SocketControl(name, place, timeout_s=0.5)) as control, contextlib.suppress(SandboxError):
        control.health()
    with contextlib.suppress(OSError):
        Lease(place, timeout_s=0.5)
    with contextlib.closing(Forwarder(UnixAddress(place))) as forwarder:
        transport = SocketTransport(base_url=forwarder.url, timeout_s=0.5)
        _fetch(transport, "GET", "/")
        transport.close()
