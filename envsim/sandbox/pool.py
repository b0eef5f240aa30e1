"""Warm sandboxes of one app: claimed in a millisecond or two, reset and checked when they come back.

A `SandboxPool` is itself a `Runtime`: what takes a runtime takes a pool, and closing a sandbox that came
out of one gives it back.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

from envsim.errors import ContentError, SandboxError, SandboxTimeout
from envsim.sandbox.pooled import PooledSandbox
from envsim.sandbox.runtime import ResetRequest, Runtime, Sandbox
from envsim.sandbox.spec import SandboxSpec

LIMIT = 256
"""Most sandboxes of one pool, in use or not, unless told otherwise."""
CLAIM_S = 90.0
"""Longest wait for a sandbox: more than the deadline of one start."""
AT_ONCE = 4
"""How many sandboxes are started or checked at the same time."""


class SandboxPool:
    """Keeps sandboxes of `spec` warm. Safe to use from any number of threads.

    A sandbox is given out with a state nobody has touched. One that comes back is reset; if it fails, or its
    state hash is not that of a new one, it is closed and another is started in its place.

    Args:
        runtime: What starts them.
        spec: What they are clones of.
        limit: Most there may be at a time; whoever asks for more waits.
        deadline_s: Longest wait of a claim, in seconds.
    """

    def __init__(self, runtime: Runtime, spec: SandboxSpec, *, limit: int = LIMIT, deadline_s: float = CLAIM_S) -> None:
        if limit < 1:
            raise ContentError(f"A pool of {limit} sandboxes holds none. Give a limit of 1 or more.")
        self.runtime = runtime
        self.spec = spec
        self.limit = limit
        self.recreated = 0
        """How many came back in a state that could not be vouched for."""
        self._deadline_s = deadline_s
        self._changed = threading.Condition()
        self._idle: deque[Sandbox] = deque()
        self._used = self._coming = self._waiting = 0
        self._failures: deque[BaseException] = deque()
        self._failed: BaseException | None = None
        self._clean = ""
        self._closed = False
        self._workers = ThreadPoolExecutor(AT_ONCE, "sandbox-pool")

    @property
    def idle(self) -> int:
        """How many are warm and in nobody's hands."""
        with self._changed:
            return len(self._idle)

    @property
    def used(self) -> int:
        """How many are claimed."""
        with self._changed:
            return self._used

    def start(self, spec: SandboxSpec) -> Sandbox:
        """See `Runtime.start`: a warm one; closing it gives it back. Once the pool is closed, one of its own.

        Raises:
            ContentError: Not the app of this pool.
            SandboxTimeout: None came free within the deadline.
            SandboxStartError: None could be started.
        """
        if spec != self.spec:
            raise ContentError(f"This pool holds sandboxes of {self.spec.name}, not of {spec.name}. Make one for each.")
        sandbox = self._claim()
        return self.runtime.start(spec) if sandbox is None else PooledSandbox(sandbox, self._give_back)

    def prewarm(self, count: int) -> None:
        """Start sandboxes in the background until there are `count`, in use or not; never more than the limit."""
        with self._changed:
            while not self._closed and self._total < min(count, self.limit):
                self._launch()

    def wait(self, count: int, deadline_s: float = CLAIM_S) -> None:
        """Return when `count` are warm and idle.

        Raises:
            SandboxTimeout: They are not within the deadline.
            SandboxError: No more are on their way or in use, because this start failed last.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or len(self._idle) >= count or self._stuck, deadline_s):
                raise SandboxTimeout(
                    f"{len(self._idle)} of {count} sandboxes of {self.spec.name} were warm within {deadline_s:g} s. "
                    "Start fewer, or wait longer."
                )
            if self._stuck is not None and not self._closed and len(self._idle) < count:
                raise self._stuck

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back. Safe to call twice."""
        with self._changed:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
            self._changed.notify_all()
        if idle:
            with ThreadPoolExecutor(AT_ONCE) as closers:
                list(closers.map(_close_quietly, idle))
        self._workers.shutdown()

    def _give_back(self, sandbox: Sandbox) -> None:
        """Take `sandbox`, which was claimed here, and make it ready for the next in the background."""
        with self._changed:
            self._used -= 1
            if not self._closed:
                # At the end of the interpreter no more work is taken: then as if the pool were closed.
                with contextlib.suppress(RuntimeError):
                    self._workers.submit(self._return, sandbox)
                    self._coming += 1
                    return
        sandbox.close()

    @property
    def _stuck(self) -> BaseException | None:
        """Why there will be no more than are idle, if a start failed and nothing is under way."""
        return None if self._coming or self._used else self._failed

    # -- claiming ------------------------------------------------------------------------------------

    @property
    def _total(self) -> int:
        return len(self._idle) + self._used + self._coming

    def _claim(self) -> Sandbox | None:
        """A sandbox that answers; None once the pool is closed."""
        end = time.monotonic() + self._deadline_s
        while (sandbox := self._next(end)) is not None:
            try:
                sandbox.control.health()
            except SandboxError:
                # It died while nobody used it.
                with self._changed:
                    self._used -= 1
                    self.recreated += 1
                _close_quietly(sandbox)
            except BaseException:
                self._give_back(sandbox)  # nobody has it: an interrupt must not take it out of the pool for good
                raise
            else:
                return sandbox
        return None

    def _next(self, end: float) -> Sandbox | None:
        with self._changed:
            self._waiting += 1
            try:
                while not self._closed:
                    if self._idle:
                        self._used += 1
                        return self._idle.popleft()
                    if self._failures:
                        raise self._failures.popleft()
                    if self._coming < self._waiting and self._total < self.limit:
                        self._launch()
                    if not self._changed.wait(max(0.0, end - time.monotonic())) and time.monotonic() >= end:
                        raise SandboxTimeout(self._none_came())
                return None
            finally:
                self._waiting -= 1
                if not self._waiting:
                    self._failures.clear()  # nobody is left whom they concern

    def _none_came(self) -> str:
        return (
            f"None of {self._total} sandboxes of {self.spec.name} (limit {self.limit}) came free within "
            f"{self._deadline_s:g} s. Close environments that are done, or raise the limit."
        )

    # -- on the workers' threads -----------------------------------------------------------------------

    def _launch(self) -> None:
        self._coming += 1
        self._workers.submit(self._bring)

    def _bring(self) -> None:
        """Start one and put it with the idle; its failure goes to somebody who waits."""
        sandbox = None
        try:
            if not self._closed:
                sandbox = self._begin()
        except BaseException as error:
            with self._changed:
                self._failed = error
                if self._waiting:
                    self._failures.append(error)
        self._arrive(sandbox)

    def _begin(self) -> Sandbox:
        sandbox = self.runtime.start(self.spec)
        try:
            self._check(sandbox)
        except BaseException:
            _close_quietly(sandbox)
            raise
        return sandbox

    def _return(self, sandbox: Sandbox) -> None:
        try:
            self._check(sandbox)
        except Exception:
            with self._changed:
                self.recreated += 1
            _close_quietly(sandbox)
            self._bring()
        else:
            self._arrive(sandbox)

    def _check(self, sandbox: Sandbox) -> None:
        """Reset it, and hold its state against that of the first one of this pool."""
        sandbox.control.reset(ResetRequest())
        found = sandbox.control.hash()
        with self._changed:
            self._clean = self._clean or found
            if found != self._clean:
                raise SandboxError(
                    f"After a reset, sandbox {sandbox.name} is not in the state of a new one. A clone must keep "
                    f"all its state where a reset undoes it: sandbox check {self.spec.name}."
                )

    def _arrive(self, sandbox: Sandbox | None) -> None:
        """What was under way is here, or nothing has come of it; at once, so that nobody counts it twice."""
        with self._changed:
            self._coming -= 1
            kept = not self._closed
            if sandbox is not None and kept:
                self._idle.append(sandbox)
            self._changed.notify_all()
        if sandbox is not None and not kept:
            _close_quietly(sandbox)


def _close_quietly(sandbox: Sandbox) -> None:
    """Close what is of no more use; what is left then is for the sweep."""
    with contextlib.suppress(Exception):
        sandbox.close()
