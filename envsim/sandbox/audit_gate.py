"""What `envsim.sandbox.audit` tries where a gate stands between a sandbox and its owner."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

from envsim.errors import SandboxError
from envsim.guest.gate import opening
from envsim.guest.supervisor import APP_SOCKET, CONTROL_SOCKET
from envsim.sandbox.client import SocketControl
from envsim.sandbox.docker import DockerSandbox
from envsim.sandbox.gate import SHARED, TOKEN, Gate

ASKED_S = 2.0
_REQUEST = b"GET /health HTTP/1.1\r\nhost: control\r\n\r\n"
_PLANT = f"""
import os
os.chdir({SHARED!r})
os.rename({APP_SOCKET!r}, "aside")
os.symlink({CONTROL_SOCKET!r}, {APP_SOCKET!r})
"""
_UNDO = f"import os; os.chdir({SHARED!r}); os.replace('aside', {APP_SOCKET!r})"


def gate_findings(sandbox: DockerSandbox, gate: Gate) -> dict[str, bool]:
    """Safeguards of a sandbox behind `gate`: which of them held."""
    return {
        "the gate's token in a folder only the owner can enter": _is_private(Path(sandbox.record.folder)),
        "the gate's token told to no container": gate.door.token not in json.dumps(gate.facts())
        and gate.door.token not in json.dumps(sandbox.container.attrs),
        "the gate opens for its token alone": not any(_is_answered(gate, line) for line in _wrong_lines(gate)),
    }


def link_is_refused(sandbox: DockerSandbox, gate: Gate) -> bool:
    """Whether the agent's way stays shut where a link from the app's socket leads to the control plane's."""
    _inside(sandbox, _PLANT)
    try:
        with contextlib.closing(SocketControl(sandbox.name, gate.app, timeout_s=ASKED_S)) as control:
            control.health()
    except SandboxError:
        return True
    finally:
        _inside(sandbox, _UNDO)
    return False


def _wrong_lines(gate: Gate) -> list[bytes]:
    token = gate.door.token
    tokens = ["", "0" * len(token), token[:-1], f"{token}0", token.upper(), token[::-1]]
    refused = [opening(wrong, name) for wrong in tokens for name in (CONTROL_SOCKET, APP_SOCKET)]
    # Nor does the right one lead anywhere else, or the proof go on to more than itself.
    return [b"", b"\n", *refused, opening(token, f"../envsim/{CONTROL_SOCKET}"), opening(token, ".")]


def _is_answered(gate: Gate, line: bytes) -> bool:
    with contextlib.suppress(OSError), gate.door.gate.connect(ASKED_S) as connection:
        connection.deadline = time.monotonic() + ASKED_S
        connection.sendall(line + _REQUEST)
        with connection.makefile("rb") as reader:
            return bool(reader.read(1))
    return False


def _is_private(folder: Path) -> bool:
    statuses = [folder.stat(), (folder / TOKEN).stat()]
    return all(status.st_mode & 0o077 == 0 and status.st_uid == os.getuid() for status in statuses)


def _inside(sandbox: DockerSandbox, code: str) -> None:
    result = sandbox.container.exec_run(["python3", "-c", code])
    if result.exit_code:
        raise SandboxError(f"The audit inside {sandbox.name} failed: {result.output.decode()[-500:]}")
