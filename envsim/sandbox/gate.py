"""A gate beside a container: the owner's way in where no folder can be shared with the engine.

See `envsim.guest.gate`. The gate's container is the only one with a network, one without masquerading on which no two
gates see each other, or with none at all where it is reached through the engine's API.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envsim.errors import SandboxError, SandboxStartError
from envsim.guest.gate import PORT, challenge, digest_of, opening, proof_of
from envsim.guest.supervisor import APP_SOCKET, CONTROL_SOCKET
from envsim.page.sockets import Address, DeadlineSocket, TcpAddress
from envsim.sandbox.engine_stream import open_stream
from envsim.sandbox.image import connect
from envsim.sandbox.owner import Owner, container_labels
from envsim.sandbox.registry import Record
from envsim.sandbox.remove import gone_is_fine, remove, remove_volume

TOKEN = "token"  # noqa: S105 -- the name of its file
"""File of the token, in the sandbox's private folder."""
SHARED = "/run/envsim"
"""Where containers find the folder of the sockets."""
UP_WITHIN_S = 15.0
PROOF_S = 5.0
LEASE_S = 30.0
"""How long a gate stays up without an owner: longer than the app's container takes to be restarted."""
MEMORY = 256 * 1024 * 1024
PIDS = 64
"""Of a gate. Through the engine's API, each connection is a process in there, of about 6 MB."""
SOCKETS = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0777,uid=1000,gid=1000,noexec,nosuid,nodev"}
NETWORK = {
    "com.docker.network.bridge.enable_ip_masquerade": "false",
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
}
PIPE = ["python3", "-I", "-S", "/opt/pipe.py", str(PORT)]


@dataclass(frozen=True)
class EngineAddress(Address):
    """The gate in a container, through the engine's API."""

    client: Any
    container_id: str

    def connect(self, timeout_s: float | None) -> DeadlineSocket:
        """See `Address.connect`; what fails later than this closes the connection."""
        connection = open_stream(self.client, self.container_id, PIPE)
        connection.settimeout(timeout_s)
        return connection


@dataclass
class Door:
    """What is known of a gate to those that may open it.

    Attributes:
        gate: Where it listens. Docker gives it another port when it is started again.
        token: What it asks for.
    """

    gate: Address
    token: str

    def is_there(self, timeout_s: float = PROOF_S) -> bool:
        """Whether this very gate answers. The token is not told to find out."""
        with contextlib.suppress(OSError), self.gate.connect(timeout_s) as connection:
            return self.is_before(connection, timeout_s)
        return False

    def is_before(self, connection: DeadlineSocket, timeout_s: float) -> bool:
        """Whether it is this very gate that `connection` leads to.

        Raises:
            OSError: Whoever it is says nothing within `timeout_s`.
        """
        nonce = secrets.token_hex(16)
        found, wanted = b"", proof_of(digest_of(self.token), nonce)
        connection.deadline = time.monotonic() + timeout_s
        connection.sendall(challenge(nonce))
        piece = bytearray(len(wanted))
        while len(found) < len(wanted) and (size := connection.recv_into(piece, len(wanted) - len(found))):
            found += piece[:size]
        connection.deadline = float("inf")
        return hmac.compare_digest(found, wanted)


@dataclass(frozen=True)
class GateAddress(Address):
    """A socket of a sandbox, through its gate."""

    door: Door
    name: str

    def connect(self, timeout_s: float | None) -> DeadlineSocket:
        """See `Address.connect`."""
        connection = self.door.gate.connect(timeout_s)
        try:
            # A port may be another program's once the gate has ended; a container's id never is another's.
            if isinstance(self.door.gate, TcpAddress):
                if not self.door.is_before(connection, PROOF_S if timeout_s is None else min(PROOF_S, timeout_s)):
                    raise ConnectionRefusedError("somebody else has taken the port of the gate")
                connection.settimeout(timeout_s)
            connection.sendall(opening(self.door.token, self.name))
        except BaseException:
            connection.close()
            raise
        return connection


class Bridge:
    """The network of this owner's gates, there while any of them is. Any thread may ask."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._users = 0
        self._network: Any = None

    def join(self) -> str:
        """The name of the network for one more gate, which `leave`s it when it is gone."""
        with self._lock:
            if self._network is None:
                owner = Owner.current()
                self._network = self._client.networks.create(
                    f"envsim-{owner.pid:x}-{secrets.token_hex(4)}",
                    driver="bridge",
                    options=NETWORK,
                    labels=container_labels(),
                )
            self._users += 1
            return str(self._network.name)

    def leave(self) -> None:
        """One gate fewer. What cannot be removed now is used again, or swept when the owner is gone."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._network is not None:
                with contextlib.suppress(SandboxError):
                    with gone_is_fine("The network of the gates cannot be removed"):
                        self._network.remove()
                    self._network = None


