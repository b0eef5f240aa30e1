"""One Chromium per process, on a thread of its own.

Playwright's synchronous API may only be used from the thread that started it. All drivers hand
their work to that one thread, so a driver itself can be used from any.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

from envsim.errors import PrerequisiteError, SandboxLost, SandboxTimeout, missing_extra

T = TypeVar("T")

ENV = "ENVSIM_CHROMIUM"
"""Environment variable with the path of the Chromium to use."""

DEADLINE_S = 60
"""Longest that one piece of work may take, e.g. when a page's script never returns."""

CANDIDATES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Tried in this order; the headless shell takes half the memory of a full browser."""

ARGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    # All pages are of one app and one thread drives them: a renderer each would only cost starts.
    "--renderer-process-limit=1",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    # Nothing is resolved but loopback, where the proxies are; contexts see the app through one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


CONTEXTS_ENV = "ENVSIM_CHROMIUM_CONTEXTS"
"""Environment variable with how many sessions one browser holds at once."""

CONTEXTS_PER_CORE = 4
"""Unless that says otherwise: more would share the same cores, at about 100 MB each."""

PLACE_S = 60.0
"""Longest wait for another session to close."""


def max_contexts() -> int:
    """Sessions that the browser of this process holds at once; one at least.

    Raises:
        PrerequisiteError: ``$ENVSIM_CHROMIUM_CONTEXTS`` is not a number.
    """
    given = os.environ.get(CONTEXTS_ENV, "")
    if given and not given.isdecimal():
        raise PrerequisiteError(f"{CONTEXTS_ENV}={given} is not a number.", command=f"export {CONTEXTS_ENV}=8")
    return max(1, int(given) if given else CONTEXTS_PER_CORE * (os.cpu_count() or 1))


def find_chromium() -> str:
    """Path of the browser to drive.

    Raises:
        PrerequisiteError: There is none; carries the command that installs one.
    """
    chosen = os.environ.get(ENV)
    if chosen:
        if shutil.which(chosen):
            return chosen
        raise PrerequisiteError(f"{ENV}={chosen} is not a program.", command=f"export {ENV}=/usr/bin/chromium")
    for name in CANDIDATES:
        path = shutil.which(name)
        if path:
            return path
    raise PrerequisiteError(
        f"The chromium driver found none of {', '.join(CANDIDATES)}; install one, or set {ENV} to its path.",
        command="apt-get install -y chromium",
    )


class Browser:
    """A Chromium and the thread that drives it. Get the process's one with `shared`."""

    def __init__(self) -> None:
        self._playwright_browser: Any = None
        self._stuck = False
        self.pid = 0
        """Process id of the browser, 0 until it runs."""
        self._executable = find_chromium()
        self.limit = max_contexts()
        self.places = threading.BoundedSemaphore(self.limit)
        """One for each session there may be."""
        self._jobs: queue.SimpleQueue[tuple[Callable[[Any], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="chromium", daemon=True)
        self._thread.start()
        self._ready.result()

    @property
    def alive(self) -> bool:
        """Whether it still takes work."""
        return self._thread.is_alive() and not self._stuck

    def call(self, work: Callable[[Any], T]) -> T:
        """The result of ``work(browser)``, done on the browser's thread; `browser` is Playwright's.

        Raises:
            SandboxLost: The browser is gone.
            SandboxTimeout: It did not finish within `DEADLINE_S`; it is given up and not used again.
        """
        if threading.current_thread() is self._thread:
            return work(self._playwright_browser)
        done: Future[T] = Future()
        self._jobs.put((work, done))
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return done.result(timeout=0.5)
            except FutureTimeout:
                if done.done():
                    raise
            if not self.alive:
                raise SandboxLost("Chromium is gone. Reset the environment: it starts a new one.")
            if time.monotonic() > deadline:
                self._give_up()
                raise SandboxTimeout(f"Chromium did not answer within {DEADLINE_S} s. Reset the environment.")

    def _give_up(self) -> None:
        """Kill a browser that does not answer: a page that spins would spin until this process ends."""
        self._stuck = True
        if self.pid:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Close the browser; safe to call twice."""
        if self.alive:
            self._jobs.put(None)
            self._thread.join(10)

    def _run(self) -> None:
        try:
            # An optional extra, and heavy: loaded when a browser is first needed.
            from playwright.sync_api import sync_playwright  # noqa: PLC0415
        except ModuleNotFoundError:
            self._ready.set_exception(missing_extra("playwright", "browser"))
            return
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=self._executable, headless=True, chromium_sandbox=not root, args=list(ARGS)
                )
                self._playwright_browser = browser
                self.pid = _pid_of(browser)
                self._ready.set_result(None)
                self._serve(browser)
                with contextlib.suppress(Exception):
                    browser.close()
        except Exception as error:
            if not self._ready.done():
                reason = str(error).strip().splitlines()[0]
                self._ready.set_exception(
                    PrerequisiteError(
                        f"{self._executable} does not start: {reason}.", command=f"{self._executable} --version"
                    )
                )

    def _serve(self, browser: Any) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            try:
                done.set_result(work(browser))
            except BaseException as error:
                done.set_exception(error)
                if not browser.is_connected():
                    return


class Place:
    """A session's place in a browser, which has `max_contexts` of them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._taken = False

    def take(self) -> None:
        """Wait for another session to close if there is no place; nothing, if this one has its place already.

        Raises:
            PrerequisiteError: All places were taken for `PLACE_S`.
        """
        if self._taken:
            return
        if not self._browser.places.acquire(timeout=PLACE_S):
            limit = self._browser.limit
            raise PrerequisiteError(
                f"This process has {limit} browser sessions open, and none closed within {PLACE_S:g} s. Close "
                "environments that are done, use fewer at once, or allow for more",
                command=f"export {CONTEXTS_ENV}={2 * limit}",
            )
        self._taken = True

    def give_back(self) -> None:
        """Let another session have it; safe to call twice."""
        if self._taken:
            self._taken = False
            self._browser.places.release()


def _pid_of(browser: Any) -> int:
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return next((int(process["id"]) for process in found if process["type"] == "browser"), 0)


_shared: tuple[int, Browser] | None = None
_lock = threading.Lock()


def shared() -> Browser:
    """The browser of this process, started on first use and stopped when the process ends.

    Raises:
        PrerequisiteError: No Chromium, or no Playwright.
    """
    global _shared  # noqa: PLW0603 -- one browser a process is the point
    with _lock:
        # A forked child cannot use its parent's browser.
        if _shared is None or _shared[0] != os.getpid() or not _shared[1].alive:
            browser = Browser()
            atexit.register(browser.stop)
            _shared = (os.getpid(), browser)
        return _shared[1]
