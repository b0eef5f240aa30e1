"""An app that is a process of its own: started, watched, ended with all that it started.

Standard library only: this package also runs inside images, without the rest of envsim.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from envsim.errors import SandboxError
from envsim.guest.faketime import forget
from envsim.guest.relay import Address, connect

READY_S = 40.0
STOP_S = 2.0
POLL_S = 0.005
OURS = frozenset({"PYTHONPATH"})
"""Variables of the supervisor that are none of an app's business."""

log = logging.getLogger("envsim.guest")


class Child:
    """One process and what it starts, in a session of its own.

    Args:
        command: Program and arguments; its output goes where ours goes.
        folder: Where it is started.
        address: Where it will listen.
        environment: Variables beside our own.
    """

    def __init__(self, command: Sequence[str], folder: Path, address: Address, environment: Mapping[str, str]) -> None:
        self._command, self._folder, self._address = list(command), folder, address
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def ending(self) -> str:
        """How it ended, in words; "" while it runs or before it was started."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return ""
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def start(self, more: Mapping[str, str] | None = None) -> None:
        """Start it, unless it runs; `more` are variables of this time only.

        Raises:
            SandboxError: The program is not there or cannot be run.
        """
        if self.alive():
            return
        self.stop()
        if isinstance(self._address, Path):
            self._address.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment |= {**self._environment, **(more or {})}
        try:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise SandboxError(
                f"The command {self._command[0]!r} cannot be run: {error.strerror}. Correct `command` in sandbox.toml."
            ) from None

    async def ready(self, within_s: float = READY_S) -> None:
        """Return once it takes connections.

        Raises:
            SandboxError: It ended, or did not listen in time.
        """
        end = time.monotonic() + within_s
        while True:
            with contextlib.suppress(OSError):
                _, writer = await connect(self._address)
                writer.close()
                return
            if ended := self.ending():
                raise SandboxError(f"The app {ended} before it listened on {self._where()}. See its log.")
            if time.monotonic() > end:
                raise SandboxError(
                    f"The app runs but does not listen on {self._where()} after {within_s:.0f} s. "
                    "Correct `port` or `socket` in sandbox.toml."
                )
            await asyncio.sleep(POLL_S)

    def stop(self) -> None:
        """End it and all it started; safe to call at any time."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("the app does not end when asked to; it is killed")
        # Its workers too, also where it ended without them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._reap(process.pid)
        forget(process.pid)

    def _reap(self, group: int) -> None:
        """Take in what it left to us: in a container we are every orphan's parent."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-group, 0)[0]:
                pass

    def _where(self) -> str:
        return f"its socket {self._address}" if isinstance(self._address, Path) else f"port {self._address}"
