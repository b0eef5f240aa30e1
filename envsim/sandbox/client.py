"""The control plane and the lease of a sandbox that runs somewhere else."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from envsim.errors import ContentError, SandboxError, SandboxLost, SandboxStartError, SandboxTimeout
from envsim.guest.supervisor import MAX_STATE
from envsim.page.sockets import MAX_ANSWER, Address, DeadlineConnection, as_address, read_answer
from envsim.sandbox.runtime import Changes, ResetRequest
from envsim.state import StateView, apply

CONTROL_TIMEOUT_S = 10.0
POLL_S = 0.01
LOG_TAIL = 2_000
"""How much of a log goes into an error message, in characters."""


class SocketControl:
    """See `Control`. Calls from several threads take turns.

    Args:
        name: Name of the sandbox, for messages.
        where: Its control socket, or where else its control plane listens.
        timeout_s: Longest wait for one whole answer.
        explain: Says what became of the sandbox, e.g. the end of its log; "" if unknown.
    """

    def __init__(
        self,
        name: str,
        where: Path | Address,
        *,
        timeout_s: float = CONTROL_TIMEOUT_S,
        explain: Callable[[], str] = str,
    ) -> None:
        self._name = name
        self.explain = explain
        self._timeout_s = timeout_s
        self._connection = DeadlineConnection(as_address(where).connect, timeout_s)
        self._lock = threading.Lock()
        self._known: tuple[str | None, StateView] = (None, {})
        """The state view as last told, and its mark: only what changed since is asked for."""
        self._closed = False

    def health(self) -> dict[str, Any]:
        """See `Control.health`."""
        return cast("dict[str, Any]", self._ask("GET", "/health"))

    def reset(self, request: ResetRequest) -> dict[str, str]:
        """See `Control.reset`."""
        body = {
            "seed": request.seed,
            "bugs": dict(request.bugs or {}),
            "clock": request.clock,
            "login": request.login,
            "setup": list(request.setup),
        }
        return cast("dict[str, str]", self._ask("POST", "/reset", body))

    def sign_in(self, account: str) -> dict[str, str]:
        """See `Control.sign_in`."""
        return cast("dict[str, str]", self._ask("POST", "/sign_in", {"account": account}))

    def state(self) -> StateView:
        """See `Control.state`."""
        mark, view = self._known
        answer = self._ask("POST", "/state", {"known": mark})
        view = answer["view"] if "view" in answer else apply(view, answer["delta"])
        self._known = (answer["mark"], view)
        return view

    def seed_view(self) -> StateView:
        """See `Control.seed_view`."""
        return cast("StateView", self._ask("GET", "/seed_view"))

    def changes(self) -> Changes:
        """See `Control.changes`."""
        return cast("Changes", self._ask("POST", "/changes"))

    def hash(self) -> str:
        """See `Control.hash`."""
        return cast("str", self._ask("GET", "/hash"))

    def snapshot(self) -> str:
        """See `Control.snapshot`."""
        return cast("str", self._ask("POST", "/snapshot"))

    def restore(self, snapshot_id: str) -> None:
        """See `Control.restore`."""
        self._ask("POST", "/restore", {"snapshot_id": snapshot_id})

    def export(self) -> bytes:
        """See `Control.export`."""
        return self._answer("/export", *self._exchange("GET", "/export", None, MAX_STATE))

    def load(self, data: bytes) -> None:
        """See `Control.load`."""
        self._answer("/load", *self._exchange("POST", "/load", data))

    def reconnect(self) -> None:
        """Let go of a connection to what no longer runs; the next call opens another."""
        with self._lock:
            self._connection.close()

    def close(self) -> None:
        """Release connections; safe to call twice."""
        self._closed = True
        self._connection.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        return json.loads(self._answer(path, *self._exchange(method, path, sent)))

    def _answer(self, path: str, status: int, body: bytes) -> bytes:
        """The body of a good answer; what a bad one says is raised."""
        if status == 422:
            raise ContentError(json.loads(body)["error"])
        if status != 200:
            text = body.decode("utf-8", "replace")[:300]
            raise SandboxError(f"Sandbox {self._name} failed at {path}: {text}. See its log.")
        return body

    def _exchange(self, method: str, path: str, body: bytes | None, limit: int = MAX_ANSWER) -> tuple[int, bytes]:
        with self._lock:
            if self._closed:
                raise SandboxLost(f"Sandbox {self._name} is closed. Start another.")
            try:
                self._connection.begin()
                self._connection.request(method, path, body)
                reply = self._connection.getresponse()
                return reply.status, read_answer(reply, limit)
            except TimeoutError:
                # A late answer would be taken for that of the next call.
                self._connection.close()
                raise SandboxTimeout(
                    f"Sandbox {self._name} did not answer {path} within {self._timeout_s:g} s. Start another."
                ) from None
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                detail = self.explain() or str(error)
                raise SandboxLost(f"Sandbox {self._name} is gone: {detail}. Start another.") from None


class Lease:
    """Keeps a sandbox up for as long as this process lives and `release` is not called.

    Raises:
        OSError: Nothing listens there yet.
    """

    def __init__(self, where: Path | Address, timeout_s: float = CONTROL_TIMEOUT_S) -> None:
        self._socket = as_address(where).connect(timeout_s)
        try:
            self._socket.sendall(b"GET /lease HTTP/1.1\r\nhost: control\r\n\r\n")
            if not self._socket.recv(64).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("the control plane refused the lease")
        except OSError:
            self._socket.close()
            raise

    def release(self) -> None:
        """Let go of the sandbox; safe to call twice."""
        self._socket.close()


def wait_for_lease(
    where: Path | Address, deadline_s: float, check: Callable[[], None], log: Callable[[], str]
) -> Lease:
    """A lease on the sandbox whose control plane is about to listen.

    Args:
        where: Its control socket, or where else.
        deadline_s: Longest wait.
        check: Called between attempts; raises when waiting has become pointless.
        log: What the sandbox has logged so far.

    Raises:
        SandboxStartError: It did not come up in time.
    """
    end = time.monotonic() + deadline_s
    while True:
        with contextlib.suppress(OSError):
            return Lease(where)
        check()
        if time.monotonic() > end:
            tail = log()[-LOG_TAIL:].strip() or "(empty)"
            raise SandboxStartError(f"The sandbox was not healthy within {deadline_s:g} s. Its log ends: {tail}")
        time.sleep(POLL_S)