class Gate:
    """See `envsim.sandbox.crossing.Crossing`: a gate that runs, and the volume it shares with the app.

    Args:
        client: A docker client.
        image: As `envsim.sandbox.image.ensure_gate` gives it.
        bridge: The network to publish a port from; None to be reached through the engine's API.
        record: Of its sandbox; the token is put into its folder.
        within_s: Longest wait for it to answer, in seconds.

    Raises:
        OSError: The token cannot be written.
        SandboxStartError: It does not come up.
        docker.errors.DockerException: Nor can the engine make it.
    """

    def __init__(
        self, client: Any, image: str, bridge: Bridge | None, record: Record, within_s: float = UP_WITHIN_S
    ) -> None:
        self._client = client
        self._bridge = bridge
        self._container: Any = None
        self._within_s = within_s
        self._labels = {**container_labels(), "envsim.name": record.name}
        self._joined = False
        self.door = Door(Address(), secrets.token_hex(32))
        self.app, self.control = GateAddress(self.door, APP_SOCKET), GateAddress(self.door, CONTROL_SOCKET)
        token = Path(record.folder) / TOKEN
        token.touch(mode=0o600)
        token.write_text(self.door.token, encoding="ascii")
        options = {"driver": "local", "driver_opts": SOCKETS, "labels": self._labels}
        self._volume = client.volumes.create(f"envsim-{record.name}", **options)
        self.volumes = {self._volume.name: {"bind": SHARED, "mode": "rw"}}
        try:
            network: dict[str, Any] = {"network_mode": "none"}
            if bridge is not None:
                network = {"network": bridge.join(), "ports": {f"{PORT}/tcp": ("127.0.0.1", None)}}
                self._joined = True
            self._container = self._create(image, f"envsim-{record.name}-gate", network)
            self._container.start()
            self._find()
        except BaseException:
            with contextlib.suppress(SandboxError):
                self.close()
            raise

    @property
    def where(self) -> str:
        """For a `Record`."""
        gate = self.door.gate
        return f"tcp://{gate.host}:{gate.port}" if isinstance(gate, TcpAddress) else f"engine://{self._container.id}"

    def facts(self) -> dict[str, Any]:
        """What the engine says of its container.

        Raises:
            docker.errors.DockerException: The engine failed.
        """
        self._container.reload()
        return dict(self._container.attrs)

    def again(self) -> None:
        """See that it runs, e.g. after the engine was restarted."""
        self._container.reload()
        if self._container.status != "running":
            self._container.restart(timeout=0)
        self._find()

    def close(self) -> None:
        """Remove it, and the volume, which no container uses any more.

        Raises:
            SandboxLost: The engine failed; call it again.
        """
        if self._container is not None:
            remove(self._container)
        if self._joined and self._bridge is not None:
            self._joined = False
            self._bridge.leave()
        remove_volume(self._volume)

    def _create(self, image: str, name: str, network: dict[str, Any]) -> Any:
        return self._client.containers.create(
            image,
            ["--digest", digest_of(self.door.token), "--lease", str(LEASE_S)],
            name=name,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
            user="1000:1000",
            mem_limit=MEMORY,
            memswap_limit=MEMORY,
            pids_limit=PIDS,
            hostname="gate",
            volumes=self.volumes,
            use_config_proxy=False,
            log_config={"type": "json-file", "config": {"max-size": "1m", "max-file": "1"}},
            labels=self._labels,
            **network,
        )

    def _find(self) -> None:
        """Learn where it listens, and wait until it does."""
        end = time.monotonic() + self._within_s
        while True:
            self._container.reload()
            if self._bridge is None:
                self.door.gate = EngineAddress(self._client, str(self._container.id))
            elif bound := self._container.attrs["NetworkSettings"]["Ports"].get(f"{PORT}/tcp"):
                self.door.gate = TcpAddress("127.0.0.1", int(bound[0]["HostPort"]))
            if self.door.is_there(min(PROOF_S, max(0.1, end - time.monotonic()))):
                return
            if self._container.status in ("exited", "dead") or time.monotonic() > end:
                log = self._container.logs().decode("utf-8", "replace")[-500:].strip()
                raise SandboxStartError(f"The gate of a sandbox does not answer. Its log ends: {log or '(empty)'}")
            time.sleep(0.02)


def control_address(record: Record) -> Path | Address:
    """Where the control plane of the sandbox of `record` is reached by any process of its owner's user.

    Raises:
        SandboxError: Its folder is gone, or the engine that leads to it.
    """
    kind, found, where = record.control.partition("://")
    if not found:
        return Path(record.control)
    try:
        token = (Path(record.folder) / TOKEN).read_text(encoding="ascii")
    except OSError as error:
        raise SandboxError(f"The token of {record.name} cannot be read: {error.strerror}. Start another.") from None
    host, _, port = where.partition(":")
    gate = TcpAddress(host, int(port)) if kind == "tcp" else EngineAddress(connect(), where)
    return GateAddress(Door(gate, token), CONTROL_SOCKET)
